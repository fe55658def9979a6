//! What a death means: the Supervisor's twin.
//!
//! A ShardWriter or a Reader is restarted alone, a dead Router or Checkpointer ends the generation, a definite
//! failure halts, and so does whoever dies too often in a row, unless it is a ShardWriter and the settings park
//! tables that cannot be delivered. Pure; the time comes in.

use std::{
    collections::HashMap,
    time::{Duration, Instant},
};

use crate::{
    failure::{Class, Failure},
    messages::{ActorId, Cause},
    on_error::{OnError, resume_hint},
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
    /// Its lane's table is passed over, all others go on.
    Park(Failure),
    Halt(Failure),
}

#[derive(Debug)]
pub struct Lifecycle {
    phase: Phase,
    strikes: HashMap<ActorId, (u32, Instant)>,
    strikes_max: u32,
    /// Alive for so long after a death, an actor is forgiven.
    forgiven_after: Duration,
    /// What becomes of a lane that breaks its writers.
    on_broken_lane: OnError,
}

impl Lifecycle {
    pub fn new(strikes_max: u32, forgiven_after: Duration, on_broken_lane: OnError) -> Self {
        Self {
            phase: Phase::Launching,
            strikes: HashMap::new(),
            strikes_max,
            forgiven_after,
            on_broken_lane,
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
            return self.too_often(actor, strikes, failure);
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

    fn too_often(&self, actor: &ActorId, strikes: u32, failure: Failure) -> Verdict {
        let message = format!("{actor} died {strikes} times in a row: {failure}");
        let cure = failure.hint.as_deref().unwrap_or(TOO_OFTEN);
        let (verdict, then): (fn(Failure) -> Verdict, _) = match (actor, self.on_broken_lane) {
            (ActorId::ShardWriter(lane), OnError::ParkTable) => {
                (Verdict::Park, resume_hint(&lane.table))
            }
            _ => (Verdict::Halt, GOES_ON.to_owned()),
        };
        let hint = Some(format!("{cure}; {then}"));
        verdict(Failure {
            message,
            hint,
            ..failure
        })
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

const PANICKED: &str =
    "this is a defect of the program: report it with the panic that the log shows";
const TOO_OFTEN: &str = "cure what the log says of each death";
const GOES_ON: &str = "a restart goes on from the stored position";

#[cfg(test)]
mod tests {
    use super::*;

    fn lifecycle() -> Lifecycle {
        let mut lifecycle = Lifecycle::new(3, Duration::from_secs(60), OnError::Halt);
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
            matches!(&verdict, Verdict::Halt(failure) if failure.hint.as_ref().is_some_and(|hint| hint.starts_with(PANICKED))),
            "{verdict:?}"
        );
    }

    #[test]
    fn a_lane_that_breaks_every_writer_parks_its_table_alone_if_tables_may_be_parked() {
        let mut lifecycle = Lifecycle::new(1, Duration::from_secs(60), OnError::ParkTable);
        lifecycle.enter(Phase::Running);
        let now = Instant::now();
        let lane = crate::lane::Lane {
            table: crate::fixture::name("orders"),
            index: 0,
            count: 1,
        };
        let writer = ActorId::ShardWriter(std::sync::Arc::new(lane));
        for actor in [&writer, &ActorId::Reader] {
            let verdict = lifecycle.died(actor, &Cause::Panicked, now);
            assert_eq!(verdict, Verdict::Restart { strikes: 1 });
        }
        let Verdict::Park(failure) = lifecycle.died(&writer, &Cause::Panicked, now) else {
            panic!("not parked");
        };
        assert!(
            failure.message.contains("died 2 times in a row"),
            "{failure}"
        );
        let hint = failure.hint.unwrap_or_default();
        assert!(
            hint.contains("headwater resume-table shop.orders"),
            "{hint}"
        );
        let verdict = lifecycle.died(&ActorId::Reader, &Cause::Panicked, now);
        assert!(matches!(verdict, Verdict::Halt(_)), "{verdict:?}");
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
