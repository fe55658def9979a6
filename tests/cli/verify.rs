//! `verify` over files, without a server: snapshots that are right are clean, what is wrong with them is found.

use serde_json::Value;

use super::{Ended, Run};

const SETTINGS: &str = "[source]\nurl = \"mysql://me@db\"\ntables = [\"shop.*\"]\n\
    [sink]\ntype = \"file\"\nfile.path = \"out\"\n\
    [[snapshot.runs]]\nname = \"fix\"\ntables = [\"shop.orders\"]\nsink.file.path = \"fix\"\n";

fn change(kind: &str, offset: u64, rest: &str) -> String {
    format!(
        r#"{{"type":"{kind}","database":"shop","table":"orders","id":"u:{offset}/0","seq":"00000001.00000001.{offset:016x}.00000000",{rest}}}"#
    )
}

fn mark(kind: &str, run: &str, (offset, n): (u64, u64), rest: &str) -> String {
    format!(
        r#"{{"type":"{kind}","database":"shop","table":"orders","id":"snapshot:{run}:1:binlog.000001:{offset}/{n}","seq":"00000001.00000001.{offset:016x}.00000001.{n:016x}","run":"{run}",{rest}}}"#
    )
}

fn row(id: u64, n: u64) -> String {
    format!(r#""key":{{"id":{id}}},"data":{{"id":{id},"n":{n}}}"#)
}

/// Keys 1 to 3 are copied, of which one had an event before, and one has its next behind.
fn right() -> Vec<String> {
    let of = |place, id, n| mark("snapshot", "tables", place, &row(id, n));
    vec![
        change("insert", 100, &row(1, 1)),
        of((200, 0), 1, 1),
        of((200, 1), 2, 7),
        change("update", 300, &format!(r#"{},"old":{{"n":7}}"#, row(2, 8))),
        of((400, 0), 3, 9),
        mark("snapshot_end", "tables", (400, 1), r#""rows":3"#),
        change("delete", 500, &row(3, 9)),
    ]
}

/// The same copied again, to a file of its own.
fn again() -> Vec<String> {
    let of = |n, id, value| mark("snapshot", "fix", (600, n), &row(id, value));
    let end = mark("snapshot_end", "fix", (600, 2), r#""rows":2"#);
    vec![of(0, 1, 1), of(1, 2, 8), end]
}

fn judged(lines: &[String], again: &[String]) -> (i32, Value) {
    let run = Run::new();
    run.write("h.toml", SETTINGS);
    run.write("out", &format!("{}\n", lines.join("\n")));
    run.write("fix", &format!("{}\n", again.join("\n")));
    let Ended {
        code,
        stdout,
        stderr,
    } = run.headwater(&["verify", "-c", "h.toml", "--json"]);
    let report = serde_json::from_str(&stdout);
    (
        code,
        report.unwrap_or_else(|error| panic!("{error}: {stdout}{stderr}")),
    )
}

#[test]
fn snapshots_that_are_right_are_clean_and_told_each() {
    let (code, report) = judged(&right(), &again());
    assert_eq!(code, 0, "{report}");
    assert_eq!(
        (&report["changes"], &report["snapshot_rows"]),
        (&3.into(), &5.into())
    );
    let expected = serde_json::json!([
        {"table": "shop.orders", "run": "fix", "rows": 2, "rows_said": 2},
        {"table": "shop.orders", "run": "tables", "rows": 3, "rows_said": 3},
    ]);
    assert_eq!(report["snapshots"], expected);

    let mut unfinished = right();
    unfinished.remove(5);
    let (code, report) = judged(&unfinished, &again());
    assert_eq!(
        (code, &report["snapshots"][1]["rows_said"]),
        (0, &Value::Null)
    );
    let twice: Vec<String> = again().iter().chain(&again()).cloned().collect();
    let (code, report) = judged(&right(), &twice);
    assert_eq!((code, &report["duplicates"]), (0, &3.into()), "{report}");
}

#[test]
fn what_is_wrong_with_a_snapshot_is_found() {
    let found = |lines: Vec<String>, again: Vec<String>, what: [u64; 3]| {
        let (code, report) = judged(&lines, &again);
        let figures = ["missing", "wrong_values", "order_violations"]
            .map(|name| report[name].as_u64().unwrap_or(u64::MAX));
        assert_eq!((code, figures), (1, what), "{report}");
        report
    };
    let with = |at: usize, line: String| {
        let mut lines = right();
        lines[at] = line;
        lines
    };
    let of = |place, id, n| mark("snapshot", "tables", place, &row(id, n));

    let mut lost = right();
    lost.remove(4);
    found(lost, again(), [1, 0, 0]);
    let report = found(with(1, of((200, 0), 1, 4)), again(), [0, 2, 0]);
    let id = &report["examples"][0]["id"];
    assert_eq!(id, "snapshot:tables:1:binlog.000001:200/0");
    // What follows it says so, too.
    found(with(2, of((200, 1), 2, 6)), again(), [1, 0, 0]);
    // A row that is gone by then.
    let mut back = again();
    back.insert(2, mark("snapshot", "fix", (600, 2), &row(3, 9)));
    back[3] = mark("snapshot_end", "fix", (600, 3), r#""rows":3"#);
    found(right(), back, [0, 1, 0]);
    // One id, two contents.
    let mut changed = right();
    changed.insert(2, of((200, 0), 1, 2));
    found(changed, again(), [0, 1, 0]);
    // A change that the log did not have.
    let mut unlogged = again();
    unlogged[1] = mark("snapshot", "fix", (600, 1), &row(2, 80));
    let report = found(right(), unlogged, [0, 1, 0]);
    let what = report["examples"][0]["what"].as_str().unwrap();
    assert!(what.contains("changed it without logging"), "{what}");
}
