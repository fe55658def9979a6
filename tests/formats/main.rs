//! Maxwell's and Debezium's formats against a real server: what the lines say is what `SELECT` says, type by
//! type, through insert, update, a changed key and delete, and statements stand where they were run.
//!
//! For every type the expectation is an SQL expression over the column (`cases`): the server itself says what
//! a value is in days, in microseconds, as text or as base64.

#![allow(clippy::unwrap_used)] // a test ends there

mod cases;
mod compare;
mod log;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use headwater::{encode::shape::ShapeRules, plan::Plan, settings::Layers};
use headwater_actors::ports::encoder::Encoder;
use headwater_binlog::gtid::Uuid;
use headwater_harness::mysql::MySql;
use mysql_async::{Conn, Row, Value as Sql, prelude::Queryable};
use serde_json::Value;

use cases::{Case, cases};
use compare::Expect;
use log::{Change, Log};

/// A format under some options, and what it must write of each case.
struct Format {
    name: &'static str,
    encoder: Arc<dyn Encoder>,
    expect: fn(&Case) -> &Expect,
}

fn encoder(options: &[&str]) -> Arc<dyn Encoder> {
    let sets: Vec<String> = options.iter().map(|it| (*it).to_owned()).collect();
    let layers = Layers {
        sets: &sets,
        ..Layers::default()
    };
    let plan = Plan::from_settings(&layers.load().unwrap()).unwrap();
    let shape = ShapeRules::new(&plan.shape, plan.errors.invalid_text);
    plan.top.format.encoder(Uuid([0; 16]), shape)
}

fn formats() -> Vec<Format> {
    vec![
        Format {
            name: "maxwell",
            encoder: encoder(&["format.type=maxwell", "format.maxwell.output_ddl=true"]),
            expect: |case| &case.maxwell,
        },
        Format {
            name: "debezium",
            encoder: encoder(&[
                "format.type=debezium",
                "format.debezium.tombstones_on_delete=false",
                "format.debezium.skipped_operations=",
            ]),
            expect: |case| &case.debezium,
        },
        Format {
            name: "debezium with other modes",
            encoder: encoder(&[
                "format.type=debezium",
                "format.debezium.decimal_handling=string",
                "format.debezium.bigint_unsigned_handling=precise",
                "format.debezium.time_precision=isostring",
                "format.debezium.binary_handling=hex",
                "format.debezium.include_schema_changes=true",
            ]),
            expect: |case| &case.other_modes,
        },
    ]
}

struct World {
    _server: MySql,
    conn: Conn,
    log: Log,
}

async fn world() -> World {
    let server = MySql::with(&[]).await.expect("a server");
    let opts = mysql_async::OptsBuilder::default()
        .ip_or_hostname("127.0.0.1")
        .tcp_port(server.port())
        .user(Some("root"))
        .prefer_socket(false);
    let mut conn = Conn::new(opts).await.expect("a connection");
    for sql in [
        "SET sql_mode = '', time_zone = '+00:00', NAMES utf8mb4",
        "CREATE DATABASE shop CHARACTER SET utf8mb4",
        "USE shop",
    ] {
        conn.query_drop(sql).await.expect("a session");
    }
    let log = Log::open(&server);
    World {
        _server: server,
        conn,
        log,
    }
}

/// By id, each column's expectation as the server prints it.
type Snapshot = BTreeMap<i64, Vec<Option<String>>>;

impl World {
    async fn run(&mut self, sql: &str) {
        if let Err(error) = self.conn.query_drop(sql).await {
            panic!("{error}: {}", sql.chars().take(2_000).collect::<String>());
        }
    }

    async fn select(&mut self, cases: &[Case], format: &Format) -> Snapshot {
        let expressions: Vec<String> = cases
            .iter()
            .enumerate()
            .map(|(at, case)| (format.expect)(case).expression(&format!("c{at}")))
            .collect();
        let sql = format!("SELECT id, {} FROM item", expressions.join(", "));
        let rows: Vec<Row> = self
            .conn
            .query(&sql)
            .await
            .unwrap_or_else(|error| panic!("{error}: {sql}"));
        let text = |value| match value {
            Sql::NULL => None,
            Sql::Bytes(bytes) => Some(String::from_utf8(bytes).expect("UTF-8")),
            other => panic!("the text protocol gives text: {other:?}"),
        };
        let rows = rows.into_iter().map(|row| {
            let mut values = row.unwrap().into_iter().map(text);
            let id = values.next().flatten().expect("an id");
            (id.parse().expect("a number"), values.collect())
        });
        rows.collect()
    }

