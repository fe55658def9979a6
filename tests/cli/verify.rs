//! `verify` over files, without a server: snapshots that are right are clean, what is wrong with them is found; files are
//! named by patterns, and lines that come in any order are put in order.

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

/// Copies of these lines over these files, which are all in this folder.
fn scattered(lines: &[String], files: &[(&str, &[usize])]) -> Run {
    let run = Run::new();
    for (name, picked) in files {
        let text: Vec<_> = picked.iter().filter_map(|at| lines.get(*at)).collect();
        let text: String = text.into_iter().map(|line| format!("{line}\n")).collect();
        let folder = run.folder.path().join(name);
        std::fs::create_dir_all(folder.parent().unwrap()).unwrap();
        run.write(name, &text);
    }
    run
}

fn said(ended: &Ended, code: i32, words: &[&str]) {
    let text = format!("{}{}", ended.stdout, ended.stderr);
    assert_eq!(ended.code, code, "{text}");
    for word in words {
        assert!(text.contains(word), "`{word}` is not in: {text}");
    }
}

#[test]
fn a_pattern_is_read_by_name_and_one_that_matches_nothing_says_so() {
    let files: [(&str, &[usize]); 4] = [
        ("logs/2026/12/01/a.json", &[5, 6]),
        ("logs/2026/11/30/b.json", &[3, 4]),
        ("logs/2026/11/30/a.json", &[0, 1, 2]),
        ("logs/2026/11/30/.c.json", &[0]),
    ];
    let run = scattered(&right(), &files);
    for pattern in [
        "logs/2026/**/*.json",
        "logs/2026/*/*/?.json",
        "logs/**/[a-b].json",
    ] {
        let ended = run.headwater(&["verify", "--json", pattern]);
        said(&ended, 0, &["\"lines\":7,"]);
    }
    // Folders that match are no files.
    for pattern in ["logs/2026/**", "logs/2026/11/**/*", "**"] {
        let lines = if pattern.contains("11") { 5 } else { 7 };
        let ended = run.headwater(&["verify", "--json", pattern]);
        said(&ended, 0, &[&format!("\"lines\":{lines},")]);
    }
    let ended = run.headwater(&["verify", "logs/2027/**/*.json"]);
    said(
        &ended,
        1,
        &[
            "no file matches \"logs/2027/**/*.json\"",
            "hint: put the pattern in quotes",
        ],
    );
    let ended = run.headwater(&["verify", "logs/[a"]);
    said(
        &ended,
        2,
        &["\"logs/[a\" is no pattern", "write [*], [?] or [[]"],
    );
    let ended = run.headwater(&["verify", "s3:///key"]);
    said(&ended, 2, &["names no bucket", "s3://BUCKET/PREFIX"]);
}

#[test]
fn lines_in_any_order_and_delivered_twice_are_clean_when_they_are_put_in_order() {
    let files: [(&str, &[usize]); 3] = [("1", &[6, 2, 0]), ("2", &[5, 4, 2]), ("3", &[1, 3, 6, 3])];
    let run = scattered(&right(), &files);
    let arguments = ["verify", "1", "2", "3", "--json"];
    said(&run.headwater(&arguments), 1, &[]);
    let ended = run.headwater(&[&arguments[..], &["--unordered"]].concat());
    said(
        &ended,
        0,
        &[
            "\"lines\":10,",
            "\"changes\":3,",
            "\"snapshot_rows\":3,",
            "\"duplicates\":3,",
        ],
    );
}

#[test]
fn what_is_wrong_is_found_in_any_order_too() {
    let found = |lines: &[String], what: &str| {
        let run = scattered(lines, &[("1", &[6, 2, 0, 5, 4, 1, 3, 7])]);
        let ended = run.headwater(&["verify", "--json", "--unordered", "1"]);
        said(&ended, 1, &[what]);
    };
    let mut lost = right();
    lost.remove(3);
    lost.insert(
        3,
        change("update", 450, &format!(r#"{},"old":{{"n":8}}"#, row(2, 9))),
    );
    found(&lost, "\"missing\":1,");
    // One id, two contents.
    let mut changed = right();
    changed.push(changed[0].replace("\"n\":1", "\"n\":2"));
    found(&changed, "\"wrong_values\":1,");
    let mut garbled = right();
    garbled.push("{\"seq\":\"0\"}".to_owned());
    found(&garbled, "\"unreadable\":1,");
    found(&garbled, r#""what":"file \"1\": the line has no `type`""#);
}

#[test]
fn a_line_without_seq_cannot_be_put_in_order_and_says_what_to_do() {
    let maxwell = r#"{"database":"shop","table":"orders","type":"insert","ts":1,"data":{"id":1}}"#;
    let lines = [right(), vec![maxwell.to_owned()]].concat();
    let run = scattered(&lines, &[("1", &[0, 7])]);
    let ended = run.headwater(&["verify", "--unordered", "1"]);
    said(
        &ended,
        1,
        &[
            "file \"1\": a line has no `seq`",
            "native.fields",
            "leave out --unordered",
        ],
    );
    let ended = run.headwater(&["verify", "--sort-mib", "1", "1"]);
    said(&ended, 2, &["--unordered"]);
}

#[test]
fn more_lines_than_the_memory_for_sorting_are_laid_aside_where_the_option_says() {
    let filler = "x".repeat(1_000);
    let lines: Vec<_> = (0..3_000_u64)
        .map(|n| {
            let n = n * 7919 % 3_000;
            let rest = format!(r#""key":{{"id":{n}}},"data":{{"id":{n},"t":"{filler}"}}"#);
            change("insert", n, &rest)
        })
        .collect();
    let run = Run::new();
    run.write("lines", &lines.concat());
    let arguments = [
        "verify",
        "lines",
        "--json",
        "--unordered",
        "--sort-mib",
        "1",
        "--sort-folder",
    ];
    let sorted = |folder: &str| run.headwater(&[&arguments[..], &[folder]].concat());
    said(
        &sorted("."),
        0,
        &["\"changes\":3000,", "\"order_violations\":0,"],
    );
    let left = std::fs::read_dir(run.folder.path()).unwrap().count();
    assert_eq!(left, 1, "nothing but the lines");
    said(
        &sorted("nowhere"),
        1,
        &["in folder \"nowhere\"", "--sort-folder"],
    );
}
