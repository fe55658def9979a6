//! TABLE_MAP written from what information_schema lists: what the parser reads from it is what it reads from the
//! server's own event with `binlog_row_metadata = FULL`.
//!
//! Labels are written in utf8mb4 whatever their column's character set, as they are listed. MariaDB's COMPRESSED
//! columns are described as plain ones: their values come unpacked. Left out is what no value needs: the types of
//! geometries, the dimensions of vectors, the lengths of a key's prefixes.

use bytes::Bytes;

use super::{
    TableMap,
    declared::{Declared, Type},
    kind::{Number, Text, Unsignable},
    unnamed::{enum_bytes, set_bytes},
};
use crate::{
    Error,
    charset::collation_of,
    columns::ListedColumn,
    event::Dialect,
    schema::{ColumnKind, TableName},
};

const POST_HEADER_BYTES: u8 = 8;
/// Nobody asks for it where a map stands for itself; 0 would be no table.
const TABLE_ID: [u8; 6] = [1, 0, 0, 0, 0, 0];
const FLAGS: [u8; 2] = [1, 0];
/// What one byte of length holds; a server's own limit is 64 characters.
const IDENTIFIER_BYTES_MAX: usize = 255;

/// The event that describes the table, as its server would log it now.
///
/// `primary_key` are indexes into `columns`, in key order. Where a table has no primary key, the log gives its first
/// UNIQUE key of whole NOT NULL columns in that place.
///
/// # Errors
/// [`Error::Unsupported`] for a type or a character set that is not known here, a label that information_schema may
/// show as another one, with the column's name; [`Error::Malformed`] for a key of columns that are not there.
pub fn from_list(
    name: &TableName,
    columns: &[ListedColumn],
    primary_key: &[usize],
    dialect: Dialect,
) -> Result<TableMap, Error> {
    if primary_key.iter().any(|index| *index >= columns.len()) {
        return Err(Error::malformed(
            "primary key",
            format_args!("of `{name}`: it names a column that is not listed"),
        ));
    }
    let mut parts = Parts::default();
    for (index, column) in columns.iter().enumerate() {
        parts.add(index, column, dialect).map_err(|found| {
            Error::Unsupported(format!(
                "column `{}` of table `{name}` {found}",
                column.name
            ))
        })?;
    }
    let mut body = Vec::new();
    body.extend_from_slice(&TABLE_ID);
    body.extend_from_slice(&FLAGS);
    for identifier in [&name.database, &name.table] {
        if identifier.len() > IDENTIFIER_BYTES_MAX {
            return Err(Error::malformed("table name", "longer than 255 bytes"));
        }
        put_bytes(identifier.as_bytes(), &mut body);
        body.push(0);
    }
    put_bytes(&parts.types, &mut body);
    put_bytes(&parts.metadata, &mut body);
    body.extend_from_slice(&parts.nullable.bytes);

    let mut key = Vec::new();
    for index in primary_key {
        put_length(*index as u64, &mut key);
    }
    // MariaDB does not log which columns are visible.
    let visible = match dialect {
        Dialect::MySql => parts.visible.bytes,
        Dialect::MariaDb => Vec::new(),
    };
    let fields: [(u8, &[u8]); 8] = [
        (1, &parts.unsigned.bytes),
        (3, &parts.charsets),
        (4, &parts.names),
        (5, &parts.set_labels),
        (6, &parts.enum_labels),
        (8, &key),
        (11, &parts.label_charsets),
        (12, &visible),
    ];
    for (field, value) in fields {
        // Names are what tells a full event from others, even of no column.
        if !value.is_empty() || field == 4 {
            body.push(field);
            put_bytes(value, &mut body);
        }
    }
    let map = TableMap {
        body: Bytes::from(body),
        dialect,
        post_header_bytes: POST_HEADER_BYTES,
        answer: None,
    };
    // A shape that no server declares is refused by whoever reads it: here, and not with the first row.
    map.table()?;
    Ok(map)
}

/// What of the event grows with each column.
#[derive(Default)]
struct Parts {
    types: Vec<u8>,
    metadata: Vec<u8>,
    /// Lowest bit first, unlike the bits of the optional fields.
    nullable: Bits<false>,
    unsigned: Bits<true>,
    charsets: Vec<u8>,
    label_charsets: Vec<u8>,
    names: Vec<u8>,
    set_labels: Vec<u8>,
    enum_labels: Vec<u8>,
    visible: Bits<true>,
}

