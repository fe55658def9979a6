//! One column's value, borrowed from the event's bytes.
//!
//! Two steps, so that an update can compare before and after without decoding either: [`cut`] splits a
//! column's bytes off the front of a row image, [`read`] says what they mean. Both are the hot path:
//! no allocation, one jump per column. What MySQL cannot have stored (month 13, an ENUM index without a
//! label, a digit group above its digits) is an error, never a guess.
//! Formats: MySQL's `my_time.cc`, `decimal.cc`, `Field_*::pack`.

pub(crate) mod temporal;

use crate::{
    Error,
    charset::Charset,
    decimal::Decimal,
    schema::{ColumnKind, Extent},
    time::{Date, DateTime, Time, Timestamp},
};

#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Value<'a> {
    Int(i64),
    UInt(u64),
    Float(f32),
    Double(f64),
    Decimal(Decimal<'a>),
    Bit(u64),
    /// 0 or 1901..=2155.
    Year(u16),
    Date(Date),
    Time(Time),
    DateTime(DateTime),
    Timestamp(Timestamp),
    Text {
        bytes: &'a [u8],
        charset: Charset,
    },
    /// `pad` 0x00 bytes follow: the log strips them from BINARY.
    Binary {
        bytes: &'a [u8],
        pad: usize,
    },
    /// The label; "" for index 0, MySQL's mark of an invalid value.
    Enum(&'a str),
    /// Labels whose bit is set, in the order of the declaration.
    Set {
        bits: u64,
        labels: &'a [String],
    },
    /// MySQL's binary JSON: walk it with [`crate::json`].
    Json(&'a [u8]),
    /// SRID (4 bytes) and WKB, as MySQL stores it.
    Geometry(&'a [u8]),
    /// Little-endian f32s.
    Vector(&'a [u8]),
}

/// Splits one non-NULL column's bytes off the front of `input`, without the length that precedes them.
#[inline]
pub fn cut<'a>(kind: &ColumnKind, input: &mut &'a [u8]) -> Result<&'a [u8], Error> {
    cut_as(Extent::of(kind), kind, input)
}

/// The same where the column's extent is at hand: one jump less.
#[inline(always)]
pub(crate) fn cut_as<'a>(
    extent: Extent,
    kind: &ColumnKind,
    input: &mut &'a [u8],
) -> Result<&'a [u8], Error> {
    let Some((prefix, length)) = extent.measure(input) else {
        return Err(short(kind, 1, input.len()));
    };
    let whole: &'a [u8] = input;
    let end = prefix.saturating_add(length);
    match (whole.get(prefix..end), whole.get(end..)) {
        (Some(value), Some(rest)) => {
            *input = rest;
            Ok(value)
        }
        _ => Err(short(kind, end, input.len())),
    }
}

