//! PARTIAL_UPDATE_ROWS (`binlog_row_value_options = PARTIAL_JSON`): after images in which a JSON column may
//! be diffs. They are made whole here, so that nothing downstream knows of them.
//!
//! An after image begins with its options; with PARTIAL_JSON among them follows one bit for *every* JSON
//! column of the table, present or not, which says whether the column is diffs to the before image's
//! document. A before image without the document (MINIMAL) cannot be helped: the document is nowhere in the log.
//! (NOBLOB leaves out BLOB and TEXT, not JSON.)
//! Source: sql/rpl_record.cc, `Field_json::pack_diff` in sql/field.cc.

use bytes::Bytes;

use super::{Cell, RowsBlock, Shape, bit, wrong_width};
use crate::{
    Error,
    cursor::Cursor,
    json,
    schema::{Column, ColumnKind, Extent, Table},
    value,
};

/// `enum_row_value_options`.
const PARTIAL_JSON: u64 = 1;

/// Counts the rows of a block whose images are those of PARTIAL_UPDATE_ROWS, and makes the images whole.
pub(crate) fn make_whole(block: &mut RowsBlock) -> Result<u32, Error> {
    let mut whole = Vec::with_capacity(block.images.len());
    let rows = walk(block, Some(&mut whole))?;
    block.images = Bytes::from(whole);
    Ok(rows)
}

/// Counts the rows only.
pub(crate) fn count(block: &RowsBlock) -> Result<u32, Error> {
    walk(block, None)
}

fn walk(block: &RowsBlock, mut whole: Option<&mut Vec<u8>>) -> Result<u32, Error> {
    let (table, shape) = (&*block.table, Shape::of(&block.before));
    if block.after.columns != table.columns.len() {
        return Err(wrong_width(table, block.after.columns));
    }
    let mut rest: &[u8] = &block.images;
    let mut rows = 0_u32;
    while !rest.is_empty() {
        let begin = rest;
        let before = shape.take(table, &mut rest)?;
        let before_bytes = begin.len() - rest.len();
        let mut after = After::begin(block, &mut rest)?;
        if let Some(whole) = whole.as_deref_mut() {
            whole.extend_from_slice(begin.get(..before_bytes).unwrap_or_default());
            whole.extend_from_slice(after.nulls);
        }
        for ((index, column), before) in table.columns.iter().enumerate().zip(before.cells()) {
            let outcome = before.and_then(|before| {
                let part = after.next(index, column, &mut rest)?;
                match (whole.as_deref_mut(), part) {
                    (None, _) | (_, Part::Nothing) => Ok(()),
                    (Some(whole), Part::Value(bytes)) => {
                        whole.extend_from_slice(bytes);
                        Ok(())
                    }
                    (Some(whole), Part::Diffs(diffs)) => {
                        document(table, column, before, diffs, whole)
                    }
                }
            });
            outcome.map_err(|error| in_column(error, table, column))?;
        }
        rows = rows
            .checked_add(1)
            .ok_or_else(|| Error::malformed("rows event", "more than 2^32 rows"))?;
    }
    Ok(rows)
}

/// An after image on its way.
struct After<'a> {
    block: &'a RowsBlock,
    /// One bit for each JSON column.
    is_diffs: &'a [u8],
    nulls: &'a [u8],
    json_seen: usize,
    present_seen: usize,
}

/// What an after image has of a column.
enum Part<'a> {
    /// Absent, or NULL.
    Nothing,
    /// With its length prefix.
    Value(&'a [u8]),
    Diffs(&'a [u8]),
}

impl<'a> After<'a> {
    fn begin(block: &'a RowsBlock, rest: &mut &'a [u8]) -> Result<Self, Error> {
        let mut cursor = Cursor::new("options of a row image", rest);
        let options = cursor.lenenc()?;
        if options & !PARTIAL_JSON != 0 {
            return Err(Error::Unsupported(format!(
                "binlog_row_value_options {options:#x} in a row image"
            )));
        }
        let mut is_diffs: &[u8] = &[];
        if options & PARTIAL_JSON != 0 {
            let columns = block.table.columns.iter();
            let count = columns.filter(|column| is_json(column)).count();
            is_diffs = cursor.take(count.div_ceil(8))?;
        }
        let nulls = cursor
            .named("NULL bits of a row image")
            .take(block.after.count().div_ceil(8))?;
        *rest = cursor.rest();
        Ok(Self {
            block,
            is_diffs,
            nulls,
            json_seen: 0,
            present_seen: 0,
        })
    }

    fn next(
        &mut self,
        index: usize,
        column: &Column,
        rest: &mut &'a [u8],
    ) -> Result<Part<'a>, Error> {
        let mut is_diffs = false;
        if is_json(column) {
            is_diffs = bit(self.is_diffs, self.json_seen);
            self.json_seen += 1;
        }
        if !self.block.after.contains(index) {
            return Ok(Part::Nothing);
        }
        let is_null = bit(self.nulls, self.present_seen);
        self.present_seen += 1;
        let whole: &'a [u8] = rest;
        let mut cursor = Cursor::new(value::type_name(&column.kind), whole);
        let part = match (is_null, is_diffs) {
            (true, _) => Part::Nothing,
            (false, true) => {
                let bytes = cursor.named("JSON diff").u32()?;
                let bytes = cursor.length(u64::from(bytes))?;
                Part::Diffs(cursor.take(bytes)?)
            }
            (false, false) => {
                let bytes = Extent::of(&column.kind).size(whole).unwrap_or(usize::MAX);
                Part::Value(cursor.take(bytes)?)
            }
        };
        *rest = cursor.rest();
        Ok(part)
    }
}

/// A multi-valued index's hidden column is no JSON column, though its values are JSON.
fn is_json(column: &Column) -> bool {
    matches!(column.kind, ColumnKind::Json { .. }) && !column.is_functional_index()
}

/// Appends the document with its length in front.
fn document(
    table: &Table,
    column: &Column,
    before: Cell<'_>,
    diffs: &[u8],
    whole: &mut Vec<u8>,
) -> Result<(), Error> {
    let before = match before {
        Cell::Bytes(before) => before,
        Cell::Null => return Err(Error::malformed("JSON diff", "of a NULL")),
        Cell::Absent => {
            return Err(Error::NoDocument {
                table: table.name.to_string(),
                column: column.name.clone(),
            });
        }
    };
    let ColumnKind::Json { length_bytes } = column.kind else {
        return Err(Error::malformed(
            "JSON diff",
            "of a column that is not JSON",
        ));
    };
    let prefix = whole.len();
    let begin = prefix + usize::from(length_bytes);
    whole.resize(begin, 0);
    json::apply_diffs(before, diffs, whole)?;
    let length = (whole.len() - begin).to_le_bytes();
    let (low, high) = length
        .split_at_checked(usize::from(length_bytes))
        .unwrap_or_default();
    match whole.get_mut(prefix..begin) {
        Some(place) if place.len() == low.len() && high.iter().all(|byte| *byte == 0) => {
            place.copy_from_slice(low);
            Ok(())
        }
        _ => Err(Error::malformed(
            "JSON diff",
            "a document too long for its column",
        )),
    }
}

#[cold]
fn in_column(error: Error, table: &Table, column: &Column) -> Error {
    let place = format_args!("column `{}` of table `{}`", column.name, table.name);
    match error {
        Error::Short { what, needed, left } => Error::malformed(
            what,
            format_args!("{place}: {needed} bytes needed, {left} left"),
        ),
        other => other.at(place),
    }
}

#[cfg(test)]
mod tests;
