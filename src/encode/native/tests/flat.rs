//! Flat lines: every value as in the nested line, byte for byte, under names that no column can have.

use headwater_actors::{changes::Heartbeat, lane::Lane};
use headwater_binlog::{
    ddl::{Action, Subject},
    position::Position,
    transaction::Statement,
};

use super::{snapshots::read, *};
use crate::encode::{fixture::statement_line, shape::ShapePlan};

fn flat() -> NativePlan {
    NativePlan {
        layout: LineLayout::Flat,
        fields: NativeField::ALL.to_vec(),
        ..NativePlan::default()
    }
}

fn encoder(plan: &NativePlan) -> NativeEncoder {
    NativeEncoder::new(UUID).with_fields(plan)
}

fn flat_line(block: &RowsBlock, last: bool) -> String {
    line_of(&encoder(&flat()), block, last).expect("a row")
}

#[test]
fn an_update_has_its_columns_beside_its_fields() {
    let images = b"\0\x01\0\0\0\x03old\0\x02\0\0\0\x03new";
    assert_eq!(
        flat_line(&block(&orders(), RowsKind::Update, images), true),
        concat!(
            r#"{"_type":"update","_deleted":false,"_database":"shop","_table":"orders","_ts_us":1795416214123456,"#,
            r#""_id":"1b8f86dd-e709-11f1-a854-02fc00000001:207/17","#,
            r#""_seq":"00000001.00000001.0000000000000a25.00000011","#,
            r#""_gtid":"1b8f86dd-e709-11f1-a854-02fc00000001:207","_position":"binlog.000001:2401","#,
            r#""_key":{"id":2},"id":2,"note":"new","_old":{"id":1,"note":"old"},"_last":true}"#
        )
    );
}

