//! TABLE_MAP events: column types with every optional metadata field, into a [`crate::schema::Table`].
//!
//! The event gives one type byte per column, a few bytes of metadata per type, the nullable bits, and
//! then self-delimiting optional fields (`binlog_row_metadata=FULL` writes all). A field may speak of a
//! class of columns only (numbers, character columns, ENUM and SET), in their order: a miscount shifts
//! every later column, so every list must come out even. Unknown optional fields are skipped.
//! Format: MySQL's `Table_map_event` in `rows_event.h`.

mod declared;
mod kind;
mod optional;
mod unnamed;
mod writer;

use std::sync::Arc;

use bytes::Bytes;
use kind::Wire;
use optional::Optional;

pub use writer::from_list;

use crate::{
    Error,
    charset::Charset,
    columns::{Answer, Unnamed},
    cursor::Cursor,
    event::Dialect,
    schema::{Column, ColumnKind, Table, TableName},
};

/// What a TABLE_MAP's id field takes, by the post-header length that FORMAT_DESCRIPTION gives it.
pub(crate) fn table_id_bytes(post_header_bytes: u8) -> usize {
    if post_header_bytes == 6 { 4 } else { 6 }
}

/// The event as the log has it, with all that gives its bytes a meaning.
#[derive(Debug, Clone, PartialEq)]
pub struct TableMap {
    /// Without header and checksum.
    pub body: Bytes,
    pub dialect: Dialect,
    /// FORMAT_DESCRIPTION's entry for the event.
    pub post_header_bytes: u8,
    /// What completes an event without names.
    pub answer: Option<Answer>,
}

impl TableMap {
    /// The table that it describes.
    ///
    /// # Errors
    /// Those of [`parse_with`].
    pub fn table(&self) -> Result<Table, Error> {
        let unnamed = match &self.answer {
            None => Unnamed::Refuse,
            Some(Answer::Positional) => Unnamed::Positional,
            Some(Answer::Listed(list)) => Unnamed::Listed(list),
        };
        parse_with(self.dialect, &self.body, self.post_header_bytes, unnamed)
            .map(|(_, table)| table)
    }
}

/// Indexes of the columns that MariaDB has declared COMPRESSED: their values come packed.
pub(crate) fn compressed_columns(body: &[u8], post_header_bytes: u8) -> Result<Vec<usize>, Error> {
    let mut cursor = Cursor::new("table map", body);
    cursor.take(table_id_bytes(post_header_bytes) + 2)?;
    for what in ["database name", "table name"] {
        identifier(&mut cursor, what)?;
    }
    let count = usize::try_from(cursor.named("column count").lenenc()?).unwrap_or(usize::MAX);
    let types = cursor.named("column types").take(count)?;
    let is_compressed = |(index, type_byte): (usize, &u8)| {
        matches!(*type_byte, kind::VARCHAR_COMPRESSED | kind::BLOB_COMPRESSED).then_some(index)
    };
    Ok(types.iter().enumerate().filter_map(is_compressed).collect())
}

/// [`parse_as`] of a MySQL server's log.
pub fn parse(body: &[u8], post_header_bytes: u8) -> Result<(u64, Table), Error> {
    parse_as(Dialect::MySql, body, post_header_bytes)
}

/// Reads the event's body (no header, no checksum): the table's id and the table.
///
/// `post_header_bytes` is FORMAT_DESCRIPTION's entry for the event: 8, or 6 before 5.1.4.
/// Errors: [`Error::NoColumnNames`] without `binlog_row_metadata=FULL`; [`Error::Unsupported`] for a type
/// that no MySQL from 5.6 on writes; bytes that do not hold together.
pub fn parse_as(
    dialect: Dialect,
    body: &[u8],
    post_header_bytes: u8,
) -> Result<(u64, Table), Error> {
    parse_with(dialect, body, post_header_bytes, Unnamed::Refuse)
}

