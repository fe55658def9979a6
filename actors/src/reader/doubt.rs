//! Whether bytes that make no sense are read again: the network may have damaged them, or they stand so in the
//! log.
//!
//! What comes a second time in the same place with the same fault stands in the log, and is nothing that
//! patience cures. Other faults in that place speak of the way there, and have a limit too. Pure.

use headwater_binlog::{Error, position::Position, transaction::AssembleError};

#[derive(Debug, Default)]
pub struct Doubt {
    last: Option<Damage>,
    /// Since the log was last readable up to a later place.
    times: u32,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Damage {
    at: Position,
    cause: Error,
}

impl Doubt {
    /// Whether to read again from before `error`.
    pub fn reads_again(&mut self, error: &AssembleError) -> bool {
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
        };
        let is_the_same = self.last.as_ref() == Some(&damage);
        let is_further = self.last.as_ref().is_none_or(|last| last.at < damage.at);
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

    #[test]
    fn what_comes_twice_the_same_stands_in_the_log() {
        let mut doubt = Doubt::default();
        assert!(doubt.reads_again(&checksum(400, 7)));
        assert!(!doubt.reads_again(&checksum(400, 7)));
    }

    #[test]
    fn a_bad_line_is_read_over_again_as_long_as_it_gets_further() {
        let mut doubt = Doubt::default();
        for place in 1..100 {
            for computed in 1..TIMES_MAX {
                assert!(doubt.reads_again(&checksum(place, computed)));
            }
        }
        let again =
            (TIMES_MAX..).take_while(|computed| doubt.reads_again(&checksum(99, *computed)));
        assert_eq!(again.count(), 0, "it does not get further");
    }

    #[test]
    fn damage_at_an_earlier_place_is_no_progress() {
        let mut doubt = Doubt::default();
        let places = (1..100).rev();
        let again = places.take_while(|place| doubt.reads_again(&checksum(*place, 7)));
        assert_eq!(again.count() as u32, TIMES_MAX - 1);
    }

    #[test]
    fn what_no_damage_explains_is_not_read_again() {
        let statements = Error::StatementFormat("an INSERT");
        assert!(!Doubt::default().reads_again(&error(400, statements)));
    }
}
