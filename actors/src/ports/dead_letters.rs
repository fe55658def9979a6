//! Where a change goes that can never be delivered, when the settings say so: with everything needed to
//! replay it. Durable when it resolves.

use std::sync::Arc;

use bytes::Bytes;
use headwater_binlog::transaction::Transaction;

use super::BoxFuture;
use crate::{changes::Part, failure::Failure, lane::Lane, progress::Home};

pub trait DeadLetters: Send + Sync {
    fn bury(&self, letter: DeadLetter) -> BoxFuture<'static, Result<(), Failure>>;
}

#[derive(Debug, Clone)]
pub struct DeadLetter {
    pub lane: Arc<Lane>,
    /// Why, as a sentence.
    pub reason: String,
    /// The `id` and `seq` of a line are made from this and the change.
    pub home: Home,
    /// The change alone: one row, or one statement.
    pub change: Part,
    /// The line as it would have been sent; empty when it could not be encoded.
    pub line: Bytes,
    /// The line's own partition key, where it is not the lane's.
    pub partition_key: Option<String>,
}

impl DeadLetter {
    pub fn transaction(&self) -> &Transaction {
        match &self.change {
            Part::Rows { block, .. } => &block.transaction,
            Part::Statement { statement, .. } => &statement.transaction,
        }
    }

    /// The change's index in its transaction.
    pub fn n(&self) -> u64 {
        match &self.change {
            Part::Rows { block, .. } => block.first_row,
            Part::Statement { statement, .. } => statement.row,
        }
    }

    /// The row image as the log has it; nothing of a statement.
    pub fn raw(&self) -> &[u8] {
        match &self.change {
            Part::Rows { block, .. } => &block.images,
            Part::Statement { .. } => &[],
        }
    }
}
