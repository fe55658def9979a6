//! One column's type byte and metadata, before the optional fields complete it.
//!
//! CHAR, BINARY, ENUM and SET share one type byte: the first metadata byte is the real type with two bits
//! of a CHAR's length turned over in it, so that 1,020 bytes fit (MySQL bug 37426).

use crate::{Error, charset::Charset, cursor::Cursor, decimal, event::Dialect, schema::ColumnKind};

/// MariaDB's, of columns declared COMPRESSED; otherwise as the types without it.
pub(super) const BLOB_COMPRESSED: u8 = 140;
pub(super) const VARCHAR_COMPRESSED: u8 = 141;

#[derive(Debug)]
pub(super) enum Wire {
    /// Complete by type and metadata.
    Kind(ColumnKind),
    /// Has a bit in SIGNEDNESS.
    Number(Number),
    /// Has an entry in the column character sets.
    Text(Text),
    Enum {
        bytes: u8,
    },
    Set {
        bytes: u8,
    },
}

#[derive(Debug, Clone, Copy)]
pub(super) enum Number {
    TinyInt,
    SmallInt,
    MediumInt,
    Int,
    BigInt,
    /// Carries a bit that says nothing about its bytes.
    Other(Unsignable),
}

#[derive(Debug, Clone, Copy)]
pub(super) enum Unsignable {
    Float,
    Double,
    Decimal { precision: u8, scale: u8 },
    Year,
}

/// A character column, or a binary one by its collation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Text {
    /// `bytes_max` of the column; padded when it is CHAR or BINARY.
    Char {
        bytes_max: u32,
    },
    VarChar {
        bytes_max: u32,
    },
    Blob {
        length_bytes: u8,
    },
    /// Has an entry in the column character sets too (9.7 writes 63).
    Vector {
        length_bytes: u8,
    },
    /// MariaDB's, which have one too.
    Geometry {
        length_bytes: u8,
    },
}

impl Number {
    pub(super) fn kind(self, unsigned: bool) -> ColumnKind {
        match self {
            Self::TinyInt => ColumnKind::TinyInt { unsigned },
            Self::SmallInt => ColumnKind::SmallInt { unsigned },
            Self::MediumInt => ColumnKind::MediumInt { unsigned },
            Self::Int => ColumnKind::Int { unsigned },
            Self::BigInt => ColumnKind::BigInt { unsigned },
            Self::Other(Unsignable::Float) => ColumnKind::Float,
            Self::Other(Unsignable::Double) => ColumnKind::Double,
            Self::Other(Unsignable::Decimal { precision, scale }) => {
                ColumnKind::Decimal { precision, scale }
            }
            Self::Other(Unsignable::Year) => ColumnKind::Year,
        }
    }
}

impl Text {
    pub(super) fn kind(self, charset: Charset) -> ColumnKind {
        let prefix = |bytes_max: u32| if bytes_max > 255 { 2 } else { 1 };
        let binary = charset == Charset::Binary;
        match self {
            Self::Vector { length_bytes } => ColumnKind::Vector { length_bytes },
            Self::Geometry { length_bytes } => ColumnKind::Geometry { length_bytes },
            Self::Char { bytes_max } if binary => ColumnKind::Binary {
                length_bytes: prefix(bytes_max),
                pad_to: bytes_max,
            },
            Self::VarChar { bytes_max } if binary => ColumnKind::Binary {
                length_bytes: prefix(bytes_max),
                pad_to: 0,
            },
            Self::Blob { length_bytes } if binary => ColumnKind::Blob { length_bytes },
            Self::Char { bytes_max } | Self::VarChar { bytes_max } => ColumnKind::Text {
                length_bytes: prefix(bytes_max),
                charset,
            },
            Self::Blob { length_bytes } => ColumnKind::LongText {
                length_bytes,
                charset,
            },
        }
    }
}

