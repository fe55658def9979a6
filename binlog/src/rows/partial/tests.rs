//! After images of partial updates, made by hand as the server lays them out.

use std::sync::Arc;

use super::*;
use crate::{
    charset::Charset,
    rows::{
        parse,
        tests::{block, body, table},
    },
};

const JSON: ColumnKind = ColumnKind::Json { length_bytes: 4 };

/// An INT, two JSON columns, a text between them.
fn columns() -> Arc<Table> {
    table(vec![
        ColumnKind::Int { unsigned: false },
        JSON,
        ColumnKind::Text {
            length_bytes: 1,
            charset: Charset::Utf8,
        },
        JSON,
    ])
}

/// `[1]`, small.
const DOCUMENT: [u8; 8] = [0x02, 1, 0, 7, 0, 5, 1, 0];

fn prefixed(bytes: &[u8]) -> Vec<u8> {
    let mut prefixed = (bytes.len() as u32).to_le_bytes().to_vec();
    prefixed.extend_from_slice(bytes);
    prefixed
}

/// Replaces the element 0 by 2.
fn diffs() -> Vec<u8> {
    [&[0, 4][..], b"$[0]", &[3, 5, 2, 0]].concat()
}

fn before() -> Vec<u8> {
    [
        &[0xf0, 7, 0, 0, 0][..],
        &prefixed(&DOCUMENT),
        &[1, b'x'],
        &prefixed(&DOCUMENT),
    ]
    .concat()
}

fn partial(images: &[u8], sets: [u8; 2]) -> RowsBlock {
    let event = parse(39, body(4, &sets, images), 10).unwrap();
    assert!(event.is_partial);
    block(columns(), event)
}

fn documents(block: &RowsBlock) -> Vec<String> {
    let mut texts = Vec::new();
    for row in block.rows() {
        let after = row.unwrap().1.after.unwrap();
        for (column, cell) in block.table.columns.iter().zip(after.cells()) {
            match (cell.unwrap(), is_json(column)) {
                (Cell::Bytes(bytes), true) => {
                    let mut text = Vec::new();
                    json::write(bytes, &mut text).unwrap();
                    texts.push(String::from_utf8(text).unwrap());
                }
                (Cell::Null, true) => texts.push("NULL".into()),
                _ => {}
            }
        }
    }
    texts
}

#[test]
fn diffs_become_whole_documents_and_the_rest_stays() {
    // First row: the second document by diffs. Second row: no options at all. Third: the first is NULL now.
    let full = |options: &[u8], nulls: u8, first: &[u8], second: &[u8]| {
        [
            &before(),
            options,
            &[nulls, 8, 0, 0, 0],
            first,
            &[1, b'y'],
            second,
        ]
        .concat()
    };
    let images = [
        full(&[1, 0b10], 0xf0, &prefixed(&DOCUMENT), &prefixed(&diffs())),
        full(&[0], 0xf0, &prefixed(&DOCUMENT), &prefixed(&DOCUMENT)),
        full(&[1, 0b11], 0xf2, &[], &prefixed(&[])),
    ]
    .concat();
    let mut block = partial(&images, [0xff, 0xff]);
    assert_eq!(count(&block), Ok(3));
    assert_eq!(make_whole(&mut block), Ok(3));
    assert_eq!(block.count_rows(), Ok(3));
    assert_eq!(
        documents(&block),
        ["[1]", "[2]", "[1]", "[1]", "NULL", "[1]"]
    );
}

#[test]
fn the_bits_count_json_columns_that_the_image_lacks_too() {
    // After: the INT and the second JSON column only.
    let images = [
        &before()[..],
        &[1, 0b10, 0xfc, 8, 0, 0, 0],
        &prefixed(&diffs()),
    ]
    .concat();
    let mut block = partial(&images, [0xff, 0b1001]);
    assert_eq!(make_whole(&mut block), Ok(1));
    assert_eq!(documents(&block), ["[2]"]);
}

#[test]
fn a_document_that_is_not_in_the_before_image_halts_with_the_remedy() {
    let images = [
        &[0xfe, 7, 0, 0, 0][..],
        &[1, 0b10, 0xfe],
        &prefixed(&diffs()),
    ]
    .concat();
    let mut block = partial(&images, [0b0001, 0b1000]);
    assert_eq!(count(&block), Ok(1));
    let error = make_whole(&mut block).unwrap_err();
    let text = error.to_string();
    assert!(
        text.starts_with("column `c3` of table `shop.orders`"),
        "{text}"
    );
    assert!(
        error
            .hint()
            .is_some_and(|hint| hint.contains("binlog_row_image = 'FULL'"))
    );
}

#[test]
fn what_does_not_fit_the_document_names_the_column() {
    let elsewhere = [&[0, 4][..], b"$[1]", &[3, 5, 2, 0]].concat();
    let row = |is_diffs: u8, second: &[u8]| {
        let first = prefixed(&DOCUMENT);
        [
            &before()[..],
            &[1, is_diffs, 0xf0, 8, 0, 0, 0],
            &first,
            &[1, b'y'],
            second,
        ]
        .concat()
    };
    for (images, expected) in [
        (
            row(0b10, &prefixed(&elsewhere)),
            "diff 1, 1 steps deep, has no place",
        ),
        (row(0b10, &[9, 0, 0, 0, 1]), "9 bytes needed, 1 left"),
        (row(0b10, &[9]), "4 bytes needed, 1 left"),
        (row(0, &[9, 0, 0, 0]), "bytes needed, 4 left"),
    ] {
        let mut block = partial(&images, [0xff, 0xff]);
        let text = make_whole(&mut block).unwrap_err().to_string();
        assert!(
            text.contains("column `c3` of table `shop.orders`"),
            "{text}"
        );
        assert!(text.contains(expected), "{text}");
    }
    let mut block = partial(&[&before()[..], &[2]].concat(), [0xff, 0xff]);
    let text = make_whole(&mut block).unwrap_err().to_string();
    assert!(text.contains("binlog_row_value_options 0x2"), "{text}");
}
