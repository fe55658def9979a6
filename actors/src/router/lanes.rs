//! Barriers, fences and what each lane has not finished: the Router's twin.
//!
//! The promise: a lane gets its changes in source order, nothing passes a fence that covers it, a barrier is
//! finished only when every lane has reached it, and a lane's unfinished changes can be fed again at any
//! time. A change waits here, under its permit, while a fence before it is closed or its lane has no writer;
//! the Router itself never waits. What a batch, a statement or an answer costs hangs on the lanes that it
//! touches, never on how many there are. Synchronous, no clock.

mod gone;
mod state;

use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
    time::Instant,
};

use headwater_binlog::{position::Position, schema::TableName};

use self::state::LaneState;
use super::{
    complete::Complete,
    drain::{Cut, Freezing},
    fences::Fences,
    parts::LaneParts,
    split::{Scope, Segment},
};
use crate::{
    budget::Permit,
    changes::Heartbeat,
    lane::Lane,
    messages::{BarrierOpened, BarrierSeq, Drain, LaneChanges},
    progress::{Advance, Mark},
};

/// What the Router does next, in order.
#[derive(Debug)]
pub enum Action {
    Open(BarrierOpened),
    Finish(BarrierSeq),
    /// The table is passed over from this barrier on.
    Park(TableName, BarrierSeq, String),
    /// The lane is gone, its writer has nothing more to do.
    Dismiss(Arc<Lane>),
    Send(Arc<Lane>, Arc<LaneChanges>),
    Want(Arc<Lane>),
    Freeze(Arc<Lane>),
    DeliverUpTo(Arc<Lane>, BarrierSeq),
    /// Every barrier up to the cut is finished.
    Done,
}

#[derive(Debug)]
struct Barrier {
    seq: BarrierSeq,
    /// Lanes that have not reached it.
    waiting: usize,
    is_finished: bool,
}

#[derive(Debug, Default)]
pub struct Lanes {
    lanes: BTreeMap<Arc<Lane>, LaneState>,
    /// Lanes that may have something to send.
    ready: Vec<Arc<Lane>>,
    barriers: VecDeque<Barrier>,
    fences: Fences,
    /// By the barrier behind which their tables are gone.
    ends: BTreeMap<BarrierSeq, Scope>,
    newest: BarrierSeq,
    /// The newest barrier that is finished or that a lane has reached.
    newest_reached: BarrierSeq,
    freezing: Option<Freezing>,
    cut: Option<Cut>,
    complete: Complete,
    #[cfg(test)]
    lanes_tried: usize,
}

impl Lanes {
    /// Opens a barrier for the segment, or moves the newest open one when the segment has no lane.
    pub fn open(
        &mut self,
        segment: Segment,
        permit: &mut Permit,
        now: Instant,
        actions: &mut Vec<Action>,
    ) {
        if self.freezing.is_some() || self.cut.is_some() {
            // Nothing is taken in behind a drain; the next run reads it again.
            return;
        }
        if segment.lanes.is_empty() && segment.fence.is_none() {
            return self.extend(segment.advance, actions);
        }
        self.newest.0 += 1;
        let seq = self.newest;
        let lanes = segment.lanes.into_lanes();
        self.barriers.push_back(Barrier {
            seq,
            waiting: lanes.len(),
            is_finished: false,
        });
        actions.push(open(seq, segment.advance, false));
        if let Some(scope) = segment.fence {
            if segment.is_end {
                self.ends.insert(seq, scope.clone());
            }
            self.fences.raise(seq, scope);
        }
        for parts in lanes {
            self.enqueue(seq, parts, permit, now, actions);
        }
        self.proceed(vec![seq], actions);
    }

    fn extend(&mut self, advance: Advance, actions: &mut Vec<Action>) {
        let has_open = self
            .barriers
            .back()
            .is_some_and(|newest| !newest.is_finished);
        if has_open {
            actions.push(open(self.newest, advance, true));
            return;
        }
        self.newest.0 += 1;
        self.newest_reached = self.newest;
        actions.push(open(self.newest, advance, true));
        actions.push(Action::Finish(self.newest));
    }

    fn enqueue(
        &mut self,
        seq: BarrierSeq,
        parts: LaneParts,
        permit: &mut Permit,
        now: Instant,
        actions: &mut Vec<Action>,
    ) {
        let permit = permit.split(parts.kept_bytes());
        let lane = Arc::new(parts.lane);
        let state = self.lanes.entry(lane).or_insert_with_key(|lane| {
            actions.push(Action::Want(Arc::clone(lane)));
            LaneState::new(Arc::clone(lane), now)
        });
        state.last_active = now;
        let changes = LaneChanges {
            seq,
            parts: parts.parts,
            heartbeat: None,
            bytes: parts.bytes,
            permit,
        };
        state.outstanding.push_back(Arc::new(changes));
        self.fences.enter(&state.lane);
        self.ready.push(Arc::clone(&state.lane));
    }

