//! Whether bytes that cannot be decoded are read again: the network may have damaged them, or the log itself is
//! corrupt.
//!
//! If a second reading finds the same fault in the same place, the log is corrupt, and reading again does not
//! help. Different faults in one place are the network's, and their number has a limit too. It is counted anew
//! when reading gets further, or when something could be sent on: every stream begins with events of an early
//! place, so a fault there can come back while rows get through. Pure.

use headwater_binlog::{Error, assembler::AssembleError, position::Position};

use crate::progress::Mark;

#[derive(Debug, Default)]
pub struct Rereads {
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

impl Rereads {
    /// Whether to read again from before `error`, at which all up to `sent` had been sent on.
    pub fn allows(&mut self, error: &AssembleError, sent: &Mark) -> bool {
        let may_be_damage = matches!(
            error.cause,
            Error::Checksum { .. }
                | Error::Malformed { .. }
                | Error::Short { .. }
                | Error::Gap { .. }
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
    fn the_same_fault_twice_is_in_the_log() {
        let mut rereads = Rereads::default();
        assert!(rereads.allows(&checksum(400, 7), &sent(4)));
        assert!(!rereads.allows(&checksum(400, 7), &sent(4)));
    }

    #[test]
    fn a_gap_is_read_over_again_once() {
        let mut rereads = Rereads::default();
        let gap = |from| error(400, Error::Gap { from, to: 900 });
        assert!(rereads.allows(&gap(400), &sent(4)));
        assert!(!rereads.allows(&gap(400), &sent(4)));
    }

    #[test]
    fn a_bad_line_is_read_over_again_as_long_as_it_gets_further() {
        let mut rereads = Rereads::default();
        for place in 1..100 {
            for computed in 1..TIMES_MAX {
                assert!(rereads.allows(&checksum(place, computed), &sent(4)));
            }
        }
        let again =
            (TIMES_MAX..).take_while(|computed| rereads.allows(&checksum(99, *computed), &sent(4)));
        assert_eq!(again.count(), 0, "it does not get further");
    }

    #[test]
    fn damage_at_an_earlier_place_is_no_progress() {
        let mut rereads = Rereads::default();
        let places = (1..100).rev();
        let again = places.take_while(|place| rereads.allows(&checksum(*place, 7), &sent(4)));
        assert_eq!(again.count() as u32, TIMES_MAX - 1);
    }

    #[test]
    fn damage_at_an_early_place_is_read_over_again_while_rows_get_through() {
        let mut rereads = Rereads::default();
        for turn in 1..100 {
            assert!(rereads.allows(&checksum(4, 7), &sent(turn)));
        }
        assert!(!rereads.allows(&checksum(4, 7), &sent(99)));
    }

    #[test]
    fn what_no_damage_explains_is_not_read_again() {
        let lost = Error::Incident("incident 1".into());
        assert!(!Rereads::default().allows(&error(400, lost), &sent(4)));
    }
}