#[test]
fn every_row_says_whether_it_is_deleted() {
    let images = b"\0\x01\0\0\0\x03old\0\x01\0\0\0\x03old";
    let insert = block(&orders(), RowsKind::Insert, b"\0\x01\0\0\0\x03old");
    let all = [
        (block(&orders(), RowsKind::Update, images), r#","_old":{}}"#),
        (insert.clone(), "}"),
        (
            RowsBlock {
                kind: RowsKind::Delete,
                ..insert.clone()
            },
            "}",
        ),
        (read(&insert, "tables", 3), "}"),
    ];
    for (block, end) in all {
        let is_deleted = block.kind == RowsKind::Delete;
        let line = flat_line(&block, false);
        assert!(
            line.contains(&format!(r#"","_deleted":{is_deleted},"_database""#)),
            "{line}"
        );
        assert!(
            line.ends_with(&format!(r#","_key":{{"id":1}},"id":1,"note":"old"{end}"#)),
            "{line}"
        );
    }
}

#[test]
fn with_no_field_but_those_that_are_always_there_a_line_is_whole() {
    let plan = NativePlan {
        fields: Vec::new(),
        constants: vec![("env".into(), "prod".into())],
        prefix: "hw_".into(),
        ..flat()
    };
    let images = b"\0\x01\0\0\0\x03old\0\x01\0\0\0\x03new";
    let update = block(&orders(), RowsKind::Update, images);
    assert_eq!(
        line_of(&encoder(&plan), &update, true).as_deref(),
        Ok(r#"{"hw_type":"update","hw_deleted":false,"hw_env":"prod","id":1,"note":"new"}"#)
    );
    // A column list that hides all.
    let nothing = ShapePlan {
        include: headwater_actors::filter::ColumnFilter::new(&["other.*.*".to_owned()])
            .expect("a pattern"),
        ..ShapePlan::default()
    };
    let hidden = encoder(&plan).with_shape(ShapeRules::new(&nothing, InvalidText::Halt));
    assert_eq!(
        line_of(&hidden, &update, true).as_deref(),
        Ok(r#"{"hw_type":"update","hw_deleted":false,"hw_env":"prod"}"#)
    );
}

#[test]
fn every_choice_of_fields_is_a_line_with_these_names_and_the_columns() {
    let names = [
        "ts_us", "id", "seq", "gtid", "position", "key", "old", "last",
    ];
    let images = b"\0\x01\0\0\0\x03old\0\x01\0\0\0\x03new";
    let update = block(&orders(), RowsKind::Update, images);
    let all = NativeField::ALL.into_iter().filter(|field| {
        use NativeField::{Database, Query, Run, Table};
        ![Database, Table, Run, Query].contains(field)
    });
    let all: Vec<NativeField> = all.collect();
    for bits in 0..1_u32 << names.len() {
        let is_chosen = |at: usize| bits >> at & 1 == 1;
        let fields = all.iter().enumerate().filter(|(at, _)| is_chosen(*at));
        let plan = NativePlan {
            fields: fields.map(|(_, field)| *field).collect(),
            ..flat()
        };
        let line = line_of(&encoder(&plan), &update, true).expect("a row");
        let read: serde_json::Map<String, serde_json::Value> =
            serde_json::from_str(&line).expect("JSON");
        for (at, name) in names.iter().enumerate() {
            assert_eq!(
                read.contains_key(&format!("_{name}")),
                is_chosen(at),
                "{line}"
            );
        }
        assert_eq!(read.len(), bits.count_ones() as usize + 4, "{line}");
        assert_eq!((&read["id"], &read["note"]), (&1.into(), &"new".into()));
    }
}

#[test]
fn a_column_that_could_be_a_field_is_refused_by_its_name_unless_it_is_left_out() {
    let clashing = table(&[("id", INT), ("_SEQ", VARCHAR)], &[0]);
    let insert = block(&clashing, RowsKind::Insert, b"\0\x01\0\0\0\x01a");
    let error = line_of(&encoder(&flat()), &insert, false).expect_err("a clash");
    assert_eq!(
        error.to_string(),
        "column `_SEQ` of table `shop.orders` begins with \"_\", as the line's own fields do"
    );
    assert!(
        error
            .hint()
            .is_some_and(|hint| hint.contains("native.prefix"))
    );

    let other_prefix = NativePlan {
        prefix: "hw_".into(),
        ..flat()
    };
    let line = line_of(&encoder(&other_prefix), &insert, false).expect("no clash");
    assert!(line.ends_with(r#""id":1,"_SEQ":"a"}"#), "{line}");
    assert!(line_of(&NativeEncoder::new(UUID), &insert, false).is_ok());

    let without = ShapePlan {
        include: headwater_actors::filter::ColumnFilter::new(&["!*.*._seq".to_owned()])
            .expect("a pattern"),
        ..ShapePlan::default()
    };
    let left_out = encoder(&flat()).with_shape(ShapeRules::new(&without, InvalidText::Halt));
    let line = line_of(&left_out, &insert, false).expect("no clash");
    assert!(line.ends_with(r#""_key":{"id":1},"id":1}"#), "{line}");
}

/// Such a table comes in the middle of a stream, by an ALTER.
#[test]
fn a_plan_refuses_the_table_that_got_such_a_column_and_no_other() {
    let (good, bad) = (orders(), table(&[("_id", INT)], &[0]));
    let mut plan = encoder(&flat()).plan(&good);
    for (table, is_refused) in [(&good, false), (&bad, true), (&good, false)] {
        let insert = block(table, RowsKind::Insert, b"\0\x01\0\0\0\x01a");
        plan.block(&insert, 1);
        let event = RowEvent {
            block: &insert,
            row: insert.row_at(0).expect("framing").expect("a row"),
            n: 0,
            last: false,
        };
        let written = plan.row(&event, &mut Vec::new());
        assert_eq!(written.is_err(), is_refused);
    }
}

fn statement(action: Action) -> Statement {
    let insert = block(&orders(), RowsKind::Insert, b"\0\x01\0\0\0\x01a");
    let is_of_snapshot = matches!(action, Action::SnapshotEnd { .. });
    Statement {
        transaction: match is_of_snapshot {
            true => read(&insert, "tables", 3).transaction,
            false => insert.transaction,
        },
        event_offset: 2597,
        row: 0,
        text: "TRUNCATE orders".into(),
        default_database: "shop".into(),
        sql_mode: 4,
        charset: "utf8mb4".into(),
        subject: Subject::Tables {
            action,
            tables: vec![orders().name.clone()],
        },
    }
}

#[test]
fn statements_ends_of_snapshots_and_heartbeats_have_prefixed_fields_and_no_others() {
    let encoder = encoder(&flat());
    let line =
        |action| statement_line(&encoder, &statement(action), &orders().name).expect("a line");
    assert_eq!(
        line(Action::TruncateTable),
        concat!(
            r#"{"_type":"truncate","_database":"shop","_table":"orders","_ts_us":1795416214123456,"#,
            r#""_id":"1b8f86dd-e709-11f1-a854-02fc00000001:207/0","#,
            r#""_seq":"00000001.00000001.0000000000000a25.00000000","#,
            r#""_gtid":"1b8f86dd-e709-11f1-a854-02fc00000001:207","_position":"binlog.000001:2401","#,
            r#""_statement":"TRUNCATE orders","_default_database":"shop","_sql_mode":"ANSI_QUOTES","#,
            r#""_charset":"utf8mb4","_tables":[{"database":"shop","table":"orders"}],"_last":true}"#
        )
    );
    assert!(line(Action::AlterTable).starts_with(r#"{"_type":"ddl","_database""#));
    let end = line(Action::SnapshotEnd {
        rows: 9,
        begun: None,
    });
    assert!(
        end.starts_with(r#"{"_type":"snapshot_end","_database""#),
        "{end}"
    );
    assert!(end.ends_with(r#","_run":"tables","_rows":9}"#), "{end}");

    let lane = Lane {
        table: orders().name.clone(),
        index: 0,
        count: 4,
        run: None,
    };
    let at = |offset| Position::new(FileName::parse("binlog.000001").expect("a name"), offset);
    let heartbeat = Heartbeat {
        position: at(2401),
        commit_us: 7,
        complete: Some(at(4)),
    };
    let event = HeartbeatEvent {
        heartbeat: &heartbeat,
        lane: &lane,
        epoch: 1,
    };
    let mut out = Vec::new();
    encoder.heartbeat(&event, &mut out).expect("a heartbeat");
    assert_eq!(
        String::from_utf8(out).expect("UTF-8"),
        concat!(
            r#"{"_type":"heartbeat","_database":"shop","_table":"orders","_lane":0,"_lanes":4,"_ts_us":7,"#,
            r#""_seq":"00000001.00000001.0000000000000961.00000000","_position":"binlog.000001:2401","#,
            r#""_complete_seq":"00000001.00000001.0000000000000004.00000000","_complete_position":"binlog.000001:4"}"#
        )
    );
}

#[test]
fn where_only_rows_are_wanted_no_statement_and_no_snapshots_end_is_a_line() {
    for layout in [LineLayout::Nested, LineLayout::Flat] {
        let encoder = encoder(&NativePlan {
            layout,
            statements: Statements::None,
            ..flat()
        });
        for action in [
            Action::TruncateTable,
            Action::AlterTable,
            Action::SnapshotEnd {
                rows: 9,
                begun: None,
            },
        ] {
            let line = statement_line(&encoder, &statement(action), &orders().name);
            assert_eq!(line, None);
        }
        let insert = block(&orders(), RowsKind::Insert, b"\0\x01\0\0\0\x01a");
        assert!(line_of(&encoder, &insert, false).is_ok());
    }
}

/// The nested line that says the same.
fn nested(flat: &str) -> String {
    let flat = flat.replacen(r#","_deleted":false"#, "", 1);
    let flat = flat.replacen(r#","_deleted":true"#, "", 1);
    let (fields, columns) = flat.split_once(r#","_key":{"id":"#).expect("a key");
    let (id, columns) = columns.split_once("},").expect("the key's end");
    let (data, rest) = match columns.split_once(r#","_old":"#) {
        Some((data, old)) => (data, format!(r#","old":{old}"#)),
        None => (
            columns.strip_suffix('}').expect("the line's end"),
            "}".into(),
        ),
    };
    let fields = fields.replace("\"_", "\"");
    format!(r#"{fields},"key":{{"id":{id}}},"data":{{{data}}}{rest}"#)
}

proptest! {
    #[test]
    fn a_flat_line_has_the_bytes_of_the_nested_one(
        before in "[\\x00-\\x7f\u{80}-\u{ffff}\u{1f600}]{0,40}",
        after in "[\\x00-\\x7f\u{80}-\u{ffff}\u{1f600}]{0,40}",
        id: i32,
        kind in 0..3_usize,
    ) {
        let image = |text: &str| {
            let mut bytes = vec![0];
            bytes.extend(id.to_le_bytes());
            bytes.push(text.len() as u8);
            bytes.extend(text.as_bytes());
            bytes
        };
        let kinds = [RowsKind::Insert, RowsKind::Update, RowsKind::Delete];
        let images = [image(&before), image(&after)].concat();
        let block = block(&orders(), kinds[kind], &images);
        let nested_plan = NativePlan { layout: LineLayout::Nested, ..flat() };
        let expected = line_of(&encoder(&nested_plan), &block, false).expect("a row");
        let line = flat_line(&block, false);
        serde_json::from_str::<serde_json::Value>(&line).expect("JSON");
        prop_assert_eq!(nested(&line), expected);
    }
}
