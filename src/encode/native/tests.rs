//! Golden lines from images made by hand, byte by byte as MySQL packs them.

mod flat;
mod shaped;
mod snapshots;
mod values;

use std::sync::Arc;

use bytes::Bytes;
use headwater_binlog::{
    charset::Charset,
    gtid::{Gtid, GtidSource},
    position::FileName,
    rows::ColumnSet,
    schema::{Column, ColumnKind, TableName},
    transaction::Transaction,
};
use proptest::prelude::*;

use super::*;

const UUID: Uuid = Uuid([
    0x1b, 0x8f, 0x86, 0xdd, 0xe7, 0x09, 0x11, 0xf1, 0xa8, 0x54, 0x02, 0xfc, 0, 0, 0, 1,
]);

const INT: ColumnKind = ColumnKind::Int { unsigned: false };
const VARCHAR: ColumnKind = ColumnKind::Text {
    length_bytes: 1,
    charset: Charset::Utf8,
};

fn table(columns: &[(&str, ColumnKind)], primary_key: &[usize]) -> Arc<Table> {
    let name = TableName {
        database: "shop".into(),
        table: "orders".into(),
    };
    let columns = columns.iter().map(|(name, kind)| Column {
        name: (*name).into(),
        kind: kind.clone(),
        nullable: true,
        visible: true,
    });
    Arc::new(Table::new(name, columns.collect(), primary_key.to_vec()))
}

fn transaction(gtid: Option<u64>) -> Transaction {
    Transaction {
        gtid: gtid.map(|number| Gtid::MySql {
            source: GtidSource {
                uuid: UUID,
                tag: "".into(),
            },
            number,
        }),
        file: FileName {
            name: "binlog.000001".into(),
            number: 1,
        },
        offset: 2401,
        server_id: 1,
        commit_us: 1_795_416_214_123_456,
        thread_id: None,
        end: Default::default(),
        snapshot: None,
    }
}

fn set(bits: &[usize], columns: usize) -> ColumnSet {
    let mut bytes = vec![0_u8; columns.div_ceil(8)];
    for bit in bits {
        bytes[bit / 8] |= 1 << (bit % 8);
    }
    ColumnSet {
        bits: bytes.into(),
        columns,
    }
}

/// A block of whole images.
fn block(table: &Arc<Table>, kind: RowsKind, images: &[u8]) -> RowsBlock {
    let all: Vec<usize> = (0..table.columns.len()).collect();
    RowsBlock {
        transaction: Arc::new(transaction(Some(207))),
        table: Arc::clone(table),
        map: None,
        kind,
        event_offset: 2597,
        first_row: 17,
        row_count: 1,
        before: set(&all, all.len()),
        after: set(&all, all.len()),
        images: Bytes::copy_from_slice(images),
        query: None,
    }
}

fn write(block: &RowsBlock, last: bool) -> Result<String, Error> {
    line_of(&NativeEncoder::new(UUID), block, last)
}

fn line_of(encoder: &NativeEncoder, block: &RowsBlock, last: bool) -> Result<String, Error> {
    let mut encoder = encoder.plan(&block.table);
    encoder.block(block, 1);
    let row = block.row_at(0)?.expect("a row at the front");
    let event = RowEvent {
        block,
        row,
        n: block.first_row,
        last,
    };
    let mut out = b"kept".to_vec();
    let written = encoder.row(&event, &mut out);
    if written.is_err() {
        assert_eq!(out, b"kept", "nothing of a failed row is left behind");
    }
    written?;
    let line = String::from_utf8(out).expect("UTF-8");
    Ok(line
        .strip_prefix("kept")
        .expect("what stood there stays")
        .into())
}

