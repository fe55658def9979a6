//! One column's value as Maxwell writes it, and right where Maxwell is not (`docs/formats.md`).

use headwater_binlog::{
    Error,
    json::write_json_string,
    schema::ColumnKind,
    time::{Date, DateTime},
    value::{self, Value},
};

use super::geometry;
use crate::encode::{shape::InvalidText, value as shared};

/// Whether it is a value: ENUM's index 0 and an empty JSON column are null, and zero dates where they shall be.
#[inline(never)] // one jump table, shared by key, data and old
pub(super) fn write(
    kind: &ColumnKind,
    bytes: &[u8],
    has_zero_dates: bool,
    invalid: InvalidText,
    out: &mut Vec<u8>,
) -> Result<bool, Error> {
    let value = value::read(kind, bytes)?;
    let is_null = match value {
        Value::Enum(_) => bytes.iter().all(|byte| *byte == 0),
        Value::Json(document) => document.is_empty(),
        _ if has_zero_dates => false,
        Value::Date(date) => is_zero_date(date),
        Value::DateTime(time) => is_zero(time),
        Value::Timestamp(time) => is_zero(time.to_utc()),
        _ => false,
    };
    if is_null {
        out.extend_from_slice(b"null");
        return Ok(false);
    }
    match value {
        Value::Decimal(decimal) => decimal.write(out),
        Value::Set { bits, labels } => write_labels(bits, labels, out),
        Value::Geometry(bytes) => shared_quoted(bytes, out)?,
        value => shared::write_read(value, invalid, out)?,
    }
    Ok(true)
}

fn is_zero_date(date: Date) -> bool {
    (date.year, date.month, date.day) == (0, 0, 0)
}

fn is_zero(time: DateTime) -> bool {
    is_zero_date(time.date) && (time.hours, time.minutes, time.seconds, time.micros) == (0, 0, 0, 0)
}

fn write_labels(bits: u64, labels: &[String], out: &mut Vec<u8>) {
    out.push(b'[');
    let mut is_first = true;
    for (bit, label) in labels.iter().enumerate() {
        if bits.checked_shr(bit as u32).unwrap_or(0) & 1 == 1 {
            if !is_first {
                out.push(b',');
            }
            is_first = false;
            write_json_string(label, out);
        }
    }
    out.push(b']');
}

fn shared_quoted(bytes: &[u8], out: &mut Vec<u8>) -> Result<(), Error> {
    out.push(b'"');
    geometry::write_wkt(bytes, out)?;
    out.push(b'"');
    Ok(())
}
