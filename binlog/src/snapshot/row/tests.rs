//! A row of the binary protocol has the image that the log has for it, or is refused.

mod every_type;

use std::sync::Arc;

use super::*;
use crate::{
    charset::Charset,
    rows::{Cell, ColumnSet, Image},
    schema::{Column, ColumnKind, TableName},
    value::{self, Value},
};

fn table(kinds: &[ColumnKind]) -> Table {
    let column = |(index, kind): (usize, &ColumnKind)| Column {
        name: format!("c{index}"),
        kind: kind.clone(),
        nullable: true,
        visible: true,
    };
    let name = TableName {
        database: "shop".into(),
        table: "orders".into(),
    };
    let columns = kinds.iter().enumerate().map(column).collect();
    Table::new(name, columns, Vec::new())
}

/// One column, not NULL: its bytes in the image, or the reason.
fn one(kind: &ColumnKind, value: &[u8]) -> Result<Vec<u8>, String> {
    let mut writer = RowWriter::new(&table(std::slice::from_ref(kind)));
    let mut out = vec![1, 2, 3];
    let row = [&[0, 0], value].concat();
    let written = writer.write(&row, &mut out);
    assert_eq!(out[..3], [1, 2, 3]);
    match written {
        Ok(()) => {
            assert_eq!(out[3], 0, "no NULL");
            Ok(out[4..].to_vec())
        }
        Err(error) => {
            assert_eq!(out.len(), 3, "an error leaves nothing");
            let text = error.to_string();
            assert!(text.contains("table `shop.orders`"), "{text}");
            Err(text)
        }
    }
}

fn measured(bytes: &[u8]) -> Vec<u8> {
    [&[bytes.len() as u8][..], bytes].concat()
}

#[test]
fn null_bits_move_by_two() {
    let tiny = ColumnKind::TinyInt { unsigned: true };
    for count in 1..40 {
        let mut writer = RowWriter::new(&table(&vec![tiny.clone(); count]));
        for null in 0..count {
            let mut row = vec![0; 1 + (count + 2).div_ceil(8)];
            row[1 + (null + 2) / 8] |= 1 << ((null + 2) % 8);
            row.extend(std::iter::repeat_n(9, count - 1));
            let mut out = Vec::new();
            writer.write(&row, &mut out).unwrap();
            let mut nulls = vec![0_u8; count.div_ceil(8)];
            nulls[null / 8] |= 1 << (null % 8);
            let expected = [nulls, vec![9; count - 1]].concat();
            assert_eq!(out, expected, "column {null} of {count}");
        }
    }
}

#[test]
fn integers_keep_their_bytes_and_medium_ones_lose_one() {
    let medium = |unsigned| ColumnKind::MediumInt { unsigned };
    assert_eq!(
        one(&medium(false), &(-3_i32).to_le_bytes()),
        Ok(vec![0xfd, 0xff, 0xff])
    );
    assert_eq!(
        one(&medium(true), &0xff_ffff_u32.to_le_bytes()),
        Ok(vec![0xff; 3])
    );
    assert!(one(&medium(false), &0x80_0000_u32.to_le_bytes()).is_err());
    assert!(one(&medium(false), &(-0x80_0001_i32).to_le_bytes()).is_err());
    assert!(one(&medium(true), &0x100_0000_u32.to_le_bytes()).is_err());
    assert!(one(&medium(true), &(-1_i32).to_le_bytes()).is_err());
    let big = ColumnKind::BigInt { unsigned: true };
    assert_eq!(one(&big, &u64::MAX.to_le_bytes()), Ok(vec![0xff; 8]));
    assert!(one(&big, &[0; 7]).is_err());
    assert!(one(&big, &[0; 9]).is_err());
}

#[test]
fn years_count_from_1900_and_year_0_is_0() {
    assert_eq!(
        one(&ColumnKind::Year, &2024_u16.to_le_bytes()),
        Ok(vec![124])
    );
    assert_eq!(one(&ColumnKind::Year, &[0, 0]), Ok(vec![0]));
    for year in [1, 1900, 2156_u16] {
        assert!(one(&ColumnKind::Year, &year.to_le_bytes()).is_err());
    }
}

#[test]
fn numbers_that_are_not_finite_are_refused() {
    assert!(one(&ColumnKind::Float, &f32::NAN.to_le_bytes()).is_err());
    assert!(one(&ColumnKind::Double, &f64::INFINITY.to_le_bytes()).is_err());
    assert!(one(&ColumnKind::Double, &(-0.0_f64).to_le_bytes()).is_ok());
}