impl Wire {
    /// `type_byte` is MySQL's `enum_field_types`.
    pub(super) fn read(
        dialect: Dialect,
        type_byte: u8,
        metadata: &mut Cursor<'_>,
    ) -> Result<Self, Error> {
        const WHAT: &str = "column metadata";
        let other = |unsignable| Ok(Self::Number(Number::Other(unsignable)));
        match type_byte {
            1 => Ok(Self::Number(Number::TinyInt)),
            2 => Ok(Self::Number(Number::SmallInt)),
            9 => Ok(Self::Number(Number::MediumInt)),
            3 => Ok(Self::Number(Number::Int)),
            8 => Ok(Self::Number(Number::BigInt)),
            4 => pack_length(metadata, 4).and_then(|()| other(Unsignable::Float)),
            5 => pack_length(metadata, 8).and_then(|()| other(Unsignable::Double)),
            13 => other(Unsignable::Year),
            246 => {
                let (precision, scale) = (metadata.named(WHAT).u8()?, metadata.named(WHAT).u8()?);
                let is_a_shape = precision <= decimal::PRECISION_MAX
                    && scale <= decimal::SCALE_MAX
                    && decimal::packed_bytes(precision, scale).is_some();
                if !is_a_shape {
                    return Err(Error::malformed(
                        WHAT,
                        format_args!("DECIMAL({precision},{scale})"),
                    ));
                }
                other(Unsignable::Decimal { precision, scale })
            }
            16 => {
                let (odd, bytes) = (metadata.named(WHAT).u8()?, metadata.named(WHAT).u8()?);
                match u32::from(bytes) * 8 + u32::from(odd) {
                    bits @ 1..=64 if odd < 8 => {
                        Ok(Self::Kind(ColumnKind::Bit { bits: bits as u8 }))
                    }
                    bits => Err(Error::malformed(WHAT, format_args!("BIT({bits})"))),
                }
            }
            10 | 14 => Ok(Self::Kind(ColumnKind::Date)),
            7 => Ok(Self::Kind(ColumnKind::OldTimestamp)),
            11 => Ok(Self::Kind(ColumnKind::OldTime)),
            12 => Ok(Self::Kind(ColumnKind::OldDateTime)),
            17 => fsp(metadata).map(|fsp| Self::Kind(ColumnKind::Timestamp { fsp })),
            18 => fsp(metadata).map(|fsp| Self::Kind(ColumnKind::DateTime { fsp })),
            19 => fsp(metadata).map(|fsp| Self::Kind(ColumnKind::Time { fsp })),
            15 | VARCHAR_COMPRESSED => {
                let bytes_max = metadata.named(WHAT).uint(2)? as u32;
                Ok(Self::Text(Text::VarChar { bytes_max }))
            }
            247 | 248 | 254 => Self::string(metadata.named(WHAT).u8()?, metadata.named(WHAT).u8()?),
            249..=252 | BLOB_COMPRESSED => {
                length_bytes(metadata).map(|length_bytes| Self::Text(Text::Blob { length_bytes }))
            }
            245 => length_bytes(metadata)
                .map(|length_bytes| Self::Kind(ColumnKind::Json { length_bytes })),
            255 => length_bytes(metadata).map(|length_bytes| match dialect {
                Dialect::MySql => Self::Kind(ColumnKind::Geometry { length_bytes }),
                Dialect::MariaDb => Self::Text(Text::Geometry { length_bytes }),
            }),
            242 => {
                length_bytes(metadata).map(|length_bytes| Self::Text(Text::Vector { length_bytes }))
            }
            20 => Self::typed_array(metadata),
            _ => Err(Error::Unsupported(format!("column type {type_byte}"))),
        }
    }

    /// CHAR, BINARY, ENUM, SET.
    fn string(first: u8, second: u8) -> Result<Self, Error> {
        let real = first | 0x30;
        let high = u32::from(first & 0x30 ^ 0x30) << 4;
        match (real, second) {
            (247, bytes @ 1..=2) if high == 0 => Ok(Self::Enum { bytes }),
            (248, bytes @ (1..=4 | 8)) if high == 0 => Ok(Self::Set { bytes }),
            (254, low) => Ok(Self::Text(Text::Char {
                bytes_max: high | u32::from(low),
            })),
            _ => Err(Error::malformed(
                "column metadata",
                format_args!("string type {first}, length {second}"),
            )),
        }
    }

    /// The hidden column of a multi-valued index (8.0.17 and on): a JSON array; the element's type and
    /// metadata say nothing about its bytes.
    fn typed_array(metadata: &mut Cursor<'_>) -> Result<Self, Error> {
        const WHAT: &str = "metadata of a multi-valued index";
        match metadata.named(WHAT).u8()? {
            15 => metadata.named(WHAT).take(3)?,
            246..=248 | 254 | 16 => metadata.named(WHAT).take(2)?,
            4 | 5 | 17..=19 | 242 | 245 | 249..=252 | 255 => metadata.named(WHAT).take(1)?,
            _ => &[],
        };
        Ok(Self::Kind(ColumnKind::Json { length_bytes: 4 }))
    }
}

fn pack_length(metadata: &mut Cursor<'_>, expected: u8) -> Result<(), Error> {
    match metadata.named("column metadata").u8()? {
        found if found == expected => Ok(()),
        found => Err(Error::malformed(
            "column metadata",
            format_args!("a FLOAT or DOUBLE of {found} bytes"),
        )),
    }
}

fn fsp(metadata: &mut Cursor<'_>) -> Result<u8, Error> {
    match metadata.named("column metadata").u8()? {
        digits @ 0..=6 => Ok(digits),
        digits => Err(Error::malformed(
            "column metadata",
            format_args!("{digits} digits of a second"),
        )),
    }
}

fn length_bytes(metadata: &mut Cursor<'_>) -> Result<u8, Error> {
    match metadata.named("column metadata").u8()? {
        bytes @ 1..=4 => Ok(bytes),
        bytes => Err(Error::malformed(
            "column metadata",
            format_args!("a length of {bytes} bytes"),
        )),
    }
}
