//! One column's value as Debezium writes it under its options, and right where Debezium is not
//! (`docs/formats.md`).

use headwater_binlog::{
    Error,
    json::write_json_string,
    schema::ColumnKind,
    value::{self, Value},
};

use super::{BigintUnsigned, Binaries, DebeziumOptions, Decimals, temporal, unscaled::Unscaled};
use crate::encode::{
    shape::InvalidText,
    value::{self as shared, write_base64_in, write_float, write_integer},
};

/// What a value is written for.
#[derive(Clone, Copy)]
pub(super) struct Target<'a> {
    pub kind: &'a ColumnKind,
    pub nullable: bool,
    pub options: &'a DebeziumOptions,
    pub invalid: InvalidText,
}

/// Appends the value of a column's `bytes`.
#[inline(never)] // one jump table for both images
pub(super) fn write(target: Target<'_>, bytes: &[u8], out: &mut Vec<u8>) -> Result<(), Error> {
    let Target {
        kind,
        nullable,
        options,
        invalid,
    } = target;
    match value::read(kind, bytes)? {
        Value::UInt(number) if matches!(kind, ColumnKind::BigInt { .. }) => {
            match options.bigint_unsigned {
                BigintUnsigned::Long => write_integer(number.cast_signed(), out),
                BigintUnsigned::Precise => write_unscaled(&Unscaled::of_u64(number), out),
            }
        }
        Value::Decimal(decimal) => {
            let start = out.len();
            match options.decimals {
                Decimals::String => shared::quoted(out, |out| decimal.write(out)),
                Decimals::Precise => {
                    decimal.write(out);
                    let number = Unscaled::of_text(out.get(start..).unwrap_or_default());
                    out.truncate(start);
                    write_unscaled(&number, out);
                }
                Decimals::Double => {
                    decimal.write(out);
                    let text = std::str::from_utf8(out.get(start..).unwrap_or_default());
                    let number = text.ok().and_then(|text| text.parse::<f64>().ok());
                    let number = number
                        .ok_or_else(|| Error::malformed("DECIMAL", "no number for a double"))?;
                    out.truncate(start);
                    write_float(number, number.is_finite(), out)?;
                }
            }
        }
        Value::Bit(bit) => match kind {
            ColumnKind::Bit { bits: 1 } => {
                out.extend_from_slice(if bit == 0 { b"false" } else { b"true" });
            }
            ColumnKind::Bit { bits } => {
                let bytes = bit.to_le_bytes();
                let width = usize::from(*bits).div_ceil(8);
                write_binary(options, bytes.get(..width).unwrap_or(&bytes), 0, out);
            }
            _ => write_integer(bit, out),
        },
        Value::Date(date) => temporal::write_date(date, options.times, nullable, out),
        Value::Time(time) => temporal::write_time(time, options.times, out),
        Value::DateTime(time) => temporal::write_date_time(time, options.times, nullable, out),
        Value::Timestamp(time) => temporal::write_timestamp(time, nullable, out),
        Value::Binary { bytes, pad } => write_binary(options, bytes, pad, out),
        Value::Json([]) if nullable => out.extend_from_slice(b"null"),
        Value::Json([]) => out.extend_from_slice(b"\"{}\""),
        Value::Json(document) => shared::write_document_text(document, out)?,
        Value::Geometry(bytes) => write_geometry(bytes, out)?,
        value => shared::write_read(value, invalid, out)?,
    }
    Ok(())
}

/// Whether a text can stand for a value that the image lacks. Other columns are absent.
pub(super) fn has_placeholder(kind: &ColumnKind) -> bool {
    matches!(
        kind,
        ColumnKind::Text { .. }
            | ColumnKind::LongText { .. }
            | ColumnKind::Json { .. }
            | ColumnKind::Binary { .. }
            | ColumnKind::Blob { .. }
    )
}

pub(super) fn write_placeholder(kind: &ColumnKind, options: &DebeziumOptions, out: &mut Vec<u8>) {
    match kind {
        ColumnKind::Binary { .. } | ColumnKind::Blob { .. } => {
            write_binary(options, options.unavailable_value.as_bytes(), 0, out);
        }
        _ => write_json_string(&options.unavailable_value, out),
    }
}

/// Kafka Connect's JSON writes bytes as base64, whatever the binary mode.
fn write_unscaled(number: &Unscaled, out: &mut Vec<u8>) {
    shared::write_base64(number.as_bytes(), 0, out);
}

/// `bytes` and then `zeros` zero bytes.
fn write_binary(options: &DebeziumOptions, bytes: &[u8], zeros: usize, out: &mut Vec<u8>) {
    match options.binaries {
        Binaries::Bytes | Binaries::Base64 => shared::write_base64(bytes, zeros, out),
        Binaries::Base64UrlSafe => write_base64_in(&base64_simd::URL_SAFE, bytes, zeros, out),
        Binaries::Hex => {
            out.reserve(2 * (bytes.len() + zeros) + 2);
            out.push(b'"');
            for byte in bytes.iter().chain(std::iter::repeat_n(&0, zeros)) {
                out.extend_from_slice(&[hex_digit(byte >> 4), hex_digit(byte & 15)]);
            }
            out.push(b'"');
        }
    }
}

fn hex_digit(nibble: u8) -> u8 {
    if nibble < 10 {
        b'0' + nibble
    } else {
        b'a' - 10 + nibble
    }
}

/// `{"x":1.0,"y":2.0,"wkb":"...","srid":4326}`, x and y of points only.
fn write_geometry(bytes: &[u8], out: &mut Vec<u8>) -> Result<(), Error> {
    let (srid, wkb) = bytes
        .split_first_chunk()
        .ok_or_else(|| Error::malformed("GEOMETRY", "ends too early"))?;
    out.push(b'{');
    if let Some((x, y)) = point(wkb) {
        out.extend_from_slice(b"\"x\":");
        write_float(x, x.is_finite(), out)?;
        out.extend_from_slice(b",\"y\":");
        write_float(y, y.is_finite(), out)?;
        out.push(b',');
    }
    out.extend_from_slice(b"\"wkb\":");
    shared::write_base64(wkb, 0, out);
    out.extend_from_slice(b",\"srid\":");
    match u32::from_le_bytes(*srid) {
        0 => out.extend_from_slice(b"null"),
        srid => write_integer(srid, out),
    }
    out.push(b'}');
    Ok(())
}

/// A point's coordinates, in either byte order.
fn point(wkb: &[u8]) -> Option<(f64, f64)> {
    let (head, rest) = wkb.split_first_chunk::<5>()?;
    let (x, rest) = rest.split_first_chunk()?;
    let (y, []) = rest.split_first_chunk()? else {
        return None;
    };
    match head {
        [1, 1, 0, 0, 0] => Some((f64::from_le_bytes(*x), f64::from_le_bytes(*y))),
        [0, 0, 0, 0, 1] => Some((f64::from_be_bytes(*x), f64::from_be_bytes(*y))),
        _ => None,
    }
}
