//! What has been read leaves in batches, each with the bytes of the budget that it needs; what waits for the end
//! of its transaction keeps no more than it is.

use std::sync::Arc;

use headwater_binlog::{assembler::Item, columns::Known, rows::RowsBlock};

use super::{HOLD_BYTES_MAX, HOLD_SHARED_BYTES_MAX, Intake, Next};
use crate::{
    budget::Permit,
    detached,
    messages::SourceBatch,
    progress::{Gap, Mark},
};

/// Column lists that are kept with the position.
const KEPT_BYTES_MAX: usize = 4 * 1024 * 1024;

impl Intake {
    pub(super) fn finish_chunk(&mut self) -> Result<Next, Gap> {
        let held_bytes = self
            .items
            .iter()
            .skip(self.boundary)
            .map(image_bytes)
            .sum::<usize>();
        if HOLD_BYTES_MAX < held_bytes || HOLD_SHARED_BYTES_MAX < self.held_shared_bytes() {
            let Some(begin) = self.assembler.doubt().cloned() else {
                return Ok(self.slice()?.map_or(Next::Read, Next::Send));
            };
            return Ok(self.cut()?.map_or(Next::ReadAhead(begin), Next::Send));
        }
        let batch = self.cut()?;
        self.hold();
        Ok(batch.map_or(Next::Read, Next::Send))
    }

    /// What waits for the end of its transaction lets go of the chunk, and of the bytes that it does not need.
    fn hold(&mut self) {
        detached::detach(
            self.items
                .iter_mut()
                .skip(self.detached)
                .filter_map(|item| match item {
                    Item::Rows(block) => Some(block),
                    Item::Statement(_) | Item::Commit(_) | Item::Moved(_) => None,
                }),
        );
        self.detached = self.items.len();
        self.permit
            .shrink_to(self.items.iter().map(image_bytes).sum());
        self.permit.unweigh();
    }

    /// Everything up to the newest boundary.
    pub(super) fn cut(&mut self) -> Result<Option<SourceBatch>, Gap> {
        // The end may lie behind rows that nobody wants.
        let is_at_end = self.is_reached && self.ended.has_moved();
        if self.boundary == 0 && !is_at_end {
            return Ok(None);
        }
        let held = self.items.split_off(self.boundary);
        let items = std::mem::replace(&mut self.items, held);
        let held_bytes: usize = self.items.iter().map(image_bytes).sum();
        let mut held = self.permit.split(held_bytes + self.chunk.len());
        held.unweigh();
        let permit = std::mem::replace(&mut self.permit, held);
        self.leave(items, permit).map(Some)
    }

    /// Everything, though the newest transaction goes on.
    pub(super) fn slice(&mut self) -> Result<Option<SourceBatch>, Gap> {
        if self.items.len() == self.boundary {
            return self.cut();
        }
        if let Some(transaction) = self.assembler.transaction() {
            self.ended.commit_us = self.ended.commit_us.max(transaction.commit_us);
            self.ended.reach(Mark {
                position: transaction.position(),
                rows_done: self.assembler.rows_done(),
            });
        }
        let items = std::mem::take(&mut self.items);
        let permit = std::mem::replace(&mut self.permit, Permit::empty());
        self.leave(items, permit).map(Some)
    }

    /// What the rows that wait keep alive beside themselves.
    fn held_shared_bytes(&self) -> usize {
        shared_bytes(self.items.get(self.boundary..).unwrap_or_default())
    }

    fn leave(&mut self, items: Vec<Item>, mut permit: Permit) -> Result<SourceBatch, Gap> {
        // Before anything more is read: the Router may come to it much later.
        permit.grow(shared_bytes(&items));
        (self.boundary, self.detached) = (0, 0);
        self.ended.columns = self.new_columns();
        let mut advance = self.ended.take();
        let has_moved = advance.from() != advance.mark();
        advance.snapshot = self.copying.leave(&items, &self.sent, has_moved);
        self.sent.apply(&advance)?;
        Ok(SourceBatch {
            items,
            advance,
            permit,
        })
    }

    fn new_columns(&mut self) -> Option<Arc<[Known]>> {
        let changes = self.assembler.column_changes();
        let has_changed = changes != self.column_changes;
        self.column_changes = changes;
        has_changed.then(|| self.assembler.columns(KEPT_BYTES_MAX))
    }
}

/// What rows keep alive beside themselves.
fn shared_bytes(items: &[Item]) -> usize {
    RowsBlock::shared_bytes_of(items.iter().filter_map(|item| match item {
        Item::Rows(block) => Some(block),
        Item::Statement(_) | Item::Commit(_) | Item::Moved(_) => None,
    }))
}

pub(super) fn image_bytes(item: &Item) -> usize {
    match item {
        Item::Rows(block) => block.images.len(),
        Item::Statement(statement) => statement.text.len(),
        Item::Commit(_) | Item::Moved(_) => 0,
    }
}
