//! What the pipeline says of itself: a snapshot value, never a handle.

mod copies;

use std::{collections::BTreeMap, time::Instant};

use actix::Message;

pub use self::copies::{CopyStatus, state_word};

/// Asks the Supervisor for a [`Status`].
#[derive(Debug, Message)]
#[rtype(result = "Status")]
pub struct GetStatus;

#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// Another process has the checkpoint store.
    Standby,
    Starting,
    Streaming,
    BackingOff,
    /// Reading waits until the position can be stored.
    Paused,
    Draining,
    Stopped,
    Halted,
}

/// What the Supervisor says of itself unasked, at each change and at least once a second: who watches need not
/// wait for its mailbox.
#[derive(Debug, Clone)]
pub struct Vitals {
    pub state: State,
    /// The newest that lasts.
    pub last_error: Option<ErrorStatus>,
    /// When it was said.
    pub at: Instant,
}

#[derive(Debug, Clone, serde::Serialize)]
pub struct Status {
    pub name: String,
    pub state: State,
    pub generation: u64,
    pub restarts: u64,
    /// Of readers, routers, shard writers and checkpointers.
    pub restarts_by_actor: BTreeMap<&'static str, u64>,
    /// `FILE:OFFSET` that is durable, and the one read.
    pub position_durable: Option<String>,
    pub position_read: Option<String>,
    pub gtid_set: Option<String>,
    /// As `headwater_source_lag_seconds`.
    pub lag_secs: Option<f64>,
    /// Bytes of binlog between what is durable and the server's head.
    pub lag_bytes: Option<u64>,
    /// As `headwater_source_purge_seconds`.
    pub purge_in_secs: Option<u64>,
    pub checkpoint_age_secs: Option<f64>,
    pub tables: Vec<TableStatus>,
    pub lanes: Vec<LaneStatus>,
    pub sinks: Vec<SinkStatus>,
    pub parked: Vec<ParkedStatus>,
    /// Tables whose present rows are copied, as far as it is durable.
    pub copies: Vec<CopyStatus>,
    /// Newest last; no row values, no secrets.
    pub last_errors: Vec<ErrorStatus>,
}

#[derive(Debug, Clone, Default, serde::Serialize)]
pub struct TableStatus {
    pub table: String,
    pub inserts: u64,
    pub updates: u64,
    pub deletes: u64,
    pub ddl: u64,
}

/// A table that is passed over until `headwater resume-table`.
#[derive(Debug, Clone, serde::Serialize)]
pub struct ParkedStatus {
    pub table: String,
    pub reason: String,
    pub since_unix_secs: u64,
    /// Where it goes on: `FILE:OFFSET`, and rows done of the transaction there.
    pub position: String,
    pub rows_done: u64,
    /// Whether the server's log still has that place; unknown until it was asked.
    pub is_kept: Option<bool>,
    /// Bytes of log behind that place.
    pub log_bytes: Option<u64>,
    /// The server keeps its log there for at least so long; absent where nothing expires.
    pub expires_in_secs: Option<u64>,
    pub remedy: String,
}

/// One target that is connected.
#[derive(Debug, Clone, serde::Serialize)]
pub struct SinkStatus {
    /// The stream or file; empty where it has no name.
    pub target: String,
    /// Since when it throttles, and how many records it has asked to send again since; absent while it takes all.
    pub throttled_since_unix_secs: Option<u64>,
    pub records_throttled: u64,
}

#[derive(Debug, Clone, serde::Serialize)]
pub struct LaneStatus {
    pub lane: String,
    pub backlog_bytes: u64,
    pub in_flight: bool,
    pub fenced: bool,
}

#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub struct ErrorStatus {
    /// When it was told last, and first.
    pub at_unix_secs: u64,
    pub since_unix_secs: u64,
    pub times: u64,
    /// Absent while it lasts.
    pub cured_at_unix_secs: Option<u64>,
    pub actor: String,
    pub message: String,
    pub hint: Option<String>,
}
