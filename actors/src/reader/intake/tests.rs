//! The intake under a budget that refuses instead of waiting: what would wait here would wait for ever.

mod columns;
mod had;
mod shared;
mod undone;

use headwater_binlog::{
    gtid::{GtidSet, GtidSource, Uuid},
    xa::Prepared,
};
use proptest::prelude::*;

use super::*;
use crate::{
    budget::ByteBudget,
    fixture::{self, Log, Op},
};

fn start() -> Resume {
    resume(4, 0)
}

fn resume(offset: u64, rows_done: u64) -> Resume {
    let mut resume = Resume::at(fixture::at(offset), GtidSet::default());
    resume.mark.rows_done = rows_done;
    resume
}

fn intake(from: Resume, until: Until) -> Intake {
    Intake::new(from, until, &ReadRules::default())
}

fn concat(events: &[(u64, Bytes)]) -> Bytes {
    let events: Vec<&[u8]> = events.iter().map(|(_, event)| &event[..]).collect();
    events.concat().into()
}

/// Plays the Reader under a budget: what could not be granted at once would wait for ever.
struct Driver {
    intake: Intake,
    budget: ByteBudget,
    batches: Vec<SourceBatch>,
    grants: usize,
    questions: Vec<Question>,
    is_reached: bool,
    wanted: Vec<Prepared>,
    /// What is read ahead.
    log: Log,
    read_ahead: Vec<Position>,
}

impl Driver {
    fn new(intake: Intake) -> Self {
        Self {
            intake,
            budget: ByteBudget::new(4 << 20),
            batches: Vec::new(),
            grants: 0,
            questions: Vec::new(),
            is_reached: false,
            wanted: Vec::new(),
            log: Log::new(),
            read_ahead: Vec::new(),
        }
    }

    fn feed(&mut self, chunk: Bytes) {
        let permit = self
            .budget
            .try_take_weighed(chunk.len())
            .expect("a free budget");
        self.intake.feed(chunk, permit);
        self.run();
    }

    fn feed_part(&mut self, part: Bytes) {
        let permit = self
            .budget
            .try_take_weighed(part.len())
            .expect("a free budget");
        self.intake.feed_part(part, permit);
        self.run();
    }

    /// An event of its own read, in parts of so many bytes.
    fn feed_in_parts(&mut self, event: &Bytes, part_bytes: usize) {
        let mut rest = event.clone();
        while !rest.is_empty() {
            self.feed_part(rest.split_to(part_bytes.min(rest.len())));
        }
    }

    fn run(&mut self) {
        loop {
            match self.intake.next_step().unwrap() {
                Next::Send(mut batch) => {
                    // Delivered at once.
                    batch.permit = Permit::empty();
                    assert_eq!(batch.advance.mark(), &self.intake.resume().mark);
                    self.batches.push(batch);
                }
                Next::Grant(bytes) => {
                    self.grants += 1;
                    let permit = self.budget.try_take_weighed(bytes).expect("a free budget");
                    self.intake.grant(permit);
                }
                Next::Ask(question) => {
                    self.questions.push(question);
                    let list = Arc::new(fixture::column_list());
                    self.intake.learn(Answer::Listed(list));
                }
                Next::Read => return,
                Next::ReadAhead(begin) => {
                    let outcome = read_ahead(&self.log, begin.offset);
                    self.intake.foretell(outcome).unwrap();
                    self.read_ahead.push(begin);
                }
                Next::OpenPrepared(prepared) => {
                    self.wanted.push(prepared);
                    self.intake.prepared_opened(StreamKind::Files);
                    return;
                }
                Next::Reached => {
                    self.is_reached = true;
                    return;
                }
            }
        }
    }

    fn feed_all(&mut self, log: &Log, events_a_chunk: usize) {
        for events in log.events.chunks(events_a_chunk) {
            if !self.is_reached {
                self.feed(concat(events));
            }
        }
    }

    fn rows(&self) -> Vec<(u64, u64)> {
        self.batches.iter().flat_map(rows).collect()
    }
}

