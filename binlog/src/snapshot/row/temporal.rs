//! DATE, TIME, DATETIME and TIMESTAMP from the binary protocol's parts to the log's packed numbers.
//!
//! The protocol leaves out what is zero at the end: all of it, the time, the microseconds. Zero and partial dates are
//! dates; a TIMESTAMP comes in UTC, by the session's time zone.
//! Formats: `my_time_packed_to_binary` and its like in MySQL's my_time.cc.

use super::step::Unfit;
use crate::time::Date;

#[derive(Debug, Clone, Copy)]
pub(super) enum Form {
    /// Before 5.6, without a fraction.
    Old,
    /// Digits of the fraction.
    Digits(u8),
}

const SHAPE: Unfit = Unfit("a date or time of another length");
const RANGE: Unfit = Unfit("a part of a date or time out of its range");
const FINE: Unfit = Unfit("a fraction finer than its column");

#[derive(Clone, Copy)]
struct Parts {
    date: Date,
    hours: u32,
    minutes: u32,
    seconds: u32,
    micros: u32,
}

/// 0, 4, 7 or 11 bytes.
#[inline]
fn parts(bytes: &[u8]) -> Result<Parts, Unfit> {
    let (day, time, micros) = match *bytes {
        [] => ([0; 4], [0; 3], 0),
        [a, b, c, d] => ([a, b, c, d], [0; 3], 0),
        [a, b, c, d, h, m, s] => ([a, b, c, d], [h, m, s], 0),
        [a, b, c, d, h, m, s, w, x, y, z] => {
            let micros = u32::from_le_bytes([w, x, y, z]);
            ([a, b, c, d], [h, m, s], micros)
        }
        _ => return Err(SHAPE),
    };
    let [y0, y1, month, day] = day;
    let [hours, minutes, seconds] = time.map(u32::from);
    let year = u16::from_le_bytes([y0, y1]);
    let is_in_range = year <= 9999
        && month <= 12
        && day <= 31
        && hours <= 23
        && minutes <= 59
        && seconds <= 59
        && micros <= 999_999;
    if !is_in_range {
        return Err(RANGE);
    }
    Ok(Parts {
        date: Date { year, month, day },
        hours,
        minutes,
        seconds,
        micros,
    })
}

#[inline]
pub(super) fn put_date(bytes: &[u8], out: &mut Vec<u8>) -> Result<(), Unfit> {
    if bytes.len() > 4 {
        return Err(SHAPE);
    }
    let Date { year, month, day } = parts(bytes)?.date;
    let packed = u32::from(year) << 9 | u32::from(month) << 5 | u32::from(day);
    let [a, b, c, _] = packed.to_le_bytes();
    out.extend_from_slice(&[a, b, c]);
    Ok(())
}

#[inline]
pub(super) fn put_date_time(bytes: &[u8], form: Form, out: &mut Vec<u8>) -> Result<(), Unfit> {
    let parts = parts(bytes)?;
    let Date { year, month, day } = parts.date;
    let (year, month, day) = (u64::from(year), u64::from(month), u64::from(day));
    let Form::Digits(fsp) = form else {
        let date = (year * 100 + month) * 100 + day;
        let time = (parts.hours * 100 + parts.minutes) * 100 + parts.seconds;
        out.extend_from_slice(&(date * 1_000_000 + u64::from(time)).to_le_bytes());
        return whole_seconds(parts.micros);
    };
    let day = (year * 13 + month) << 5 | day;
    let time = parts.hours << 12 | parts.minutes << 6 | parts.seconds;
    // The first of 40 bits is always set.
    let packed = 1 << 39 | day << 17 | u64::from(time);
    let [_, _, _, rest @ ..] = packed.to_be_bytes();
    out.extend_from_slice(&rest);
    put_fraction(parts.micros, fsp, out)
}

