//! decode(encode(x)) is x, of every type.

use proptest::prelude::*;

use super::*;
use crate::time::{Date, DateTime, Time, Timestamp};

/// A value as the server sends it, and what the image must say.
#[derive(Debug, Clone)]
struct Sample {
    sent: Vec<u8>,
    shown: String,
}

fn sample(sent: &[u8], value: &Value<'_>) -> Sample {
    Sample {
        sent: sent.to_vec(),
        shown: format!("{value:?}"),
    }
}

fn measured(bytes: &[u8]) -> Vec<u8> {
    let length = bytes.len() as u64;
    let head = match length {
        0..=250 => vec![length as u8],
        _ => [&[0xfc], &(length as u16).to_le_bytes()[..]].concat(),
    };
    [&head, bytes].concat()
}

/// The protocol leaves zeros at the end out.
fn sent_date_time(at: DateTime) -> Vec<u8> {
    let [y0, y1] = at.date.year.to_le_bytes();
    let mut sent = vec![y0, y1, at.date.month, at.date.day];
    sent.extend([at.hours, at.minutes, at.seconds]);
    sent.extend(at.micros.to_le_bytes());
    if at.micros == 0 {
        sent.truncate(7);
        if (at.hours, at.minutes, at.seconds) == (0, 0, 0) {
            sent.truncate(4);
            if (at.date.year, at.date.month, at.date.day) == (0, 0, 0) {
                sent.clear();
            }
        }
    }
    measured(&sent)
}

fn sent_time(time: Time) -> Vec<u8> {
    let mut sent = vec![u8::from(time.negative)];
    sent.extend(u32::from(time.hours / 24).to_le_bytes());
    sent.extend([(time.hours % 24) as u8, time.minutes, time.seconds]);
    sent.extend(time.micros.to_le_bytes());
    if time.micros == 0 {
        sent.truncate(8);
        if (time.hours, time.minutes, time.seconds) == (0, 0, 0) {
            sent.clear();
        }
    }
    measured(&sent)
}

/// Often zero.
fn micros(fsp: u8) -> impl Strategy<Value = u32> {
    let step = 10_u32.pow(6 - u32::from(fsp));
    prop_oneof![Just(0), (0..1_000_000 / step).prop_map(move |n| n * step)]
}

fn dates() -> impl Strategy<Value = Date> {
    let some = (0..=9999_u16, 0..=12_u8, 0..=31_u8);
    let date = |(year, month, day)| Date { year, month, day };
    prop_oneof![1 => Just((0, 0, 0)), 5 => some].prop_map(date)
}

fn clocks() -> impl Strategy<Value = (u8, u8, u8)> {
    prop_oneof![Just((0, 0, 0)), (0..24_u8, 0..60_u8, 0..60_u8)]
}

fn date_times(fsp: u8) -> impl Strategy<Value = DateTime> {
    (dates(), clocks(), micros(fsp)).prop_map(move |(date, (hours, minutes, seconds), micros)| {
        DateTime {
            date,
            hours,
            minutes,
            seconds,
            micros,
            fsp,
        }
    })
}

fn times(fsp: u8) -> impl Strategy<Value = Time> {
    let hours = prop_oneof![Just(0), 0..839_u16];
    let parts = (any::<bool>(), hours, 0..60_u8, 0..60_u8, micros(fsp));
    parts.prop_map(move |(negative, hours, minutes, seconds, micros)| {
        let is_zero = (hours, minutes, seconds, micros) == (0, 0, 0, 0);
        Time {
            negative: negative && !is_zero,
            hours,
            minutes,
            seconds,
            micros,
            fsp,
        }
    })
}

fn timestamps(fsp: u8) -> impl Strategy<Value = Timestamp> {
    let seconds = prop_oneof![Just(0), Just(1), Just(u32::MAX), any::<u32>()];
    (seconds, micros(fsp)).prop_map(move |(seconds, micros)| Timestamp {
        seconds,
        micros: if seconds == 0 { 0 } else { micros },
        fsp,
    })
}

