//! Maxwell's lines, field by field.

mod bootstrap;
mod values;

use headwater_actors::filter::ColumnFilter;
use headwater_binlog::{rows::RowsKind, schema::ColumnKind};
use proptest::prelude::*;

use super::*;
use crate::encode::{
    fixture::{GTID, INT, VARCHAR, block, end, key, lines, partition_keys, set, statement, table},
    shape::ShapePlan,
};

/// Maxwell's own defaults.
fn options() -> MaxwellOptions {
    MaxwellOptions {
        output_nulls: true,
        output_commit_info: true,
        output_xoffset: false,
        output_position: false,
        output_gtid: false,
        output_server_id: false,
        output_thread_id: false,
        output_primary_key: false,
        output_primary_key_columns: false,
        output_row_query: false,
        output_ddl: false,
        output_null_zerodates: false,
        partition_by: PartitionBy::Database,
        partition_columns: Vec::new(),
        partition_by_fallback: PartitionFallback::Table,
    }
}

/// All that Maxwell's lines can have.
fn talkative() -> MaxwellOptions {
    MaxwellOptions {
        output_row_query: true,
        output_xoffset: true,
        output_position: true,
        output_gtid: true,
        output_server_id: true,
        output_thread_id: true,
        output_primary_key: true,
        output_primary_key_columns: true,
        output_ddl: true,
        ..options()
    }
}

fn encoder(options: MaxwellOptions) -> MaxwellEncoder {
    MaxwellEncoder::new(Arc::new(options), ShapeRules::default())
}

fn line(options: MaxwellOptions, block: &RowsBlock) -> String {
    let mut lines = lines(&encoder(options), block).expect("a row that can be written");
    assert_eq!(lines.len(), 1);
    lines.remove(0)
}

fn item() -> Arc<Table> {
    let price = ColumnKind::Decimal {
        precision: 10,
        scale: 2,
    };
    let tags = ColumnKind::Set {
        bytes: 1,
        labels: ["a".into(), "b".into(), "c".into()].into(),
    };
    let doc = ColumnKind::Json { length_bytes: 4 };
    table(
        &[("id", INT), ("price", price), ("tags", tags), ("doc", doc)],
        &[0],
    )
}

#[test]
fn an_update_is_written_as_the_format_page_shows() {
    let image = |price: u8| {
        let document = b"\x0d\0\0\0\0\x01\0\x0c\0\x0b\0\x01\0\x05\x01\0k"; // {"k": 1}
        let mut image = vec![0, 7, 0, 0, 0, 0x80, 0, 0, price, 50];
        image.push(0b101);
        image.extend_from_slice(document);
        image
    };
    let update = block(&item(), RowsKind::Update, &[image(11), image(12)].concat());
    end(&update, Some(910), 5);
    assert_eq!(
        line(options(), &update),
        concat!(
            r#"{"database":"shop","table":"item","type":"update","ts":1706933106,"xid":910,"#,
            r#""commit":true,"data":{"id":7,"price":12.50,"tags":["a","c"],"doc":{"k":1}},"#,
            r#""old":{"price":11.50}}"#
        )
    );
}

