//! Where reading ends by itself, also inside a transaction: what is beyond it is forgotten. And where it must: at a
//! transaction that has come before.

use headwater_binlog::{
    assembler::{Item, StreamKind},
    gtid::Gtid,
    transaction::Transaction,
};

use super::Intake;
use crate::{
    progress::{Mark, Repeated},
    reading::Until,
};

fn gtid_of(item: &Item) -> Option<&Gtid> {
    match item {
        Item::Rows(block) => block.transaction.gtid.as_ref(),
        Item::Statement(statement) => statement.transaction.gtid.as_ref(),
        Item::Commit(end) => end.gtid.as_ref(),
        Item::Moved(_) => None,
    }
}

/// What comes behind it is of another transaction.
fn is_boundary(item: &Item) -> bool {
    matches!(item, Item::Commit(_) | Item::Moved(_))
}

impl Intake {
    /// Looks for boundaries among the items from `from` on, and for transactions that have come before.
    pub(super) fn note(&mut self, from: usize) -> Result<(), Repeated> {
        let inside = match &self.until {
            Until::Mark(end) if 0 < end.rows_done => self.stop_inside(from),
            _ => None,
        };
        self.say_had(from);
        let mut index = from;
        while let Some(item) = self.items.get(index) {
            self.ensure_new(index)?;
            index += 1;
            match item {
                Item::Commit(end) => self.ended.pass(end),
                Item::Moved(end) => self.ended.enter(end),
                Item::Rows(_) | Item::Statement(_) => continue,
            }
            self.boundary = index;
            if self.until.is_reached(&self.sent, &self.ended) {
                self.items.truncate(index);
                self.chunk.clear();
                self.is_reached = true;
                return Ok(());
            }
        }
        if let Some(end) = inside {
            self.boundary = self.items.len();
            self.ended.reach(end);
            self.chunk.clear();
            self.is_reached = true;
        }
        Ok(())
    }

    /// Puts what the stream could not bring into the first boundary.
    fn say_had(&mut self, from: usize) {
        if self.had.is_none() {
            return;
        }
        let boundary = self
            .items
            .iter_mut()
            .skip(from)
            .find_map(|item| match item {
                Item::Commit(end) | Item::Moved(end) => Some(end),
                Item::Rows(_) | Item::Statement(_) => None,
            });
        if let Some(end) = boundary
            && let Some(had) = self.had.take()
        {
            end.had.get_or_insert_default().union(&had);
        }
    }

    /// Asked for the first item of a transaction. Who gives files may give some of them twice.
    fn ensure_new(&self, index: usize) -> Result<(), Repeated> {
        let before = index
            .checked_sub(1)
            .and_then(|before| self.items.get(before));
        let gtid = self.items.get(index).and_then(gtid_of);
        match gtid.filter(|_| before.is_none_or(is_boundary)) {
            Some(gtid) if self.kind != StreamKind::Files => self.sent.ensure_new(&self.ended, gtid),
            _ => Ok(()),
        }
    }

    /// Drops what lies behind an end inside a transaction, among the items from `from` on. The end, if it is there.
    fn stop_inside(&mut self, from: usize) -> Option<Mark> {
        let Until::Mark(end) = &self.until else {
            return None;
        };
        let rows = end.rows_done;
        let is_there = |transaction: &Transaction| transaction.position() == end.position;
        let mut kept = None;
        for (index, item) in self.items.iter_mut().enumerate().skip(from) {
            kept = match item {
                Item::Rows(block)
                    if is_there(&block.transaction)
                        && rows <= block.first_row + u64::from(block.row_count) =>
                {
                    block.keep_rows(rows.saturating_sub(block.first_row));
                    Some(index + usize::from(block.row_count > 0))
                }
                Item::Statement(statement)
                    if is_there(&statement.transaction) && rows <= statement.row + 1 =>
                {
                    Some(index + usize::from(statement.row < rows))
                }
                _ => None,
            };
            if kept.is_some() {
                break;
            }
        }
        let open = self.assembler.transaction();
        if kept.is_none()
            && open.is_some_and(|open| is_there(open))
            && rows <= self.assembler.rows_done()
        {
            // The last rows before it are of tables that nobody wants.
            kept = Some(self.items.len());
        }
        let end = end.clone();
        self.items.truncate(kept?);
        Some(end)
    }
}
