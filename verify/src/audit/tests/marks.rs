//! What is said of snapshots, case by case.

use super::*;

/// Behind change `at`.
fn base(at: u64, attempt: u32, number: u64, row: &str) -> String {
    mark("snapshot", (at, attempt, number), row)
}

fn mark(kind: &str, (at, attempt, number): (u64, u32, u64), rest: &str) -> String {
    format!(
        r#"{{"type":"{kind}","database":"shop","table":"t","id":"snapshot:fix:{attempt}:f:{at}/{number}","seq":"00000001.00000001.{at:016x}.{attempt:08x}.{number:016x}","run":"fix",{rest}}}"#
    )
}

fn judged(lines: &[String], counter: Option<&str>) -> Report {
    let mut audit = Audit::new(AuditRules {
        counter: counter.map(str::to_owned),
        ..AuditRules::default()
    });
    for line in lines {
        take(&mut audit, "s", "shop.t", line);
    }
    audit.finish()
}

fn row(n: i64) -> String {
    format!(r#""key":{{"id":1}},"data":{{"id":1,"n":{n}}}"#)
}

fn update(at: u64, n: i64) -> String {
    event(
        "update",
        at,
        &format!(r#"{},"old":{{"n":{}}}"#, row(n), n - 1),
    )
}

#[test]
fn a_finding_names_the_row_of_the_snapshot_and_what_may_be_wrong() {
    let lines = [update(1, 5), base(1, 1, 0, &row(7))];
    let report = judged(&lines, None);
    assert_eq!((report.missing, report.wrong_values), (0, 1), "{report}");
    let found = &report.examples[0];
    assert_eq!(found.id, "snapshot:fix:1:f:1/0");
    assert!(
        found.what.contains("the source changed it without logging"),
        "{found}"
    );

    // A counter tells which.
    let report = judged(&lines, Some("n"));
    assert_eq!((report.missing, report.wrong_values), (2, 0), "{report}");
    let report = judged(&[update(1, 5), base(1, 1, 0, &row(4))], Some("n"));
    assert_eq!((report.missing, report.wrong_values), (0, 1), "{report}");
}

#[test]
fn a_later_snapshot_names_the_keys_that_the_source_changed_without_logging_it() {
    let of = |id: u64, n: u64| format!(r#""key":{{"id":{id}}},"data":{{"id":{id},"n":{n}}}"#);
    let first = (0..5).map(|id| base(1, 1, id, &of(id, 0)));
    let second = (0..5).map(|id| base(9, 2, id, &of(id, u64::from(id == 3))));
    let lines: Vec<String> = first.chain(second).collect();
    let report = judged(&lines, None);
    assert_eq!(report.wrong_values, 1, "{report}");
    assert_eq!(report.examples[0].id, "snapshot:fix:2:f:9/3");
    assert_eq!(report.keys, 5);
}

#[test]
fn a_row_from_before_a_snapshot_that_the_snapshot_lacks_is_a_deletion_that_is_missing() {
    let end = |begin: u64| {
        let begin = format!("00000001.00000001.{begin:016x}.00000000");
        mark(
            "snapshot_end",
            (9, 1, 1),
            &format!(r#""rows":1,"begin_seq":"{begin}""#),
        )
    };
    let other = base(9, 1, 0, r#""key":{"id":2},"data":{"id":2,"n":1}"#);
    let deletion = event("delete", 3, &row(5));
    let partition = event("ddl", 3, r#""statement":"ALTER TABLE t DROP PARTITION p""#);
    for (between, begin, missing) in [
        (None, 4, 1),
        (None, 1, 0),
        (Some(deletion), 4, 0),
        (Some(partition), 4, 0),
        (Some(base(8, 1, 0, &row(5))), 4, 0),
    ] {
        let first = [Some(update(1, 5)), between].into_iter().flatten();
        let lines: Vec<String> = first.chain([other.clone(), end(begin)]).collect();
        let report = judged(&lines, None);
        assert_eq!(report.missing, missing, "{lines:?}: {report}");
        assert_eq!(report.is_clean(), missing == 0);
    }
    let unreadable = mark("snapshot_end", (9, 1, 1), r#""rows":0,"begin_seq":"9""#);
    assert!(!judged(&[unreadable], None).is_clean());
}

#[test]
fn a_statement_between_the_last_change_and_the_row_explains_other_values() {
    let alter = event("ddl", 2, r#""statement":"ALTER TABLE t ADD b INT""#);
    let wider = r#""key":{"id":1},"data":{"id":1,"n":5,"b":null}"#;
    let report = judged(&[update(1, 5), alter, base(2, 1, 0, wider)], None);
    assert!(report.is_clean(), "{report}");
    let truncate = event("truncate", 2, r#""statement":"TRUNCATE t""#);
    let report = judged(&[update(1, 5), truncate, base(2, 1, 0, &row(1))], Some("n"));
    assert!(report.is_clean(), "{report}");
}

#[test]
fn whole_rows_of_a_snapshot_show_that_the_logs_images_are_partial() {
    let partial = event("update", 3, r#""key":{"id":1},"data":{"n":2},"old":{}"#);
    let lines = [
        base(1, 1, 0, &row(1)),
        partial,
        base(3, 2, 0, &row(9)),
        base(3, 2, 1, r#""key":{"id":2},"data":{"id":2,"n":1}"#),
    ];
    let report = judged(&lines, None);
    assert!(report.is_clean(), "{report}");
    assert!(report.tables["shop.t"].is_partial);
}

#[test]
fn a_replay_may_leave_out_what_an_earlier_launch_read_and_it_must_not_come_again() {
    let insert = |at: u64| {
        event(
            "insert",
            at,
            &format!(r#""key":{{"id":{at}}},"data":{{"id":{at}}}"#),
        )
    };
    let read = |at, attempt| base(at, attempt, 0, r#""key":{"id":90},"data":{"id":90}"#);
    let killed = [insert(1), read(1, 1), insert(2), insert(1), insert(2)];
    let report = judged(&[&killed[..], &[read(2, 2), insert(3)]].concat(), None);
    assert!(report.is_clean(), "{report}");
    assert_eq!((report.duplicates, report.replays), (2, 1));

    // In one launch nothing is left out.
    let report = judged(&[&killed[..], &[read(2, 1)]].concat(), None);
    assert_eq!(report.order_violations, 1, "{report}");
    let report = judged(&[&killed[..], &[read(1, 1)]].concat(), None);
    assert_eq!(report.order_violations, 1, "not as a repetition either");
}

#[test]
fn the_end_of_a_snapshot_counts_different_lines_by_run_and_table() {
    let end = |rows: u64| mark("snapshot_end", (2, 1, 9), &format!(r#""rows":{rows}"#));
    let rows = [
        base(1, 1, 0, r#""key":{"id":1},"data":{"id":1}"#),
        base(1, 1, 1, r#""data":{"a":1}"#),
    ];
    for (said, missing) in [(1, 0), (2, 0), (5, 3)] {
        let report = judged(&[&rows[..], &[end(said)]].concat(), None);
        assert_eq!(report.missing, missing, "{report}");
        assert_eq!((report.snapshot_rows, report.others), (2, 1));
    }
    let twice = [&rows[..], &rows, &[end(3)]].concat();
    assert_eq!(judged(&twice, None).missing, 1);
    let text = judged(&[&rows[..], &[end(5)]].concat(), None).to_string();
    assert!(
        text.contains("snapshot \"fix\" of shop.t: 2 of 5 rows"),
        "{text}"
    );
}

#[test]
fn a_row_that_is_read_behind_later_changes_of_another_shard_is_used_where_it_can_be() {
    for (row_of_base, wrong) in [(row(4), 0), (row(3), 1)] {
        let mut audit = Audit::new(AuditRules::default());
        take(&mut audit, "s1", "shop.t/0", &update(5, 5));
        take(&mut audit, "s2", "shop.t/1", &base(4, 1, 0, &row_of_base));
        // What is older than it is judged by others.
        take(&mut audit, "s2", "shop.t/1", &base(2, 1, 0, &row(1)));
        let report = audit.finish();
        assert_eq!(report.missing, wrong, "{report}");
    }
}

#[test]
fn a_snapshot_in_a_target_of_its_own_has_lanes_of_its_own() {
    for is_apart in [true, false] {
        let mut audit = Audit::new(AuditRules::default());
        for line in [update(1, 5), update(7, 6)] {
            take(&mut audit, "s", "shop.t", &line);
        }
        if is_apart {
            audit.begin_target();
        }
        take(&mut audit, "s", "shop.t", &base(1, 1, 0, &row(5)));
        let report = audit.finish();
        assert_eq!(report.order_violations, u64::from(!is_apart), "{report}");
        assert_eq!(report.missing + report.wrong_values, 0);
    }
}

#[test]
fn a_table_is_copied_when_its_snapshot_has_ended_and_no_statement_has_moved_rows_meanwhile() {
    let end = |at| mark("snapshot_end", (at, 1, 0), r#""rows":0"#);
    let alter = event("ddl", 4, r#""statement":"ALTER TABLE t ADD b INT""#);
    let rename = event("ddl", 4, r#""statement":"RENAME TABLE u TO t""#);
    let column = event(
        "ddl",
        4,
        r#""statement":"ALTER TABLE t RENAME COLUMN a TO b""#,
    );
    let partition = event("ddl", 4, r#""statement":"ALTER TABLE t DROP PARTITION p""#);
    for (lines, is_copied) in [
        (vec![end(3)], true),
        (vec![end(3), alter], true),
        (vec![end(3), rename.clone()], false),
        (vec![rename, end(5)], true),
        (vec![base(3, 1, 0, &row(1))], false),
        // The rows before it are still those of the table, and nobody can tell.
        (vec![base(3, 1, 0, &row(1)), partition, end(5)], false),
        (vec![base(3, 1, 0, &row(1)), column, end(5)], true),
    ] {
        let mut audit = Audit::new(AuditRules::default());
        for line in &lines {
            take(&mut audit, "s", "shop.t", line);
        }
        assert_eq!(audit.copied("fix") == ["shop.t"], is_copied, "{lines:?}");
        assert!(audit.copied("tables").is_empty());
    }
}
