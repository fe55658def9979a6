//! A column as COLUMN_TYPE of information_schema declares it, in the terms of a table map.
//!
//! Labels of ENUM and SET stand there with `'` doubled and `\`, line ends and zero bytes behind a `\`
//! (`append_unescaped` in sql/unireg), and in utf8mb3: what lies beyond the basic plane is shown as `?`. So a
//! `?` in a label whose character set could hold more is refused: it may be another character.

use super::kind::{Number, Text, Unsignable};
use crate::{
    charset::{Charset, collation_of},
    columns::ListedColumn,
    schema::ColumnKind,
};

const BINARY_COLLATION: u64 = 63;

pub(super) struct Declared {
    pub(super) kind: Type,
    pub(super) is_unsigned: bool,
    pub(super) charset: Charset,
    /// Any of the character set; 63 where there is none.
    pub(super) collation: u64,
}

pub(super) enum Type {
    Number(Number),
    Text(Text),
    Enum(Vec<String>),
    Set(Vec<String>),
    Kind(ColumnKind),
}

impl Declared {
    /// The reason where the declaration cannot be read.
    pub(super) fn read(column: &ListedColumn) -> Result<Self, String> {
        let text = column.column_type.as_str();
        let word_bytes = text
            .find(|c: char| !c.is_ascii_alphanumeric())
            .unwrap_or(text.len());
        let (word, rest) = text.split_at_checked(word_bytes).unwrap_or((text, ""));
        let unknown = || format!("has a type that is not known here: {word}");
        let collation = match &column.charset {
            None => BINARY_COLLATION,
            Some(name) => collation(name).ok_or_else(|| format!("has character set {name}"))?,
        };
        let other = |unsignable| Type::Number(Number::Other(unsignable));
        let blob = |length_bytes| Type::Text(Text::Blob { length_bytes });
        let octets = || {
            let octets = column.octets.and_then(|octets| u32::try_from(octets).ok());
            octets.ok_or_else(|| "has no length".to_owned())
        };
        let kind = match word.to_ascii_lowercase().as_str() {
            "tinyint" => Type::Number(Number::TinyInt),
            "smallint" => Type::Number(Number::SmallInt),
            "mediumint" => Type::Number(Number::MediumInt),
            "int" => Type::Number(Number::Int),
            "bigint" => Type::Number(Number::BigInt),
            "float" => other(Unsignable::Float),
            "double" => other(Unsignable::Double),
            "year" => other(Unsignable::Year),
            "decimal" => match numbers(rest).as_slice() {
                [precision, scale] => other(Unsignable::Decimal {
                    precision: *precision,
                    scale: *scale,
                }),
                _ => return Err(unknown()),
            },
            "bit" => match numbers(rest).as_slice() {
                [bits] => Type::Kind(ColumnKind::Bit { bits: *bits }),
                _ => return Err(unknown()),
            },
            "date" => Type::Kind(ColumnKind::Date),
            "time" => Type::Kind(ColumnKind::Time { fsp: fsp(rest) }),
            "datetime" => Type::Kind(ColumnKind::DateTime { fsp: fsp(rest) }),
            "timestamp" => Type::Kind(ColumnKind::Timestamp { fsp: fsp(rest) }),
            "char" | "binary" => Type::Text(Text::Char {
                bytes_max: octets()?,
            }),
            // MariaDB's COMPRESSED has a byte more, for the method.
            "varchar" | "varbinary" => Type::Text(Text::VarChar {
                bytes_max: octets()?.saturating_add(u32::from(rest.contains("COMPRESSED"))),
            }),
            "tinytext" | "tinyblob" => blob(1),
            "text" | "blob" => blob(2),
            "mediumtext" | "mediumblob" => blob(3),
            "longtext" | "longblob" => blob(4),
            "vector" => Type::Text(Text::Vector { length_bytes: 4 }),
            "json" => Type::Kind(ColumnKind::Json { length_bytes: 4 }),
            // MariaDB's, logged as BINARY.
            "uuid" | "inet6" => Type::Text(Text::Char { bytes_max: 16 }),
            "inet4" => Type::Text(Text::Char { bytes_max: 4 }),
            "geometry" | "point" | "linestring" | "polygon" | "multipoint" | "multilinestring"
            | "multipolygon" | "geomcollection" | "geometrycollection" => {
                Type::Kind(ColumnKind::Geometry { length_bytes: 4 })
            }
            "enum" => Type::Enum(labels(rest, column.charset.as_deref())?),
            "set" => Type::Set(labels(rest, column.charset.as_deref())?),
            _ => return Err(unknown()),
        };
        let is_unsigned = matches!(kind, Type::Number(_))
            && rest.split_ascii_whitespace().any(|word| word == "unsigned");
        Ok(Self {
            kind,
            is_unsigned,
            charset: Charset::of_collation(collation),
            collation,
        })
    }
}

/// Old servers say `utf8`.
fn collation(charset: &str) -> Option<u64> {
    collation_of(if charset == "utf8" {
        "utf8mb3"
    } else {
        charset
    })
}

/// What stands in the parentheses behind the word.
fn numbers(rest: &str) -> Vec<u8> {
    let inner = rest
        .strip_prefix('(')
        .and_then(|rest| rest.split_once(')'))
        .map_or("", |(inner, _)| inner);
    inner
        .split(',')
        .filter_map(|number| number.trim().parse().ok())
        .collect()
}

fn fsp(rest: &str) -> u8 {
    numbers(rest).first().copied().unwrap_or(0)
}

fn labels(rest: &str, charset: Option<&str>) -> Result<Vec<String>, String> {
    let unreadable = || "has labels that cannot be read".to_owned();
    let mut labels = Vec::new();
    let mut characters = rest.strip_prefix('(').ok_or_else(unreadable)?.chars();
    loop {
        if characters.next() != Some('\'') {
            return Err(unreadable());
        }
        let mut label = String::new();
        let separator = loop {
            match characters.next().ok_or_else(unreadable)? {
                '\\' => label.push(match characters.next().ok_or_else(unreadable)? {
                    'n' => '\n',
                    'r' => '\r',
                    '0' => '\0',
                    other => other,
                }),
                '\'' => match characters.next() {
                    Some('\'') => label.push('\''),
                    separator => break separator,
                },
                other => label.push(other),
            }
        };
        if label.contains('?') && may_hold_more(charset) {
            return Err("has a label with \"?\", which information_schema also shows for characters beyond utf8mb3".into());
        }
        labels.push(label);
        match separator {
            Some(',') => {}
            Some(')') => return Ok(labels),
            _ => return Err(unreadable()),
        }
    }
}

/// Whether a character set has characters that utf8mb3 lacks. What is binary is utf8mb4 or anything.
fn may_hold_more(charset: Option<&str>) -> bool {
    matches!(
        charset,
        None | Some("utf8mb4" | "utf16" | "utf16le" | "utf32" | "gb18030")
    )
}
