//! What earlier versions stored is read as it was meant, and stored again as the same JSON.
//!
//! The bytes beside this file were written by the first version of the text, with all that it can hold: a
//! place inside a transaction, XA transactions, column lists, tables under several keys, a parked table.

use std::{path::Path, sync::Arc};

use headwater_actors::{
    checkpoint::{Checkpoint, OrderingKey, Parked, RouteOrdering},
    filter::TableFilter,
    ports::store::Stored,
    progress::{Home, Resume},
};
use headwater_binlog::{
    columns::{ColumnList, Known, ListedColumn},
    fingerprint::LogFingerprint,
    gtid::GtidSet,
    schema::TableName,
    xa::{Prepared, XaTable},
};
use serde_json::Value;

use super::{body, dynamodb, remote};

const HERE: &str = "1b8f86dd-e709-11f1-a854-02fc00000001";
const BEFORE: &str = "6a8a1a7c-7f2d-11ef-9d53-0242ac120002";

fn name(table: &str) -> TableName {
    TableName {
        database: "shop".into(),
        table: table.into(),
    }
}

fn list(table: &str, since: &str, until: Option<&str>) -> Known {
    let column = |name: &str, column_type: &str, is_text: bool| ListedColumn {
        name: name.into(),
        column_type: column_type.into(),
        octets: is_text.then_some(1020),
        charset: is_text.then(|| "utf8mb4".into()),
        nullable: is_text,
        visible: true,
    };
    Known {
        table: name(table),
        since: since.parse().unwrap(),
        until: until.map(|until| until.parse().unwrap()),
        list: Arc::new(ColumnList {
            columns: vec![
                column("id", "bigint unsigned", false),
                column("état \"😀\"", "varchar(255)", true),
            ],
            primary_key: vec![0],
        }),
    }
}

fn prepared(xid: &str, position: Option<&str>, gtid: Option<&str>) -> Prepared {
    let gtid = gtid.map(|gtid| gtid.parse::<GtidSet>().unwrap());
    Prepared {
        xid: xid.parse().unwrap(),
        position: position.map(|position| position.parse().unwrap()),
        gtid: gtid.map(|gtid| gtid.only().unwrap()),
    }
}

fn route(pattern: &str, key: OrderingKey) -> RouteOrdering {
    RouteOrdering {
        tables: TableFilter::new(&[pattern.to_owned()]).unwrap(),
        key,
    }
}

fn home(server: &str, epoch: u32) -> Home {
    Home {
        server_uuid: server.parse().unwrap(),
        epoch,
    }
}

fn parked() -> Parked {
    let position = "mysql-bin.000812:73400320".parse().unwrap();
    let mut resume = Resume::at(position, format!("{BEFORE}:1-90210").parse().unwrap());
    resume.mark.rows_done = 100_000;
    resume.commit_us = 1_795_416_200_000_001;
    let open = prepared("X'01',X'',1", Some("mysql-bin.000811:4"), None);
    resume.xa = XaTable::new(vec![open]);
    resume.columns = Arc::new([list("päckchen", "mysql-bin.000811:157", None)]);
    Parked {
        table: name("päckchen"),
        reason: "record of 1100000 bytes is larger than the sink takes (1048576)".into(),
        since_us: 1_795_416_300_000_000,
        home: home(BEFORE, 2),
        resume,
    }
}

