//! From finished barriers to the position: the Checkpointer's twin.
//!
//! The promise: the position never passes a barrier that is not finished, in whatever order they finish;
//! one store write is in flight at a time and the next one carries the newest position. No clock: the
//! time comes in.

use std::{
    collections::VecDeque,
    sync::Arc,
    time::{Duration, Instant},
};

use headwater_binlog::columns::Known;

use crate::{
    checkpoint::Checkpoint,
    messages::{BarrierEnd, BarrierSeq},
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
    interval: Duration,
    /// The same for moves of the position alone.
    quiet_interval: Duration,
    /// What has changed since the last write: nothing, the position alone, more.
    is_moved: bool,
    is_dirty: bool,
    is_writing: bool,
    last_write: Option<Instant>,
    /// Set by the drain: write what is done at once, then report.
    last: Option<bool>,
}

impl Progress {
    pub fn new(from: Checkpoint, interval: Duration) -> Self {
        let done = Checkpoint {
            drained: false,
            ..from
        };
        Self {
            done,
            open: VecDeque::new(),
            interval,
            quiet_interval: interval,
            is_moved: false,
            is_dirty: false,
            is_writing: false,
            last_write: None,
            last: None,
        }
    }

    /// Moves of the position over what was not to be delivered are written this seldom.
    #[must_use]
    pub fn with_quiet_interval(self, quiet_interval: Duration) -> Self {
        Self {
            quiet_interval: quiet_interval.max(self.interval),
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
            self.done.gtid_set.union(&end.gtids);
            end.xa.iter().for_each(|change| self.done.xa.apply(change));
            self.done.commit_us = self.done.commit_us.max(end.commit_us);
            self.done.mark = end.mark;
            self.is_moved = true;
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
            true => self.interval,
            false => self.quiet_interval,
        };
        let due = self
            .last_write
            .map(|last| last + interval)
            .filter(|due| now < *due);
        match due {
            Some(due) if self.last.is_none() => Next::At(due),
            _ => {
                self.is_writing = true;
                (self.is_dirty, self.is_moved) = (false, false);
                self.last_write = Some(now);
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

    /// The write in flight has ended.
    pub fn written(&mut self, succeeded: bool) {
        self.is_writing = false;
        self.is_dirty |= !succeeded;
    }
}

#[cfg(test)]
mod tests;
