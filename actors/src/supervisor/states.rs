//! What others tell of themselves: the source's connection, its end, the checkpoint's store.

use actix::Handler;

use super::{Supervisor, lifecycle::Event};
use crate::{
    messages::{Hold, SourceEnded, SourceState, StoreState},
    status::State,
};

impl Handler<SourceState> for Supervisor {
    type Result = ();

    fn handle(&mut self, state: SourceState, _ctx: &mut Self::Context) {
        match state {
            SourceState::Streaming => {
                tracing::info!("streaming");
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
