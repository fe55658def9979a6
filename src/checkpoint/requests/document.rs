//! Requests as text: JSON that a person can read. Bounded in bytes and in number.

use std::sync::Arc;

use headwater_actors::{
    failure::Failure,
    ports::requests::{Request, Wish},
};
use headwater_binlog::schema::TableName;
use serde::{Deserialize, Serialize};

const VERSION: u64 = 1;
/// Some thousand tables by name; an item of DynamoDB takes 400 KB.
pub(super) const BYTES_MAX: usize = 256 * 1024;
/// A process that runs follows each within seconds.
const WAITING_MAX: usize = 100;

#[derive(Debug, Default, PartialEq)]
pub(super) struct Document {
    /// The newest number that was given.
    last: u64,
    requests: Vec<Request>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Body {
    version: u64,
    last: u64,
    requests: Vec<RequestBody>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct RequestBody {
    number: u64,
    wish: WishBody,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    run: Option<Arc<str>>,
    #[serde(default, rename = "where", skip_serializing_if = "Option::is_none")]
    condition: Option<Arc<str>>,
    /// Database and table each.
    tables: Vec<(String, String)>,
}

#[derive(Clone, Copy, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum WishBody {
    Start,
    Pause,
    Resume,
    Cancel,
}

impl Document {
    /// Empty where nothing was ever asked.
    pub(super) fn of(place: &str, bytes: &[u8]) -> Result<Self, Failure> {
        if bytes.is_empty() {
            return Ok(Self::default());
        }
        let damaged = |found: String| {
            Failure::definite(format!("the requests in {place} cannot be read: {found}"))
                .with_hint("remove them, and say again what was asked with `headwater snapshot`")
        };
        if bytes.len() > BYTES_MAX {
            return Err(damaged(format!("they are larger than {BYTES_MAX} bytes")));
        }
        let body: Body =
            serde_json::from_slice(bytes).map_err(|error| damaged(error.to_string()))?;
        if body.version != VERSION {
            return Err(damaged(format!(
                "they have version {}, this program knows {VERSION}",
                body.version
            )));
        }
        let requests: Option<_> = body
            .requests
            .into_iter()
            .map(RequestBody::request)
            .collect();
        Ok(Self {
            last: body.last,
            requests: requests.ok_or_else(|| damaged("a start has no run".to_owned()))?,
        })
    }

    pub(super) fn behind(&self, followed: u64) -> Vec<Request> {
        let requests = self.requests.iter();
        let behind = requests.filter(|request| request.number > followed);
        behind.cloned().collect()
    }

    /// Removes those up to number `followed`.
    pub(super) fn forget(&mut self, followed: u64) {
        self.requests.retain(|request| request.number > followed);
    }

    /// Adds one behind all that there ever were; its number.
    pub(super) fn add(
        &mut self,
        followed: u64,
        wish: Wish,
        tables: Vec<TableName>,
    ) -> Result<u64, Failure> {
        self.forget(followed);
        if self.requests.len() >= WAITING_MAX {
            return Err(
                Failure::definite(format!("{WAITING_MAX} requests wait already"))
                    .with_hint("start the pipeline, which follows them, then say it again"),
            );
        }
        self.last = self.last.max(followed) + 1;
        self.requests.push(Request {
            number: self.last,
            wish,
            tables,
        });
        Ok(self.last)
    }

    pub(super) fn text(&self) -> Result<String, Failure> {
        let body = Body {
            version: VERSION,
            last: self.last,
            requests: self.requests.iter().map(RequestBody::of).collect(),
        };
        let text = serde_json::to_string(&body)
            .map_err(|error| Failure::definite("write the requests").because(error))?;
        if text.len() > BYTES_MAX {
            return Err(Failure::definite(format!(
                "with this one the requests that wait have {} bytes, at most {BYTES_MAX} are kept",
                text.len()
            ))
            .with_hint("ask for fewer tables at once, or write a run with patterns into the settings ([[snapshot.runs]])"));
        }
        Ok(text)
    }
}

impl RequestBody {
    fn of(request: &Request) -> Self {
        let (wish, run, condition) = match &request.wish {
            Wish::Start { run, condition } => {
                (WishBody::Start, Some(Arc::clone(run)), condition.clone())
            }
            Wish::Pause => (WishBody::Pause, None, None),
            Wish::Resume => (WishBody::Resume, None, None),
            Wish::Cancel => (WishBody::Cancel, None, None),
        };
        let pair = |table: &TableName| (table.database.clone(), table.table.clone());
        Self {
            number: request.number,
            wish,
            run,
            condition,
            tables: request.tables.iter().map(pair).collect(),
        }
    }

    fn request(self) -> Option<Request> {
        let wish = match self.wish {
            WishBody::Start => Wish::Start {
                run: self.run?,
                condition: self.condition,
            },
            WishBody::Pause => Wish::Pause,
            WishBody::Resume => Wish::Resume,
            WishBody::Cancel => Wish::Cancel,
        };
        let table = |(database, table)| TableName { database, table };
        Some(Request {
            number: self.number,
            wish,
            tables: self.tables.into_iter().map(table).collect(),
        })
    }
}
