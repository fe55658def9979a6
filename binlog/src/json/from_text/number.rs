//! A number off the front of a document's text.
//!
//! A server prints its integers, doubles and DECIMALs all as numbers. Integers stay exact. A token with an exponent is
//! a double's. Any other one is taken for a double where a server prints that double so, and for a DECIMAL with its
//! very digits where not: `1.10`, a number of 20 digits. A DECIMAL that looks like a double (`0.5`) prints the same
//! as either.

use super::{Made, Wrong};
use crate::decimal;

const INT16: u8 = 0x05;
const INT32: u8 = 0x07;
const INT64: u8 = 0x09;
const UINT64: u8 = 0x0a;
const DOUBLE: u8 = 0x0b;
const OPAQUE: u8 = 0x0f;
/// MySQL's `enum_field_types`.
const NEWDECIMAL: u8 = 246;

const NO_VALUE: Wrong = "no value where one is due";
/// A server prints no number without an exponent that has more.
const TOKEN_BYTES_MAX: usize = 128;
/// The whole digits of a double that is printed as `1000.0`, without an exponent (`MAX_DECPT_FOR_F_FORMAT`).
const WHOLE_DIGITS_MAX: usize = 15;
/// Zeros between the point and the first digit of a double that is printed without an exponent.
const ZEROS_MAX: usize = 14;

pub(super) fn take(rest: &mut &[u8], out: &mut Vec<u8>) -> Result<Made, Wrong> {
    let is_of_it = |byte: &u8| matches!(byte, b'0'..=b'9' | b'+' | b'-' | b'.' | b'e' | b'E');
    let length = rest.iter().take_while(|byte| is_of_it(byte)).count();
    let (token, behind) = rest.split_at_checked(length).ok_or(NO_VALUE)?;
    *rest = behind;
    let is_integer = token.iter().all(|byte| matches!(byte, b'0'..=b'9' | b'-'));
    if is_integer && let Some(made) = integer(token, out) {
        return Ok(made);
    }
    if length > TOKEN_BYTES_MAX {
        return Err("a number of more digits than MySQL has");
    }
    let text = std::str::from_utf8(token).map_err(|_| NO_VALUE)?;
    let has_exponent = token.iter().any(|byte| matches!(byte, b'e' | b'E'));
    if !matches!(token, [b'0'..=b'9', ..] | [b'-', b'0'..=b'9', ..]) {
        return Err(NO_VALUE);
    }
    let parts = decimal::Parts::of(token);
    if has_exponent || !is_integer && parts.is_some() && is_double(text) {
        let value: f64 = text.parse().map_err(|_| NO_VALUE)?;
        if !value.is_finite() {
            return Err("a number that is not finite");
        }
        out.extend_from_slice(&value.to_le_bytes());
        return Ok(Made::Data { kind: DOUBLE });
    }
    let parts = parts.ok_or(NO_VALUE)?;
    let (precision, scale) =
        decimal::shape(&parts).ok_or("a number of more digits than MySQL has")?;
    let bytes = decimal::packed_bytes(precision, scale).unwrap_or(0);
    // Below 128 bytes the length takes one.
    out.extend_from_slice(&[NEWDECIMAL, bytes as u8 + 2, precision, scale]);
    parts.pack(precision, scale, out);
    Ok(Made::Data { kind: OPAQUE })
}

/// `None` for what 64 bits do not hold, and for what is no integer.
#[inline]
fn integer(token: &[u8], out: &mut Vec<u8>) -> Option<Made> {
    let (is_negative, digits) = match token {
        [b'-', digits @ ..] => (true, digits),
        digits => (false, digits),
    };
    if digits.is_empty() {
        return None;
    }
    let mut size = 0_u64;
    for digit in digits {
        let digit = digit.checked_sub(b'0')?;
        size = size.checked_mul(10)?.checked_add(u64::from(digit))?;
    }
    let value = match is_negative {
        true => 0_i64.checked_sub_unsigned(size)?,
        false => match i64::try_from(size) {
            Ok(value) => value,
            Err(_) => {
                out.extend_from_slice(&size.to_le_bytes());
                return Some(Made::Data { kind: UINT64 });
            }
        },
    };
    Some(if let Ok(value) = i16::try_from(value) {
        Made::Inline {
            kind: INT16,
            bits: i32::from(value).cast_unsigned(),
        }
    } else if let Ok(value) = i32::try_from(value) {
        out.extend_from_slice(&value.to_le_bytes());
        Made::Data { kind: INT32 }
    } else {
        out.extend_from_slice(&value.to_le_bytes());
        Made::Data { kind: INT64 }
    })
}

/// Whether a server prints some double so: the fewest digits that read back as it, without an exponent.
fn is_double(token: &str) -> bool {
    let Ok(value) = token.parse::<f64>() else {
        return false;
    };
    if !value.is_finite() {
        return false;
    }
    let mut buffer = zmij::Buffer::new();
    let shown = buffer.format_finite(value);
    if shown == token {
        return true;
    }
    let digits = token.strip_prefix('-').unwrap_or(token);
    let Some((whole, fraction)) = digits.split_once('.') else {
        return false;
    };
    let is_in_range = if fraction == "0" {
        whole.len() <= WHOLE_DIGITS_MAX
    } else {
        let zeros = fraction.len() - fraction.trim_start_matches('0').len();
        !fraction.ends_with('0') && (whole != "0" || zeros <= ZEROS_MAX)
    };
    is_in_range && significant(token).eq(significant(shown))
}

/// The digits between zeros; the place of the point is that of the same number.
fn significant(number: &str) -> impl Iterator<Item = u8> {
    let mantissa = number.split(['e', 'E']).next().unwrap_or(number);
    let digits = mantissa.bytes().filter(u8::is_ascii_digit);
    let last = mantissa
        .bytes()
        .filter(u8::is_ascii_digit)
        .enumerate()
        .filter(|(_, digit)| *digit != b'0')
        .map(|(place, _)| place)
        .last();
    digits
        .take(last.map_or(0, |last| last + 1))
        .skip_while(|digit| *digit == b'0')
}
