//! A key's values as literals that mean just those values in a comparison with their column.
//!
//! Text is written as the column's own bytes in the column's own character set, also in one that no client may have:
//! the column's collation decides how it compares. Numbers are written with all of their digits, ENUM and SET by
//! number, BINARY with the zero bytes that the log strips. A YEAR has four digits in quotes, or 0 would be read as
//! 2000. What a server stored under ALLOW_INVALID_DATES is a literal under that mode only; the session has it.

use headwater_binlog::{
    Error,
    columns::ListedColumn,
    schema::ColumnKind,
    value::{self, Value, type_name},
};

use crate::mysql::query::bytes_literal;

/// `bytes` are one value of a row image, without length.
///
/// # Errors
/// Bytes that are no value of the column; a type that no key has.
pub(super) fn literal(
    kind: &ColumnKind,
    listed: &ListedColumn,
    bytes: &[u8],
) -> Result<String, Error> {
    if let Some(number) = number_of_labels(kind, bytes) {
        return Ok(number.to_string());
    }
    Ok(match value::read(kind, bytes)? {
        Value::Int(number) => number.to_string(),
        Value::UInt(number) | Value::Bit(number) => number.to_string(),
        // The shortest text that reads back as the same double.
        Value::Float(number) => format!("{:e}", f64::from(number)),
        Value::Double(number) => format!("{number:e}"),
        Value::Decimal(decimal) => decimal.to_string(),
        Value::Year(year) => format!("'{year:04}'"),
        Value::Date(date) => format!("'{date}'"),
        Value::Time(time) => format!("'{time}'"),
        Value::DateTime(time) => format!("'{time}'"),
        Value::Timestamp(time) => format!("'{time}'"),
        Value::Text { bytes, .. } => {
            let charset = listed.charset.as_deref().unwrap_or("binary");
            format!("_{charset} {}", bytes_literal(bytes))
        }
        Value::Binary { bytes, pad } => {
            let mut padded = bytes.to_vec();
            padded.resize(bytes.len() + pad, 0);
            format!("_binary {}", bytes_literal(&padded))
        }
        Value::Enum(_)
        | Value::Set { .. }
        | Value::Json(_)
        | Value::Geometry(_)
        | Value::Vector(_) => {
            return Err(Error::Unsupported(format!(
                "column `{}` of type {} as a key",
                listed.name,
                type_name(kind)
            )));
        }
    })
}

/// The number by which an ENUM or a SET is compared; `None` for other types.
pub(super) fn number_of_labels(kind: &ColumnKind, bytes: &[u8]) -> Option<u64> {
    let is_labelled = matches!(kind, ColumnKind::Enum { .. } | ColumnKind::Set { .. });
    let digits = bytes.iter().rev();
    (is_labelled && bytes.len() <= 8)
        .then(|| digits.fold(0, |sum, byte| sum << 8 | u64::from(*byte)))
}

