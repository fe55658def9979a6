//! Numbers whose bytes differ between a row and an image.

use super::step::Unfit;
use crate::decimal;

/// Comes as 4 bytes, and is logged as 3.
#[inline]
pub(super) fn put_medium(bytes: [u8; 4], unsigned: bool, out: &mut Vec<u8>) -> Result<(), Unfit> {
    let [a, b, c, top] = bytes;
    let sign = if !unsigned && c & 0x80 != 0 { 0xff } else { 0 };
    if top != sign {
        return Err(Unfit("a number that 3 bytes cannot hold"));
    }
    out.extend_from_slice(&[a, b, c]);
    Ok(())
}

#[inline]
pub(super) fn put_float(bytes: &[u8], is_finite: bool, out: &mut Vec<u8>) -> Result<(), Unfit> {
    if !is_finite {
        return Err(Unfit("a number that is not finite"));
    }
    out.extend_from_slice(bytes);
    Ok(())
}

/// 0, or counted from 1900.
#[inline]
pub(super) fn put_year(year: u16, out: &mut Vec<u8>) -> Result<(), Unfit> {
    out.push(match year {
        0 => 0,
        1901..=2155 => (year - 1900) as u8,
        _ => return Err(Unfit("a year that is none of 1901 to 2155")),
    });
    Ok(())
}

/// Comes as text with all digits of the scale; zeros in front (ZEROFILL) do not count.
#[inline]
pub(super) fn put_decimal(
    text: &[u8],
    (precision, scale, bytes): (u8, u8, u8),
    out: &mut Vec<u8>,
) -> Result<(), Unfit> {
    let parts = decimal::Parts::of(text).ok_or(Unfit("no decimal number"))?;
    if parts.fraction.len() != usize::from(scale) {
        return Err(Unfit("another number of digits behind the point"));
    }
    if parts.whole.len() > usize::from(precision.saturating_sub(scale)) {
        return Err(Unfit("more digits than its column holds"));
    }
    let begin = out.len();
    parts.pack(precision, scale, out);
    if out.len() - begin != usize::from(bytes) {
        return Err(Unfit("a shape that no column has"));
    }
    Ok(())
}
