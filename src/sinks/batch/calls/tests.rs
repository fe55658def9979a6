//! The laws of [`Calls`], under any order of arrivals, outcomes and time.

use std::{
    collections::{HashMap, HashSet},
    time::Duration,
};

use proptest::prelude::*;

use super::*;
use crate::sinks::fixture::lane;

mod turns;

const KIB: usize = 1024;

fn limits() -> Limits {
    Limits {
        entries_max: 4,
        call_bytes: 100 * KIB,
        in_flight_bytes_max: 300 * KIB,
        calls_max: 3,
        shard: None,
    }
}

fn unit(number: usize) -> Unit {
    let lane = lane(&format!("t{number}"));
    Unit {
        partition_key: lane.partition_key().into(),
        lane: Arc::new(lane),
    }
}

fn accepted(shard: &str, sequence: u64) -> Reply {
    Reply::Accepted {
        shard: Some(shard.into()),
        sequence: Some(sequence.to_string().into()),
    }
}

fn throttled() -> Reply {
    Reply::Refused {
        failure: Failure::transient("rate exceeded"),
        throttled: true,
        shard: None,
    }
}

fn poison() -> CallFailure {
    CallFailure {
        failure: Failure::definite("refused"),
        throttled: false,
        blame: Blame::Entry,
    }
}

fn items<T: Copy>(call: &Call<T>) -> Vec<T> {
    call.entries.iter().map(|entry| entry.item).collect()
}

fn next(calls: &mut Calls<u32>, now: Instant) -> Vec<u32> {
    calls
        .next_call(now, |_| false)
        .map_or_else(Vec::new, |call| items(&call))
}

#[test]
fn a_record_goes_at_once_when_nothing_flies() {
    let (mut calls, now) = (Calls::new(limits()), Instant::now());
    calls.push(unit(1), KIB, 1, now);
    assert_eq!(next(&mut calls, now), [1]);
    assert_eq!(calls.in_flight_bytes, KIB);
}

#[test]
fn what_waits_while_calls_fly_gathers_oldest_first() {
    let (mut calls, now) = (Calls::new(limits()), Instant::now());
    let mut in_flight = Vec::new();
    for number in 0..3 {
        calls.push(unit(number), KIB, number, now);
        in_flight.extend(calls.next_call(now, |_| false));
    }
    for number in 3..9 {
        calls.push(unit(number), KIB, number, now);
    }
    assert!(calls.next_call(now, |_| false).is_none());
    let call = in_flight.remove(0);
    calls.settle(call, Ok(vec![accepted("s", 1)]), now, &mut || 0.0);
    let call = calls.next_call(now, |_| false).expect("a call is free");
    assert_eq!(items(&call), [3, 4, 5, 6]);
}

#[test]
fn a_throttled_shard_does_not_hold_another() {
    let (mut calls, now) = (Calls::new(limits()), Instant::now());
    for number in 0..2 {
        calls.push(unit(number), KIB, number as u32, now);
    }
    let call = calls.next_call(now, |_| false).expect("both are sent");
    let replies = vec![accepted("hot", 1), accepted("cold", 1)];
    calls.settle(call, Ok(replies), now, &mut || 0.0);
    for number in 0..2 {
        calls.push(unit(number), KIB, 10 + number as u32, now);
    }
    let call = calls.next_call(now, |_| false).expect("both are sent");
    calls.settle(
        call,
        Ok(vec![throttled(), accepted("cold", 2)]),
        now,
        &mut || 0.0,
    );
    for number in 0..2 {
        calls.push(unit(number), KIB, 20 + number as u32, now);
    }
    assert_eq!(next(&mut calls, now), [21]);
    let wake = calls.wake_at(now).expect("the hot shard waits");
    assert_eq!(wake, now + Duration::from_millis(50));
    assert_eq!(next(&mut calls, wake), [20]);
}

