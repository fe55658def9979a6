//! How long the source will still have the log at the durable position: the twin of
//! `headwater_source_purge_seconds`.
//!
//! What the server is set to keep is not what it keeps: hosted servers purge by rules of their own. So the files that
//! it has are what counts. Before the file of the durable position is purged, all older ones must go; in the long run
//! a server deletes as fast as it writes. Their bytes by the rate of writing is the time that is left. A server
//! that has never purged, for its first file is still there, tells nothing. Pure; the time comes in.

use std::{collections::VecDeque, time::Duration};

use headwater_binlog::position::Position;

use crate::ports::source::{Head, LogFile, bytes_between};

/// The rate is that of this time at most: long enough to even out bursts and nightly jobs are seen.
const WINDOW: Duration = Duration::from_secs(3600);
/// A rate of a shorter time says little.
const WINDOW_MIN: Duration = Duration::from_secs(60);

#[derive(Debug, Clone, Default)]
pub struct Retention {
    last: Option<Head>,
    /// When, and bytes written since the entry before.
    written: VecDeque<(u64, u64)>,
}

impl Retention {
    /// The log as it was at `at_us`.
    pub fn told(&mut self, head: Head, at_us: u64) {
        let bytes = match &self.last {
            // A log that was reset or is another server's begins anew.
            Some(last) if last.position <= head.position => {
                bytes_between(&head.files, &last.position, &head.position)
            }
            _ => {
                self.written.clear();
                0
            }
        };
        self.written.push_back((at_us, bytes));
        let window_us = micros(WINDOW);
        while self
            .written
            .front()
            .is_some_and(|(then_us, _)| window_us < at_us.saturating_sub(*then_us))
        {
            self.written.pop_front();
        }
        self.last = Some(head);
    }

    /// Seconds until the file of `durable` may be purged; `None`: not known.
    pub fn secs(&self, durable: &Position) -> Option<u64> {
        let files = &self.last.as_ref()?.files;
        let first = files.first()?;
        if durable.file.number < first.name.number {
            return Some(0);
        }
        if first.name.number <= 1 {
            return None;
        }
        let older = files
            .iter()
            .filter(|file| file.name.number < durable.file.number);
        let older: u64 = older.map(|LogFile { bytes, .. }| *bytes).sum();
        let ((begun_us, _), (ended_us, _)) = (self.written.front()?, self.written.back()?);
        let took_us = ended_us.saturating_sub(*begun_us);
        // What the first entry counts came before it.
        let written: u64 = self.written.iter().skip(1).map(|(_, bytes)| *bytes).sum();
        if took_us < micros(WINDOW_MIN) || written == 0 {
            return None;
        }
        let secs = u128::from(older) * u128::from(took_us) / u128::from(written) / 1_000_000;
        Some(u64::try_from(secs).unwrap_or(u64::MAX))
    }
}

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const MINUTE_US: u64 = 60_000_000;

    fn place(number: u64, offset: u64) -> Position {
        let text = format!("binlog.{number:06}:{offset}");
        text.parse().expect("a position")
    }

    /// Files from `first` on, each of 1,000 bytes but the last, which has `offset`.
    fn head(first: u64, last: u64, offset: u64) -> Head {
        let file = |number| LogFile {
            name: place(number, 4).file,
            bytes: if number == last { offset } else { 1000 },
        };
        Head {
            position: place(last, offset),
            files: (first..=last).map(file).collect(),
        }
    }

    #[test]
    fn what_is_older_than_the_place_lasts_as_long_as_the_server_took_to_write_as_much() {
        let mut retention = Retention::default();
        retention.told(head(5, 10, 500), 0);
        assert_eq!(retention.secs(&place(10, 400)), None, "no rate yet");
        // 1,000 bytes in two minutes; five files lie before the place.
        retention.told(head(6, 11, 500), 2 * MINUTE_US);
        assert_eq!(retention.secs(&place(11, 400)), Some(5 * 120));
        assert_eq!(retention.secs(&place(8, 400)), Some(2 * 120));
        assert_eq!(retention.secs(&place(6, 400)), Some(0));
        assert_eq!(retention.secs(&place(5, 400)), Some(0), "it is gone");
    }

    #[test]
    fn a_server_that_never_purged_or_writes_nothing_tells_nothing() {
        let mut retention = Retention::default();
        retention.told(head(1, 10, 500), 0);
        retention.told(head(1, 11, 500), 2 * MINUTE_US);
        assert_eq!(retention.secs(&place(11, 400)), None);
        let mut retention = Retention::default();
        retention.told(head(5, 10, 500), 0);
        retention.told(head(5, 10, 500), 2 * MINUTE_US);
        assert_eq!(retention.secs(&place(10, 400)), None);
    }

    #[test]
    fn an_old_rate_is_forgotten_and_a_log_that_begins_anew_has_none() {
        let mut retention = Retention::default();
        retention.told(head(5, 10, 0), 0);
        for minute in 1..=120 {
            retention.told(head(5, 10, 10 * minute), minute * MINUTE_US);
        }
        // 10 bytes a minute, 5 files of 1,000 bytes before the place.
        assert_eq!(retention.secs(&place(10, 4)), Some(500 * 60));
        assert!(retention.written.len() <= 61);
        retention.told(head(2, 3, 500), 121 * MINUTE_US);
        assert_eq!(retention.secs(&place(3, 4)), None);
    }

    proptest! {
        #[test]
        fn a_later_place_is_kept_at_least_as_long(first in 2u64..9, more in 0u64..9, at in 0u64..20, offset in 4u64..999) {
            let mut retention = Retention::default();
            retention.told(head(first, first + more, 500), 0);
            retention.told(head(first, first + more + 1, offset), 5 * MINUTE_US);
            let earlier = retention.secs(&place(at, 4));
            let later = retention.secs(&place(at + 1, 4));
            prop_assert!(earlier <= later, "{:?} {:?}", earlier, later);
        }
    }
}
