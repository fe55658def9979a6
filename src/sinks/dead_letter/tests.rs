//! Letters to a file and back.

use std::sync::Arc;

use bytes::Bytes;
use headwater_actors::{changes::Part, lane::Lane, progress::Home};
use headwater_binlog::{
    columns::{Answer, ColumnList, ListedColumn},
    ddl::{Action, Subject},
    event::Dialect,
    gtid::{Gtid, GtidSource, Uuid},
    position::{FileName, SeqPlace},
    rows::{ColumnSet, RowsBlock, RowsKind},
    schema::TableName,
    table_map::TableMap,
    transaction::{SnapshotOrigin, Statement, Transaction, TransactionEnd},
};
use serde_json::{Value, json};

use super::*;

fn transaction() -> Arc<Transaction> {
    let end = TransactionEnd {
        xid: Some(9),
        last: Some(5),
    };
    Arc::new(Transaction {
        gtid: Some(Gtid::new(GtidSource::untagged(Uuid([1; 16])), 207)),
        file: FileName::parse("binlog.000001").expect("a file name"),
        offset: 157,
        server_id: 11,
        commit_us: 1_706_933_106_044_120,
        thread_id: Some(12),
        end: end.into(),
        snapshot: None,
    })
}

/// `id INT`, `note VARCHAR` in latin1, by names or without.
fn table_map(answer: Option<Answer>) -> TableMap {
    let mut body = b"\x05\0\0\0\0\0\x01\0\x04shop\0\x07ord.ers\0".to_vec();
    body.extend(b"\x02\x03\x0f\x02\x09\0\x03\x01\x01\0\x02\x01\x08");
    if answer.is_none() {
        body.extend(b"\x04\x08\x02id\x04note\x08\x01\0");
    }
    TableMap {
        body: body.into(),
        dialect: Dialect::MySql,
        post_header_bytes: 8,
        answer,
    }
}

fn row() -> Part {
    row_of(table_map(None))
}

fn row_of(map: TableMap) -> Part {
    let table = map.table().expect("a table");
    Part::Rows {
        block: RowsBlock {
            transaction: transaction(),
            table: Arc::new(table),
            map: Some(Arc::new(map)),
            kind: RowsKind::Update,
            event_offset: 570,
            first_row: 3,
            row_count: 1,
            before: ColumnSet {
                bits: vec![1].into(),
                columns: 2,
            },
            after: ColumnSet::all(2),
            images: Bytes::from_static(b"\xff\x00\x01"),
            query: Some("UPDATE it".into()),
        },
        numbers: None,
        is_last: true,
    }
}

fn letter(change: Part, line: &'static [u8]) -> DeadLetter {
    let lane = Lane {
        table: TableName {
            database: "shop".into(),
            table: "ord.ers".into(),
        },
        index: 1,
        count: 4,
        run: None,
    };
    DeadLetter {
        lane: Arc::new(lane),
        reason: "row has 2000000 bytes".to_owned(),
        home: Home {
            server_uuid: Uuid([7; 16]),
            epoch: 2,
        },
        change,
        line: line.into(),
        partition_key: Some("1".to_owned()),
    }
}

async fn buried(letters: Vec<DeadLetter>) -> String {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("letters");
    let file = DeadLetterFile::open(&path).expect("opens");
    for letter in letters {
        file.bury(letter).await.expect("synced");
    }
    std::fs::read_to_string(&path).expect("readable")
}

#[tokio::test]
async fn a_letter_with_its_line_is_short_and_one_without_has_all_that_gives_the_row_a_meaning() {
    let text = buried(vec![letter(row(), b"{\"id\":\"1\"}"), letter(row(), b"")]).await;
    let lines: Vec<Value> = text
        .lines()
        .map(|line| serde_json::from_str(line).expect("JSON"))
        .collect();
    let [with_line, without] = &lines[..] else {
        panic!("{lines:?}")
    };
    for (name, value) in [
        ("lane", json!("shop.ord.ers/1")),
        ("reason", json!("row has 2000000 bytes")),
        ("position", json!("binlog.000001:157")),
        ("gtid", json!("01010101-0101-0101-0101-010101010101:207")),
        ("n", json!(3)),
        ("line", json!("{\"id\":\"1\"}")),
        ("partition_key", json!("1")),
    ] {
        assert_eq!(with_line[name], value, "{name}");
    }
    assert!(with_line.get("raw").is_none() && with_line["change"].get("table_map").is_none());
    assert_eq!(without["raw"], "/wAB");
    assert!(without.get("line").is_none());
    let change = &without["change"];
    assert_eq!(change["kind"], "update");
    let map = change["table_map"]["body"].as_str().expect("a table map");
    assert_eq!(
        base64_simd::STANDARD.decode_to_vec(map).expect("base64"),
        table_map(None).body
    );
    assert_eq!(change["before"], json!({"columns": 2, "bits": "01"}));

    let read = read(text.lines().nth(1).expect("a line").as_bytes()).expect("a letter");
    assert_eq!(
        format!("{read:?}"),
        format!("{:?}", {
            let mut same = letter(row(), b"");
            same.partition_key = None;
            same
        })
    );
}

#[tokio::test]
async fn a_row_of_a_table_without_names_comes_back_with_what_completed_them() {
    let column = |name: &str, column_type: &str| ListedColumn {
        name: name.into(),
        column_type: column_type.into(),
        octets: (column_type != "int").then_some(9),
        charset: (column_type != "int").then(|| "latin1".into()),
        nullable: true,
        visible: true,
    };
    let list = ColumnList {
        columns: vec![column("id", "int"), column("note", "varchar(9)")],
        primary_key: vec![0],
    };
    for answer in [Answer::Positional, Answer::Listed(Arc::new(list))] {
        let before = letter(row_of(table_map(Some(answer))), b"");
        let line = buried(vec![before.clone()]).await;
        let after = read(line.trim_end().as_bytes()).expect("a letter");
        assert_eq!(
            format!("{:?}", after.change),
            format!("{:?}", before.change)
        );
    }
}

