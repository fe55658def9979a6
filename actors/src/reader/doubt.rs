//! Whether bytes that make no sense are read again: the network may have damaged them, or they stand so in the
//! log.
//!
//! What comes a second time in the same place with the same fault stands in the log, and is nothing that
//! patience cures. Other faults in that place speak of the way there, and have a limit too. Whatever could be
//! sent on in between ends the doubt: the server opens every stream with events of an early place. Pure.

use headwater_binlog::{Error, assembler::AssembleError, position::Position};

use crate::progress::Mark;

#[derive(Debug, Default)]
pub struct Doubt {
    last: Option<Damage>,
    /// Since the reading last got further.
    times: u32,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Damage {
    at: Position,
    cause: Error,
    /// What had been sent on.
    sent: Mark,
}

impl Doubt {
    /// Whether to read again from before `error`, at which all up to `sent` had been sent on.
    pub fn reads_again(&mut self, error: &AssembleError, sent: &Mark) -> bool {
        let may_be_damage = matches!(
            error.cause,
            Error::Checksum { .. } | Error::Malformed { .. } | Error::Short { .. }
        );
        if !may_be_damage {
            return false;
        }
        let damage = Damage {
            at: Position::new(error.file.clone(), error.offset),
            cause: error.cause.clone(),
            sent: sent.clone(),
        };
        let is_the_same = self.last.as_ref() == Some(&damage);
        let is_further = self
            .last
            .as_ref()
            .is_none_or(|last| last.at < damage.at || last.sent != damage.sent);
        self.times = if is_further { 1 } else { self.times + 1 };
        self.last = Some(damage);
        !is_the_same && self.times < TIMES_MAX
    }
}

/// Reads of one place that may each be damaged in another way.
const TIMES_MAX: u32 = 5;

#[cfg(test)]
mod tests {
    use headwater_binlog::event::EventKind;

    use super::*;
    use crate::fixture;

    fn error(offset: u64, cause: Error) -> AssembleError {
        AssembleError {
            file: fixture::at(offset).file,
            offset,
            kind: EventKind::WriteRows,
            cause,
        }
    }

    fn checksum(offset: u64, computed: u32) -> AssembleError {
        error(
            offset,
            Error::Checksum {
                stored: 1,
                computed,
            },
        )
    }

    fn sent(offset: u64) -> Mark {
        Mark {
            position: fixture::at(offset),
            rows_done: 0,
        }
    }

    #[test]
    fn what_comes_twice_the_same_stands_in_the_log() {
        let mut doubt = Doubt::default();
        assert!(doubt.reads_again(&checksum(400, 7), &sent(4)));
        assert!(!doubt.reads_again(&checksum(400, 7), &sent(4)));
    }

    #[test]
    fn a_bad_line_is_read_over_again_as_long_as_it_gets_further() {
        let mut doubt = Doubt::default();
        for place in 1..100 {
            for computed in 1..TIMES_MAX {
                assert!(doubt.reads_again(&checksum(place, computed), &sent(4)));
            }
        }
        let again = (TIMES_MAX..)
            .take_while(|computed| doubt.reads_again(&checksum(99, *computed), &sent(4)));
        assert_eq!(again.count(), 0, "it does not get further");
    }

    #[test]
    fn damage_at_an_earlier_place_is_no_progress() {
        let mut doubt = Doubt::default();
        let places = (1..100).rev();
        let again = places.take_while(|place| doubt.reads_again(&checksum(*place, 7), &sent(4)));
        assert_eq!(again.count() as u32, TIMES_MAX - 1);
    }

    #[test]
    fn damage_at_an_early_place_costs_no_patience_while_rows_get_through() {
        let mut doubt = Doubt::default();
        for turn in 1..100 {
            assert!(doubt.reads_again(&checksum(4, 7), &sent(turn)));
        }
        assert!(!doubt.reads_again(&checksum(4, 7), &sent(99)));
    }

    #[test]
    fn what_no_damage_explains_is_not_read_again() {
        let lost = Error::Incident("incident 1".into());
        assert!(!Doubt::default().reads_again(&error(400, lost), &sent(4)));
    }
}
