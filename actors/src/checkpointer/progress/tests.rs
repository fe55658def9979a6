//! Any order of finishes, failures and times.

use headwater_binlog::gtid::{GtidSet, GtidSource, Uuid};
use proptest::prelude::*;

use super::*;
use crate::{
    checkpoint::{Mark, OrderingKey},
    fixture,
};

const INTERVAL: Duration = Duration::from_secs(1);
const LATE_AFTER: Duration = Duration::from_secs(10);

fn gtids(first: u64, last: u64) -> GtidSet {
    let mut set = GtidSet::default();
    let source = GtidSource::untagged(Uuid(fixture::SOURCE));
    set.add_range(&source, first, last).unwrap();
    set
}

fn end(number: u64) -> BarrierEnd {
    let mark = Mark {
        position: fixture::at(number * 100),
        rows_done: 0,
    };
    BarrierEnd {
        xa: Vec::new(),
        mark,
        gtids: gtids(number.max(1), number.max(1)),
        commit_us: number,
        is_quiet: false,
    }
}

fn progress() -> Progress {
    let from = Checkpoint {
        xa: Default::default(),
        name: "test".into(),
        server_uuid: Uuid(fixture::SOURCE),
        server_id: 1,
        epoch: 1,
        mark: end(0).mark,
        gtid_set: GtidSet::default(),
        commit_us: 0,
        ordering: OrderingKey::Table,
        drained: true,
        columns: Arc::default(),
        parked: Default::default(),
    };
    let pace = CheckpointPace {
        interval: INTERVAL,
        late_after: LATE_AFTER,
    };
    Progress::new(from, pace)
}

fn written(progress: &mut Progress, now: Instant) -> Option<Checkpoint> {
    match progress.next(now) {
        Next::Write(checkpoint) => Some(*checkpoint),
        _ => None,
    }
}

#[test]
fn moves_of_the_position_alone_are_written_seldom_and_changes_soon() {
    let quiet = |number| BarrierEnd {
        is_quiet: true,
        ..end(number)
    };
    let mut progress = progress().with_quiet_interval(INTERVAL * 10);
    let begun = Instant::now();
    progress.opened(BarrierSeq(1), quiet(1));
    progress.finished(BarrierSeq(1));
    assert!(written(&mut progress, begun).is_some());
    progress.stored();
    progress.opened(BarrierSeq(2), quiet(2));
    progress.finished(BarrierSeq(2));
    let due = begun + INTERVAL * 10;
    assert_eq!(progress.next(begun + INTERVAL), Next::At(due));
    progress.opened(BarrierSeq(3), quiet(3));
    progress.opened(BarrierSeq(3), end(4));
    progress.finished(BarrierSeq(3));
    let stored = written(&mut progress, begun + INTERVAL).expect("a change");
    assert_eq!(stored.mark, end(4).mark);
    progress.stored();
    // A heartbeat's barrier moves nothing.
    progress.opened(BarrierSeq(4), quiet(4));
    progress.finished(BarrierSeq(4));
    assert_eq!(progress.next(begun + INTERVAL * 20), Next::Nothing);
    progress.opened(BarrierSeq(5), quiet(5));
    progress.finished(BarrierSeq(5));
    progress.store_last(true);
    assert!(written(&mut progress, begun + INTERVAL).is_some());
}

proptest! {
    #[test]
    fn no_order_of_finishes_passes_a_gap(
        order in (1..20u64).prop_flat_map(|count| Just((1..=count).collect::<Vec<_>>()).prop_shuffle()),
        fails in prop::collection::vec(any::<bool>(), 20),
    ) {
        let (mut progress, mut now) = (progress(), Instant::now());
        let mut finished = vec![false; order.len() + 1];
        for seq in 1..=order.len() as u64 {
            progress.opened(BarrierSeq(seq), end(seq));
        }
        for (step, seq) in order.iter().enumerate() {
            finished[*seq as usize] = true;
            progress.finished(BarrierSeq(*seq));
            now += INTERVAL;
            let prefix = finished.iter().skip(1).take_while(|is_finished| **is_finished).count() as u64;
            prop_assert_eq!(progress.done().mark.position.offset, prefix * 100);
            if let Some(checkpoint) = written(&mut progress, now) {
                prop_assert_eq!(checkpoint.mark, end(prefix).mark);
                prop_assert!(!checkpoint.drained);
                prop_assert_eq!(checkpoint.commit_us, prefix);
                prop_assert_eq!(progress.next(now), Next::Nothing, "one write at a time");
                if fails[step] {
                    progress.failed(now);
                } else {
                    progress.stored();
                }
            }
        }
        progress.store_last(true);
        let mut last = None;
        while let Some(checkpoint) = written(&mut progress, now) {
            last = Some(checkpoint);
            progress.stored();
        }
        let last = last.unwrap();
        prop_assert!(last.drained);
        prop_assert_eq!(last.gtid_set, gtids(1, order.len() as u64));
        prop_assert_eq!(progress.next(now), Next::Done);
    }
}

