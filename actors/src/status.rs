//! What the pipeline says of itself: a snapshot value, never a handle.

use actix::Message;

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
    Draining,
    Stopped,
    Halted,
}

#[derive(Debug, Clone, serde::Serialize)]
pub struct Status {
    pub name: String,
    pub state: State,
    pub generation: u64,
    pub restarts: u64,
    /// `FILE:OFFSET` that is durable, and the one read.
    pub position_durable: Option<String>,
    pub position_read: Option<String>,
    pub gtid_set: Option<String>,
    /// Age of the oldest change that was read and is not durable; 0 without one.
    pub lag_secs: Option<f64>,
    /// Bytes of binlog between what is durable and the server's head.
    pub lag_bytes: Option<u64>,
    pub checkpoint_age_secs: Option<f64>,
    pub tables: Vec<TableStatus>,
    pub lanes: Vec<LaneStatus>,
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

#[derive(Debug, Clone, serde::Serialize)]
pub struct LaneStatus {
    pub lane: String,
    pub backlog_bytes: u64,
    pub in_flight: bool,
    pub fenced: bool,
}

#[derive(Debug, Clone, serde::Serialize)]
pub struct ErrorStatus {
    pub at_unix_secs: u64,
    pub actor: String,
    pub message: String,
    pub hint: Option<String>,
}
