//! Which barriers are open and finished, and the position that follows: the Checkpointer's twin.
//!
//! The promise: the position never passes a barrier that is not finished, in whatever order they finish;
//! one store write is in flight at a time and the next one carries the newest position. While writes fail,
//! the stored position falls behind what is delivered; [`Ledger::is_late`] says when that has gone on for
//! too long, and reading must pause. No clock: the time comes in.

use std::{
    collections::VecDeque,
    sync::Arc,
    time::{Duration, Instant},
};

use headwater_binlog::{columns::Known, schema::TableName};

use crate::{
    checkpoint::{Checkpoint, Parked},
    messages::{BarrierOpened, BarrierSeq, CommitTimes},
    pace::CheckpointPace,
    progress::{Advance, Gap},
};

#[derive(Debug)]
struct Open {
    seq: BarrierSeq,
    advance: Advance,
    is_quiet: bool,
    is_finished: bool,
}

/// What to do next.
#[derive(Debug, PartialEq)]
pub enum Next {
    Nothing,
    /// Ask again then.
    At(Instant),
    Write(Box<Checkpoint>),
    /// The last position is stored.
    Done,
}

#[derive(Debug)]
pub struct Ledger {
    done: Checkpoint,
    open: VecDeque<Open>,
    pace: CheckpointPace,
    /// The same for moves of the position alone.
    quiet_interval: Duration,
    /// What has changed since the last write: nothing, the position alone, more.
    is_moved: bool,
    is_dirty: bool,
    is_writing: bool,
    last_write: Option<Instant>,
    /// The first try to write since the last that succeeded.
    trying_since: Option<Instant>,
    /// A failing store is left alone until then.
    retry_at: Option<Instant>,
    /// Set by the drain: write what is done at once, then report.
    last: Option<bool>,
}

impl Ledger {
    pub fn new(mut from: Checkpoint, pace: CheckpointPace) -> Self {
        from.drained = false;
        Self {
            done: from,
            open: VecDeque::new(),
            pace,
            quiet_interval: pace.interval,
            is_moved: false,
            is_dirty: false,
            is_writing: false,
            last_write: None,
            trying_since: None,
            retry_at: None,
            last: None,
        }
    }

    /// Moves of the position over what was not to be delivered are written this seldom.
    #[must_use]
    pub fn with_quiet_interval(self, quiet_interval: Duration) -> Self {
        Self {
            quiet_interval: quiet_interval.max(self.pace.interval),
            ..self
        }
    }

    /// A barrier exists, or the newest one moved further. Column lists may be newer than the position, so they count
    /// at once; whether there were any.
    ///
    /// # Errors
    /// When the newest one moved on from elsewhere than it stands.
    pub fn opened(&mut self, opened: BarrierOpened) -> Result<bool, Gap> {
        let BarrierOpened {
            seq,
            mut advance,
            is_quiet,
        } = opened;
        let columns = advance.columns.take();
        match self.open.back_mut() {
            Some(newest) if newest.seq == seq => {
                newest.advance.merge(advance)?;
                newest.is_quiet &= is_quiet;
            }
            _ => self.open.push_back(Open {
                seq,
                advance,
                is_quiet,
                is_finished: false,
            }),
        }
        let has_columns = columns.is_some();
        if let Some(columns) = columns {
            self.done.resume.columns = columns;
            self.is_dirty = true;
        }
        Ok(has_columns)
    }

    /// The table is passed over from barrier `from` on, which is not finished: everything of it before that is
    /// durable, whatever other tables lack. It is stored with every position from now on.
    ///
    /// # Errors
    /// When a barrier begins elsewhere than the one before it ends.
    pub fn park(
        &mut self,
        table: TableName,
        from: BarrierSeq,
        reason: String,
        since_us: u64,
    ) -> Result<(), Gap> {
        if self.done.parked.iter().any(|parked| parked.table == table) {
            return Ok(());
        }
        let mut resume = self.done.resume.clone();
        resume.columns = columns_of(&table, &resume.columns);
        for open in self.open.iter().take_while(|open| open.seq < from) {
            resume.apply(&open.advance)?;
        }
        if resume.commit_us == 0 {
            let first = self.open.iter().find(|open| open.seq >= from);
            resume.commit_us = first.map_or(0, |first| first.advance.commit_us);
        }
        let parked = Parked {
            table,
            reason,
            since_us,
            home: self.done.home,
            resume,
        };
        self.done.parked = self.done.parked.iter().cloned().chain([parked]).collect();
        self.is_dirty = true;
        Ok(())
    }

