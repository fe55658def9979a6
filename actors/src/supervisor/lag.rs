//! How far behind the source the stream is: the twin of `headwater_source_lag_seconds`.
//!
//! While the source is read, the lag is the age of the oldest change that was read and is not durable. While it is
//! not read (the source is down, reading pauses, a restart), nobody knows what has been committed since: the lag
//! counts from the last moment up to which all is known to be durable, and rises. Unknown until a
//! transaction was seen. Pure; the time comes in.

use crate::messages::CommitTimes;

#[derive(Debug, Clone, Copy, Default)]
pub struct Lag {
    told: CommitTimes,
    /// Commit time of the newest transaction that was read; never in the future, whatever a session's clock said.
    newest_us: u64,
    /// All that the source had then is durable.
    level_us: u64,
}

impl Lag {
    /// What the Checkpointer said last.
    pub fn told(&mut self, times: CommitTimes, now_us: u64) {
        if times.newest_us != self.told.newest_us {
            self.newest_us = times.newest_us.min(now_us);
        }
        self.told = times;
    }

    /// The source was asked at `at_us`, and had nothing that is not durable.
    pub fn level(&mut self, at_us: u64) {
        self.level_us = self.level_us.max(at_us);
    }

    /// `None`: nothing was ever read.
    pub fn secs(&self, is_reading: bool, now_us: u64) -> Option<f64> {
        let since_us = match self.told.oldest_open_us {
            Some(oldest_us) => oldest_us,
            None if is_reading => now_us,
            None => match self.newest_us.max(self.level_us) {
                0 => return None,
                known_us => known_us,
            },
        };
        Some(now_us.saturating_sub(since_us) as f64 / 1e6)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: u64 = 1_000_000;

    fn times(oldest_open_us: Option<u64>, newest_us: u64) -> CommitTimes {
        CommitTimes {
            oldest_open_us,
            newest_us,
        }
    }

    #[test]
    fn while_the_source_is_read_the_oldest_change_that_is_not_durable_counts() {
        let mut lag = Lag::default();
        assert_eq!(lag.secs(true, 9 * SECOND), Some(0.0));
        lag.told(times(Some(4 * SECOND), 8 * SECOND), 9 * SECOND);
        assert_eq!(lag.secs(true, 9 * SECOND), Some(5.0));
        lag.told(times(None, 8 * SECOND), 9 * SECOND);
        assert_eq!(lag.secs(true, 9 * SECOND), Some(0.0));
    }

    #[test]
    fn while_the_source_is_down_the_lag_rises_from_what_was_known_last() {
        let mut lag = Lag::default();
        assert_eq!(lag.secs(false, 9 * SECOND), None, "nothing is known");
        lag.told(times(Some(4 * SECOND), 6 * SECOND), 9 * SECOND);
        assert_eq!(lag.secs(false, 10 * SECOND), Some(6.0));
        // All that was read has become durable; what came after it has not been read.
        lag.told(times(None, 6 * SECOND), 10 * SECOND);
        assert_eq!(lag.secs(false, 10 * SECOND), Some(4.0));
        assert_eq!(lag.secs(false, 20 * SECOND), Some(14.0));
    }

    #[test]
    fn a_quiet_source_that_is_lost_is_behind_by_the_time_since_it_was_last_asked() {
        let mut lag = Lag::default();
        lag.told(times(None, SECOND), 500 * SECOND);
        lag.level(495 * SECOND);
        assert_eq!(lag.secs(false, 500 * SECOND), Some(5.0));
        assert_eq!(lag.secs(true, 500 * SECOND), Some(0.0));
    }

    #[test]
    fn a_commit_time_in_the_future_hides_no_lag() {
        let mut lag = Lag::default();
        lag.told(times(None, 2000 * SECOND), 10 * SECOND);
        lag.told(times(None, 2000 * SECOND), 20 * SECOND);
        assert_eq!(lag.secs(false, 30 * SECOND), Some(20.0));
    }
}
