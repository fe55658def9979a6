//! A key is its columns' bytes in key order, or nothing.

use proptest::prelude::*;

use super::*;
use crate::{
    rows::ColumnSet,
    schema::{Column, ColumnKind, TableName},
};

fn table() -> Table {
    let column = |name: &str, kind| Column {
        name: name.into(),
        kind,
        nullable: true,
        visible: true,
    };
    let name = TableName {
        database: "shop".into(),
        table: "orders".into(),
    };
    let code = ColumnKind::Binary {
        length_bytes: 1,
        pad_to: 0,
    };
    let columns = vec![
        column("id", ColumnKind::Int { unsigned: false }),
        column("code", code),
        column("n", ColumnKind::SmallInt { unsigned: true }),
    ];
    Table::new(name, columns, vec![2, 0])
}

fn read(columns: &[usize], present: &[u8], nulls: &[u8], values: &[u8]) -> Option<Vec<u8>> {
    let table = table();
    let present = ColumnSet {
        bits: present.to_vec().into(),
        columns: 3,
    };
    let image = Image {
        table: &table,
        present: &present,
        has_all: present.is_all(),
        nulls,
        values,
    };
    let mut out = vec![9];
    let reader = KeyReader::new(&table, columns).unwrap();
    let is_all = reader.read(&image, &mut out).unwrap();
    assert_eq!(out.remove(0), 9, "what was there stays");
    is_all.then_some(out)
}

const VALUES: &[u8] = &[1, 0, 0, 0, 2, b'a', b'b', 7, 0];

#[test]
fn values_stand_in_key_order_behind_their_lengths() {
    let key = read(&[2, 0], &[7], &[0], VALUES).unwrap();
    assert_eq!(key, [2, 0, 0, 0, 7, 0, 4, 0, 0, 0, 1, 0, 0, 0]);
    let values: Vec<&[u8]> = split(&key).collect();
    assert_eq!(values, [&[7, 0][..], &[1, 0, 0, 0]]);
    let code = read(&[1], &[7], &[0], VALUES).unwrap();
    assert_eq!(split(&code).collect::<Vec<_>>(), [b"ab"]);
}

#[test]
fn a_key_with_a_null_or_an_absent_column_is_none() {
    assert_eq!(read(&[0, 1], &[7], &[2], &[1, 0, 0, 0, 7, 0]), None);
    assert_eq!(read(&[1], &[5], &[0], &[1, 0, 0, 0, 7, 0]), None);
    // The columns in front of the one that is read may be absent.
    assert!(read(&[2], &[4], &[0], &[7, 0]).is_some());
}

#[test]
fn columns_that_make_no_key_are_refused() {
    let table = table();
    for columns in [&[][..], &[3], &[0, 0], &[0; 40]] {
        assert!(KeyReader::new(&table, columns).is_err(), "{columns:?}");
    }
}

#[test]
fn an_image_that_is_cut_short_is_an_error_and_leaves_nothing() {
    let table = table();
    let present = ColumnSet::all(3);
    for length in 0..VALUES.len() {
        let image = Image {
            table: &table,
            present: &present,
            has_all: true,
            nulls: &[0],
            values: &VALUES[..length],
        };
        let mut out = Vec::new();
        let reader = KeyReader::new(&table, &[2, 0]).unwrap();
        assert!(reader.read(&image, &mut out).is_err());
        assert!(out.is_empty());
    }
}

proptest! {
    #[test]
    fn any_bytes_are_split_into_parts_of_them(bytes: Vec<u8>) {
        let taken: usize = split(&bytes).map(|value| value.len() + 4).sum();
        prop_assert!(taken <= bytes.len());
    }
}