/// The same, with what completes a table map without names.
///
/// Errors: also [`Error::ColumnsDoNotFit`] when the list and the event are not of one table at one time.
pub fn parse_with(
    dialect: Dialect,
    body: &[u8],
    post_header_bytes: u8,
    unnamed: Unnamed<'_>,
) -> Result<(u64, Table), Error> {
    let mut cursor = Cursor::new("table map", body);
    let id = cursor
        .named("table id")
        .uint(table_id_bytes(post_header_bytes))?;
    cursor.named("table map flags").take(2)?;
    let name = TableName {
        database: identifier(&mut cursor, "database name")?,
        table: identifier(&mut cursor, "table name")?,
    };
    let count = usize::try_from(cursor.named("column count").lenenc()?).unwrap_or(usize::MAX);
    let types = cursor.named("column types").take(count)?;
    let mut metadata = Cursor::new("table map", cursor.named("column metadata").lenenc_bytes()?);
    let nullable = cursor.named("nullable bits").take(count.div_ceil(8))?;

    let mut wires = Vec::with_capacity(count);
    for (index, type_byte) in types.iter().enumerate() {
        wires.push(
            Wire::read(dialect, *type_byte, &mut metadata)
                .map_err(|error| at_column(error, &name, index))?,
        );
    }
    if !metadata.is_empty() {
        return Err(Error::malformed(
            "column metadata",
            format_args!("{} bytes left over", metadata.rest().len()),
        ));
    }
    let optional = Optional::read(cursor.rest(), &wires)?;
    let Some(names) = optional.names.clone() else {
        let table = unnamed::table(name, wires, nullable, optional, unnamed)?;
        return Ok((id, table));
    };

    let mut unsigned = Class::new("signedness", optional.unsigned);
    let mut charsets = Class::new("column character sets", optional.charsets);
    let mut label_charsets = Class::new("ENUM and SET character sets", optional.label_charsets);
    let mut enum_labels = Class::new("ENUM labels", optional.enum_labels);
    let mut set_labels = Class::new("SET labels", optional.set_labels);
    let mut columns = Vec::with_capacity(count);
    for (index, (wire, column_name)) in wires.into_iter().zip(names).enumerate() {
        let kind = match wire {
            Wire::Kind(kind) => kind,
            Wire::Number(number) => number.kind(unsigned.next()?),
            Wire::Text(text) => text.kind(Charset::of_collation(charsets.next()?)),
            Wire::Enum { bytes } => {
                let charset = Charset::of_collation(label_charsets.next()?);
                let labels = labels(enum_labels.next()?, charset)
                    .map_err(|error| at_column(error, &name, index))?;
                ColumnKind::Enum { bytes, labels }
            }
            Wire::Set { bytes } => {
                let charset = Charset::of_collation(label_charsets.next()?);
                let labels = labels(set_labels.next()?, charset)
                    .map_err(|error| at_column(error, &name, index))?;
                ColumnKind::Set { bytes, labels }
            }
        };
        columns.push(Column {
            name: text(column_name, "column name")?,
            kind,
            nullable: nullable
                .get(index / 8)
                .is_some_and(|bits| bits >> (index % 8) & 1 == 1),
            visible: optional.visible.get(index).copied().unwrap_or(true),
        });
    }
    unsigned.end()?;
    charsets.end()?;
    label_charsets.end()?;
    enum_labels.end()?;
    set_labels.end()?;
    Ok((id, Table::new(name, columns, optional.primary_key)))
}

/// A list with one entry per column of a class, given out in column order.
struct Class<T> {
    what: &'static str,
    entries: std::vec::IntoIter<T>,
}

impl<T> Class<T> {
    fn new(what: &'static str, entries: Vec<T>) -> Self {
        Self {
            what,
            entries: entries.into_iter(),
        }
    }

    fn next(&mut self) -> Result<T, Error> {
        self.entries
            .next()
            .ok_or_else(|| Error::malformed(self.what, "fewer entries than columns of their class"))
    }

    fn end(self) -> Result<(), Error> {
        match self.entries.len() {
            0 => Ok(()),
            left => Err(Error::malformed(
                self.what,
                format_args!("{left} entries without a column"),
            )),
        }
    }
}

/// One length byte, the name, a zero byte.
fn identifier(cursor: &mut Cursor<'_>, what: &'static str) -> Result<String, Error> {
    let length = cursor.named(what).u8()?;
    let name = text(cursor.named(what).take(usize::from(length))?, what)?;
    match cursor.named(what).u8()? {
        0 => Ok(name),
        other => Err(Error::malformed(
            what,
            format_args!("ends in byte {other}, not 0"),
        )),
    }
}

fn text(bytes: &[u8], what: &'static str) -> Result<String, Error> {
    let text = std::str::from_utf8(bytes).map_err(|_| Error::malformed(what, "not UTF-8"))?;
    Ok(text.to_owned())
}

fn labels(raw: Vec<&[u8]>, charset: Charset) -> Result<Arc<[String]>, Error> {
    // The labels of a binary ENUM are kept in utf8 by the server all the same.
    let charset = if charset == Charset::Binary {
        Charset::Utf8
    } else {
        charset
    };
    raw.into_iter()
        .map(|label| charset.decode(label).map(|label| label.into_owned()))
        .collect()
}

fn at_column(error: Error, table: &TableName, index: usize) -> Error {
    error.at(format_args!("column {} of table `{table}`", index + 1))
}

#[cfg(test)]
mod tests;