/// What `bytes`, as [`cut`] gave them, mean.
#[inline]
pub fn read<'a>(kind: &'a ColumnKind, bytes: &'a [u8]) -> Result<Value<'a>, Error> {
    use ColumnKind as Kind;
    Ok(match kind {
        Kind::TinyInt { unsigned } => match (bytes, unsigned) {
            (&[a], false) => Value::Int(i64::from(a as i8)),
            (&[a], true) => Value::UInt(u64::from(a)),
            _ => return Err(wrong_length(kind, bytes)),
        },
        Kind::SmallInt { unsigned } => match (bytes, unsigned) {
            (&[a, b], false) => Value::Int(i64::from(i16::from_le_bytes([a, b]))),
            (&[a, b], true) => Value::UInt(u64::from(u16::from_le_bytes([a, b]))),
            _ => return Err(wrong_length(kind, bytes)),
        },
        Kind::MediumInt { unsigned } => match (bytes, unsigned) {
            // Shifted up and back down, the sign bit of the third byte becomes the sign.
            (&[a, b, c], false) => Value::Int(i64::from(i32::from_le_bytes([0, a, b, c]) >> 8)),
            (&[a, b, c], true) => Value::UInt(u64::from(u32::from_le_bytes([a, b, c, 0]))),
            _ => return Err(wrong_length(kind, bytes)),
        },
        Kind::Int { unsigned } => match (four(kind, bytes)?, unsigned) {
            (four, false) => Value::Int(i64::from(i32::from_le_bytes(four))),
            (four, true) => Value::UInt(u64::from(u32::from_le_bytes(four))),
        },
        Kind::BigInt { unsigned } => match (eight(kind, bytes)?, unsigned) {
            (eight, false) => Value::Int(i64::from_le_bytes(eight)),
            (eight, true) => Value::UInt(u64::from_le_bytes(eight)),
        },
        Kind::Float => match f32::from_le_bytes(four(kind, bytes)?) {
            value if value.is_finite() => Value::Float(value),
            _ => return Err(Error::malformed("FLOAT", "not a finite number")),
        },
        Kind::Double => match f64::from_le_bytes(eight(kind, bytes)?) {
            value if value.is_finite() => Value::Double(value),
            _ => return Err(Error::malformed("DOUBLE", "not a finite number")),
        },
        Kind::Decimal { precision, scale } => {
            Value::Decimal(Decimal::new(bytes, *precision, *scale)?)
        }
        Kind::Bit { bits } => Value::Bit(bit(*bits, bytes)?),
        Kind::Year => match bytes {
            [0] => Value::Year(0),
            &[year] => Value::Year(1900 + u16::from(year)),
            _ => return Err(wrong_length(kind, bytes)),
        },
        Kind::Date => match bytes {
            &[a, b, c] => Value::Date(temporal::date(u32::from_le_bytes([a, b, c, 0]))?),
            _ => return Err(wrong_length(kind, bytes)),
        },
        Kind::OldTime => match bytes {
            &[a, b, c] => Value::Time(temporal::old_time(i32::from_le_bytes([0, a, b, c]) >> 8)?),
            _ => return Err(wrong_length(kind, bytes)),
        },
        Kind::OldDateTime => Value::DateTime(temporal::old_date_time(u64::from_le_bytes(eight(
            kind, bytes,
        )?))?),
        Kind::OldTimestamp => Value::Timestamp(Timestamp {
            seconds: u32::from_le_bytes(four(kind, bytes)?),
            micros: 0,
            fsp: 0,
        }),
        Kind::Time { fsp } => Value::Time(temporal::time(*fsp, bytes)?),
        Kind::DateTime { fsp } => Value::DateTime(temporal::date_time(*fsp, bytes)?),
        Kind::Timestamp { fsp } => match bytes {
            [a, b, c, d, rest @ ..] => Value::Timestamp(Timestamp {
                seconds: u32::from_be_bytes([*a, *b, *c, *d]),
                micros: temporal::fraction(*fsp, rest)?,
                fsp: *fsp,
            }),
            _ => return Err(wrong_length(kind, bytes)),
        },
        Kind::Text { charset, .. } | Kind::LongText { charset, .. } => Value::Text {
            bytes,
            charset: *charset,
        },
        Kind::Binary { pad_to, .. } => Value::Binary {
            bytes,
            pad: (*pad_to as usize).saturating_sub(bytes.len()),
        },
        Kind::Blob { .. } => Value::Binary { bytes, pad: 0 },
        Kind::Enum { labels, .. } => Value::Enum(label(labels, bytes)?),
        Kind::Set { labels, .. } => Value::Set {
            bits: set(labels, bytes)?,
            labels,
        },
        Kind::Json { .. } => Value::Json(bytes),
        Kind::Geometry { .. } => Value::Geometry(bytes),
        Kind::Vector { .. } if bytes.len().is_multiple_of(4) => Value::Vector(bytes),
        Kind::Vector { .. } => return Err(wrong_length(kind, bytes)),
    })
}

#[inline]
fn four(kind: &ColumnKind, bytes: &[u8]) -> Result<[u8; 4], Error> {
    bytes.try_into().map_err(|_| wrong_length(kind, bytes))
}