proptest! {
    #[test]
    fn no_position_leaves_a_parked_table_behind(
        order in (1..20u64).prop_flat_map(|count| Just((1..=count).collect::<Vec<_>>()).prop_shuffle()),
        from in 1..20u64,
        step_of_park in 0..20usize,
    ) {
        let (mut progress, mut now) = (progress(), Instant::now());
        let count = order.len() as u64;
        let from = from.min(count);
        for seq in 1..=count {
            progress.opened(BarrierSeq(seq), end(seq));
        }
        // The table's own barrier is finished by nothing but its being parked.
        let others: Vec<u64> = order.iter().copied().filter(|seq| *seq != from).collect();
        let mut is_parked = false;
        for step in 0..=others.len() {
            if step == step_of_park.min(others.len()) {
                progress.park(fixture::name("a"), BarrierSeq(from), "too large".into(), 7);
                progress.finished(BarrierSeq(from));
                is_parked = true;
            }
            if let Some(seq) = others.get(step) {
                progress.finished(BarrierSeq(*seq));
            }
            now += INTERVAL;
            if let Some(checkpoint) = written(&mut progress, now) {
                progress.stored();
                prop_assert_eq!(checkpoint.parked.len(), usize::from(is_parked));
                let has_passed = checkpoint.mark.has_passed(&end(from).mark);
                prop_assert!(!has_passed || is_parked);
                for parked in &*checkpoint.parked {
                    prop_assert_eq!(&parked.mark, &end(from - 1).mark);
                    let before = if from == 1 { GtidSet::default() } else { gtids(1, from - 1) };
                    prop_assert_eq!(&parked.gtid_set, &before);
                }
            }
        }
        prop_assert_eq!(&progress.done().mark, &end(count).mark);
        prop_assert_eq!(progress.done().parked.len(), 1);
    }
}

#[test]
fn a_merged_barrier_is_done_up_to_its_newest_end() {
    let mut progress = progress();
    progress.opened(BarrierSeq(1), end(1));
    progress.opened(BarrierSeq(1), end(2));
    progress.opened(BarrierSeq(2), end(3));
    assert_eq!(progress.finished(BarrierSeq(1)), [2]);
    assert_eq!(progress.done().mark, end(2).mark);
    assert_eq!(progress.done().gtid_set, gtids(1, 2));
}

#[test]
fn writes_keep_their_distance_and_the_last_one_does_not_wait() {
    let (mut progress, now) = (progress(), Instant::now());
    for seq in 1..=3 {
        progress.opened(BarrierSeq(seq), end(seq));
    }
    progress.finished(BarrierSeq(1));
    assert!(written(&mut progress, now).is_some());
    progress.finished(BarrierSeq(2));
    progress.stored();
    assert_eq!(progress.next(now), Next::At(now + INTERVAL));
    progress.store_last(false);
    let last = written(&mut progress, now).unwrap();
    assert_eq!((last.mark, last.drained), (end(2).mark, false));
    progress.stored();
    assert_eq!(progress.next(now), Next::Done);
}

#[test]
fn a_failed_write_is_repeated_with_the_newest_position() {
    let (mut progress, now) = (progress(), Instant::now());
    for seq in 1..=2 {
        progress.opened(BarrierSeq(seq), end(seq));
    }
    progress.finished(BarrierSeq(1));
    assert!(written(&mut progress, now).is_some());
    progress.finished(BarrierSeq(2));
    progress.failed(now);
    let again = written(&mut progress, now + INTERVAL).unwrap();
    assert_eq!(again.mark, end(2).mark);
}

#[test]
fn lag_counts_from_the_oldest_change_that_is_not_durable() {
    let mut progress = progress();
    assert_eq!(progress.oldest_open_us(), None);
    for seq in 1..=3 {
        progress.opened(BarrierSeq(seq), end(seq));
    }
    progress.finished(BarrierSeq(2));
    assert_eq!(progress.oldest_open_us(), Some(1));
    progress.finished(BarrierSeq(1));
    assert_eq!(progress.oldest_open_us(), Some(3));
    progress.finished(BarrierSeq(3));
    assert_eq!(progress.oldest_open_us(), None);
}

#[test]
fn a_failing_store_is_left_alone_between_tries_except_for_the_last_one() {
    let (mut progress, now) = (progress(), Instant::now());
    let later = now + 5 * INTERVAL;
    for seq in 1..=2 {
        progress.opened(BarrierSeq(seq), end(seq));
    }
    progress.finished(BarrierSeq(1));
    assert!(written(&mut progress, now).is_some());
    progress.failed(later);
    progress.finished(BarrierSeq(2));
    assert_eq!(progress.next(now + 2 * INTERVAL), Next::At(later));
    progress.store_last(true);
    assert!(written(&mut progress, now + 2 * INTERVAL).is_some());
    progress.failed(later);
    assert_eq!(progress.next(now + 3 * INTERVAL), Next::At(later));
    assert!(written(&mut progress, later).is_some());
    progress.stored();
    assert_eq!(progress.next(later), Next::Done);
}

proptest! {
    /// Late means exactly: for longer than allowed, no write has succeeded though one was wanted.
    #[test]
    fn it_is_late_when_no_write_succeeds_for_too_long(outcomes in prop::collection::vec((any::<bool>(), 1..8u64), 1..40)) {
        let (mut progress, mut now) = (progress(), Instant::now());
        let mut tried = None;
        for (seq, (succeeds, pause)) in (1..).zip(outcomes) {
            progress.opened(BarrierSeq(seq), end(seq));
            progress.finished(BarrierSeq(seq));
            now += INTERVAL;
            prop_assert!(written(&mut progress, now).is_some());
            let since: Instant = *tried.get_or_insert(now);
            now += Duration::from_secs(pause);
            // A write without an answer counts like one that failed.
            prop_assert_eq!(progress.is_late(now), LATE_AFTER < now - since);
            if succeeds {
                progress.stored();
                tried = None;
            } else {
                progress.failed(now);
            }
            prop_assert_eq!(progress.is_late(now), tried.is_some_and(|since| LATE_AFTER < now - since));
        }
    }
}

#[test]
fn without_anything_to_store_it_is_never_late() {
    let (mut progress, now) = (progress(), Instant::now());
    progress.opened(BarrierSeq(1), end(1));
    progress.finished(BarrierSeq(1));
    assert!(written(&mut progress, now).is_some());
    progress.stored();
    assert!(!progress.is_late(now + 1000 * LATE_AFTER));
}
