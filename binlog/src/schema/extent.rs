//! How many bytes a value takes, by its column's type: all that a walk over row images asks of a column.

use super::ColumnKind;
use crate::decimal;

/// How far a value reaches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Extent {
    /// So many bytes.
    Fixed(u8),
    /// As many as a length in front of it says, which takes 1 to 4 bytes. None of another length can be read.
    Prefixed(u8),
}

impl Extent {
    /// Of the values of such a column; of a type that cannot be, none that can be read.
    pub fn of(kind: &ColumnKind) -> Self {
        use ColumnKind as Kind;
        let fixed = match *kind {
            Kind::TinyInt { .. } | Kind::Year => 1,
            Kind::SmallInt { .. } => 2,
            Kind::MediumInt { .. } | Kind::Date | Kind::OldTime => 3,
            Kind::Int { .. } | Kind::Float | Kind::OldTimestamp => 4,
            Kind::BigInt { .. } | Kind::Double | Kind::OldDateTime => 8,
            Kind::Decimal { precision, scale } => {
                decimal::packed_bytes(precision, scale).unwrap_or(usize::MAX)
            }
            Kind::Bit { bits } => usize::from(bits).div_ceil(8),
            Kind::Time { fsp } => 3 + fraction_bytes(fsp),
            Kind::DateTime { fsp } => 5 + fraction_bytes(fsp),
            Kind::Timestamp { fsp } => 4 + fraction_bytes(fsp),
            Kind::Enum { bytes, .. } | Kind::Set { bytes, .. } => usize::from(bytes),
            Kind::Text { length_bytes, .. }
            | Kind::LongText { length_bytes, .. }
            | Kind::Binary { length_bytes, .. }
            | Kind::Blob { length_bytes }
            | Kind::Json { length_bytes }
            | Kind::Geometry { length_bytes }
            | Kind::Vector { length_bytes } => return Self::Prefixed(length_bytes),
        };
        u8::try_from(fixed).map_or(Self::Prefixed(0), Self::Fixed)
    }

    /// Bytes that the value at the front of `input` takes with its length prefix, which may be more than
    /// there are; `None` when `input` ends inside the prefix.
    #[inline(always)]
    pub fn size(self, input: &[u8]) -> Option<usize> {
        let (prefix, length) = self.measure(input)?;
        Some(prefix.saturating_add(length))
    }

    /// Bytes of the length prefix and bytes of the value.
    #[inline(always)]
    pub fn measure(self, input: &[u8]) -> Option<(usize, usize)> {
        let prefix = match self {
            Self::Fixed(bytes) => return Some((0, usize::from(bytes))),
            Self::Prefixed(bytes) => bytes,
        };
        let length = match (prefix, input) {
            (1, [a, ..]) => u32::from(*a),
            (2, [a, b, ..]) => u32::from(u16::from_le_bytes([*a, *b])),
            (3, [a, b, c, ..]) => u32::from_le_bytes([*a, *b, *c, 0]),
            (4, [a, b, c, d, ..]) => u32::from_le_bytes([*a, *b, *c, *d]),
            _ => return None,
        };
        Some((usize::from(prefix), length as usize))
    }
}

/// Of the fraction of a second with so many digits.
#[inline]
pub(crate) fn fraction_bytes(fsp: u8) -> usize {
    usize::from(fsp).div_ceil(2)
}
