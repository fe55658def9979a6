//! Transactions that are rolled back behind their rows, whole or to a savepoint, small and large.

use super::*;
use crate::fixture::query_body;

/// A part of a transaction that may be rolled back behind its rows.
#[derive(Debug, Clone)]
enum Step {
    Rows(Op),
    Savepoint(&'static str),
    RollbackTo(&'static str),
}

/// One that a server may log although it is rolled back; its end is COMMIT or ROLLBACK.
fn undoable(log: &mut Log, steps: &[Step], end: &str) {
    let start = log.begin_with(1);
    log.event(2, &query_body("", "BEGIN"));
    let (mut n, mut savepoints) = (0, Vec::new());
    let before = log.changes.len();
    for step in steps {
        match step {
            Step::Rows(op) => {
                let (map, code, body) = log.rows(op, start, &mut n);
                log.event(19, &map);
                log.event(code, &body);
            }
            Step::Savepoint(name) => {
                savepoints.retain(|(set, _, _)| set != name);
                savepoints.push((*name, n, log.changes.len()));
                log.event(2, &query_body("", &format!("SAVEPOINT `{name}`")));
            }
            Step::RollbackTo(name) => {
                let index = savepoints.iter().position(|(set, _, _)| set == name);
                savepoints.truncate(index.unwrap() + 1);
                let (_, rows, changes) = savepoints[index.unwrap()];
                n = rows;
                log.changes.truncate(changes);
                log.event(2, &query_body("", &format!("ROLLBACK TO `{name}`")));
            }
        }
    }
    if end == "ROLLBACK" {
        log.changes.truncate(before);
    }
    log.event(2, &query_body("", end));
    log.ended(start);
}

const ROWS: i32 = 6000;

/// One of 54 kB.
fn rows_event() -> Step {
    Step::Rows(Op::Insert("a", (0..ROWS).map(|row| (row, 1)).collect()))
}

fn driver(log: &Log, from: Resume) -> Driver {
    let mut driver = Driver::new(intake(from, Until::Never));
    driver.log = log.clone();
    driver
}

/// Transaction and index of each row that counts.
fn expected(log: &Log) -> Vec<(u64, u64)> {
    let transaction = |line: &str| line.split(' ').nth(1).and_then(|gtid| gtid.parse().ok());
    let changes = log.changes.iter();
    changes
        .map(|change| (transaction(&change.line).unwrap(), change.n))
        .collect()
}

#[test]
fn a_large_transaction_that_is_rolled_back_leaves_nothing_but_its_end() {
    let mut log = Log::new();
    log.transaction(&small());
    let begin = log.end();
    undoable(&mut log, &vec![rows_event(); 20], "ROLLBACK");
    let end = log.end();
    log.transaction(&small());
    let mut driver = driver(&log, start());
    driver.feed_all(&log, 5);
    assert_eq!(driver.rows(), expected(&log));
    assert_eq!(driver.rows().len(), 6);
    assert_eq!(driver.read_ahead, [fixture::at(begin)]);
    let resume = driver.intake.resume();
    assert!(end < resume.mark.position.offset);
    assert!(
        resume.gtid_set.to_string().ends_with(":1-3"),
        "{}",
        resume.gtid_set
    );
}

#[test]
fn a_small_transaction_is_judged_at_its_end_without_a_second_reading() {
    let mut log = Log::new();
    let op = |id| Step::Rows(Op::Insert("a", vec![(id, 1)]));
    let steps = [
        op(1),
        Step::Savepoint("a"),
        op(2),
        Step::RollbackTo("a"),
        op(3),
    ];
    undoable(&mut log, &steps, "COMMIT");
    undoable(&mut log, &steps, "ROLLBACK");
    let mut driver = driver(&log, start());
    driver.feed_all(&log, 1);
    assert_eq!(driver.rows(), [(1, 0), (1, 1)]);
    assert_eq!(driver.read_ahead, []);
    let last = driver.batches.iter().flat_map(|batch| &batch.items);
    let last = last.filter_map(|item| match item {
        Item::Rows(block) => block.transaction.end.get().and_then(|end| end.last),
        _ => None,
    });
    assert_eq!(last.collect::<Vec<_>>(), [1, 1]);
}

#[test]
fn rows_of_a_transaction_that_the_log_does_not_end_never_leave() {
    for ops in [2, 20] {
        let mut log = Log::new();
        undoable(&mut log, &vec![rows_event(); ops], "COMMIT");
        log.events.pop();
        let mut driver = driver(&log, start());
        driver.feed_all(&log, 3);
        assert_eq!(driver.rows(), []);
        assert!(driver.intake.is_in_transaction());
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn what_counts_leaves_once_and_in_order_from_any_place(
        steps in prop::collection::vec((0..5u8, 0..3usize), 1..24),
        is_large: bool,
        is_rolled_back: bool,
        events_a_chunk in 1..9usize,
        done in 0..u64::MAX,
    ) {
        const NAMES: [&str; 3] = ["a", "b", "c"];
        let mut set = Vec::new();
        let mut steps: Vec<_> = steps.into_iter().map(|(kind, name)| match kind {
            0 => {
                set.retain(|known| *known != NAMES[name]);
                set.push(NAMES[name]);
                Step::Savepoint(NAMES[name])
            }
            1 if set.contains(&NAMES[name]) => {
                // What was set behind it is gone.
                let index = set.iter().position(|known| *known == NAMES[name]);
                set.truncate(index.unwrap() + 1);
                Step::RollbackTo(NAMES[name])
            }
            _ if is_large => rows_event(),
            _ => Step::Rows(Op::Insert("a", vec![(1, 1), (2, 2)])),
        }).collect();
        if is_large {
            steps.extend(vec![rows_event(); 5]);
        }
        let mut log = Log::new();
        log.transaction(&small());
        let (begin, first) = (log.end(), log.events.len());
        undoable(&mut log, &steps, if is_rolled_back { "ROLLBACK" } else { "COMMIT" });
        log.transaction(&small());
        let wanted: Vec<_> = expected(&log).into_iter().skip(3).collect();
        let total = wanted.len() as u64 - 3;
        let done = done % (total + 1);
        let mut driver = driver(&log, resume(begin, if total == done { 0 } else { done }));
        let done = if total == done { 0 } else { done };
        driver.feed(log.events[0].1.clone());
        for events in log.events[first..].chunks(events_a_chunk) {
            driver.feed(concat(events));
        }
        let found = driver.rows();
        prop_assert_eq!(found.len(), wanted.len() - done as usize);
        prop_assert!(found.into_iter().eq(wanted.into_iter().skip(done as usize)));
    }
}
