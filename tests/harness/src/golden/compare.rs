//! How a column's value in a line compares with what `SELECT` prints: `docs/event-format.md`, by program.

use super::line::{string, tokens};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Compare {
    /// Numbers without a fraction, BIT, YEAR.
    Number,
    Float,
    Double,
    /// DECIMAL: a string.
    Decimal,
    /// Dates and times: a string.
    Plain,
    /// Text, labels.
    Text,
    /// Binary, geometry.
    Base64,
    Json,
    /// A JSON document as a string: `native.json = "string"`.
    JsonText,
    Vector,
}

impl Compare {
    /// What to select of the column `name` (quoted).
    pub fn expression(self, name: &str) -> String {
        match self {
            // `+ 0` takes the zeros of ZEROFILL away.
            Self::Number | Self::Decimal => format!("{name} + 0"),
            // FLOAT itself prints six digits; as DOUBLE it has them all. (`+ 0e0` would make 0 of -0.)
            Self::Float | Self::Double => format!("{name} * 1e0"),
            Self::Plain | Self::Json | Self::JsonText => name.to_owned(),
            Self::Text => format!("CONVERT({name} USING utf8mb4)"),
            Self::Base64 => format!("TO_BASE64({name})"),
            // VECTOR_TO_STRING prints six digits.
            Self::Vector => format!("HEX({name})"),
        }
    }

    pub fn is_document(self) -> bool {
        matches!(self, Self::Json | Self::JsonText)
    }

    /// Whether `raw`, a JSON value as it is written, is what was selected.
    pub fn is_same(self, raw: &str, selected: Option<&[u8]>) -> bool {
        let Some(selected) = selected else {
            return raw == "null";
        };
        let printed = std::str::from_utf8(selected).expect("SELECT prints UTF-8 here");
        match self {
            Self::Number => raw == printed,
            Self::Float => {
                let double: f64 = printed.parse().expect("a number");
                raw.parse::<f32>()
                    .is_ok_and(|found| found.to_bits() == (double as f32).to_bits())
                    && shortest(raw, &format!("{:e}", double as f32))
            }
            Self::Double => {
                let double: f64 = printed.parse().expect("a number");
                raw.parse::<f64>()
                    .is_ok_and(|found| found.to_bits() == double.to_bits())
                    && shortest(raw, &format!("{double:e}"))
            }
            Self::Decimal | Self::Plain | Self::Text => {
                raw.starts_with('"') && string(raw) == printed
            }
            Self::Base64 => {
                raw.strip_prefix('"').and_then(|raw| raw.strip_suffix('"'))
                    == Some(&*printed.replace('\n', ""))
            }
            Self::Json => raw == printed || tokens(raw) == tokens(printed),
            Self::JsonText => {
                raw.starts_with('"') && Self::Json.is_same(&string(raw), Some(selected))
            }
            Self::Vector => vector(raw) == Some(floats(printed)),
        }
    }
}

/// Whether `raw` has as many digits as `shortest`, which Rust's own printer wrote.
fn shortest(raw: &str, shortest: &str) -> bool {
    let digits = |text: &str| {
        let front = text.split(['e', 'E']).next().unwrap_or_default();
        let digits: String = front.chars().filter(char::is_ascii_digit).collect();
        digits.trim_matches('0').len()
    };
    digits(raw) == digits(shortest)
}

fn vector(raw: &str) -> Option<Vec<u32>> {
    let inner = raw.strip_prefix('[')?.strip_suffix(']')?;
    let mut bits = Vec::new();
    for number in inner.split(',').filter(|number| !number.is_empty()) {
        bits.push(number.parse::<f32>().ok()?.to_bits());
    }
    Some(bits)
}

fn floats(hex: &str) -> Vec<u32> {
    let digits = |at: usize| u8::from_str_radix(&hex[at..at + 2], 16).expect("hexadecimal");
    let bytes: Vec<u8> = (0..hex.len()).step_by(2).map(digits).collect();
    let (floats, rest) = bytes.as_chunks::<4>();
    assert!(rest.is_empty(), "whole floats");
    floats
        .iter()
        .map(|four| u32::from_le_bytes(*four))
        .collect()
}
