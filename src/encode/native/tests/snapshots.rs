//! Lines of snapshots.

use headwater_actors::{changes::Heartbeat, filter::ColumnFilter, lane::Lane};
use headwater_binlog::{
    ddl::{Action, Subject},
    position::{Position, SeqPlace},
    transaction::{SnapshotOrigin, Statement},
};

use super::*;
use crate::{
    encode::{fixture::statement_line, shape::ShapePlan},
    secret::Secret,
};

fn origin(run: &str, attempt: u32) -> Option<SnapshotOrigin> {
    Some(SnapshotOrigin {
        run: run.into(),
        attempt,
        is_apart: false,
    })
}

/// The same row as read from the table.
pub fn read(insert: &RowsBlock, run: &str, attempt: u32) -> RowsBlock {
    RowsBlock {
        transaction: Arc::new(Transaction {
            snapshot: origin(run, attempt),
            ..transaction(None)
        }),
        event_offset: 2401,
        ..insert.clone()
    }
}

fn insert() -> RowsBlock {
    block(&orders(), RowsKind::Insert, b"\0\x01\0\0\0\x01a")
}

/// The end of a snapshot, or its beginning.
fn mark(action: Action, plan: &NativePlan) -> Option<String> {
    let table = orders().name.clone();
    let statement = Statement {
        transaction: read(&insert(), "tables", 3).transaction,
        event_offset: 2401,
        row: 18,
        text: "".into(),
        default_database: String::new(),
        sql_mode: 0,
        charset: String::new(),
        subject: Subject::Tables {
            action,
            tables: vec![table.clone()],
        },
    };
    statement_line(
        &NativeEncoder::new(UUID).with_fields(plan),
        &statement,
        &table,
    )
}