/// As the Reader does on a stream of its own.
fn read_ahead(log: &Log, begin: u64) -> Outcome {
    let index = log.events.iter().position(|(end, _)| *end == begin);
    let events = &log.events[index.expect("a boundary") + 1..];
    let mut ahead = headwater_binlog::outcome::Ahead::new(1 << 20);
    for (_, event) in log.events[..1].iter().chain(events) {
        if let Some(outcome) = ahead.push(event).unwrap() {
            return outcome;
        }
    }
    ahead.end()
}

/// Transaction and index of every row.
fn rows(batch: &SourceBatch) -> Vec<(u64, u64)> {
    let mut rows = Vec::new();
    for item in &batch.items {
        if let Item::Rows(block) = item {
            let gtid = block.transaction.gtid.as_ref().unwrap().number();
            rows.extend((0..u64::from(block.row_count)).map(|row| (gtid, block.first_row + row)));
        }
    }
    rows
}

fn commits(batch: &SourceBatch) -> usize {
    let is_commit = |item: &&Item| matches!(item, Item::Commit(_));
    batch.items.iter().filter(is_commit).count()
}

/// `events` rows events of a thousand rows each.
fn giant(events: i32) -> Vec<Op> {
    (0..events)
        .map(|event| Op::Insert("a", (0..1000).map(|row| (event, row)).collect()))
        .collect()
}

fn small() -> Vec<Op> {
    vec![
        Op::Insert("a", vec![(1, 1), (2, 2)]),
        Op::Insert("b", vec![(3, 3)]),
    ]
}

#[test]
fn a_batch_ends_at_a_boundary_and_a_small_open_transaction_waits() {
    let mut log = Log::new();
    log.transaction(&small());
    let first = log.events.len();
    log.transaction(&small());
    let mut driver = Driver::new(intake(start(), Until::Never));
    driver.feed(concat(&log.events[..first + 4]));
    assert_eq!(driver.rows(), [(1, 0), (1, 1), (1, 2)]);
    let boundary = log.events[first - 1].0;
    assert_eq!(
        driver.batches[0].advance.mark().position,
        fixture::at(boundary)
    );
    assert_eq!(commits(&driver.batches[0]), 1);
    driver.feed(concat(&log.events[first + 4..]));
    assert_eq!(driver.batches.len(), 2);
    assert_eq!(rows(&driver.batches[1]), [(2, 0), (2, 1), (2, 2)]);
    assert_eq!(
        driver.batches[1].advance.mark().position,
        fixture::at(log.end())
    );
}

#[test]
fn what_waits_holds_neither_its_chunk_nor_more_bytes_than_it_has() {
    let mut log = Log::new();
    log.transaction(&small());
    let first = log.events.len();
    log.transaction(&small());
    let mut driver = Driver::new(intake(start(), Until::Never));
    let chunk = concat(&log.events[..first + 4]);
    driver.feed(chunk.clone());
    driver.batches.clear();
    assert!(chunk.is_unique());
    assert_eq!(driver.budget.bytes_in_use(), 64);
}

