//! Outcomes of transactions read ahead.

use super::*;
use crate::fixture::{Log, payload_body, rotate_body};

/// What these steps say behind a begin; a number is so many rows events.
fn outcome(steps: &[&str]) -> Option<Outcome> {
    let mut log = Log::new();
    let rotate = log.artificial(4, 0, &rotate_body("binlog.000001", 4));
    let mut ahead = Ahead::new(1 << 20);
    let mut events = vec![rotate, log.format_description(), log.gtid(1), log.begin()];
    for step in steps {
        match step.parse::<usize>() {
            Ok(count) => events.extend((0..count).map(|row| log.inserts(5, &[row as i32]))),
            Err(_) if *step == "XID" => events.push(log.xid()),
            Err(_) if *step == "NEXT FILE" => {
                events.push(log.artificial(4, 0, &rotate_body("binlog.000002", 4)));
            }
            Err(_) => events.push(log.query("", step)),
        }
    }
    let mut outcomes = events
        .iter()
        .map(|event| ahead.push(event).expect("an event"));
    outcomes.find_map(|outcome| outcome)
}

fn committed(undone: &[(u64, u64)]) -> Option<Outcome> {
    let undone = undone.iter().map(|(start, end)| *start..*end).collect();
    Some(Outcome::Committed { undone })
}

#[test]
fn the_end_tells() {
    assert_eq!(outcome(&["3"]), None);
    assert_eq!(outcome(&["3", "XID"]), committed(&[]));
    assert_eq!(outcome(&["3", "COMMIT"]), committed(&[]));
    for end in ["ROLLBACK", "XA ROLLBACK X'31',X'',1", "NEXT FILE"] {
        assert_eq!(outcome(&["3", end]), Some(Outcome::RolledBack), "{end}");
    }
    assert_eq!(Ahead::new(1).end(), Outcome::RolledBack);
}

#[test]
fn stretches_between_a_savepoint_and_its_rollback_do_not_count() {
    let rollback = "ROLLBACK TO `a`";
    for (steps, undone) in [
        (
            &["1", "SAVEPOINT `A`", "2", rollback, "1"][..],
            &[(1, 3)][..],
        ),
        // Again: one stretch. What stands between two stays.
        (
            &["1", "SAVEPOINT `a`", "2", rollback, "1", rollback],
            &[(1, 4)],
        ),
        (
            &[
                "SAVEPOINT `a`",
                "1",
                rollback,
                "1",
                "SAVEPOINT `a`",
                "1",
                rollback,
            ],
            &[(0, 1), (2, 3)],
        ),
        // A stretch within another one.
        (
            &[
                "SAVEPOINT `a`",
                "1",
                "SAVEPOINT `b`",
                "1",
                "ROLLBACK TO `b`",
                "1",
                rollback,
            ],
            &[(0, 3)],
        ),
        (&["1", "SAVEPOINT `a`", rollback, "1"], &[]),
        (&["1", "SAVEPOINT `a`", "1", "RELEASE SAVEPOINT `a`"], &[]),
    ] {
        assert_eq!(
            outcome(&[steps, &["XID"]].concat()),
            committed(undone),
            "{steps:?}"
        );
    }
}

#[test]
fn what_cannot_be_told_sends_nothing_ahead_of_its_reason() {
    let steps = ["SAVEPOINT `a`", "1", "ROLLBACK TO `b`", "XID"];
    assert_eq!(outcome(&steps), Some(Outcome::RolledBack));
}

#[test]
fn what_has_no_end_or_no_events_of_its_own_is_refused() {
    let mut log = Log::new();
    let mut ahead = Ahead::new(1 << 20);
    for event in [log.format_description(), log.gtid(1), log.begin()] {
        assert_eq!(ahead.push(&event), Ok(None));
    }
    assert!(
        ahead
            .push(&log.event(40, &payload_body(255, b"", 0)))
            .is_err()
    );
    assert!(ahead.push(&log.gtid(2)).is_err());
    let mut damaged = log.xid().to_vec();
    damaged[20] ^= 1;
    assert!(matches!(
        ahead.push(&damaged.into()),
        Err(Error::Checksum { .. })
    ));
}

#[test]
fn parts_that_do_not_touch_have_a_limit() {
    let mut ahead = Ahead::new(1 << 20);
    let mut undo = |mark: u64| {
        ahead.rows_events = mark + 1;
        ahead.undo(mark)
    };
    let refused = (0..=UNDONE_MAX as u64)
        .map(|number| undo(2 * number))
        .find_map(Result::err);
    assert!(matches!(refused, Some(Error::Refused(_))));
}
