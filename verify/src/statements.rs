//! The statements on a table, or on a database, by their place.

use std::{collections::BTreeSet, ops::Bound};

use crate::seq::Seq;

#[derive(Debug, Default)]
pub struct Statements {
    all: BTreeSet<Seq>,
    /// Those by which rows may come, go or move.
    moving: BTreeSet<Seq>,
}

impl Statements {
    pub fn add(&mut self, seq: Seq, keeps_rows: bool) {
        self.all.insert(seq);
        if !keeps_rows {
            self.moving.insert(seq);
        }
    }

    pub fn is_between(&self, from: Seq, to: Seq) -> bool {
        is_between(&self.all, from, to)
    }

    pub fn moves_rows_between(&self, from: Seq, to: Seq) -> bool {
        is_between(&self.moving, from, to)
    }

    pub fn is_behind(&self, seq: Seq) -> bool {
        self.all.last().is_some_and(|last| seq < *last)
    }

    pub fn moves_rows_behind(&self, seq: Seq) -> bool {
        self.moving.last().is_some_and(|last| seq < *last)
    }
}

fn is_between(statements: &BTreeSet<Seq>, from: Seq, to: Seq) -> bool {
    if statements.is_empty() || to <= from {
        return false;
    }
    let between = (Bound::Excluded(from), Bound::Excluded(to));
    statements.range(between).next().is_some()
}
