//! Any order of finishes, failures and times.

use headwater_binlog::gtid::{GtidSet, GtidSource, Uuid};
use proptest::prelude::*;

use super::*;
use crate::{
    checkpoint::{Mark, OrderingKey},
    fixture,
};

const INTERVAL: Duration = Duration::from_secs(1);

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
    };
    Progress::new(from, INTERVAL)
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
    progress.written(true);
    progress.opened(BarrierSeq(2), quiet(2));
    progress.finished(BarrierSeq(2));
    let due = begun + INTERVAL * 10;
    assert_eq!(progress.next(begun + INTERVAL), Next::At(due));
    progress.opened(BarrierSeq(3), quiet(3));
    progress.opened(BarrierSeq(3), end(4));
    progress.finished(BarrierSeq(3));
    let stored = written(&mut progress, begun + INTERVAL).expect("a change");
    assert_eq!(stored.mark, end(4).mark);
    progress.written(true);
    progress.opened(BarrierSeq(4), quiet(5));
    progress.finished(BarrierSeq(4));
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
                progress.written(!fails[step]);
            }
        }
        progress.store_last(true);
        let mut last = None;
        while let Some(checkpoint) = written(&mut progress, now) {
            last = Some(checkpoint);
            progress.written(true);
        }
        let last = last.unwrap();
        prop_assert!(last.drained);
        prop_assert_eq!(last.gtid_set, gtids(1, order.len() as u64));
        prop_assert_eq!(progress.next(now), Next::Done);
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
    progress.written(true);
    assert_eq!(progress.next(now), Next::At(now + INTERVAL));
    progress.store_last(false);
    let last = written(&mut progress, now).unwrap();
    assert_eq!((last.mark, last.drained), (end(2).mark, false));
    progress.written(true);
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
    progress.written(false);
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
