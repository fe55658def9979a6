//! What MINIMAL and NOBLOB images say of tables with keys of every shape: what the log lacks is absent, the
//! key comes from the before image, `old` has what both images have.

use crate::{scenario::Scenario, tables::parts};

/// Statements, and the `key`, `data` and `old` of their one line each.
type Steps<'a> = &'a [(&'a str, [&'a str; 3])];

async fn ensure(options: &[&str], create: &str, steps: Steps<'_>) {
    let mut scenario = Scenario::start(options).await;
    scenario.run(create).await;
    scenario.log.read();
    for (step, expected) in steps {
        scenario.run(step).await;
        let changes = scenario.log.changes();
        assert_eq!(changes.len(), 1, "{step}");
        assert_eq!(parts(&changes[0]), *expected, "{options:?}: {step}");
    }
}

const MINIMAL: &[&str] = &["--binlog-row-image=MINIMAL"];
const NOBLOB: &[&str] = &["--binlog-row-image=NOBLOB"];

#[tokio::test]
async fn without_a_key_minimal_images_know_what_was_there() {
    let steps: Steps<'_> = &[
        (
            "INSERT INTO t VALUES (1, 'a', 'b')",
            ["", r#"{"a":1,"b":"a","c":"b"}"#, ""],
        ),
        ("INSERT INTO t (a) VALUES (2)", ["", r#"{"a":2}"#, ""]),
        (
            "UPDATE t SET b = 'x' WHERE a = 1",
            ["", r#"{"b":"x"}"#, r#"{"b":"a"}"#],
        ),
        (
            "UPDATE t SET b = NULL, c = 'y' WHERE a = 1",
            ["", r#"{"b":null,"c":"y"}"#, r#"{"b":"x","c":"b"}"#],
        ),
        (
            "DELETE FROM t WHERE a = 1",
            ["", r#"{"a":1,"b":null,"c":"y"}"#, ""],
        ),
    ];
    ensure(MINIMAL, "CREATE TABLE t (a INT, b TEXT, c TEXT)", steps).await;
}

#[tokio::test]
async fn a_unique_key_without_null_is_the_key_where_there_is_no_primary_one() {
    let create = "CREATE TABLE t (a INT UNIQUE, b INT NOT NULL UNIQUE, c TEXT)";
    let steps: Steps<'_> = &[
        (
            "INSERT INTO t VALUES (1, 2, 'b')",
            [r#"{"b":2}"#, r#"{"a":1,"b":2,"c":"b"}"#, ""],
        ),
        ("UPDATE t SET a = 5", [r#"{"b":2}"#, r#"{"a":5}"#, "{}"]),
        (
            "UPDATE t SET b = 3",
            [r#"{"b":3}"#, r#"{"b":3}"#, r#"{"b":2}"#],
        ),
        ("DELETE FROM t", [r#"{"b":3}"#, r#"{"b":3}"#, ""]),
    ];
    ensure(MINIMAL, create, steps).await;
}

#[tokio::test]
async fn a_key_of_several_columns_is_whole_when_one_of_them_changes() {
    let create = "CREATE TABLE t (a INT, n INT, b VARCHAR(9), c BLOB, PRIMARY KEY (b, a))";
    let minimal: Steps<'_> = &[
        (
            "INSERT INTO t VALUES (1, 5, 'x', 'blob')",
            [
                r#"{"b":"x","a":1}"#,
                r#"{"a":1,"n":5,"b":"x","c":"YmxvYg=="}"#,
                "",
            ],
        ),
        (
            "UPDATE t SET n = 6",
            [r#"{"b":"x","a":1}"#, r#"{"n":6}"#, "{}"],
        ),
        (
            "UPDATE t SET a = 2",
            [r#"{"b":"x","a":2}"#, r#"{"a":2}"#, r#"{"a":1}"#],
        ),
        (
            "UPDATE t SET b = 'y', c = NULL",
            [
                r#"{"b":"y","a":2}"#,
                r#"{"b":"y","c":null}"#,
                r#"{"b":"x"}"#,
            ],
        ),
        (
            "DELETE FROM t",
            [r#"{"b":"y","a":2}"#, r#"{"a":2,"b":"y"}"#, ""],
        ),
    ];
    ensure(MINIMAL, create, minimal).await;
    let noblob: Steps<'_> = &[
        (
            "INSERT INTO t VALUES (1, 5, 'x', 'blob')",
            [
                r#"{"b":"x","a":1}"#,
                r#"{"a":1,"n":5,"b":"x","c":"YmxvYg=="}"#,
                "",
            ],
        ),
        (
            "UPDATE t SET n = 6",
            [
                r#"{"b":"x","a":1}"#,
                r#"{"a":1,"n":6,"b":"x"}"#,
                r#"{"n":5}"#,
            ],
        ),
        (
            "UPDATE t SET a = 2, c = 'B'",
            [
                r#"{"b":"x","a":2}"#,
                r#"{"a":2,"n":6,"b":"x","c":"Qg=="}"#,
                r#"{"a":1}"#,
            ],
        ),
        (
            "DELETE FROM t",
            [r#"{"b":"x","a":2}"#, r#"{"a":2,"n":6,"b":"x"}"#, ""],
        ),
    ];
    ensure(NOBLOB, create, noblob).await;
}

#[tokio::test]
async fn a_blob_of_the_key_stands_in_the_key_where_data_lacks_it() {
    let create = "CREATE TABLE t (a BLOB, n INT, PRIMARY KEY (a(4)))";
    let steps: Steps<'_> = &[
        (
            "INSERT INTO t VALUES ('abcdef', 1)",
            [r#"{"a":"YWJjZGVm"}"#, r#"{"a":"YWJjZGVm","n":1}"#, ""],
        ),
        (
            "UPDATE t SET n = 2",
            [r#"{"a":"YWJjZGVm"}"#, r#"{"n":2}"#, r#"{"n":1}"#],
        ),
        (
            "DELETE FROM t",
            [r#"{"a":"YWJjZGVm"}"#, r#"{"a":"YWJjZGVm","n":2}"#, ""],
        ),
    ];
    ensure(NOBLOB, create, steps).await;
}

#[tokio::test]
async fn generated_columns_come_with_what_they_are_made_of() {
    let create = "CREATE TABLE t (id INT PRIMARY KEY, a INT, s INT AS (a + 1) STORED, v INT AS (a + 2) VIRTUAL, z INT DEFAULT 9)";
    let steps: Steps<'_> = &[
        (
            "INSERT INTO t (id, a) VALUES (1, 1)",
            [r#"{"id":1}"#, r#"{"id":1,"a":1,"s":2,"v":3}"#, ""],
        ),
        (
            "UPDATE t SET a = 5",
            [r#"{"id":1}"#, r#"{"a":5,"s":6,"v":7}"#, "{}"],
        ),
        ("UPDATE t SET z = 0", [r#"{"id":1}"#, r#"{"z":0}"#, "{}"]),
        ("DELETE FROM t", [r#"{"id":1}"#, r#"{"id":1}"#, ""]),
    ];
    ensure(MINIMAL, create, steps).await;
}

#[tokio::test]
async fn a_log_without_checksums_says_the_same() {
    let steps: Steps<'_> = &[
        (
            "INSERT INTO t VALUES (1, 'a')",
            [r#"{"id":1}"#, r#"{"id":1,"v":"a"}"#, ""],
        ),
        (
            "UPDATE t SET v = 'b'",
            [r#"{"id":1}"#, r#"{"id":1,"v":"b"}"#, r#"{"v":"a"}"#],
        ),
        ("DELETE FROM t", [r#"{"id":1}"#, r#"{"id":1,"v":"b"}"#, ""]),
    ];
    let create = "CREATE TABLE t (id INT PRIMARY KEY, v TEXT)";
    ensure(&["--binlog-checksum=NONE"], create, steps).await;
}