#[test]
fn decimals_are_packed_as_a_server_packs_them() {
    let decimal = |precision, scale| ColumnKind::Decimal { precision, scale };
    let ten_two = decimal(10, 2);
    assert_eq!(
        one(&ten_two, &measured(b"12.50")),
        Ok(vec![0x80, 0, 0, 12, 50])
    );
    assert_eq!(
        one(&ten_two, &measured(b"-12.50")),
        Ok(vec![0x7f, 0xff, 0xff, 0xf3, 0xcd])
    );
    assert_eq!(
        one(&ten_two, &measured(b"00000003.25")),
        Ok(vec![0x80, 0, 0, 3, 25])
    );
    let whole = decimal(5, 0);
    assert_eq!(one(&whole, &measured(b"12345")), Ok(vec![0x80, 0x30, 0x39]));
    for wrong in [
        &b"1.5"[..],
        b"1",
        b"1.500",
        b"123456789.00",
        b"",
        b".50",
        b"1e5",
        b"+1.00",
        b"1.0a",
        b"1..00",
        b"-",
    ] {
        assert!(one(&ten_two, &measured(wrong)).is_err(), "{wrong:?}");
    }
}

#[test]
fn parts_of_dates_beyond_their_range_are_refused() {
    let date_time = ColumnKind::DateTime { fsp: 3 };
    let row = |month, hour, micros: u32| {
        let [w, x, y, z] = micros.to_le_bytes();
        vec![11, 0xe8, 7, month, 1, hour, 0, 0, w, x, y, z]
    };
    assert!(one(&date_time, &row(12, 23, 999_000)).is_ok());
    assert!(one(&date_time, &row(13, 23, 0)).is_err());
    assert!(one(&date_time, &row(12, 24, 0)).is_err());
    assert!(one(&date_time, &row(12, 23, 1_000_000)).is_err());
    assert!(one(&date_time, &row(12, 23, 999_100)).is_err(), "finer");
    assert!(one(&date_time, &[5, 1, 1, 1, 1, 1]).is_err());
    let time = ColumnKind::Time { fsp: 0 };
    assert!(one(&time, &[8, 0, 34, 0, 0, 0, 22, 59, 59]).is_ok());
    assert!(one(&time, &[8, 0, 34, 0, 0, 0, 23, 0, 0]).is_err());
    assert!(one(&time, &[8, 2, 0, 0, 0, 0, 1, 0, 0]).is_err());
    assert!(one(&time, &[8, 0, 255, 255, 255, 255, 1, 0, 0]).is_err());
    assert!(one(&ColumnKind::Date, &[7, 0xe8, 7, 1, 1, 0, 0, 1]).is_err());
    let stamp = ColumnKind::Timestamp { fsp: 0 };
    assert!(one(&stamp, &[4, 0xb2, 7, 1, 1]).is_err(), "the zero moment");
    assert!(one(&stamp, &[4, 0xb1, 7, 1, 1]).is_err(), "before 1970");
    assert!(one(&stamp, &[4, 0xe8, 7, 0, 1]).is_err(), "no day");
    assert_eq!(one(&stamp, &[0]), Ok(vec![0; 4]));
}

#[test]
fn binary_columns_come_with_their_zeros_and_are_logged_without() {
    let binary = ColumnKind::Binary {
        length_bytes: 1,
        pad_to: 4,
    };
    assert_eq!(one(&binary, &measured(&[1, 0, 2, 0])), Ok(vec![3, 1, 0, 2]));
    assert_eq!(one(&binary, &measured(&[0; 4])), Ok(vec![0]));
    assert!(one(&binary, &measured(&[1; 3])).is_err(), "not its text");
    let varbinary = ColumnKind::Binary {
        length_bytes: 2,
        pad_to: 0,
    };
    assert_eq!(one(&varbinary, &measured(&[1, 0])), Ok(vec![2, 0, 1, 0]));
}

#[test]
fn lengths_are_those_of_the_column() {
    let text = |length_bytes| ColumnKind::LongText {
        length_bytes,
        charset: Charset::Utf8,
    };
    let long = vec![b'x'; 300];
    let row = [&[0xfc, 44, 1], &long[..]].concat();
    assert!(one(&text(1), &row).is_err());
    assert_eq!(
        one(&text(3), &row).unwrap(),
        [&[44, 1, 0], &long[..]].concat()
    );
    let row = [&[0xfd, 44, 1, 0], &long[..]].concat();
    assert_eq!(one(&text(2), &row).unwrap()[..2], [44, 1]);
    let row = [&[0xfe, 44, 1, 0, 0, 0, 0, 0, 0], &long[..]].concat();
    assert_eq!(one(&text(4), &row).unwrap()[..4], [44, 1, 0, 0]);
    for wrong in [&[0xfb][..], &[0xff], &[0xfe, 1], &[5, b'a'], &[]] {
        assert!(one(&text(2), wrong).is_err());
    }
    assert!(one(&text(4), &[0xfe, 255, 255, 255, 255, 255, 255, 255, 255]).is_err());
}

