//! Row images: present columns, NULL bits, every way of being too short.

use proptest::prelude::*;

use super::*;
use crate::{
    charset::Charset,
    position::FileName,
    schema::{ColumnKind, TableName},
    value::Value,
};

pub(super) fn table(kinds: Vec<ColumnKind>) -> Arc<Table> {
    let columns = kinds
        .into_iter()
        .enumerate()
        .map(|(index, kind)| Column {
            name: format!("c{index}"),
            kind,
            nullable: true,
            visible: true,
        })
        .collect();
    let name = TableName {
        database: "shop".into(),
        table: "orders".into(),
    };
    Arc::new(Table::new(name, columns, vec![0]))
}

fn two_columns() -> Arc<Table> {
    table(vec![
        ColumnKind::Int { unsigned: false },
        ColumnKind::Text {
            length_bytes: 1,
            charset: Charset::Utf8,
        },
    ])
}

pub(super) fn block(table: Arc<Table>, event: RowsEvent) -> RowsBlock {
    let file = FileName {
        name: "binlog.000001".into(),
        number: 1,
    };
    let transaction = Transaction {
        gtid: None,
        file,
        offset: 4,
        server_id: 1,
        commit_us: 0,
        thread_id: None,
        end: Default::default(),
        snapshot: None,
    };
    RowsBlock {
        transaction: Arc::new(transaction),
        table,
        map: None,
        kind: event.kind,
        event_offset: 4,
        first_row: 0,
        row_count: 0,
        before: event.before,
        after: event.after,
        images: event.images,
        query: None,
    }
}

/// A version 2 body: table 42, end of statement, no extra data.
pub(super) fn body(width: u8, sets: &[u8], images: &[u8]) -> Bytes {
    [&[42, 0, 0, 0, 0, 0, 1, 0, 2, 0, width][..], sets, images]
        .concat()
        .into()
}

fn cells<'a>(image: &Image<'a>) -> Vec<Cell<'a>> {
    image.cells().collect::<Result<_, _>>().unwrap()
}

const ONE: [u8; 4] = [1, 0, 0, 0];

