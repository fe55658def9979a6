//! GTIDs and sets of them: plain (`uuid:1-5`) and tagged (`uuid:tag:1-5`); closed intervals, as MySQL prints.

use std::collections::BTreeMap;

/// A server's UUID.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Uuid(pub [u8; 16]);

/// Who numbers the transactions: a server, and since 8.3 an optional tag.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct GtidSource {
    pub uuid: Uuid,
    /// Lower case; empty without a tag.
    pub tag: Box<str>,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Gtid {
    pub source: GtidSource,
    pub number: u64,
}

/// Closed, sorted, merged intervals per source.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct GtidSet {
    intervals: BTreeMap<GtidSource, Vec<(u64, u64)>>,
}

impl GtidSet {
    /// Sources with their closed intervals.
    pub fn intervals(&self) -> impl Iterator<Item = (&GtidSource, &[(u64, u64)])> {
        self.intervals.iter().map(|(source, intervals)| (source, intervals.as_slice()))
    }
}
