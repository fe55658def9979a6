//! Dates and times in Debezium's precisions: numbers since 1970-01-01 (DATETIME's wall clock read as UTC),
//! or ISO 8601. TIMESTAMP is text in all of them.
//!
//! What is no day of the calendar (zero and partial dates) has no such number: null where the column takes
//! NULL, else the epoch, as Debezium does. Numbers beyond 64 bits are written in full.

use headwater_binlog::time::{Date, DateTime, Time, Timestamp};

use super::Times;
use crate::encode::value::write_integer;

const DAY_SECS: i64 = 86_400;

pub(super) fn write_date(date: Date, times: Times, nullable: bool, out: &mut Vec<u8>) {
    let days = date.days_since_epoch();
    match (times, days.or((!nullable).then_some(0))) {
        (_, None) => out.extend_from_slice(b"null"),
        (Times::Text, Some(_)) => {
            let date = if days.is_some() { date } else { EPOCH };
            out.push(b'"');
            date.write(out);
            out.extend_from_slice(b"Z\"");
        }
        (_, Some(days)) => write_integer(days, out),
    }
}

pub(super) fn write_time(time: Time, times: Times, out: &mut Vec<u8>) {
    if times == Times::Text {
        out.push(b'"');
        time.write(out);
        trim_fraction(time.fsp, out);
        out.extend_from_slice(b"Z\"");
        return;
    }
    let seconds =
        (i64::from(time.hours) * 60 + i64::from(time.minutes)) * 60 + i64::from(time.seconds);
    let size = seconds * 1_000_000 + i64::from(time.micros);
    let micros = if time.negative { -size } else { size };
    write_integer(
        match times {
            Times::Connect => micros / 1_000,
            Times::Nanoseconds => micros * 1_000,
            _ => micros,
        },
        out,
    );
}

pub(super) fn write_date_time(time: DateTime, times: Times, nullable: bool, out: &mut Vec<u8>) {
    let Some(days) = time.date.days_since_epoch() else {
        out.extend_from_slice(match (nullable, times) {
            (true, _) => b"null",
            (false, Times::Text) => EPOCH_TEXT,
            (false, _) => b"0",
        });
        return;
    };
    if times == Times::Text {
        write_iso(time, out);
        trim_fraction(time.fsp, out);
        out.extend_from_slice(b"Z\"");
        return;
    }
    let minutes = i64::from(time.hours) * 60 + i64::from(time.minutes);
    let seconds = days * DAY_SECS + minutes * 60 + i64::from(time.seconds);
    let micros = seconds * 1_000_000 + i64::from(time.micros);
    match times {
        Times::Adaptive if time.fsp > 3 => write_integer(micros, out),
        Times::Microseconds => write_integer(micros, out),
        Times::Nanoseconds => write_integer(i128::from(micros) * 1_000, out),
        _ => write_integer(micros.div_euclid(1_000), out),
    }
}

/// UTC, all digits of the fraction.
pub(super) fn write_timestamp(timestamp: Timestamp, nullable: bool, out: &mut Vec<u8>) {
    if timestamp.seconds == 0 {
        out.extend_from_slice(if nullable { b"null" } else { EPOCH_TEXT });
        return;
    }
    write_iso(timestamp.to_utc(), out);
    out.extend_from_slice(b"Z\"");
}

const EPOCH: Date = Date {
    year: 1970,
    month: 1,
    day: 1,
};
const EPOCH_TEXT: &[u8] = b"\"1970-01-01T00:00:00Z\"";

/// `"2024-02-03T04:05:06.000`
fn write_iso(time: DateTime, out: &mut Vec<u8>) {
    out.push(b'"');
    let start = out.len();
    time.write(out);
    if let Some(blank) = out.get_mut(start + 10) {
        *blank = b'T';
    }
}

/// Takes the zeros off the end of a fraction, and its point when nothing is left.
fn trim_fraction(fsp: u8, out: &mut Vec<u8>) {
    if fsp == 0 {
        return;
    }
    while out.last() == Some(&b'0') {
        out.pop();
    }
    if out.last() == Some(&b'.') {
        out.pop();
    }
}