#[test]
fn a_giant_transaction_leaves_in_slices_that_say_how_far_they_go() {
    let mut log = Log::new();
    log.transaction(&small());
    let begin = log.end();
    log.transaction(&giant(80));
    let mut driver = Driver::new(intake(start(), Until::Never));
    driver.feed_all(&log, 10);
    let expected = (0..3).map(|n| (1, n)).chain((0..80_000).map(|n| (2, n)));
    assert!(driver.rows().into_iter().eq(expected));
    let (last, inside) = driver.batches.split_last().unwrap();
    assert!(inside.len() >= 2, "{}", inside.len());
    let mut done = 0;
    for batch in &inside[1..] {
        assert_eq!(batch.advance.mark().position, fixture::at(begin));
        done += rows(batch).len() as u64;
        assert_eq!(batch.advance.mark().rows_done, done);
    }
    assert_eq!(
        (
            last.advance.mark().position.offset,
            last.advance.mark().rows_done
        ),
        (log.end(), 0)
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn a_start_inside_a_transaction_leaves_out_exactly_what_is_done(
        sizes in prop::collection::vec(1..4i32, 1..6),
        done in 0..16u64,
        events_a_chunk in 1..9usize,
        is_compressed: bool,
    ) {
        let mut log = Log::new();
        log.transaction(&small());
        let (begin, first) = (log.end(), log.events.len());
        let ops: Vec<Op> = sizes
            .iter()
            .map(|rows| Op::Insert("a", (0..*rows).map(|row| (row, row)).collect()))
            .collect();
        match is_compressed {
            true => log.compressed(&ops),
            false => log.transaction(&ops),
        }
        log.transaction(&small());
        let total = sizes.iter().sum::<i32>() as u64;
        let done = done % total;
        let mut driver = Driver::new(intake(resume(begin, done), Until::Never));
        driver.feed(log.events[0].1.clone());
        for events in log.events[first..].chunks(events_a_chunk) {
            driver.feed(concat(events));
        }
        let expected: Vec<_> = (done..total).map(|n| (2, n)).chain((0..3).map(|n| (3, n))).collect();
        prop_assert_eq!(driver.rows(), expected);
    }

    #[test]
    fn until_cuts_at_the_first_boundary_that_is_far_enough(place in 0..6u64, events_a_chunk in 1..30usize, by_gtid: bool) {
        let mut log = Log::new();
        let mut ends = vec![log.end()];
        for _ in 0..6 {
            log.transaction(&small());
            ends.push(log.end());
        }
        let mut gtids = GtidSet::default();
        if place > 0 {
            let source = GtidSource::untagged(Uuid(fixture::SOURCE));
            gtids.add_range(&source, 1, place).unwrap();
        }
        let end = ends[place as usize];
        let until = match by_gtid {
            true => Until::Gtids(gtids),
            // Inside the last transaction wanted, or at its end.
            false => Until::Position(fixture::at(end - (place % 2) * 30)),
        };
        let mut driver = Driver::new(intake(start(), until));
        driver.feed_all(&log, events_a_chunk);
        prop_assert!(driver.is_reached);
        let wanted: Vec<_> = (1..=place).flat_map(|gtid| (0..3).map(move |n| (gtid, n))).collect();
        prop_assert_eq!(driver.rows(), wanted);
        // No GTID at all is had from the start.
        let begin = if by_gtid && place == 0 { 4 } else { end };
        prop_assert_eq!(&driver.intake.resume().mark.position, &fixture::at(begin));
    }
}

#[test]
fn a_compressed_transaction_is_unpacked_under_grants_and_ends_with_its_commit() {
    let mut log = Log::new();
    log.compressed(&giant(100));
    let mut driver = Driver::new(intake(start(), Until::Never));
    driver.feed_all(&log, 100);
    assert!(driver.rows().into_iter().eq((0..100_000).map(|n| (1, n))));
    assert!(driver.grants >= 3, "{}", driver.grants);
    let last = driver.batches.last().unwrap();
    assert_eq!(commits(last), 1);
    // Known at once, not only when more is read.
    assert_eq!(driver.intake.resume().mark.position, fixture::at(log.end()));
    assert!(!driver.intake.resume().gtid_set.is_empty());
}

#[test]
fn a_compressed_transaction_in_parts_needs_no_more_than_its_parts_and_slices() {
    let mut log = Log::new();
    log.transaction(&small());
    let before = log.events.len();
    let begin = log.end();
    log.compressed(&giant(200));
    let payload = log.events.len() - 1;
    log.transaction(&small());
    for done in [0, 150_500] {
        let mut driver = Driver::new(intake(resume(begin, done), Until::Never));
        // Half of the event.
        driver.budget = ByteBudget::new(1 << 20);
        driver.feed(log.events[0].1.clone());
        driver.feed(concat(&log.events[before..payload]));
        let event = &log.events[payload].1;
        assert!(event.len() > 3 << 19, "{}", event.len());
        driver.feed_in_parts(event, 128 << 10);
        driver.feed(concat(&log.events[payload + 1..]));
        let expected = (done..200_000).map(|n| (2, n));
        assert!(
            driver
                .rows()
                .into_iter()
                .eq(expected.chain((0..3).map(|n| (3, n))))
        );
        let inside = driver.batches.iter().filter(|batch| {
            batch.advance.mark().position == fixture::at(begin)
                && batch.advance.mark().rows_done > done
        });
        assert!(inside.count() > if done == 0 { 3 } else { 0 });
        driver.batches.clear();
        assert_eq!(driver.budget.bytes_in_use(), 0);
    }
}

#[test]
fn rows_that_are_skipped_pile_up_no_bytes() {
    for is_compressed in [false, true] {
        let mut log = Log::new();
        let begin = log.end();
        let ops = giant(700);
        match is_compressed {
            true => log.compressed(&ops),
            false => log.transaction(&ops),
        }
        let mut driver = Driver::new(intake(resume(begin, 699_999), Until::Never));
        if is_compressed {
            // The event itself is larger than what its slices take.
            driver.budget = ByteBudget::new(8 << 20);
        }
        driver.feed_all(&log, 40);
        assert_eq!(driver.rows(), [(1, 699_999)]);
        driver.batches.clear();
        assert_eq!(driver.budget.bytes_in_use(), 0);
    }
}

#[test]
fn an_event_whose_length_is_wrong_is_refused_with_its_place() {
    for length in [0u32, 5, 10_000] {
        let mut log = Log::new();
        let mut event = log.events.remove(0).1.to_vec();
        event[9..13].copy_from_slice(&length.to_le_bytes());
        let mut intake = intake(start(), Until::Never);
        intake.feed(event.into(), Permit::empty());
        let failure = intake.next_step().unwrap_err();
        assert!(failure.is_definite());
        assert!(failure.to_string().contains("binlog.000001:4"), "{failure}");
    }
}

#[test]
fn what_ended_before_an_unreadable_event_leaves_before_the_failure() {
    let mut log = Log::new();
    log.transaction(&small());
    log.transaction(&small());
    let mut bytes = concat(&log.events).to_vec();
    bytes.extend_from_slice(&[0; 25]);
    let mut intake = intake(start(), Until::Never);
    intake.feed(bytes.into(), Permit::empty());
    let Ok(Next::Send(batch)) = intake.next_step() else {
        panic!("the transactions do not leave");
    };
    assert_eq!(commits(&batch), 2);
    assert_eq!(batch.advance.mark(), &intake.resume().mark);
    assert!(intake.next_step().is_err());
}

proptest! {
    #[test]
    fn an_end_inside_a_transaction_is_met_exactly(
        rows_done in 1..7u64,
        is_compressed: bool,
        cuts in prop::collection::vec(1..4usize, 12),
    ) {
        let mut log = Log::new();
        log.transaction(&[Op::Insert("a", vec![(1, 1)])]);
        let ops = [
            Op::Insert("a", vec![(2, 2), (3, 3)]),
            Op::Insert("b", vec![(4, 4), (5, 5)]),
            Op::Insert("a", vec![(6, 6), (7, 7), (8, 8)]),
        ];
        if is_compressed { log.compressed(&ops) } else { log.transaction(&ops) }
        log.transaction(&[Op::Insert("a", vec![(9, 9)])]);
        let begin = log.changes[1].start;
        let end = Mark { position: fixture::at(begin), rows_done };
        let mut reading = intake(start(), Until::Mark(end.clone()));
        let filter = crate::filter::TableFilter::new(&["*.a".into()]).unwrap();
        reading.set_wanted(filter.into());
        let mut driver = Driver::new(reading);
        let mut events = &log.events[..];
        for cut in cuts {
            let (now, later) = events.split_at(cut.min(events.len()));
            if !driver.is_reached && !now.is_empty() {
                driver.feed(concat(now));
            }
            events = later;
        }
        prop_assert!(driver.is_reached);
        prop_assert_eq!(driver.batches.last().unwrap().advance.mark(), &end);
        let mut rows = Vec::new();
        for item in driver.batches.iter().flat_map(|batch| &batch.items) {
            if let Item::Rows(block) = item {
                let first = (block.transaction.offset, block.first_row);
                rows.extend((0..u64::from(block.row_count)).map(|row| (first.0, first.1 + row)));
            }
        }
        let wanted: Vec<(u64, u64)> = log.changes.iter()
            .filter(|change| change.table == "shop.a")
            .map(|change| (change.start, change.n))
            .filter(|(at, n)| *at < begin || (*at == begin && *n < rows_done))
            .collect();
        prop_assert_eq!(rows, wanted);
        // The rest goes on from there.
        let from = driver.intake.resume();
        prop_assert_eq!(&from.mark, &end);
    }
}