    async fn snapshots(&mut self, cases: &[Case], formats: &[Format]) -> Vec<Snapshot> {
        let mut snapshots = Vec::new();
        for format in formats {
            snapshots.push(self.select(cases, format).await);
        }
        snapshots
    }
}

/// Looks for columns of the image that are not what the server said.
fn compare_image(
    cases: &[Case],
    format: &Format,
    line: &str,
    image: &Value,
    row: &[Option<String>],
    differences: &mut BTreeSet<String>,
) {
    let members = image.as_object().expect("an image");
    assert_eq!(members.len(), 1 + cases.len(), "{}", format.name);
    for (at, case) in cases.iter().enumerate() {
        let (found, expected) = (&members[&format!("c{at}")], row[at].as_deref());
        let expect = (format.expect)(case);
        if !expect.is_same(found, raw(line, at), expected) {
            differences.insert(format!(
                "{} of {} ({expect:?}): the line says {found}, SELECT {expected:?}",
                format.name, case.sql,
            ));
        }
    }
}

/// The first value of the column in the line, up to the next comma or brace.
fn raw(line: &str, column: usize) -> &str {
    let (_, rest) = line
        .split_once(&format!("\"c{column}\":"))
        .expect("the column");
    rest.split([',', '}']).next().expect("a value")
}

fn id_of(image: &Value) -> i64 {
    image["id"].as_i64().expect("an id")
}

/// Checks the lines of some changes of `item`; gives how many there were.
fn ensure_changes(
    cases: &[Case],
    formats: &[Format],
    changes: &[Change],
    before: &[Snapshot],
    after: &[Snapshot],
) -> usize {
    let mut count = 0;
    let mut differences = BTreeSet::new();
    for change in changes {
        for ((format, was), is) in formats.iter().zip(before).zip(after) {
            let lines = log::lines(format.encoder.as_ref(), change);
            for line in lines.iter().filter(|line| !line.is_empty()) {
                count += 1;
                let event: Value =
                    serde_json::from_str(line).unwrap_or_else(|error| panic!("{error} in {line}"));
                if format.name == "maxwell" {
                    assert_eq!(event["database"], "shop");
                    let rows = if event["type"] == "delete" { was } else { is };
                    let row = &rows[&id_of(&event["data"])];
                    compare_image(cases, format, line, &event["data"], row, &mut differences);
                    continue;
                }
                for (name, rows) in [("before", was), ("after", is)] {
                    if !event[name].is_null() {
                        let row = &rows[&id_of(&event[name])];
                        compare_image(cases, format, line, &event[name], row, &mut differences);
                    }
                }
            }
        }
    }
    assert!(differences.is_empty(), "{differences:#?}");
    count
}