#[test]
fn an_insert_yields_its_rows_in_order() {
    // Unused NULL bits are ones, as the server writes them.
    let images = [&[0xfc][..], &ONE, &[2, b'h', b'i'], &[0xfe], &[2, 0, 0, 0]].concat();
    let event = parse(30, body(2, &[0xff], &images), 10).unwrap();
    assert_eq!(
        (event.table_id, event.ends_statement, event.kind),
        (42, true, RowsKind::Insert)
    );
    let block = block(two_columns(), event);
    assert_eq!(block.count_rows(), Ok(2));
    let rows: Vec<(usize, Row<'_>)> = block.rows().collect::<Result<_, _>>().unwrap();
    assert_eq!(
        rows.iter()
            .map(|(offset, row)| (*offset, row.bytes))
            .collect::<Vec<_>>(),
        [(0, 8), (8, 5)]
    );
    assert_eq!(
        cells(&rows[0].1.after.unwrap()),
        [Cell::Bytes(&ONE), Cell::Bytes(b"hi")]
    );
    assert_eq!(
        cells(&rows[1].1.after.unwrap()),
        [Cell::Bytes(&[2, 0, 0, 0]), Cell::Null]
    );
    assert!(rows[0].1.before.is_none());
    assert_eq!(block.row_at(8).unwrap().unwrap().bytes, 5);
    assert!(block.row_at(13).unwrap().is_none());
}

#[test]
fn an_update_has_both_images_and_what_is_missing_is_absent() {
    // MINIMAL: the key before, the changed column after.
    let images = [&[0xfe][..], &ONE, &[0xfe], &[1, b'x']].concat();
    let event = parse(31, body(2, &[0b01, 0b10], &images), 10).unwrap();
    let block = block(two_columns(), event);
    let row = block.row_at(0).unwrap().unwrap();
    assert_eq!(
        cells(&row.before.unwrap()),
        [Cell::Bytes(&ONE), Cell::Absent]
    );
    assert_eq!(
        cells(&row.after.unwrap()),
        [Cell::Absent, Cell::Bytes(b"x")]
    );
    assert_eq!(block.count_rows(), Ok(1));
}

#[test]
fn version_1_bodies_have_no_extra_data_and_version_2_may_have_some() {
    let images = [&[0xfc][..], &ONE, &[0]].concat();
    let version_1 = [&[42, 0, 0, 0, 0, 0, 0, 0, 2, 0xff][..], &images].concat();
    let event = parse(25, version_1.into(), 8).unwrap();
    assert_eq!(
        (event.kind, event.ends_statement),
        (RowsKind::Delete, false)
    );
    assert_eq!(event.after, ColumnSet::none());
    assert_eq!(event.images, images);
    let version_2 = [
        &[42, 0, 0, 0, 0, 0, 0, 0, 5, 0, 9, 9, 9, 2, 0xff][..],
        &images,
    ]
    .concat();
    assert_eq!(parse(32, version_2.into(), 10).unwrap().images, images);
    let short = [&[42, 0, 0, 0, 0, 0, 0, 0, 1, 0][..], &images].concat();
    assert!(parse(32, short.into(), 10).is_err());
}

#[test]
fn rows_that_nobody_can_count_are_refused() {
    let error = parse(30, body(2, &[0], &[]), 10).unwrap_err().to_string();
    assert!(error.contains("binlog_row_image = 'FULL'"), "{error}");
}

#[test]
fn a_width_other_than_the_tables_is_an_error() {
    let event = parse(30, body(3, &[0xff], &[0xf8, 1]), 10).unwrap();
    let error = block(two_columns(), event)
        .count_rows()
        .unwrap_err()
        .to_string();
    assert_eq!(error, "rows event: 3 columns, table `shop.orders` has 2");
}

#[test]
fn a_row_cut_short_is_an_error_and_ends_the_walk() {
    let images = [&[0xfc][..], &ONE, &[5, b'h', b'i']].concat();
    let block = block(
        two_columns(),
        parse(30, body(2, &[0xff], &images), 10).unwrap(),
    );
    assert!(block.count_rows().is_err());
    assert_eq!(block.rows().count(), 1);
}

#[test]
fn only_the_images_keep_the_event_alive() {
    let body = body(2, &[0xff, 0xff], &[0xfc, 1]);
    let event = parse(31, body.clone(), 10).unwrap();
    assert!(!body.is_unique());
    drop(event.images);
    assert!(body.is_unique());
    assert_eq!((event.before.count(), event.after.count()), (2, 2));
}

#[test]
fn column_sets_count_only_their_columns() {
    let set = ColumnSet {
        bits: Bytes::from_static(&[0xff, 0xff]),
        columns: 12,
    };
    assert!(set.is_all() && set.count() == 12 && set.contains(11) && !set.contains(12));
    let set = ColumnSet {
        bits: Bytes::from_static(&[0b1, 0xf0]),
        columns: 12,
    };
    assert!(!set.is_all() && set.count() == 1);
    assert_eq!(ColumnSet::all(9).count(), 9);
    assert!(ColumnSet::none().is_all());
}

proptest! {
    #[test]
    fn any_body_is_walked_and_read_without_panic(
        event_type in prop::sample::select(vec![23_u8, 24, 25, 30, 31, 32, 39]),
        tail: Vec<u8>,
        kinds in prop::collection::vec(crate::value::tests::any_kind(), 1..20),
    ) {
        let width = kinds.len() as u8;
        let head: &[u8] = if event_type < 30 { &[1, 0, 0, 0, 0, 0, 0, 0] } else { &[1, 0, 0, 0, 0, 0, 0, 0, 2, 0] };
        let body = [head, &[width], &tail].concat();
        if let Ok(event) = parse(event_type, body.into(), 10) {
            let is_partial = event.is_partial;
            let mut block = block(table(kinds), event);
            if is_partial {
                let counted = partial::count(&block);
                let Ok(rows) = partial::make_whole(&mut block) else { return Ok(()) };
                prop_assert_eq!(counted.ok(), Some(rows));
                prop_assert_eq!(block.count_rows().ok(), Some(rows));
            }
            let mut walked = 0;
            for row in block.rows() {
                let Ok((offset, row)) = row else { break };
                prop_assert_eq!(offset, walked);
                prop_assert!(row.bytes > 0);
                walked += row.bytes;
                for image in [row.before, row.after].into_iter().flatten() {
                    for (column, cell) in image.table.columns.iter().zip(image.cells()) {
                        if let Cell::Bytes(bytes) = cell? {
                            drop(crate::value::read(&column.kind, bytes).map(|_: Value<'_>| ()));
                        }
                    }
                }
            }
            prop_assert!(walked <= block.images.len());
        }
    }
}
