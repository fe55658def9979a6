//! Columns of tables that are logged without names: asked for, one table at a time, before their rows.
//!
//! Off without [`Settings::columns`](super::Settings::columns): then such a table's rows fail. While a question is open
//! the caller pushes nothing: what is pushed all the same leaves it unanswered.

use std::sync::Arc;

use super::Assembler;
use crate::{
    columns::{Answer, Known, Question},
    position::Position,
};

impl Assembler {
    /// What must be answered before the next event, or the next slice of a payload.
    pub fn question(&self) -> Option<Question> {
        let (table, at) = self.tables.asked()?;
        Some(Question {
            table: table.clone(),
            at: at.clone(),
            transaction: self
                .transaction()
                .map_or_else(|| at.clone(), |transaction| transaction.position()),
        })
    }

    /// Answers the open question.
    pub fn learn(&mut self, answer: Answer) {
        self.tables.learn(answer);
    }

    /// The lists that are known, at most about `bytes_max` of them.
    pub fn columns(&self, bytes_max: usize) -> Arc<[Known]> {
        self.tables.known.kept(bytes_max)
    }

    /// Rises whenever [`Assembler::columns`] changes.
    pub fn column_changes(&self) -> u64 {
        self.tables.known.changes()
    }

    /// Where the event in hand begins.
    pub(super) fn event_position(&self) -> Position {
        Position::new(self.place.file.clone(), self.place.event_offset)
    }
}
