//! A value as one text, whether it stands in a line or came out of the warehouse: equal texts are equal values.
//!
//! What a column cannot hold is nothing, as the merge makes it: so a zero date in a line equals NULL in a DATE. Floats are
//! compared as the bits of their own width, JSON as documents, times without the zeros at their end. Not here: that such
//! a value was counted and kept (`_lost`, `_raw`).

use std::borrow::Cow;

use base64_simd::STANDARD;
use serde_json::{Value, value::RawValue};

use crate::stored::Stored;

const DAYS: [u32; 12] = [31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];

/// Of a value in a line, which is JSON. `None`: NULL, or what the column does not hold.
pub fn of_line(stored: Stored, json: &RawValue) -> Option<Cow<'_, str>> {
    let json = json.get();
    if stored == Stored::Document {
        return document(json);
    }
    let text: Cow<'_, str> = match json.as_bytes().first() {
        Some(b'"') => serde_json::from_str::<Cow<'_, str>>(json).ok()?,
        Some(b'{' | b'[' | b'n') | None => return None,
        Some(_) => Cow::Borrowed(json),
    };
    match stored {
        Stored::SmallInt => integer::<i16>(text),
        Stored::Integer => integer::<i32>(text),
        Stored::BigInt => integer::<i64>(text),
        Stored::Numeric { precision, scale } => numeric(text, precision, scale),
        Stored::Real => real(&text),
        Stored::Double => double(&text),
        Stored::Date => is_date(&text).then_some(text),
        Stored::Timestamp => {
            let is_date = text.get(..10).is_some_and(is_date);
            is_date.then(|| without_zeros(text))
        }
        Stored::Varchar { .. } if text.contains('\0') => None,
        Stored::Varchar { bytes_max } => Some(cut(text, bytes_max)),
        Stored::Binary { bytes_max } => {
            let bytes = STANDARD.decode_to_vec(text.as_bytes()).ok()?;
            (bytes.len() as u64 <= bytes_max).then(|| hex(&bytes).into())
        }
        Stored::Document => None,
    }
}

/// Of what the warehouse gave, as [`crate::dialect::Dialect::shown`] asks for it.
pub fn of_warehouse(stored: Stored, text: &str) -> Option<Cow<'_, str>> {
    match stored {
        Stored::Numeric { precision, scale } => numeric(text.into(), precision, scale),
        Stored::Real => real(text),
        Stored::Double => double(text),
        Stored::Timestamp => Some(without_zeros(text.into())),
        Stored::Document => document(text),
        _ => Some(text.into()),
    }
}

fn integer<T: std::str::FromStr>(text: Cow<'_, str>) -> Option<Cow<'_, str>> {
    text.parse::<T>().is_ok().then_some(text)
}

/// With the column's scale, and no minus in front of nothing.
fn numeric(text: Cow<'_, str>, precision: u8, scale: u8) -> Option<Cow<'_, str>> {
    let digits = text.strip_prefix('-').unwrap_or(&text);
    let (whole, decimals) = digits.split_once('.').unwrap_or((digits, ""));
    let places = usize::from(precision.saturating_sub(scale));
    let is_digits = digits
        .bytes()
        .all(|byte| byte.is_ascii_digit() || byte == b'.');
    let fits = whole.trim_start_matches('0').len() <= places.max(1)
        && decimals.len() <= usize::from(scale);
    if !is_digits || whole.is_empty() || !fits {
        return None;
    }
    let is_nothing = digits.bytes().all(|byte| matches!(byte, b'0' | b'.'));
    match is_nothing && digits.len() < text.len() {
        true => Some(digits.to_owned().into()),
        false => Some(text),
    }
}

fn real(text: &str) -> Option<Cow<'static, str>> {
    let number: f32 = text.parse().ok()?;
    number
        .is_finite()
        .then(|| format!("{:08x}", (number + 0.0).to_bits()).into())
}

fn double(text: &str) -> Option<Cow<'static, str>> {
    let number: f64 = text.parse().ok()?;
    number
        .is_finite()
        .then(|| format!("{:016x}", (number + 0.0).to_bits()).into())
}

/// A day of the calendar, from the year 1 on.
fn is_date(text: &str) -> bool {
    let part = |range| {
        text.get(range)
            .and_then(|part: &str| part.parse::<u32>().ok())
    };
    let (Some(year), Some(month), Some(day)) = (part(0..4), part(5..7), part(8..10)) else {
        return false;
    };
    let is_leap = year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    let days = match month {
        1..=12 if month != 2 || is_leap => DAYS.get(month as usize - 1).copied(),
        2 => Some(28),
        _ => None,
    };
    0 < year && text.len() == 10 && days.is_some_and(|days| (1..=days).contains(&day))
}

fn without_zeros(text: Cow<'_, str>) -> Cow<'_, str> {
    match text.contains('.') {
        true => text
            .trim_end_matches('0')
            .trim_end_matches('.')
            .to_owned()
            .into(),
        false => text,
    }
}

/// Between two characters.
fn cut(text: Cow<'_, str>, bytes_max: u64) -> Cow<'_, str> {
    let bytes_max = usize::try_from(bytes_max).unwrap_or(usize::MAX);
    if text.len() <= bytes_max {
        return text;
    }
    let end = (0..=bytes_max)
        .rev()
        .find(|end| text.is_char_boundary(*end));
    text.get(..end.unwrap_or(0))
        .unwrap_or_default()
        .to_owned()
        .into()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Members in one order; what this process cannot read stays as it is written.
fn document(json: &str) -> Option<Cow<'_, str>> {
    match serde_json::from_str::<Value>(json) {
        Ok(Value::Null) => None,
        Ok(value) => Some(value.to_string().into()),
        Err(_) => Some(json.into()),
    }
}

#[cfg(test)]
mod tests;
