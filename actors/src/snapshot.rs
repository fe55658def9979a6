//! How far tables have been copied whose rows were there before the stream: a part of progress.
//!
//! A *run* is a named set of tables to copy, a *copy* is one table of it. A copy is read in *chunks* by key; what is
//! left of it is a list of ranges, each of which begins behind the last key that was sent. So a copy goes on wherever
//! it was left, on any server. Keys are never compared here: only the server knows their order. Pure. Not here: what
//! is read next (`reader::copying`), and how (`ports::snapshot`).

use std::{collections::BTreeMap, sync::Arc};

use headwater_binlog::{ddl::Action, position::SeqPlace, schema::TableName};

/// The run of what `snapshot.tables` asks for.
pub const SETTINGS_RUN: &str = "tables";

/// How much is copied at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SnapshotRules {
    /// Questions to the source at once; at least 1.
    pub parallel: usize,
    /// 0: as fast as it goes.
    pub rows_per_sec_max: u64,
}

/// One table of one run.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CopyId {
    pub run: Arc<str>,
    pub table: TableName,
}

/// A key's values, each as a row image has it, in key order. The first ones alone are a key's head.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Key(pub Arc<[Box<[u8]>]>);

/// A stretch of keys that is not sent yet.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct KeyRange {
    /// Keys behind this one; `None`: from the first one on.
    pub after: Option<Key>,
    /// Up to and with all keys that begin so; `None`: up to the last one.
    pub until: Option<Key>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CopyState {
    /// Not begun, or on its way.
    Active,
    /// By an operator's request.
    Paused,
    /// All rows are sent.
    Complete,
    /// By an operator's request.
    Cancelled,
    /// The table is gone.
    Gone,
    /// The table cannot be copied.
    Refused,
}

impl CopyState {
    /// Whether nothing more will be sent.
    pub fn is_over(self) -> bool {
        match self {
            Self::Active | Self::Paused => false,
            Self::Complete | Self::Cancelled | Self::Gone | Self::Refused => true,
        }
    }
}

/// How far one table has been copied.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TableCopy {
    pub state: CopyState,
    /// Why it is refused, or what it waits for, as a sentence.
    pub note: Option<Arc<str>>,
    /// Which rows, as the text of a WHERE clause; `None`: all.
    pub condition: Option<Arc<str>>,
    /// Its run has a target of its own.
    pub is_apart: bool,
    /// The key by which it is read, with its types; `None` before the first chunk. Under another key it begins again.
    pub key: Option<Arc<str>>,
    /// What is left of what was there when the copy began; without a key nothing is known of it.
    pub ranges: Vec<KeyRange>,
    /// Rows that are read again one by one, because the log has told a part of them only.
    pub again: Vec<Key>,
    /// Rows sent, also those that were sent again.
    pub rows: u64,
    /// Of the server's statistics.
    pub rows_estimate: u64,
    /// How far the log had been sent when what is to be read was asked for: a row that is not among it has come later.
    pub begun: Option<SeqPlace>,
    /// When the first chunk was asked for, and when it was over; microseconds since 1970, 0 before.
    pub begun_us: u64,
    pub ended_us: u64,
}

impl TableCopy {
    /// Asked for, not begun.
    pub fn new(condition: Option<Arc<str>>) -> Self {
        Self {
            state: CopyState::Active,
            note: None,
            condition,
            is_apart: false,
            key: None,
            ranges: Vec::new(),
            again: Vec::new(),
            rows: 0,
            rows_estimate: 0,
            begun: None,
            begun_us: 0,
            ended_us: 0,
        }
    }

    /// Nothing more will be sent.
    pub fn end(&mut self, state: CopyState, now_us: u64) {
        self.state = state;
        self.ended_us = now_us;
        self.ranges = Vec::new();
        self.again = Vec::new();
    }

    /// The mark that ends the copy in the stream.
    pub fn end_mark(&self) -> Action {
        Action::SnapshotEnd {
            rows: self.rows,
            begun: self.begun.filter(|_| self.condition.is_none()),
        }
    }

    /// These rows are to be read again, each once.
    pub fn add_again(&mut self, keys: Vec<Key>) {
        for key in keys {
            if !self.again.contains(&key) {
                self.again.push(key);
            }
        }
    }

    /// Whether nothing of it is left to be read.
    pub fn is_exhausted(&self) -> bool {
        self.key.is_some() && self.ranges.is_empty() && self.again.is_empty()
    }
}

/// All copies, done and to do: a part of [`Resume`](crate::progress::Resume). Cheap to clone.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Snapshots {
    /// Rises with every launch, so that what is read again has other ids.
    pub attempt: u32,
    /// Snapshot rows and marks that stand at the place of progress: what follows there is numbered from here on.
    pub lines_here: u64,
    /// The newest request of an operator that has been followed.
    pub request: u64,
    pub copies: Arc<BTreeMap<CopyId, TableCopy>>,
}

