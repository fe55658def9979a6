//! Values inside JSON that JSON has no type for: DECIMAL, dates and times, and bytes of any other type.
//!
//! They print as `SELECT` prints them (MySQL's `json_dom.cc`, `wrapper_to_string`): a DECIMAL is a number
//! with its scale, dates and times are strings with six digits of the fraction, all else is
//! `"base64:type<number>:<base64>"`, where MySQL breaks the base64 after every 76 characters.

use super::malformed;
use crate::{
    Error,
    decimal::Decimal,
    value::temporal::{checked_time, unpacked_date_time},
};

/// `field_type` is MySQL's `enum_field_types`.
pub(super) fn write(field_type: u8, data: &[u8], out: &mut Vec<u8>) -> Result<(), Error> {
    match field_type {
        246 => match data {
            [precision, scale, packed @ ..] => Decimal::new(packed, *precision, *scale)?.write(out),
            _ => return Err(malformed("a DECIMAL without its shape")),
        },
        7 | 12 => quoted(out, |out| {
            date_time(packed(data)?)?.write(out);
            Ok(())
        })?,
        10 => quoted(out, |out| {
            date_time(packed(data)?)?.date.write(out);
            Ok(())
        })?,
        11 => quoted(out, |out| time(packed(data)?, out))?,
        _ => quoted(out, |out| {
            out.extend_from_slice(b"base64:type");
            out.extend_from_slice(itoa::Buffer::new().format(field_type).as_bytes());
            out.push(b':');
            write_base64(data, out);
            Ok(())
        })?,
    }
    Ok(())
}

fn quoted(
    out: &mut Vec<u8>,
    write: impl FnOnce(&mut Vec<u8>) -> Result<(), Error>,
) -> Result<(), Error> {
    out.push(b'"');
    write(out)?;
    out.push(b'"');
    Ok(())
}

fn packed(data: &[u8]) -> Result<i64, Error> {
    let bytes = data
        .try_into()
        .map_err(|_| malformed("a date or time that is not 8 bytes"))?;
    Ok(i64::from_le_bytes(bytes))
}

/// 24 bits of microseconds below the 39 bits of a DATETIME column.
fn date_time(packed: i64) -> Result<crate::time::DateTime, Error> {
    let packed = u64::try_from(packed).map_err(|_| malformed("a date below zero"))?;
    unpacked_date_time(packed >> 24, packed as u32 & 0xff_ffff, 6)
}

/// 24 bits of microseconds below the hours, minutes (6 bits) and seconds (6 bits); negative as a whole.
fn time(packed: i64, out: &mut Vec<u8>) -> Result<(), Error> {
    let size = packed.unsigned_abs();
    let hours = u32::try_from(size >> 36).map_err(|_| malformed("a time out of range"))?;
    let (minutes, seconds) = ((size >> 30) as u32 & 63, (size >> 24) as u32 & 63);
    checked_time(
        packed < 0,
        hours,
        minutes,
        seconds,
        size as u32 & 0xff_ffff,
        6,
    )?
    .write(out);
    Ok(())
}

/// Lines of 76 characters, as MySQL's `base64_encode`; the line break is escaped, as `SELECT` does.
fn write_base64(data: &[u8], out: &mut Vec<u8>) {
    let mut separator: &[u8] = b"";
    for line in data.chunks(57) {
        out.extend_from_slice(separator);
        separator = b"\\n";
        for group in line.chunks(3) {
            out.extend_from_slice(&base64_group(group));
        }
    }
}

fn base64_group(group: &[u8]) -> [u8; 4] {
    let bits = group
        .iter()
        .chain([&0, &0])
        .take(3)
        .fold(0_u32, |bits, byte| bits << 8 | u32::from(*byte));
    let digit = |shift: u32| match (bits >> shift & 63) as u8 {
        value @ 0..26 => b'A' + value,
        value @ 26..52 => b'a' + value - 26,
        value @ 52..62 => b'0' + value - 52,
        62 => b'+',
        _ => b'/',
    };
    match group.len() {
        1 => [digit(18), digit(12), b'=', b'='],
        2 => [digit(18), digit(12), digit(6), b'='],
        _ => [digit(18), digit(12), digit(6), digit(0)],
    }
}
