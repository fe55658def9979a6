//! What others tell of themselves: the source's connection, its end, the checkpoint's store.

use std::{sync::Arc, time::Instant};

use actix::Handler;

use super::{Supervisor, lifecycle::Event};
use crate::{
    failure::Failure,
    lane::Lane,
    messages::{ActorId, Committed, Hold, LaneState, SourceEnded, SourceState, StoreState},
    status::State,
};

impl Handler<SourceState> for Supervisor {
    type Result = ();

    fn handle(&mut self, state: SourceState, _ctx: &mut Self::Context) {
        match state {
            SourceState::Streaming => {
                tracing::info!("streaming");
                self.report.reads();
                if self.lifecycle.is_reading() {
                    self.report.state(State::Streaming);
                }
            }
            SourceState::BackingOff(failure) => {
                tracing::warn!(error = %failure, hint = failure.hint.as_deref(), "source lost, connecting again");
                self.report.error("reader", &failure);
                if self.lifecycle.is_reading() {
                    self.report.state(State::BackingOff);
                }
            }
        }
    }
}

impl Handler<StoreState> for Supervisor {
    type Result = ();

    fn handle(&mut self, state: StoreState, _ctx: &mut Self::Context) {
        let (StoreState::Failing(generation, _)
        | StoreState::Late(generation, _)
        | StoreState::Stored(generation)) = state;
        if !self.lifecycle.is_current(generation) {
            return;
        }
        let is_late = match state {
            StoreState::Failing(_, failure) => {
                return self.report.error("checkpointer", &failure);
            }
            StoreState::Late(_, failure) => {
                tracing::error!(error = %failure, hint = failure.hint.as_deref(), "reading pauses");
                self.report.error("checkpointer", &failure);
                true
            }
            StoreState::Stored(_) => {
                self.report.cured(&[&ActorId::Checkpointer.to_string()]);
                if !self.report.is_late() {
                    return;
                }
                tracing::info!("positions can be stored again; reading goes on");
                false
            }
        };
        self.report.late(is_late);
        self.to_reader(Hold(is_late));
    }
}

impl Handler<SourceEnded> for Supervisor {
    type Result = ();

    /// The Reader has sent the drain on behind the last data; it has no grace time, all of it is delivered.
    fn handle(&mut self, SourceEnded: SourceEnded, ctx: &mut Self::Context) {
        self.on(Event::SourceEnded, ctx);
    }
}

impl Handler<LaneState> for Supervisor {
    type Result = ();

    fn handle(&mut self, state: LaneState, _ctx: &mut Self::Context) {
        match state {
            LaneState::Troubled(lane, failure) => self.lane_troubled(&lane, &failure),
            LaneState::Delivering(lane) => {
                let writer = ActorId::ShardWriter(lane);
                self.report.cured(&[&writer.to_string()]);
            }
        }
    }
}

impl Handler<Committed> for Supervisor {
    type Result = ();

    fn handle(&mut self, Committed { generation, times }: Committed, _ctx: &mut Self::Context) {
        if self.lifecycle.is_current(generation) {
            self.report.committed(times);
        }
    }
}

impl Supervisor {
    pub(super) fn lane_troubled(&mut self, lane: &Arc<Lane>, failure: &Failure) {
        if self.report.trouble(lane, failure, Instant::now()) {
            tracing::warn!(%lane, error = %failure, hint = failure.hint.as_deref(), "delivery failed, trying again");
        }
    }
}
