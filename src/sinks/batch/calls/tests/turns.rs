//! Large records and small ones share a shard that takes 1 MiB a second: neither starves the other.

use super::*;

const MIB: f64 = 1024.0 * 1024.0;
const LARGE: usize = 0;
const LARGE_BYTES: usize = 1_047_000;
const STEP: Duration = Duration::from_millis(10);

/// Writers that have always something to send, and a shard with the documented allowance.
struct Shard {
    calls: Calls<usize>,
    now: Instant,
    allowance: f64,
    small_bytes: usize,
    /// Who was taken, in their order.
    taken: Vec<usize>,
    /// Who comes again, and when.
    again: Vec<(Instant, usize)>,
}

impl Shard {
    fn new(small_bytes: usize) -> Self {
        let limits = Limits {
            entries_max: 500,
            call_bytes: 5 << 20,
            in_flight_bytes_max: 8 << 20,
            calls_max: 4,
            shard: None,
        };
        let mut shard = Self {
            calls: Calls::new(limits),
            now: Instant::now(),
            allowance: MIB,
            small_bytes,
            taken: Vec::new(),
            again: Vec::new(),
        };
        for number in 0..4 {
            shard.push(number);
        }
        shard
    }

    fn push(&mut self, number: usize) {
        let bytes = match number {
            LARGE => LARGE_BYTES,
            _ => self.small_bytes,
        };
        self.calls.push(unit(number), bytes, number, self.now);
    }

    fn step(&mut self) {
        self.now += STEP;
        self.allowance = (self.allowance + STEP.as_secs_f64() * MIB).min(MIB);
        let now = self.now;
        let due = self.again.extract_if(.., |(at, _)| *at <= now);
        for (_, number) in due.collect::<Vec<_>>() {
            self.push(number);
        }
        while let Some(call) = self.calls.next_call(now, |_| false) {
            let replies = call.entries.iter().map(|entry| {
                let bytes = entry.bytes as f64;
                if self.allowance < bytes {
                    self.again.push((now, entry.item));
                    return throttled();
                }
                self.allowance -= bytes;
                self.taken.push(entry.item);
                self.again.push((now + STEP, entry.item));
                accepted("s", self.taken.len() as u64)
            });
            let replies = replies.collect();
            self.calls.settle(call, Ok(replies), now, &mut || 0.5);
        }
    }

    fn larges(&self) -> usize {
        self.taken.iter().filter(|item| **item == LARGE).count()
    }
}

#[test]
fn a_large_record_gets_its_turn_between_small_ones_that_never_cease() {
    for small_bytes in [300, 20 * KIB, 200 * KIB] {
        let mut shard = Shard::new(small_bytes);
        for _ in 0..6000 {
            shard.step();
        }
        // A turn and the time after it are 3.5 s at most, so a minute has 17 of them.
        let larges = shard.larges();
        assert!((17..=60).contains(&larges), "{small_bytes}: {larges}");
    }
}

#[test]
fn small_ones_get_theirs_between_any_two_large_ones() {
    let mut shard = Shard::new(20 * KIB);
    for _ in 0..6000 {
        shard.step();
    }
    let between: Vec<usize> = shard
        .taken
        .split(|item| *item == LARGE)
        .skip(1)
        .map(<[usize]>::len)
        .collect();
    let (_, between) = between.split_last().expect("large ones were taken");
    assert!(between.len() >= 16);
    assert!(between.iter().all(|count| *count >= 3), "{between:?}");
}

#[test]
fn a_large_record_that_is_never_taken_does_not_hold_the_others_for_ever() {
    let (mut calls, mut now) = (Calls::new(limits()), Instant::now());
    let mut taken = 0;
    for _ in 0..2000 {
        now += STEP;
        for (number, bytes) in [(LARGE, LARGE_BYTES), (1, KIB)] {
            let state = calls.units.get(&unit(number));
            if state.is_none_or(|state| !state.is_in_flight && state.waiting.is_empty()) {
                calls.push(unit(number), bytes, number, now);
            }
        }
        while let Some(call) = calls.next_call(now, |_| false) {
            let replies = call.entries.iter().map(|entry| match entry.item {
                LARGE => throttled(),
                _ => {
                    taken += 1;
                    accepted("s", taken)
                }
            });
            let replies = replies.collect();
            calls.settle(call, Ok(replies), now, &mut || 0.5);
        }
    }
    // 20 s are at least five turns, each with a second after it.
    assert!(taken >= 5, "{taken}");
}
