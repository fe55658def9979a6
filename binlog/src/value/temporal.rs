//! DATE, TIME, DATETIME and TIMESTAMP off the wire, in the forms before and since 5.6.
//!
//! Every part is checked against its range, so that what prints is what MySQL can have stored.
//! Formats: MySQL's `my_time.cc`.

use super::big_endian;
use crate::{
    Error,
    schema::fraction_bytes,
    time::{Date, DateTime, Time},
};

#[inline]
pub(super) fn date(packed: u32) -> Result<Date, Error> {
    checked_date(packed >> 9, packed >> 5 & 15, packed & 31)
}

#[inline]
pub(crate) fn checked_date(year: u32, month: u32, day: u32) -> Result<Date, Error> {
    if year > 9999 || month > 12 || day > 31 {
        return Err(out_of_range("DATE"));
    }
    Ok(Date {
        year: year as u16,
        month: month as u8,
        day: day as u8,
    })
}

/// HHMMSS as a signed decimal number.
pub(super) fn old_time(packed: i32) -> Result<Time, Error> {
    let digits = packed.unsigned_abs();
    checked_time(
        packed < 0,
        digits / 10_000,
        digits / 100 % 100,
        digits % 100,
        0,
        0,
    )
}

/// YYYYMMDDHHMMSS as a decimal number.
pub(super) fn old_date_time(packed: u64) -> Result<DateTime, Error> {
    let (day, second) = (packed / 1_000_000, (packed % 1_000_000) as u32);
    let day = u32::try_from(day).map_err(|_| out_of_range("DATETIME"))?;
    let date = checked_date(day / 10_000, day / 100 % 100, day % 100)?;
    checked_date_time(
        date,
        second / 10_000,
        second / 100 % 100,
        second % 100,
        0,
        0,
    )
}

/// 24 bits and the fraction as one number, shifted by half its range; a negative time is the negative of
/// all of it, so that -00:00:00.01 has a fraction of 0xff (MySQL's `my_time_packed_from_binary`).
pub(super) fn time(fsp: u8, bytes: &[u8]) -> Result<Time, Error> {
    let fraction_bytes = fraction_bytes(fsp.min(6));
    if bytes.len() != 3 + fraction_bytes {
        return Err(Error::malformed(
            "TIME",
            format_args!("{} bytes for TIME({fsp})", bytes.len()),
        ));
    }
    let middle = 1_i64 << (8 * bytes.len() - 1);
    let packed = big_endian(bytes) as i64 - middle;
    let size = packed.unsigned_abs();
    let whole = (size >> (8 * fraction_bytes)) as u32;
    let part = (size & ((1 << (8 * fraction_bytes)) - 1)) as u32;
    let micros = part * fraction_unit(fraction_bytes);
    checked_time(
        packed < 0,
        whole >> 12 & 0x3ff,
        whole >> 6 & 63,
        whole & 63,
        micros,
        fsp,
    )
}

pub(crate) fn checked_time(
    negative: bool,
    hours: u32,
    minutes: u32,
    seconds: u32,
    micros: u32,
    fsp: u8,
) -> Result<Time, Error> {
    if hours > 838 || minutes > 59 || seconds > 59 || micros > 999_999 {
        return Err(out_of_range("TIME"));
    }
    let (hours, minutes, seconds) = (hours as u16, minutes as u8, seconds as u8);
    Ok(Time {
        negative,
        hours,
        minutes,
        seconds,
        micros,
        fsp,
    })
}

/// One bit that is always set, 17 of year * 13 + month, 5 of day, 5 of hours, 6 and 6; the fraction.
#[inline]
pub(super) fn date_time(fsp: u8, bytes: &[u8]) -> Result<DateTime, Error> {
    let [a, b, c, d, e, rest @ ..] = bytes else {
        return Err(Error::malformed(
            "DATETIME",
            format_args!("{} bytes", bytes.len()),
        ));
    };
    let packed = u64::from_be_bytes([0, 0, 0, *a, *b, *c, *d, *e]);
    if packed >> 39 == 0 {
        return Err(out_of_range("DATETIME"));
    }
    let micros = fraction(fsp, rest)?;
    unpacked_date_time(packed & ((1 << 39) - 1), micros, fsp)
}

/// The 39 bits of [`date_time`] below its first.
#[inline]
pub(crate) fn unpacked_date_time(packed: u64, micros: u32, fsp: u8) -> Result<DateTime, Error> {
    let months = (packed >> 22) as u32;
    let second = packed as u32 & 0x1_ffff;
    let date = checked_date(months / 13, months % 13, (packed >> 17) as u32 & 31)?;
    checked_date_time(
        date,
        second >> 12,
        second >> 6 & 63,
        second & 63,
        micros,
        fsp,
    )
}

#[inline]
fn checked_date_time(
    date: Date,
    hours: u32,
    minutes: u32,
    seconds: u32,
    micros: u32,
    fsp: u8,
) -> Result<DateTime, Error> {
    if hours > 23 || minutes > 59 || seconds > 59 || micros > 999_999 {
        return Err(out_of_range("DATETIME"));
    }
    let (hours, minutes, seconds) = (hours as u8, minutes as u8, seconds as u8);
    Ok(DateTime {
        date,
        hours,
        minutes,
        seconds,
        micros,
        fsp,
    })
}

/// Microseconds of a non-negative fraction: hundredths in a byte, 1/10,000 in two, all in three.
#[inline]
pub(super) fn fraction(fsp: u8, bytes: &[u8]) -> Result<u32, Error> {
    let micros = match bytes {
        [] => 0,
        [a] => u32::from(*a) * 10_000,
        [a, b] => u32::from(u16::from_be_bytes([*a, *b])) * 100,
        [a, b, c] => u32::from_be_bytes([0, *a, *b, *c]),
        _ => 1_000_000,
    };
    if micros > 999_999 || bytes.len() != fraction_bytes(fsp) {
        return Err(out_of_range("fraction of a second"));
    }
    Ok(micros)
}

fn fraction_unit(bytes: usize) -> u32 {
    match bytes {
        1 => 10_000,
        2 => 100,
        _ => 1,
    }
}

#[cold]
fn out_of_range(what: &'static str) -> Error {
    Error::malformed(what, "a part out of its range")
}