    /// Commit times of what has become durable with it, in microseconds since the epoch.
    ///
    /// # Errors
    /// When a barrier begins elsewhere than the one before it ends: the position stays before it.
    pub fn finished(&mut self, seq: BarrierSeq) -> Result<Vec<u64>, Gap> {
        if let Ok(index) = self.open.binary_search_by_key(&seq, |open| open.seq)
            && let Some(open) = self.open.get_mut(index)
        {
            open.is_finished = true;
        }
        let mut commit_times = Vec::new();
        while let Some(Open {
            advance, is_quiet, ..
        }) = self.open.pop_front_if(|open| open.is_finished)
        {
            self.done.resume.apply(&advance)?;
            self.is_moved |= advance.has_moved();
            self.is_dirty |= !is_quiet || !advance.xa.is_empty() || advance.snapshot.is_some();
            if advance.commit_us > 0 {
                commit_times.push(advance.commit_us);
            }
        }
        Ok(commit_times)
    }

    pub fn commit_times(&self) -> CommitTimes {
        let times = self.open.iter().map(|open| open.advance.commit_us);
        let newest_us = times.clone().fold(self.done.resume.commit_us, u64::max);
        CommitTimes {
            oldest_open_us: times.into_iter().find(|us| *us > 0),
            newest_us,
        }
    }

    pub fn done(&self) -> &Checkpoint {
        &self.done
    }

    /// No barrier will finish any more.
    pub fn store_last(&mut self, drained: bool) {
        self.last = Some(drained);
        self.retry_at = None;
        self.done.drained = drained;
        self.is_dirty = true;
    }

    pub fn next(&mut self, now: Instant) -> Next {
        if self.is_writing {
            return Next::Nothing;
        }
        if !self.is_dirty && !self.is_moved {
            return if self.last.is_some() {
                Next::Done
            } else {
                Next::Nothing
            };
        }
        let interval = match self.is_dirty {
            true => self.pace.interval,
            false => self.quiet_interval,
        };
        let paced = self.last_write.map(|last| last + interval);
        let due = match self.last {
            // The last one keeps no distance.
            Some(_) => self.retry_at,
            None => paced.max(self.retry_at),
        };
        match due.filter(|due| now < *due) {
            Some(due) => Next::At(due),
            None => {
                self.is_writing = true;
                (self.is_dirty, self.is_moved) = (false, false);
                self.last_write = Some(now);
                self.trying_since.get_or_insert(now);
                self.forget_columns();
                Next::Write(Box::new(self.done.clone()))
            }
        }
    }

    /// Lists that ended before the position serve nobody.
    fn forget_columns(&mut self) {
        let resume = &mut self.done.resume;
        let is_over = |known: &&Known| known.is_over_at(&resume.mark.position);
        if resume.columns.iter().any(|known| is_over(&known)) {
            let left = resume.columns.iter().filter(|known| !is_over(known));
            resume.columns = left.cloned().collect();
        }
    }

    /// The write in flight is durable.
    pub fn stored(&mut self) {
        self.is_writing = false;
        self.trying_since = None;
        self.retry_at = None;
    }

    /// The write in flight has failed; the next one is not before `retry_at`.
    pub fn failed(&mut self, retry_at: Instant) {
        self.is_writing = false;
        self.is_dirty = true;
        self.retry_at = Some(retry_at);
    }

    /// For how long writes have been tried in vain, also one that has no answer.
    pub fn trying_for(&self, now: Instant) -> Duration {
        self.trying_since
            .map_or(Duration::ZERO, |since| now.saturating_duration_since(since))
    }

    /// Whether nothing more may be read until a position is stored.
    pub fn is_late(&self, now: Instant) -> bool {
        self.pace.late_after < self.trying_for(now)
    }
}

fn columns_of(table: &TableName, columns: &[Known]) -> Arc<[Known]> {
    let of_table = columns.iter().filter(|known| known.table == *table);
    of_table.cloned().collect()
}

#[cfg(test)]
mod tests;
