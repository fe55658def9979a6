//! Any order of finishes, failures and times.

use headwater_binlog::gtid::{GtidSet, GtidSource, Uuid};
use proptest::prelude::*;

use super::*;
use crate::{
    checkpoint::OrderingKey,
    fixture,
    progress::{Home, Mark, Resume},
};

const INTERVAL: Duration = Duration::from_secs(1);
const LATE_AFTER: Duration = Duration::from_secs(10);

fn gtids(first: u64, last: u64) -> GtidSet {
    let mut set = GtidSet::default();
    let source = GtidSource::untagged(Uuid(fixture::SOURCE));
    set.add_range(&source, first, last).unwrap();
    set
}

fn mark(number: u64) -> Mark {
    Mark::at(fixture::at(number * 100))
}

/// From the end of the one before.
fn barrier(seq: u64, number: u64) -> BarrierOpened {
    let mut advance = Advance::at(mark(number - 1));
    advance.reach(mark(number));
    advance.gtids = gtids(number, number);
    advance.commit_us = number;
    BarrierOpened {
        seq: BarrierSeq(seq),
        advance,
        is_quiet: false,
    }
}

fn ledger() -> Ledger {
    let from = Checkpoint {
        name: "test".into(),
        server_id: 1,
        home: Home {
            server_uuid: Uuid(fixture::SOURCE),
            epoch: 1,
        },
        resume: Resume::at(mark(0).position, GtidSet::default()),
        ordering: OrderingKey::Table,
        tables: Default::default(),
        snapshot_tables: Default::default(),
        drained: true,
        parked: Default::default(),
    };
    let pace = CheckpointPace {
        interval: INTERVAL,
        late_after: LATE_AFTER,
    };
    Ledger::new(from, pace)
}

fn written(ledger: &mut Ledger, now: Instant) -> Option<Checkpoint> {
    match ledger.next(now) {
        Next::Write(checkpoint) => Some(*checkpoint),
        _ => None,
    }
}

#[test]
fn moves_of_the_position_alone_are_written_seldom_and_changes_soon() {
    let quiet = |seq, number| BarrierOpened {
        is_quiet: true,
        ..barrier(seq, number)
    };
    let mut ledger = ledger().with_quiet_interval(INTERVAL * 10);
    let begun = Instant::now();
    ledger.opened(quiet(1, 1)).unwrap();
    ledger.finished(BarrierSeq(1)).unwrap();
    assert!(written(&mut ledger, begun).is_some());
    ledger.stored();
    ledger.opened(quiet(2, 2)).unwrap();
    ledger.finished(BarrierSeq(2)).unwrap();
    let due = begun + INTERVAL * 10;
    assert_eq!(ledger.next(begun + INTERVAL), Next::At(due));
    ledger.opened(quiet(3, 3)).unwrap();
    ledger.opened(barrier(3, 4)).unwrap();
    ledger.finished(BarrierSeq(3)).unwrap();
    let stored = written(&mut ledger, begun + INTERVAL).expect("a change");
    assert_eq!(stored.resume.mark, mark(4));
    ledger.stored();
    // A heartbeat's barrier moves nothing.
    ledger
        .opened(BarrierOpened {
            seq: BarrierSeq(4),
            advance: Advance::at(mark(4)),
            is_quiet: true,
        })
        .unwrap();
    ledger.finished(BarrierSeq(4)).unwrap();
    assert_eq!(ledger.next(begun + INTERVAL * 20), Next::Nothing);
    ledger.opened(quiet(5, 5)).unwrap();
    ledger.finished(BarrierSeq(5)).unwrap();
    ledger.store_last(true);
    assert!(written(&mut ledger, begun + INTERVAL).is_some());
}

