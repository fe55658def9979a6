//! Debezium's events, field by field.

mod snapshots;
mod values;

use headwater_actors::filter::ColumnFilter;
use headwater_binlog::schema::ColumnKind;
use proptest::prelude::*;

use super::*;
use crate::encode::{
    fixture::{GTID, INT, VARCHAR, block, key, lines, partition_keys, set, statement, table},
    shape::ShapePlan,
};

/// Debezium's own defaults, with a name and without tombstones.
fn options() -> DebeziumOptions {
    DebeziumOptions {
        name: "shop".into(),
        decimals: Decimals::Precise,
        bigint_unsigned: BigintUnsigned::Long,
        times: Times::Adaptive,
        binaries: Binaries::Base64,
        tombstones_on_delete: false,
        include_query: false,
        include_schema_changes: false,
        skipped: Skipped {
            truncate: true,
            ..Skipped::default()
        },
        unavailable_value: "__debezium_unavailable_value".into(),
    }
}

fn encoder(options: DebeziumOptions) -> DebeziumEncoder {
    DebeziumEncoder::new(Arc::new(options), ShapeRules::default())
}

fn written(options: DebeziumOptions, block: &RowsBlock) -> Vec<String> {
    lines(&encoder(options), block).expect("a row that can be written")
}

/// The images of each line.
fn images(options: DebeziumOptions, block: &RowsBlock) -> Vec<String> {
    let image = |line: &String| match line.split_once(",\"source\"") {
        Some((images, _)) => {
            let (_, op) = line.split_once("\"op\":\"").expect("an operation");
            format!(
                "{} {}",
                &op[..1],
                images.strip_prefix('{').expect("a brace")
            )
        }
        None => line.clone(),
    };
    written(options, block).iter().map(image).collect()
}

fn item() -> Arc<Table> {
    let mut table = Arc::into_inner(table(
        &[
            ("id", INT),
            (
                "price",
                ColumnKind::Decimal {
                    precision: 5,
                    scale: 2,
                },
            ),
            ("made", ColumnKind::DateTime { fsp: 0 }),
            ("flag", ColumnKind::Bit { bits: 1 }),
        ],
        &[0],
    ))
    .expect("alone");
    table.columns[2].nullable = false;
    Arc::new(table)
}

