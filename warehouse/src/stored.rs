//! What a column of MySQL is stored as, so that no value is changed.
//!
//! An unsigned integer goes one size up, BIGINT UNSIGNED and BIT(64) into a decimal. A TIME may have 838 hours, so it is
//! text. Text is as long as its characters can be in UTF-8; where that may be more than a VARCHAR has, it is a document or
//! cut, by [`LongText`]. A value that its column cannot hold (a zero date) is NULL there and stands, as it was, in the
//! row's `_raw`. Why each type is as it is: `docs/warehouse.md`.

use headwater_binlog::{columns::ListedColumn, schema::ColumnKind};
use serde::{Deserialize, Serialize};

/// Of a VARCHAR of Redshift. <https://docs.aws.amazon.com/redshift/latest/dg/r_Character_types.html>
pub const VARCHAR_BYTES_MAX: u64 = 65_535;
/// Digits of a NUMERIC of Redshift. <https://docs.aws.amazon.com/redshift/latest/dg/r_Numeric_types201.html>
const NUMERIC_DIGITS_MAX: u8 = 38;
const NUMERIC_SCALE_MAX: u8 = 37;
/// UTF-8 of one character.
const CHARACTER_BYTES_MAX: u64 = 4;
/// Of `-838:59:59.000000`.
const TIME_BYTES: u64 = 17;
/// A label of an ENUM has 255 characters at most.
const LABEL_BYTES_MAX: u64 = 255 * CHARACTER_BYTES_MAX;
/// Base64 of so many bytes fits a VARCHAR.
const BINARY_BYTES_MAX: u64 = VARCHAR_BYTES_MAX / 4 * 3;

/// A type of the warehouse, before its dialect spells it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "type")]
pub enum Stored {
    SmallInt,
    Integer,
    BigInt,
    Numeric {
        precision: u8,
        scale: u8,
    },
    Real,
    Double,
    Date,
    Timestamp,
    Varchar {
        bytes_max: u64,
    },
    /// Comes as base64.
    Binary {
        bytes_max: u64,
    },
    /// Any JSON: SUPER.
    Document,
}

impl Stored {
    /// Two values of it can be compared, so it can be part of a key.
    pub fn is_comparable(self) -> bool {
        !matches!(self, Self::Document)
    }

    /// Its values can be in a sort key.
    pub fn is_sortable(self) -> bool {
        !matches!(self, Self::Document | Self::Binary { .. })
    }

    /// Compared as text, so trailing blanks need a second look.
    pub fn is_text(self) -> bool {
        matches!(self, Self::Varchar { .. })
    }
}

/// How text is stored that may have more bytes than a VARCHAR.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LongText {
    /// Whole, as a document that is one string.
    #[default]
    Super,
    /// As VARCHAR(65535). What is longer is cut and counted, and stands whole in `_raw`.
    Varchar,
}

/// How bytes are stored.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Bytes {
    /// As base64, like the line has them.
    #[default]
    Base64,
    /// As VARBYTE, where base64 of all that the column can hold fits a VARCHAR on its way; else as base64.
    Varbyte,
}

/// What a person chooses.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Choices {
    pub long_text: LongText,
    pub bytes: Bytes,
}

