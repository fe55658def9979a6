//! Halting: a human must act, and the reason with its hint is the last thing that is logged.
//!
//! A halt is at once, unless it is the Reader that cannot go on: what it read before is good and is
//! delivered first. Storing and ending are the Supervisor's own steps.

use actix::Context;

use super::{End, Supervisor, lifecycle::Phase};
use crate::{failure::Failure, messages::Drain, status::State};

impl Supervisor {
    pub(super) fn halt(&mut self, failure: Failure, ctx: &mut Context<Self>) {
        tracing::error!(error = %failure, hint = failure.hint.as_deref(), "halted");
        self.report.error("pipeline", &failure);
        self.report.state(State::Halted);
        self.close(End::Halted(failure), ctx);
    }

    /// What the Reader sent before it met what it cannot read is delivered first, within the grace time:
    /// an operator who sets the position behind that place shall lose nothing else.
    pub(super) fn halt_behind_the_data(&mut self, failure: Failure, ctx: &mut Context<Self>) {
        let Some(running) = &self.running else {
            return self.halt(failure, ctx);
        };
        tracing::error!(error = %failure, hint = failure.hint.as_deref(), "halted; what was read before is delivered");
        self.report.error("pipeline", &failure);
        self.report.state(State::Halted);
        self.lifecycle.enter(Phase::Draining);
        running.router.do_send(Drain::All);
        let (generation, grace) = (running.number, self.parts.grace);
        self.end = Some(End::Halted(failure));
        self.later(grace, generation, ctx, |supervisor, ctx| {
            supervisor.close(End::GraceOver, ctx);
        });
    }
}