    /// Up to where every lane has delivered all, as of a heartbeat at `read`.
    pub fn complete(&mut self, read: &Position) -> Option<Position> {
        if self.freezing.is_some() || self.cut.is_some() {
            // Barriers behind the cut are forgotten, and not delivered.
            return None;
        }
        let oldest = self.barriers.front().map(|barrier| barrier.seq);
        self.complete.look(read, self.newest, oldest)
    }

    /// Tells every table's lanes that have nothing to deliver how far the source has been read, behind a barrier
    /// at `mark`, where the newest one ends. A lane has one such message at most, and it does not keep the lane
    /// from being retired.
    pub fn beat(&mut self, heartbeat: &Arc<Heartbeat>, mark: &Mark, actions: &mut Vec<Action>) {
        let is_at_rest = |state: &&mut LaneState| {
            state.has_writer && state.outstanding.is_empty() && !state.lane.table.table.is_empty()
        };
        if self.freezing.is_some() || self.cut.is_some() {
            return;
        }
        let seq = BarrierSeq(self.newest.0 + 1);
        let mut waiting = 0;
        for state in self.lanes.values_mut().filter(is_at_rest) {
            state.outstanding.push_back(Arc::new(LaneChanges {
                seq,
                parts: Vec::new(),
                heartbeat: Some(Arc::clone(heartbeat)),
                bytes: 0,
                permit: Permit::empty(),
            }));
            self.fences.enter(&state.lane);
            self.ready.push(Arc::clone(&state.lane));
            waiting += 1;
        }
        if waiting > 0 {
            self.newest = seq;
            self.barriers.push_back(Barrier {
                seq,
                waiting,
                is_finished: false,
            });
            actions.push(open(seq, Advance::at(mark.clone()), true));
            self.send(actions);
        }
    }

    /// A writer runs for the lane: it gets everything unfinished that no fence holds back.
    pub fn lane_ready(&mut self, lane: &Arc<Lane>, actions: &mut Vec<Action>) {
        let Some(state) = self.lanes.get_mut(lane) else {
            return;
        };
        state.has_writer = true;
        state.sent = 0;
        state.is_waiting = false;
        self.ready.push(Arc::clone(lane));
        if self.freezing.is_some() {
            // It has handed nothing over; what its predecessor did is accounted for.
            actions.push(Action::Freeze(Arc::clone(lane)));
            return;
        }
        self.send(actions);
    }

    /// The lane's writer is dead: nothing is sent until the next one is ready.
    pub fn lane_lost(&mut self, lane: &Arc<Lane>, actions: &mut Vec<Action>) {
        let Some(state) = self.lanes.get_mut(lane) else {
            return;
        };
        let newest_sent = state
            .sent
            .checked_sub(1)
            .and_then(|newest| state.outstanding.get(newest));
        let newest_sent = newest_sent.map(|changes| changes.seq);
        state.has_writer = false;
        state.sent = 0;
        // It may have handed over anything that it was sent.
        self.newest_reached = self.newest_reached.max(newest_sent.unwrap_or_default());
        if let Some(freezing) = &mut self.freezing {
            freezing.answered(lane);
            self.cut_when_frozen(actions);
        }
    }

    pub fn reached(
        &mut self,
        lane: &Arc<Lane>,
        seq: BarrierSeq,
        now: Instant,
        actions: &mut Vec<Action>,
    ) {
        let Some(state) = self.lanes.get_mut(lane) else {
            return;
        };
        self.newest_reached = self.newest_reached.max(seq);
        let mut passed = Vec::new();
        while state.oldest().is_some_and(|oldest| oldest <= seq) {
            let Some(changes) = state.outstanding.pop_front() else {
                break;
            };
            state.sent = state.sent.saturating_sub(1);
            self.fences.leave(lane, changes.seq);
            if changes.heartbeat.is_none() {
                state.last_active = now;
            }
            if let Some(barrier) = find(&mut self.barriers, changes.seq) {
                barrier.waiting = barrier.waiting.saturating_sub(1);
                passed.push(changes.seq);
            }
        }
        self.proceed(passed, actions);
    }

    /// Finishes those of `candidates` that can be, opens fences, sends what they no longer hold.
    fn proceed(&mut self, mut candidates: Vec<BarrierSeq>, actions: &mut Vec<Action>) {
        loop {
            candidates.extend(self.fences.take_gathered());
            if candidates.is_empty() {
                break;
            }
            for seq in candidates.drain(..) {
                let is_gathering = self.fences.is_gathering(seq);
                if let Some(barrier) = find(&mut self.barriers, seq)
                    && !barrier.is_finished
                    && barrier.waiting == 0
                    && !is_gathering
                {
                    barrier.is_finished = true;
                    self.newest_reached = self.newest_reached.max(seq);
                    actions.push(Action::Finish(seq));
                    self.fences.lift(seq);
                    if let Some(scope) = self.ends.remove(&seq) {
                        self.forget_dropped(&scope, actions);
                    }
                }
            }
        }
        while self
            .barriers
            .front()
            .is_some_and(|barrier| barrier.is_finished)
        {
            self.barriers.pop_front();
        }
        self.send(actions);
        self.finish_drain(actions);
    }