impl Snapshots {
    /// Those of which something may still be sent.
    pub fn open(&self) -> impl Iterator<Item = (&CopyId, &TableCopy)> {
        self.copies.iter().filter(|(_, copy)| !copy.state.is_over())
    }

    /// Whether all that was asked for has been sent.
    pub fn are_over(&self) -> bool {
        self.open().next().is_none()
    }

    /// With more copies; one that was there stays as it is.
    pub fn add(&mut self, id: CopyId, copy: TableCopy) {
        Arc::make_mut(&mut self.copies).entry(id).or_insert(copy);
    }

    /// See [`Checkpoint::forget_begins`](crate::checkpoint::Checkpoint::forget_begins).
    pub fn forget_begins(&mut self) {
        for copy in Arc::make_mut(&mut self.copies).values_mut() {
            copy.begun = None;
        }
    }

    /// The table's copies go on where `parked` stands: what was read of them since was not delivered.
    pub fn take_back(&mut self, table: &TableName, parked: &Self) {
        let theirs = parked.copies.iter().filter(|(id, _)| id.table == *table);
        let theirs = theirs.map(|(id, copy)| (id.clone(), copy.clone()));
        Arc::make_mut(&mut self.copies).extend(theirs);
    }

    /// Copies of the table that were not over when `parked` was left begin again.
    pub fn begin_again(&mut self, table: &TableName, parked: &Self) {
        let is_unfinished = |id: &CopyId| {
            let copy = parked.copies.get(id);
            id.table == *table && copy.is_none_or(|copy| !copy.state.is_over())
        };
        for (id, copy) in Arc::make_mut(&mut self.copies) {
            if is_unfinished(id) {
                *copy = TableCopy {
                    rows: copy.rows,
                    is_apart: copy.is_apart,
                    ..TableCopy::new(copy.condition.clone())
                };
            }
        }
    }

    pub fn apply(&mut self, next: &SnapshotAdvance) {
        self.lines_here = next.lines_here;
        self.request = self.request.max(next.request);
        if next.copies.is_empty() {
            return;
        }
        let copies = Arc::make_mut(&mut self.copies);
        for (id, copy) in &next.copies {
            copies.insert(id.clone(), copy.clone());
        }
    }
}

/// What changes of [`Snapshots`] in a stretch of the log.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct SnapshotAdvance {
    /// At its end.
    pub lines_here: u64,
    /// 0: none.
    pub request: u64,
    /// Each as it is at the end.
    pub copies: BTreeMap<CopyId, TableCopy>,
}

impl SnapshotAdvance {
    pub fn merge(&mut self, next: Self) {
        self.lines_here = next.lines_here;
        self.request = self.request.max(next.request);
        self.copies.extend(next.copies);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::name;

    fn id(table: &str) -> CopyId {
        CopyId {
            run: SETTINGS_RUN.into(),
            table: name(table),
        }
    }

    fn with(copies: &[(&str, CopyState, u64)]) -> Snapshots {
        let mut snapshots = Snapshots::default();
        for (table, state, rows) in copies {
            let copy = TableCopy {
                state: *state,
                rows: *rows,
                ..TableCopy::new(None)
            };
            snapshots.add(id(table), copy);
        }
        snapshots
    }

    #[test]
    fn a_table_that_is_resumed_is_copied_from_where_it_was_parked() {
        let mut main = with(&[("a", CopyState::Complete, 90), ("b", CopyState::Active, 7)]);
        let parked = with(&[("a", CopyState::Active, 40), ("b", CopyState::Active, 3)]);
        main.take_back(&name("a"), &parked);
        assert_eq!(
            main,
            with(&[("a", CopyState::Active, 40), ("b", CopyState::Active, 7)])
        );
    }

    #[test]
    fn the_end_of_a_copy_of_some_rows_says_nothing_of_the_others() {
        let mut copy = TableCopy::new(Some("id > 5".into()));
        copy.begun = Some(SeqPlace {
            epoch: 1,
            file_number: 1,
            offset: 4,
        });
        let of = |begun| Action::SnapshotEnd { rows: 0, begun };
        assert_eq!(copy.end_mark(), of(None));
        copy.condition = None;
        assert_eq!(copy.end_mark(), of(copy.begun));
    }

    #[test]
    fn a_table_whose_changes_are_discarded_is_copied_anew_if_its_copy_was_not_over() {
        let all = [
            ("a", CopyState::Complete, 90),
            ("b", CopyState::Complete, 7),
        ];
        let mut main = with(&all);
        let parked = with(&[("a", CopyState::Active, 40), ("b", CopyState::Complete, 7)]);
        main.begin_again(&name("a"), &parked);
        main.begin_again(&name("b"), &parked);
        assert_eq!(
            main,
            with(&[("a", CopyState::Active, 90), ("b", CopyState::Complete, 7)])
        );
        main.begin_again(&name("b"), &Snapshots::default());
        assert!(!main.are_over());
    }
}
