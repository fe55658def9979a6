//! A change that no record can hold: too large for the sink, or bytes that mean nothing.
//!
//! Never truncated, never skipped: by policy it ends the pipeline with a sentence that names table, key,
//! size and remedy, or it is buried as a letter with everything needed to replay it.

use std::sync::Arc;

use bytes::Bytes;
use headwater_binlog::{
    Error,
    rows::RowsBlock,
    transaction::{Statement, Transaction},
};

use crate::{
    failure::Failure,
    lane::Lane,
    ports::{dead_letters::DeadLetter, encoder::RowEvent},
};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnError {
    Halt,
    DeadLetter,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Policy {
    pub oversize: OnError,
    pub undecodable: OnError,
}

#[derive(Debug)]
enum Kind {
    Oversize,
    Undecodable,
}

#[derive(Debug)]
pub struct Poison {
    kind: Kind,
    reason: String,
    position: String,
    gtid: Option<String>,
    n: u64,
    raw: Bytes,
}

impl Poison {
    pub fn oversize_row(
        event: &RowEvent<'_>,
        key: &str,
        bytes: usize,
        sink_bytes_max: usize,
    ) -> Self {
        let reason = format!(
            "row of table '{}' with key {key} needs {bytes} bytes, the sink takes {sink_bytes_max} a record",
            event.block.table.name
        );
        Self::of(
            Kind::Oversize,
            reason,
            &event.block.transaction,
            event.n,
            Bytes::new(),
        )
    }

    pub fn oversize_statement(statement: &Statement, bytes: usize) -> Self {
        let reason =
            format!("a statement of {bytes} bytes is larger than the sink takes in one record");
        Self::of(
            Kind::Oversize,
            reason,
            &statement.transaction,
            statement.row,
            Bytes::new(),
        )
    }

    pub fn undecodable_row(event: &RowEvent<'_>, key: &str, offset: usize, error: &Error) -> Self {
        let block = event.block;
        let raw = block
            .images
            .slice(offset..(offset + event.row.bytes).min(block.images.len()));
        let reason = format!(
            "row of table '{}' with key {key} cannot be decoded: {error}",
            block.table.name
        );
        Self::of(Kind::Undecodable, reason, &block.transaction, event.n, raw)
    }

    pub fn undecodable_statement(statement: &Statement, error: &Error) -> Self {
        let reason = format!("a statement cannot be written: {error}");
        let raw = Bytes::copy_from_slice(statement.text.as_bytes());
        Self::of(
            Kind::Undecodable,
            reason,
            &statement.transaction,
            statement.row,
            raw,
        )
    }

    /// Where the next row begins is unknown, so there is nothing to bury: the end, whatever the policy.
    pub fn broken_block(block: &RowsBlock, error: &Error) -> Failure {
        let transaction = &block.transaction;
        Failure::definite(format!(
            "rows event of table '{}' at {}:{} is broken: {error}",
            block.table.name, transaction.file.name, block.event_offset
        ))
    }

    fn of(kind: Kind, reason: String, transaction: &Arc<Transaction>, n: u64, raw: Bytes) -> Self {
        Self {
            kind,
            reason,
            position: format!("{}:{}", transaction.file.name, transaction.offset),
            gtid: transaction.gtid.as_ref().map(ToString::to_string),
            n,
            raw,
        }
    }

    /// By `policy` a letter, or the failure that halts.
    pub fn settle(
        self,
        policy: Policy,
        lane: &Arc<Lane>,
        line: Bytes,
    ) -> Result<DeadLetter, Failure> {
        let (on_error, hint) = match self.kind {
            Kind::Oversize => (
                policy.oversize,
                "raise the stream's record limit (Kinesis: UpdateMaxRecordSize, up to 10 MiB), \
                 or set errors.oversize = \"dead_letter\" with errors.dead_letter_path",
            ),
            Kind::Undecodable => (
                policy.undecodable,
                "report the table's definition and this message, \
                 or set errors.undecodable = \"dead_letter\" with errors.dead_letter_path",
            ),
        };
        match on_error {
            OnError::Halt => {
                let at = format!(
                    "{} (transaction at {}, change {})",
                    self.reason, self.position, self.n
                );
                Err(Failure::definite(at).with_hint(hint))
            }
            OnError::DeadLetter => Ok(DeadLetter {
                lane: Arc::clone(lane),
                reason: self.reason,
                position: self.position,
                n: self.n,
                gtid: self.gtid,
                line,
                raw: self.raw,
            }),
        }
    }
}
