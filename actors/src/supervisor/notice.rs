//! How people are told what the twin has decided: the log, the status page, the count of restarts.

use super::{Supervisor, lifecycle::Notice, report::SUPERVISOR};
use crate::{failure::Failure, messages::Cause, metrics as names, status::State};

impl Supervisor {
    pub(super) fn tell(&mut self, notice: Notice) {
        match notice {
            Notice::CannotLaunch { failure, wait } => {
                tracing::warn!(error = %failure, hint = failure.hint.as_deref(), retry_in = ?wait, "cannot start yet");
                self.report.state(State::BackingOff);
                self.report.error(SUPERVISOR, &failure);
            }
            Notice::Died {
                actor,
                cause,
                strikes,
                wait,
            } => {
                let label = match cause {
                    Cause::Panicked => "panic",
                    Cause::Stopped | Cause::Failed(_) => "failure",
                };
                metrics::counter!(names::ACTOR_RESTARTS_TOTAL, "actor" => actor.kind(), "cause" => label)
                    .increment(1);
                tracing::warn!(%actor, %cause, strikes, restart_in = ?wait, "actor died");
                self.report.restarted(&actor, &cause);
            }
            Notice::Draining => {
                tracing::info!(grace = ?self.parts.grace, "draining");
                self.report.state(State::Draining);
            }
            Notice::SourceEnded => {
                tracing::info!("end of the source reached, delivering the rest");
                self.report.state(State::Draining);
            }
            Notice::MovingOn => {
                tracing::info!(
                    "another server answers; what was read from the one before is delivered"
                );
                self.report.state(State::BackingOff);
            }
            Notice::Halted(failure) => {
                tracing::error!(error = %failure, hint = failure.hint.as_deref(), "halted");
                self.halted(&failure);
            }
            Notice::HaltedBehindTheData(failure) => {
                tracing::error!(error = %failure, hint = failure.hint.as_deref(), "halted; what was read before is delivered");
                self.halted(&failure);
            }
            Notice::GraceOver => tracing::error!(
                "grace time over, some lanes were not delivered; what is durable is stored"
            ),
            Notice::SecondSignal => {
                tracing::warn!("second signal: stopping at once; what is durable is stored");
            }
            Notice::StoppedBeforeStreaming => tracing::info!("stopped before streaming"),
            Notice::StoppedBetweenGenerations => {
                tracing::warn!("stopped between two generations; what was durable is stored");
            }
        }
    }

    fn halted(&mut self, failure: &Failure) {
        self.report.error("pipeline", failure);
        self.report.state(State::Halted);
    }
}
