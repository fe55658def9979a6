//! Dates and times, zero and partial ones included, printed as `SELECT` does under `time_zone='+00:00'`.
//!
//! The fields hold what MySQL stored: month 0 and day 0 exist, a TIME goes beyond 24 hours and below
//! zero, second 0 of a TIMESTAMP is the zero timestamp. The fraction is kept in microseconds and printed
//! with the column's digits. Reading them off the wire is in [`crate::value`].

/// `year` 0..=9999, `month` 0..=12, `day` 0..=31: MySQL stores zero and partial dates.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Date {
    pub year: u16,
    pub month: u8,
    pub day: u8,
}

/// -838:59:59.999999 ..= 838:59:59.999999; printed with `fsp` digits of the fraction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Time {
    pub negative: bool,
    pub hours: u16,
    pub minutes: u8,
    pub seconds: u8,
    pub micros: u32,
    pub fsp: u8,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DateTime {
    pub date: Date,
    pub hours: u8,
    pub minutes: u8,
    pub seconds: u8,
    pub micros: u32,
    pub fsp: u8,
}

/// Seconds since the epoch, UTC; 0 seconds is MySQL's zero timestamp.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timestamp {
    pub seconds: u32,
    pub micros: u32,
    pub fsp: u8,
}

const PAIRS: [[u8; 2]; 100] = {
    let mut pairs = [[0; 2]; 100];
    let mut value = 0;
    while value < 100 {
        pairs[value] = [b'0' + (value / 10) as u8, b'0' + (value % 10) as u8];
        value += 1;
    }
    pairs
};

/// The last two decimal digits of `value`.
#[inline]
pub(crate) fn pair(value: u32) -> [u8; 2] {
    PAIRS[(value % 100) as usize]
}

#[inline]
fn date_text(date: Date) -> [u8; 10] {
    let [y0, y1] = pair(u32::from(date.year) / 100);
    let [y2, y3] = pair(u32::from(date.year));
    let [m0, m1] = pair(u32::from(date.month));
    let [d0, d1] = pair(u32::from(date.day));
    [y0, y1, y2, y3, b'-', m0, m1, b'-', d0, d1]
}

/// `MM:SS.ffffff`, to be cut after the column's digits.
#[inline]
fn minutes_text(minutes: u8, seconds: u8, micros: u32) -> [u8; 12] {
    let [m0, m1] = pair(u32::from(minutes));
    let [s0, s1] = pair(u32::from(seconds));
    let [f0, f1] = pair(micros / 10_000);
    let [f2, f3] = pair(micros / 100);
    let [f4, f5] = pair(micros);
    [m0, m1, b':', s0, s1, b'.', f0, f1, f2, f3, f4, f5]
}

/// How much of [`minutes_text`] a column with `fsp` digits shows.
#[inline]
fn shown(fsp: u8) -> usize {
    match fsp {
        0 => 5,
        digits => 6 + usize::from(digits.min(6)),
    }
}

/// Appends `count` bytes of the front: all of them, a copy of known width, then less.
#[inline]
fn push_front<const WIDTH: usize>(text: &[u8; WIDTH], count: usize, out: &mut Vec<u8>) {
    let end = out.len() + count;
    out.extend_from_slice(text);
    out.truncate(end);
}

impl Date {
    /// Days from 1970-01-01 by the Gregorian calendar, which MySQL uses for all years; `None` for what is no
    /// day of it (zero and partial dates, 30 February).
    pub fn days_since_epoch(&self) -> Option<i64> {
        let (year, month, day) = (i64::from(self.year), self.month, self.day);
        let is_leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
        let days_in_month = match month {
            1 | 3 | 5 | 7 | 8 | 10 | 12 => 31,
            4 | 6 | 9 | 11 => 30,
            2 if is_leap => 29,
            2 => 28,
            _ => return None,
        };
        if !(1..=days_in_month).contains(&day) {
            return None;
        }
        // From 0000-03-01 on, as in `date_of_day`.
        let year = year - i64::from(month <= 2);
        let month_from_march = (i64::from(month) + 9) % 12;
        let day_of_year = (153 * month_from_march + 2) / 5 + i64::from(day) - 1;
        let (era, year_of_era) = (year.div_euclid(400), year.rem_euclid(400));
        let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
        Some(era * 146_097 + day_of_era - 719_468)
    }

    /// Appends `YYYY-MM-DD`.
    #[inline]
    pub fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&date_text(*self));
    }
}

