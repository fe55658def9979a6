//! Table maps without names, completed from a list of columns or numbered.
//!
//! What the event itself says (types, nullable bits, and with MINIMAL the signs and character sets) stands; a
//! list must agree with all of it, column by column, or the table is refused: a list of another time or table
//! gives wrong names. By position, what the event does not say has a stated reading: integers are signed,
//! character columns hold UTF-8, ENUM and SET are numbers, no column is a key.

use std::sync::Arc;

use super::{
    declared::Declared,
    kind::{Number, Text, Wire},
    optional::Optional,
};
use crate::{
    Error,
    charset::Charset,
    columns::{ColumnList, Unnamed},
    schema::{Column, ColumnKind, Table, TableName},
};

pub(super) fn table(
    name: TableName,
    wires: Vec<Wire>,
    nullable: &[u8],
    optional: Optional<'_>,
    unnamed: Unnamed<'_>,
) -> Result<Table, Error> {
    let logged = logged(wires, nullable, optional)?;
    match unnamed {
        Unnamed::Refuse => Err(Error::NoColumnNames {
            table: name.to_string(),
        }),
        Unnamed::Positional => Ok(positional(name, logged)),
        Unnamed::Listed(list) => {
            listed(&name, logged, list).map_err(|found| Error::ColumnsDoNotFit {
                table: name.to_string(),
                found,
            })
        }
    }
}

/// Of a type in a message: an ENUM can have 65,535 labels.
const TYPE_SHOWN_MAX: usize = 60;

/// A column as the event has it; no sign or character set where it has none.
struct Logged {
    wire: Wire,
    nullable: bool,
    unsigned: Option<bool>,
    charset: Option<Charset>,
}

fn logged(wires: Vec<Wire>, nullable: &[u8], optional: Optional<'_>) -> Result<Vec<Logged>, Error> {
    let mut signs = optional.unsigned.into_iter();
    let has_charsets = !optional.charsets.is_empty();
    let mut charsets = optional.charsets.into_iter();
    let mut columns = Vec::with_capacity(wires.len());
    for (index, wire) in wires.into_iter().enumerate() {
        let is_number = matches!(wire, Wire::Number(_));
        let is_text = matches!(wire, Wire::Text(_));
        let charset = is_text.then(|| charsets.next()).flatten();
        if is_text && has_charsets && charset.is_none() {
            return Err(Error::malformed(
                "column character sets",
                "fewer entries than columns of their class",
            ));
        }
        columns.push(Logged {
            wire,
            nullable: nullable
                .get(index / 8)
                .is_some_and(|bits| bits >> (index % 8) & 1 == 1),
            unsigned: is_number.then(|| signs.next()).flatten(),
            charset: charset.map(Charset::of_collation),
        });
    }
    match charsets.len() {
        0 => Ok(columns),
        left => Err(Error::malformed(
            "column character sets",
            format_args!("{left} entries without a column"),
        )),
    }
}

fn positional(name: TableName, logged: Vec<Logged>) -> Table {
    let column = |(index, logged): (usize, Logged)| {
        let kind = match logged.wire {
            Wire::Kind(kind) => kind,
            Wire::Number(number) => number.kind(logged.unsigned.unwrap_or(false)),
            Wire::Text(text) => text.kind(logged.charset.unwrap_or(Charset::Utf8)),
            Wire::Enum { bytes } | Wire::Set { bytes } => unlabelled(bytes),
        };
        Column {
            name: format!("@{}", index + 1),
            kind,
            nullable: logged.nullable,
            visible: true,
        }
    };
    let columns = logged.into_iter().enumerate().map(column).collect();
    Table::new(name, columns, Vec::new())
}

/// ENUM and SET are little-endian integers on the wire.
fn unlabelled(bytes: u8) -> ColumnKind {
    let unsigned = true;
    match bytes {
        1 => ColumnKind::TinyInt { unsigned },
        2 => ColumnKind::SmallInt { unsigned },
        3 => ColumnKind::MediumInt { unsigned },
        4 => ColumnKind::Int { unsigned },
        _ => ColumnKind::BigInt { unsigned },
    }
}