#[inline]
pub(super) fn put_timestamp(bytes: &[u8], form: Form, out: &mut Vec<u8>) -> Result<(), Unfit> {
    let parts = parts(bytes)?;
    let time = (parts.hours * 60 + parts.minutes) * 60 + parts.seconds;
    let is_zero = parts.date.year == 0 && parts.date.month == 0 && parts.date.day == 0;
    let seconds = if is_zero && time == 0 && parts.micros == 0 {
        0
    } else {
        // 0 is taken by the zero timestamp.
        let days = parts.date.days_since_epoch().ok_or(RANGE)?;
        let seconds = days * 86_400 + i64::from(time);
        let seconds = u32::try_from(seconds).map_err(|_| RANGE)?;
        if seconds == 0 {
            return Err(RANGE);
        }
        seconds
    };
    match form {
        Form::Old => {
            out.extend_from_slice(&seconds.to_le_bytes());
            whole_seconds(parts.micros)
        }
        Form::Digits(fsp) => {
            out.extend_from_slice(&seconds.to_be_bytes());
            put_fraction(parts.micros, fsp, out)
        }
    }
}

/// 0, 8 or 12 bytes: a sign, days, hours, minutes, seconds, microseconds.
#[inline]
pub(super) fn put_time(bytes: &[u8], form: Form, out: &mut Vec<u8>) -> Result<(), Unfit> {
    let (sign, days, time, micros) = match *bytes {
        [] => (0, 0, [0; 3], 0),
        [sign, a, b, c, d, h, m, s] => (sign, u32::from_le_bytes([a, b, c, d]), [h, m, s], 0),
        [sign, a, b, c, d, h, m, s, w, x, y, z] => {
            let micros = u32::from_le_bytes([w, x, y, z]);
            (sign, u32::from_le_bytes([a, b, c, d]), [h, m, s], micros)
        }
        _ => return Err(SHAPE),
    };
    let [hours, minutes, seconds] = time.map(u32::from);
    let hours = days.saturating_mul(24).saturating_add(hours);
    if sign > 1 || hours > 838 || minutes > 59 || seconds > 59 || micros > 999_999 {
        return Err(RANGE);
    }
    let signed = |size: i64| if sign == 1 { -size } else { size };
    let Form::Digits(fsp) = form else {
        let digits = signed(i64::from((hours * 100 + minutes) * 100 + seconds));
        let [a, b, c, ..] = digits.to_le_bytes();
        out.extend_from_slice(&[a, b, c]);
        return whole_seconds(micros);
    };
    let (fraction, width) = fraction(micros, fsp)?;
    let whole = hours << 12 | minutes << 6 | seconds;
    let size = i64::from(whole) << (8 * width) | i64::from(fraction);
    // Shifted by half the range, so that bytes sort as times.
    let packed = signed(size) + (1 << (8 * (3 + width) - 1));
    let bytes = packed.to_be_bytes();
    out.extend_from_slice(bytes.get(5 - width..).unwrap_or(&bytes));
    Ok(())
}

#[inline]
fn put_fraction(micros: u32, fsp: u8, out: &mut Vec<u8>) -> Result<(), Unfit> {
    let (fraction, width) = fraction(micros, fsp)?;
    let bytes = fraction.to_be_bytes();
    out.extend_from_slice(bytes.get(4 - width..).unwrap_or(&bytes));
    Ok(())
}

/// Hundredths in a byte, 1/10,000 in two, all in three.
#[inline]
fn fraction(micros: u32, fsp: u8) -> Result<(u32, usize), Unfit> {
    let (step, unit, width) = match fsp {
        0 => (1_000_000, 1_000_000, 0),
        1 => (100_000, 10_000, 1),
        2 => (10_000, 10_000, 1),
        3 => (1_000, 100, 2),
        4 => (100, 100, 2),
        5 => (10, 1, 3),
        _ => (1, 1, 3),
    };
    if !micros.is_multiple_of(step) {
        return Err(FINE);
    }
    Ok((micros / unit, width))
}

fn whole_seconds(micros: u32) -> Result<(), Unfit> {
    if micros == 0 { Ok(()) } else { Err(FINE) }
}
