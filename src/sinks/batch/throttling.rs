//! When a stream throttles, and what people are told of it: that it begins, once a minute that it lasts, that it is over.
//!
//! Every busy stream throttles now and then: a stretch ends when no record was throttled for ten seconds, and a
//! new one is told no sooner than a minute after the last word of the one before. Pure; the time comes in.

use std::time::{Duration, Instant};

const OVER_AFTER: Duration = Duration::from_secs(10);
const TOLD_EVERY: Duration = Duration::from_secs(60);

#[derive(Debug, Default)]
pub struct Throttling {
    current: Option<Current>,
    told_at: Option<Instant>,
}

#[derive(Debug)]
struct Current {
    since: Instant,
    newest: Instant,
    records: u64,
    is_told: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stretch {
    pub lasted: Duration,
    pub records: u64,
}

/// What people are told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Notice {
    Begins { records: u64 },
    Lasts(Stretch),
    Over(Stretch),
}

impl Throttling {
    /// So many records were throttled now; none, when only time has passed.
    pub fn observe(&mut self, records: u64, now: Instant) -> Option<Notice> {
        if records > 0 {
            let current = self.current.get_or_insert(Current {
                since: now,
                newest: now,
                records: 0,
                is_told: false,
            });
            current.newest = now;
            current.records += records;
        }
        let current = self.current.as_mut()?;
        if current.newest + OVER_AFTER <= now {
            let over = Stretch {
                lasted: current.newest.saturating_duration_since(current.since),
                records: current.records,
            };
            let is_told = current.is_told;
            self.current = None;
            return is_told.then_some(Notice::Over(over));
        }
        if self
            .told_at
            .is_some_and(|told_at| now < told_at + TOLD_EVERY)
        {
            return None;
        }
        self.told_at = Some(now);
        let records = current.records;
        if std::mem::replace(&mut current.is_told, true) {
            self.lasting(now).map(Notice::Lasts)
        } else {
            Some(Notice::Begins { records })
        }
    }

    pub fn lasting(&self, now: Instant) -> Option<Stretch> {
        self.current.as_ref().map(|current| Stretch {
            lasted: now.saturating_duration_since(current.since),
            records: current.records,
        })
    }

    /// When it must be observed again, if nothing is throttled until then.
    pub fn ends_at(&self) -> Option<Instant> {
        self.current
            .as_ref()
            .map(|current| current.newest + OVER_AFTER)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is told of records throttled at these seconds: (second, records).
    fn told(observed: &[(u64, u64)]) -> Vec<(u64, Notice)> {
        let (start, mut throttling) = (Instant::now(), Throttling::default());
        let observe = |(second, records): &(u64, u64)| {
            let notice = throttling.observe(*records, start + Duration::from_secs(*second));
            notice.map(|notice| (*second, notice))
        };
        observed.iter().filter_map(observe).collect()
    }

    fn stretch(lasted: u64, records: u64) -> Stretch {
        Stretch {
            lasted: Duration::from_secs(lasted),
            records,
        }
    }

    #[test]
    fn a_stretch_is_told_when_it_begins_each_minute_and_when_it_is_over() {
        let mut seconds: Vec<_> = (100..=200).map(|second| (second, 2)).collect();
        seconds.push((209, 0));
        seconds.push((210, 0));
        assert_eq!(
            told(&seconds),
            [
                (100, Notice::Begins { records: 2 }),
                (160, Notice::Lasts(stretch(60, 122))),
                (210, Notice::Over(stretch(100, 202))),
            ]
        );
    }

    #[test]
    fn short_stretches_that_come_again_and_again_are_told_once_a_minute() {
        let mut seconds = Vec::new();
        for second in (0..300).step_by(15) {
            seconds.extend([(second, 1), (second + 10, 0)]);
        }
        let told = told(&seconds);
        let begun = told
            .iter()
            .filter(|(_, notice)| matches!(notice, Notice::Begins { .. }));
        assert_eq!(begun.count(), 5, "{told:?}");
        assert_eq!(told.len(), 10, "each with its end: {told:?}");
    }

    #[test]
    fn a_stretch_lasts_until_it_has_been_quiet() {
        let (start, mut throttling) = (Instant::now(), Throttling::default());
        assert_eq!(throttling.lasting(start), None);
        assert_eq!(throttling.ends_at(), None);
        throttling.observe(3, start);
        let later = start + Duration::from_secs(9);
        assert_eq!(throttling.lasting(later), Some(stretch(9, 3)));
        let ends_at = throttling.ends_at().expect("it lasts");
        throttling.observe(0, ends_at);
        assert_eq!(throttling.lasting(ends_at), None);
    }
}
