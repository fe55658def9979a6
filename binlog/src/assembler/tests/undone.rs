//! What a rollback takes back, event by event.

use super::*;
use crate::{
    error::{Refusal, RefusedStatement},
    fixture::format_description,
    outcome::Outcome,
};

/// Rows of one event each, and statements where there is no number.
fn events(log: &mut Log, steps: &[&str]) -> Vec<Bytes> {
    let event = |step: &&str| match step.parse() {
        Ok(row) => vec![log.table_map(5, "shop", "orders"), log.inserts(5, &[row])],
        Err(_) if *step == "XID" => vec![log.xid()],
        Err(_) => vec![log.query("", step)],
    };
    steps.iter().flat_map(event).collect()
}

/// The first column of each row.
fn values(items: &[Item]) -> Vec<(u64, i32)> {
    let rows = items.iter().filter_map(|item| match item {
        Item::Rows(block) => Some(block),
        _ => None,
    });
    let value = |block: &RowsBlock| {
        let bytes = block.images[1..].first_chunk().copied();
        (
            block.first_row,
            i32::from_le_bytes(bytes.unwrap_or_default()),
        )
    };
    rows.map(value).collect()
}

/// What a transaction of these steps gives.
fn given(steps: &[&str]) -> Vec<(u64, i32)> {
    let mut log = Log::new();
    let mut assembler = begun(&mut log);
    let mut all = vec![log.gtid(1)];
    all.extend(events(&mut log, &[&["BEGIN"], steps].concat()));
    let items = push(&mut assembler, all);
    assert!(
        matches!(items.last(), Some(Item::Commit(end)) if end.offset == log.offset),
        "{items:?}"
    );
    values(&items)
}

