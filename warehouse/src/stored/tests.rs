//! Each type of MySQL and what holds all its values.

use headwater_binlog::charset::Charset;

use super::*;
use crate::fixture::listed;

fn of(kind: ColumnKind, declared: &str) -> Stored {
    stored(&kind, &listed(declared, None, None), Choices::default())
}

fn varchar(bytes_max: u64) -> Stored {
    Stored::Varchar { bytes_max }
}

#[test]
fn integers_have_room_for_their_unsigned_half() {
    use ColumnKind::{BigInt, Bit, Int, MediumInt, SmallInt, TinyInt};
    let numeric = Stored::Numeric {
        precision: 20,
        scale: 0,
    };
    for (signed, unsigned, signed_in, unsigned_in) in [
        (
            TinyInt { unsigned: false },
            TinyInt { unsigned: true },
            Stored::SmallInt,
            Stored::SmallInt,
        ),
        (
            SmallInt { unsigned: false },
            SmallInt { unsigned: true },
            Stored::SmallInt,
            Stored::Integer,
        ),
        (
            MediumInt { unsigned: false },
            MediumInt { unsigned: true },
            Stored::Integer,
            Stored::Integer,
        ),
        (
            Int { unsigned: false },
            Int { unsigned: true },
            Stored::Integer,
            Stored::BigInt,
        ),
        (
            BigInt { unsigned: false },
            BigInt { unsigned: true },
            Stored::BigInt,
            numeric,
        ),
        (Bit { bits: 63 }, Bit { bits: 64 }, Stored::BigInt, numeric),
    ] {
        assert_eq!(of(signed, ""), signed_in);
        assert_eq!(of(unsigned, ""), unsigned_in);
    }
}

#[test]
fn a_decimal_with_more_digits_than_the_warehouse_has_is_text() {
    let of = |precision, scale| of(ColumnKind::Decimal { precision, scale }, "");
    for (precision, scale) in [(10, 2), (38, 0), (38, 30)] {
        assert_eq!(of(precision, scale), Stored::Numeric { precision, scale });
    }
    assert_eq!(of(39, 0), varchar(42));
    assert_eq!(of(65, 30), varchar(68));
}

#[test]
fn times_keep_their_hours_and_dates_are_dates() {
    assert_eq!(of(ColumnKind::Time { fsp: 6 }, "time(6)"), varchar(17));
    assert_eq!(of(ColumnKind::Date, "date"), Stored::Date);
    for kind in [
        ColumnKind::DateTime { fsp: 6 },
        ColumnKind::Timestamp { fsp: 0 },
    ] {
        assert_eq!(of(kind, ""), Stored::Timestamp);
    }
    assert_eq!(of(ColumnKind::Year, "year"), Stored::SmallInt);
}

#[test]
fn text_has_room_for_its_characters_in_utf_8() {
    let text = |declared: &str| {
        let kind = ColumnKind::Text {
            length_bytes: 2,
            charset: Charset::of_collation(8),
        };
        of(kind, declared)
    };
    assert_eq!(text("varchar(20)"), varchar(80));
    assert_eq!(text("char(1)"), varchar(4));
    assert_eq!(text("varchar(0)"), varchar(1));
    assert_eq!(text("varchar(16383)"), varchar(65_532));
    assert_eq!(text("varchar(16384)"), Stored::Document);

    let long = |octets, charset: &str, choices| {
        let kind = ColumnKind::LongText {
            length_bytes: 2,
            charset: Charset::of_collation(255),
        };
        stored(&kind, &listed("text", Some(octets), Some(charset)), choices)
    };
    let whole = Choices::default();
    assert_eq!(long(255, "utf8mb4", whole), varchar(255));
    assert_eq!(long(255, "latin1", whole), varchar(765));
    assert_eq!(long(65_535, "utf8mb4", whole), varchar(65_535));
    assert_eq!(long(65_535, "latin1", whole), Stored::Document);
    assert_eq!(long(16_777_215, "utf8mb4", whole), Stored::Document);
    let cut = Choices {
        long_text: LongText::Varchar,
        ..whole
    };
    assert_eq!(long(16_777_215, "utf8mb4", cut), varchar(65_535));
}

#[test]
fn bytes_are_base64_or_bytes_where_their_base64_fits() {
    let of = |declared: &str, bytes| {
        let kind = ColumnKind::Binary {
            length_bytes: 2,
            pad_to: 0,
        };
        let choices = Choices {
            bytes,
            ..Choices::default()
        };
        stored(&kind, &listed(declared, None, None), choices)
    };
    assert_eq!(of("varbinary(16)", Bytes::Base64), varchar(24));
    assert_eq!(
        of("varbinary(16)", Bytes::Varbyte),
        Stored::Binary { bytes_max: 16 }
    );
    assert_eq!(of("varbinary(49149)", Bytes::Base64), varchar(65_532));
    assert_eq!(of("varbinary(49150)", Bytes::Varbyte), Stored::Document);
    let blob = ColumnKind::Blob { length_bytes: 4 };
    assert_eq!(
        super::stored(&blob, &listed("longblob", None, None), Choices::default()),
        Stored::Document
    );
}

#[test]
fn labels_have_room_for_longer_ones() {
    let labels: std::sync::Arc<[String]> = vec!["new".to_owned(), "paid".to_owned()].into();
    let set = ColumnKind::Set {
        bytes: 1,
        labels: labels.clone(),
    };
    assert_eq!(
        of(ColumnKind::Enum { bytes: 1, labels }, ""),
        varchar(1_020)
    );
    assert_eq!(of(set, ""), varchar(1_020));
}

#[test]
fn documents_are_no_key_and_everything_else_may_be_one() {
    assert!(!of(ColumnKind::Json { length_bytes: 4 }, "json").is_comparable());
    assert!(!of(ColumnKind::Vector { length_bytes: 4 }, "vector(3)").is_comparable());
    assert!(of(ColumnKind::Double, "double").is_comparable());
}
