//! GTIDs and sets of them: MySQL's plain (`uuid:1-5`) and tagged (`uuid:tag:1-5`) ones, closed intervals as
//! MySQL prints them; MariaDB's (`domain-server-number`), of which a set holds the last of each domain.
//!
//! Invariant of a set: per source the intervals are sorted, do not touch and are never empty, so equal
//! sets are equal values. Adding the next number of a source lengthens its last interval: no allocation.
//! `text` parses and prints, `wire` reads the events, `mariadb` has both for MariaDB.

mod mariadb;
mod text;
mod wire;

use std::collections::BTreeMap;

pub use mariadb::{AlterPhase, MariaGtid, MariaGtidEvent};
pub use wire::GtidEvent;

use crate::Error;

/// The greatest number that MySQL gives to a transaction.
pub const NUMBER_MAX: u64 = i64::MAX as u64 - 1;

/// A server's UUID.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Uuid(pub [u8; 16]);

/// Who numbers MySQL's transactions: a server, and since 8.3 an optional tag.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct GtidSource {
    pub uuid: Uuid,
    /// Lower case; empty without a tag.
    pub tag: Box<str>,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Gtid {
    /// `uuid[:tag]:number`
    MySql { source: GtidSource, number: u64 },
    /// `domain-server-number`
    MariaDb(MariaGtid),
}

impl Gtid {
    /// One of MySQL's.
    pub fn new(source: GtidSource, number: u64) -> Self {
        Self::MySql { source, number }
    }

    /// Its number among those of its source, or of its domain.
    pub fn number(&self) -> u64 {
        match self {
            Self::MySql { number, .. } => *number,
            Self::MariaDb(gtid) => gtid.number,
        }
    }
}

/// MySQL's GTIDs: closed, sorted, merged intervals per source. MariaDB's: in each domain all up to one,
/// because there the numbers of a domain rise in the order of the log. Never both.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct GtidSet {
    intervals: BTreeMap<GtidSource, Vec<(u64, u64)>>,
    /// The last one of each domain, by domain.
    domains: BTreeMap<u32, MariaGtid>,
}

impl GtidSet {
    /// MySQL's sources with their closed intervals.
    pub fn intervals(&self) -> impl Iterator<Item = (&GtidSource, &[(u64, u64)])> {
        self.intervals
            .iter()
            .map(|(source, intervals)| (source, intervals.as_slice()))
    }

    /// MariaDB's: the last one of each domain, by domain.
    pub fn domains(&self) -> impl Iterator<Item = &MariaGtid> {
        self.domains.values()
    }

    pub fn is_empty(&self) -> bool {
        self.intervals.is_empty() && self.domains.is_empty()
    }

    pub fn contains(&self, gtid: &Gtid) -> bool {
        match gtid {
            Gtid::MySql { source, number } => self.intervals.get(source).is_some_and(|intervals| {
                let at = intervals.partition_point(|(_, last)| *last < *number);
                intervals.get(at).is_some_and(|(first, _)| first <= number)
            }),
            Gtid::MariaDb(gtid) => self.has_reached(gtid),
        }
    }

    /// Whether a log brings `gtid` again behind all of these. For certain: MariaDB's numbers may fall where several
    /// servers give them.
    pub fn has_brought(&self, gtid: &Gtid) -> bool {
        match gtid {
            Gtid::MySql { .. } => self.contains(gtid),
            Gtid::MariaDb(gtid) => {
                let last = self.domains.get(&gtid.domain);
                last.is_some_and(|last| {
                    last.server_id == gtid.server_id && gtid.number <= last.number
                })
            }
        }
    }

    pub fn add(&mut self, gtid: &Gtid) {
        match gtid {
            Gtid::MySql { source, number } => match self.intervals.get_mut(source) {
                Some(intervals) => insert(intervals, *number, *number),
                None => {
                    self.intervals
                        .insert(source.clone(), vec![(*number, *number)]);
                }
            },
            Gtid::MariaDb(gtid) => self.reach(*gtid),
        }
    }

    /// The one GTID of a set of one.
    pub fn only(&self) -> Option<Gtid> {
        let mut domains = self.domains.values();
        let mut intervals = self.intervals.iter();
        match (intervals.next(), domains.next()) {
            (Some((source, numbers)), None) => match numbers.as_slice() {
                [(first, last)] if first == last && intervals.next().is_none() => {
                    Some(Gtid::new(source.clone(), *first))
                }
                _ => None,
            },
            (None, Some(gtid)) if domains.next().is_none() => Some(Gtid::MariaDb(*gtid)),
            _ => None,
        }
    }