/// An integer as a row image has it; `None` where it does not fit or the column is no integer.
pub(super) fn integer_bytes(kind: &ColumnKind, number: i128) -> Option<Box<[u8]>> {
    let (width, unsigned) = match *kind {
        ColumnKind::TinyInt { unsigned } => (1, unsigned),
        ColumnKind::SmallInt { unsigned } => (2, unsigned),
        ColumnKind::MediumInt { unsigned } => (3, unsigned),
        ColumnKind::Int { unsigned } => (4, unsigned),
        ColumnKind::BigInt { unsigned } => (8, unsigned),
        _ => return None,
    };
    let values = 1_i128 << (8 * width);
    let fits = match unsigned {
        true => 0..values,
        false => -values / 2..values / 2,
    };
    let bytes = number.to_le_bytes();
    fits.contains(&number)
        .then(|| bytes.get(..width).map(Box::from))
        .flatten()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use headwater_binlog::charset::Charset;

    use super::*;

    fn listed(charset: Option<&str>) -> ListedColumn {
        ListedColumn {
            name: "c".into(),
            column_type: "x".into(),
            octets: None,
            charset: charset.map(str::to_owned),
            nullable: false,
            visible: true,
        }
    }

    fn of(kind: ColumnKind, bytes: &[u8]) -> String {
        literal(&kind, &listed(None), bytes).expect("a literal")
    }

    fn text(name: &str, charset: Charset, bytes: &[u8]) -> String {
        let kind = ColumnKind::Text {
            length_bytes: 1,
            charset,
        };
        literal(&kind, &listed(Some(name)), bytes).expect("a literal")
    }

    #[test]
    fn an_integer_is_its_number_with_its_sign() {
        use ColumnKind::{BigInt, Int, MediumInt, SmallInt, TinyInt};
        let (signed, unsigned) = (false, true);
        assert_eq!(of(TinyInt { unsigned: signed }, &[0xff]), "-1");
        assert_eq!(of(TinyInt { unsigned }, &[0xff]), "255");
        assert_eq!(of(SmallInt { unsigned: signed }, &[0, 0x80]), "-32768");
        assert_eq!(
            of(MediumInt { unsigned: signed }, &[0, 0, 0x80]),
            "-8388608"
        );
        assert_eq!(of(Int { unsigned }, &[0xff; 4]), "4294967295");
        let lowest = i64::MIN.to_le_bytes();
        assert_eq!(
            of(BigInt { unsigned: signed }, &lowest),
            "-9223372036854775808"
        );
        assert_eq!(of(BigInt { unsigned }, &[0xff; 8]), "18446744073709551615");
    }

    #[test]
    fn a_float_is_the_double_that_it_is() {
        let float = |number: f32| of(ColumnKind::Float, &number.to_le_bytes());
        assert_eq!(float(1.1), "1.100000023841858e0");
        assert_eq!(float(-0.5), "-5e-1");
        for number in [1.1_f32, f32::MIN_POSITIVE, 1e-45, f32::MAX, -16_777_217.0] {
            let text = float(number);
            let read: f64 = text.parse().expect("a number");
            assert_eq!(read.to_bits(), f64::from(number).to_bits(), "{text}");
        }
        let double = |number: f64| of(ColumnKind::Double, &number.to_le_bytes());
        assert_eq!(double(0.1), "1e-1");
        assert_eq!(double(f64::MAX), "1.7976931348623157e308");
    }

    #[test]
    fn a_decimal_has_all_of_its_digits() {
        let kind = ColumnKind::Decimal {
            precision: 10,
            scale: 4,
        };
        // 1234567890.1234 and its negative, of MySQL's manual, with precision 14.
        let long = ColumnKind::Decimal {
            precision: 14,
            scale: 4,
        };
        let bytes = [0x81, 0x0d, 0xfb, 0x38, 0xd2, 0x04, 0xd2];
        assert_eq!(of(long.clone(), &bytes), "1234567890.1234");
        assert_eq!(of(long, &bytes.map(|byte| !byte)), "-1234567890.1234");
        assert_eq!(of(kind, &[0x80, 0, 0, 0, 0]), "0.0000");
    }

    #[test]
    fn bits_and_labels_are_numbers() {
        assert_eq!(
            of(ColumnKind::Bit { bits: 64 }, &[0xff; 8]),
            u64::MAX.to_string()
        );
        assert_eq!(of(ColumnKind::Bit { bits: 9 }, &[1, 0]), "256");
        let labels: Arc<[String]> = ["a".to_owned(), "b".to_owned()].into();
        let kind = ColumnKind::Enum {
            bytes: 2,
            labels: labels.clone(),
        };
        assert_eq!(of(kind.clone(), &[0, 0]), "0");
        assert_eq!(of(kind, &[2, 0]), "2");
        assert_eq!(of(ColumnKind::Set { bytes: 1, labels }, &[3]), "3");
    }

    #[test]
    fn dates_and_times_are_what_select_prints() {
        assert_eq!(of(ColumnKind::Year, &[0]), "'0000'");
        assert_eq!(of(ColumnKind::Year, &[126]), "'2026'");
        assert_eq!(of(ColumnKind::Date, &[0, 0, 0]), "'0000-00-00'");
        // 2020-02-31, which ALLOW_INVALID_DATES lets in.
        let date = 2020_u32 << 9 | 2 << 5 | 31;
        assert_eq!(
            of(ColumnKind::Date, &date.to_le_bytes()[..3]),
            "'2020-02-31'"
        );
        // -00:00:01.5, as it is packed with one digit.
        assert_eq!(
            of(ColumnKind::Time { fsp: 1 }, &[0x7f, 0xff, 0xfe, 0xce]),
            "'-00:00:01.5'"
        );
        assert_eq!(of(ColumnKind::Time { fsp: 0 }, &[0x80, 0, 0]), "'00:00:00'");
        assert_eq!(
            of(ColumnKind::Timestamp { fsp: 0 }, &[0, 0, 0, 1]),
            "'1970-01-01 00:00:01'"
        );
        assert_eq!(
            of(ColumnKind::Timestamp { fsp: 0 }, &[0, 0, 0, 0]),
            "'0000-00-00 00:00:00'"
        );
        assert_eq!(
            of(ColumnKind::DateTime { fsp: 0 }, &[0x80, 0, 0, 0, 0]),
            "'0000-00-00 00:00:00'"
        );
    }

    #[test]
    fn text_is_its_bytes_in_its_character_set() {
        assert_eq!(text("utf8mb4", Charset::Utf8, b"a'b"), "_utf8mb4 x'612762'");
        assert_eq!(text("utf16", Charset::Utf16, &[0, 0x41]), "_utf16 x'0041'");
        assert_eq!(text("latin1", Charset::Latin1, &[]), "_latin1 x''");
    }

    #[test]
    fn binary_has_the_zeros_that_the_log_strips() {
        let fixed = ColumnKind::Binary {
            length_bytes: 1,
            pad_to: 4,
        };
        assert_eq!(of(fixed.clone(), b"ab"), "_binary x'61620000'");
        assert_eq!(of(fixed, b""), "_binary x'00000000'");
        let varying = ColumnKind::Binary {
            length_bytes: 1,
            pad_to: 0,
        };
        assert_eq!(of(varying, &[0xff, 0]), "_binary x'ff00'");
    }

    #[test]
    fn what_is_no_key_and_what_is_no_value_is_refused() {
        let json = ColumnKind::Json { length_bytes: 4 };
        assert!(literal(&json, &listed(None), b"{}").is_err());
        let int = ColumnKind::Int { unsigned: false };
        assert!(literal(&int, &listed(None), &[1]).is_err());
    }

    #[test]
    fn integers_go_back_into_their_columns() {
        let unsigned = true;
        let kinds = [
            (ColumnKind::BigInt { unsigned }, i128::from(u64::MAX)),
            (ColumnKind::BigInt { unsigned: false }, i128::from(i64::MIN)),
            (ColumnKind::MediumInt { unsigned: false }, -8_388_608),
            (ColumnKind::TinyInt { unsigned }, 255),
        ];
        for (kind, number) in kinds {
            let bytes = integer_bytes(&kind, number).expect("it fits");
            assert_eq!(of(kind.clone(), &bytes), number.to_string());
            assert_eq!(integer_bytes(&kind, 1 << 80), None);
        }
        assert_eq!(integer_bytes(&ColumnKind::TinyInt { unsigned }, -1), None);
        assert_eq!(integer_bytes(&ColumnKind::Year, 1), None);
    }
}
