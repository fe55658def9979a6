//! How far the log has been taken: what a reader needs to go on, and what moves it.
//!
//! A [`Resume`] is a place in the log with all that holds there. An [`Advance`] is a stretch of the log that
//! begins at a place, with all that happened in it. One leads to the next by [`Resume::apply`] alone, and a
//! stretch that begins elsewhere is refused with both places: what lies between would be passed over in silence.
//! Progress never goes back, as far as places can be compared, and a log brings no transaction twice. What a restart must know is a field of both,
//! carried over by [`Advance::merge`] and [`Resume::apply`], and a line in the checkpoint's text. Pure.

use std::{cmp::Ordering, fmt, sync::Arc};

use headwater_binlog::{
    OTHER_LOG_HINT,
    columns::Known,
    fingerprint::LogFingerprint,
    gtid::{Gtid, GtidSet, Uuid},
    position::Position,
    transaction::Boundary,
    xa::{XaChange, XaTable},
};

use crate::{
    failure::Failure,
    snapshot::{SnapshotAdvance, Snapshots},
};

/// A place in the log. `position` is a transaction boundary; `rows_done` rows and DDLs of the transaction that
/// starts there are done too (a place inside a giant transaction).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mark {
    pub position: Position,
    pub rows_done: u64,
}

/// Whose log it is, and which numbering of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Home {
    pub server_uuid: Uuid,
    /// Rises with every change of server or of the log's numbering; first field of `seq`.
    pub epoch: u32,
}

/// All that a reader needs to go on at `mark`.
#[derive(Debug, Clone, PartialEq)]
pub struct Resume {
    pub mark: Mark,
    /// Transactions wholly done, and those that this log cannot bring any more, because they stand before `mark`
    /// or in no file. Empty where the server has no GTIDs.
    pub gtid_set: GtidSet,
    /// Of them, those that were read in another server's log and may stand behind `mark` in this one.
    pub may_repeat: GtidSet,
    /// XA transactions that are prepared and not finished.
    pub xa: XaTable,
    /// The newest commit time of a transaction done, microseconds since 1970; 0 when unknown.
    pub commit_us: u64,
    /// Column lists that the log does not carry, never older than `mark`: a list that has ended since would
    /// give wrong names. They may be newer.
    pub columns: Arc<[Known]>,
    /// The log file that `mark` lies in, or one before it; `None` while it has not been read.
    pub log: Option<LogFingerprint>,
    /// Tables whose rows are copied beside the log.
    pub snapshots: Snapshots,
}

/// A stretch of the log: what is true at its end and was not where it begins.
#[derive(Debug, Clone, PartialEq)]
pub struct Advance {
    from: Mark,
    mark: Mark,
    /// Transactions that ended in it.
    pub gtids: GtidSet,
    /// Transactions that the log cannot bring behind it: they stand in files before it, or in none.
    pub had: GtidSet,
    /// The newest commit time in it; 0 when none is known.
    pub commit_us: u64,
    /// XA transactions that were prepared or finished in it.
    pub xa: Vec<XaChange>,
    /// All column lists known by its end or later, where they have changed.
    pub columns: Option<Arc<[Known]>>,
    /// The newest log file that was opened in it.
    pub log: Option<Box<LogFingerprint>>,
    /// Where copies have gone on; they do so at its end.
    pub snapshot: Option<Box<SnapshotAdvance>>,
}

/// A stretch of the log that does not begin where progress stands.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("progress stands at {expected}, but what comes next begins at {found}")]
pub struct Gap {
    pub expected: Mark,
    pub found: Mark,
}

/// A transaction that the log brings for the second time.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "the server's log was reset, or the server was restored from a backup: it brings {0}, which has been read before"
)]
pub struct Repeated(pub Gtid);

impl Resume {
    /// A place of which nothing is known but the transactions before it.
    pub fn at(position: Position, gtid_set: GtidSet) -> Self {
        Self {
            mark: Mark::at(position),
            gtid_set,
            may_repeat: GtidSet::default(),
            xa: XaTable::default(),
            commit_us: 0,
            columns: Arc::default(),
            log: None,
            snapshots: Snapshots::default(),
        }
    }

    /// The same progress in another server's log, where it stands at `position`: what was said of places in the
    /// log before is forgotten, and a transaction that was half done begins anew. `may_repeat`, of what has been
    /// read, may stand behind it there.
    pub fn moved_to(&self, position: Position, may_repeat: GtidSet) -> Self {
        Self {
            mark: Mark::at(position),
            gtid_set: self.gtid_set.clone(),
            may_repeat,
            xa: self.xa.without_positions(),
            commit_us: self.commit_us,
            columns: Arc::default(),
            log: None,
            snapshots: Snapshots {
                lines_here: 0,
                ..self.snapshots.clone()
            },
        }
    }

    /// The one way on.
    ///
    /// # Errors
    /// When `next` does not begin at the mark; nothing has changed then.
    pub fn apply(&mut self, next: &Advance) -> Result<(), Gap> {
        self.mark.ensure_begins(next)?;
        self.mark = next.mark.clone();
        self.gtid_set.union(&next.gtids);
        self.gtid_set.union(&next.had);
        self.may_repeat.subtract(&next.had);
        next.xa.iter().for_each(|change| self.xa.apply(change));
        self.commit_us = self.commit_us.max(next.commit_us);
        if let Some(columns) = &next.columns {
            self.columns = Arc::clone(columns);
        }
        if let Some(log) = &next.log {
            self.log = Some(LogFingerprint::clone(log));
        }
        match &next.snapshot {
            Some(snapshot) => self.snapshots.apply(snapshot),
            None if next.mark != next.from => self.snapshots.lines_here = 0,
            None => {}
        }
        Ok(())
    }