/// Digits with their shape, as `SELECT` prints them.
fn decimals() -> impl Strategy<Value = (u8, u8, String)> {
    let digits = prop::collection::vec(0..=9_u8, 65);
    (1..=65_u8, 0..=30_u8, any::<bool>(), digits, 0..=65_usize)
        .prop_filter("a shape", |(precision, scale, ..)| scale <= precision)
        .prop_map(|(precision, scale, is_negative, mut digits, zeros)| {
            digits.truncate(usize::from(precision));
            let zeros = zeros.min(digits.len());
            digits[..zeros].fill(0);
            let has_value = digits.iter().any(|digit| *digit > 0);
            let text: String = digits.iter().map(ToString::to_string).collect();
            let (whole, fraction) = text.split_at(digits.len() - usize::from(scale));
            let whole = match whole.trim_start_matches('0') {
                "" => "0",
                whole => whole,
            };
            let sign = if is_negative && has_value { "-" } else { "" };
            let point = if scale > 0 { "." } else { "" };
            (precision, scale, format!("{sign}{whole}{point}{fraction}"))
        })
}

fn bytes(length_max: usize) -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        prop::collection::vec(any::<u8>(), 0..5),
        prop::collection::vec(any::<u8>(), 0..length_max)
    ]
}

/// A column and a value of it.
fn any_column() -> impl Strategy<Value = (ColumnKind, Sample)> {
    let integers = any::<i64>().prop_flat_map(|bits| {
        let sent = bits.to_le_bytes();
        let medium = bits << 40 >> 40;
        let unsigned_medium = (medium & 0xff_ffff).cast_unsigned();
        let sample = |width: usize, value: Value<'_>| sample(&sent[..width], &value);
        let signed = |bits: u32| Value::Int(i64::from_le_bytes(sent) << (64 - bits) >> (64 - bits));
        let unsigned =
            |bits: u32| Value::UInt(u64::from_le_bytes(sent) << (64 - bits) >> (64 - bits));
        prop::sample::select(vec![
            (
                ColumnKind::TinyInt { unsigned: false },
                sample(1, signed(8)),
            ),
            (
                ColumnKind::TinyInt { unsigned: true },
                sample(1, unsigned(8)),
            ),
            (
                ColumnKind::SmallInt { unsigned: false },
                sample(2, signed(16)),
            ),
            (
                ColumnKind::MediumInt { unsigned: false },
                super::every_type::sample(&medium.to_le_bytes()[..4], &Value::Int(medium)),
            ),
            (
                ColumnKind::MediumInt { unsigned: true },
                super::every_type::sample(
                    &unsigned_medium.to_le_bytes()[..4],
                    &Value::UInt(unsigned_medium),
                ),
            ),
            (ColumnKind::Int { unsigned: true }, sample(4, unsigned(32))),
            (
                ColumnKind::BigInt { unsigned: false },
                sample(8, signed(64)),
            ),
        ])
    });
    let fsp = 0..=6_u8;
    let date_time = fsp.clone().prop_flat_map(date_times).prop_map(|at| {
        let sent = sent_date_time(at);
        (
            ColumnKind::DateTime { fsp: at.fsp },
            sample(&sent, &Value::DateTime(at)),
        )
    });
    let old_date_time = date_times(0).prop_map(|at| {
        let sent = sent_date_time(at);
        (ColumnKind::OldDateTime, sample(&sent, &Value::DateTime(at)))
    });
    let time = fsp.clone().prop_flat_map(times).prop_map(|time| {
        let sent = sent_time(time);
        (
            ColumnKind::Time { fsp: time.fsp },
            sample(&sent, &Value::Time(time)),
        )
    });
    let old_time = times(0).prop_map(|time| {
        let sent = sent_time(time);
        (ColumnKind::OldTime, sample(&sent, &Value::Time(time)))
    });
    let timestamp = fsp.prop_flat_map(timestamps).prop_map(|at| {
        let sent = sent_date_time(at.to_utc());
        (
            ColumnKind::Timestamp { fsp: at.fsp },
            sample(&sent, &Value::Timestamp(at)),
        )
    });
    let old_timestamp = timestamps(0).prop_map(|at| {
        let sent = sent_date_time(at.to_utc());
        (
            ColumnKind::OldTimestamp,
            sample(&sent, &Value::Timestamp(at)),
        )
    });
    let date = dates().prop_map(|date| {
        let at = DateTime {
            date,
            hours: 0,
            minutes: 0,
            seconds: 0,
            micros: 0,
            fsp: 0,
        };
        (
            ColumnKind::Date,
            sample(&sent_date_time(at), &Value::Date(date)),
        )
    });
    let decimal = decimals().prop_map(|(precision, scale, text)| {
        let sent = measured(text.as_bytes());
        let shown = format!("decimal {text}");
        (
            ColumnKind::Decimal { precision, scale },
            Sample { sent, shown },
        )
    });
    let text = bytes(600).prop_map(|bytes| {
        let charset = Charset::Latin1;
        let kind = ColumnKind::LongText {
            length_bytes: 2,
            charset,
        };
        let value = Value::Text {
            bytes: &bytes,
            charset,
        };
        (kind, sample(&measured(&bytes), &value))
    });
    let padded = bytes(20).prop_map(|mut bytes| {
        bytes.resize(20, 0);
        let kept = bytes
            .iter()
            .rposition(|byte| *byte != 0)
            .map_or(0, |at| at + 1);
        let kind = ColumnKind::Binary {
            length_bytes: 1,
            pad_to: 20,
        };
        let value = Value::Binary {
            bytes: &bytes[..kept],
            pad: 20 - kept,
        };
        (kind, sample(&measured(&bytes), &value))
    });
    let document = any::<[i64; 3]>().prop_map(|[a, b, c]| {
        let text = format!("{{\"a\": {a}, \"b\": [{b}, \"{c}\"]}}");
        let shown = format!("json {}", text.replace(' ', ""));
        let sent = measured(text.as_bytes());
        (ColumnKind::Json { length_bytes: 4 }, Sample { sent, shown })
    });
    let bit = (1..=64_u8, any::<u64>()).prop_map(|(bits, value)| {
        let value = value >> (64 - bits);
        let width = usize::from(bits).div_ceil(8);
        let sent = measured(&value.to_be_bytes()[8 - width..]);
        (ColumnKind::Bit { bits }, sample(&sent, &Value::Bit(value)))
    });
    let float = any::<f32>()
        .prop_filter("finite", |value| value.is_finite())
        .prop_map(|value| {
            let value = Value::Float(value);
            let Value::Float(float) = value else {
                unreachable!()
            };
            (ColumnKind::Float, sample(&float.to_le_bytes(), &value))
        });
    prop_oneof![
        3 => integers,
        1 => date_time,
        1 => old_date_time,
        1 => time,
        1 => old_time,
        1 => timestamp,
        1 => old_timestamp,
        1 => date,
        2 => decimal,
        1 => text,
        1 => padded,
        1 => document,
        1 => bit,
        1 => float,
    ]
}