#[test]
fn a_snapshots_row_says_its_run_and_has_the_key_and_data_of_an_insert() {
    assert_eq!(
        write(&read(&insert(), "tables", 3), true).as_deref(),
        Ok(concat!(
            r#"{"type":"snapshot","database":"shop","table":"orders","ts_us":1795416214123456,"#,
            r#""id":"snapshot:tables:3:binlog.000001:2401/17","#,
            r#""seq":"00000001.00000001.0000000000000961.00000003.0000000000000011","#,
            r#""position":"binlog.000001:2401","run":"tables","key":{"id":1},"data":{"id":1,"note":"a"}}"#
        )),
        "without gtid, and never a transaction's last"
    );
    let odd = write(&read(&insert(), "a\"b", 3), false).expect("a row");
    assert!(odd.contains(r#""id":"snapshot:a\"b:3:"#), "{odd}");
    assert!(odd.contains(r#""run":"a\"b","#), "{odd}");
}

#[test]
fn the_end_of_a_snapshot_says_how_many_rows_there_were_and_its_begin_says_nothing() {
    let plan = NativePlan::default();
    assert_eq!(mark(Action::SnapshotBegin, &plan), None);
    assert_eq!(
        mark(
            Action::SnapshotEnd {
                rows: 9,
                begun: None
            },
            &plan
        )
        .as_deref(),
        Some(concat!(
            r#"{"type":"snapshot_end","database":"shop","table":"orders","ts_us":1795416214123456,"#,
            r#""id":"snapshot:tables:3:binlog.000001:2401/18","#,
            r#""seq":"00000001.00000001.0000000000000961.00000003.0000000000000012","#,
            r#""position":"binlog.000001:2401","run":"tables","rows":9}"#
        ))
    );
}

#[test]
fn the_end_of_a_snapshot_of_all_rows_says_since_when_it_knows_them_as_a_seq() {
    let end = Action::SnapshotEnd {
        rows: 9,
        begun: Some(SeqPlace {
            epoch: 1,
            file_number: 12,
            offset: 2048,
        }),
    };
    let line = mark(end, &NativePlan::default()).expect("a line");
    let begun = r#","rows":9,"begin_seq":"00000001.0000000c.0000000000000800.00000000"}"#;
    assert!(line.ends_with(begun), "{line}");
    let without = NativePlan {
        fields: vec![NativeField::Run],
        ..NativePlan::default()
    };
    let line = mark(end, &without);
    assert_eq!(
        line.as_deref(),
        Some(r#"{"type":"snapshot_end","run":"tables","rows":9}"#)
    );
}

#[test]
fn the_run_is_a_field_that_can_be_left_out() {
    let plan = NativePlan {
        fields: vec![NativeField::Key],
        constants: vec![("env".into(), "prod".into())],
        ..NativePlan::default()
    };
    let row = read(&insert(), "tables", 3);
    let mut table = NativeEncoder::new(UUID).with_fields(&plan).plan(&row.table);
    table.block(&row, 1);
    let event = RowEvent {
        block: &row,
        row: row.row_at(0).expect("framing").expect("a row"),
        n: 17,
        last: false,
    };
    let mut out = Vec::new();
    table.row(&event, &mut out).expect("a row");
    assert_eq!(
        String::from_utf8(out).expect("UTF-8"),
        r#"{"type":"snapshot","env":"prod","key":{"id":1},"data":{"id":1,"note":"a"}}"#
    );
    let end = mark(
        Action::SnapshotEnd {
            rows: 9,
            begun: None,
        },
        &plan,
    );
    assert_eq!(
        end.as_deref(),
        Some(r#"{"type":"snapshot_end","env":"prod","rows":9}"#)
    );
}

#[test]
fn a_change_behind_a_snapshots_rows_is_numbered_as_changes_are() {
    let (insert, read) = (insert(), read(&insert(), "tables", 3));
    let mut table = NativeEncoder::new(UUID).plan(&insert.table);
    let mut line = |block: &RowsBlock, n: u64| {
        table.block(block, 1);
        let event = RowEvent {
            block,
            row: block.row_at(0).expect("framing").expect("a row"),
            n,
            last: true,
        };
        let mut out = Vec::new();
        let written = table.row(&event, &mut out);
        written.map(|_| String::from_utf8(out).expect("UTF-8"))
    };
    let first = line(&insert, 17).expect("a row");
    let many = line(&read, 1 << 32).expect("more rows than a transaction may have");
    assert!(many.contains(r#".00000003.0000000100000000""#), "{many}");
    assert!(line(&insert, 1 << 32).is_err());
    assert_eq!(line(&insert, 17), Ok(first));
}

#[test]
fn columns_masks_and_keys_are_those_of_an_insert() {
    let table = table(&[("id", INT), ("email", VARCHAR), ("note", VARCHAR)], &[0]);
    let insert = block(&table, RowsKind::Insert, b"\0\x01\0\0\0\x01e\x01n");
    let read = read(&insert, "tables", 3);
    let patterns = |text: &str| ColumnFilter::new(&[text.to_owned()]).expect("patterns");
    let shape = ShapePlan {
        include: patterns("!*.*.note"),
        hash: patterns("*.*.email"),
        hash_salt: Secret::new("salt"),
        ..ShapePlan::default()
    };
    let encoder = NativeEncoder::new(UUID).with_shape(ShapeRules::new(&shape, InvalidText::Halt));
    let both = [&insert, &read].map(|block| {
        let mut plan = encoder.plan(&block.table);
        plan.block(block, 1);
        let event = RowEvent {
            block,
            row: block.row_at(0).expect("framing").expect("a row"),
            n: 17,
            last: false,
        };
        let (mut line, mut key, mut columns) = (Vec::new(), Vec::new(), Vec::new());
        plan.row(&event, &mut line).expect("a row");
        plan.key(&event, &mut key).expect("a key");
        let names = ["email".to_owned(), "id".to_owned()];
        plan.columns(&event, &names, &mut columns).expect("columns");
        let line = String::from_utf8(line).expect("UTF-8");
        let body = line.split_once(r#""key":"#).expect("a key").1.to_owned();
        (body, key, columns)
    });
    assert_eq!(both[0], both[1]);
    assert!(!both[1].0.contains("note") && !both[1].0.contains(r#""e""#));
}

fn seq(line: &str) -> String {
    let value: serde_json::Value = serde_json::from_str(line).expect("JSON");
    value["seq"].as_str().expect("a seq").to_owned()
}

fn seq_of(block: &RowsBlock, n: u64) -> String {
    let mut block = block.clone();
    block.first_row = n;
    seq(&write(&block, false).expect("a row"))
}

fn heartbeat(offset: u64) -> String {
    let lane = Lane {
        table: orders().name.clone(),
        index: 0,
        count: 1,
        run: None,
    };
    let heartbeat = Heartbeat {
        position: Position::new(FileName::parse("binlog.000001").expect("a name"), offset),
        commit_us: 0,
        complete: None,
    };
    let event = HeartbeatEvent {
        heartbeat: &heartbeat,
        lane: &lane,
        epoch: 1,
    };
    let mut out = Vec::new();
    let written = NativeEncoder::new(UUID).heartbeat(&event, &mut out);
    written.expect("a heartbeat");
    seq(std::str::from_utf8(&out).expect("UTF-8"))
}

/// Of a server that logs nothing in front of it.
fn statement_at(offset: u64) -> String {
    let table = orders().name.clone();
    let transaction = Transaction {
        offset,
        ..transaction(None)
    };
    let statement = Statement {
        transaction: Arc::new(transaction),
        event_offset: offset,
        row: 0,
        text: "TRUNCATE orders".into(),
        default_database: String::new(),
        sql_mode: 0,
        charset: String::new(),
        subject: Subject::Tables {
            action: Action::TruncateTable,
            tables: vec![table.clone()],
        },
    };
    seq(&statement_line(&NativeEncoder::new(UUID), &statement, &table).expect("a line"))
}

proptest! {
    #[test]
    fn seq_sorts_a_snapshots_rows_between_the_changes_by_attempt_and_number(
        attempt in 1..u32::MAX - 1,
        n in any::<u64>().prop_map(|n| n >> (n % 64)),
        before in any::<u32>(),
        length in 19..1000_u64,
    ) {
        let n = n.min(u64::MAX - 1);
        let mut change = insert();
        change.event_offset = 2401 - length;
        let mut later = insert();
        later.event_offset = 2401 + length;
        let row = |attempt, n| seq_of(&read(&insert(), "tables", attempt), n);
        let inorder = [
            seq_of(&change, u64::from(before)),
            heartbeat(2401),
            row(attempt, n),
            row(attempt, n + 1),
            row(attempt + 1, 0),
            statement_at(2401),
            seq_of(&later, 0),
            heartbeat(2401 + length + 19),
        ];
        let mut sorted = inorder.clone();
        sorted.sort();
        prop_assert_eq!(sorted, inorder);
    }
}
