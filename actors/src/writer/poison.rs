//! A change that no record can hold: too large for the sink, or bytes that mean nothing.
//!
//! Never truncated, never skipped: by policy it ends the pipeline with a sentence that names table, place,
//! size and remedy (never a value: log and `/status` are read by more people than the rows), or it is buried as a
//! letter with everything needed to replay it, or its table is parked in front of it.

use std::{borrow::Cow, sync::Arc};

use bytes::Bytes;
use headwater_binlog::{Error, rows::RowsBlock};

use super::buffer::Flight;
use crate::{
    changes::Part,
    failure::Failure,
    lane::Lane,
    on_error::{OnError, Policy, resume_hint},
    ports::{dead_letters::DeadLetter, encoder::RowEvent},
    progress::Home,
};

/// What becomes of it, unless it halts.
#[derive(Debug, Clone)]
pub enum Settled {
    Letter(Box<DeadLetter>),
    /// The table is to be passed over from here on.
    Park(Failure),
}

impl From<Settled> for Flight {
    fn from(settled: Settled) -> Self {
        match settled {
            Settled::Letter(letter) => Self::Letter(letter),
            Settled::Park(failure) => Self::Park(failure),
        }
    }
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
    /// The remedy that the error names.
    hint: Option<Cow<'static, str>>,
    change: Part,
}

impl Poison {
    pub fn oversize_row(
        event: &RowEvent<'_>,
        offset: usize,
        bytes: usize,
        sink_bytes_max: usize,
    ) -> Self {
        let reason = format!(
            "row of table '{}' needs {bytes} bytes, the sink takes {sink_bytes_max} a record",
            event.block.table.name
        );
        Self {
            kind: Kind::Oversize,
            reason,
            hint: None,
            change: row_alone(event, offset),
        }
    }

    pub fn oversize_statement(statement: &Part, bytes: usize) -> Self {
        let reason =
            format!("a statement of {bytes} bytes is larger than the sink takes in one record");
        Self {
            kind: Kind::Oversize,
            reason,
            hint: None,
            change: statement.clone(),
        }
    }

    pub fn undecodable_row(event: &RowEvent<'_>, offset: usize, error: &Error) -> Self {
        let reason = format!(
            "row of table '{}' cannot be decoded: {error}",
            event.block.table.name
        );
        Self {
            kind: Kind::Undecodable,
            reason,
            hint: error.hint(),
            change: row_alone(event, offset),
        }
    }

    pub fn undecodable_statement(statement: &Part, error: &Error) -> Self {
        Self {
            kind: Kind::Undecodable,
            reason: format!("a statement cannot be written: {error}"),
            hint: error.hint(),
            change: statement.clone(),
        }
    }

    /// Where the next row begins is unknown, so there is nothing to bury: the end, whatever the policy.
    pub fn broken_block(block: &RowsBlock, error: &Error) -> Failure {
        let transaction = &block.transaction;
        Failure::definite(format!(
            "rows event of table '{}' at {}:{} is broken",
            block.table.name, transaction.file.name, block.event_offset
        ))
        .because(error.clone())
    }

    /// By `policy` a letter or a parked table, or the failure that halts.
    pub fn settle(
        self,
        policy: Policy,
        lane: &Arc<Lane>,
        home: Home,
        line: Bytes,
        partition_key: Option<String>,
    ) -> Result<Settled, Failure> {
        let (on_error, cure, setting) = match self.kind {
            Kind::Oversize => (
                policy.oversize,
                "raise the stream's record limit (Kinesis: UpdateMaxRecordSize, up to 10 MiB)",
                "errors.oversize",
            ),
            Kind::Undecodable => (
                policy.undecodable,
                "report the table's definition and this message",
                "errors.undecodable",
            ),
        };
        let cure = self.hint.as_deref().unwrap_or(cure);
        let letter = DeadLetter {
            lane: Arc::clone(lane),
            reason: self.reason,
            home,
            change: self.change,
            line,
            partition_key,
        };
        if on_error == OnError::DeadLetter {
            return Ok(Settled::Letter(Box::new(letter)));
        }
        let failure = Failure::definite(format!(
            "{} (transaction at {}, change {})",
            letter.reason,
            letter.transaction().position(),
            letter.n()
        ));
        let bury = format!("set {setting} = \"dead_letter\" with errors.dead_letter_path");
        match on_error {
            OnError::ParkTable => {
                let then = resume_hint(&lane.table);
                Ok(Settled::Park(
                    failure.with_hint(format!("{cure}, or {bury}; {then}")),
                ))
            }
            OnError::Halt | OnError::DeadLetter => {
                Err(failure.with_hint(format!("{cure}, or {bury}")))
            }
        }
    }
}

/// The row as a block of its own.
fn row_alone(event: &RowEvent<'_>, offset: usize) -> Part {
    let block = event.block;
    let end = (offset + event.row.bytes).min(block.images.len());
    Part::Rows {
        block: RowsBlock {
            images: block.images.slice(offset.min(end)..end),
            first_row: event.n,
            row_count: 1,
            ..block.clone()
        },
        numbers: None,
        is_last: event.last,
    }
}
