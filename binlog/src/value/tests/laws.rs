//! Laws of values: any bytes are read or refused, times read back, mysql_common agrees.

use mysql_common::{
    binlog::value::BinlogValue, constants::ColumnType, io::ParseBuf, proto::MyDeserialize,
    value::Value as Theirs,
};
use proptest::prelude::*;

use super::*;

/// What mysql_common makes of the same bytes.
fn theirs(
    column_type: ColumnType,
    metadata: &[u8],
    unsigned: bool,
    bytes: &[u8],
) -> Option<Theirs> {
    let context = (column_type, metadata, unsigned, false);
    match BinlogValue::deserialize(context, &mut ParseBuf(bytes)).ok()? {
        BinlogValue::Value(value) => Some(value),
        _ => None,
    }
}

pub(crate) fn any_kind() -> impl Strategy<Value = ColumnKind> {
    use ColumnKind::*;
    let charset = Charset::Utf8;
    prop_oneof![
        any::<bool>().prop_map(|unsigned| MediumInt { unsigned }),
        any::<bool>().prop_map(|unsigned| BigInt { unsigned }),
        Just(Double),
        (0_u8..70, 0_u8..40).prop_map(|(precision, scale)| Decimal { precision, scale }),
        any::<u8>().prop_map(|bits| Bit { bits }),
        Just(Year),
        Just(Date),
        Just(OldTime),
        Just(OldDateTime),
        (0_u8..10).prop_map(|fsp| Time { fsp }),
        (0_u8..10).prop_map(|fsp| DateTime { fsp }),
        (0_u8..10).prop_map(|fsp| Timestamp { fsp }),
        (0_u8..6).prop_map(move |length_bytes| Text {
            length_bytes,
            charset
        }),
        (0_u8..6, 0_u32..20).prop_map(|(length_bytes, pad_to)| Binary {
            length_bytes,
            pad_to
        }),
        (0_u8..12).prop_map(|bytes| Enum {
            bytes,
            labels: labels(&["a", "b"])
        }),
        (0_u8..12).prop_map(|bytes| Set {
            bytes,
            labels: labels(&["a", "b"])
        }),
        (0_u8..6).prop_map(|length_bytes| Json { length_bytes }),
        (0_u8..6).prop_map(|length_bytes| Vector { length_bytes }),
    ]
}

proptest! {
    #[test]
    fn any_bytes_of_any_kind_are_read_or_refused(kind in any_kind(), bytes: Vec<u8>) {
        let mut rest = bytes.as_slice();
        if let Ok(cut) = cut(&kind, &mut rest) {
            prop_assert!(cut.len() + rest.len() <= bytes.len());
            let read = read(&kind, cut);
            drop(read);
        }
        let whole = read(&kind, &bytes);
        drop(whole);
    }

    #[test]
    fn every_time_reads_back(micros in -3_020_399_999_999_i64..=3_020_399_999_999, fsp in 0_u8..=6) {
        // Packs as my_time_packed_to_binary does, after cutting to the digits that are stored.
        let bytes = usize::from(fsp).div_ceil(2);
        let unit = [1_000_000, 10_000, 100, 1][bytes];
        let size = micros.unsigned_abs() / unit * unit;
        let (second, part) = (size / 1_000_000, size % 1_000_000 / unit);
        let (hours, minutes, seconds) = (second / 3600, second / 60 % 60, second % 60);
        let whole = (hours << 12) | (minutes << 6) | seconds;
        let packed = (whole << (8 * bytes) | part) as i64;
        let packed = (1_i64 << (8 * bytes + 23)) + if micros < 0 { -packed } else { packed };
        let wire = &packed.to_be_bytes()[8 - 3 - bytes..];
        let Value::Time(time) = value(&ColumnKind::Time { fsp }, wire) else { panic!("not a time") };
        let back = u64::from(time.hours) * 3600 + u64::from(time.minutes) * 60 + u64::from(time.seconds);
        prop_assert_eq!(back * 1_000_000 + u64::from(time.micros), size);
        prop_assert_eq!(time.negative, micros < 0 && size > 0);
    }

    #[test]
    fn mysql_common_agrees_on_every_time_that_is_in_range(bytes: [u8; 6], fsp in 0_u8..=6) {
        let bytes = &bytes[..3 + usize::from(fsp).div_ceil(2)];
        // mysql_common 0.37 underflows on a negative TIME(1) or TIME(2) with a fraction: see above.
        prop_assume!(!(matches!(fsp, 1 | 2) && bytes[0] < 0x80));
        if let Ok(Value::Time(time)) = read(&ColumnKind::Time { fsp }, bytes) {
            let Some(Theirs::Time(negative, days, hours, minutes, seconds, micros)) =
                theirs(ColumnType::MYSQL_TYPE_TIME2, &[fsp], false, bytes) else { panic!("not a time") };
            prop_assert_eq!(time.negative, negative);
            prop_assert_eq!(u32::from(time.hours), days * 24 + u32::from(hours));
            prop_assert_eq!((time.minutes, time.seconds, time.micros), (minutes, seconds, micros));
        }
    }

    #[test]
    fn mysql_common_agrees_on_every_date_time_that_is_in_range(
        months in 0_u64..130_000, day in 0_u64..32, second: u64, part: [u8; 3], fsp in 0_u8..=6,
    ) {
        let packed = 1 << 39 | months << 22 | day << 17 | second & 0x1_ffff;
        let part = &part[..usize::from(fsp).div_ceil(2)];
        let bytes = [&packed.to_be_bytes()[3..], part].concat();
        if let Ok(Value::DateTime(value)) = read(&ColumnKind::DateTime { fsp }, &bytes) {
            let Some(Theirs::Date(year, month, day, hours, minutes, seconds, micros)) =
                theirs(ColumnType::MYSQL_TYPE_DATETIME2, &[fsp], false, &bytes) else { panic!("not a date") };
            prop_assert_eq!(value.date, Date { year, month, day });
            prop_assert_eq!((value.hours, value.minutes, value.seconds), (hours, minutes, seconds));
            prop_assert_eq!(value.micros, micros);
        }
    }

    #[test]
    fn mysql_common_agrees_on_integers(bytes: [u8; 8], unsigned: bool) {
        let kinds = [
            (ColumnType::MYSQL_TYPE_TINY, ColumnKind::TinyInt { unsigned }, 1),
            (ColumnType::MYSQL_TYPE_SHORT, ColumnKind::SmallInt { unsigned }, 2),
            (ColumnType::MYSQL_TYPE_INT24, ColumnKind::MediumInt { unsigned }, 3),
            (ColumnType::MYSQL_TYPE_LONG, ColumnKind::Int { unsigned }, 4),
            (ColumnType::MYSQL_TYPE_LONGLONG, ColumnKind::BigInt { unsigned }, 8),
        ];
        for (column_type, kind, length) in kinds {
            // mysql_common 0.37 loses the sign of a MEDIUMINT: see above.
            if column_type == ColumnType::MYSQL_TYPE_INT24 && !unsigned && bytes[2] >= 0x80 {
                continue;
            }
            let ours = match read(&kind, &bytes[..length])? {
                Value::Int(value) => i128::from(value),
                Value::UInt(value) => i128::from(value),
                other => panic!("{other:?}"),
            };
            let theirs = match theirs(column_type, &[], unsigned, &bytes[..length]) {
                Some(Theirs::Int(value)) => i128::from(value),
                Some(Theirs::UInt(value)) => i128::from(value),
                other => panic!("{other:?}"),
            };
            prop_assert_eq!(ours, theirs);
        }
    }
}
