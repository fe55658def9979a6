//! What one column's value takes from the row to the image.

use super::{
    numbers::{put_decimal, put_float, put_medium, put_year},
    temporal::{self, Form},
};
use crate::{decimal, json::Documents, schema::ColumnKind};

/// What is wrong with a value, without the value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Unfit(pub(super) &'static str);

#[derive(Debug, Clone, Copy)]
pub(super) enum Step {
    /// Integers, byte for byte: 1, 2, 4 or 8.
    One,
    Two,
    Four,
    Eight,
    Medium {
        unsigned: bool,
    },
    Float,
    Double,
    Year,
    Decimal {
        precision: u8,
        scale: u8,
        bytes: u8,
    },
    Bit {
        bits: u8,
    },
    Date,
    Time(Form),
    DateTime(Form),
    Timestamp(Form),
    /// Behind a length of so many bytes.
    Bytes {
        length_bytes: u8,
    },
    /// Comes with its zeros, and is logged without.
    Padded {
        length_bytes: u8,
        pad_to: u32,
    },
    /// Comes as 8 bytes; not above `max`.
    Number {
        bytes: u8,
        max: u64,
    },
    Json {
        length_bytes: u8,
    },
    Vector {
        length_bytes: u8,
    },
}

impl Step {
    pub(super) fn of(kind: &ColumnKind) -> Self {
        use ColumnKind as Kind;
        match *kind {
            Kind::TinyInt { .. } => Self::One,
            Kind::SmallInt { .. } => Self::Two,
            Kind::MediumInt { unsigned } => Self::Medium { unsigned },
            Kind::Int { .. } => Self::Four,
            Kind::BigInt { .. } => Self::Eight,
            Kind::Float => Self::Float,
            Kind::Double => Self::Double,
            Kind::Decimal { precision, scale } => Self::Decimal {
                precision,
                scale,
                bytes: decimal::packed_bytes(precision, scale)
                    .and_then(|bytes| u8::try_from(bytes).ok())
                    .unwrap_or(0),
            },
            Kind::Bit { bits } => Self::Bit { bits },
            Kind::Year => Self::Year,
            Kind::Date => Self::Date,
            Kind::OldTime => Self::Time(Form::Old),
            Kind::OldDateTime => Self::DateTime(Form::Old),
            Kind::OldTimestamp => Self::Timestamp(Form::Old),
            Kind::Time { fsp } => Self::Time(Form::Digits(fsp)),
            Kind::DateTime { fsp } => Self::DateTime(Form::Digits(fsp)),
            Kind::Timestamp { fsp } => Self::Timestamp(Form::Digits(fsp)),
            Kind::Text { length_bytes, .. }
            | Kind::LongText { length_bytes, .. }
            | Kind::Binary {
                length_bytes,
                pad_to: 0,
            }
            | Kind::Blob { length_bytes }
            | Kind::Geometry { length_bytes } => Self::Bytes { length_bytes },
            Kind::Binary {
                length_bytes,
                pad_to,
            } => Self::Padded {
                length_bytes,
                pad_to,
            },
            Kind::Enum { bytes, ref labels } => Self::Number {
                bytes,
                max: labels.len() as u64,
            },
            Kind::Set { bytes, ref labels } => Self::Number {
                bytes,
                max: match labels.len() {
                    labels @ 0..64 => (1 << labels) - 1,
                    _ => u64::MAX,
                },
            },
            Kind::Json { length_bytes } => Self::Json { length_bytes },
            Kind::Vector { length_bytes } => Self::Vector { length_bytes },
        }
    }

    /// Takes the value off the front of `row`.
    #[inline]
    pub(super) fn write(
        self,
        row: &mut &[u8],
        documents: &mut Documents,
        out: &mut Vec<u8>,
    ) -> Result<(), Unfit> {
        match self {
            Self::One => out.extend_from_slice(&take::<1>(row)?),
            Self::Two => out.extend_from_slice(&take::<2>(row)?),
            Self::Four => out.extend_from_slice(&take::<4>(row)?),
            Self::Eight => out.extend_from_slice(&take::<8>(row)?),
            Self::Medium { unsigned } => put_medium(take(row)?, unsigned, out)?,
            Self::Float => {
                let bytes = take(row)?;
                put_float(&bytes, f32::from_le_bytes(bytes).is_finite(), out)?;
            }
            Self::Double => {
                let bytes = take(row)?;
                put_float(&bytes, f64::from_le_bytes(bytes).is_finite(), out)?;
            }
            Self::Year => put_year(u16::from_le_bytes(take(row)?), out)?,
            Self::Decimal {
                precision,
                scale,
                bytes,
            } => put_decimal(take_measured(row)?, (precision, scale, bytes), out)?,
            Self::Bit { bits } => put_bit(take_measured(row)?, bits, out)?,
            Self::Date => temporal::put_date(take_short(row)?, out)?,
            Self::Time(form) => temporal::put_time(take_short(row)?, form, out)?,
            Self::DateTime(form) => temporal::put_date_time(take_short(row)?, form, out)?,
            Self::Timestamp(form) => temporal::put_timestamp(take_short(row)?, form, out)?,
            Self::Bytes { length_bytes } => put_bytes(take_measured(row)?, length_bytes, out)?,
            Self::Padded {
                length_bytes,
                pad_to,
            } => {
                let bytes = take_measured(row)?;
                if bytes.len() != pad_to as usize {
                    return Err(Unfit("another length than its column"));
                }
                let end = bytes.iter().rposition(|byte| *byte != 0);
                let kept = end.and_then(|end| bytes.get(..=end)).unwrap_or(&[]);
                put_bytes(kept, length_bytes, out)?;
            }
            Self::Number { bytes, max } => {
                let value = u64::from_le_bytes(take(row)?);
                if value > max {
                    return Err(Unfit("a number above its labels"));
                }
                let value = value.to_le_bytes();
                out.extend_from_slice(value.get(..usize::from(bytes)).unwrap_or(&value));
            }
            Self::Json { length_bytes } => {
                put_document(take_measured(row)?, length_bytes, documents, out)?;
            }
            Self::Vector { length_bytes } => {
                let bytes = take_measured(row)?;
                if !bytes.len().is_multiple_of(4) {
                    return Err(Unfit("no whole numbers of 4 bytes"));
                }
                put_bytes(bytes, length_bytes, out)?;
            }
        }
        Ok(())
    }
}