/// From `"key"` or `"data"` on, without the last brace.
fn body(block: &RowsBlock) -> String {
    let line = write(block, false).expect("a row that can be written");
    serde_json::from_str::<serde_json::Value>(&line).expect("JSON");
    let (_, body) = line
        .split_once(r#""position":"binlog.000001:2401","#)
        .expect("position");
    body.strip_suffix('}').expect("a brace at the end").into()
}

fn orders() -> Arc<Table> {
    table(&[("id", INT), ("note", VARCHAR)], &[0])
}

#[test]
fn an_update_is_written_as_the_format_page_shows() {
    let images = b"\0\x01\0\0\0\x03old\0\x01\0\0\0\x03new";
    assert_eq!(
        write(&block(&orders(), RowsKind::Update, images), false).as_deref(),
        Ok(concat!(
            r#"{"type":"update","database":"shop","table":"orders","ts_us":1795416214123456,"#,
            r#""id":"1b8f86dd-e709-11f1-a854-02fc00000001:207/17","#,
            r#""seq":"00000001.00000001.0000000000000a25.00000011","#,
            r#""gtid":"1b8f86dd-e709-11f1-a854-02fc00000001:207","position":"binlog.000001:2401","#,
            r#""key":{"id":1},"data":{"id":1,"note":"new"},"old":{"note":"old"}}"#
        ))
    );
}

#[test]
fn without_gtid_the_id_names_server_file_and_offset() {
    let mut insert = block(&orders(), RowsKind::Insert, b"\0\x01\0\0\0\x01a");
    insert.transaction = Arc::new(transaction(None));
    assert_eq!(
        write(&insert, true).as_deref(),
        Ok(concat!(
            r#"{"type":"insert","database":"shop","table":"orders","ts_us":1795416214123456,"#,
            r#""id":"1b8f86dd-e709-11f1-a854-02fc00000001:binlog.000001:2401/17","#,
            r#""seq":"00000001.00000001.0000000000000a25.00000011","position":"binlog.000001:2401","#,
            r#""key":{"id":1},"data":{"id":1,"note":"a"},"last":true}"#
        ))
    );
}

#[test]
fn a_tagged_gtid_keeps_its_tag() {
    let mut insert = block(&orders(), RowsKind::Insert, b"\0\x01\0\0\0\x01a");
    let mut tagged = transaction(Some(3));
    if let Some(Gtid::MySql { source, .. }) = &mut tagged.gtid {
        source.tag = "batch".into();
    }
    insert.transaction = Arc::new(tagged);
    let line = write(&insert, false).expect("a row");
    assert!(line.contains(r#""id":"1b8f86dd-e709-11f1-a854-02fc00000001:batch:3/17""#));
    assert!(line.contains(r#""gtid":"1b8f86dd-e709-11f1-a854-02fc00000001:batch:3","#));
}

#[test]
fn a_delete_shows_the_row_that_was_there() {
    let delete = block(&orders(), RowsKind::Delete, b"\x02\xff\xff\xff\xff");
    assert_eq!(
        body(&delete),
        r#""key":{"id":-1},"data":{"id":-1,"note":null}"#
    );
    assert!(
        write(&delete, false)
            .expect("a row")
            .starts_with(r#"{"type":"delete","#)
    );
}

#[test]
fn without_a_primary_key_there_is_no_key() {
    let table = table(&[("id", INT), ("note", VARCHAR)], &[]);
    let insert = block(&table, RowsKind::Insert, b"\0\x01\0\0\0\x01a");
    assert_eq!(body(&insert), r#""data":{"id":1,"note":"a"}"#);
}

#[test]
fn the_key_stands_in_key_order() {
    let columns = [("a", INT), ("b", VARCHAR), ("c", INT)];
    let images = b"\0\x01\0\0\0\x01x\x03\0\0\0";
    let data = r#""data":{"a":1,"b":"x","c":3}"#;
    for (key, expected) in [
        (vec![2, 0], r#"{"c":3,"a":1}"#),
        (vec![1, 2], r#"{"b":"x","c":3}"#),
        (vec![2, 1, 0], r#"{"c":3,"b":"x","a":1}"#),
    ] {
        let insert = block(&table(&columns, &key), RowsKind::Insert, images);
        assert_eq!(body(&insert), format!(r#""key":{expected},{data}"#));
    }
}

#[test]
fn a_changed_key_is_new_in_key_and_old_in_old() {
    let images = b"\0\x01\0\0\0\x01a\0\x02\0\0\0\x01a";
    assert_eq!(
        body(&block(&orders(), RowsKind::Update, images)),
        r#""key":{"id":2},"data":{"id":2,"note":"a"},"old":{"id":1}"#
    );
}

#[test]
fn null_is_a_value_in_old_and_an_unchanged_row_has_an_empty_old() {
    let from_null = b"\x02\x01\0\0\0\0\x01\0\0\0\x01a";
    assert_eq!(
        body(&block(&orders(), RowsKind::Update, from_null)),
        r#""key":{"id":1},"data":{"id":1,"note":"a"},"old":{"note":null}"#
    );
    let same = b"\x02\x01\0\0\0\x02\x01\0\0\0";
    assert_eq!(
        body(&block(&orders(), RowsKind::Update, same)),
        r#""key":{"id":1},"data":{"id":1,"note":null},"old":{}"#
    );
}

#[test]
fn of_a_minimal_image_only_what_is_known_is_written() {
    let table = table(&[("id", INT), ("a", VARCHAR), ("b", VARCHAR)], &[0]);
    // Before: the key; after: what was set.
    let mut update = block(&table, RowsKind::Update, b"\0\x07\0\0\0\0\x01x");
    update.before = set(&[0], 3);
    update.after = set(&[2], 3);
    assert_eq!(body(&update), r#""key":{"id":7},"data":{"b":"x"},"old":{}"#);

    // The key itself was set: its before value is known.
    let mut moved = block(&table, RowsKind::Update, b"\0\x07\0\0\0\0\x08\0\0\0\x01x");
    moved.before = set(&[0], 3);
    moved.after = set(&[0, 2], 3);
    assert_eq!(
        body(&moved),
        r#""key":{"id":8},"data":{"id":8,"b":"x"},"old":{"id":7}"#
    );

    // NOBLOB: a column that only the before image has is not known to have changed.
    let mut unset = block(&table, RowsKind::Update, b"\0\x07\0\0\0\x01x\0\x07\0\0\0");
    unset.before = set(&[0, 1], 3);
    unset.after = set(&[0], 3);
    assert_eq!(body(&unset), r#""key":{"id":7},"data":{"id":7},"old":{}"#);

    let mut delete = block(&table, RowsKind::Delete, b"\0\x07\0\0\0");
    delete.before = set(&[0], 3);
    assert_eq!(body(&delete), r#""key":{"id":7},"data":{"id":7}"#);

    // An insert that left the key to its default: no image has it.
    let mut insert = block(&table, RowsKind::Insert, b"\0\x01x");
    insert.after = set(&[1], 3);
    assert_eq!(body(&insert), r#""key":{},"data":{"a":"x"}"#);
}

#[test]
fn names_are_escaped_once_and_for_all() {
    let name = TableName {
        database: "a\"b".into(),
        table: "t\\\n".into(),
    };
    let column = Column {
        name: "c\"\u{e9}".into(),
        kind: INT,
        nullable: false,
        visible: true,
    };
    let odd = Table::new(name, vec![column], vec![0]);
    let insert = block(&Arc::new(odd), RowsKind::Insert, b"\0\x01\0\0\0");
    let line = write(&insert, false).expect("a row");
    assert!(
        line.contains(r#""database":"a\"b","table":"t\\\n","#),
        "{line}"
    );
    assert!(
        line.ends_with("\"key\":{\"c\\\"\u{e9}\":1},\"data\":{\"c\\\"\u{e9}\":1}}"),
        "{line}"
    );
}

#[test]
fn a_plan_follows_the_block_to_another_table() {
    let (first, second) = (orders(), table(&[("x", INT)], &[0]));
    let mut encoder = NativeEncoder::new(UUID).plan(&first);
    let insert = block(&second, RowsKind::Insert, b"\0\x05\0\0\0");
    encoder.block(&insert, 1);
    let row = insert.row_at(0).expect("framing").expect("a row");
    let event = RowEvent {
        block: &insert,
        row,
        n: 0,
        last: false,
    };
    let mut out = Vec::new();
    encoder.row(&event, &mut out).expect("a row");
    assert!(out.ends_with(br#""key":{"x":5},"data":{"x":5}}"#));
}

#[test]
fn a_number_that_would_break_the_order_of_seq_is_refused() {
    let mut insert = block(&orders(), RowsKind::Insert, b"\0\x01\0\0\0\x01a");
    insert.first_row = u64::from(u32::MAX);
    assert!(write(&insert, false).is_ok());
    insert.first_row += 1;
    assert!(write(&insert, false).is_err());
}

proptest! {
    #[test]
    fn every_line_is_json_and_strings_read_back(
        before in "[\\x00-\\x7f\u{80}-\u{ffff}\u{1f600}]{0,40}",
        after in "[\\x00-\\x7f\u{80}-\u{ffff}\u{1f600}]{0,40}",
        id: i32,
    ) {
        let image = |text: &str| {
            let mut bytes = vec![0];
            bytes.extend(id.to_le_bytes());
            bytes.push(text.len() as u8);
            bytes.extend(text.as_bytes());
            bytes
        };
        let images = [image(&before), image(&after)].concat();
        let line = write(&block(&orders(), RowsKind::Update, &images), false).expect("a row");
        prop_assert!(!line.contains('\n'));
        let read: serde_json::Value = serde_json::from_str(&line).expect("JSON");
        prop_assert_eq!(&read["key"]["id"], &serde_json::json!(id));
        prop_assert_eq!(&read["data"], &serde_json::json!({"id": id, "note": after}));
        let old = if before == after { serde_json::json!({}) } else { serde_json::json!({"note": before}) };
        prop_assert_eq!(&read["old"], &old);
    }

    #[test]
    fn no_bytes_panic(images in prop::collection::vec(any::<u8>(), 0..60), kind in 0..3_usize) {
        let kinds = [RowsKind::Insert, RowsKind::Update, RowsKind::Delete];
        let block = block(&orders(), kinds[kind], &images);
        if let Ok(Some(row)) = block.row_at(0) {
            let mut encoder = NativeEncoder::new(UUID).plan(&block.table);
            encoder.block(&block, 1);
            let mut out = Vec::new();
            let event = RowEvent { block: &block, row, n: 0, last: false };
            if encoder.row(&event, &mut out).is_ok() {
                prop_assert!(serde_json::from_slice::<serde_json::Value>(&out).is_ok());
            } else {
                prop_assert!(out.is_empty());
            }
        }
    }
}