#[test]
fn every_option_adds_its_field_in_maxwells_order() {
    let table = table(&[("a", VARCHAR), ("id", INT)], &[1, 0]);
    let insert = block(&table, RowsKind::Insert, b"\0\x01x\x07\0\0\0");
    end(&insert, Some(910), 9);
    let expected = format!(
        concat!(
            r#"{{"database":"shop","table":"item","query":"DO \"it\"","type":"insert","#,
            r#""ts":1706933106,"xid":910,"#,
            r#""xoffset":5,"position":"binlog.000003:570","gtid":"{}","server_id":11,"#,
            r#""thread_id":12,"primary_key":[7,"x"],"primary_key_columns":["id","a"],"#,
            r#""data":{{"a":"x","id":7}}}}"#
        ),
        GTID
    );
    assert_eq!(line(talkative(), &insert), expected);

    // The commit row has no xoffset.
    let last = block(&table, RowsKind::Insert, b"\0\x01x\x07\0\0\0");
    end(&last, Some(910), 5);
    assert!(line(talkative(), &last).contains(r#","xid":910,"commit":true,"position""#));
}

#[test]
fn a_row_that_is_encoded_before_its_transaction_ends_goes_without_xid_and_commit() {
    let insert = block(
        &table(&[("id", INT)], &[0]),
        RowsKind::Insert,
        b"\0\x07\0\0\0",
    );
    let without =
        r#"{"database":"shop","table":"item","type":"insert","ts":1706933106,"data":{"id":7}}"#;
    assert_eq!(line(options(), &insert), without);
    end(&insert, None, 5);
    assert!(line(options(), &insert).contains(r#","ts":1706933106,"commit":true,"data""#));
    let quiet = MaxwellOptions {
        output_commit_info: false,
        output_xoffset: true,
        ..options()
    };
    assert_eq!(line(quiet, &insert), without);
}

#[test]
fn nulls_are_left_out_of_data_where_they_are_not_wanted_and_never_of_old() {
    let table = table(&[("a", VARCHAR), ("id", INT), ("b", VARCHAR)], &[1]);
    // a: "x" to NULL, b: NULL to "y".
    let update = block(
        &table,
        RowsKind::Update,
        b"\x04\x01x\x07\0\0\0\x01\x07\0\0\0\x01y",
    );
    assert!(
        line(options(), &update)
            .ends_with(r#""data":{"a":null,"id":7,"b":"y"},"old":{"a":"x","b":null}}"#)
    );
    let lean = MaxwellOptions {
        output_nulls: false,
        ..options()
    };
    assert!(line(lean, &update).ends_with(r#""data":{"id":7,"b":"y"},"old":{"a":"x","b":null}}"#));
}

#[test]
fn old_is_absent_when_nothing_is_written_differently() {
    let table = table(
        &[("id", INT), ("j", ColumnKind::Json { length_bytes: 1 })],
        &[0],
    );
    // 1 as a 16-bit and as a 32-bit integer.
    let update = block(
        &table,
        RowsKind::Update,
        b"\0\x07\0\0\0\x03\x05\x01\0\0\x07\0\0\0\x05\x07\x01\0\0\0",
    );
    assert!(line(options(), &update).ends_with(r#""data":{"id":7,"j":1}}"#));
}

#[test]
fn what_a_minimal_image_lacks_comes_from_the_image_before() {
    let table = table(&[("id", INT), ("a", VARCHAR), ("b", VARCHAR)], &[0]);
    let mut update = block(&table, RowsKind::Update, b"\0\x07\0\0\0\0\x01x");
    update.before = set(&[0], 3);
    update.after = set(&[2], 3);
    assert!(line(options(), &update).ends_with(r#""data":{"id":7,"b":"x"}}"#));
    let options = MaxwellOptions {
        output_primary_key: true,
        ..options()
    };
    assert!(line(options, &update).contains(r#""primary_key":[7],"data""#));
}

#[test]
fn a_delete_shows_what_was_deleted() {
    let table = table(&[("id", INT), ("a", VARCHAR)], &[0]);
    let delete = block(&table, RowsKind::Delete, b"\0\x07\0\0\0\x01x");
    let written = line(options(), &delete);
    assert!(written.contains(r#""type":"delete","#), "{written}");
    assert!(
        written.ends_with(r#""data":{"id":7,"a":"x"}}"#),
        "{written}"
    );
    assert_eq!(key(&encoder(options()), &delete), r#"{"id":7}"#);
}

#[test]
fn partition_keys_are_those_of_maxwells_producer() {
    let columns = [("id", INT), ("a", VARCHAR), ("b", VARCHAR)];
    let keyed = table(&columns, &[1, 0]);
    let insert = block(&keyed, RowsKind::Insert, b"\x04\x07\0\0\0\x03x\"y");
    let by = |partition_by, columns: &[&str], block: &RowsBlock| {
        let options = MaxwellOptions {
            partition_by,
            partition_columns: columns.iter().map(|name| (*name).into()).collect(),
            ..options()
        };
        partition_keys(&encoder(options), block).remove(0)
    };
    assert_eq!(by(PartitionBy::Database, &[], &insert), "shop");
    assert_eq!(by(PartitionBy::Table, &[], &insert), "item");
    assert_eq!(by(PartitionBy::PrimaryKey, &[], &insert), "x\"y7");
    assert_eq!(by(PartitionBy::ThreadId, &[], &insert), "12");
    assert_eq!(
        by(PartitionBy::TransactionId, &[], &insert),
        "binlog.000003:400"
    );
    assert_eq!(
        by(PartitionBy::Column, &["a", "none", "id"], &insert),
        "x\"y7"
    );
    assert_eq!(by(PartitionBy::Column, &["b"], &insert), "item");
    end(&insert, Some(910), 5);
    assert_eq!(by(PartitionBy::TransactionId, &[], &insert), "910");
    let keyless = table(&columns, &[]);
    let insert = block(&keyless, RowsKind::Insert, b"\x06\x07\0\0\0");
    assert_eq!(by(PartitionBy::PrimaryKey, &[], &insert), "shopitem");
}

#[test]
fn what_is_hidden_is_in_no_part_of_the_line_and_in_no_key() {
    let shape = ShapePlan {
        include: ColumnFilter::new(&["!*.*.gone".into()]).expect("a filter"),
        null: ColumnFilter::new(&["*.*.b".into()]).expect("a filter"),
        fixed: ColumnFilter::new(&["*.*.a".into()]).expect("a filter"),
        ..ShapePlan::default()
    };
    let options = MaxwellOptions {
        output_primary_key: true,
        output_primary_key_columns: true,
        partition_by: PartitionBy::PrimaryKey,
        ..options()
    };
    let shape = ShapeRules::new(&shape, InvalidText::Halt);
    let encoder = MaxwellEncoder::new(Arc::new(options), shape);
    let columns = [("a", VARCHAR), ("gone", INT), ("b", VARCHAR), ("id", INT)];
    let table = table(&columns, &[1, 0, 3]);
    let update = block(
        &table,
        RowsKind::Update,
        b"\0\x01x\x05\0\0\0\x01q\x07\0\0\0\0\x01y\x06\0\0\0\x01r\x07\0\0\0",
    );
    let lines = lines(&encoder, &update).expect("a line");
    assert!(
        lines[0].ends_with(concat!(
            r#""primary_key":["***",7],"primary_key_columns":["a","id"],"#,
            r#""data":{"a":"***","b":null,"id":7},"old":{"a":"***","b":null}}"#
        )),
        "{}",
        lines[0]
    );
    assert_eq!(partition_keys(&encoder, &update), ["***7"]);
}

#[test]
fn statements_are_told_when_they_are_wanted() {
    let with_ddl = encoder(MaxwellOptions {
        output_ddl: true,
        output_position: true,
        output_gtid: true,
        ..options()
    });
    let expected = format!(
        concat!(
            r#"{{"type":"table-alter","database":"shop","table":"item","ts":1706933106044,"#,
            r#""sql":"ALTER TABLE item ADD \"c\" INT","position":"binlog.000003:570","gtid":"{}"}}"#
        ),
        GTID
    );
    let alter = statement(&with_ddl, "ALTER TABLE item ADD \"c\" INT");
    assert_eq!(alter.as_deref(), Some(expected.as_str()));
    let kind = |text| {
        let line = statement(&with_ddl, text)?;
        let (kind, rest) = line.strip_prefix("{\"type\":\"")?.split_once('"')?;
        Some((kind.to_owned(), rest.contains("\"table\":\"item\"")))
    };
    let told = |text: &str, of_table| Some((text.to_owned(), of_table));
    assert_eq!(
        kind("CREATE TABLE item (id INT)"),
        told("table-create", true)
    );
    assert_eq!(kind("DROP TABLE item"), told("table-drop", true));
    assert_eq!(kind("RENAME TABLE a TO item"), told("table-alter", true));
    assert_eq!(kind("TRUNCATE item"), told("table-truncate", true));
    assert_eq!(kind("CREATE DATABASE shop"), told("database-create", false));
    assert_eq!(
        kind("ALTER DATABASE shop CHARACTER SET ascii"),
        told("database-alter", false)
    );
    assert_eq!(kind("DROP DATABASE shop"), told("database-drop", false));
    assert_eq!(kind("CREATE VIEW item AS SELECT 1"), None);
    assert_eq!(statement(&encoder(options()), "DROP TABLE item"), None);
}

#[test]
fn a_plan_follows_the_block_to_another_table() {
    let first = table(&[("id", INT)], &[0]);
    let second = table(&[("x", INT)], &[0]);
    let mut plan = encoder(options()).plan(&first);
    let insert = block(&second, RowsKind::Insert, b"\0\x05\0\0\0");
    plan.block(&insert, 1);
    let row = insert.row_at(0).expect("framing").expect("a row");
    let event = RowEvent {
        block: &insert,
        row,
        n: 0,
        last: false,
    };
    let mut out = Vec::new();
    plan.row(&event, &mut out).expect("a row");
    assert!(out.ends_with(br#""data":{"x":5}}"#));
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
        let table = table(&[("id", INT), ("note", VARCHAR)], &[0]);
        let images = [image(&before), image(&after)].concat();
        let line = line(options(), &block(&table, RowsKind::Update, &images));
        let read: serde_json::Value = serde_json::from_str(&line).expect("JSON");
        prop_assert_eq!(&read["data"], &serde_json::json!({"id": id, "note": after}));
        let old = if before == after { serde_json::Value::Null } else { serde_json::json!({"note": before}) };
        prop_assert_eq!(&read["old"], &old);
    }

    #[test]
    fn no_bytes_panic(images in prop::collection::vec(any::<u8>(), 0..60), kind in 0..3_usize) {
        let kinds = [RowsKind::Insert, RowsKind::Update, RowsKind::Delete];
        let geometry = ColumnKind::Geometry { length_bytes: 1 };
        let table = table(&[("id", INT), ("g", geometry), ("note", VARCHAR)], &[0]);
        let block = block(&table, kinds[kind], &images);
        if let Ok(Some(_)) = block.row_at(0) {
            drop(lines(&encoder(options()), &block));
        }
    }
}
