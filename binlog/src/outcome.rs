//! What becomes of a transaction's rows, told from its events read ahead to its end.
//!
//! A server logs a rollback where the transaction's changes stand already in what it will log and cannot be taken
//! out: behind a temporary table, behind rows of a table that cannot roll back (to a savepoint, MariaDB). The
//! log then holds the rows, and what undoes them behind them. So nobody knows whether a row counts before the
//! transaction's end. Who cannot hold it back reads it twice, the first time for its [`Outcome`].
//!
//! Rows of tables that cannot roll back stand in transactions of their own, which commit, since MySQL 5.5.2 and
//! in every MariaDB: so what stands in front of a ROLLBACK was undone.
//! Source: sql/binlog.cc of MySQL and sql/log.cc of MariaDB (`trans_cannot_safely_rollback`, `use_trans_cache`).
//!
//! Not here: row values. Rows events are counted, and that number is what both readings have in common.

use std::ops::Range;

use bytes::Bytes;

use crate::{
    Error,
    event::{EventKind, Framing},
    query::{Control, Query},
    savepoints::{self, Savepoints},
};

/// More stretches that do not touch, rolled back to savepoints in one transaction, are refused: 1.6 MB.
const UNDONE_MAX: usize = 100_000;

/// What the end of a transaction says of its rows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// Its rows count, but those of these rows events, numbered from 0: rolled back to a savepoint. In order.
    Committed { undone: Vec<Range<u64>> },
    /// None of its rows count: it was rolled back, or the log ends before its end. The same where it cannot be
    /// told: who reads on meets the reason.
    RolledBack,
}

/// Takes the events of one transaction, with the head of its file in front.
#[derive(Debug)]
pub struct Ahead {
    framing: Framing,
    event_bytes_max: usize,
    has_begun: bool,
    rows_events: u64,
    savepoints: Savepoints<u64>,
    undone: Vec<Range<u64>>,
    is_undecided: bool,
}

impl Ahead {
    /// `event_bytes_max` limits what a compressed statement may unpack to.
    pub fn new(event_bytes_max: usize) -> Self {
        Self {
            framing: Framing::default(),
            event_bytes_max,
            has_begun: false,
            rows_events: 0,
            savepoints: Savepoints::default(),
            undone: Vec::new(),
            is_undecided: false,
        }
    }

    /// Takes one whole event; gives the outcome at the end.
    pub fn push(&mut self, bytes: &Bytes) -> Result<Option<Outcome>, Error> {
        let event = self.framing.event(bytes)?;
        let kind = event.header.kind;
        if kind == EventKind::FormatDescription {
            self.framing.learn(&event)?;
        }
        match kind {
            EventKind::Gtid
            | EventKind::GtidTagged
            | EventKind::AnonymousGtid
            | EventKind::MariaGtid => self.begin().map(|()| None),
            EventKind::Query | EventKind::MariaQueryCompressed => {
                let body = bytes.slice_ref(event.body);
                self.query(kind, body)
            }
            // The head of the file; or behind the begin, of the next one.
            EventKind::FormatDescription | EventKind::Rotate | EventKind::Stop => {
                Ok(self.has_begun.then_some(Outcome::RolledBack))
            }
            EventKind::Incident => Ok(Some(Outcome::RolledBack)),
            EventKind::Xid | EventKind::XaPrepare => Ok(Some(self.committed())),
            EventKind::TransactionPayload => Err(Error::Unsupported(
                "a compressed transaction of which statements are a part".into(),
            )),
            kind if kind.is_rows() => {
                self.rows_events += 1;
                Ok(None)
            }
            _ => Ok(None),
        }
    }

    /// The log ends here.
    pub fn end(self) -> Outcome {
        Outcome::RolledBack
    }

    fn begin(&mut self) -> Result<(), Error> {
        if self.has_begun {
            return Err(Error::malformed(
                "event order",
                "a transaction without an end",
            ));
        }
        self.has_begun = true;
        Ok(())
    }

    fn query(&mut self, kind: EventKind, body: Bytes) -> Result<Option<Outcome>, Error> {
        let post_header_bytes = self.framing.post_header_bytes(EventKind::Query);
        let body = match kind {
            EventKind::Query => body,
            _ => Query::expanded(&body, post_header_bytes, self.event_bytes_max)?,
        };
        let query = Query::parse(&body, post_header_bytes)?;
        match query.control() {
            Some(Control::Begin | Control::XaStart) => self.has_begun = true,
            Some(Control::Commit) => return Ok(Some(self.committed())),
            Some(Control::Rollback | Control::XaRollback) => return Ok(Some(Outcome::RolledBack)),
            Some(Control::Savepoint) => {
                self.savepoints
                    .set(savepoints::name(&query), self.rows_events);
            }
            Some(Control::RollbackTo) => {
                match self.savepoints.roll_back_to(&savepoints::name(&query)) {
                    Some(mark) => self.undo(mark)?,
                    None => self.is_undecided = true,
                }
            }
            Some(
                Control::ReleaseSavepoint | Control::XaEnd | Control::XaPrepare | Control::XaCommit,
            )
            | None => (),
        }
        Ok(None)
    }

    /// The rows events since `mark` do not count.
    fn undo(&mut self, mut mark: u64) -> Result<(), Error> {
        while let Some(last) = self.undone.pop_if(|last| mark <= last.end) {
            mark = mark.min(last.start);
        }
        if mark < self.rows_events {
            self.undone.push(mark..self.rows_events);
        }
        if UNDONE_MAX < self.undone.len() {
            return Err(Error::Refused(format!(
                "more than {UNDONE_MAX} parts of one transaction were rolled back to savepoints"
            )));
        }
        Ok(())
    }

    fn committed(&mut self) -> Outcome {
        if self.is_undecided {
            return Outcome::RolledBack;
        }
        Outcome::Committed {
            undone: std::mem::take(&mut self.undone),
        }
    }
}

#[cfg(test)]
mod tests;
