//! The judge is judged: clean runs pass, and each kind of fault is found.

use super::*;
use crate::facts::{Change, Kind};

fn line(n: u64, key: u64) -> String {
    format!(
        r#"{{"type":"insert","database":"shop","table":"orders","id":"u:1/{n}","seq":"00000001.00000001.0000000000000100.{n:08x}","key":{{"id":{key}}},"data":{{}}}}"#
    )
}

fn judged(order: &[u64]) -> Verdict {
    let mut judge = Judge::new();
    for n in order {
        judge.read_line(line(*n, *n).as_bytes()).unwrap();
    }
    let change = |n| Change {
        id: format!("u:1/{n}"),
        table: "shop.orders".into(),
        kind: Kind::Insert,
        file: "binlog.000001".into(),
        offset: 4,
    };
    judge.against(&Facts {
        changes: (0..6).map(change).collect(),
    })
}

#[test]
fn all_changes_once_and_in_order_are_clean() {
    let verdict = judged(&[0, 1, 2, 3, 4, 5]);
    assert!(verdict.is_clean(), "{verdict}");
    assert_eq!((verdict.changes(), verdict.duplicates), (6, 0));
}

#[test]
fn a_contiguous_replay_is_clean_and_counted() {
    let verdict = judged(&[0, 1, 2, 3, 1, 2, 1, 2, 3, 4, 5]);
    assert!(verdict.is_clean(), "{verdict}");
    assert_eq!((verdict.duplicates, verdict.replays), (5, 2));
}

#[test]
fn a_gap_is_missing() {
    let verdict = judged(&[0, 1, 3, 4, 5]);
    assert_eq!(
        (verdict.missing, verdict.order_violations),
        (1, 0),
        "{verdict}"
    );
    assert!(
        verdict
            .ensure_clean()
            .unwrap_err()
            .to_string()
            .contains("u:1/2")
    );
}

#[test]
fn a_gap_filled_later_is_out_of_order() {
    let verdict = judged(&[0, 1, 3, 2, 4, 5]);
    assert_eq!(verdict.missing, 0);
    assert!(verdict.order_violations > 0, "{verdict}");
}

#[test]
fn a_replay_that_leaves_something_out_is_a_violation() {
    assert_eq!(judged(&[0, 1, 2, 3, 0, 2, 3, 4, 5]).order_violations, 1);
}

#[test]
fn a_new_change_inside_a_replay_is_a_violation() {
    assert_eq!(judged(&[0, 1, 2, 3, 1, 4, 5]).order_violations, 1);
}

#[test]
fn an_invented_change_is_unexpected() {
    assert_eq!(judged(&[0, 1, 2, 3, 4, 5, 6]).unexpected, 1);
}

#[test]
fn a_key_whose_seq_falls_is_a_violation_also_across_lanes_of_a_shard() {
    let mut judge = Judge::new();
    let record = |lane: &str, n| Record {
        shard: "shardId-000000000000".to_owned(),
        sequence_number: "1".to_owned(),
        partition_key: lane.to_owned(),
        data: format!("{}\n", line(n, 7)).into(),
        arrival: std::time::UNIX_EPOCH,
        seen: std::time::UNIX_EPOCH,
    };
    judge.read_record(&record("shop.orders/0", 3)).unwrap();
    judge.read_record(&record("shop.orders/1", 2)).unwrap();
    assert_eq!(judge.verdict().order_violations, 1);
}

#[test]
fn a_replay_from_a_new_epoch_is_a_replay() {
    let mut judge = Judge::new();
    let later = |n| line(n, n).replace("\"seq\":\"00000001", "\"seq\":\"00000002");
    for line in [line(0, 0), line(1, 1), later(1), later(2)] {
        judge.read_line(line.as_bytes()).unwrap();
    }
    let verdict = judge.verdict();
    assert!(verdict.is_clean(), "{verdict}");
    assert_eq!(verdict.duplicates, 1);
}

#[test]
fn what_is_no_native_line_is_an_error() {
    for bytes in [
        "{",
        "{}",
        r#"{"type":"insert","id":"u:1/0","seq":"1.2.3.4"}"#,
    ] {
        assert!(Judge::new().read_line(bytes.as_bytes()).is_err(), "{bytes}");
    }
}

/// A row as it was read behind `at`, its end, and a change in front and behind: with values, for images.
fn copied(row_of_key_one: u64, rows_said: u64) -> Vec<String> {
    let change = |n: u64, kind: &str, rest: &str| {
        format!(
            r#"{{"type":"{kind}","database":"shop","table":"orders","id":"u:1/{n}","seq":"00000001.00000001.0000000000000100.{n:08x}",{rest}}}"#
        )
    };
    let mark = |n: u64, kind: &str, rest: &str| {
        format!(
            r#"{{"type":"{kind}","database":"shop","table":"orders","id":"snapshot:tables:1:f:260/{n}","seq":"00000001.00000001.0000000000000104.00000001.{n:016x}",{rest}}}"#
        )
    };
    let row = |key: u64, a: u64| format!(r#""key":{{"id":{key}}},"data":{{"id":{key},"a":{a}}}"#);
    vec![
        change(0, "insert", &row(1, 5)),
        mark(0, "snapshot", &row(1, row_of_key_one)),
        mark(1, "snapshot", &row(2, 1)),
        mark(2, "snapshot_end", &format!(r#""rows":{rows_said}"#)),
    ]
}

#[test]
fn rows_of_a_snapshot_are_no_changes_and_its_end_counts_them() {
    for (rows_said, missing) in [(2, 0), (4, 2)] {
        let mut judge = Judge::new();
        for line in copied(5, rows_said) {
            judge.read_line(line.as_bytes()).unwrap();
        }
        let verdict = judge.against(&Facts {
            changes: vec![Change {
                id: "u:1/0".into(),
                table: "shop.orders".into(),
                kind: Kind::Insert,
                file: "binlog.000001".into(),
                offset: 4,
            }],
        });
        assert_eq!(verdict.missing, missing, "{verdict}");
        assert_eq!((verdict.changes(), verdict.others), (1, 1));
        assert_eq!(verdict.snapshot_rows["shop.orders"], 2);
        assert!(verdict.copied.contains("shop.orders"));
    }
}

#[test]
fn with_images_a_stale_row_of_a_snapshot_is_found() {
    for (row, is_clean) in [(5, true), (4, false)] {
        let mut judge = Judge::of_images();
        for line in copied(row, 2) {
            judge.read_line(line.as_bytes()).unwrap();
        }
        let verdict = judge.verdict();
        assert_eq!(verdict.is_clean(), is_clean, "{verdict}");
    }
}
