//! One column's value, borrowed from the event's bytes.
//!
//! Two steps, so that an update can compare before and after without decoding either: [`cut`] splits a
//! column's bytes off the front of a row image, [`read`] says what they mean.

use crate::{
    Error,
    charset::Charset,
    decimal::Decimal,
    schema::ColumnKind,
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

/// Splits one non-NULL column's bytes off the front of `input`.
pub fn cut<'a>(_kind: &ColumnKind, _input: &mut &'a [u8]) -> Result<&'a [u8], Error> {
    Err(Error::Unsupported("not written".into()))
}

/// What `bytes`, as [`cut`] gave them, mean.
pub fn read<'a>(_kind: &'a ColumnKind, _bytes: &'a [u8]) -> Result<Value<'a>, Error> {
    Err(Error::Unsupported("not written".into()))
}
