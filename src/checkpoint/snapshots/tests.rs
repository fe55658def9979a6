//! Copies are stored with all that a restart goes on from. The text here is what this version writes: it is read for
//! ever.

use headwater_binlog::position::SeqPlace;

use super::*;

const TEXT: &str = r#"{
    "attempt": 7,
    "lines_here": 12,
    "request": 3,
    "copies": [
        {
            "run": "first",
            "database": "shop",
            "table": "orders",
            "state": "active",
            "note": "the server is busy",
            "condition": "id > 5",
            "is_apart": true,
            "key": "id bigint",
            "ranges": [
                {"until": ["AP8="]},
                {"after": ["", "YWI="], "until": ["Yw==", ""]},
                {"after": ["/w=="]}
            ],
            "again": [["AQ==", "Ag=="]],
            "rows": 100,
            "rows_estimate": 200,
            "begun": "00000002.00000001.000000000000009d",
            "begun_us": 1795416214123456
        },
        {"run": "second", "database": "shop", "table": "a", "state": "paused"},
        {"run": "second", "database": "shop", "table": "b", "state": "complete", "key": "", "rows": 1, "ended_us": 2},
        {"run": "second", "database": "shop", "table": "c", "state": "cancelled"},
        {"run": "second", "database": "shop", "table": "d", "state": "gone"},
        {"run": "second", "database": "shop", "table": "e", "state": "refused", "note": "no key"}
    ]
}"#;

fn copy(run: &str, table: &str, change: impl FnOnce(&mut TableCopy)) -> (CopyId, TableCopy) {
    let id = CopyId {
        run: run.into(),
        table: TableName {
            database: "shop".into(),
            table: table.into(),
        },
    };
    let mut copy = TableCopy::new(None);
    change(&mut copy);
    (id, copy)
}

fn key<const N: usize>(values: [&[u8]; N]) -> Key {
    Key(values.map(Into::into).into())
}

fn range(after: Option<Key>, until: Option<Key>) -> KeyRange {
    KeyRange { after, until }
}

fn snapshots() -> Snapshots {
    let begun = copy("first", "orders", |copy| {
        copy.note = Some("the server is busy".into());
        copy.condition = Some("id > 5".into());
        copy.is_apart = true;
        copy.key = Some("id bigint".into());
        copy.ranges = vec![
            range(None, Some(key([b"\x00\xff"]))),
            range(Some(key([b"", b"ab"])), Some(key([b"c", b""]))),
            range(Some(key([b"\xff"])), None),
        ];
        copy.again = vec![key([b"\x01", b"\x02"])];
        copy.rows = 100;
        copy.rows_estimate = 200;
        copy.begun = Some(SeqPlace {
            epoch: 2,
            file_number: 1,
            offset: 157,
        });
        copy.begun_us = 1_795_416_214_123_456;
    });
    let complete = copy("second", "b", |copy| {
        copy.state = CopyState::Complete;
        copy.key = Some("".into());
        copy.rows = 1;
        copy.ended_us = 2;
    });
    let refused = copy("second", "e", |copy| {
        copy.state = CopyState::Refused;
        copy.note = Some("no key".into());
    });
    let only = |table, state| copy("second", table, |copy| copy.state = state);
    let copies = [
        begun,
        only("a", CopyState::Paused),
        complete,
        only("c", CopyState::Cancelled),
        only("d", CopyState::Gone),
        refused,
    ];
    Snapshots {
        attempt: 7,
        lines_here: 12,
        request: 3,
        copies: Arc::new(copies.into()),
    }
}

#[test]
fn copies_are_written_as_this_text_and_read_again_as_they_were() {
    let written = serde_json::to_value(SnapshotsBody::of(&snapshots())).unwrap();
    let expected: serde_json::Value = serde_json::from_str(TEXT).unwrap();
    assert_eq!(written, expected);
    let body: SnapshotsBody = serde_json::from_str(TEXT).unwrap();
    assert_eq!(body.snapshots().unwrap(), snapshots());
}

#[test]
fn nothing_is_written_where_nothing_was_ever_asked_for() {
    assert!(SnapshotsBody::of(&Snapshots::default()).is_none());
}

#[test]
fn a_key_that_is_no_base64_is_refused() {
    let text = TEXT.replace("AP8=", "00ff!");
    let body: SnapshotsBody = serde_json::from_str(&text).unwrap();
    let error = body.snapshots().unwrap_err();
    assert!(error.to_string().contains("key of a snapshot"), "{error}");
}
