//! Snapshots as Debezium's incremental ones.

use headwater_binlog::ddl::Action;

use super::*;
use crate::encode::fixture::{mark, snapshot_block};

const ROW: &[u8] = b"\0\x07\0\0\0\x01x";

#[test]
fn a_snapshots_row_is_a_read_of_an_incremental_snapshot() {
    let read = snapshot_block("tables", &orders(), ROW);
    assert_eq!(
        written(options(), &read),
        [concat!(
            r#"{"before":null,"after":{"id":7,"note":"x"},"#,
            r#""source":{"version":"3.6.1.Final","connector":"mysql","name":"shop","#,
            r#""ts_ms":1706933106044,"snapshot":"incremental","db":"shop","sequence":null,"#,
            r#""ts_us":1706933106044120,"ts_ns":1706933106044120000,"table":"item","server_id":11,"#,
            r#""gtid":null,"file":"binlog.000003","pos":400,"row":5,"thread":null,"query":null},"#,
            r#""transaction":null,"op":"r","ts_ms":1706933106044,"ts_us":1706933106044120,"#,
            r#""ts_ns":1706933106044120000}"#
        )]
    );
}

#[test]
fn reads_are_there_also_where_creates_are_skipped() {
    let mut options = options();
    options.skipped.create = true;
    let read = snapshot_block("tables", &orders(), ROW);
    assert_eq!(written(options.clone(), &read).len(), 1);
    let insert = block(&orders(), RowsKind::Insert, ROW);
    assert!(written(options, &insert).is_empty());
}

#[test]
fn a_snapshot_has_no_line_but_its_rows() {
    let told = DebeziumOptions {
        include_schema_changes: true,
        ..options()
    };
    for action in [
        Action::SnapshotBegin,
        Action::SnapshotEnd {
            rows: 3,
            begun: None,
        },
    ] {
        assert_eq!(mark(&encoder(told.clone()), "tables", action), None);
    }
}

#[test]
fn a_snapshots_row_has_the_key_and_partition_key_of_an_insert() {
    let shape = ShapePlan {
        include: ColumnFilter::new(&["!*.*.note".to_owned()]).expect("patterns"),
        ..ShapePlan::default()
    };
    let encoder = DebeziumEncoder::new(
        Arc::new(options()),
        ShapeRules::new(&shape, InvalidText::Halt),
    );
    let insert = block(&orders(), RowsKind::Insert, ROW);
    let read = snapshot_block("tables", &orders(), ROW);
    assert_eq!(key(&encoder, &read), key(&encoder, &insert));
    assert_eq!(partition_keys(&encoder, &read), [r#"{"id":7}"#]);
    assert_eq!(partition_keys(&encoder, &insert), [r#"{"id":7}"#]);
    let line = lines(&encoder, &read).expect("a line").remove(0);
    assert!(line.starts_with(r#"{"before":null,"after":{"id":7},"#));
}