proptest! {
    #[test]
    fn no_order_of_finishes_passes_a_gap(
        order in (1..20u64).prop_flat_map(|count| Just((1..=count).collect::<Vec<_>>()).prop_shuffle()),
        fails in prop::collection::vec(any::<bool>(), 20),
    ) {
        let (mut ledger, mut now) = (ledger(), Instant::now());
        let mut finished = vec![false; order.len() + 1];
        for seq in 1..=order.len() as u64 {
            ledger.opened(barrier(seq, seq)).unwrap();
        }
        for (step, seq) in order.iter().enumerate() {
            finished[*seq as usize] = true;
            ledger.finished(BarrierSeq(*seq)).unwrap();
            now += INTERVAL;
            let prefix = finished.iter().skip(1).take_while(|is_finished| **is_finished).count() as u64;
            prop_assert_eq!(ledger.done().resume.mark.position.offset, prefix * 100);
            if let Some(checkpoint) = written(&mut ledger, now) {
                prop_assert_eq!(checkpoint.resume.mark, mark(prefix));
                prop_assert!(!checkpoint.drained);
                prop_assert_eq!(checkpoint.resume.commit_us, prefix);
                prop_assert_eq!(ledger.next(now), Next::Nothing, "one write at a time");
                if fails[step] {
                    ledger.failed(now);
                } else {
                    ledger.stored();
                }
            }
        }
        ledger.store_last(true);
        let mut last = None;
        while let Some(checkpoint) = written(&mut ledger, now) {
            last = Some(checkpoint);
            ledger.stored();
        }
        let last = last.unwrap();
        prop_assert!(last.drained);
        prop_assert_eq!(last.resume.gtid_set, gtids(1, order.len() as u64));
        prop_assert_eq!(ledger.next(now), Next::Done);
    }
}

proptest! {
    #[test]
    fn no_position_leaves_a_parked_table_behind(
        order in (1..20u64).prop_flat_map(|count| Just((1..=count).collect::<Vec<_>>()).prop_shuffle()),
        from in 1..20u64,
        step_of_park in 0..20usize,
    ) {
        let (mut ledger, mut now) = (ledger(), Instant::now());
        let count = order.len() as u64;
        let from = from.min(count);
        for seq in 1..=count {
            ledger.opened(barrier(seq, seq)).unwrap();
        }
        // The table's own barrier is finished by nothing but its being parked.
        let others: Vec<u64> = order.iter().copied().filter(|seq| *seq != from).collect();
        let mut is_parked = false;
        for step in 0..=others.len() {
            if step == step_of_park.min(others.len()) {
                ledger.park(fixture::name("a"), BarrierSeq(from), "too large".into(), 7).unwrap();
                ledger.finished(BarrierSeq(from)).unwrap();
                is_parked = true;
            }
            if let Some(seq) = others.get(step) {
                ledger.finished(BarrierSeq(*seq)).unwrap();
            }
            now += INTERVAL;
            if let Some(checkpoint) = written(&mut ledger, now) {
                ledger.stored();
                prop_assert_eq!(checkpoint.parked.len(), usize::from(is_parked));
                let has_passed = checkpoint.resume.mark.has_passed(&mark(from));
                prop_assert!(!has_passed || is_parked);
                for parked in &*checkpoint.parked {
                    prop_assert_eq!(&parked.resume.mark, &mark(from - 1));
                    let before = if from == 1 { GtidSet::default() } else { gtids(1, from - 1) };
                    prop_assert_eq!(&parked.resume.gtid_set, &before);
                }
            }
        }
        prop_assert_eq!(&ledger.done().resume.mark, &mark(count));
        prop_assert_eq!(ledger.done().parked.len(), 1);
    }
}

#[test]
fn a_merged_barrier_is_done_up_to_its_newest_end() {
    let mut ledger = ledger();
    ledger.opened(barrier(1, 1)).unwrap();
    ledger.opened(barrier(1, 2)).unwrap();
    ledger.opened(barrier(2, 3)).unwrap();
    assert_eq!(ledger.finished(BarrierSeq(1)).unwrap(), [2]);
    assert_eq!(ledger.done().resume.mark, mark(2));
    assert_eq!(ledger.done().resume.gtid_set, gtids(1, 2));
}

#[test]
fn a_barrier_that_begins_elsewhere_is_a_gap_that_no_position_passes() {
    let gap = Gap {
        expected: mark(1),
        found: mark(2),
    };
    let mut ledger = ledger();
    ledger.opened(barrier(1, 1)).unwrap();
    assert_eq!(ledger.opened(barrier(1, 3)), Err(gap.clone()), "merged");
    ledger.opened(barrier(2, 3)).unwrap();
    ledger.opened(barrier(3, 4)).unwrap();
    let parked = ledger.park(fixture::name("a"), BarrierSeq(3), "too large".into(), 7);
    assert_eq!(parked, Err(gap.clone()));
    ledger.finished(BarrierSeq(1)).unwrap();
    assert_eq!(ledger.finished(BarrierSeq(2)), Err(gap));
    assert!(ledger.finished(BarrierSeq(3)).is_err());
    assert_eq!(ledger.done().resume.mark, mark(1));
    assert!(ledger.done().parked.is_empty());
}

