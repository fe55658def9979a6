//! DECIMAL: MySQL's packed digits, printed with the column's scale.
//!
//! Nine digits take four bytes, the rest of either side fewer; the integer part has its short group
//! first, the fraction its short group last. The first bit is the sign turned over, and a negative
//! number has every bit turned over (MySQL's `strings/decimal.cc`). Nothing is rounded, nothing is
//! dropped: what `SELECT` prints is what is appended.

mod pack;

pub(crate) use pack::{Parts, shape};

use crate::{Error, time::pair};

/// Packed digits with their shape; prints as `SELECT` does.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Decimal<'a> {
    pub bytes: &'a [u8],
    pub precision: u8,
    pub scale: u8,
}

/// MySQL's limits for a column.
pub const PRECISION_MAX: u8 = 65;
pub const SCALE_MAX: u8 = 30;

/// A value in JSON may have as many digits as nine groups hold (`DECIMAL_BUFF_LENGTH`).
const DIGITS_MAX: usize = 81;

/// Bytes of a group by its digits.
const GROUP_BYTES: [u8; 10] = [0, 1, 1, 2, 2, 3, 3, 4, 4, 4];
const POWERS: [u32; 10] = [
    1,
    10,
    100,
    1_000,
    10_000,
    100_000,
    1_000_000,
    10_000_000,
    100_000_000,
    1_000_000_000,
];

const PACKED_BYTES: [[u8; DIGITS_MAX + 1]; DIGITS_MAX + 1] = {
    let mut table = [[0; DIGITS_MAX + 1]; DIGITS_MAX + 1];
    let mut precision = 0;
    while precision < table.len() {
        let mut scale = 0;
        while scale <= precision {
            let whole = precision - scale;
            table[precision][scale] = (whole / 9 * 4 + scale / 9 * 4) as u8
                + GROUP_BYTES[whole % 9]
                + GROUP_BYTES[scale % 9];
            scale += 1;
        }
        precision += 1;
    }
    table
};

/// Bytes of a value with this shape; `None` when MySQL has no such shape.
#[inline]
pub fn packed_bytes(precision: u8, scale: u8) -> Option<usize> {
    let bytes = *PACKED_BYTES
        .get(usize::from(precision))?
        .get(usize::from(scale))?;
    (bytes > 0).then_some(usize::from(bytes))
}

impl<'a> Decimal<'a> {
    /// Checks length and digit groups, so that [`Decimal::write`] cannot go wrong.
    #[inline]
    pub fn new(bytes: &'a [u8], precision: u8, scale: u8) -> Result<Self, Error> {
        let decimal = Self {
            bytes,
            precision,
            scale,
        };
        if packed_bytes(precision, scale) != Some(bytes.len()) {
            return Err(Error::malformed(
                "DECIMAL",
                format_args!("{} bytes for DECIMAL({precision},{scale})", bytes.len()),
            ));
        }
        let mut groups = decimal.groups();
        let whole = precision - scale;
        let mut valid = groups.next(whole % 9) < POWERS[usize::from(whole % 9)];
        for _ in 0..whole / 9 + scale / 9 {
            valid &= groups.next(9) < POWERS[9];
        }
        valid &= groups.next(scale % 9) < POWERS[usize::from(scale % 9)];
        if !valid {
            return Err(Error::malformed(
                "DECIMAL",
                "a group above its number of digits",
            ));
        }
        Ok(decimal)
    }

    pub fn is_negative(&self) -> bool {
        self.bytes.first().is_some_and(|first| first & 0x80 == 0)
    }

    /// Appends `[-]digits[.digits]` with exactly `scale` digits after the point.
    pub fn write(&self, out: &mut Vec<u8>) {
        let mut groups = self.groups();
        let whole = self.precision.saturating_sub(self.scale);
        if self.is_negative() {
            out.push(b'-');
        }
        let mut value = groups.next(whole % 9);
        let mut left = whole / 9;
        while value == 0 && left > 0 {
            value = groups.next(9);
            left -= 1;
        }
        out.extend_from_slice(itoa::Buffer::new().format(value).as_bytes());
        for _ in 0..left {
            push_padded(out, groups.next(9), 9);
        }
        if self.scale == 0 {
            return;
        }
        out.push(b'.');
        for _ in 0..self.scale / 9 {
            push_padded(out, groups.next(9), 9);
        }
        push_padded(out, groups.next(self.scale % 9), self.scale % 9);
    }

    #[inline]
    fn groups(&self) -> Groups<'a> {
        let inverted = if self.is_negative() { 0xff } else { 0 };
        Groups {
            rest: self.bytes,
            inverted,
            sign: 0x80,
        }
    }
}

impl std::fmt::Display for Decimal<'_> {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        crate::time::display(formatter, |out| self.write(out))
    }
}

/// The groups from the most significant on; the sign bit is taken out of the first.
struct Groups<'a> {
    rest: &'a [u8],
    inverted: u8,
    sign: u8,
}

impl Groups<'_> {
    #[inline]
    fn next(&mut self, digits: u8) -> u32 {
        let bytes = GROUP_BYTES.get(usize::from(digits)).copied().unwrap_or(4);
        let Some((group, rest)) = self.rest.split_at_checked(usize::from(bytes)) else {
            return 0;
        };
        self.rest = rest;
        let mut value = 0;
        for byte in group {
            value = value << 8 | u32::from(byte ^ self.inverted ^ self.sign);
            self.sign = 0;
        }
        value
    }
}

/// Appends the last `digits` (at most 9) digits of `value`.
#[inline]
fn push_padded(out: &mut Vec<u8>, value: u32, digits: u8) {
    let [a, b] = pair(value / 10_000_000);
    let [c, d] = pair(value / 100_000);
    let [e, f] = pair(value / 1_000);
    let [g, h] = pair(value / 10);
    let text = [a, b, c, d, e, f, g, h, b'0' + (value % 10) as u8];
    out.extend_from_slice(text.get(9 - usize::from(digits.min(9))..).unwrap_or(&text));
}

#[cfg(test)]
pub(crate) mod tests;