#[inline]
fn eight(kind: &ColumnKind, bytes: &[u8]) -> Result<[u8; 8], Error> {
    bytes.try_into().map_err(|_| wrong_length(kind, bytes))
}

/// Big-endian, the odd bits first; at most 8 bytes.
#[inline]
fn big_endian(bytes: &[u8]) -> u64 {
    bytes
        .iter()
        .fold(0, |value, byte| value << 8 | u64::from(*byte))
}

#[inline]
fn little_endian(bytes: &[u8]) -> u64 {
    bytes
        .iter()
        .rev()
        .fold(0, |value, byte| value << 8 | u64::from(*byte))
}

fn bit(bits: u8, bytes: &[u8]) -> Result<u64, Error> {
    if bits == 0 || bits > 64 || bytes.len() != usize::from(bits).div_ceil(8) {
        return Err(Error::malformed(
            "BIT",
            format_args!("{} bytes for BIT({bits})", bytes.len()),
        ));
    }
    let value = big_endian(bytes);
    if bits < 64 && value >> bits != 0 {
        return Err(Error::malformed(
            "BIT",
            format_args!("a bit above BIT({bits})"),
        ));
    }
    Ok(value)
}

#[inline]
fn label<'a>(labels: &'a [String], bytes: &[u8]) -> Result<&'a str, Error> {
    let index = little_endian(bytes) as usize;
    match index.checked_sub(1) {
        None => Ok(""),
        Some(place) => labels.get(place).map(String::as_str).ok_or_else(|| {
            Error::malformed(
                "ENUM",
                format_args!("index {index} of {} labels", labels.len()),
            )
        }),
    }
}

fn set(labels: &[String], bytes: &[u8]) -> Result<u64, Error> {
    let bits = if bytes.len() <= 8 {
        little_endian(bytes)
    } else {
        u64::MAX
    };
    if labels.len() < 64 && bits >> labels.len() != 0 {
        return Err(Error::malformed(
            "SET",
            format_args!("a bit above its {} labels", labels.len()),
        ));
    }
    Ok(bits)
}

#[cold]
fn short(kind: &ColumnKind, needed: usize, left: usize) -> Error {
    Error::Short {
        what: type_name(kind),
        needed,
        left,
    }
}

#[cold]
fn wrong_length(kind: &ColumnKind, bytes: &[u8]) -> Error {
    Error::malformed(type_name(kind), format_args!("{} bytes", bytes.len()))
}

/// MySQL's word for the type, for messages.
pub fn type_name(kind: &ColumnKind) -> &'static str {
    use ColumnKind as Kind;
    match kind {
        Kind::TinyInt { .. } => "TINYINT",
        Kind::SmallInt { .. } => "SMALLINT",
        Kind::MediumInt { .. } => "MEDIUMINT",
        Kind::Int { .. } => "INT",
        Kind::BigInt { .. } => "BIGINT",
        Kind::Float => "FLOAT",
        Kind::Double => "DOUBLE",
        Kind::Decimal { .. } => "DECIMAL",
        Kind::Bit { .. } => "BIT",
        Kind::Year => "YEAR",
        Kind::Date => "DATE",
        Kind::OldTime | Kind::Time { .. } => "TIME",
        Kind::OldDateTime | Kind::DateTime { .. } => "DATETIME",
        Kind::OldTimestamp | Kind::Timestamp { .. } => "TIMESTAMP",
        Kind::Text { .. } => "CHAR or VARCHAR",
        Kind::LongText { .. } => "TEXT",
        Kind::Binary { .. } => "BINARY or VARBINARY",
        Kind::Blob { .. } => "BLOB",
        Kind::Enum { .. } => "ENUM",
        Kind::Set { .. } => "SET",
        Kind::Json { .. } => "JSON",
        Kind::Geometry { .. } => "GEOMETRY",
        Kind::Vector { .. } => "VECTOR",
    }
}

#[cfg(test)]
pub(crate) mod tests;