fn stored(gtid_set: &str) -> Stored {
    let position = "binlog.000012:4294967299".parse().unwrap();
    let mut resume = Resume::at(position, gtid_set.parse().unwrap());
    resume.mark.rows_done = 17;
    resume.commit_us = 1_795_416_214_123_456;
    let gtid = format!("{HERE}:4");
    resume.xa = XaTable::new(vec![
        prepared(
            "X'6f72646572',X'31',7",
            Some("binlog.000011:1234"),
            Some(&gtid),
        ),
        prepared("X'ff00',X'',4294967295", None, Some("0-1-77")),
    ]);
    resume.columns = Arc::new([
        list("orders", "binlog.000009:4", Some("binlog.000013:157")),
        list("orders", "binlog.000013:157", None),
    ]);
    let checkpoint = Checkpoint {
        name: "shop".into(),
        server_id: 4_294_967_295,
        home: home(HERE, 3),
        resume,
        ordering: OrderingKey::routed(
            vec![
                route("shop.log_*", OrderingKey::PrimaryKey { lanes: 8 }),
                route("shop.one", OrderingKey::PrimaryKey { lanes: 1 }),
            ],
            OrderingKey::Table,
        ),
        tables: Default::default(),
        snapshot_tables: Default::default(),
        drained: true,
        parked: Arc::new([parked()]),
    };
    Stored {
        epoch: 3,
        checkpoint: Some(checkpoint),
        saved_us: 1_795_416_215_000_000,
        last_end: None,
    }
}

pub(super) fn small() -> Stored {
    stored(&format!("{HERE}:1-5:7,{BEFORE}:1-90215,{BEFORE}:tag:1-3"))
}

/// Too large to be stored as plain text in a table.
fn large() -> Stored {
    let gaps: String = (1..6000u64)
        .map(|number| format!(":{}", number * 3))
        .collect();
    stored(&format!("{HERE}{gaps}"))
}

const FILE: &[u8] = include_bytes!("tests/file.json");
const MYSQL: &[u8] = include_bytes!("tests/mysql.body");
const DYNAMODB: &[u8] = include_bytes!("tests/dynamodb.json");

fn json(text: &[u8]) -> Value {
    let mut value: Value = serde_json::from_slice(text).unwrap();
    // It covers bytes, and the order of members is free.
    value.as_object_mut().unwrap().remove("crc32");
    value
}

#[test]
fn a_file_of_the_first_version_is_read_and_written_again_as_the_same_json() {
    let found = body::decode(FILE, Path::new("c"), "shop").unwrap();
    assert_eq!(found, small());
    let again = body::encode("shop", &found).unwrap();
    assert_eq!(json(again.as_bytes()), json(FILE));
}

#[test]
fn the_log_file_that_was_read_is_stored_and_unknown_in_what_was_stored_before() {
    let mut stored = small();
    let resume = &mut stored.checkpoint.as_mut().unwrap().resume;
    assert_eq!(resume.log, None);
    resume.log = Some(LogFingerprint {
        file: resume.mark.position.file.clone(),
        created_secs: 1_795_416_200,
        server_id: 7,
        version: "8.4.3".into(),
    });
    let text = body::encode("shop", &stored).unwrap();
    assert_eq!(
        body::decode(text.as_bytes(), Path::new("c"), "shop").unwrap(),
        stored
    );
}

#[test]
fn a_row_in_mysql_of_the_first_version_is_read() {
    let found = remote::decode("table", MYSQL, "shop").unwrap();
    assert_eq!(found, large());
}

#[test]
fn an_item_in_dynamodb_of_the_first_version_is_read() {
    let item = serde_json::from_slice(DYNAMODB).unwrap();
    let row = dynamodb::row(&item).unwrap();
    assert_eq!((row.claim.term, row.version), (5, 42));
    let found = remote::decode("table", &row.body, "shop").unwrap();
    assert_eq!(found, small());
}

#[test]
fn a_member_that_this_version_does_not_know_is_refused() {
    let text = std::str::from_utf8(FILE).unwrap();
    let (head, _) = text.rsplit_once(",\n  \"crc32\"").unwrap();
    for known in [
        "\"saved_us\":",
        "\"rows_done\": 17",
        "\"rows_done\": 100000",
    ] {
        let head = head.replace(known, &format!("\"unknown\": 1, {known}"));
        let checksum = crc32fast::hash(head.as_bytes());
        let text = format!("{head},\n  \"crc32\": \"{checksum:08x}\"\n}}\n");
        let error = body::decode(text.as_bytes(), Path::new("c"), "shop").unwrap_err();
        assert!(error.to_string().contains("unknown"), "{known}: {error}");
    }
}
