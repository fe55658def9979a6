//! The rule of repetition: a lane may say a thing twice, but only in contiguous runs.
//!
//! A lane goes back to some earlier change and says everything from there on again, in the same order. A
//! replay that leaves something out, a new change before the replay has caught up, and a new change whose `seq`
//! does not rise are violations. Changes are told apart by `id`, so a replay from another server (a new epoch,
//! greater `seq`) is a replay. The newest changes of all lanes are remembered, so many as the window has; what
//! lies before is recognised by its `seq` alone.
//!
//! Lines of a snapshot are read anew by each launch, under other ids. So a replay may leave them out: that is one of a
//! new launch, and lines of those attempts must not come any more.

use std::collections::{HashMap, VecDeque};

use crate::seq::Seq;

/// What a line is to its lane.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    New,
    /// The next one of a replay.
    Repeated,
    /// A repetition from an earlier point.
    ReplayBegun,
    /// A repetition of what is no longer remembered: nothing is judged.
    Forgotten,
    /// Came for the first time where it may not.
    NewOutOfOrder(&'static str),
    RepeatedOutOfOrder(&'static str),
    /// One id, two `seq`s of one epoch.
    Contradiction,
    /// One id, two contents.
    Changed,
}

impl Step {
    /// Came for the first time.
    pub fn is_new(self) -> bool {
        matches!(self, Self::New | Self::NewOutOfOrder(_))
    }
}

#[derive(Debug, Clone, Copy)]
pub struct Entry {
    /// Hash of the `id`.
    pub id: u64,
    pub content: u64,
    pub seq: Seq,
}

#[derive(Debug)]
struct Remembered {
    entry: Entry,
    /// Lines of the lane in front of it that are no snapshot's.
    changes_before: u64,
}

#[derive(Debug)]
pub struct Lanes {
    names: HashMap<Box<str>, u32>,
    lanes: Vec<Lane>,
    /// Lane and id to the place in the lane.
    index: HashMap<(u32, u64), u64>,
    /// Lanes of the remembered changes in the order in which these came.
    arrivals: VecDeque<u32>,
    window: usize,
}

/// Places count from the lane's first change, remembered or not.
#[derive(Debug, Default)]
struct Lane {
    remembered: VecDeque<Remembered>,
    /// Of the first one that is remembered.
    first: u64,
    /// Of the one that came last.
    cursor: u64,
    /// Lines that are no snapshot's.
    changes: u64,
    /// The newest attempt of a snapshot that a replay has left out.
    ended: Option<u64>,
    newest: Option<Seq>,
    newest_forgotten: Option<Seq>,
}

impl Lane {
    fn len(&self) -> u64 {
        self.first + self.remembered.len() as u64
    }
}

impl Lanes {
    pub fn new(window: usize) -> Self {
        Self {
            names: HashMap::new(),
            lanes: Vec::new(),
            index: HashMap::new(),
            arrivals: VecDeque::new(),
            window: window.max(1),
        }
    }

    pub fn number(&mut self, name: &str) -> u32 {
        if let Some(number) = self.names.get(name) {
            return *number;
        }
        let number = u32::try_from(self.lanes.len()).unwrap_or(u32::MAX);
        self.names.insert(name.into(), number);
        self.lanes.push(Lane::default());
        number
    }

    /// Names stand for other lanes from now on.
    pub fn forget_names(&mut self) {
        self.names.clear();
    }

    /// `number`: of a lane that was asked for.
    pub fn take(&mut self, number: u32, entry: Entry) -> Step {
        let at = self.index.get(&(number, entry.id)).copied();
        let Some(lane) = self.lanes.get_mut(number as usize) else {
            return Step::Forgotten;
        };
        match at {
            Some(at) => lane.repeat(at, &entry),
            None if lane.newest_forgotten.is_some_and(|seq| entry.seq <= seq) => {
                lane.cursor = lane.first.saturating_sub(1);
                Step::Forgotten
            }
            None => {
                self.index.insert((number, entry.id), lane.len());
                self.arrivals.push_back(number);
                let step = lane.add(entry);
                self.forget();
                step
            }
        }
    }

    /// The lane is said to hold everything up to there: what is new behind it must be later.
    pub fn complete(&mut self, number: u32, seq: Seq) {
        if let Some(lane) = self.lanes.get_mut(number as usize) {
            lane.newest = lane.newest.max(Some(seq));
        }
    }

    fn forget(&mut self) {
        while self.arrivals.len() > self.window {
            let Some(number) = self.arrivals.pop_front() else {
                return;
            };
            if let Some(lane) = self.lanes.get_mut(number as usize)
                && let Some(oldest) = lane.remembered.pop_front()
            {
                lane.first += 1;
                lane.newest_forgotten = lane.newest_forgotten.max(Some(oldest.entry.seq));
                self.index.remove(&(number, oldest.entry.id));
            }
        }
    }
}

impl Lane {
    fn repeat(&mut self, at: u64, entry: &Entry) -> Step {
        let expected = self.cursor + 1;
        let leaves_out = !self.passes_over(expected, at);
        self.cursor = at;
        if let Some(first) = self.at(at).map(|first| first.entry) {
            if first.seq.epoch() == entry.seq.epoch() && first.seq != entry.seq {
                return Step::Contradiction;
            }
            if first.content != entry.content {
                return Step::Changed;
            }
        }
        if self.is_ended(entry) {
            return Step::RepeatedOutOfOrder(ENDED);
        }
        match at.cmp(&expected) {
            std::cmp::Ordering::Less => Step::ReplayBegun,
            std::cmp::Ordering::Greater if leaves_out => {
                Step::RepeatedOutOfOrder("came in a replay that left something out")
            }
            _ => Step::Repeated,
        }
    }

    fn add(&mut self, entry: Entry) -> Step {
        let has_caught_up = self.len() == 0 || self.passes_over(self.cursor + 1, self.len());
        let rises = self.newest.is_none_or(|newest| newest < entry.seq);
        self.newest = self.newest.max(Some(entry.seq));
        self.cursor = self.len();
        self.remembered.push_back(Remembered {
            entry,
            changes_before: self.changes,
        });
        self.changes += u64::from(entry.seq.attempt().is_none());
        match (has_caught_up, rises) {
            _ if self.is_ended(&entry) => Step::NewOutOfOrder(ENDED),
            (true, true) => Step::New,
            (false, _) => Step::NewOutOfOrder("is new, but the replay before it had not caught up"),
            (true, false) => Step::NewOutOfOrder(
                "is new, but its `seq` does not rise above the change or heartbeat before it",
            ),
        }
    }

    /// Whether nothing is left out from one place up to the other, but lines of snapshots: their attempts are over.
    fn passes_over(&mut self, from: u64, to: u64) -> bool {
        if to <= from {
            return true;
        }
        if self.changes_before(from) != self.changes_before(to) {
            return false;
        }
        let newest = self.at(to - 1).and_then(|it| it.entry.seq.attempt());
        self.ended = self.ended.max(newest);
        true
    }

    fn is_ended(&self, entry: &Entry) -> bool {
        let attempt = entry.seq.attempt();
        attempt.is_some() && attempt <= self.ended
    }

    fn at(&self, place: u64) -> Option<&Remembered> {
        let place = place.checked_sub(self.first)?;
        self.remembered.get(usize::try_from(place).ok()?)
    }

    fn changes_before(&self, place: u64) -> u64 {
        self.at(place).map_or(self.changes, |it| it.changes_before)
    }
}

const ENDED: &str = "belongs to an attempt of a snapshot that a replay has shown to be over";

#[cfg(test)]
mod tests {
    use super::*;

    fn steps(window: usize, order: &[u64]) -> Vec<Step> {
        let mut lanes = Lanes::new(window);
        let lane = lanes.number("shop.orders");
        let entry = |n: &u64| Entry {
            id: *n,
            content: 0,
            seq: Seq::parse(&format!("00000001.00000001.0000000000000004.{n:08x}")).unwrap(),
        };
        order.iter().map(|n| lanes.take(lane, entry(n))).collect()
    }

    #[test]
    fn a_replay_that_reaches_behind_the_window_is_not_judged_and_then_goes_on() {
        use Step::{Forgotten, New, Repeated};
        assert_eq!(
            steps(2, &[1, 2, 3, 4, 1, 2, 3, 4, 5]),
            [
                New, New, New, New, Forgotten, Forgotten, Repeated, Repeated, New
            ]
        );
    }

    #[test]
    fn the_window_is_a_bound() {
        let mut lanes = Lanes::new(3);
        for n in 0..100 {
            let lane = lanes.number(&format!("lane {}", n % 7));
            let seq = Seq::parse(&format!("00000001.00000001.0000000000000004.{n:08x}")).unwrap();
            let entry = Entry {
                id: n,
                content: 0,
                seq,
            };
            assert_eq!(lanes.take(lane, entry), Step::New);
        }
        let remembered: usize = lanes.lanes.iter().map(|lane| lane.remembered.len()).sum();
        assert_eq!((remembered, lanes.index.len()), (3, 3));
    }
}
