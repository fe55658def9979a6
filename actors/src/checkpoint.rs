//! The stored position and what makes it safe to go on from: which server, which epoch, which lanes.

use headwater_binlog::{
    gtid::{GtidSet, Uuid},
    position::Position,
    xa::XaTable,
};

/// How far the log has been taken. `position` is a transaction boundary; `rows_done` rows and DDLs of
/// the transaction that starts there are done too (a place inside a giant transaction).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mark {
    pub position: Position,
    pub rows_done: u64,
}

/// How rows are spread over lanes: may change only at a drained checkpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OrderingKey {
    Table,
    PrimaryKey { lanes: u32 },
}

/// All that a restart needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checkpoint {
    /// The pipeline's name (`name` in the settings).
    pub name: String,
    pub server_uuid: Uuid,
    /// The replica id that we present to the server.
    pub server_id: u32,
    /// Rises with every change of server or of the log's numbering; first field of `seq`.
    pub epoch: u32,
    pub mark: Mark,
    /// Transactions wholly done. Empty where the server has no GTIDs.
    pub gtid_set: GtidSet,
    /// XA transactions that are prepared and not finished.
    pub xa: XaTable,
    /// Commit time of the newest transaction done, microseconds since the epoch; 0 when unknown.
    pub commit_us: u64,
    pub ordering: OrderingKey,
    /// Written by a drain: nothing was in flight beyond it.
    pub drained: bool,
}
