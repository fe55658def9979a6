//! What table maps may take in memory.

use super::*;
use crate::fixture::wide_table_map_body;

const COLUMNS: usize = 1000;

/// One row of a wide table, all columns present.
fn wide_insert_body(id: u64, ends_statement: bool) -> Vec<u8> {
    let mut body = id.to_le_bytes()[..6].to_vec();
    body.extend_from_slice(&[u8::from(ends_statement), 0, 2, 0]);
    body.extend_from_slice(&[0xfc, (COLUMNS & 0xff) as u8, (COLUMNS >> 8) as u8]);
    body.extend(vec![0xff; COLUMNS.div_ceil(8)]);
    body.extend(vec![0; COLUMNS.div_ceil(8)]);
    body.extend(vec![0; 4 * COLUMNS]);
    body
}

fn map(log: &mut Log, id: u64) -> Bytes {
    log.event(
        19,
        &wide_table_map_body(id, "shop", &format!("t{id}"), COLUMNS),
    )
}

fn row(log: &mut Log, id: u64, ends_statement: bool) -> Bytes {
    log.event(30, &wide_insert_body(id, ends_statement))
}

#[test]
fn a_transaction_over_many_wide_tables_keeps_a_few_mebibytes_of_maps() {
    let mut log = Log::new();
    let mut assembler = begun(&mut log);
    push(&mut assembler, [log.gtid(1), log.begin()]);
    for id in 0..2000 {
        let items = push(&mut assembler, [map(&mut log, id), row(&mut log, id, true)]);
        let [Item::Rows(block)] = &items[..] else {
            panic!("{items:?}")
        };
        assert_eq!(block.table.columns.len(), COLUMNS);
        let (maps, parsed) = assembler.map_bytes();
        assert!(maps <= 5 << 20 && parsed <= 5 << 20, "{maps} {parsed}");
    }
}

#[test]
fn within_a_statement_a_table_that_was_forgotten_is_parsed_again_from_its_map() {
    let mut log = Log::new();
    let mut assembler = begun(&mut log);
    push(&mut assembler, [log.gtid(1), log.begin()]);
    for id in 0..200 {
        push(&mut assembler, [map(&mut log, id)]);
        assert!(assembler.map_bytes().1 <= 5 << 20);
    }
    let first = push(&mut assembler, [row(&mut log, 0, false)]);
    let last = push(&mut assembler, [row(&mut log, 199, true)]);
    for (items, name) in [(first, "shop.t0"), (last, "shop.t199")] {
        let [Item::Rows(block)] = &items[..] else {
            panic!("{items:?}")
        };
        assert_eq!(block.table.name.to_string(), name);
        assert_eq!((block.table.columns.len(), block.row_count), (COLUMNS, 1));
    }
}

#[test]
fn maps_of_one_statement_without_an_end_are_refused() {
    let mut log = Log::new();
    let mut assembler = begun(&mut log);
    push(&mut assembler, [log.gtid(1), log.begin()]);
    let mut items = Vec::new();
    let outcome = (0..5000).try_for_each(|id| assembler.push(map(&mut log, id), &mut items));
    let error = outcome.expect_err("a limit").cause.to_string();
    assert!(error.contains("more than 16 MiB"), "{error}");
    assert!(assembler.map_bytes().0 <= 16 << 20);
}

#[test]
fn the_map_of_a_table_that_is_not_wanted_is_parsed_when_its_rows_are_counted() {
    let mut log = Log::new();
    let mut assembler = begun(&mut log);
    assembler.set_wanted(Box::new(|name| name.table == "t1"));
    push(&mut assembler, [log.gtid(1), log.begin(), map(&mut log, 0)]);
    assert_eq!(assembler.map_bytes().1, 0);
    assert!(push(&mut assembler, [row(&mut log, 0, true)]).is_empty());
    let items = push(&mut assembler, [map(&mut log, 1), row(&mut log, 1, true)]);
    let [Item::Rows(block)] = &items[..] else {
        panic!("{items:?}")
    };
    assert_eq!(block.first_row, 1, "the other table's row counts");
}

#[test]
fn what_a_table_takes_is_known_about() {
    let table = crate::table_map::parse(&wide_table_map_body(1, "shop", "t", COLUMNS), 8);
    let bytes = table.expect("a table").1.bytes();
    assert!((50 * COLUMNS..150 * COLUMNS).contains(&bytes), "{bytes}");
}
