//! Dates and times, zero and partial ones included, printed as `SELECT` does under `time_zone='+00:00'`.

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
