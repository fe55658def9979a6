//! Snapshots as Maxwell's bootstrap.

use headwater_binlog::ddl::Action;

use super::*;
use crate::encode::fixture::{mark, snapshot_block};

#[test]
fn a_snapshots_rows_are_bootstrap_inserts_of_no_transaction() {
    let table = table(&[("id", INT), ("a", VARCHAR)], &[0]);
    let row = snapshot_block("tables", &table, b"\0\x07\0\0\0\x01x");
    end(&row, Some(910), 5);
    assert_eq!(
        line(options(), &row),
        concat!(
            r#"{"database":"shop","table":"item","type":"bootstrap-insert","ts":1706933106,"#,
            r#""data":{"id":7,"a":"x"}}"#
        )
    );
    let named = snapshot_block("2026 \"fix\"", &table, b"\0\x07\0\0\0\x01x");
    assert_eq!(
        line(talkative(), &named),
        concat!(
            r#"{"database":"shop","table":"item","type":"bootstrap-insert","ts":1706933106,"#,
            r#""comment":"2026 \"fix\"","primary_key":[7],"primary_key_columns":["id"],"#,
            r#""data":{"id":7,"a":"x"}}"#
        )
    );
}

#[test]
fn a_change_behind_a_snapshots_rows_has_its_transaction_again() {
    let table = table(&[("id", INT)], &[0]);
    let read = snapshot_block("tables", &table, b"\0\x07\0\0\0");
    let insert = block(&table, RowsKind::Insert, b"\0\x08\0\0\0");
    end(&insert, Some(910), 5);
    let mut plan = encoder(talkative()).plan(&table);
    let mut written = |block: &RowsBlock| {
        plan.block(block, 1);
        let event = RowEvent {
            block,
            row: block.row_at(0).expect("framing").expect("a row"),
            n: block.first_row,
            last: false,
        };
        let mut out = Vec::new();
        plan.row(&event, &mut out).expect("a row");
        String::from_utf8(out).expect("UTF-8")
    };
    let first = written(&insert);
    assert!(first.contains(r#""xid":910,"commit":true,"position":"#));
    assert!(!written(&read).contains("position"));
    assert_eq!(written(&insert), first);
}

#[test]
fn a_line_stands_before_a_snapshots_rows_and_one_behind_them() {
    let begin = Action::SnapshotBegin;
    let end = Action::SnapshotEnd {
        rows: 3,
        begun: None,
    };
    for (action, name) in [(begin, "start"), (end, "complete")] {
        let quiet = mark(&encoder(options()), "tables", action);
        let expected = format!(
            r#"{{"database":"shop","table":"item","type":"bootstrap-{name}","ts":1706933106,"data":{{}}}}"#
        );
        assert_eq!(quiet, Some(expected), "also without output_ddl");
    }
    let told = |action| mark(&encoder(talkative()), "fix", action).expect("a line");
    assert!(told(begin).ends_with(r#","ts":1706933106,"comment":"fix","data":{}}"#));
    assert!(told(end).ends_with(
        r#","ts":1706933106,"comment":"fix","primary_key":[],"primary_key_columns":[],"data":{}}"#
    ));
}

#[test]
fn a_snapshots_row_has_the_partition_key_key_and_values_of_an_insert() {
    let shape = ShapePlan {
        include: ColumnFilter::new(&["!*.*.a".to_owned()]).expect("patterns"),
        ..ShapePlan::default()
    };
    let table = table(&[("id", INT), ("a", VARCHAR), ("b", VARCHAR)], &[0]);
    let images = b"\0\x07\0\0\0\x01x\x01y";
    let insert = block(&table, RowsKind::Insert, images);
    let read = snapshot_block("tables", &table, images);
    for partition_by in [
        PartitionBy::Database,
        PartitionBy::Table,
        PartitionBy::PrimaryKey,
        PartitionBy::Column,
    ] {
        let options = MaxwellOptions {
            partition_by,
            partition_columns: vec!["b".to_owned()],
            ..options()
        };
        let encoder = MaxwellEncoder::new(
            Arc::new(options),
            ShapeRules::new(&shape, InvalidText::Halt),
        );
        let both = [&insert, &read];
        let [one, other] = both.map(|block| partition_keys(&encoder, block));
        assert_eq!(one, other);
        let [one, other] = both.map(|block| key(&encoder, block));
        assert_eq!(one, other);
        let [one, other] = both.map(|block| {
            let line = lines(&encoder, block).expect("a line").remove(0);
            line.split_once(r#""data":"#).expect("data").1.to_owned()
        });
        assert_eq!(one, other);
        assert_eq!(other, r#"{"id":7,"b":"y"}}"#);
    }
}
