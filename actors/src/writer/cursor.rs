//! A place in a lane's queue of changes.

use crate::{changes::Part, messages::LaneChanges};

/// Everything before it is done. Ordered as the lane is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Cursor {
    /// Counts the lane's batches since the writer began.
    pub batch: u64,
    pub part: usize,
    /// Bytes into the block's images.
    pub offset: usize,
    /// Rows of the block before `offset`.
    pub row: usize,
    /// Lines of the row at `offset` before the next one.
    pub line: u32,
}

impl Cursor {
    pub fn start_of(batch: u64) -> Self {
        Self {
            batch,
            ..Self::default()
        }
    }

    /// Past a row of `bytes`; normalised, so that the end of a batch is the start of the next.
    pub fn past_row(self, bytes: usize, batch: &LaneChanges) -> Self {
        let next = Self {
            offset: self.offset + bytes,
            row: self.row + 1,
            line: 0,
            ..self
        };
        match batch.parts.get(self.part) {
            Some(Part::Rows { block, .. }) if next.offset < block.images.len() => next,
            _ => self.past_part(batch),
        }
    }

    pub fn past_line(self) -> Self {
        Self {
            line: self.line + 1,
            ..self
        }
    }

    pub fn past_part(self, batch: &LaneChanges) -> Self {
        if self.part + 1 < batch.parts.len() {
            Self {
                batch: self.batch,
                part: self.part + 1,
                offset: 0,
                row: 0,
                line: 0,
            }
        } else {
            Self::start_of(self.batch + 1)
        }
    }
}