    /// Whether `gtid`, which comes behind `next`, has come before: then the log is another one.
    ///
    /// # Errors
    /// When it has.
    pub fn ensure_new(&self, next: &Advance, gtid: &Gtid) -> Result<(), Repeated> {
        let is_known = self.gtid_set.has_brought(gtid) || next.had.has_brought(gtid);
        if next.gtids.has_brought(gtid) || is_known && !self.may_repeat.contains(gtid) {
            return Err(Repeated(gtid.clone()));
        }
        Ok(())
    }
}

impl Advance {
    /// Begins at `mark` and has not moved.
    pub fn at(mark: Mark) -> Self {
        Self {
            from: mark.clone(),
            mark,
            gtids: GtidSet::default(),
            had: GtidSet::default(),
            commit_us: 0,
            xa: Vec::new(),
            columns: None,
            log: None,
            snapshot: None,
        }
    }

    /// Where it begins.
    pub fn from(&self) -> &Mark {
        &self.from
    }

    /// Where it ends.
    pub fn mark(&self) -> &Mark {
        &self.mark
    }

    /// Whether anything is to be stored of it.
    pub fn has_moved(&self) -> bool {
        self.from != self.mark
            || self.log.is_some()
            || !self.had.is_empty()
            || self.snapshot.is_some()
    }

    /// Up to `mark`. A place before its end moves nothing: streams begin somewhat earlier than they were asked to
    /// (at a file's head, by GTID), and what lies there is done.
    pub fn reach(&mut self, mark: Mark) {
        if !self.mark.has_passed(&mark) {
            self.mark = mark;
        }
    }

    /// To a place outside any transaction. A file that lies before the mark says nothing of it, but for what was
    /// committed before the file.
    pub fn enter(&mut self, place: &Boundary) {
        self.reach_boundary(place);
        if let Some(log) = &place.log
            && log.file == self.mark.position.file
        {
            self.log = Some(log.clone());
        }
    }

    /// Over the end of a transaction.
    pub fn pass(&mut self, end: &Boundary) {
        if let Some(gtid) = &end.gtid {
            self.gtids.add(gtid);
        }
        self.xa.extend(end.xa.as_deref().cloned());
        self.commit_us = self.commit_us.max(end.commit_us);
        self.reach_boundary(end);
    }

    fn reach_boundary(&mut self, place: &Boundary) {
        self.reach(Mark::at(place.position()));
        if let Some(had) = &place.had {
            self.had.union(had);
        }
    }

    /// Goes on behind `next`, which begins where this ends.
    ///
    /// # Errors
    /// When it does not; nothing has changed then.
    pub fn merge(&mut self, next: Self) -> Result<(), Gap> {
        self.mark.ensure_begins(&next)?;
        match (&mut self.snapshot, next.snapshot) {
            (Some(snapshot), Some(next)) => snapshot.merge(*next),
            (Some(snapshot), None) if next.from != next.mark => snapshot.lines_here = 0,
            (Some(_), None) => {}
            (snapshot @ None, next) => *snapshot = next,
        }
        self.mark = next.mark;
        self.gtids.union(&next.gtids);
        self.had.union(&next.had);
        self.xa.extend(next.xa);
        self.commit_us = self.commit_us.max(next.commit_us);
        self.columns = next.columns.or_else(|| self.columns.take());
        self.log = next.log.or_else(|| self.log.take());
        Ok(())
    }

    /// All so far; a new stretch begins behind it.
    #[must_use]
    pub fn take(&mut self) -> Self {
        let next = Self::at(self.mark.clone());
        std::mem::replace(self, next)
    }
}

impl Home {
    /// The server whose positions they are in `epoch`: nobody's once the log was numbered anew, so that only GTIDs
    /// count.
    pub fn server_in(&self, epoch: u32) -> Uuid {
        if self.epoch == epoch {
            self.server_uuid
        } else {
            Uuid([0; 16])
        }
    }
}

impl Mark {
    /// Between two transactions.
    pub fn at(position: Position) -> Self {
        Self {
            position,
            rows_done: 0,
        }
    }

    /// Whether all before `other` lies before it, as far as that can be told.
    pub fn has_passed(&self, other: &Self) -> bool {
        match self.position.partial_cmp(&other.position) {
            Some(Ordering::Greater) => true,
            Some(Ordering::Equal) => other.rows_done <= self.rows_done,
            Some(Ordering::Less) | None => false,
        }
    }

    fn ensure_begins(&self, next: &Advance) -> Result<(), Gap> {
        if *self == next.from {
            return Ok(());
        }
        Err(Gap {
            expected: self.clone(),
            found: next.from.clone(),
        })
    }
}

impl fmt::Display for Mark {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.rows_done {
            0 => write!(formatter, "{}", self.position),
            rows => write!(formatter, "{} and {rows} rows", self.position),
        }
    }
}

impl From<Gap> for Failure {
    fn from(gap: Gap) -> Self {
        Self::definite(gap.to_string()).with_hint(
            "this is a defect of the program: report it; a restart goes on from the stored position",
        )
    }
}

impl From<Repeated> for Failure {
    fn from(repeated: Repeated) -> Self {
        Self::definite(repeated.to_string()).with_hint(OTHER_LOG_HINT)
    }
}

#[cfg(test)]
mod tests;