#[tokio::test]
async fn a_statement_and_a_line_that_is_no_text_come_back_as_they_were() {
    let text = "TRUNCATE TABLE shop.`ord.ers`";
    let statement = Part::Statement {
        statement: Arc::new(Statement {
            transaction: transaction(),
            event_offset: 570,
            row: 0,
            text: text.into(),
            default_database: "shop".into(),
            sql_mode: 4,
            charset: "utf8mb4".into(),
            subject: Subject::Tables {
                action: Action::AlterTable,
                tables: vec![TableName {
                    database: "shop".into(),
                    table: "orders".into(),
                }],
            },
        }),
        is_shared: true,
        is_last: true,
    };
    for before in [
        letter(statement.clone(), b""),
        letter(statement, b"\xff\x00"),
    ] {
        let line = buried(vec![before.clone()]).await;
        let after = read(line.trim_end().as_bytes()).expect("a letter");
        assert_eq!(after.line, before.line);
        assert_eq!(
            format!("{:?}", after.change),
            format!("{:?}", before.change)
        );
    }
}

/// As the source side puts it into the stream.
fn of_snapshot(change: Part) -> Part {
    let transaction = Arc::new(Transaction {
        gtid: None,
        file: FileName::parse("binlog.000001").expect("a file name"),
        offset: 570,
        server_id: 11,
        commit_us: 1_706_933_106_044_120,
        thread_id: None,
        end: TransactionEnd {
            xid: None,
            last: None,
        }
        .into(),
        snapshot: Some(SnapshotOrigin {
            run: "2026 \"fix\"".into(),
            attempt: 3,
            is_apart: false,
        }),
    });
    match change {
        Part::Rows {
            block,
            numbers,
            is_last,
        } => Part::Rows {
            block: RowsBlock {
                transaction,
                kind: RowsKind::Insert,
                before: ColumnSet::none(),
                query: None,
                ..block
            },
            numbers,
            is_last,
        },
        Part::Statement {
            statement,
            is_shared,
            is_last,
        } => Part::Statement {
            statement: Arc::new(Statement {
                transaction,
                ..Statement::clone(&statement)
            }),
            is_shared,
            is_last,
        },
    }
}

fn mark(action: Action) -> Part {
    Part::Statement {
        statement: Arc::new(Statement {
            transaction: transaction(),
            event_offset: 570,
            row: 1 << 33,
            text: "".into(),
            default_database: String::new(),
            sql_mode: 0,
            charset: String::new(),
            subject: Subject::Tables {
                action,
                tables: vec![TableName {
                    database: "shop".into(),
                    table: "ord.ers".into(),
                }],
            },
        }),
        is_shared: false,
        is_last: false,
    }
}

#[tokio::test]
async fn what_belongs_to_a_snapshot_comes_back_with_its_run_and_attempt() {
    let changes = [
        row(),
        mark(Action::SnapshotBegin),
        mark(Action::SnapshotEnd {
            rows: 1 << 40,
            begun: None,
        }),
        mark(Action::SnapshotEnd {
            rows: 0,
            begun: Some(SeqPlace {
                epoch: 2,
                file_number: 1,
                offset: 1 << 33,
            }),
        }),
    ];
    for change in changes {
        let before = letter(of_snapshot(change), b"");
        let line = buried(vec![before.clone()]).await;
        let said: Value = serde_json::from_str(&line).expect("JSON");
        let origin = json!({"run": "2026 \"fix\"", "attempt": 3});
        assert_eq!(said["change"]["snapshot"], origin);
        let after = read(line.trim_end().as_bytes()).expect("a letter");
        assert_eq!(
            format!("{:?}", after.change),
            format!("{:?}", before.change)
        );
    }
}

#[tokio::test]
async fn a_letter_that_says_nothing_of_a_snapshot_is_of_none() {
    let line = buried(vec![letter(row(), b"")]).await;
    let mut said: Value = serde_json::from_str(&line).expect("JSON");
    assert!(said["change"].get("snapshot").is_none());
    let after = read(line.trim_end().as_bytes()).expect("a letter");
    assert_eq!(after.transaction().snapshot, None);

    said["change"]["snapshot"] = json!({"run": "tables"});
    assert!(
        read(said.to_string().as_bytes()).is_err(),
        "without its attempt the row would get another id"
    );
    let end = of_snapshot(mark(Action::SnapshotEnd {
        rows: 9,
        begun: None,
    }));
    let line = buried(vec![letter(end, b"")]).await;
    let mut said: Value = serde_json::from_str(&line).expect("JSON");
    said["change"]["rows"].take();
    assert!(read(said.to_string().as_bytes()).is_err());
}

#[test]
fn a_file_of_letters_has_one_writer() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("letters");
    let first = DeadLetterFile::open(&path).expect("opens");
    let failure = DeadLetterFile::open(&path).err().expect("is held");
    assert!(failure.to_string().contains("another process"), "{failure}");
    drop(first);
}

#[test]
fn what_is_no_letter_is_refused_with_a_reason() {
    for line in [
        "",
        "{}",
        "null",
        "{\"lane\":\"a.b\",\"reason\":\"\",\"position\":\"x\",\"n\":1}",
    ] {
        assert!(read(line.as_bytes()).is_err(), "{line}");
    }
}