#[test]
fn enum_and_set_are_numbers_within_their_labels() {
    let labels: Arc<[String]> = ["a".to_owned(), "b".to_owned()].into();
    let kind = ColumnKind::Enum {
        bytes: 1,
        labels: Arc::clone(&labels),
    };
    assert_eq!(one(&kind, &2_u64.to_le_bytes()), Ok(vec![2]));
    assert_eq!(one(&kind, &0_u64.to_le_bytes()), Ok(vec![0]));
    assert!(one(&kind, &3_u64.to_le_bytes()).is_err());
    assert!(one(&kind, &(1_u64 << 32).to_le_bytes()).is_err());
    let kind = ColumnKind::Set { bytes: 1, labels };
    assert_eq!(one(&kind, &3_u64.to_le_bytes()), Ok(vec![3]));
    assert!(one(&kind, &4_u64.to_le_bytes()).is_err());
    let labels = (0..64).map(|n| n.to_string()).collect();
    let kind = ColumnKind::Set { bytes: 8, labels };
    assert_eq!(one(&kind, &u64::MAX.to_le_bytes()), Ok(vec![0xff; 8]));
}

#[test]
fn bits_are_those_of_the_column() {
    let bit = ColumnKind::Bit { bits: 11 };
    assert_eq!(one(&bit, &measured(&[7, 0xff])), Ok(vec![7, 0xff]));
    assert!(one(&bit, &measured(&[8, 0])).is_err());
    assert!(one(&bit, &measured(&[7])).is_err());
}

#[test]
fn documents_are_binary_behind_their_length() {
    let json = ColumnKind::Json { length_bytes: 4 };
    assert_eq!(
        one(&json, &measured(b"[1]")),
        Ok(vec![8, 0, 0, 0, 2, 1, 0, 7, 0, 5, 1, 0])
    );
    let error = one(&json, &measured(b"{\"secret\"}")).unwrap_err();
    assert!(!error.contains("secret"), "{error}");
}

#[test]
fn rows_that_do_not_fit_the_table_are_refused() {
    let mut table = table(&[ColumnKind::Year, ColumnKind::Year]);
    table.columns[1].nullable = false;
    let mut writer = RowWriter::new(&table);
    let mut out = vec![5];
    for row in [
        &[][..],
        &[0],
        &[1, 0, 0, 0, 0, 0],
        &[0, 0, 0, 0],
        &[0, 0, 0, 0, 0, 0, 0],
        &[0, 0b1000, 0, 0],
    ] {
        assert!(writer.write(row, &mut out).is_err(), "{row:?}");
        assert_eq!(out, [5]);
    }
    assert!(writer.write(&[0, 0b0100, 124, 0], &mut out).is_err());
    assert!(writer.write(&[0, 0b0100, 0xe8, 7], &mut out).is_ok());
    assert_eq!(out, [5, 0b01, 124]);
}

#[test]
fn a_statement_whose_columns_come_in_another_form_is_refused() {
    let enumeration = ColumnKind::Enum {
        bytes: 1,
        labels: ["a".to_owned()].into(),
    };
    let writer = RowWriter::new(&table(&[
        ColumnKind::Int { unsigned: false },
        enumeration,
        ColumnKind::Json { length_bytes: 4 },
        ColumnKind::Blob { length_bytes: 2 },
    ]));
    assert_eq!(writer.ensure_sent_as(&[3, 8, 245, 252]), Ok(()));
    for (types, column) in [
        ([8, 8, 245, 252], "c0"),
        ([3, 3, 245, 252], "c1"),
        ([3, 254, 245, 252], "c1"),
        ([3, 8, 252, 252], "c2"),
        ([3, 8, 245, 7], "c3"),
    ] {
        let text = writer.ensure_sent_as(&types).unwrap_err().to_string();
        assert!(text.contains(&format!("`{column}`")), "{text}");
    }
    assert!(writer.ensure_sent_as(&[3, 8, 245]).is_err());
}

/// The values of an image with all columns.
fn values<'a>(table: &'a Table, image: &'a [u8], present: &'a ColumnSet) -> Vec<Option<Value<'a>>> {
    let (nulls, values) = image.split_at(table.columns.len().div_ceil(8));
    let image = Image {
        table,
        present,
        has_all: present.is_all(),
        nulls,
        values,
    };
    table
        .columns
        .iter()
        .zip(image.cells())
        .map(|(column, cell)| match cell.unwrap() {
            Cell::Bytes(bytes) => Some(value::read(&column.kind, bytes).unwrap()),
            Cell::Null => None,
            Cell::Absent => panic!("all columns are there"),
        })
        .collect()
}
