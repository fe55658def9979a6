//! Columns that the log does not name: asked for in time, and never lost.

use super::*;

/// Two transactions of a table without names, its alteration, and a third one.
fn bare() -> (Log, u64) {
    let mut log = Log::new();
    log.transaction(&[Op::Insert("bare", vec![(1, 1)])]);
    log.transaction(&[Op::Insert("bare", vec![(2, 2)])]);
    let altered_at = log.end();
    log.ddl("ALTER TABLE shop.bare COMMENT 'x'", &["bare"]);
    log.transaction(&[Op::Insert("bare", vec![(3, 3)])]);
    (log, altered_at)
}

#[test]
fn columns_are_asked_once_until_a_statement_touches_the_table_and_leave_with_their_batch() {
    let (log, altered_at) = bare();
    for events_a_chunk in [1, 100] {
        let mut driver = Driver::new(intake(start(), Until::Never));
        driver.feed_all(&log, events_a_chunk);
        assert_eq!(driver.rows().len(), 3);
        assert_eq!(driver.questions.len(), 2, "{:?}", driver.questions);
        let [first, second] = [0, 1].map(|n| driver.questions[n].at.offset);
        assert!(first < altered_at && altered_at < second);
        let known: Vec<_> = driver
            .batches
            .iter()
            .filter_map(|batch| batch.advance.columns.as_deref())
            .collect();
        let [old, new] = known.last().expect("lists") else {
            panic!("{known:?}")
        };
        assert_eq!(old.since.offset, first);
        assert!(
            old.until
                .as_ref()
                .is_some_and(|until| altered_at < until.offset && until.offset < second)
        );
        assert_eq!((new.since.offset, &new.until), (second, &None));
    }
}

#[test]
fn what_ended_before_a_question_leaves_before_the_answer() {
    let mut log = Log::new();
    log.transaction(&small());
    let ended = log.end();
    log.transaction(&[Op::Insert("bare", vec![(1, 1)])]);
    let mut intake = intake(start(), Until::Never);
    intake.feed(concat(&log.events), Permit::empty());
    let Ok(Next::Send(batch)) = intake.next_step() else {
        panic!("no batch")
    };
    assert_eq!(batch.advance.mark().position, fixture::at(ended));
    let Ok(Next::Ask(question)) = intake.next_step() else {
        panic!("no question")
    };
    assert_eq!(question.transaction, fixture::at(ended));
    assert_eq!(question.table, fixture::name("bare"));
}

#[test]
fn a_compressed_transaction_stops_for_the_answer() {
    let mut log = Log::new();
    log.compressed(&[
        Op::Insert("a", vec![(1, 1)]),
        Op::Insert("bare", vec![(2, 2)]),
        Op::Insert("bare", vec![(3, 3)]),
    ]);
    let mut driver = Driver::new(intake(start(), Until::Never));
    driver.feed_all(&log, 100);
    assert_eq!(driver.rows(), [(1, 0), (1, 1), (1, 2)]);
    assert_eq!(driver.questions.len(), 1);
}

#[test]
fn lists_of_the_past_serve_what_is_read_again() {
    let (log, _) = bare();
    let mut driver = Driver::new(intake(start(), Until::Never));
    driver.feed_all(&log, 1);
    let known = driver
        .batches
        .iter()
        .rev()
        .find_map(|batch| batch.advance.columns.clone());
    // As from a checkpoint whose position is older than its lists.
    let from = Resume {
        columns: known.expect("lists"),
        ..start()
    };
    let mut again = Driver::new(intake(from, Until::Never));
    again.feed_all(&log, 100);
    assert_eq!(again.rows(), driver.rows());
    assert!(again.questions.is_empty(), "{:?}", again.questions);
}

#[test]
fn lists_that_changed_before_a_connection_was_lost_leave_with_the_first_batch_after_it() {
    let (log, altered_at) = bare();
    let before = log
        .events
        .iter()
        .position(|(end, _)| *end == altered_at)
        .expect("an event")
        + 1;
    let mut driver = Driver::new(intake(start(), Until::Never));
    driver.feed(concat(&log.events[..before]));
    let from = driver.intake.resume();
    // The statement is read, and the connection is lost before its batch has left.
    driver
        .intake
        .feed(concat(&log.events[before..]), Permit::empty());
    assert_eq!(from.mark, driver.intake.resume().mark);
    drop(driver.intake.next_step());
    let from = Resume {
        mark: from.mark,
        ..driver.intake.resume()
    };
    let mut again = Driver::new(intake(from, Until::Never));
    let head = [&log.events[..1], &log.events[before..]].concat();
    again.feed(concat(&head));
    let first = again
        .batches
        .first()
        .and_then(|batch| batch.advance.columns.clone());
    assert!(
        first
            .expect("lists")
            .iter()
            .any(|known| known.until.is_some())
    );
}