const SHORT: Unfit = Unfit("the row ends inside its value");

#[inline]
fn take<const N: usize>(row: &mut &[u8]) -> Result<[u8; N], Unfit> {
    let (value, rest) = row.split_first_chunk::<N>().ok_or(SHORT)?;
    *row = rest;
    Ok(*value)
}

/// Behind a length of one byte: dates and times.
#[inline]
fn take_short<'a>(row: &mut &'a [u8]) -> Result<&'a [u8], Unfit> {
    let [length] = take(row)?;
    take_slice(row, u64::from(length))
}

/// Behind MySQL's length-encoded integer.
#[inline]
fn take_measured<'a>(row: &mut &'a [u8]) -> Result<&'a [u8], Unfit> {
    let length = match take(row)? {
        [length @ 0..=250] => u64::from(length),
        [0xfc] => u64::from(u16::from_le_bytes(take(row)?)),
        [0xfd] => {
            let [a, b, c] = take(row)?;
            u64::from(u32::from_le_bytes([a, b, c, 0]))
        }
        [0xfe] => u64::from_le_bytes(take(row)?),
        _ => return Err(Unfit("a length that is none")),
    };
    take_slice(row, length)
}

#[inline]
fn take_slice<'a>(row: &mut &'a [u8], length: u64) -> Result<&'a [u8], Unfit> {
    let length = usize::try_from(length).map_err(|_| SHORT)?;
    let (value, rest) = row.split_at_checked(length).ok_or(SHORT)?;
    *row = rest;
    Ok(value)
}

const TOO_LONG: Unfit = Unfit("longer than its column can be");

#[inline]
fn put_bytes(bytes: &[u8], length_bytes: u8, out: &mut Vec<u8>) -> Result<(), Unfit> {
    let length = u32::try_from(bytes.len()).map_err(|_| TOO_LONG)?;
    match length_bytes {
        1 => out.push(u8::try_from(length).map_err(|_| TOO_LONG)?),
        2 => out.extend_from_slice(&u16::try_from(length).map_err(|_| TOO_LONG)?.to_le_bytes()),
        3 => match length.to_le_bytes() {
            [a, b, c, 0] => out.extend_from_slice(&[a, b, c]),
            _ => return Err(TOO_LONG),
        },
        _ => out.extend_from_slice(&length.to_le_bytes()),
    }
    out.extend_from_slice(bytes);
    Ok(())
}

fn put_bit(bytes: &[u8], bits: u8, out: &mut Vec<u8>) -> Result<(), Unfit> {
    if bytes.len() != usize::from(bits).div_ceil(8) {
        return Err(Unfit("another length than its column"));
    }
    let odd = bits % 8;
    if odd > 0 && bytes.first().is_some_and(|first| first >> odd != 0) {
        return Err(Unfit("a bit above its column"));
    }
    out.extend_from_slice(bytes);
    Ok(())
}

/// The length is known when the document is written.
fn put_document(
    text: &[u8],
    length_bytes: u8,
    documents: &mut Documents,
    out: &mut Vec<u8>,
) -> Result<(), Unfit> {
    let begin = out.len();
    let width = usize::from(length_bytes);
    out.resize(begin + width, 0);
    documents.write(text, out).map_err(Unfit)?;
    let length = (out.len() - begin - width) as u64;
    if length >> (8 * width) != 0 {
        return Err(TOO_LONG);
    }
    for (place, byte) in out
        .iter_mut()
        .skip(begin)
        .take(width)
        .zip(length.to_le_bytes())
    {
        *place = byte;
    }
    Ok(())
}