fn statement(error: AssembleError) -> Box<RefusedStatement> {
    match error.cause {
        Error::Statement(statement) => statement,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_transaction_that_is_rolled_back_gives_no_rows_but_its_end() {
    assert_eq!(given(&["1", "2", "ROLLBACK"]), []);
    assert_eq!(given(&["ROLLBACK"]), []);
    assert_eq!(given(&["SAVEPOINT `a`", "1", "rollback work"]), []);
}

#[test]
fn a_rollback_to_a_savepoint_takes_back_what_follows_it_and_its_numbers() {
    for (steps, expected) in [
        (
            &["1", "SAVEPOINT `a`", "2", "ROLLBACK TO `a`", "3"][..],
            &[1, 3][..],
        ),
        (
            &[
                "1",
                "SAVEPOINT `a`",
                "2",
                "ROLLBACK TO `a`",
                "3",
                "ROLLBACK TO `a`",
                "4",
            ],
            &[1, 4],
        ),
        // Nested.
        (
            &[
                "SAVEPOINT `a`",
                "1",
                "SAVEPOINT `b`",
                "2",
                "ROLLBACK TO `b`",
                "3",
            ],
            &[1, 3],
        ),
        (
            &[
                "SAVEPOINT `a`",
                "1",
                "SAVEPOINT `b`",
                "2",
                "ROLLBACK TO `a`",
                "3",
            ],
            &[3],
        ),
        // Set again: it moves.
        (
            &[
                "SAVEPOINT `a`",
                "1",
                "SAVEPOINT `A`",
                "2",
                "ROLLBACK TO `a`",
                "3",
            ],
            &[1, 3],
        ),
        // A release takes back nothing.
        (
            &[
                "SAVEPOINT `a`",
                "1",
                "SAVEPOINT `b`",
                "2",
                "RELEASE SAVEPOINT `b`",
                "ROLLBACK TO `a`",
            ],
            &[],
        ),
        (
            &["1", "SAVEPOINT `a`", "2", "RELEASE SAVEPOINT `a`"],
            &[1, 2],
        ),
        // As a server before 5.5.3 logs what the client typed.
        (
            &[
                "1",
                "savepoint One",
                "2",
                "/* no */ rollback work to savepoint ONE",
                "3",
            ],
            &[1, 3],
        ),
        // Before any row there is nothing to take back.
        (&["ROLLBACK TO `unknown`", "1"], &[1]),
    ] {
        let found = given(&[steps, &["XID"]].concat());
        let expected: Vec<_> = (0..).zip(expected.iter().copied()).collect();
        assert_eq!(found, expected, "{steps:?}");
    }
}

#[test]
fn a_savepoint_that_is_not_known_halts_behind_the_transaction() {
    let mut log = Log::new();
    let mut assembler = begun(&mut log);
    let mut all = vec![log.gtid(1)];
    all.extend(events(
        &mut log,
        &["BEGIN", "SAVEPOINT `a`", "1", "ROLLBACK TO `b`", "2"],
    ));
    push(&mut assembler, all);
    let statement = statement(refused(&mut assembler, log.xid()));
    let name = "b".to_owned();
    assert_eq!(statement.why, Refusal::Savepoint { name });
    let end = format!("binlog.000001:{}", log.offset);
    assert_eq!(statement.next.as_ref().map(ToString::to_string), Some(end));
}

#[test]
fn what_has_left_cannot_be_taken_back() {
    for undoing in [&["ROLLBACK"][..], &["ROLLBACK TO `a`", "COMMIT"]] {
        let mut log = Log::new();
        let mut assembler = begun(&mut log);
        let mut all = vec![log.gtid(1)];
        all.extend(events(&mut log, &["BEGIN", "SAVEPOINT `a`", "1"]));
        push(&mut assembler, all);
        let mut items = push(&mut assembler, events(&mut log, &["2"]));
        let last = events(&mut log, undoing).into_iter();
        let error = last
            .map(|event| assembler.push(event, &mut items))
            .find_map(Result::err);
        let error = error.expect("an event that is refused");
        assert!(
            error
                .hint()
                .is_some_and(|hint| hint.contains("headwater position set binlog.000001:"))
        );
        assert_eq!(statement(error).why, Refusal::Sent);
    }
}

#[test]
fn doubt_is_where_a_server_may_log_a_rollback_until_it_is_foretold() {
    let in_doubt = |first: &dyn Fn(&mut Log) -> Bytes, may_be_cut: bool| {
        let mut log = Log::new();
        let settings = Settings {
            may_be_cut,
            ..Settings::default()
        };
        let mut assembler = begun_with(&mut log, settings);
        let begin = log.offset;
        let mut all = vec![first(&mut log)];
        all.extend(events(&mut log, &["BEGIN", "1"]));
        let mut items = push(&mut assembler, all);
        let doubt = assembler.doubt().map(|doubt| doubt.offset == begin);
        let outcome = Outcome::Committed { undone: Vec::new() };
        assert_eq!(assembler.foretell(outcome, &mut items), Ok(()));
        assert_eq!(assembler.doubt(), None);
        assert_eq!(values(&items), [(0, 1)]);
        doubt
    };
    let rows_only = |log: &mut Log| log.gtid(1);
    assert_eq!(in_doubt(&rows_only, false), None);
    assert_eq!(
        in_doubt(&rows_only, true),
        Some(true),
        "a file may be cut anywhere"
    );
    let with_statements = |log: &mut Log| {
        let mut body = crate::fixture::gtid_body(1, 0);
        body[0] = 1;
        log.event(33, &body)
    };
    assert_eq!(in_doubt(&with_statements, false), Some(true));
    // Before 5.7 nothing stands in front.
    assert_eq!(
        in_doubt(&|log: &mut Log| log.event(14, b"rand"), false),
        Some(false)
    );
}

#[test]
fn what_is_foretold_is_taken_off_and_left_out() {
    let steps = [
        "1",
        "SAVEPOINT `a`",
        "2",
        "3",
        "ROLLBACK TO `a`",
        "4",
        "SAVEPOINT `b`",
        "5",
        "ROLLBACK TO `b`",
        "6",
        "XID",
    ];
    // However much has been read before.
    for read in 0..steps.len() {
        let mut log = Log::new();
        let mut assembler = begun(&mut log);
        push(&mut assembler, [log.gtid(1), log.begin()]);
        let mut items = push(&mut assembler, events(&mut log, &steps[..read]));
        let undone = vec![1..3, 4..5];
        assert_eq!(
            assembler.foretell(Outcome::Committed { undone }, &mut items),
            Ok(())
        );
        for event in events(&mut log, &steps[read..]) {
            assert_eq!(assembler.push(event, &mut items), Ok(()));
        }
        assert_eq!(values(&items), [(0, 1), (1, 4), (2, 6)], "{read}");
    }
    for read in 0..3 {
        let mut log = Log::new();
        let mut assembler = begun(&mut log);
        push(&mut assembler, [log.gtid(1), log.begin()]);
        let mut items = push(&mut assembler, events(&mut log, &steps[..read]));
        assert_eq!(assembler.foretell(Outcome::RolledBack, &mut items), Ok(()));
        assert!(items.is_empty());
        let rest = events(&mut log, &["7", "ROLLBACK"]);
        let items = push(&mut assembler, rest);
        assert_eq!(told(&items), [format!("commit 1 {}", log.offset)]);
    }
}

#[test]
fn a_start_inside_a_transaction_numbers_what_counts() {
    for (rows_done, expected) in [(0, &[(0, 1), (1, 4)][..]), (1, &[(1, 4)]), (2, &[])] {
        let mut log = Log::new();
        let settings = Settings {
            rows_done,
            ..Settings::default()
        };
        let mut assembler = begun_with(&mut log, settings);
        let mut all = vec![log.gtid(1)];
        let steps = [
            "BEGIN",
            "1",
            "SAVEPOINT `a`",
            "2",
            "3",
            "ROLLBACK TO `a`",
            "4",
            "XID",
        ];
        all.extend(events(&mut log, &steps));
        assert_eq!(values(&push(&mut assembler, all)), expected, "{rows_done}");
    }
}

#[test]
fn a_transaction_that_its_file_does_not_end_was_not_committed() {
    let next_file = |created: u8| {
        let mut log = Log::new();
        let mut body = format_description("8.4.0", 1);
        body[52] = created;
        (log.event(15, &body), log)
    };
    let mut log = Log::new();
    let mut assembler = begun(&mut log);
    let begin = log.offset;
    let rotate = log.artificial(4, 0, &rotate_body("binlog.000002", 4));
    let mut all = vec![log.gtid(1)];
    all.extend(events(&mut log, &["BEGIN", "1"]));
    all.push(rotate.clone());
    let (head, mut log) = next_file(1);
    all.push(head);
    let head_end = log.offset;
    all.extend([log.gtid(2)]);
    all.extend(events(&mut log, &["BEGIN", "2", "XID"]));
    let items = push(&mut assembler, all);
    let expected = [
        format!("moved binlog.000002 {head_end}"),
        "rows shop.orders 0+1".into(),
        format!("commit 2 {}", log.offset),
    ];
    assert_eq!(told(&items), expected);
    assert_eq!(values(&items), [(0, 2)]);

    // A server that had not just started does not leave one open: something else is wrong.
    let mut log = Log::new();
    let mut assembler = begun(&mut log);
    let mut all = vec![log.gtid(1)];
    all.extend(events(&mut log, &["BEGIN", "1"]));
    all.push(rotate);
    assert_eq!(push(&mut assembler, all).len(), 0, "the position stays");
    let error = refused(&mut assembler, next_file(0).0);
    assert_eq!(error.cause, Error::UnfinishedTransaction { began: begin });
}

#[test]
fn before_5_5_2_what_may_have_been_kept_halts() {
    for (version, is_refused) in [("5.1.73", true), ("5.5.2", false)] {
        let mut log = Log::without_checksums();
        let mut assembler = Assembler::new(file(), 4);
        let mut all = vec![servers::head_before_5_6(&mut log, version)];
        all.extend(events(&mut log, &["BEGIN"]));
        all.push(log.table_map(5, "shop", "orders"));
        all.push(servers::inserts_v1(&mut log, 5, &[1]));
        let mut items = push(&mut assembler, all);
        let outcome = assembler.push(log.query("", "ROLLBACK"), &mut items);
        match is_refused {
            true => {
                let told = statement(outcome.expect_err(version)).to_string();
                assert!(told.contains("shop.orders"), "{told}");
            }
            false => assert_eq!(outcome, Ok(()), "{version}"),
        }
    }
}