/// Of a column without a mask.
pub fn stored(kind: &ColumnKind, listed: &ListedColumn, choices: Choices) -> Stored {
    let (declared, octets) = (listed.column_type.as_str(), listed.octets);
    match kind {
        ColumnKind::TinyInt { .. }
        | ColumnKind::SmallInt { unsigned: false }
        | ColumnKind::Year => Stored::SmallInt,
        ColumnKind::SmallInt { unsigned: true }
        | ColumnKind::MediumInt { .. }
        | ColumnKind::Int { unsigned: false } => Stored::Integer,
        ColumnKind::Int { unsigned: true } | ColumnKind::BigInt { unsigned: false } => {
            Stored::BigInt
        }
        ColumnKind::BigInt { unsigned: true } | ColumnKind::Bit { bits: 64.. } => {
            let (precision, scale) = (20, 0);
            Stored::Numeric { precision, scale }
        }
        ColumnKind::Bit { .. } => Stored::BigInt,
        ColumnKind::Float => Stored::Real,
        ColumnKind::Double => Stored::Double,
        &ColumnKind::Decimal { precision, scale } => decimal(precision, scale),
        ColumnKind::Date => Stored::Date,
        ColumnKind::OldTime | ColumnKind::Time { .. } => varchar(TIME_BYTES),
        ColumnKind::OldDateTime
        | ColumnKind::OldTimestamp
        | ColumnKind::DateTime { .. }
        | ColumnKind::Timestamp { .. } => Stored::Timestamp,
        ColumnKind::Text { .. } => {
            let characters = length(declared).or(octets);
            let bytes = characters.map(|characters| characters.saturating_mul(CHARACTER_BYTES_MAX));
            text(bytes.unwrap_or(u64::MAX), choices)
        }
        ColumnKind::LongText { length_bytes, .. } => {
            // One byte of another character set can be three of UTF-8.
            let is_utf8 = ["utf8mb4", "utf8mb3", "utf8", "ascii"];
            let is_utf8 = is_utf8.map(Some).contains(&listed.charset.as_deref());
            let widest = if is_utf8 { 1 } else { 3 };
            let octets = octets.unwrap_or_else(|| of_length_bytes(*length_bytes));
            text(octets.saturating_mul(widest), choices)
        }
        ColumnKind::Enum { .. } => varchar(LABEL_BYTES_MAX),
        ColumnKind::Set { labels, .. } => {
            let all: usize = labels.iter().map(|label| label.len() + 1).sum();
            text((all as u64).max(LABEL_BYTES_MAX), choices)
        }
        ColumnKind::Binary { pad_to, .. } => {
            let declared = length(declared).or(octets).unwrap_or(u64::MAX);
            binary(declared.max(u64::from(*pad_to)), choices)
        }
        ColumnKind::Blob { length_bytes } | ColumnKind::Geometry { length_bytes } => {
            binary(of_length_bytes(*length_bytes), choices)
        }
        ColumnKind::Json { .. } | ColumnKind::Vector { .. } => Stored::Document,
    }
}

/// What a mask leaves: text of any length that the value had.
pub fn masked(choices: Choices) -> Stored {
    match choices.long_text {
        LongText::Super => Stored::Document,
        LongText::Varchar => varchar(VARCHAR_BYTES_MAX),
    }
}

/// More digits than the warehouse has: as text, which loses none.
fn decimal(precision: u8, scale: u8) -> Stored {
    if precision <= NUMERIC_DIGITS_MAX && scale <= NUMERIC_SCALE_MAX {
        return Stored::Numeric { precision, scale };
    }
    // Sign, point, and a zero before it.
    varchar(u64::from(precision) + 3)
}

fn varchar(bytes_max: u64) -> Stored {
    Stored::Varchar {
        bytes_max: bytes_max.max(1),
    }
}

fn text(bytes_max: u64, choices: Choices) -> Stored {
    match choices.long_text {
        _ if bytes_max <= VARCHAR_BYTES_MAX => varchar(bytes_max),
        LongText::Super => Stored::Document,
        LongText::Varchar => varchar(VARCHAR_BYTES_MAX),
    }
}

fn binary(bytes_max: u64, choices: Choices) -> Stored {
    if bytes_max > BINARY_BYTES_MAX {
        return text(u64::MAX, choices);
    }
    match choices.bytes {
        Bytes::Varbyte => Stored::Binary {
            bytes_max: bytes_max.max(1),
        },
        Bytes::Base64 => varchar(bytes_max.div_ceil(3) * 4),
    }
}

fn of_length_bytes(length_bytes: u8) -> u64 {
    (1_u64 << (8 * u32::from(length_bytes.min(4)))) - 1
}

/// The number in `varchar(20)`.
fn length(declared: &str) -> Option<u64> {
    let (_, rest) = declared.split_once('(')?;
    let (digits, _) = rest.split_once(')')?;
    digits.parse().ok()
}

#[cfg(test)]
mod tests;
