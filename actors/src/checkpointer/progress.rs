//! From finished barriers to the position: the Checkpointer's twin.
//!
//! The promise: the position never passes a barrier that is not finished, in whatever order they finish;
//! one store write is in flight at a time and the next one carries the newest position. While writes fail,
//! the stored position falls behind what is delivered; [`Progress::is_late`] says when that has gone on for
//! too long, and reading must pause. No clock: the time comes in.

use std::{
    collections::VecDeque,
    sync::Arc,
    time::{Duration, Instant},
};

use headwater_binlog::{columns::Known, schema::TableName};

use crate::{
    checkpoint::{Checkpoint, Parked},
    messages::{BarrierEnd, BarrierSeq},
    pace::CheckpointPace,
};

#[derive(Debug)]
struct Open {
    seq: BarrierSeq,
    end: BarrierEnd,
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
pub struct Progress {
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

impl Progress {
    pub fn new(from: Checkpoint, pace: CheckpointPace) -> Self {
        let done = Checkpoint {
            drained: false,
            ..from
        };
        Self {
            done,
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

    /// A barrier exists, or the newest one moved further.
    pub fn opened(&mut self, seq: BarrierSeq, end: BarrierEnd) {
        match self.open.back_mut() {
            Some(newest) if newest.seq == seq => {
                newest.end.gtids.union(&end.gtids);
                newest.end.commit_us = newest.end.commit_us.max(end.commit_us);
                newest.end.is_quiet &= end.is_quiet && end.xa.is_empty();
                newest.end.xa.extend(end.xa);
                newest.end.mark = end.mark;
            }
            _ => self.open.push_back(Open {
                seq,
                end,
                is_finished: false,
            }),
        }
    }

    /// The column lists of the batch whose barriers follow. They may be newer than the position.
    pub fn columns(&mut self, columns: Arc<[Known]>) {
        self.done.columns = columns;
        self.is_dirty = true;
    }

    /// The table is passed over from barrier `from` on, which is not finished: everything of it before that is
    /// durable, whatever other tables lack. It is stored with every position from now on.
    pub fn park(&mut self, table: TableName, from: BarrierSeq, reason: String, since_us: u64) {
        if self.done.parked.iter().any(|parked| parked.table == table) {
            return;
        }
        let done = &self.done;
        let mut parked = Parked {
            columns: columns_of(&table, &done.columns),
            table,
            reason,
            since_us,
            server_uuid: done.server_uuid,
            epoch: done.epoch,
            mark: done.mark.clone(),
            gtid_set: done.gtid_set.clone(),
            xa: done.xa.clone(),
            commit_us: done.commit_us,
        };
        for Open { end, .. } in self.open.iter().take_while(|open| open.seq < from) {
            parked.gtid_set.union(&end.gtids);
            end.xa.iter().for_each(|change| parked.xa.apply(change));
            parked.commit_us = parked.commit_us.max(end.commit_us);
            parked.mark = end.mark.clone();
        }
        if parked.commit_us == 0 {
            let first = self.open.iter().find(|open| open.seq >= from);
            parked.commit_us = first.map_or(0, |first| first.end.commit_us);
        }
        self.done.parked = self.done.parked.iter().cloned().chain([parked]).collect();
        self.is_dirty = true;
    }

    /// Commit times of what has become durable with it, in microseconds since the epoch.
    pub fn finished(&mut self, seq: BarrierSeq) -> Vec<u64> {
        if let Ok(index) = self.open.binary_search_by_key(&seq, |open| open.seq)
            && let Some(open) = self.open.get_mut(index)
        {
            open.is_finished = true;
        }
        let mut commit_times = Vec::new();
        while self.open.front().is_some_and(|open| open.is_finished) {
            let Some(Open { end, .. }) = self.open.pop_front() else {
                break;
            };
            self.is_moved |= self.done.mark != end.mark;
            self.done.gtid_set.union(&end.gtids);
            end.xa.iter().for_each(|change| self.done.xa.apply(change));
            self.done.commit_us = self.done.commit_us.max(end.commit_us);
            self.done.mark = end.mark;
            self.is_dirty |= !end.is_quiet || !end.xa.is_empty();
            if end.commit_us > 0 {
                commit_times.push(end.commit_us);
            }
        }
        commit_times
    }

    /// Commit time of the oldest change that is not durable, microseconds since 1970.
    pub fn oldest_open_us(&self) -> Option<u64> {
        let times = self.open.iter().map(|open| open.end.commit_us);
        times.into_iter().find(|us| *us > 0)
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
        let position = &self.done.mark.position;
        let is_over = |known: &&Known| known.is_over_at(position);
        if self.done.columns.iter().any(|known| is_over(&known)) {
            let left = self.done.columns.iter().filter(|known| !is_over(known));
            self.done.columns = left.cloned().collect();
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