/// The reason where the list does not fit.
fn listed(name: &TableName, logged: Vec<Logged>, list: &ColumnList) -> Result<Table, String> {
    if logged.len() != list.columns.len() {
        return Err(format!(
            "the event has {} columns, the list {}",
            logged.len(),
            list.columns.len()
        ));
    }
    let mut columns = Vec::with_capacity(logged.len());
    for (index, (logged, listed)) in logged.into_iter().zip(&list.columns).enumerate() {
        let unlike = |what: &str| {
            let shown: String = listed.column_type.chars().take(TYPE_SHOWN_MAX).collect();
            format!(
                "column {}, listed as `{}` {shown}, {what}",
                index + 1,
                listed.name
            )
        };
        let declared = Declared::read(listed).map_err(|what| unlike(&what))?;
        if logged.nullable != listed.nullable {
            return Err(unlike("is nullable in one of the two only"));
        }
        if logged
            .unsigned
            .is_some_and(|unsigned| is_signable(&logged.wire) && unsigned != declared.is_unsigned)
        {
            return Err(unlike("is unsigned in one of the two only"));
        }
        if logged
            .charset
            .is_some_and(|charset| is_character(&logged.wire) && charset != declared.charset)
        {
            return Err(unlike("has another character set in the event"));
        }
        let kind = declared
            .complete(logged.wire)
            .ok_or_else(|| unlike("has another type in the event"))?;
        columns.push(Column {
            name: listed.name.clone(),
            kind,
            nullable: listed.nullable,
            visible: listed.visible,
        });
    }
    let primary_key = list.primary_key.clone();
    if primary_key.iter().any(|index| columns.len() <= *index) {
        return Err("its primary key names a column that is not listed".into());
    }
    Ok(Table::new(name.clone(), columns, primary_key))
}

/// A YEAR has a bit that says nothing.
fn is_signable(wire: &Wire) -> bool {
    matches!(wire, Wire::Number(number) if !matches!(number.kind(false), ColumnKind::Year))
}

/// VECTOR, and MariaDB's geometry, have an entry that says nothing.
fn is_character(wire: &Wire) -> bool {
    matches!(wire, Wire::Text(text) if !matches!(text, Text::Vector { .. } | Text::Geometry { .. }))
}

impl Declared {
    /// The event's column with what only the list knows; `None` when the two are not of one type.
    fn complete(self, wire: Wire) -> Option<ColumnKind> {
        use super::declared::Type;
        let unsigned = self.is_unsigned;
        Some(match (wire, self.kind) {
            (Wire::Number(number), Type::Number(declared)) if is_one(number, declared) => {
                number.kind(unsigned)
            }
            (Wire::Text(text), Type::Text(declared)) if text == declared => text.kind(self.charset),
            (
                Wire::Text(Text::Geometry { length_bytes }),
                Type::Kind(kind @ ColumnKind::Geometry { .. }),
            ) if kind == (ColumnKind::Geometry { length_bytes }) => kind,
            (Wire::Enum { bytes }, Type::Enum(labels)) if bytes == enum_bytes(labels.len()) => {
                ColumnKind::Enum {
                    bytes,
                    labels: Arc::from(labels),
                }
            }
            (Wire::Set { bytes }, Type::Set(labels)) if bytes == set_bytes(labels.len()) => {
                ColumnKind::Set {
                    bytes,
                    labels: Arc::from(labels),
                }
            }
            // Columns of a server before 5.6 keep their form until the table is rebuilt.
            (Wire::Kind(kind), Type::Kind(declared))
                if kind == declared
                    || matches!(
                        (&kind, &declared),
                        (ColumnKind::OldTime, ColumnKind::Time { fsp: 0 })
                            | (ColumnKind::OldDateTime, ColumnKind::DateTime { fsp: 0 })
                            | (ColumnKind::OldTimestamp, ColumnKind::Timestamp { fsp: 0 })
                    ) =>
            {
                kind
            }
            _ => return None,
        })
    }
}

fn is_one(logged: Number, declared: Number) -> bool {
    logged.kind(false) == declared.kind(false)
}

/// `get_enum_pack_length` and `get_set_pack_length` of sql/field.h.
pub(super) fn enum_bytes(labels: usize) -> u8 {
    if labels < 256 { 1 } else { 2 }
}

pub(super) fn set_bytes(labels: usize) -> u8 {
    match labels.div_ceil(8) {
        bytes @ 0..=4 => bytes as u8,
        _ => 8,
    }
}
