//! Where tests break the program on purpose: named points that panic, fail or stand still.
//!
//! They exist only with the feature `faults` and debug assertions, which the tests of the workspace ask for; in
//! every other build, a release above all, a point is nothing at all. `HEADWATER_FAULTS` says what happens:
//! `POINT[:LANE]=ACTION[@FIRST][xCOUNT]`, parted by blanks. FIRST counts how often the process has passed the point,
//! from 1; without COUNT it happens once, with `x*` for ever. Actions: `panic`; `fail` and `refuse`, a
//! transient and a definite failure; `stop`, which holds its thread until the process is killed.

use crate::{failure::Failure, lane::Lane};

/// A point that can fail.
#[cfg(not(all(feature = "faults", debug_assertions)))]
#[inline(always)]
pub fn at(_point: &str) -> Result<(), Failure> {
    Ok(())
}

/// A point of one lane.
#[cfg(not(all(feature = "faults", debug_assertions)))]
#[inline(always)]
pub fn at_lane(_point: &str, _lane: &Lane) -> Result<(), Failure> {
    Ok(())
}

#[cfg(all(feature = "faults", debug_assertions))]
pub fn at(point: &str) -> Result<(), Failure> {
    told::pass(point, None)
}

#[cfg(all(feature = "faults", debug_assertions))]
pub fn at_lane(point: &str, lane: &Lane) -> Result<(), Failure> {
    told::pass(point, Some(lane))
}

/// A point that cannot fail: it panics instead.
pub fn here(point: &str) {
    if let Err(failure) = at(point) {
        panic!("{failure}");
    }
}

#[cfg(all(feature = "faults", debug_assertions))]
mod told {
    use std::sync::{
        LazyLock,
        atomic::{AtomicU64, Ordering},
    };

    use super::{Failure, Lane};

    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    enum Action {
        Panic,
        Fail,
        Refuse,
        Stop,
    }

    #[derive(Debug)]
    struct Rule {
        point: String,
        lane: Option<String>,
        action: Action,
        first: u64,
        /// Behind the last one.
        end: u64,
        passed: AtomicU64,
    }

    static RULES: LazyLock<Vec<Rule>> = LazyLock::new(|| {
        let text = std::env::var("HEADWATER_FAULTS").unwrap_or_default();
        let rules = text.split_whitespace().map(|text| {
            rule(text).unwrap_or_else(|| panic!("HEADWATER_FAULTS: cannot read \"{text}\""))
        });
        rules.collect()
    });

    pub fn pass(point: &str, lane: Option<&Lane>) -> Result<(), Failure> {
        RULES
            .iter()
            .filter(|rule| rule.is_for(point, lane))
            .try_for_each(|rule| rule.pass())
    }

    impl Rule {
        fn is_for(&self, point: &str, lane: Option<&Lane>) -> bool {
            let is_lane = |wanted: &String| lane.is_some_and(|lane| lane.to_string() == *wanted);
            self.point == point && self.lane.as_ref().is_none_or(is_lane)
        }

        fn pass(&self) -> Result<(), Failure> {
            let passed = self.passed.fetch_add(1, Ordering::Relaxed) + 1;
            if !(self.first..self.end).contains(&passed) {
                return Ok(());
            }
            let point = &self.point;
            tracing::warn!(point, action = ?self.action, "told to break");
            match self.action {
                Action::Panic => panic!("told to panic at {point}"),
                Action::Fail => Err(Failure::transient(format!("told to fail at {point}"))),
                Action::Refuse => Err(Failure::definite(format!("told to fail at {point}"))
                    .with_hint("it is a test's doing")),
                Action::Stop => loop {
                    std::thread::park();
                },
            }
        }
    }

    fn rule(text: &str) -> Option<Rule> {
        let (place, told) = text.split_once('=')?;
        let (point, lane) = match place.split_once(':') {
            Some((point, lane)) => (point, Some(lane.to_owned())),
            None => (place, None),
        };
        let (told, count) = match told.split_once('x') {
            Some((told, "*")) => (told, u64::MAX),
            Some((told, count)) => (told, count.parse().ok()?),
            None => (told, 1),
        };
        let (action, first) = match told.split_once('@') {
            Some((action, first)) => (action, first.parse().ok()?),
            None => (told, 1_u64),
        };
        let action = match action {
            "panic" => Action::Panic,
            "fail" => Action::Fail,
            "refuse" => Action::Refuse,
            "stop" => Action::Stop,
            _ => return None,
        };
        Some(Rule {
            point: point.to_owned(),
            lane,
            action,
            first,
            end: first.saturating_add(count),
            passed: AtomicU64::new(0),
        })
    }

    #[cfg(test)]
    mod tests {
        use super::*;

        #[test]
        fn what_is_told_happens_at_its_turn_and_so_often() {
            let told = rule("writer.pack:shop.orders=fail@3x2").expect("a rule");
            assert_eq!(
                (&*told.point, told.lane.as_deref()),
                ("writer.pack", Some("shop.orders"))
            );
            let failed: Vec<bool> = (0..6).map(|_| told.pass().is_err()).collect();
            assert_eq!(failed, [false, false, true, true, false, false]);
            let once = rule("reader.send=refuse").expect("a rule");
            assert!(once.pass().is_err_and(|failure| failure.is_definite()));
            assert!(once.pass().is_ok());
            let always = rule("reader.send=fail@2x*").expect("a rule");
            assert_eq!((always.first, always.end), (2, u64::MAX));
            assert!(rule("reader.send=explode").is_none() && rule("reader.send").is_none());
        }
    }
}
