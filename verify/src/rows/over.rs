//! Runs of a key's changes that are over: a statement on the table, or a base line, stands behind them.
//!
//! One that is even is done with. The others are kept, with what they should have led to: what another shard still
//! has of them may complete them.

use std::collections::HashMap;

use super::{Place, Rows, State, UNEVEN_MAX, value};
use crate::{
    ledger::{Ledger, Step},
    seq::Seq,
};

/// A run that is not even.
#[derive(Debug)]
pub(super) struct Run {
    pub table: u32,
    pub images: Option<Ended>,
    pub counter: Option<Ended>,
    pub last: Seq,
    pub place: Option<Place>,
}

/// With what it should have led to.
#[derive(Debug, Clone, Copy)]
pub(super) struct Ended {
    pub ledger: Ledger,
    pub after: u64,
}

#[derive(Debug, Default)]
pub(super) struct Over {
    by_key: HashMap<u64, Vec<Run>>,
    count: usize,
}

impl Ended {
    pub fn gap(&self) -> u64 {
        self.ledger.gap(self.after)
    }

    /// Unless it is even.
    pub fn uneven(self) -> Option<Self> {
        (self.gap() != 0).then_some(self)
    }

    fn add(&mut self, seq: Seq, last: Seq, step: Step) -> bool {
        let is_within = self.ledger.first() < seq && seq < last;
        if is_within {
            self.ledger.add(seq, step);
        }
        is_within
    }
}

impl Over {
    pub fn runs(&self) -> impl Iterator<Item = &Run> {
        self.by_key.values().flatten()
    }

    /// Whether there was room for it.
    pub fn keep(&mut self, key: u64, run: Run) -> bool {
        if run.images.is_none() && run.counter.is_none() {
            return true;
        }
        if UNEVEN_MAX <= self.count {
            return false;
        }
        self.count += 1;
        self.by_key.entry(key).or_default().push(run);
        true
    }

    /// What lies within a run completes it; what does not is no part of what is judged.
    pub fn add_image(&mut self, key: u64, seq: Seq, step: Step) {
        self.add(key, seq, step, |run| &mut run.images);
    }

    pub fn add_counter(&mut self, key: u64, seq: Seq, step: Step) {
        self.add(key, seq, step, |run| &mut run.counter);
    }

    fn add(
        &mut self,
        key: u64,
        seq: Seq,
        step: Step,
        part: impl Fn(&mut Run) -> &mut Option<Ended>,
    ) {
        let Some(runs) = self.by_key.get_mut(&key) else {
            return;
        };
        for run in runs.iter_mut() {
            let last = run.last;
            let part = part(run);
            if let Some(ended) = part
                && ended.add(seq, last, step)
            {
                *part = ended.uneven();
                break;
            }
        }
        let before = runs.len();
        runs.retain(|run| run.images.is_some() || run.counter.is_some());
        self.count -= before - runs.len();
        if runs.is_empty() {
            self.by_key.remove(&key);
        }
    }
}

impl Rows {
    /// A statement ends the key's run of images; its counter goes on.
    pub(super) fn end_by_statement(&mut self, state: &State, key: u64) {
        let images = Ended {
            ledger: state.images,
            after: value(state.after),
        };
        let Some(images) = images.uneven() else {
            return;
        };
        let run = Run {
            table: state.table,
            images: Some(images),
            counter: None,
            last: state.last,
            place: self.places.get(&key).cloned(),
        };
        if !self.over.keep(key, run) {
            self.not_judged += 1;
        }
    }
}
