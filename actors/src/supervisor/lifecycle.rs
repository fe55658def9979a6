//! What a death means: the Supervisor's twin.
//!
//! A ShardWriter or a Reader is restarted alone, a dead Router or Checkpointer ends the generation, a definite
//! failure halts, and so does whoever dies too often in a row. Pure; the time comes in.

use std::{
    collections::HashMap,
    time::{Duration, Instant},
};

use crate::{
    failure::{Class, Failure},
    messages::{ActorId, Cause},
};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// A generation is being prepared.
    Launching,
    Running,
    /// The generation's actors are being stopped; the next one follows when all are dead.
    Ending,
    Draining,
    /// Storing what is durable, then the end.
    Closing,
}

/// What follows from a death.
#[derive(Debug, PartialEq)]
pub enum Verdict {
    Expected,
    /// Start it again after the wait that so many deaths in a row call for.
    Restart {
        strikes: u32,
    },
    NewGeneration {
        strikes: u32,
    },
    /// Another server answers: deliver what was read, then a new generation.
    MoveOn {
        strikes: u32,
    },
    Halt(Failure),
}

#[derive(Debug)]
pub struct Lifecycle {
    phase: Phase,
    strikes: HashMap<ActorId, (u32, Instant)>,
    strikes_max: u32,
    /// Alive for so long after a death, an actor is forgiven.
    forgiven_after: Duration,
}

impl Lifecycle {
    pub fn new(strikes_max: u32, forgiven_after: Duration) -> Self {
        Self {
            phase: Phase::Launching,
            strikes: HashMap::new(),
            strikes_max,
            forgiven_after,
        }
    }

    pub fn phase(&self) -> Phase {
        self.phase
    }

    pub fn enter(&mut self, phase: Phase) {
        self.phase = phase;
    }

    pub fn died(&mut self, actor: &ActorId, cause: &Cause, now: Instant) -> Verdict {
        if matches!(self.phase, Phase::Ending | Phase::Closing) {
            return Verdict::Expected;
        }
        let failure = match cause {
            Cause::Stopped => return Verdict::Expected,
            Cause::Failed(failure) if failure.is_definite() => {
                return Verdict::Halt(failure.clone());
            }
            Cause::Failed(failure) => failure.clone(),
            Cause::Panicked => Failure::transient(format!("{actor} panicked")).with_hint(PANICKED),
        };
        let strikes = self.strike(actor, now);
        if self.strikes_max < strikes {
            let message = format!("{actor} died {strikes} times in a row: {failure}");
            let hint = failure.hint.or_else(|| Some(TOO_OFTEN.to_owned()));
            return Verdict::Halt(Failure {
                message,
                hint,
                ..failure
            });
        }
        if failure.class == Class::Superseded {
            return match (actor, self.phase) {
                (ActorId::Reader, Phase::Running) => Verdict::MoveOn { strikes },
                _ => Verdict::NewGeneration { strikes },
            };
        }
        match actor {
            ActorId::Reader | ActorId::ShardWriter(_) => Verdict::Restart { strikes },
            ActorId::Router | ActorId::Checkpointer => Verdict::NewGeneration { strikes },
        }
    }

    fn strike(&mut self, actor: &ActorId, now: Instant) -> u32 {
        let entry = self.strikes.entry(actor.clone()).or_insert((0, now));
        if self.forgiven_after < now.saturating_duration_since(entry.1) {
            entry.0 = 0;
        }
        *entry = (entry.0 + 1, now);
        entry.0
    }
}

const PANICKED: &str = "this is a defect of the program: report it with the panic that the log shows; \
    a restart goes on from the stored position";
const TOO_OFTEN: &str =
    "cure what the log says of each death; a restart goes on from the stored position";

#[cfg(test)]
mod tests {
    use super::*;

    fn lifecycle() -> Lifecycle {
        let mut lifecycle = Lifecycle::new(3, Duration::from_secs(60));
        lifecycle.enter(Phase::Running);
        lifecycle
    }

    #[test]
    fn who_dies_too_often_in_a_row_halts_and_who_lives_long_is_forgiven() {
        let mut lifecycle = lifecycle();
        let mut now = Instant::now();
        for strikes in 1..=3 {
            let verdict = lifecycle.died(&ActorId::Reader, &Cause::Panicked, now);
            assert_eq!(verdict, Verdict::Restart { strikes });
        }
        now += Duration::from_secs(61);
        assert_eq!(
            lifecycle.died(&ActorId::Reader, &Cause::Panicked, now),
            Verdict::Restart { strikes: 1 }
        );
        for _ in 0..2 {
            lifecycle.died(&ActorId::Reader, &Cause::Panicked, now);
        }
        let verdict = lifecycle.died(&ActorId::Reader, &Cause::Panicked, now);
        assert!(
            matches!(&verdict, Verdict::Halt(failure) if failure.hint.as_deref() == Some(PANICKED)),
            "{verdict:?}"
        );
    }

    #[test]
    fn the_router_and_the_checkpointer_take_the_generation_with_them() {
        let verdict = lifecycle().died(&ActorId::Router, &Cause::Panicked, Instant::now());
        assert_eq!(verdict, Verdict::NewGeneration { strikes: 1 });
    }

    #[test]
    fn a_superseded_launch_begins_a_new_generation_when_what_was_read_is_delivered() {
        let cause = Cause::Failed(Failure::superseded("the server is now another"));
        let mut lifecycle = lifecycle();
        let verdict = lifecycle.died(&ActorId::Reader, &cause, Instant::now());
        assert_eq!(verdict, Verdict::MoveOn { strikes: 1 });
        lifecycle.enter(Phase::Draining);
        let verdict = lifecycle.died(&ActorId::Reader, &cause, Instant::now());
        assert_eq!(verdict, Verdict::NewGeneration { strikes: 2 });
    }

    #[test]
    fn a_definite_failure_halts_at_once() {
        let failure = Failure::definite("stream 'cdc' does not exist");
        let cause = Cause::Failed(failure.clone());
        assert_eq!(
            lifecycle().died(&ActorId::Reader, &cause, Instant::now()),
            Verdict::Halt(failure)
        );
    }

    #[test]
    fn deaths_while_a_generation_ends_are_expected() {
        let mut lifecycle = lifecycle();
        lifecycle.enter(Phase::Ending);
        let verdict = lifecycle.died(&ActorId::Router, &Cause::Panicked, Instant::now());
        assert_eq!(verdict, Verdict::Expected);
    }
}
