//! One death: whether its actor is started again, and after what wait.
//!
//! A strike is a death that comes soon after the one before. Every strike makes the wait longer; an actor that
//! lives long starts with none. A definite failure halts, and so does an actor with too many strikes, unless it
//! is a ShardWriter and the settings park tables that cannot be delivered. Pure; the time and the random number come in. What follows for the generation is
//! decided in [`lifecycle`](super::lifecycle).

use std::{
    collections::HashMap,
    sync::Arc,
    time::{Duration, Instant},
};

use crate::{
    backoff::Backoff,
    failure::Failure,
    lane::Lane,
    messages::{ActorId, Cause},
    on_error::{OnError, resume_hint},
};

/// Which deaths lead to a restart.
#[derive(Debug, Clone)]
pub struct RestartRules {
    /// Deaths in a row after which an actor is still started again.
    pub strikes_max: u32,
    /// An actor that has lived so long after a death has no strikes any more.
    pub forgiven_after: Duration,
    /// Between a death and the new start.
    pub backoff: Backoff,
    /// What becomes of a lane that breaks its writers.
    pub on_broken_lane: OnError,
}

#[derive(Debug, PartialEq)]
pub enum Verdict {
    /// It was told to, or its work was done.
    Expected,
    /// So many deaths in a row, so long a wait.
    Again {
        strikes: u32,
        wait: Duration,
    },
    /// The lane's table is passed over, all others go on.
    Park(Arc<Lane>, Failure),
    Halt(Failure),
}

#[derive(Debug)]
pub struct Deaths {
    rules: RestartRules,
    strikes: HashMap<ActorId, (u32, Instant)>,
}

impl Deaths {
    pub fn new(rules: RestartRules) -> Self {
        Self {
            rules,
            strikes: HashMap::new(),
        }
    }

    /// `random` is in 0.0..1.0.
    pub fn judge(&mut self, actor: &ActorId, cause: &Cause, now: Instant, random: f64) -> Verdict {
        let failure = match cause {
            Cause::Stopped => return Verdict::Expected,
            Cause::Failed(failure) if failure.is_definite() => {
                return Verdict::Halt(failure.clone());
            }
            Cause::Failed(failure) => failure.clone(),
            Cause::Panicked => Failure::transient(format!("{actor} panicked")).with_hint(PANICKED),
        };
        let strikes = self.strike(actor, now);
        if self.rules.strikes_max < strikes {
            return self.too_often(actor, strikes, failure);
        }
        let mut backoff = self.rules.backoff.clone();
        let waits = (0..strikes).map(|_| backoff.next_wait(random));
        Verdict::Again {
            strikes,
            wait: waits.last().unwrap_or_default(),
        }
    }

    fn too_often(&self, actor: &ActorId, strikes: u32, failure: Failure) -> Verdict {
        let cure = failure.hint.as_deref().unwrap_or(TOO_OFTEN);
        let parked = match (actor, self.rules.on_broken_lane) {
            (ActorId::ShardWriter(lane), OnError::ParkTable) => Some(lane),
            _ => None,
        };
        let then = parked.map_or(GOES_ON.to_owned(), |lane| resume_hint(&lane.table));
        let hint = format!("{cure}; {then}");
        let failure = failure
            .with_hint(hint)
            .within(format!("{actor} died {strikes} times in a row"));
        match parked {
            Some(lane) => Verdict::Park(Arc::clone(lane), failure),
            None => Verdict::Halt(failure),
        }
    }

    fn strike(&mut self, actor: &ActorId, now: Instant) -> u32 {
        let forgiven_after = self.rules.forgiven_after;
        self.strikes
            .retain(|_, (_, last)| now.saturating_duration_since(*last) <= forgiven_after);
        let entry = self.strikes.entry(actor.clone()).or_insert((0, now));
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

    fn deaths(strikes_max: u32, on_broken_lane: OnError) -> Deaths {
        Deaths::new(RestartRules {
            strikes_max,
            forgiven_after: Duration::from_secs(60),
            backoff: Backoff::new(Duration::from_secs(1), Duration::from_secs(10)),
            on_broken_lane,
        })
    }

    fn again(strikes: u32, secs: u64) -> Verdict {
        let wait = Duration::from_secs(secs);
        Verdict::Again { strikes, wait }
    }

    #[test]
    fn who_dies_too_often_in_a_row_halts_and_who_lives_long_is_forgiven() {
        let mut deaths = deaths(3, OnError::Halt);
        let mut now = Instant::now();
        let mut panics = |now| deaths.judge(&ActorId::Reader, &Cause::Panicked, now, 1.0);
        let waits = [panics(now), panics(now), panics(now)];
        assert_eq!(waits, [again(1, 1), again(2, 2), again(3, 4)]);
        now += Duration::from_secs(61);
        let waits = [panics(now), panics(now), panics(now)];
        assert_eq!(waits, [again(1, 1), again(2, 2), again(3, 4)]);
        let verdict = panics(now);
        assert!(
            matches!(&verdict, Verdict::Halt(failure) if failure.hint.as_ref().is_some_and(|hint| hint.starts_with(PANICKED))),
            "{verdict:?}"
        );
    }

    #[test]
    fn a_lane_that_breaks_every_writer_parks_its_table_alone_if_tables_may_be_parked() {
        let mut deaths = deaths(1, OnError::ParkTable);
        let now = Instant::now();
        let writer = ActorId::ShardWriter(crate::fixture::lane("orders"));
        for actor in [&writer, &ActorId::Reader] {
            let verdict = deaths.judge(actor, &Cause::Panicked, now, 1.0);
            assert_eq!(verdict, again(1, 1));
        }
        let Verdict::Park(_, failure) = deaths.judge(&writer, &Cause::Panicked, now, 1.0) else {
            panic!("not parked");
        };
        assert!(
            failure.to_string().contains("died 2 times in a row"),
            "{failure}"
        );
        let hint = failure.hint.unwrap_or_default();
        assert!(
            hint.contains("headwater resume-table shop.orders"),
            "{hint}"
        );
        let verdict = deaths.judge(&ActorId::Reader, &Cause::Panicked, now, 1.0);
        assert!(matches!(verdict, Verdict::Halt(_)), "{verdict:?}");
    }

    #[test]
    fn who_is_forgiven_is_forgotten() {
        let mut deaths = deaths(3, OnError::Halt);
        let now = Instant::now();
        for table in 0..100 {
            let lane = crate::fixture::lane(&format!("t{table}"));
            deaths.judge(&ActorId::ShardWriter(lane), &Cause::Panicked, now, 1.0);
        }
        assert_eq!(deaths.strikes.len(), 100);
        let later = now + Duration::from_secs(61);
        deaths.judge(&ActorId::Reader, &Cause::Panicked, later, 1.0);
        assert_eq!(deaths.strikes.len(), 1);
    }

    #[test]
    fn a_definite_failure_halts_at_once() {
        let failure = Failure::definite("stream 'cdc' does not exist");
        let cause = Cause::Failed(failure.clone());
        let verdict = deaths(3, OnError::Halt).judge(&ActorId::Reader, &cause, Instant::now(), 1.0);
        assert_eq!(verdict, Verdict::Halt(failure));
    }
}