impl Parts {
    /// The reason where the column cannot be described.
    fn add(&mut self, index: usize, column: &ListedColumn, dialect: Dialect) -> Result<(), String> {
        let declared = Declared::read(column)?;
        self.nullable.set(index, column.nullable);
        self.visible.set(index, column.visible);
        put_bytes(column.name.as_bytes(), &mut self.names);
        match &declared.kind {
            Type::Number(number) => {
                self.number(*number);
                let count = self.unsigned.count;
                self.unsigned.set(count, declared.is_unsigned);
            }
            Type::Text(text) => {
                self.text(*text)?;
                put_length(declared.collation, &mut self.charsets);
            }
            Type::Enum(labels) => {
                self.describe(254, &[247, enum_bytes(labels.len())]);
                put_labels(labels, &mut self.enum_labels);
                self.put_label_charset()?;
            }
            Type::Set(labels) => {
                self.describe(254, &[248, set_bytes(labels.len())]);
                put_labels(labels, &mut self.set_labels);
                self.put_label_charset()?;
            }
            Type::Kind(kind) => {
                self.kind(kind)?;
                let is_text = matches!(kind, ColumnKind::Geometry { .. });
                if is_text && dialect == Dialect::MariaDb {
                    put_length(declared.collation, &mut self.charsets);
                }
            }
        }
        Ok(())
    }

    fn describe(&mut self, type_byte: u8, metadata: &[u8]) {
        self.types.push(type_byte);
        self.metadata.extend_from_slice(metadata);
    }

    fn number(&mut self, number: Number) {
        match number {
            Number::TinyInt => self.describe(1, &[]),
            Number::SmallInt => self.describe(2, &[]),
            Number::MediumInt => self.describe(9, &[]),
            Number::Int => self.describe(3, &[]),
            Number::BigInt => self.describe(8, &[]),
            Number::Other(Unsignable::Float) => self.describe(4, &[4]),
            Number::Other(Unsignable::Double) => self.describe(5, &[8]),
            Number::Other(Unsignable::Year) => self.describe(13, &[]),
            Number::Other(Unsignable::Decimal { precision, scale }) => {
                self.describe(246, &[precision, scale]);
            }
        }
    }

    fn text(&mut self, text: Text) -> Result<(), String> {
        let too_long = |bytes: u32| format!("is {bytes} bytes long, which its type cannot be");
        match text {
            // Two bits of the length are turned over in the type (MySQL bug 37426).
            Text::Char { bytes_max } if bytes_max < 1024 => {
                let [low, high, ..] = bytes_max.to_le_bytes();
                self.describe(254, &[254 ^ (high << 4), low]);
            }
            Text::VarChar { bytes_max } => {
                let bytes = u16::try_from(bytes_max).map_err(|_| too_long(bytes_max))?;
                self.describe(15, &bytes.to_le_bytes());
            }
            Text::Char { bytes_max } => return Err(too_long(bytes_max)),
            Text::Blob { length_bytes } => self.describe(252, &[length_bytes]),
            Text::Vector { length_bytes } => self.describe(242, &[length_bytes]),
            Text::Geometry { length_bytes } => self.describe(255, &[length_bytes]),
        }
        Ok(())
    }

    fn kind(&mut self, kind: &ColumnKind) -> Result<(), String> {
        match *kind {
            ColumnKind::Bit { bits } => self.describe(16, &[bits % 8, bits / 8]),
            ColumnKind::Date => self.describe(10, &[]),
            ColumnKind::Time { fsp } => self.describe(19, &[fsp]),
            ColumnKind::DateTime { fsp } => self.describe(18, &[fsp]),
            ColumnKind::Timestamp { fsp } => self.describe(17, &[fsp]),
            ColumnKind::Json { length_bytes } => self.describe(245, &[length_bytes]),
            ColumnKind::Geometry { length_bytes } => self.describe(255, &[length_bytes]),
            _ => return Err("has a type that is not declared so".into()),
        }
        Ok(())
    }

    fn put_label_charset(&mut self) -> Result<(), String> {
        let collation = collation_of("utf8mb4").ok_or("has labels in utf8mb4")?;
        put_length(collation, &mut self.label_charsets);
        Ok(())
    }
}

/// One bit per column; `HIGH` first or lowest first within a byte.
#[derive(Default)]
struct Bits<const HIGH: bool> {
    bytes: Vec<u8>,
    count: usize,
}

impl<const HIGH: bool> Bits<HIGH> {
    fn set(&mut self, index: usize, is_set: bool) {
        self.count = index + 1;
        self.bytes.resize(self.count.div_ceil(8), 0);
        let bit = if HIGH { 7 - index % 8 } else { index % 8 };
        if let Some(last) = self.bytes.last_mut() {
            *last |= u8::from(is_set) << bit;
        }
    }
}

fn put_labels(labels: &[String], out: &mut Vec<u8>) {
    put_length(labels.len() as u64, out);
    for label in labels {
        put_bytes(label.as_bytes(), out);
    }
}

/// A length and the bytes.
fn put_bytes(bytes: &[u8], out: &mut Vec<u8>) {
    put_length(bytes.len() as u64, out);
    out.extend_from_slice(bytes);
}

/// MySQL's length-encoded integer.
fn put_length(length: u64, out: &mut Vec<u8>) {
    let bytes = length.to_le_bytes();
    let (prefix, width): (&[u8], usize) = match length {
        0..=250 => (&[], 1),
        251..=0xffff => (&[0xfc], 2),
        0x1_0000..=0xff_ffff => (&[0xfd], 3),
        _ => (&[0xfe], 8),
    };
    out.extend_from_slice(prefix);
    out.extend_from_slice(bytes.get(..width).unwrap_or(&bytes));
}