#[test]
fn writes_keep_their_distance_and_the_last_one_does_not_wait() {
    let (mut ledger, now) = (ledger(), Instant::now());
    for seq in 1..=3 {
        ledger.opened(barrier(seq, seq)).unwrap();
    }
    ledger.finished(BarrierSeq(1)).unwrap();
    assert!(written(&mut ledger, now).is_some());
    ledger.finished(BarrierSeq(2)).unwrap();
    ledger.stored();
    assert_eq!(ledger.next(now), Next::At(now + INTERVAL));
    ledger.store_last(false);
    let last = written(&mut ledger, now).unwrap();
    assert_eq!((last.resume.mark, last.drained), (mark(2), false));
    ledger.stored();
    assert_eq!(ledger.next(now), Next::Done);
}

#[test]
fn a_failed_write_is_repeated_with_the_newest_position() {
    let (mut ledger, now) = (ledger(), Instant::now());
    for seq in 1..=2 {
        ledger.opened(barrier(seq, seq)).unwrap();
    }
    ledger.finished(BarrierSeq(1)).unwrap();
    assert!(written(&mut ledger, now).is_some());
    ledger.finished(BarrierSeq(2)).unwrap();
    ledger.failed(now);
    let again = written(&mut ledger, now + INTERVAL).unwrap();
    assert_eq!(again.resume.mark, mark(2));
}

#[test]
fn lag_counts_from_the_oldest_change_that_is_not_durable() {
    let mut ledger = ledger();
    assert_eq!(ledger.commit_times().oldest_open_us, None);
    for seq in 1..=3 {
        ledger.opened(barrier(seq, seq)).unwrap();
    }
    ledger.finished(BarrierSeq(2)).unwrap();
    assert_eq!(ledger.commit_times().oldest_open_us, Some(1));
    assert_eq!(ledger.commit_times().newest_us, 3);
    ledger.finished(BarrierSeq(1)).unwrap();
    assert_eq!(ledger.commit_times().oldest_open_us, Some(3));
    ledger.finished(BarrierSeq(3)).unwrap();
    assert_eq!(ledger.commit_times().oldest_open_us, None);
    assert_eq!(
        ledger.commit_times().newest_us,
        3,
        "also once it is durable"
    );
}

#[test]
fn a_failing_store_is_left_alone_between_tries_except_for_the_last_one() {
    let (mut ledger, now) = (ledger(), Instant::now());
    let later = now + 5 * INTERVAL;
    for seq in 1..=2 {
        ledger.opened(barrier(seq, seq)).unwrap();
    }
    ledger.finished(BarrierSeq(1)).unwrap();
    assert!(written(&mut ledger, now).is_some());
    ledger.failed(later);
    ledger.finished(BarrierSeq(2)).unwrap();
    assert_eq!(ledger.next(now + 2 * INTERVAL), Next::At(later));
    ledger.store_last(true);
    assert!(written(&mut ledger, now + 2 * INTERVAL).is_some());
    ledger.failed(later);
    assert_eq!(ledger.next(now + 3 * INTERVAL), Next::At(later));
    assert!(written(&mut ledger, later).is_some());
    ledger.stored();
    assert_eq!(ledger.next(later), Next::Done);
}

proptest! {
    /// Late means exactly: for longer than allowed, no write has succeeded though one was wanted.
    #[test]
    fn it_is_late_when_no_write_succeeds_for_too_long(outcomes in prop::collection::vec((any::<bool>(), 1..8u64), 1..40)) {
        let (mut ledger, mut now) = (ledger(), Instant::now());
        let mut tried = None;
        for (seq, (succeeds, pause)) in (1..).zip(outcomes) {
            ledger.opened(barrier(seq, seq)).unwrap();
            ledger.finished(BarrierSeq(seq)).unwrap();
            now += INTERVAL;
            prop_assert!(written(&mut ledger, now).is_some());
            let since: Instant = *tried.get_or_insert(now);
            now += Duration::from_secs(pause);
            // A write without an answer counts like one that failed.
            prop_assert_eq!(ledger.is_late(now), LATE_AFTER < now - since);
            if succeeds {
                ledger.stored();
                tried = None;
            } else {
                ledger.failed(now);
            }
            prop_assert_eq!(ledger.is_late(now), tried.is_some_and(|since| LATE_AFTER < now - since));
        }
    }
}

#[test]
fn without_anything_to_store_it_is_never_late() {
    let (mut ledger, now) = (ledger(), Instant::now());
    ledger.opened(barrier(1, 1)).unwrap();
    ledger.finished(BarrierSeq(1)).unwrap();
    assert!(written(&mut ledger, now).is_some());
    ledger.stored();
    assert!(!ledger.is_late(now + 1000 * LATE_AFTER));
}
