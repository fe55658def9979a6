//! Columns left out and masked, text that is none, and events with fewer fields.

use headwater_actors::filter::ColumnFilter;

use super::*;
use crate::{encode::shape::ShapePlan, secret::Secret};

fn filter(patterns: &[&str]) -> ColumnFilter {
    let patterns: Vec<String> = patterns.iter().map(ToString::to_string).collect();
    ColumnFilter::new(&patterns).expect("patterns")
}

fn encoder(shape: ShapePlan, invalid: InvalidText) -> NativeEncoder {
    NativeEncoder::new(UUID).with_shape(ShapeRules::new(&shape, invalid))
}

fn line_of(encoder: &NativeEncoder, block: &RowsBlock) -> Result<String, Error> {
    let mut plan = encoder.plan(&block.table);
    plan.block(block, 1);
    let row = block.row_at(0)?.expect("a row at the front");
    let event = RowEvent {
        block,
        row,
        n: 17,
        last: true,
    };
    let mut out = Vec::new();
    plan.row(&event, &mut out)?;
    Ok(String::from_utf8(out).expect("UTF-8"))
}

fn body_of(shape: ShapePlan, block: &RowsBlock) -> String {
    let line = line_of(&encoder(shape, InvalidText::Halt), block).expect("a row");
    serde_json::from_str::<serde_json::Value>(&line).expect("JSON");
    let (_, body) = line
        .split_once(r#""position":"binlog.000001:2401","#)
        .expect("position");
    body.strip_suffix(r#","last":true}"#)
        .expect("the last row")
        .into()
}

fn key_of(shape: ShapePlan, block: &RowsBlock) -> String {
    let mut plan = encoder(shape, InvalidText::Halt).plan(&block.table);
    plan.block(block, 1);
    let row = block.row_at(0).expect("framing").expect("a row");
    let event = RowEvent {
        block,
        row,
        n: 17,
        last: false,
    };
    let mut out = Vec::new();
    plan.key(&event, &mut out).expect("a key");
    String::from_utf8(out).expect("UTF-8")
}

fn users() -> Arc<Table> {
    table(&[("id", INT), ("email", VARCHAR), ("note", VARCHAR)], &[0])
}

/// The id, the address and the note change.
const ALL_CHANGE: &[u8] = b"\0\x01\0\0\0\x01a\x01x\0\x02\0\0\0\x01b\x01y";

#[test]
fn a_column_left_out_is_nowhere() {
    let without = |pattern: &str| ShapePlan {
        include: filter(&[pattern]),
        ..ShapePlan::default()
    };
    let update = block(&users(), RowsKind::Update, ALL_CHANGE);
    assert_eq!(
        body_of(without("!*.*.email"), &update),
        r#""key":{"id":2},"data":{"id":2,"note":"y"},"old":{"id":1,"note":"x"}"#
    );
    assert_eq!(
        body_of(without("!*.*.id"), &update),
        r#""data":{"email":"b","note":"y"},"old":{"email":"a","note":"x"}"#
    );
    assert_eq!(
        body_of(without("shop.orders.note"), &update),
        r#""data":{"note":"y"},"old":{"note":"x"}"#
    );
    assert_eq!(
        body_of(without("other.*.*"), &update),
        r#""data":{},"old":{}"#
    );
    let delete = block(&users(), RowsKind::Delete, b"\0\x01\0\0\0\x01a\x01x");
    assert_eq!(
        body_of(without("!shop.orders.NOTE"), &delete),
        r#""key":{"id":1},"data":{"id":1,"email":"a"}"#
    );
}

#[test]
fn a_mask_covers_data_old_and_key_and_a_change_still_shows() {
    let masked = ShapePlan {
        null: filter(&["*.*.id"]),
        fixed: filter(&["*.*.email"]),
        truncate: filter(&["*.*.note"]),
        truncate_chars: 0,
        ..ShapePlan::default()
    };
    let update = block(&users(), RowsKind::Update, ALL_CHANGE);
    assert_eq!(
        body_of(masked.clone(), &update),
        r#""key":{"id":null},"data":{"id":null,"email":"***","note":""},"old":{"id":null,"email":"***","note":""}"#
    );
    assert_eq!(key_of(masked.clone(), &update), r#"{"id":null}"#);
    let same = b"\0\x01\0\0\0\x01a\x01x\0\x01\0\0\0\x01a\x01y";
    let update = block(&users(), RowsKind::Update, same);
    assert!(body_of(masked, &update).ends_with(r#""old":{"note":""}"#));
}

#[test]
fn a_hashed_key_joins_with_itself() {
    let hashed = ShapePlan {
        hash: filter(&["shop.*.id"]),
        hash_salt: Secret::new("pepper"),
        ..ShapePlan::default()
    };
    let insert = block(&users(), RowsKind::Insert, b"\0\x01\0\0\0\x01a\x01x");
    let line = line_of(&encoder(hashed.clone(), InvalidText::Halt), &insert).expect("a row");
    let read: serde_json::Value = serde_json::from_str(&line).expect("JSON");
    assert_eq!(read["key"]["id"], read["data"]["id"]);
    assert_eq!(read["key"]["id"].as_str().map(str::len), Some(64));
    let key: serde_json::Value = serde_json::from_str(&key_of(hashed, &insert)).expect("JSON");
    assert_eq!(key["id"], read["key"]["id"]);
}

#[test]
fn a_column_that_the_image_lacks_stays_absent_under_its_mask() {
    let fixed = ShapePlan {
        fixed: filter(&["*.*.*"]),
        ..ShapePlan::default()
    };
    let mut update = block(&users(), RowsKind::Update, b"\0\x07\0\0\0\0\x01x");
    update.before = set(&[0], 3);
    update.after = set(&[2], 3);
    assert_eq!(
        body_of(fixed, &update),
        r#""key":{"id":"***"},"data":{"note":"***"},"old":{}"#
    );
}

#[test]
fn the_shape_follows_the_block_to_another_table() {
    let shape = ShapePlan {
        null: filter(&["*.*.x"]),
        ..ShapePlan::default()
    };
    let mut plan = encoder(shape, InvalidText::Halt).plan(&users());
    let insert = block(
        &table(&[("x", INT)], &[0]),
        RowsKind::Insert,
        b"\0\x05\0\0\0",
    );
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
    assert!(out.ends_with(br#""key":{"x":null},"data":{"x":null}}"#));
}

#[test]
fn text_that_is_none_is_written_as_told_in_data_key_and_old() {
    let table = table(&[("c", VARCHAR)], &[0]);
    let update = block(&table, RowsKind::Update, b"\0\x02a\xff\0\x01\xfe");
    let body = |invalid| {
        let line = line_of(&encoder(ShapePlan::default(), invalid), &update)?;
        let (_, body) = line.split_once(r#":2401","#).expect("position");
        Ok::<_, Error>(body.to_owned())
    };
    assert!(body(InvalidText::Halt).is_err());
    assert_eq!(
        body(InvalidText::Replace).as_deref(),
        Ok(
            "\"key\":{\"c\":\"\u{fffd}\"},\"data\":{\"c\":\"\u{fffd}\"},\"old\":{\"c\":\"a\u{fffd}\"},\"last\":true}"
        )
    );
    assert_eq!(
        body(InvalidText::Base64Object).as_deref(),
        Ok(
            r#""key":{"c":{"base64":"/g=="}},"data":{"c":{"base64":"/g=="}},"old":{"c":{"base64":"Yf8="}},"last":true}"#
        )
    );
}

proptest! {
    #[test]
    fn whatever_is_masked_or_left_out_is_not_in_the_line(
        before in "[x-z]{4}[\\x00-\\x7f\u{80}-\u{ffff}]{0,20}",
        after in "[x-z]{4}[\\x00-\\x7f\u{80}-\u{ffff}]{0,20}",
        how in 0..5_usize,
        is_key: bool,
    ) {
        let mut lists = [(); 5].map(|()| ColumnFilter::default());
        lists[how] = filter(&[if how == 0 { "!*.*.c" } else { "*.*.c" }]);
        let [mut include, null, fixed, hash, truncate] = lists;
        if include.is_nothing() {
            include = ColumnFilter::everything();
        }
        let shape = ShapePlan {
            include,
            null,
            fixed,
            hash,
            hash_salt: Secret::new("pepper"),
            truncate,
            truncate_chars: 3,
            ..ShapePlan::default()
        };
        let key: &[usize] = if is_key { &[0] } else { &[] };
        let table = table(&[("c", VARCHAR)], key);
        let image = |text: &str| [&[0, text.len() as u8][..], text.as_bytes()].concat();
        let images = [image(&before), image(&after)].concat();
        let update = block(&table, RowsKind::Update, &images);
        let line = line_of(&encoder(shape, InvalidText::Halt), &update).expect("a row");
        let read: serde_json::Value = serde_json::from_str(&line).expect("JSON");
        let shown = format!("{}{}{}", read["key"], read["data"], read["old"]);
        prop_assert!(!shown.contains(&before[..4]) && !shown.contains(&after[..4]), "{}", shown);
        prop_assert_eq!(read["old"].get("c").is_some(), before != after && how != 0);
        prop_assert_eq!(read["data"].get("c").is_some(), how != 0);
        prop_assert_eq!(read.get("key").is_some(), is_key && how != 0);
    }
}

fn with_fields(fields: &[NativeField], constants: &[(&str, &str)]) -> NativeEncoder {
    let constants = constants
        .iter()
        .map(|(name, value)| ((*name).into(), (*value).into()));
    NativeEncoder::new(UUID).with_fields(&NativePlan {
        fields: fields.to_vec(),
        constants: constants.collect(),
        ..NativePlan::default()
    })
}

#[test]
fn an_event_carries_the_fields_that_it_is_told_to() {
    use NativeField::*;
    let update = block(
        &orders(),
        RowsKind::Update,
        b"\0\x01\0\0\0\x03old\0\x01\0\0\0\x03new",
    );
    let line = |fields: &[NativeField]| line_of(&with_fields(fields, &[]), &update).expect("a row");
    assert_eq!(
        line(&[]),
        r#"{"type":"update","data":{"id":1,"note":"new"}}"#
    );
    assert_eq!(
        line(&[Seq, Key]),
        r#"{"type":"update","seq":"00000001.00000001.0000000000000a25.00000011","key":{"id":1},"data":{"id":1,"note":"new"}}"#
    );
    assert_eq!(
        line(&[Last, Old, Id, Table]),
        concat!(
            r#"{"type":"update","table":"orders","id":"1b8f86dd-e709-11f1-a854-02fc00000001:207/17","#,
            r#""data":{"id":1,"note":"new"},"old":{"note":"old"},"last":true}"#
        )
    );
    assert_eq!(
        line(&[Database, TsUs, Gtid, Position]),
        concat!(
            r#"{"type":"update","database":"shop","ts_us":1795416214123456,"#,
            r#""gtid":"1b8f86dd-e709-11f1-a854-02fc00000001:207","position":"binlog.000001:2401","#,
            r#""data":{"id":1,"note":"new"}}"#
        )
    );
}

#[test]
fn every_choice_of_fields_is_json_in_the_order_of_the_whole_event() {
    let mut update = block(
        &orders(),
        RowsKind::Update,
        b"\0\x01\0\0\0\x03old\0\x01\0\0\0\x03new",
    );
    update.query = Some("UPDATE \"shop\".orders\nSET 1".into());
    let read = super::snapshots::read(&update, "tables", 3);
    let read = RowsBlock {
        kind: RowsKind::Insert,
        query: None,
        ..read
    };
    ensure_in_order(&update, &[NativeField::Run]);
    use NativeField::{Gtid, Last, Old, Query};
    ensure_in_order(&read, &[Gtid, Query, Old, Last]);
}

/// With every choice of fields the row has these, without those that no such row has.
fn ensure_in_order(block: &RowsBlock, never: &[NativeField]) {
    let names = [
        "database", "table", "ts_us", "id", "seq", "gtid", "position", "run", "query", "key",
        "old", "last",
    ];
    for bits in 0..1_u32 << NativeField::ALL.len() {
        let fields: Vec<NativeField> = NativeField::ALL
            .into_iter()
            .enumerate()
            .filter(|(at, _)| bits >> at & 1 == 1)
            .map(|(_, field)| field)
            .collect();
        let line = line_of(&with_fields(&fields, &[("env", "prod")]), block).expect("a row");
        let read: serde_json::Map<String, serde_json::Value> =
            serde_json::from_str(&line).expect("JSON");
        assert_eq!(read["env"], "prod");
        let fields = fields.iter().filter(|field| !never.contains(field));
        assert_eq!(read.len(), fields.count() + 3, "{line}");
        let mut from = 0;
        for name in names.iter().filter(|name| read.contains_key(**name)) {
            let at = line.find(&format!("\"{name}\":")).expect("the field");
            assert!(at > from, "{name} in {line}");
            from = at;
        }
    }
}

#[test]
fn constants_stand_behind_the_table_in_rows_and_statements() {
    let encoder = with_fields(&NativeField::ALL, &[("env", "pr\"od"), ("é", "")]);
    let insert = block(&orders(), RowsKind::Insert, b"\0\x01\0\0\0\x01a");
    let line = line_of(&encoder, &insert).expect("a row");
    let front = r#","database":"shop","table":"orders","env":"pr\"od","é":"","ts_us":"#;
    assert!(
        line.starts_with(&format!(r#"{{"type":"insert"{front}"#)),
        "{line}"
    );
}

/// `null` as binary JSON, in front of it its length.
const NULL_DOCUMENT: &[u8] = b"\x02\x04\0";

#[test]
fn a_document_as_a_string_is_told_from_null() {
    let json = ColumnKind::Json { length_bytes: 1 };
    let table = table(&[("id", INT), ("doc", json), ("more", VARCHAR)], &[0]);
    let encoder = NativeEncoder::new(UUID).with_fields(&NativePlan {
        fields: vec![NativeField::Key, NativeField::Old],
        documents: Documents::String,
        ..NativePlan::default()
    });
    let line = |kind, image: &[&[u8]]| line_of(&encoder, &block(&table, kind, &image.concat()));
    let row: &[u8] = b"\0\x01\0\0\0";
    assert_eq!(
        line(
            RowsKind::Update,
            &[b"\x02\x01\0\0\0\x01x", row, NULL_DOCUMENT, b"\x01y"]
        )
        .as_deref(),
        Ok(
            r#"{"type":"update","key":{"id":1},"data":{"id":1,"doc":"null","more":"y"},"old":{"doc":null,"more":"x"}}"#
        )
    );
    let document: &[u8] = b"\x0d\0\x01\0\x0c\0\x0b\0\x01\0\x05\x01\0k"; // {"k": 1}
    assert_eq!(
        line(RowsKind::Insert, &[row, document, b"\x01y"]).as_deref(),
        Ok(r#"{"type":"insert","key":{"id":1},"data":{"id":1,"doc":"{\"k\":1}","more":"y"}}"#)
    );
    let damaged = line(RowsKind::Insert, &[row, b"\x02\x04\x09", b"\x01y"]);
    let error = damaged.expect_err("no such literal").to_string();
    assert!(
        error.contains("column `doc` of table `shop.orders`"),
        "{error}"
    );
}