fn shown(value: &Value<'_>) -> String {
    match value {
        Value::Decimal(decimal) => format!("decimal {decimal}"),
        Value::Json(document) => {
            let mut text = b"json ".to_vec();
            crate::json::write(document, &mut text).unwrap();
            String::from_utf8(text).unwrap()
        }
        other => format!("{other:?}"),
    }
}

proptest! {
    #[test]
    fn every_row_says_the_same_as_an_image(
        columns in prop::collection::vec((any_column(), prop::bool::weighted(0.2)), 1..30),
    ) {
        let kinds: Vec<ColumnKind> = columns.iter().map(|it| it.0.0.clone()).collect();
        let table = table(&kinds);
        let mut row = vec![0; 1 + (columns.len() + 2).div_ceil(8)];
        for (index, ((_, sample), is_null)) in columns.iter().enumerate() {
            if *is_null {
                row[1 + (index + 2) / 8] |= 1 << ((index + 2) % 8);
            } else {
                row.extend(&sample.sent);
            }
        }
        let mut image = Vec::new();
        let mut writer = RowWriter::new(&table);
        writer.write(&row, &mut image).unwrap();
        let present = ColumnSet::all(columns.len());
        let values = values(&table, &image, &present);
        for (value, ((_, sample), is_null)) in values.iter().zip(&columns) {
            let expected = (!is_null).then_some(&sample.shown);
            let shown = value.as_ref().map(shown);
            prop_assert_eq!(shown.as_ref(), expected);
        }
        // A row that is cut short is refused, whatever is cut.
        for length in 0..row.len() {
            let begin = image.len();
            prop_assert!(writer.write(&row[..length], &mut image).is_err());
            prop_assert_eq!(image.len(), begin);
        }
    }

    #[test]
    fn any_bytes_are_a_row_or_refused(
        columns in prop::collection::vec(any_column(), 1..10),
        row in prop::collection::vec(any::<u8>(), 0..100),
    ) {
        let kinds: Vec<ColumnKind> = columns.into_iter().map(|it| it.0).collect();
        let table = table(&kinds);
        let mut image = Vec::new();
        let row = [&[0], &row[..]].concat();
        if RowWriter::new(&table).write(&row, &mut image).is_ok() {
            // What was written holds together.
            values(&table, &image, &ColumnSet::all(table.columns.len()));
        }
    }
}
