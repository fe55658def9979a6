//! The segments of a batch, against the stretch of the log that the batch says it is.

use super::*;
use crate::{
    budget::ByteBudget,
    progress::Resume,
    reader::intake::{Intake, Next},
    reading::{ReadRules, Until},
};

/// What the Reader would send, from chunks of so many events.
fn batches(log: &Log, events_a_chunk: usize) -> Vec<(Vec<Item>, Advance)> {
    let from = Resume::at(fixture::at(4), Default::default());
    let mut intake = Intake::new(from, Until::Never, &ReadRules::default());
    let budget = ByteBudget::new(64 << 20);
    let mut batches = Vec::new();
    for events in log.events.chunks(events_a_chunk) {
        let chunk: Vec<&[u8]> = events.iter().map(|(_, event)| &event[..]).collect();
        let permit = budget.try_take_weighed(1 << 20).expect("a free budget");
        intake.feed(chunk.concat().into(), permit);
        while let Next::Send(batch) = intake.next_step().unwrap() {
            batches.push((batch.items, batch.advance));
        }
    }
    batches
}

#[test]
fn the_mark_reaches_the_end_of_a_slice_whose_last_rows_nobody_wants() {
    let mut log = Log::new();
    log.transaction(&[
        Op::Insert("a", vec![(1, 1)]),
        Op::Insert("excluded", vec![(2, 2)]),
    ]);
    let mut items = log.items();
    items.pop();
    let mut splitter = splitter(OrderingKey::Table);
    let start = log.changes[0].start;
    let end = Mark {
        position: fixture::at(start),
        rows_done: 2,
    };
    let mut batch = Advance::at(splitter.mark().clone());
    batch.reach(end.clone());
    let segments = splitter.split(items, &batch).unwrap();
    assert_eq!(segments.last().unwrap().advance.mark(), &end);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn the_segments_of_a_batch_add_up_to_it(
        changes in prop::collection::vec((0..5u8, 1..9i32), 1..12),
        events_a_chunk in 1..12usize,
        is_keyed: bool,
    ) {
        let mut log = Log::new();
        for (kind, rows) in changes {
            match kind {
                0 => log.ddl("ALTER TABLE a ADD x INT", &[]),
                1 => log.transaction(&[insert("excluded", rows)]),
                2 => log.transaction(&[insert("a", rows), insert("b", rows), insert("excluded", 1)]),
                3 => log.transaction(&[update_moving(0..rows, &[0])]),
                // More than is held back: it goes in slices.
                _ => log.transaction(&(0..40).map(|_| insert("b", 1000)).collect::<Vec<_>>()),
            }
        }
        let ordering = match is_keyed {
            true => OrderingKey::PrimaryKey { lanes: LANES },
            false => OrderingKey::Table,
        };
        let mut splitter = splitter(ordering);
        for (items, batch) in batches(&log, events_a_chunk) {
            let mut sum = Advance::at(splitter.mark().clone());
            for segment in splitter.split(items, &batch).unwrap() {
                sum.merge(segment.advance).unwrap();
            }
            prop_assert_eq!(sum, batch);
        }
        prop_assert_eq!(&splitter.mark().position, &fixture::at(log.end()));
    }
}