impl Time {
    /// Appends `[-]HH:MM:SS[.fff]`; hours take a third digit when they need it.
    pub fn write(&self, out: &mut Vec<u8>) {
        if self.negative {
            out.push(b'-');
        }
        if self.hours >= 100 {
            out.push(b'0' + (self.hours / 100 % 10) as u8);
        }
        let [h0, h1] = pair(u32::from(self.hours));
        out.extend_from_slice(&[h0, h1, b':']);
        push_front(
            &minutes_text(self.minutes, self.seconds, self.micros),
            shown(self.fsp),
            out,
        );
    }
}

impl DateTime {
    /// Appends `YYYY-MM-DD HH:MM:SS[.fff]`.
    #[inline]
    pub fn write(&self, out: &mut Vec<u8>) {
        let [y0, y1, y2, y3, _, m0, m1, _, d0, d1] = date_text(self.date);
        let [h0, h1] = pair(u32::from(self.hours));
        let [n0, n1, _, s0, s1, _, f0, f1, f2, f3, f4, f5] =
            minutes_text(self.minutes, self.seconds, self.micros);
        let text = [
            y0, y1, y2, y3, b'-', m0, m1, b'-', d0, d1, b' ', h0, h1, b':', n0, n1, b':', s0, s1,
            b'.', f0, f1, f2, f3, f4, f5,
        ];
        push_front(&text, 14 + shown(self.fsp), out);
    }
}

impl Timestamp {
    /// Appends `YYYY-MM-DD HH:MM:SS[.fff]` in UTC.
    pub fn write(&self, out: &mut Vec<u8>) {
        self.to_utc().write(out);
    }

    /// The same moment by the calendar; the zero timestamp is all zeros.
    pub fn to_utc(&self) -> DateTime {
        if self.seconds == 0 {
            let date = Date {
                year: 0,
                month: 0,
                day: 0,
            };
            return DateTime {
                date,
                hours: 0,
                minutes: 0,
                seconds: 0,
                micros: 0,
                fsp: self.fsp,
            };
        }
        let second = self.seconds % 86_400;
        DateTime {
            date: date_of_day(self.seconds / 86_400),
            hours: (second / 3_600) as u8,
            minutes: (second / 60 % 60) as u8,
            seconds: (second % 60) as u8,
            micros: self.micros,
            fsp: self.fsp,
        }
    }
}

/// The date `days` after 1970-01-01. Counts from 0000-03-01, so that the leap day ends a year
/// (Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms").
fn date_of_day(days: u32) -> Date {
    let shifted = days + 719_468;
    let era = shifted / 146_097;
    let day_of_era = shifted % 146_097;
    let year_of_era =
        (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let month = if month_from_march < 10 {
        month_from_march + 3
    } else {
        month_from_march - 9
    };
    Date {
        year: (era * 400 + year_of_era + u32::from(month <= 2)) as u16,
        month: month as u8,
        day: (day_of_year - (153 * month_from_march + 2) / 5 + 1) as u8,
    }
}

/// `Display` by the writers: what they append is ASCII.
pub(crate) fn display(
    formatter: &mut std::fmt::Formatter<'_>,
    write: impl FnOnce(&mut Vec<u8>),
) -> std::fmt::Result {
    let mut text = Vec::with_capacity(32);
    write(&mut text);
    formatter.write_str(std::str::from_utf8(&text).map_err(|_| std::fmt::Error)?)
}

impl std::fmt::Display for Date {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        display(formatter, |out| self.write(out))
    }
}

impl std::fmt::Display for Time {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        display(formatter, |out| self.write(out))
    }
}

impl std::fmt::Display for DateTime {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        display(formatter, |out| self.write(out))
    }
}

impl std::fmt::Display for Timestamp {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        display(formatter, |out| self.write(out))
    }
}

/// `2026-11-23 13:14:15 UTC` from seconds since 1970; days to a date as in
/// <https://howardhinnant.github.io/date_algorithms.html#civil_from_days>.
pub fn utc(seconds: u64) -> String {
    let (days, second) = (seconds / 86_400, seconds % 86_400);
    let shifted = days + 719_468;
    let (era, day_of_era) = (shifted / 146_097, shifted % 146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 {
        shifted_month + 3
    } else {
        shifted_month - 9
    };
    let year = year_of_era + era * 400 + u64::from(month <= 2);
    let (hour, minute) = (second / 3_600, second / 60 % 60);
    format!(
        "{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}:{:02} UTC",
        second % 60
    )
}

#[cfg(test)]
mod tests;