    /// What no fence holds any more, of the lanes that are ready. In a freeze nothing is sent; it ends with all
    /// lanes being ready.
    fn send(&mut self, actions: &mut Vec<Action>) {
        let released = self.fences.take_released();
        if self.freezing.is_some() {
            return;
        }
        for lane in &released {
            if let Some(state) = self.lanes.get_mut(lane) {
                state.is_waiting = false;
            }
        }
        let mut ready = std::mem::take(&mut self.ready);
        for lane in ready.drain(..).chain(released) {
            self.send_of(&lane, actions);
        }
        self.ready = ready;
    }

    fn send_of(&mut self, lane: &Arc<Lane>, actions: &mut Vec<Action>) {
        #[cfg(test)]
        {
            self.lanes_tried += 1;
        }
        let Some(state) = self.lanes.get_mut(lane) else {
            return;
        };
        while state.has_writer
            && !state.is_waiting
            && let Some(changes) = state.outstanding.get(state.sent)
        {
            if self.fences.holds(lane, changes.seq) {
                self.fences.wait(lane, changes.seq);
                state.is_waiting = true;
            } else {
                actions.push(Action::Send(Arc::clone(lane), Arc::clone(changes)));
                state.sent += 1;
            }
        }
    }

    /// Nothing more will be read. At the cut: writers freeze and say how far they handed over.
    pub fn drain(&mut self, mode: Drain, actions: &mut Vec<Action>) {
        if self.freezing.is_some() {
            return;
        }
        match (mode, &self.cut) {
            (Drain::All, None) => {
                self.cut = Some(Cut::all(self.newest));
                self.finish_drain(actions);
            }
            (Drain::AtCut, cut) if cut.as_ref().is_none_or(Cut::can_move) => {
                self.cut = None;
                let writers: Vec<Arc<Lane>> = self
                    .lanes
                    .values()
                    .filter(|state| state.has_writer)
                    .map(|state| Arc::clone(&state.lane))
                    .collect();
                actions.extend(writers.iter().map(|lane| Action::Freeze(Arc::clone(lane))));
                self.freezing = Some(Freezing::of(writers));
                self.cut_when_frozen(actions);
            }
            _ => (),
        }
    }

    /// A writer is frozen and has handed over parts up to `handed`.
    pub fn frozen(
        &mut self,
        lane: &Arc<Lane>,
        handed: Option<BarrierSeq>,
        actions: &mut Vec<Action>,
    ) {
        self.newest_reached = self.newest_reached.max(handed.unwrap_or_default());
        if let Some(freezing) = &mut self.freezing {
            freezing.answered(lane);
        }
        self.cut_when_frozen(actions);
    }

    fn cut_when_frozen(&mut self, actions: &mut Vec<Action>) {
        if !self.freezing.as_ref().is_some_and(Freezing::is_complete) {
            return;
        }
        self.freezing = None;
        let cut = self.newest_reached;
        self.cut = Some(Cut::at(cut));
        self.barriers.retain(|barrier| barrier.seq <= cut);
        self.fences.forget_beyond(cut);
        self.ends.retain(|seq, _| *seq <= cut);
        self.ready = self.lanes.keys().cloned().collect();
        for state in self.lanes.values_mut() {
            let kept = state.outstanding.partition_point(|kept| kept.seq <= cut);
            for beyond in state.outstanding.drain(kept..) {
                self.fences.leave(&state.lane, beyond.seq);
            }
            state.sent = state.sent.min(kept);
            state.is_waiting = false;
            if state.has_writer {
                actions.push(Action::DeliverUpTo(Arc::clone(&state.lane), cut));
            }
        }
        self.proceed(Vec::new(), actions);
    }

    fn finish_drain(&mut self, actions: &mut Vec<Action>) {
        if self.barriers.is_empty()
            && let Some(cut) = &mut self.cut
            && cut.finish()
        {
            actions.push(Action::Done);
        }
    }

    /// Lane, raw bytes outstanding, whether any are with the writer, whether a fence holds it.
    pub fn each(&self) -> impl Iterator<Item = (&Arc<Lane>, usize, bool, bool)> {
        self.lanes.values().map(|state| {
            let bytes = state.outstanding.iter().map(|changes| changes.bytes).sum();
            let next = state.outstanding.get(state.sent);
            let is_fenced = next.is_some_and(|changes| self.fences.holds(&state.lane, changes.seq));
            (&state.lane, bytes, state.sent > 0, is_fenced)
        })
    }
}

fn open(seq: BarrierSeq, advance: Advance, is_quiet: bool) -> Action {
    Action::Open(BarrierOpened {
        seq,
        advance,
        is_quiet,
    })
}

/// Barriers are numbered without gaps but for those that were finished at once.
fn find(barriers: &mut VecDeque<Barrier>, seq: BarrierSeq) -> Option<&mut Barrier> {
    let index = barriers
        .binary_search_by_key(&seq, |barrier| barrier.seq)
        .ok()?;
    barriers.get_mut(index)
}

#[cfg(test)]
mod tests;
