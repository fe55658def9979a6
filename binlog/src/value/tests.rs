//! Column values from their bytes: worked examples. Laws and the oracle stand in `laws`.

mod laws;

use std::sync::Arc;

pub(crate) use laws::any_kind;

use super::*;

fn labels(labels: &[&str]) -> Arc<[String]> {
    labels.iter().map(|label| label.to_string()).collect()
}

/// Cuts and reads `bytes`, which must be all of the value.
fn value<'a>(kind: &'a ColumnKind, mut bytes: &'a [u8]) -> Value<'a> {
    let cut = cut(kind, &mut bytes).unwrap();
    assert!(bytes.is_empty());
    read(kind, cut).unwrap()
}

fn refused(kind: &ColumnKind, mut bytes: &[u8]) -> bool {
    cut(kind, &mut bytes)
        .and_then(|bytes| read(kind, bytes).map(|_| ()))
        .is_err()
}

fn time_text(fsp: u8, bytes: &[u8]) -> String {
    match value(&ColumnKind::Time { fsp }, bytes) {
        Value::Time(time) => time.to_string(),
        other => panic!("{other:?}"),
    }
}

fn date_time_text(fsp: u8, bytes: &[u8]) -> String {
    match value(&ColumnKind::DateTime { fsp }, bytes) {
        Value::DateTime(value) => value.to_string(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn integers_keep_their_sign_and_their_full_range() {
    use ColumnKind::*;
    assert_eq!(
        value(&TinyInt { unsigned: false }, &[0x80]),
        Value::Int(-128)
    );
    assert_eq!(
        value(&TinyInt { unsigned: true }, &[0xff]),
        Value::UInt(255)
    );
    assert_eq!(
        value(&SmallInt { unsigned: false }, &[0, 0x80]),
        Value::Int(-32_768)
    );
    assert_eq!(
        value(&SmallInt { unsigned: true }, &[0xff, 0xff]),
        Value::UInt(65_535)
    );
    assert_eq!(
        value(&MediumInt { unsigned: false }, &[0, 0, 0x80]),
        Value::Int(-8_388_608)
    );
    assert_eq!(
        value(&MediumInt { unsigned: false }, &[0xff, 0xff, 0x7f]),
        Value::Int(8_388_607)
    );
    assert_eq!(
        value(&MediumInt { unsigned: true }, &[0xff; 3]),
        Value::UInt(16_777_215)
    );
    assert_eq!(
        value(&Int { unsigned: false }, &[0, 0, 0, 0x80]),
        Value::Int(-2_147_483_648)
    );
    assert_eq!(
        value(&Int { unsigned: true }, &[0xff; 4]),
        Value::UInt(4_294_967_295)
    );
    assert_eq!(
        value(&BigInt { unsigned: false }, &i64::MIN.to_le_bytes()),
        Value::Int(i64::MIN)
    );
    assert_eq!(
        value(&BigInt { unsigned: true }, &[0xff; 8]),
        Value::UInt(u64::MAX)
    );
}

#[test]
fn floats_are_read_by_their_bits() {
    assert_eq!(
        value(&ColumnKind::Float, &1.1_f32.to_le_bytes()),
        Value::Float(1.1)
    );
    assert_eq!(
        value(&ColumnKind::Double, &(-0.1_f64).to_le_bytes()),
        Value::Double(-0.1)
    );
    assert!(refused(&ColumnKind::Double, &f64::INFINITY.to_le_bytes()));
    assert!(refused(&ColumnKind::Float, &f32::NAN.to_le_bytes()));
}

#[test]
fn bits_are_big_endian_up_to_64() {
    assert_eq!(value(&ColumnKind::Bit { bits: 1 }, &[1]), Value::Bit(1));
    assert_eq!(
        value(&ColumnKind::Bit { bits: 10 }, &[0x02, 0x01]),
        Value::Bit(513)
    );
    assert_eq!(
        value(&ColumnKind::Bit { bits: 32 }, &[0x80, 0, 0, 0]),
        Value::Bit(2_147_483_648)
    );
    assert_eq!(
        value(&ColumnKind::Bit { bits: 64 }, &[0xff; 8]),
        Value::Bit(u64::MAX)
    );
    assert!(refused(&ColumnKind::Bit { bits: 1 }, &[2]));
}

#[test]
fn year_zero_is_zero() {
    assert_eq!(value(&ColumnKind::Year, &[0]), Value::Year(0));
    assert_eq!(value(&ColumnKind::Year, &[1]), Value::Year(1901));
    assert_eq!(value(&ColumnKind::Year, &[255]), Value::Year(2155));
}

#[test]
fn dates_may_be_zero_or_partial_but_not_beyond_the_calendar() {
    let date = |year: u32, month: u32, day: u32| (year << 9 | month << 5 | day).to_le_bytes();
    let read = |bytes: [u8; 4]| match value(&ColumnKind::Date, &bytes[..3]) {
        Value::Date(date) => date.to_string(),
        other => panic!("{other:?}"),
    };
    assert_eq!(read(date(0, 0, 0)), "0000-00-00");
    assert_eq!(read(date(2024, 2, 0)), "2024-02-00");
    assert_eq!(read(date(9999, 12, 31)), "9999-12-31");
    assert!(refused(&ColumnKind::Date, &date(2024, 13, 1)[..3]));
    assert!(refused(&ColumnKind::Date, &date(10_000, 1, 1)[..3]));
}

#[test]
fn times_follow_the_encodings_that_my_time_cc_lists() {
    // The table in my_time_packed_from_binary's comment, TIME(2).
    assert_eq!(time_text(2, &[0x80, 0x00, 0x00, 0x00]), "00:00:00.00");
    assert_eq!(time_text(2, &[0x7f, 0xff, 0xff, 0xff]), "-00:00:00.01");
    assert_eq!(time_text(2, &[0x7f, 0xff, 0xff, 0x9d]), "-00:00:00.99");
    assert_eq!(time_text(2, &[0x7f, 0xff, 0xff, 0x00]), "-00:00:01.00");
    assert_eq!(time_text(2, &[0x7f, 0xff, 0xfe, 0xff]), "-00:00:01.01");
    assert_eq!(time_text(2, &[0x7f, 0xff, 0xfe, 0xf6]), "-00:00:01.10");
    assert_eq!(time_text(2, &[0x7f, 0xff, 0xfe, 0x00]), "-00:00:02.00");
    assert_eq!(
        time_text(4, &[0x7f, 0xff, 0xff, 0xff, 0xff]),
        "-00:00:00.0001"
    );
    assert_eq!(
        time_text(4, &[0x7f, 0xff, 0xff, 0xd8, 0xf1]),
        "-00:00:00.9999"
    );
    assert_eq!(
        time_text(4, &[0x7f, 0xff, 0xfe, 0xff, 0xff]),
        "-00:00:01.0001"
    );
    assert_eq!(
        time_text(6, &[0x7f, 0xff, 0xff, 0xff, 0xff, 0xff]),
        "-00:00:00.000001"
    );
    assert_eq!(
        time_text(6, &[0x7f, 0xff, 0xfe, 0xff, 0xff, 0xff]),
        "-00:00:01.000001"
    );
}

#[test]
fn times_reach_838_hours_either_way() {
    let most = 838_u32 << 12 | 59 << 6 | 59;
    let plus = (0x80_0000 + most).to_be_bytes();
    let minus = (0x80_0000 - most).to_be_bytes();
    assert_eq!(time_text(0, &plus[1..]), "838:59:59");
    assert_eq!(time_text(0, &minus[1..]), "-838:59:59");
    assert_eq!(time_text(1, &[0x80, 0x00, 0x01, 50]), "00:00:01.5");
    assert!(refused(&ColumnKind::Time { fsp: 0 }, &[0xff, 0xff, 0xff]));
    assert!(refused(
        &ColumnKind::Time { fsp: 2 },
        &[0x80, 0x00, 0x01, 100]
    ));
}

#[test]
fn date_times_read_every_width_of_fraction() {
    let packed = ((2026_u64 * 13 + 11) << 22 | 23 << 17 | 13 << 12 | 3 << 6 | 41) | 1 << 39;
    let head = &packed.to_be_bytes()[3..];
    let with = |fraction: &[u8]| [head, fraction].concat();
    assert_eq!(date_time_text(0, head), "2026-11-23 13:03:41");
    assert_eq!(date_time_text(2, &with(&[99])), "2026-11-23 13:03:41.99");
    assert_eq!(
        date_time_text(3, &with(&1230_u16.to_be_bytes())),
        "2026-11-23 13:03:41.123"
    );
    assert_eq!(
        date_time_text(6, &with(&999_999_u32.to_be_bytes()[1..])),
        "2026-11-23 13:03:41.999999"
    );
    assert_eq!(
        date_time_text(0, &[0x80, 0, 0, 0, 0]),
        "0000-00-00 00:00:00"
    );
    assert!(refused(
        &ColumnKind::DateTime { fsp: 0 },
        &[0x7f, 0xff, 0xff, 0xff, 0xff]
    ));
    assert!(refused(&ColumnKind::DateTime { fsp: 2 }, &with(&[100])));
}

#[test]
fn timestamps_are_big_endian_seconds_with_their_fraction() {
    let text = |fsp, bytes: &[u8]| match value(&ColumnKind::Timestamp { fsp }, bytes) {
        Value::Timestamp(value) => value.to_string(),
        other => panic!("{other:?}"),
    };
    assert_eq!(text(0, &[0x7f, 0xff, 0xff, 0xff]), "2038-01-19 03:14:07");
    assert_eq!(text(3, &[0, 0, 0, 0, 0, 0]), "0000-00-00 00:00:00.000");
    assert_eq!(
        text(3, &[0, 0, 0, 1, 0x26, 0xfc]),
        "1970-01-01 00:00:01.998"
    );
}

#[test]
fn the_forms_before_5_6_are_read_too() {
    let time = |number: i32| match value(&ColumnKind::OldTime, &number.to_le_bytes()[..3]) {
        Value::Time(time) => time.to_string(),
        other => panic!("{other:?}"),
    };
    assert_eq!(time(8_385_959), "838:59:59");
    assert_eq!(time(-8_385_959), "-838:59:59");
    assert_eq!(time(-1), "-00:00:01");
    assert!(refused(&ColumnKind::OldTime, &99_i32.to_le_bytes()[..3]));
    let number = 20_261_123_130_341_u64.to_le_bytes();
    assert!(
        matches!(value(&ColumnKind::OldDateTime, &number), Value::DateTime(value)
        if value.to_string() == "2026-11-23 13:03:41")
    );
    assert!(refused(&ColumnKind::OldDateTime, &u64::MAX.to_le_bytes()));
    assert!(
        matches!(value(&ColumnKind::OldTimestamp, &1_u32.to_le_bytes()), Value::Timestamp(value)
        if value.to_string() == "1970-01-01 00:00:01")
    );
}

#[test]
fn strings_have_prefixes_of_one_to_four_bytes() {
    let charset = Charset::Utf8;
    assert_eq!(
        value(
            &ColumnKind::Text {
                length_bytes: 2,
                charset
            },
            &[2, 0, b'h', b'i']
        ),
        Value::Text {
            bytes: b"hi",
            charset
        }
    );
    assert_eq!(
        value(
            &ColumnKind::LongText {
                length_bytes: 4,
                charset
            },
            &[1, 0, 0, 0, b'x']
        ),
        Value::Text {
            bytes: b"x",
            charset
        }
    );
    assert_eq!(
        value(&ColumnKind::Blob { length_bytes: 3 }, &[1, 0, 0, 9]),
        Value::Binary {
            bytes: &[9],
            pad: 0
        }
    );
    assert!(refused(
        &ColumnKind::Blob { length_bytes: 4 },
        &[0xff, 0xff, 0xff, 0xff, 9]
    ));
}

#[test]
fn binary_says_how_many_zeros_the_log_stripped() {
    let kind = ColumnKind::Binary {
        length_bytes: 1,
        pad_to: 16,
    };
    assert_eq!(
        value(&kind, &[2, 7, 8]),
        Value::Binary {
            bytes: &[7, 8],
            pad: 14
        }
    );
    let kind = ColumnKind::Binary {
        length_bytes: 1,
        pad_to: 0,
    };
    assert_eq!(
        value(&kind, &[2, 7, 8]),
        Value::Binary {
            bytes: &[7, 8],
            pad: 0
        }
    );
}

#[test]
fn enum_index_zero_is_the_empty_string_and_beyond_the_labels_is_an_error() {
    let kind = ColumnKind::Enum {
        bytes: 1,
        labels: labels(&["new", "a,b", "it's (1)"]),
    };
    assert_eq!(value(&kind, &[0]), Value::Enum(""));
    assert_eq!(value(&kind, &[3]), Value::Enum("it's (1)"));
    assert!(refused(&kind, &[4]));
    let many: Vec<String> = (1..=300).map(|index| format!("label{index}")).collect();
    let kind = ColumnKind::Enum {
        bytes: 2,
        labels: many.into(),
    };
    assert_eq!(value(&kind, &[0x2c, 0x01]), Value::Enum("label300"));
}

#[test]
fn set_bits_are_little_endian_and_have_labels() {
    let three = labels(&["a", "b", "c"]);
    let kind = ColumnKind::Set {
        bytes: 1,
        labels: three.clone(),
    };
    assert_eq!(
        value(&kind, &[0b101]),
        Value::Set {
            bits: 5,
            labels: &three
        }
    );
    assert!(refused(&kind, &[8]));
    let all: Vec<String> = (0..64).map(|index| index.to_string()).collect();
    let kind = ColumnKind::Set {
        bytes: 8,
        labels: all.into(),
    };
    assert!(matches!(
        value(&kind, &[0xff; 8]),
        Value::Set { bits: u64::MAX, .. }
    ));
}
