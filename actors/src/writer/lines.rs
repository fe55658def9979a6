//! From changes to lines: keeps the table plan of the block at hand, so that a row costs one call.
//!
//! A plan takes a few hundred bytes a column, and there may be thousands of lanes. So between two records a lane
//! keeps its plan only while all lanes together keep little; else it is made again for the next record.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use headwater_binlog::{
    Error,
    rows::RowsBlock,
    schema::{Table, TableName},
    transaction::Statement,
};

use crate::{
    changes::Heartbeat,
    lane::Lane,
    ports::encoder::{Encoder, HeartbeatEvent, StatementEvent, TableEncoder, Written},
};

/// Bytes of the plans that all lanes keep. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct KeptPlans(Arc<AtomicUsize>);

const KEPT_BYTES_MAX: usize = 4 << 20;
/// A plan, against the table that it is for.
const PLAN_FACTOR: usize = 3;

impl KeptPlans {
    fn try_keep(&self, bytes: usize) -> Option<Kept> {
        let before = self.0.fetch_add(bytes, Ordering::Relaxed);
        let kept = Kept {
            plans: self.clone(),
            bytes,
        };
        (before + bytes <= KEPT_BYTES_MAX).then_some(kept)
    }

    /// Whether those who have no use for their plan should let go of it.
    fn is_tight(&self) -> bool {
        KEPT_BYTES_MAX / 2 < self.0.load(Ordering::Relaxed)
    }
}

struct Kept {
    plans: KeptPlans,
    bytes: usize,
}

impl Drop for Kept {
    fn drop(&mut self) {
        self.plans.0.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

pub struct Lines {
    encoder: Arc<dyn Encoder>,
    epoch: u32,
    plans: KeptPlans,
    plan: Option<Plan>,
}

struct Plan {
    table: Arc<Table>,
    encoder: Box<dyn TableEncoder>,
    /// Once a record has been packed by it.
    kept: Option<Kept>,
}

impl Lines {
    pub fn new(encoder: Arc<dyn Encoder>, epoch: u32, plans: KeptPlans) -> Self {
        Self {
            encoder,
            epoch,
            plans,
            plan: None,
        }
    }

    /// Nothing is packed for now; `is_idle`: nor is anything waiting.
    pub fn rest(&mut self, is_idle: bool) {
        let Some(plan) = &mut self.plan else {
            return;
        };
        if plan.kept.is_none() {
            plan.kept = self.plans.try_keep(PLAN_FACTOR * plan.table.bytes());
        }
        if plan.kept.is_none() || (is_idle && self.plans.is_tight()) {
            self.plan = None;
        }
    }

    /// The encoder for rows of `block`, told where they come from.
    pub fn block(&mut self, block: &RowsBlock) -> &mut dyn TableEncoder {
        if self
            .plan
            .as_ref()
            .is_some_and(|plan| !Arc::ptr_eq(&plan.table, &block.table))
        {
            self.plan = None;
        }
        let plan = self.plan.get_or_insert_with(|| Plan {
            table: Arc::clone(&block.table),
            encoder: self.encoder.plan(&block.table),
            kept: None,
        });
        plan.encoder.block(block, self.epoch);
        plan.encoder.as_mut()
    }

    pub fn statement(
        &self,
        statement: &Statement,
        table: &TableName,
        is_shared: bool,
        last: bool,
        out: &mut Vec<u8>,
    ) -> Result<Written, Error> {
        let event = StatementEvent {
            statement,
            table,
            is_shared,
            epoch: self.epoch,
            last,
        };
        self.encoder.statement(&event, out)
    }

    pub fn heartbeat(
        &self,
        heartbeat: &Heartbeat,
        lane: &Lane,
        out: &mut Vec<u8>,
    ) -> Result<Written, Error> {
        let event = HeartbeatEvent {
            heartbeat,
            lane,
            epoch: self.epoch,
        };
        self.encoder.heartbeat(&event, out)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::{LineEncoder, blocks};

    #[test]
    fn plans_are_kept_while_they_are_few_and_idle_lanes_let_go_first() {
        let plans = KeptPlans::default();
        let block = blocks(&[(1, 1)]).remove(0);
        let lane = || Lines::new(Arc::new(LineEncoder::default()), 1, plans.clone());
        let rests = |lines: &mut Lines, is_idle| {
            lines.block(&block);
            lines.rest(is_idle);
            lines.plan.is_some()
        };
        let mut first = lane();
        assert!(rests(&mut first, true), "nothing else is kept");
        let others = plans.try_keep(KEPT_BYTES_MAX / 2).unwrap();
        assert!(rests(&mut first, false));
        assert!(!rests(&mut first, true), "idle, and it is tight");
        let more = plans.try_keep(KEPT_BYTES_MAX / 2).unwrap();
        assert!(!rests(&mut first, false), "no room");
        drop((others, more));
        assert!(rests(&mut first, false));
        drop(first);
        assert_eq!(plans.0.load(Ordering::Relaxed), 0);
    }
}