#[test]
fn an_insert_is_written_as_the_format_page_shows() {
    let image = [
        &[0, 7, 0, 0, 0][..],
        &[0x80, 0x7b, 0x2d],             // 123.45
        &[0x99, 0xb2, 0x86, 0x41, 0x46], // 2024-02-03 04:05:06
        &[1],
    ];
    let insert = block(&item(), RowsKind::Insert, &image.concat());
    let expected = format!(
        concat!(
            r#"{{"before":null,"after":{{"id":7,"price":"MDk=","made":1706933106000,"flag":true}},"#,
            r#""source":{{"version":"3.6.1.Final","connector":"mysql","name":"shop","#,
            r#""ts_ms":1706933106044,"snapshot":"false","db":"shop","sequence":null,"#,
            r#""ts_us":1706933106044120,"ts_ns":1706933106044120000,"table":"item","server_id":11,"#,
            r#""gtid":"{}","file":"binlog.000003","pos":570,"row":5,"thread":12,"query":null}},"#,
            r#""transaction":null,"op":"c","ts_ms":1706933106044,"ts_us":1706933106044120,"#,
            r#""ts_ns":1706933106044120000}}"#
        ),
        GTID
    );
    assert_eq!(written(options(), &insert), [&*expected]);
    let with_query = DebeziumOptions {
        include_query: true,
        ..options()
    };
    let expected = expected.replace(r#""query":null"#, r#""query":"DO \"it\"""#);
    assert_eq!(written(with_query, &insert), [expected]);
}

fn orders() -> Arc<Table> {
    table(&[("id", INT), ("note", VARCHAR)], &[0])
}

const MOVE: &[u8] = b"\0\x07\0\0\0\x01x\0\x08\0\0\0\x01y";

#[test]
fn updates_show_both_images_and_deletes_the_one_before() {
    let update = block(
        &orders(),
        RowsKind::Update,
        b"\0\x07\0\0\0\x01x\0\x07\0\0\0\x01y",
    );
    assert_eq!(
        images(options(), &update),
        [r#"u "before":{"id":7,"note":"x"},"after":{"id":7,"note":"y"}"#]
    );
    let delete = block(&orders(), RowsKind::Delete, b"\x02\x07\0\0\0");
    assert_eq!(
        images(options(), &delete),
        [r#"d "before":{"id":7,"note":null},"after":null"#]
    );
    assert_eq!(key(&encoder(options()), &delete), r#"{"id":7}"#);
}

#[test]
fn a_changed_key_is_a_delete_and_a_create_each_with_its_key() {
    let update = block(&orders(), RowsKind::Update, MOVE);
    let (delete, create) = (
        r#"d "before":{"id":7,"note":"x"},"after":null"#,
        r#"c "before":null,"after":{"id":8,"note":"y"}"#,
    );
    assert_eq!(images(options(), &update), [delete, create]);
    let with_tombstones = || DebeziumOptions {
        tombstones_on_delete: true,
        ..options()
    };
    assert_eq!(images(with_tombstones(), &update), [delete, "", create]);
    assert_eq!(
        partition_keys(&encoder(with_tombstones()), &update),
        [r#"{"id":7}"#, r#"{"id":7}"#, r#"{"id":8}"#]
    );
    let keyless = table(&[("id", INT), ("note", VARCHAR)], &[]);
    let update = block(&keyless, RowsKind::Update, MOVE);
    assert_eq!(
        images(with_tombstones(), &update),
        [r#"u "before":{"id":7,"note":"x"},"after":{"id":8,"note":"y"}"#]
    );
    assert_eq!(partition_keys(&encoder(with_tombstones()), &update), [""]);
}

#[test]
fn a_delete_is_followed_by_its_tombstone_where_that_is_wanted() {
    let delete = block(&orders(), RowsKind::Delete, b"\0\x07\0\0\0\x01x");
    let options = DebeziumOptions {
        tombstones_on_delete: true,
        ..options()
    };
    let lines = images(options.clone(), &delete);
    assert_eq!(
        lines,
        [r#"d "before":{"id":7,"note":"x"},"after":null"#, ""]
    );
    assert_eq!(
        partition_keys(&encoder(options), &delete),
        [r#"{"id":7}"#, r#"{"id":7}"#]
    );
}

#[test]
fn skipped_operations_have_no_event() {
    let skipped = Skipped {
        update: true,
        delete: true,
        ..Skipped::default()
    };
    let options = DebeziumOptions {
        skipped,
        ..options()
    };
    let update = block(&orders(), RowsKind::Update, MOVE);
    assert!(written(options.clone(), &update).is_empty());
    let delete = block(&orders(), RowsKind::Delete, b"\0\x07\0\0\0\x01x");
    assert!(written(options.clone(), &delete).is_empty());
    let insert = block(&orders(), RowsKind::Insert, b"\0\x07\0\0\0\x01x");
    assert_eq!(written(options, &insert).len(), 1);
}

#[test]
fn what_an_image_lacks_is_known_from_the_other_or_says_that_it_is_not() {
    let kinds = [
        ("id", INT),
        ("a", INT),
        ("b", VARCHAR),
        ("c", ColumnKind::Blob { length_bytes: 1 }),
    ];
    let table = table(&kinds, &[0]);
    let mut update = block(&table, RowsKind::Update, b"\0\x07\0\0\0\0\x05\0\0\0");
    update.before = set(&[0], 4);
    update.after = set(&[1], 4);
    let bytes = base64_simd::STANDARD.encode_to_string("__debezium_unavailable_value");
    let unknown = format!(r#""b":"__debezium_unavailable_value","c":"{bytes}""#);
    assert_eq!(
        images(options(), &update),
        [format!(
            r#"u "before":{{"id":7,{unknown}}},"after":{{"id":7,"a":5,{unknown}}}"#
        )]
    );
}

#[test]
fn what_is_hidden_is_in_no_image_and_in_no_key() {
    let shape = ShapePlan {
        include: ColumnFilter::new(&["!*.*.gone".into()]).expect("a filter"),
        fixed: ColumnFilter::new(&["*.*.a".into()]).expect("a filter"),
        ..ShapePlan::default()
    };
    let shape = ShapeRules::new(&shape, InvalidText::Halt);
    let encoder = DebeziumEncoder::new(Arc::new(options()), shape);
    let table = table(&[("a", VARCHAR), ("gone", INT), ("id", INT)], &[1, 0, 2]);
    // The hidden part of the key changes.
    let update = block(
        &table,
        RowsKind::Update,
        b"\0\x01x\x05\0\0\0\x07\0\0\0\0\x01x\x06\0\0\0\x07\0\0\0",
    );
    let lines = lines(&encoder, &update).expect("lines");
    let image = r#"{"a":"***","id":7}"#;
    assert!(lines[0].starts_with(&format!(r#"{{"before":{image},"after":null,"#)));
    assert!(lines[1].starts_with(&format!(r#"{{"before":null,"after":{image},"#)));
    assert_eq!(partition_keys(&encoder, &update), [image, image]);
}

#[test]
fn statements_are_schema_changes_and_truncate_is_an_event_where_they_are_wanted() {
    assert_eq!(statement(&encoder(options()), "DROP TABLE item"), None);
    assert_eq!(statement(&encoder(options()), "TRUNCATE item"), None);
    let with_truncate = encoder(DebeziumOptions {
        skipped: Skipped::default(),
        ..options()
    });
    let truncate = statement(&with_truncate, "TRUNCATE item").expect("an event");
    assert!(truncate.starts_with(r#"{"before":null,"after":null,"source":{"#));
    assert!(truncate.contains(r#""transaction":null,"op":"t","ts_ms":"#));
    let with_changes = encoder(DebeziumOptions {
        include_schema_changes: true,
        ..options()
    });
    let alter = statement(&with_changes, "ALTER TABLE item ADD `c\"` INT").expect("an event");
    assert!(alter.starts_with(r#"{"source":{"version":"#));
    assert!(
        alter.ends_with(concat!(
            r#""thread":12,"query":null},"ts_ms":1706933106044,"databaseName":"shop","#,
            r#""schemaName":null,"ddl":"ALTER TABLE item ADD `c\"` INT","#,
            r#""tableChanges":[{"type":"ALTER","id":"\"shop\".\"item\"","table":null}]}"#
        )),
        "{alter}"
    );
    let drop = statement(&with_changes, "DROP DATABASE shop").expect("an event");
    assert!(drop.contains(r#""table":null,"server_id""#), "{drop}");
    assert!(
        drop.ends_with(r#""ddl":"DROP DATABASE shop","tableChanges":[]}"#),
        "{drop}"
    );
}

proptest! {
    #[test]
    fn every_line_is_json_and_strings_read_back(
        before in "[\\x00-\\x7f\u{80}-\u{ffff}\u{1f600}]{0,40}",
        after in "[\\x00-\\x7f\u{80}-\u{ffff}\u{1f600}]{0,40}",
        id: i32,
        other: i32,
    ) {
        let image = |id: i32, text: &str| {
            let mut bytes = vec![0];
            bytes.extend(id.to_le_bytes());
            bytes.push(text.len() as u8);
            bytes.extend(text.as_bytes());
            bytes
        };
        let images = [image(id, &before), image(other, &after)].concat();
        let lines = written(options(), &block(&orders(), RowsKind::Update, &images));
        let read = |line: &String| -> serde_json::Value { serde_json::from_str(line).expect("JSON") };
        let (first, last) = (read(&lines[0]), read(lines.last().expect("a line")));
        prop_assert_eq!(lines.len(), if id == other { 1 } else { 2 });
        prop_assert_eq!(&first["before"], &serde_json::json!({"id": id, "note": before}));
        prop_assert_eq!(&last["after"], &serde_json::json!({"id": other, "note": after}));
    }

    #[test]
    fn no_bytes_panic(images in prop::collection::vec(any::<u8>(), 0..60), kind in 0..3_usize) {
        let kinds = [RowsKind::Insert, RowsKind::Update, RowsKind::Delete];
        let geometry = ColumnKind::Geometry { length_bytes: 1 };
        let json = ColumnKind::Json { length_bytes: 1 };
        let table = table(&[("id", INT), ("g", geometry), ("j", json), ("n", VARCHAR)], &[0]);
        let block = block(&table, kinds[kind], &images);
        if let Ok(Some(_)) = block.row_at(0) {
            drop(lines(&encoder(options()), &block));
        }
    }
}
