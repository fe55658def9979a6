//! The last errors that the status page shows, and which of them are over.
//!
//! An error that comes again while it lasts is one entry with a count, so that one trouble does not push
//! out the others. It is over when its actor has said that it works; then it stays as history, with the
//! time. Pure; the time comes in.

use std::collections::VecDeque;

use crate::{failure::Failure, status::ErrorStatus};

const KEPT: usize = 20;

#[derive(Debug, Default)]
pub struct LastErrors(VecDeque<ErrorStatus>);

impl LastErrors {
    pub fn happened(&mut self, actor: &str, failure: &Failure, now_unix_secs: u64) {
        let message = failure.to_string();
        let lasting = self.0.iter().position(|error| {
            error.cured_at_unix_secs.is_none() && error.actor == actor && error.message == message
        });
        let before = lasting.and_then(|index| self.0.remove(index));
        if self.0.len() == KEPT {
            self.0.pop_front();
        }
        self.0.push_back(ErrorStatus {
            at_unix_secs: now_unix_secs,
            since_unix_secs: before
                .as_ref()
                .map_or(now_unix_secs, |before| before.since_unix_secs),
            times: before.map_or(0, |before| before.times) + 1,
            cured_at_unix_secs: None,
            actor: actor.into(),
            message,
            hint: failure.hint.clone(),
        });
    }

    /// Whatever these actors had is over.
    pub fn cured(&mut self, actors: &[&str], now_unix_secs: u64) {
        let ours = self.0.iter_mut();
        for error in ours.filter(|error| actors.contains(&error.actor.as_str())) {
            error.cured_at_unix_secs.get_or_insert(now_unix_secs);
        }
    }

    /// The newest that is not over.
    pub fn present(&self) -> Option<&ErrorStatus> {
        let mut newest_first = self.0.iter().rev();
        newest_first.find(|error| error.cured_at_unix_secs.is_none())
    }

    pub fn all(&self) -> Vec<ErrorStatus> {
        self.0.iter().cloned().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failure(text: &str) -> Failure {
        Failure::transient(text).with_hint("look")
    }

    #[test]
    fn an_error_that_is_over_is_no_reason_any_more_and_stays_as_history() {
        let mut errors = LastErrors::default();
        errors.happened("reader", &failure("lost"), 10);
        errors.happened("checkpointer", &failure("full"), 11);
        errors.cured(&["checkpointer", "router"], 15);
        let present = errors.present().expect("the source is still lost");
        assert_eq!(
            (present.actor.as_str(), present.hint.as_deref()),
            ("reader", Some("look"))
        );
        errors.cured(&["reader"], 20);
        assert_eq!(errors.present(), None);
        let cured: Vec<_> = errors
            .all()
            .iter()
            .map(|error| error.cured_at_unix_secs)
            .collect();
        assert_eq!(cured, [Some(20), Some(15)]);
        errors.cured(&["reader"], 30);
        assert_eq!(
            errors.all()[0].cured_at_unix_secs,
            Some(20),
            "the first word counts"
        );
    }

    #[test]
    fn an_error_that_lasts_is_one_entry_and_pushes_no_other_out() {
        let mut errors = LastErrors::default();
        errors.happened("lease", &failure("late"), 1);
        for second in 0..100 {
            errors.happened("reader", &failure("lost"), 10 + second);
        }
        let all = errors.all();
        assert_eq!(all.len(), 2);
        let told = (all[1].since_unix_secs, all[1].at_unix_secs, all[1].times);
        assert_eq!(told, (10, 109, 100));
        errors.cured(&["reader"], 200);
        errors.happened("reader", &failure("lost"), 300);
        assert_eq!(errors.all().len(), 3, "it is a new one");
    }

    #[test]
    fn the_oldest_go_first() {
        let mut errors = LastErrors::default();
        for number in 0..50 {
            errors.happened("reader", &failure(&number.to_string()), number);
        }
        let all = errors.all();
        assert_eq!(all.len(), KEPT);
        assert_eq!(all.last().map(|error| error.message.as_str()), Some("49"));
    }
}
