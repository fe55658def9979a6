//! Rows that are rolled back behind themselves: to a savepoint, or with their transaction.
//!
//! While the transaction is open they are items like any others; what undoes them takes them off the end of the
//! list again. So whoever sends rows of an open transaction asks for [`Assembler::doubt`] before: where there is
//! any, the transaction is read to its end first ([`outcome::Ahead`](crate::outcome::Ahead)), and what that
//! tells goes in by [`Assembler::foretell`]. Rows that do not count have no number, as in the log of a replica.
//!
//! A transaction that the last file does not end was never committed: its server stopped while it wrote it. The
//! next file says so, for only a server that has just started writes a file in the middle of a transaction.

use std::{ops::Range, sync::Arc};

use super::{AssembleError, Assembler, Item, Open};
use crate::{
    Error,
    error::Refusal,
    event::{EventHeader, EventKind},
    outcome::Outcome,
    position::Position,
    query::Query,
    savepoints::{self, Savepoints},
    schema::TableName,
};

/// What is known of how the open transaction ends.
#[derive(Debug, Clone, Default)]
pub(super) struct Fate {
    /// Where it begins, while its rows may be undone later.
    doubt: Option<Position>,
    rows_events: u64,
    /// Given so far.
    pub items: usize,
    savepoints: Savepoints<Mark>,
    /// Rows events that do not count, as foretold.
    undone: Vec<Range<u64>>,
    /// Those before this one lie behind.
    undone_passed: usize,
    /// Of the first rows that a server before MySQL 5.5.2 may have kept.
    may_be_kept: Option<TableName>,
}

/// What the transaction was at a savepoint; by default at its begin.
#[derive(Debug, Clone, Copy, Default)]
struct Mark {
    rows_events: u64,
    rows_done: u64,
    items: usize,
    last_item: Option<u64>,
}

impl Fate {
    /// Whether the rows event in hand does not count, as foretold.
    pub fn is_next_undone(&mut self) -> bool {
        let event = self.rows_events;
        self.rows_events += 1;
        while let Some(undone) = self.undone.get(self.undone_passed) {
            if event < undone.end {
                return undone.start <= event;
            }
            self.undone_passed += 1;
        }
        false
    }

    /// Nothing of it counts, as foretold.
    pub fn is_rolled_back(&self) -> bool {
        self.undone.first() == Some(&ALL)
    }

    pub fn may_be_kept(&mut self, table: &TableName) {
        self.may_be_kept.get_or_insert_with(|| table.clone());
    }
}

const ALL: Range<u64> = 0..u64::MAX;

impl Assembler {
    /// Where the open transaction begins, while rows of it may be undone later: nothing of it may leave.
    pub fn doubt(&self) -> Option<&Position> {
        self.open.as_ref()?.fate.doubt.as_ref()
    }

    /// How the transaction in doubt ends; none of its items may have left. Those that do not count are taken off
    /// `items`.
    pub fn foretell(
        &mut self,
        outcome: Outcome,
        items: &mut Vec<Item>,
    ) -> Result<(), AssembleError> {
        let Some(open) = &mut self.open else {
            return Ok(());
        };
        open.fate.doubt = None;
        let (undone, mark) = match outcome {
            Outcome::RolledBack => (vec![ALL], Some(Mark::default())),
            Outcome::Committed { undone } => match open.mark_within(&undone) {
                Some(mark) => (undone, mark),
                // Its rollback is met where it stands.
                None => (vec![ALL], Some(Mark::default())),
            },
        };
        open.fate.undone = undone;
        if mark.is_none_or(|mark| open.undo(mark, items)) {
            return Ok(());
        }
        let cause = Error::malformed("event order", "rows left before their transaction's end");
        Err(self.error(EventKind::Query, cause))
    }

    pub(super) fn fate(&self, is_in_doubt: bool) -> Fate {
        Fate {
            doubt: (is_in_doubt || self.may_be_cut).then(|| self.event_position()),
            ..Fate::default()
        }
    }

    /// The server compresses only what has rows alone, and writes it as one event.
    pub(super) fn begin_payload(&mut self) {
        if let Some(open) = &mut self.open {
            open.fate.doubt = None;
        }
    }

    pub(super) fn set_savepoint(&mut self, header: &EventHeader, query: &Query<'_>) {
        let open = self.opened(header);
        let mark = Mark {
            rows_events: open.fate.rows_events,
            rows_done: open.rows_done,
            items: open.fate.items,
            last_item: open.last_item,
        };
        open.fate.savepoints.set(savepoints::name(query), mark);
    }

    pub(super) fn roll_back_to(
        &mut self,
        header: &EventHeader,
        query: &Query<'_>,
        items: &mut Vec<Item>,
    ) -> Result<(), Error> {
        let name = savepoints::name(query);
        let is_passing = self.xa.is_passing;
        let open = self.opened(header);
        match open.fate.savepoints.roll_back_to(&name) {
            Some(mark) if open.undo(mark, items) => Ok(()),
            Some(_) => self.refuse(header, Refusal::Sent),
            // Judged when it is read again; or there is nothing to undo.
            None if is_passing || open.fate.rows_events == 0 => Ok(()),
            None => self.refuse(header, Refusal::Savepoint { name }),
        }
    }

    pub(super) fn roll_back(
        &mut self,
        header: &EventHeader,
        items: &mut Vec<Item>,
    ) -> Result<(), Error> {
        let is_begun_anew = self.done_before > 0;
        let open = self.opened(header);
        let may_be_kept = open.fate.may_be_kept.take();
        let is_undone = open.undo(Mark::default(), items) && !is_begun_anew;
        let why = match (is_undone, may_be_kept) {
            (false, _) => Refusal::Sent,
            (true, Some(table)) => Refusal::MayBeKept { table },
            (true, None) => return self.commit(header, items),
        };
        // It ends here.
        open.has_begun = false;
        self.refuse(header, why)
    }

    /// The file ends inside the open transaction, if there is one of which nothing has left.
    pub(super) fn break_off(&mut self, items: &mut Vec<Item>) {
        if self.is_in_prepared() || self.done_before > 0 {
            return;
        }
        if let Some(open) = self.open.take_if(|open| open.undo(Mark::default(), items)) {
            self.broken_off = Some(open.transaction.offset);
            self.xa.is_passing = false;
            self.query = None;
        }
    }
}

impl Open {
    /// Takes off what has become items since `mark`; whether all of it was still there.
    fn undo(&mut self, mark: Mark, items: &mut Vec<Item>) -> bool {
        while mark.items < self.fate.items {
            let transaction = match items.last() {
                Some(Item::Rows(block)) => &block.transaction,
                Some(Item::Statement(statement)) => &statement.transaction,
                Some(Item::Commit(_) | Item::Moved(_)) | None => return false,
            };
            if !Arc::ptr_eq(transaction, &self.transaction) {
                return false;
            }
            items.pop();
            self.fate.items -= 1;
        }
        (self.rows_done, self.last_item) = (mark.rows_done, mark.last_item);
        true
    }

    /// Where to go back to if the rows read last are among those `undone`; `None` where that is forgotten.
    fn mark_within(&self, undone: &[Range<u64>]) -> Option<Option<Mark>> {
        let now = self.fate.rows_events;
        let around = undone
            .iter()
            .find(|undone| undone.start < now && now <= undone.end);
        let Some(around) = around else {
            return Some(None);
        };
        // What the savepoints before it in the stretch had behind them is undone already.
        let marks = self.fate.savepoints.marks();
        let marks = marks.filter(|mark| around.start <= mark.rows_events);
        marks.min_by_key(|mark| mark.rows_events).copied().map(Some)
    }
}
