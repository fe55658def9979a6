//! A drain's two phases: writers freeze and answer; then the cut is delivered.

use std::{collections::HashSet, sync::Arc};

use crate::{lane::Lane, messages::BarrierSeq};

/// Writers whose answer is awaited.
#[derive(Debug)]
pub struct Freezing {
    awaited: HashSet<Arc<Lane>>,
}

impl Freezing {
    pub fn of(lanes: Vec<Arc<Lane>>) -> Self {
        Self {
            awaited: lanes.into_iter().collect(),
        }
    }

    pub fn answered(&mut self, lane: &Arc<Lane>) {
        self.awaited.remove(lane);
    }

    pub fn is_complete(&self) -> bool {
        self.awaited.is_empty()
    }
}

/// The last barrier to deliver.
#[derive(Debug)]
pub struct Cut {
    pub seq: BarrierSeq,
    is_all: bool,
    is_finished: bool,
}

impl Cut {
    pub fn at(seq: BarrierSeq) -> Self {
        Self {
            seq,
            is_all: false,
            is_finished: false,
        }
    }

    /// Behind all that was read, because the source has ended.
    pub fn all(seq: BarrierSeq) -> Self {
        Self {
            is_all: true,
            ..Self::at(seq)
        }
    }

    /// A signal may shorten the delivery of all that was read.
    pub fn can_move(&self) -> bool {
        self.is_all && !self.is_finished
    }

    /// Whether it is finished now and was not before.
    pub fn finish(&mut self) -> bool {
        !std::mem::replace(&mut self.is_finished, true)
    }
}
