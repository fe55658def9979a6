//! What operators ask of a running pipeline, beside its checkpoint: written by the command line alone, read by the
//! process about once a second.
//!
//! A document in the store's own kind: `FILE.requests` under a lock of its own, or a row or item beside the
//! checkpoint's under a name that no pipeline has. Requests have rising numbers. The checkpoint says up to which number
//! they were followed; these are removed when the next one is added. So nothing that one side writes is written by the
//! other, and the lease is not asked for. Not here: what a request does (the Reader's twin).

mod document;
mod file;

use std::{path::PathBuf, sync::Arc};

use headwater_actors::{
    failure::Failure,
    ports::{
        BoxFuture,
        requests::{Request, Requests, Wish},
    },
};
use headwater_binlog::schema::TableName;
use tokio::sync::Mutex;

use self::document::Document;
use super::{
    CheckpointPlan, StorePlan, opening,
    remote::{Connect, Row, Table},
};
use crate::{lease::Claim, sha256::Sha256};

/// As wide as a table's column of names.
const NAME_BYTES_MAX: usize = 64;
/// Two commands at the same moment are many already.
const WRITE_TRIES: u32 = 16;

/// Reads what is asked of the pipeline. Nothing is read, or written, before it is asked.
pub fn requests(plan: &CheckpointPlan, name: &str) -> Arc<dyn Requests> {
    Arc::new(Beside {
        place: Arc::new(Place::of(plan, name)),
    })
}

/// Asks the pipeline; the number of the request. Those up to number `followed` are removed.
///
/// # Errors
/// When the store cannot be read or written, or too much waits in it already.
pub async fn ask(
    plan: &CheckpointPlan,
    name: &str,
    followed: u64,
    (wish, tables): (Wish, Vec<TableName>),
) -> Result<u64, Failure> {
    let change = |document: &mut Document| document.add(followed, wish.clone(), tables.clone());
    Place::of(plan, name).change(&change).await
}

/// Those that wait.
///
/// # Errors
/// When the store cannot be read.
pub async fn waiting(
    plan: &CheckpointPlan,
    name: &str,
    followed: u64,
) -> Result<Vec<Request>, Failure> {
    Place::of(plan, name).behind(followed).await
}

/// Forgets what was followed, before the checkpoint does: or it would be followed again.
///
/// # Errors
/// When the store cannot be read or written.
pub async fn forget(plan: &CheckpointPlan, name: &str, followed: u64) -> Result<(), Failure> {
    let place = Place::of(plan, name);
    if place.read().await?.behind(0).is_empty() {
        return Ok(());
    }
    let change = |document: &mut Document| {
        document.forget(followed);
        Ok(0)
    };
    place.change(&change).await.map(drop)
}

struct Beside {
    place: Arc<Place>,
}

impl Requests for Beside {
    fn behind(&self, followed: u64) -> BoxFuture<'static, Result<Vec<Request>, Failure>> {
        let place = Arc::clone(&self.place);
        Box::pin(async move { place.behind(followed).await })
    }
}

enum Place {
    File(PathBuf),
    Table {
        connect: Connect,
        /// Once it is connected.
        table: Mutex<Option<Arc<dyn Table>>>,
    },
}

type Change<'a> = &'a (dyn Fn(&mut Document) -> Result<u64, Failure> + Sync);

impl Place {
    fn of(plan: &CheckpointPlan, name: &str) -> Self {
        match &plan.store {
            StorePlan::File(path) => Self::File(path.clone()),
            store => Self::Table {
                connect: opening::connect(store, &row_name(name)),
                table: Mutex::default(),
            },
        }
    }

    async fn behind(&self, followed: u64) -> Result<Vec<Request>, Failure> {
        Ok(self.read().await?.behind(followed))
    }

    async fn read(&self) -> Result<Document, Failure> {
        match self {
            Self::File(path) => file::read(path.clone()).await,
            Self::Table { .. } => {
                let table = self.table().await?;
                let row = table.read().await?;
                Document::of(table.place(), row.as_ref().map_or(&[], |row| &row.body))
            }
        }
    }

    async fn change(&self, change: Change<'_>) -> Result<u64, Failure> {
        match self {
            Self::File(path) => {
                let locked = file::lock(path.clone()).await?;
                let mut document = file::read(path.clone()).await?;
                let number = change(&mut document)?;
                file::write(locked, path.clone(), document.text()?).await?;
                Ok(number)
            }
            Self::Table { .. } => change_row(self.table().await?.as_ref(), change).await,
        }
    }

    async fn table(&self) -> Result<Arc<dyn Table>, Failure> {
        let (connect, mut kept) = match self {
            Self::Table { connect, table } => (connect, table.lock().await),
            Self::File(path) => {
                let text = format!("{} is no table", path.display());
                return Err(Failure::definite(text));
            }
        };
        if let Some(table) = &*kept {
            return Ok(Arc::clone(table));
        }
        let table = connect().await?;
        *kept = Some(Arc::clone(&table));
        Ok(table)
    }
}

/// A write counts where nobody has written since what it changes was read.
async fn change_row(table: &dyn Table, change: Change<'_>) -> Result<u64, Failure> {
    for _ in 0..WRITE_TRIES {
        let Some(Row {
            claim,
            version,
            body,
        }) = table.read().await?
        else {
            table.claim(None, &nobodys()).await?;
            continue;
        };
        let mut document = Document::of(table.place(), &body)?;
        let number = change(&mut document)?;
        let text = document.text()?;
        if table.save(&claim, version, text.as_bytes()).await? {
            return Ok(number);
        }
    }
    let text = format!(
        "requests in {}: others write there all the time",
        table.place()
    );
    Err(Failure::transient(text).with_hint("say it again"))
}

/// The row has columns for a lease, which nobody takes.
fn nobodys() -> Claim {
    Claim {
        term: 0,
        holder: String::new(),
        renewals: 0,
        lease: std::time::Duration::ZERO,
    }
}

/// The row's name: no pipeline's name has a slash.
fn row_name(name: &str) -> String {
    let plain = format!("/{name}");
    if plain.len() <= NAME_BYTES_MAX {
        return plain;
    }
    let digest = Sha256::of(name.as_bytes()).hex();
    let digits = NAME_BYTES_MAX - 1;
    format!("/{digest:.digits$}")
}

#[cfg(test)]
mod tests;