#[test]
fn a_record_that_comes_back_keeps_its_age() {
    let limits = Limits {
        entries_max: 1,
        calls_max: 1,
        ..limits()
    };
    let (mut calls, now) = (Calls::new(limits), Instant::now());
    calls.push(unit(1), KIB, 1, now);
    let call = calls.next_call(now, |_| false).expect("is sent");
    calls.push(unit(2), KIB, 2, now);
    let refused = Reply::Refused {
        failure: Failure::transient("internal failure"),
        throttled: false,
        shard: None,
    };
    calls.settle(call, Ok(vec![refused]), now, &mut || 0.0);
    calls.push(unit(1), KIB, 1, now);
    assert_eq!(next(&mut calls, now), [1]);
}

#[test]
fn only_the_guilty_entry_of_a_refused_call_sees_the_error() {
    let (mut calls, now) = (Calls::new(limits()), Instant::now());
    for number in 0..3 {
        calls.push(unit(number), KIB, number, now);
    }
    let call = calls.next_call(now, |_| false).expect("all three are sent");
    let settled = calls.settle(call, Err(poison()), now, &mut || 0.0);
    assert!(settled.answers.is_empty());
    let mut outcomes = HashMap::new();
    while let Some(call) = calls.next_call(now, |_| false) {
        assert_eq!(call.entries.len(), 1);
        let outcome = match items(&call)[..] {
            [1] => Err(poison()),
            _ => Ok(vec![accepted("s", 1)]),
        };
        for answer in calls.settle(call, outcome, now, &mut || 0.0).answers {
            outcomes.insert(answer.item, answer.result.is_ok());
        }
    }
    assert_eq!(outcomes, HashMap::from([(0, true), (1, false), (2, true)]));
}

#[test]
fn an_abandoned_record_is_dropped_before_it_flies_and_kept_while_it_does() {
    let (mut calls, now) = (Calls::new(limits()), Instant::now());
    calls.push(unit(1), KIB, 1, now);
    let call = calls.next_call(now, |_| false).expect("is sent");
    calls.push(unit(1), KIB, 2, now);
    calls.push(unit(1), KIB, 3, now);
    assert!(calls.next_call(now, |item| *item < 3).is_none());
    calls.settle(call, Ok(vec![accepted("s", 1)]), now, &mut || 0.0);
    let call = calls
        .next_call(now, |item| *item < 3)
        .expect("the unit is free");
    assert_eq!(items(&call), [3]);
}

#[test]
fn a_call_throttled_as_a_whole_pauses_everything() {
    let (mut calls, now) = (Calls::new(limits()), Instant::now());
    calls.push(unit(1), KIB, 1, now);
    let call = calls.next_call(now, |_| false).expect("is sent");
    let failure = CallFailure {
        throttled: true,
        ..CallFailure::transient("slow down")
    };
    calls.settle(call, Err(failure), now, &mut || 0.0);
    calls.push(unit(2), KIB, 2, now);
    assert!(calls.next_call(now, |_| false).is_none());
    let wake = calls.wake_at(now).expect("a pause has an end");
    assert_eq!(next(&mut calls, wake), [2]);
}

#[test]
fn a_missing_answer_is_a_transient_failure_of_the_call() {
    let (mut calls, now) = (Calls::new(limits()), Instant::now());
    calls.push(unit(1), KIB, 1, now);
    calls.push(unit(2), KIB, 2, now);
    let call = calls.next_call(now, |_| false).expect("is sent");
    let settled = calls.settle(call, Ok(vec![accepted("s", 1)]), now, &mut || 0.0);
    assert_eq!(settled.answers.len(), 2);
    for answer in settled.answers {
        let rejected = answer.result.expect_err("nothing is sure");
        assert!(!rejected.failure.is_definite());
        let line = rejected.failure.to_string();
        assert!(line.contains("1 entries of a call of 2"), "{line}");
    }
}

#[test]
fn a_falling_sequence_number_is_seen() {
    let (mut calls, now) = (Calls::new(limits()), Instant::now());
    let mut violations = 0;
    for sequence in [9, 10, 7] {
        calls.push(unit(1), KIB, 1, now);
        let call = calls.next_call(now, |_| false).expect("is sent");
        let settled = calls.settle(call, Ok(vec![accepted("s", sequence)]), now, &mut || 0.0);
        violations += settled.order_violations.len();
    }
    assert_eq!(violations, 1);
}