    /// Adds `first..=last`; an error when that is empty or outside 1..=[`NUMBER_MAX`].
    pub fn add_range(&mut self, source: &GtidSource, first: u64, last: u64) -> Result<(), Error> {
        if first == 0 || first > last || last > NUMBER_MAX {
            return Err(Error::malformed(
                "GTID interval",
                format_args!("{first}-{last}"),
            ));
        }
        match self.intervals.get_mut(source) {
            Some(intervals) => insert(intervals, first, last),
            None => {
                self.intervals.insert(source.clone(), vec![(first, last)]);
            }
        }
        Ok(())
    }

    /// Adds all of `other`.
    pub fn union(&mut self, other: &Self) {
        for (source, theirs) in &other.intervals {
            match (self.intervals.get_mut(source), theirs.as_slice()) {
                // As of a stretch of the log: nothing is copied.
                (Some(ours), [(first, last)]) => insert(ours, *first, *last),
                (Some(ours), theirs) => *ours = merge(ours, theirs),
                (None, _) => {
                    self.intervals.insert(source.clone(), theirs.clone());
                }
            }
        }
        for gtid in other.domains.values() {
            self.reach(*gtid);
        }
    }

    /// Takes all of `other` away.
    pub fn subtract(&mut self, other: &Self) {
        for (source, theirs) in &other.intervals {
            if let Some(ours) = self.intervals.get_mut(source) {
                *ours = difference(ours, theirs);
                if ours.is_empty() {
                    self.intervals.remove(source);
                }
            }
        }
        self.domains.retain(|_, gtid| !other.has_reached(gtid));
    }

    /// Forgets MariaDB's domains that `other` has not.
    pub fn forget_domains_without(&mut self, other: &Self) {
        self.domains
            .retain(|domain, _| other.domains.contains_key(domain));
    }

    pub fn is_subset(&self, other: &Self) -> bool {
        let has_all = self.domains.values().all(|gtid| other.has_reached(gtid));
        has_all
            && self.intervals.iter().all(|(source, ours)| {
                let theirs = other.intervals.get(source).map_or(&[][..], Vec::as_slice);
                let mut theirs = theirs.iter().peekable();
                ours.iter().all(|(first, last)| {
                    while theirs.next_if(|their| their.1 < *first).is_some() {}
                    theirs
                        .peek()
                        .is_some_and(|their| their.0 <= *first && *last <= their.1)
                })
            })
    }
}

/// Adds `first..=last` to sorted intervals, joining what overlaps or touches.
fn insert(intervals: &mut Vec<(u64, u64)>, first: u64, last: u64) {
    match intervals.last_mut() {
        Some(tail) if first >= tail.0 => {
            if first <= tail.1.saturating_add(1) {
                tail.1 = tail.1.max(last);
            } else {
                intervals.push((first, last));
            }
            return;
        }
        None => {
            intervals.push((first, last));
            return;
        }
        Some(_) => {}
    }
    let from = intervals.partition_point(|interval| interval.1.saturating_add(1) < first);
    let until = intervals.partition_point(|interval| interval.0 <= last.saturating_add(1));
    let joined = intervals.get(from..until).unwrap_or_default();
    let first = joined
        .first()
        .map_or(first, |interval| interval.0.min(first));
    let last = joined.last().map_or(last, |interval| interval.1.max(last));
    intervals.splice(from..until.max(from), [(first, last)]);
}

fn merge(ours: &[(u64, u64)], theirs: &[(u64, u64)]) -> Vec<(u64, u64)> {
    let mut merged = Vec::with_capacity(ours.len() + theirs.len());
    let (mut ours, mut theirs) = (ours.iter().peekable(), theirs.iter().peekable());
    loop {
        let next = match (ours.peek(), theirs.peek()) {
            (Some(our), Some(their)) if our.0 <= their.0 => ours.next(),
            (Some(_), None) => ours.next(),
            _ => theirs.next(),
        };
        let Some((first, last)) = next else { break };
        insert(&mut merged, *first, *last);
    }
    merged.shrink_to_fit();
    merged
}

fn difference(ours: &[(u64, u64)], theirs: &[(u64, u64)]) -> Vec<(u64, u64)> {
    let mut left = Vec::with_capacity(ours.len());
    let mut theirs = theirs.iter().peekable();
    for (first, last) in ours {
        let mut first = *first;
        while theirs.next_if(|their| their.1 < first).is_some() {}
        while let Some(their) = theirs.peek().filter(|their| their.0 <= *last) {
            if their.0 > first {
                left.push((first, their.0 - 1));
            }
            first = their.1.saturating_add(1);
            if their.1 > *last {
                break;
            }
            theirs.next();
        }
        if first <= *last {
            left.push((first, *last));
        }
    }
    left
}

#[cfg(test)]
mod tests;
