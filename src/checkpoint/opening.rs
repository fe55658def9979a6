//! The store that the plan names: opened for a pipeline, looked at, tried, created.
//!
//! One process at a time has it open. The file's own lock is its lease: it ends with its process, so who stands by
//! waits for it and there is nothing to renew.

use std::{path::Path, sync::Arc, time::Duration};

use headwater_actors::{
    failure::Failure,
    metrics::LEASE_HELD,
    ports::store::{CheckpointStore, Stored},
};
use tokio::sync::mpsc;

use super::{
    CheckpointPlan, Error, StorePlan,
    dynamodb::DynamoDbTable,
    file::{self, FileStore},
    mysql::MySqlTable,
    remote::{self, Connect, Held, Table},
};
use crate::lease::{Span, gate::LeaseGate};

/// How often a locked file is tried.
const LOCK_INTERVAL: Duration = Duration::from_millis(100);

/// A store that is ours.
pub struct Opened {
    pub store: Arc<dyn CheckpointStore>,
    /// None ever come of a file.
    pub(super) events: mpsc::UnboundedReceiver<LeaseEvent>,
    pub(super) held: Option<Held>,
}

impl Opened {
    /// What happens to the lease from now on.
    pub fn take_events(&mut self) -> mpsc::UnboundedReceiver<LeaseEvent> {
        std::mem::replace(&mut self.events, mpsc::unbounded_channel().1)
    }

    /// Lets another process take over at once; nothing may be sent any more.
    pub async fn give_back(self) {
        if let Some(held) = self.held {
            held.give_back().await;
        }
    }
}

/// What to do while another process has the store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wait {
    /// Until it is gone, however long.
    StandBy,
    /// Only as long as it takes to see that it is dead.
    UnlessAlive,
}

/// Why the store is not ours yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Standing {
    By { holder: String },
    Trouble(Failure),
}

/// Told again at each look.
pub type Tell = Arc<dyn Fn(Standing) + Send + Sync>;

/// What happened to the lease.
#[derive(Debug, Clone)]
pub enum LeaseEvent {
    /// It was not renewed; it is being tried again.
    Trouble(Failure),
    /// After a trouble.
    Renewed,
    /// For good.
    Lost(Failure),
}

/// Closed until the lease is held, where the store needs one.
pub fn gate(plan: &CheckpointPlan) -> LeaseGate {
    match plan.store {
        StorePlan::File(_) => LeaseGate::open(),
        StorePlan::MySql(_) | StorePlan::DynamoDb(_) => LeaseGate::closed(Span(plan.lease)),
    }
}

/// Opens the store for this process alone.
pub async fn open(
    plan: &CheckpointPlan,
    name: &str,
    gate: &LeaseGate,
    wait: Wait,
    tell: Tell,
) -> Result<Opened, Failure> {
    let connect = match &plan.store {
        StorePlan::File(path) => return open_file(path, name, wait, &tell).await,
        store => connect(store, name),
    };
    let whose = (name, plan.work);
    remote::open(connect, whose, Span(plan.lease), gate, wait, tell).await
}

/// For a command: a process that runs is an error, one that died is waited for.
pub async fn open_now(plan: &CheckpointPlan, name: &str) -> Result<Opened, Failure> {
    open_gated(plan, name, &gate(plan)).await
}

/// The same for a command that sends, through this gate.
pub async fn open_gated(
    plan: &CheckpointPlan,
    name: &str,
    gate: &LeaseGate,
) -> Result<Opened, Failure> {
    let tell: Tell = Arc::new(|standing| match standing {
        Standing::By { holder } => tracing::info!("{holder}: seeing whether it is alive"),
        Standing::Trouble(error) => tracing::warn!(%error, "checkpoint store"),
    });
    open(plan, name, gate, Wait::UnlessAlive, tell).await
}

async fn open_file(path: &Path, name: &str, wait: Wait, tell: &Tell) -> Result<Opened, Failure> {
    loop {
        match FileStore::try_open(path, name) {
            Ok(store) => {
                metrics::gauge!(LEASE_HELD).set(1.0);
                return Ok(Opened {
                    store: Arc::new(store),
                    events: mpsc::unbounded_channel().1,
                    held: None,
                });
            }
            Err(error @ Error::Locked { .. }) if wait == Wait::StandBy => {
                metrics::gauge!(LEASE_HELD).set(0.0);
                let holder = error.to_string();
                tell(Standing::By { holder });
                tokio::time::sleep(LOCK_INTERVAL).await;
            }
            Err(error) => return Err(error.into()),
        }
    }
}

/// What is stored, also while another process has the store open.
pub async fn peek(plan: &CheckpointPlan, name: &str) -> Result<Stored, Failure> {
    match &plan.store {
        StorePlan::File(path) => file::peek(path, name),
        store => remote::peek(connect(store, name), name).await,
    }
}

/// That it can be written, without a trace.
pub async fn ensure_writable(plan: &CheckpointPlan, name: &str) -> Result<String, Failure> {
    match &plan.store {
        StorePlan::File(path) => {
            file::ensure_writable(path)?;
            Ok(format!("{} can be written", path.display()))
        }
        store => {
            let table = connect(store, name)().await?;
            table.try_write().await?;
            Ok(format!("{} can be written", table.place()))
        }
    }
}

/// Creates the table where there is none; a file needs no creation.
pub async fn create(plan: &CheckpointPlan, name: &str) -> Result<String, Failure> {
    match &plan.store {
        StorePlan::File(path) => Ok(format!("{} needs no creation", path.display())),
        store => {
            let table = connect(store, name)().await?;
            table.create().await?;
            Ok(format!("{} is there", table.place()))
        }
    }
}

/// Where it is, for messages.
pub fn place(plan: &CheckpointPlan) -> String {
    match &plan.store {
        StorePlan::File(path) => path.display().to_string(),
        StorePlan::MySql(plan) => plan.full_name(),
        StorePlan::DynamoDb(plan) => plan.table.clone(),
    }
}

pub(super) fn connect(store: &StorePlan, name: &str) -> Connect {
    let name = name.to_owned();
    match store.clone() {
        StorePlan::MySql(plan) => Arc::new(move || {
            let table: Arc<dyn Table> = Arc::new(MySqlTable::new(&plan, &name));
            Box::pin(async move { Ok(table) })
        }),
        StorePlan::DynamoDb(plan) => Arc::new(move || {
            let (plan, name) = (plan.clone(), name.clone());
            Box::pin(async move {
                let table: Arc<dyn Table> = Arc::new(DynamoDbTable::connect(&plan, &name).await?);
                Ok(table)
            })
        }),
        StorePlan::File(path) => Arc::new(move || {
            let text = format!("{} is no table", path.display());
            Box::pin(async move { Err(Failure::definite(text)) })
        }),
    }
}