#[derive(Debug, Clone)]
enum Step {
    Push {
        unit: usize,
        bytes: usize,
    },
    Settle {
        call: usize,
        outcomes: Vec<u8>,
        whole: u8,
    },
    Wait {
        millis: u64,
    },
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (0usize..6, 1usize..400 * KIB).prop_map(|(unit, bytes)| Step::Push { unit, bytes }),
        3 => (0usize..3, prop::collection::vec(0u8..3, 4), 0u8..8)
            .prop_map(|(call, outcomes, whole)| Step::Settle { call, outcomes, whole }),
        1 => (0u64..1500).prop_map(|millis| Step::Wait { millis }),
    ]
}

/// Drives [`Calls`] and checks after each step what must always hold.
struct World {
    calls: Calls<(usize, u32)>,
    in_flight: Vec<Call<(usize, u32)>>,
    now: Instant,
    pushed: HashMap<usize, u32>,
    settled: HashMap<usize, Vec<u32>>,
}

impl World {
    fn new() -> Self {
        Self {
            calls: Calls::new(limits()),
            in_flight: Vec::new(),
            now: Instant::now(),
            pushed: HashMap::new(),
            settled: HashMap::new(),
        }
    }

    fn push(&mut self, number: usize, bytes: usize) {
        let count = self.pushed.entry(number).or_default();
        self.calls
            .push(unit(number), bytes, (number, *count), self.now);
        *count += 1;
    }

    fn launch(&mut self) {
        while let Some(call) = self.calls.next_call(self.now, |_| false) {
            let bounds = limits();
            assert!(call.entries.len() <= bounds.entries_max);
            assert!(call.entries.len() == 1 || call.bytes <= bounds.call_bytes);
            self.in_flight.push(call);
            assert!(self.in_flight.len() <= bounds.calls_max);
            let bytes: usize = self.in_flight.iter().map(|call| call.bytes).sum();
            assert_eq!(bytes, self.calls.in_flight_bytes);
            assert!(self.in_flight.len() == 1 || bytes <= bounds.in_flight_bytes_max);
            let mut units = HashSet::new();
            let entries = self.in_flight.iter().flat_map(|call| &call.entries);
            assert!(entries.into_iter().all(|entry| units.insert(entry.item.0)));
        }
    }

    fn settle(&mut self, index: usize, outcomes: &[u8], whole: u8) {
        let call = self.in_flight.swap_remove(index);
        let replies = call.entries.iter().zip(outcomes.iter().cycle());
        let outcome = match whole {
            0 => Err(CallFailure::transient("connection lost")),
            1 => Err(poison()),
            2 => Err(CallFailure {
                throttled: true,
                ..CallFailure::transient("slow down")
            }),
            _ => Ok(replies
                .map(|(entry, outcome)| match outcome {
                    0 => throttled(),
                    _ => accepted(["a", "b"][entry.item.0 % 2], u64::from(entry.item.1) + 1),
                })
                .collect()),
        };
        let settled = self.calls.settle(call, outcome, self.now, &mut || 0.5);
        assert!(settled.order_violations.is_empty());
        for answer in settled.answers {
            self.settled
                .entry(answer.item.0)
                .or_default()
                .push(answer.item.1);
        }
    }
}

proptest! {
    /// A unit's records settle once each, in the order in which they came; limits hold at every moment; and
    /// all of them settle in the end.
    #[test]
    fn units_keep_their_order_within_the_limits_and_all_settle(steps in prop::collection::vec(step(), 1..80)) {
        let mut world = World::new();
        for step in steps {
            match step {
                Step::Push { unit, bytes } => world.push(unit, bytes),
                Step::Settle { call, outcomes, whole } if call < world.in_flight.len() => {
                    world.settle(call, &outcomes, whole);
                }
                Step::Settle { .. } => (),
                Step::Wait { millis } => world.now += Duration::from_millis(millis),
            }
            world.launch();
        }
        while !world.calls.is_idle() {
            if world.in_flight.is_empty() {
                world.now = world.calls.wake_at(world.now).expect("what waits has a time to wake");
            } else {
                world.settle(0, &[1], 7);
            }
            world.launch();
        }
        for (unit, count) in &world.pushed {
            let expected: Vec<u32> = (0..*count).collect();
            prop_assert_eq!(world.settled.get(unit), Some(&expected));
        }
    }
}
