//! Lists of columns, each with the stretch of log in which it is right.
//!
//! A list holds from the table map for which it was found (`since`) up to the statement that touched the table
//! (`until`), once that has been seen. Both are places, so the lists may be newer than a stored position: what is
//! read again finds the list of its own time, and a statement that is read again ends nothing that came after
//! it. The one rule for whoever stores them beside a position: never older than the position, or a statement
//! between the two would be missed.

use std::{collections::HashMap, sync::Arc};

use super::{ColumnList, may_change};
use crate::{ddl::StatementClass, position::Position, schema::TableName};

/// Above this much, lists are forgotten; they are asked for again.
const BYTES_MAX: usize = 16 * 1024 * 1024;

#[derive(Debug, Clone, PartialEq)]
pub struct Known {
    pub table: TableName,
    pub since: Position,
    pub until: Option<Position>,
    pub list: Arc<ColumnList>,
}

impl Known {
    fn holds_at(&self, at: &Position) -> bool {
        self.since <= *at && self.until.as_ref().is_none_or(|until| *at < *until)
    }

    /// Whether nothing from `at` on can need it.
    pub fn is_over_at(&self, at: &Position) -> bool {
        self.until.as_ref().is_some_and(|until| until <= at)
    }
}

#[derive(Debug, Clone, Default)]
pub struct KnownColumns {
    /// With the number of its arrival.
    tables: HashMap<TableName, Vec<(u64, Known)>>,
    bytes: usize,
    changes: u64,
}

impl KnownColumns {
    pub fn new(kept: &[Known]) -> Self {
        let mut known = Self::default();
        for kept in kept {
            known.add(kept.clone());
        }
        known.changes = 0;
        known
    }

    /// The list that is right at `at`.
    pub fn find(&self, table: &TableName, at: &Position) -> Option<Arc<ColumnList>> {
        let lists = self.tables.get(table)?.iter().rev();
        lists
            .map(|(_, known)| known)
            .find(|known| known.holds_at(at))
            .map(|known| Arc::clone(&known.list))
    }

    pub fn add(&mut self, known: Known) {
        let bytes = known.list.bytes();
        if self.bytes + bytes > BYTES_MAX {
            self.forget_half();
        }
        self.changes += 1;
        self.bytes += bytes;
        self.tables
            .entry(known.table.clone())
            .or_default()
            .push((self.changes, known));
    }

    /// A statement at `at` ends the lists of the tables that it touches.
    pub fn end(&mut self, class: &StatementClass, at: &Position) {
        for (table, lists) in &mut self.tables {
            let ended = lists
                .iter_mut()
                .filter(|(_, known)| known.since < *at && known.holds_at(at));
            for (_, known) in ended {
                if !may_change(class, table) {
                    break;
                }
                known.until = Some(at.clone());
                self.changes += 1;
            }
        }
    }

    /// Rises with every change.
    pub fn changes(&self) -> u64 {
        self.changes
    }

    /// What to keep, at most about `bytes_max` of it: lists of the past first, which nobody could read again,
    /// then the newest.
    pub fn kept(&self, bytes_max: usize) -> Arc<[Known]> {
        let mut all: Vec<&(u64, Known)> = self.tables.values().flatten().collect();
        all.sort_by_key(|(number, known)| (known.until.is_none(), std::cmp::Reverse(*number)));
        let mut bytes = 0;
        all.retain(|(_, known)| {
            bytes += known.list.bytes();
            bytes <= bytes_max
        });
        all.sort_by_key(|(number, _)| *number);
        all.into_iter().map(|(_, known)| known.clone()).collect()
    }

    fn forget_half(&mut self) {
        let kept = self.kept(BYTES_MAX / 2);
        let changes = self.changes;
        *self = Self::new(&kept);
        self.changes += changes;
    }
}