#[tokio::test(flavor = "multi_thread")]
async fn every_type_says_what_select_says() {
    let mut world = world().await;
    let (cases, formats) = (cases(), formats());
    let columns: Vec<String> = cases
        .iter()
        .enumerate()
        .map(|(at, case)| format!("c{at} {}", case.sql))
        .collect();
    world
        .run(&format!(
            "CREATE TABLE item (id INT PRIMARY KEY, {})",
            columns.join(", ")
        ))
        .await;
    world.log.read();
    let rows = cases.iter().map(|case| case.values.len()).max().unwrap();
    let value = |case: &Case, row: usize| match (row, case.is_nullable()) {
        (0, true) => "NULL".to_owned(),
        (row, _) => case.values[row % case.values.len()].clone(),
    };
    for row in 0..=rows {
        let values: Vec<String> = cases.iter().map(|case| value(case, row)).collect();
        world
            .run(&format!(
                "INSERT INTO item VALUES ({row}, {})",
                values.join(", ")
            ))
            .await;
    }
    let empty = vec![Snapshot::new(); formats.len()];
    let full = world.snapshots(&cases, &formats).await;
    let changes = world.log.rows();
    let count = ensure_changes(&cases, &formats, &changes, &empty, &full);
    assert_eq!(count, (rows + 1) * formats.len());

    for row in 0..=rows {
        let sets: Vec<String> = cases
            .iter()
            .enumerate()
            .map(|(at, case)| format!("c{at} = {}", value(case, row + 1)))
            .collect();
        world
            .run(&format!(
                "UPDATE item SET {} WHERE id = {row}",
                sets.join(", ")
            ))
            .await;
    }
    let other = world.snapshots(&cases, &formats).await;
    let changes = world.log.rows();
    let count = ensure_changes(&cases, &formats, &changes, &full, &other);
    assert_eq!(count, (rows + 1) * formats.len());

    world.run("UPDATE item SET id = id + 1000").await;
    let moved = world.snapshots(&cases, &formats).await;
    let changes = world.log.rows();
    let count = ensure_changes(&cases, &formats, &changes, &other, &moved);
    assert_eq!(count, (rows + 1) * (1 + 2 + 2), "delete and create");

    world.run("DELETE FROM item").await;
    let changes = world.log.rows();
    let count = ensure_changes(&cases, &formats, &changes, &moved, &empty);
    assert_eq!(count, (rows + 1) * formats.len());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_transactions_rows_carry_its_xid_and_the_last_one_its_commit() {
    let mut world = world().await;
    world.run("CREATE TABLE a (id INT PRIMARY KEY)").await;
    world.run("CREATE TABLE b (id INT PRIMARY KEY)").await;
    world.log.read();
    let encoder = encoder(&[
        "format.type=maxwell",
        "format.maxwell.output_xoffset=true",
        "format.maxwell.output_thread_id=true",
    ]);
    for sql in [
        "BEGIN",
        "INSERT INTO a VALUES (1), (2)",
        "INSERT INTO b VALUES (3)",
        "COMMIT",
        "INSERT INTO b VALUES (4)",
    ] {
        world.run(sql).await;
    }
    let thread = world.conn.id();
    let changes = world.log.rows();
    let lines: Vec<Value> = changes
        .iter()
        .map(|change| serde_json::from_str(&log::lines(encoder.as_ref(), change)[0]).unwrap())
        .collect();
    let told: Vec<_> = lines
        .iter()
        .map(|line| (line["xoffset"].as_i64(), line["commit"].as_bool()))
        .collect();
    let expected = [
        (Some(0), None),
        (Some(1), None),
        (None, Some(true)),
        (None, Some(true)),
    ];
    assert_eq!(told, expected);
    let xids: Vec<u64> = lines
        .iter()
        .map(|line| line["xid"].as_u64().unwrap())
        .collect();
    assert!(
        xids[0] == xids[1] && xids[1] == xids[2] && xids[2] < xids[3],
        "{xids:?}"
    );
    assert!(lines.iter().all(|line| line["thread_id"] == thread));
}

#[tokio::test(flavor = "multi_thread")]
async fn statements_are_told_by_the_options_that_want_them() {
    let mut world = world().await;
    let statements = [
        "CREATE TABLE item (id INT PRIMARY KEY)",
        "ALTER TABLE item ADD note TEXT COMMENT 'a \"b\" \\\\'",
        "CREATE INDEX i ON item (note(3))",
        "TRUNCATE TABLE item",
        "RENAME TABLE item TO thing",
        "DROP TABLE thing",
        "ALTER DATABASE shop CHARACTER SET latin1",
        "DROP DATABASE shop",
    ];
    for sql in statements {
        world.run(sql).await;
    }
    let logged = world.log.read();
    let told = |format: &Format| -> Vec<Value> {
        let lines = logged
            .iter()
            .filter_map(|it| it.statement_line(format.encoder.as_ref()));
        lines
            .map(|line| serde_json::from_str(&line).expect("JSON"))
            .collect()
    };
    let [maxwell, debezium, changes] = &formats()[..] else {
        panic!("three formats")
    };
    let lines = told(maxwell);
    let kinds: Vec<&str> = lines
        .iter()
        .map(|line| line["type"].as_str().unwrap())
        .collect();
    let expected = [
        "table-create",
        "table-alter",
        "table-alter",
        "table-truncate",
        "table-alter",
        "table-drop",
        "database-alter",
        "database-drop",
    ];
    assert_eq!(kinds, expected);
    assert_eq!(lines[1]["sql"], statements[1]);
    let lines = told(debezium);
    assert_eq!(lines.len(), 1, "the truncate");
    assert_eq!(
        (&lines[0]["op"], &lines[0]["after"]),
        (&"t".into(), &Value::Null)
    );
    let lines = told(changes);
    assert_eq!(lines.len(), statements.len());
    assert_eq!(lines[1]["ddl"], statements[1]);
    assert_eq!(lines[1]["tableChanges"][0]["id"], "\"shop\".\"item\"");
}
