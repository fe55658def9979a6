//! Row images of one WRITE, UPDATE or DELETE rows event, walked in place.

use std::sync::Arc;

use bytes::Bytes;

use crate::{Error, schema::Table, transaction::Transaction};

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RowsKind {
    Insert,
    Update,
    Delete,
}

/// Which columns an image carries: one bit per column, lowest first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ColumnSet {
    pub bits: Bytes,
    pub columns: usize,
}

/// The rows of one event, not yet decoded. Cheap to clone.
#[derive(Debug, Clone)]
pub struct RowsBlock {
    pub transaction: Arc<Transaction>,
    pub table: Arc<Table>,
    pub kind: RowsKind,
    /// Offset in the file of the rows event, or of the payload event that holds it.
    pub event_offset: u64,
    /// Index of the first row among all rows and DDLs of the transaction.
    pub first_row: u64,
    pub row_count: u32,
    /// Columns present in the before image (update, delete) and in the after image (insert, update).
    pub before: ColumnSet,
    pub after: ColumnSet,
    /// The row images, one after the other.
    pub images: Bytes,
}

/// One row: offsets are into [`RowsBlock::images`].
#[derive(Debug, Clone, Copy)]
pub struct Row<'a> {
    pub before: Option<Image<'a>>,
    pub after: Option<Image<'a>>,
    /// Bytes that the row takes in the block.
    pub bytes: usize,
}

/// One row image: the columns that `present` lists, NULL bits first.
#[derive(Debug, Clone, Copy)]
pub struct Image<'a> {
    pub table: &'a Table,
    pub present: &'a ColumnSet,
    pub nulls: &'a [u8],
    pub values: &'a [u8],
}

/// A column as an image has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cell<'a> {
    /// Not in the image (MINIMAL, NOBLOB): unknown, not NULL.
    Absent,
    Null,
    /// Bytes for [`crate::value::read`].
    Bytes(&'a [u8]),
}

/// A rows event's fields, still without its table.
#[derive(Debug, Clone)]
pub struct RowsEvent {
    pub table_id: u64,
    pub flags: u16,
    pub kind: RowsKind,
    pub before: ColumnSet,
    pub after: ColumnSet,
    pub images: Bytes,
}

/// Stand-in: rows v2.
pub fn parse(kind_code: u8, body: Bytes, table_id_bytes: usize) -> Result<RowsEvent, Error> {
    let mut cursor = crate::cursor::Cursor::new("rows event", &body);
    let table_id = cursor.uint(table_id_bytes)?;
    let flags = cursor.u16()?;
    let extra = cursor.u16()?;
    cursor.take(usize::from(extra).saturating_sub(2))?;
    let columns = usize::try_from(cursor.lenenc()?).unwrap_or(usize::MAX);
    let kind = match kind_code {
        30 => RowsKind::Insert,
        31 => RowsKind::Update,
        32 => RowsKind::Delete,
        _ => return Err(Error::Unsupported("rows event".into())),
    };
    let first = body.slice_ref(cursor.take(columns.div_ceil(8))?);
    let second = match kind {
        RowsKind::Update => body.slice_ref(cursor.take(columns.div_ceil(8))?),
        _ => first.clone(),
    };
    Ok(RowsEvent {
        table_id,
        flags,
        kind,
        before: ColumnSet { bits: first, columns },
        after: ColumnSet { bits: second, columns },
        images: body.slice_ref(cursor.rest()),
    })
}

impl RowsBlock {
    /// Stand-in: INT NOT NULL columns.
    pub fn row_at(&self, offset: usize) -> Result<Option<Row<'_>>, Error> {
        let images = if self.kind == RowsKind::Update { 2 } else { 1 };
        let bytes = images * (self.table.columns.len().div_ceil(8) + 4 * self.table.columns.len());
        if offset == self.images.len() {
            return Ok(None);
        }
        if offset + bytes > self.images.len() {
            return Err(Error::Short { what: "row", needed: bytes, left: self.images.len() - offset });
        }
        Ok(Some(Row { before: None, after: None, bytes }))
    }

    /// Stand-in.
    pub fn count_rows(&self) -> Result<u32, Error> {
        let (mut rows, mut offset) = (0, 0);
        while let Some(row) = self.row_at(offset)? {
            rows += 1;
            offset += row.bytes;
        }
        Ok(rows)
    }
}

impl<'a> Image<'a> {
    /// Every column of the table in its order, absent ones too.
    pub fn cells(&self) -> Cells<'a> {
        Cells {
            image: *self,
            column: 0,
            present_seen: 0,
            rest: self.values,
        }
    }
}

/// The iterator of [`Image::cells`].
#[derive(Debug, Clone)]
pub struct Cells<'a> {
    image: Image<'a>,
    column: usize,
    present_seen: usize,
    rest: &'a [u8],
}

impl<'a> Iterator for Cells<'a> {
    type Item = Result<Cell<'a>, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        let _ = (&self.image, self.column, self.present_seen, self.rest);
        None
    }
}
