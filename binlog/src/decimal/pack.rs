//! A decimal number's text to its packed digits.

use super::{POWERS, packed_bytes};

/// The digits of a number, each as ASCII.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Parts<'a> {
    pub is_negative: bool,
    /// Without zeros in front; empty below 1.
    pub whole: &'a [u8],
    /// With all zeros.
    pub fraction: &'a [u8],
}

impl<'a> Parts<'a> {
    /// `[-]digits[.digits]`; `None` for anything else.
    #[inline]
    pub fn of(text: &'a [u8]) -> Option<Self> {
        let (is_negative, digits) = match text {
            [b'-', digits @ ..] => (true, digits),
            digits => (false, digits),
        };
        let point = digits.iter().position(|byte| *byte == b'.');
        let (whole, fraction): (&[u8], &[u8]) = match point {
            None => (digits, &[]),
            Some(point) => {
                let (whole, rest) = digits.split_at_checked(point)?;
                let [_, fraction @ ..] = rest else {
                    return None;
                };
                if fraction.is_empty() {
                    return None;
                }
                (whole, fraction)
            }
        };
        let is_number = |part: &[u8]| part.iter().all(u8::is_ascii_digit);
        if whole.is_empty() || !is_number(whole) || !is_number(fraction) {
            return None;
        }
        let zeros = whole.iter().take_while(|byte| **byte == b'0').count();
        Some(Self {
            is_negative,
            whole: whole.get(zeros..).unwrap_or_default(),
            fraction,
        })
    }

    /// Appends the number as DECIMAL(precision, scale), into which its digits must fit. Negative zero is zero.
    #[inline]
    pub fn pack(&self, precision: u8, scale: u8, out: &mut Vec<u8>) {
        let begin = out.len();
        let places = usize::from(precision.saturating_sub(scale));
        // The whole part's short group comes first, the fraction's last.
        let mut missing = places.saturating_sub(self.whole.len());
        let mut rest = self.whole;
        let mut length = match places % 9 {
            0 => 9,
            short => short,
        };
        let mut left = places;
        while left > 0 {
            let zeros = missing.min(length);
            missing -= zeros;
            let (group, behind) = rest.split_at_checked(length - zeros).unwrap_or((rest, &[]));
            rest = behind;
            put_group(number(group), length, out);
            left -= length;
            length = 9;
        }
        let mut rest = self.fraction;
        let mut left = usize::from(scale);
        while left > 0 {
            let length = left.min(9);
            let (group, behind) = rest.split_at_checked(length).unwrap_or((rest, &[]));
            rest = behind;
            let power = POWERS.get(length - group.len()).copied().unwrap_or(1);
            put_group(number(group) * power, length, out);
            left -= length;
        }
        let is_zero = |part: &[u8]| part.iter().all(|byte| *byte == b'0');
        let is_negative = self.is_negative && !(is_zero(self.whole) && is_zero(self.fraction));
        let Some([first, others @ ..]) = out.get_mut(begin..) else {
            return;
        };
        *first ^= 0x80;
        if is_negative {
            *first = !*first;
            for byte in others {
                *byte = !*byte;
            }
        }
    }
}

/// Of 9 digits at most.
#[inline]
fn number(digits: &[u8]) -> u32 {
    digits.iter().fold(0, |value, digit| {
        value * 10 + u32::from(digit.wrapping_sub(b'0'))
    })
}

#[inline]
fn put_group(value: u32, digits: usize, out: &mut Vec<u8>) {
    let bytes = value.to_be_bytes();
    let width = super::GROUP_BYTES
        .get(digits)
        .copied()
        .map_or(4, usize::from);
    out.extend_from_slice(bytes.get(4 - width..).unwrap_or(&bytes));
}

/// The shape that holds the digits, within the limits of a number in JSON.
pub(crate) fn shape(parts: &Parts<'_>) -> Option<(u8, u8)> {
    let scale = u8::try_from(parts.fraction.len()).ok()?;
    let precision = u8::try_from(parts.whole.len().max(1) + parts.fraction.len()).ok()?;
    packed_bytes(precision, scale).map(|_| (precision, scale))
}
