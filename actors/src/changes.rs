//! Data between the log and the lanes: the parts of a transaction, and heartbeats.

use std::sync::Arc;

use headwater_binlog::{position::Position, rows::RowsBlock, transaction::Statement};

/// A lane's share of one event.
#[derive(Debug, Clone)]
pub enum Part {
    Rows {
        block: RowsBlock,
        /// Indexes relative to `block.first_row`, one per row, when rows of other lanes were taken out.
        numbers: Option<Arc<[u32]>>,
        /// The block's final row is the transaction's last event in this lane.
        is_last: bool,
    },
    Statement {
        statement: Arc<Statement>,
        is_shared: bool,
        is_last: bool,
    },
}

/// How far the source has been read, said to a lane that has delivered all of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Heartbeat {
    /// Between two transactions, or where the one begins that is being read.
    pub position: Position,
    /// Of the newest transaction read; 0 when none was.
    pub commit_us: u64,
    /// Up to here every lane has delivered all.
    pub complete: Option<Position>,
}
