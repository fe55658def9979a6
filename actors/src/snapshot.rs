//! How far tables have been copied whose rows were there before the stream: a part of progress.
//!
//! A *run* is a named set of tables to copy, a *copy* is one table of it. A copy is read in *chunks* by key; what is
//! left of it is a list of ranges, each of which begins behind the last key that was sent. So a copy goes on wherever
//! it was left, on any server. Keys are never compared here: only the server knows their order. Pure. Not here: what
//! is read next (`reader::copying`), and how (`ports::snapshot`).

use std::{collections::BTreeMap, sync::Arc};

use headwater_binlog::schema::TableName;

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
    /// The key by which it is read, with its types; `None` before the first chunk. Under another key it begins again.
    pub key: Option<Arc<str>>,
    /// What is left; without a key nothing is known of it.
    pub ranges: Vec<KeyRange>,
    /// Rows that are read again one by one, because the log has told a part of them only.
    pub again: Vec<Key>,
    /// Rows sent, also those that were sent again.
    pub rows: u64,
    /// Of the server's statistics.
    pub rows_estimate: u64,
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
            key: None,
            ranges: Vec::new(),
            again: Vec::new(),
            rows: 0,
            rows_estimate: 0,
            begun_us: 0,
            ended_us: 0,
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
    /// Whether all that was asked for has been sent.
    pub fn are_over(&self) -> bool {
        self.copies.values().all(|copy| copy.state.is_over())
    }

    /// With more copies; one that was there stays as it is.
    pub fn add(&mut self, id: CopyId, copy: TableCopy) {
        Arc::make_mut(&mut self.copies).entry(id).or_insert(copy);
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
