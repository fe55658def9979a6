//! What the Router keeps of one lane.

use std::{collections::VecDeque, sync::Arc, time::Instant};

use crate::{
    lane::Lane,
    messages::{BarrierSeq, LaneChanges},
};

#[derive(Debug)]
pub struct LaneState {
    pub lane: Arc<Lane>,
    pub has_writer: bool,
    /// Not reached, oldest first. The first `sent` of them are with the writer.
    pub outstanding: VecDeque<Arc<LaneChanges>>,
    pub sent: usize,
    /// The next change is held: the fences know of it.
    pub is_waiting: bool,
    pub last_active: Instant,
}

impl LaneState {
    pub fn new(lane: Arc<Lane>, now: Instant) -> Self {
        Self {
            lane,
            has_writer: false,
            outstanding: VecDeque::new(),
            sent: 0,
            is_waiting: false,
            last_active: now,
        }
    }

    pub fn oldest(&self) -> Option<BarrierSeq> {
        self.outstanding.front().map(|changes| changes.seq)
    }
}
