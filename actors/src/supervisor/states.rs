//! What others tell of themselves: the source's connection, its end, the checkpoint's store.
//!
//! A source that has become another server is left in good order: what was read is delivered and stored first,
//! so that nothing is repeated there, and the next launch knows all that the other server must have.

use actix::{Context, Handler};

use super::{Supervisor, lifecycle::Phase};
use crate::{
    messages::{Drain, Hold, SourceEnded, SourceState, StoreState},
    status::State,
};

impl Supervisor {
    /// Within the grace time, or what is not durable then is read again.
    pub(super) fn move_on(&mut self, ctx: &mut Context<Self>) {
        let Some(running) = &self.running else { return };
        tracing::info!("another server answers; what was read from the one before is delivered");
        self.is_moving = true;
        self.report.state(State::BackingOff);
        self.lifecycle.enter(Phase::Draining);
        running.router.do_send(Drain::All);
        let (generation, grace) = (running.number, self.parts.grace);
        self.later(grace, generation, ctx, |supervisor, ctx| {
            if supervisor.is_moving {
                supervisor.end_generation(ctx);
            }
        });
    }
}

impl Handler<SourceState> for Supervisor {
    type Result = ();

    fn handle(&mut self, state: SourceState, _ctx: &mut Self::Context) {
        match state {
            SourceState::Streaming => {
                tracing::info!("streaming");
                if self.lifecycle.phase() == Phase::Running {
                    self.report.state(State::Streaming);
                }
            }
            SourceState::BackingOff(failure) => {
                tracing::warn!(error = %failure, hint = failure.hint.as_deref(), "source lost, connecting again");
                self.report.error("reader", &failure);
                if self.lifecycle.phase() == Phase::Running {
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
        if self.generation != generation {
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
        if let Some(reader) = self
            .running
            .as_ref()
            .and_then(|running| running.reader.as_ref())
        {
            reader.do_send(Hold(is_late));
        }
    }
}

impl Handler<SourceEnded> for Supervisor {
    type Result = ();

    /// The Reader has sent the drain on behind the last data; it has no grace time, all of it is delivered.
    fn handle(&mut self, SourceEnded: SourceEnded, _ctx: &mut Self::Context) {
        if self.lifecycle.phase() == Phase::Running {
            tracing::info!("end of the source reached, delivering the rest");
            self.lifecycle.enter(Phase::Draining);
            self.report.state(State::Draining);
        }
    }
}
