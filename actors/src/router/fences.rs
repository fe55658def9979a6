//! Fences: all before it durable, it durable, then what follows, for the lanes that it covers.
//!
//! A fence *gathers* until its lanes have nothing older outstanding, then its own changes go, and it is
//! *lifted* when its barrier is finished. Fences stand in source order; a lane may be covered by several.

use std::collections::VecDeque;

use super::split::Scope;
use crate::{lane::Lane, messages::BarrierSeq};

#[derive(Debug)]
struct Fence {
    seq: BarrierSeq,
    scope: Scope,
    is_gathering: bool,
}

#[derive(Debug, Default)]
pub struct Fences {
    fences: VecDeque<Fence>,
}

impl Fences {
    pub fn raise(&mut self, seq: BarrierSeq, scope: Scope) {
        self.fences.push_back(Fence {
            seq,
            scope,
            is_gathering: true,
        });
    }

    /// Whether a change of `lane` behind barrier `seq` must wait.
    pub fn holds(&self, lane: &Lane, seq: BarrierSeq) -> bool {
        self.fences
            .iter()
            .take_while(|fence| fence.seq <= seq)
            .any(|fence| (fence.seq < seq || fence.is_gathering) && fence.scope.covers(lane))
    }

    pub fn is_gathering(&self, seq: BarrierSeq) -> bool {
        self.fences
            .iter()
            .any(|fence| fence.seq == seq && fence.is_gathering)
    }

    /// `is_passed` tells whether all lanes of a scope have nothing older than a barrier outstanding.
    /// The barriers whose fence has gathered now.
    pub fn gather(&mut self, is_passed: impl Fn(&Scope, BarrierSeq) -> bool) -> Vec<BarrierSeq> {
        let mut gathered = Vec::new();
        for fence in self.fences.iter_mut().filter(|fence| fence.is_gathering) {
            if is_passed(&fence.scope, fence.seq) {
                fence.is_gathering = false;
                gathered.push(fence.seq);
            }
        }
        gathered
    }

    /// The fence's barrier is finished. Whether there was such a fence.
    pub fn lift(&mut self, seq: BarrierSeq) -> bool {
        let before = self.fences.len();
        self.fences.retain(|fence| fence.seq != seq);
        self.fences.len() < before
    }

    pub fn forget_beyond(&mut self, cut: BarrierSeq) {
        self.fences.retain(|fence| fence.seq <= cut);
    }
}
