//! Row images of one WRITE, UPDATE or DELETE rows event, walked in place.
//!
//! [`parse`] splits a rows event's body (versions 1 and 2, partial updates) into what it says of itself and the images;
//! a [`RowsBlock`] pairs the images with their table. A row is a before image, an after image, or both;
//! an image is one NULL bit per *present* column and the values that are not NULL. Nothing marks where
//! a row ends but its last value, so a walk cuts every value, and it goes on only while rows have bytes.

mod event;
mod expand;
pub(crate) mod partial;
#[cfg(test)]
mod recorded;

use std::sync::Arc;

use bytes::Bytes;

pub use event::{RowsEvent, parse};

use crate::{
    Error,
    schema::{Column, Extent, Table},
    table_map::TableMap,
    transaction::Transaction,
    value,
};

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
    /// What describes the table in the log; none of rows that come from elsewhere.
    pub map: Option<Arc<TableMap>>,
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
    /// The statement that changed the rows, where the log has it and it was asked for.
    pub query: Option<Arc<str>>,
}

impl RowsBlock {
    /// What it keeps alive of what other blocks may share, and `before` does not: the table with its map, the text
    /// of the statement.
    pub fn shared_bytes(&self, before: Option<&Self>) -> usize {
        let is_same_table = before.is_some_and(|before| Arc::ptr_eq(&before.table, &self.table));
        let table = if is_same_table { 0 } else { self.table_bytes() };
        table + self.query_bytes(before)
    }

    /// What all of them keep alive beside their rows, each table counted once.
    pub fn shared_bytes_of<'a>(blocks: impl Iterator<Item = &'a Self>) -> usize {
        let mut tables: Vec<&Self> = Vec::new();
        let mut queries = 0;
        let mut before = None;
        for block in blocks {
            queries += block.query_bytes(before);
            if !before.is_some_and(|before| Arc::ptr_eq(&before.table, &block.table)) {
                tables.push(block);
            }
            before = Some(block);
        }
        tables.sort_unstable_by_key(|block| Arc::as_ptr(&block.table));
        tables.dedup_by_key(|block| Arc::as_ptr(&block.table));
        queries
            + tables
                .iter()
                .map(|block| block.table_bytes())
                .sum::<usize>()
    }

    fn table_bytes(&self) -> usize {
        let map = self.map.as_ref().map_or(0, |map| map.body.len());
        self.table.bytes() + map
    }

    fn query_bytes(&self, before: Option<&Self>) -> usize {
        let before = before.and_then(|before| before.query.as_ref());
        let is_new = |query: &&Arc<str>| before.is_none_or(|before| !Arc::ptr_eq(before, query));
        let query = self.query.as_ref().filter(is_new);
        query.map_or(0, |query| query.len())
    }
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
    /// Whether that is every column.
    pub has_all: bool,
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

#[inline]
fn bit(bits: &[u8], index: usize) -> bool {
    bits.get(index / 8)
        .is_some_and(|byte| byte >> (index % 8) & 1 == 1)
}

impl ColumnSet {
    /// The set of an image that a kind of event does not have.
    pub fn none() -> Self {
        Self {
            bits: Bytes::new(),
            columns: 0,
        }
    }

    /// Every one of `columns`.
    pub fn all(columns: usize) -> Self {
        Self {
            bits: vec![0xff; columns.div_ceil(8)].into(),
            columns,
        }
    }

    #[inline]
    pub fn contains(&self, column: usize) -> bool {
        column < self.columns && bit(&self.bits, column)
    }

    /// How many columns are present. Bits beyond the last column do not count.
    #[inline]
    pub fn count(&self) -> usize {
        let (whole, odd) = (self.columns / 8, self.columns % 8);
        let mut count = 0;
        for byte in self.bits.iter().take(whole) {
            count += byte.count_ones();
        }
        if odd > 0 {
            let last = self.bits.get(whole).copied().unwrap_or(0);
            count += (last & ((1 << odd) - 1)).count_ones();
        }
        count as usize
    }

    #[inline]
    pub fn is_all(&self) -> bool {
        self.count() == self.columns
    }
}

impl RowsBlock {
    /// The row that starts `offset` bytes into `images`; `None` at the end.
    pub fn row_at(&self, offset: usize) -> Result<Option<Row<'_>>, Error> {
        self.rows_from(offset).next_row()
    }

    /// Drops all rows behind the first `rows`; none where a row cannot be read.
    pub fn keep_rows(&mut self, rows: u64) {
        let Some(rows) = u32::try_from(rows)
            .ok()
            .filter(|rows| *rows < self.row_count)
        else {
            return;
        };
        let first_dropped = self.rows().nth(rows as usize);
        let offset = match first_dropped {
            Some(Ok((offset, _))) => offset,
            Some(Err(_)) | None => return,
        };
        self.images.truncate(offset);
        self.row_count = rows;
    }

    /// Every row with its offset. Ends after an error.
    pub fn rows(&self) -> Rows<'_> {
        self.rows_from(0)
    }

    /// Walks every row without decoding: proves the framing and counts.
    pub fn count_rows(&self) -> Result<u32, Error> {
        let mut rows = self.rows();
        let mut count = 0_u32;
        while rows.skip_row()? {
            count = count
                .checked_add(1)
                .ok_or_else(|| Error::malformed("rows event", "more than 2^32 rows"))?;
        }
        Ok(count)
    }

    /// Every row from the one on that starts `offset` bytes into `images`.
    pub fn rows_from(&self, offset: usize) -> Rows<'_> {
        let (has_before, has_after) = match self.kind {
            RowsKind::Insert => (false, true),
            RowsKind::Update => (true, true),
            RowsKind::Delete => (true, false),
        };
        Rows {
            table: &self.table,
            before: has_before.then(|| Shape::of(&self.before)),
            after: has_after.then(|| Shape::of(&self.after)),
            rest: self.images.get(offset..).unwrap_or(&[]),
            offset,
        }
    }
}

/// What a column set means for every image: worked out once a walk.
#[derive(Debug, Clone, Copy)]
struct Shape<'a> {
    present: &'a ColumnSet,
    count: usize,
}

impl<'a> Shape<'a> {
    fn of(present: &'a ColumnSet) -> Self {
        Self {
            present,
            count: present.count(),
        }
    }

    /// Takes one image off the front of `input`.
    #[inline(always)]
    fn take(&self, table: &'a Table, input: &mut &'a [u8]) -> Result<Image<'a>, Error> {
        let whole: &'a [u8] = input;
        let nulls_and_values = self.measure(table, whole).and_then(|(null_bytes, bytes)| {
            let (image, rest) = whole.split_at_checked(bytes)?;
            *input = rest;
            image.split_at_checked(null_bytes)
        });
        let Some((nulls, values)) = nulls_and_values else {
            return Err(self.what_is_wrong(table, whole));
        };
        Ok(self.image(table, nulls, values))
    }

    fn image(&self, table: &'a Table, nulls: &'a [u8], values: &'a [u8]) -> Image<'a> {
        Image {
            table,
            present: self.present,
            has_all: self.has_all(),
            nulls,
            values,
        }
    }

    fn has_all(&self) -> bool {
        self.count == self.present.columns
    }

    /// Bytes of the NULL bits and of the whole image at the front of `input`; `None` where it is cut short.
    fn measure(&self, table: &Table, input: &[u8]) -> Option<(usize, usize)> {
        if self.present.columns != table.extents.len() {
            return None;
        }
        let null_bytes = self.count.div_ceil(8);
        let nulls = input.get(..null_bytes)?;
        let has_all = self.has_all();
        let mut used = null_bytes;
        let mut seen = 0;
        for (index, extent) in table.extents.iter().enumerate() {
            if !has_all && !bit(&self.present.bits, index) {
                continue;
            }
            if !bit(nulls, seen) {
                used += extent.size(input.get(used..)?)?;
            }
            seen += 1;
        }
        Some((null_bytes, used))
    }

    /// The error of an image that cannot be measured.
    #[cold]
    fn what_is_wrong(&self, table: &'a Table, input: &'a [u8]) -> Error {
        if self.present.columns != table.columns.len() {
            return wrong_width(table, self.present.columns);
        }
        let null_bytes = self.count.div_ceil(8);
        let Some((nulls, values)) = input.split_at_checked(null_bytes) else {
            return Error::Short {
                what: "NULL bits of a row image",
                needed: null_bytes,
                left: input.len(),
            };
        };
        what_is_short(self.image(table, nulls, values))
    }
}

/// The error of the first value that does not fit.
#[cold]
fn what_is_short(image: Image<'_>) -> Error {
    image.cells().find_map(Result::err).unwrap_or(Error::Short {
        what: "row image",
        needed: 1,
        left: 0,
    })
}

/// Rows in their order, each with its offset. Ends after an error.
#[derive(Debug, Clone)]
pub struct Rows<'a> {
    table: &'a Table,
    before: Option<Shape<'a>>,
    after: Option<Shape<'a>>,
    rest: &'a [u8],
    offset: usize,
}

impl<'a> Rows<'a> {
    /// Rows of an insert of all columns that `after` lists, from anywhere.
    pub fn inserted(table: &'a Table, after: &'a ColumnSet, images: &'a [u8]) -> Self {
        Self {
            table,
            before: None,
            after: Some(Shape::of(after)),
            rest: images,
            offset: 0,
        }
    }

    /// The next row; `None` at the end.
    #[inline(always)]
    pub fn next_row(&mut self) -> Result<Option<Row<'a>>, Error> {
        if self.rest.is_empty() {
            return Ok(None);
        }
        let mut rest = self.rest;
        let before = match &self.before {
            Some(shape) => Some(shape.take(self.table, &mut rest)?),
            None => None,
        };
        let after = match &self.after {
            Some(shape) => Some(shape.take(self.table, &mut rest)?),
            None => None,
        };
        let bytes = self.pass(rest)?;
        Ok(Some(Row {
            before,
            after,
            bytes,
        }))
    }

    /// Whether there was a row.
    #[inline]
    fn skip_row(&mut self) -> Result<bool, Error> {
        if self.rest.is_empty() {
            return Ok(false);
        }
        let mut rest = self.rest;
        for shape in [&self.before, &self.after].into_iter().flatten() {
            shape.take(self.table, &mut rest)?;
        }
        self.pass(rest).map(|_| true)
    }

    /// Up to `rest`. The bytes of what is before it.
    #[inline(always)]
    fn pass(&mut self, rest: &'a [u8]) -> Result<usize, Error> {
        let bytes = self.rest.len() - rest.len();
        if bytes == 0 {
            return Err(without_columns());
        }
        self.rest = rest;
        self.offset += bytes;
        Ok(bytes)
    }
}

#[cold]
fn without_columns() -> Error {
    Error::malformed(
        "rows event",
        "rows without any column, and bytes after them",
    )
}

impl<'a> Iterator for Rows<'a> {
    type Item = Result<(usize, Row<'a>), Error>;

    fn next(&mut self) -> Option<Self::Item> {
        let offset = self.offset;
        let row = self.next_row().transpose()?;
        if row.is_err() {
            self.rest = &[];
        }
        Some(row.map(|row| (offset, row)))
    }
}

#[cold]
fn wrong_width(table: &Table, found: usize) -> Error {
    Error::Malformed {
        what: "rows event",
        found: format!(
            "{found} columns, table `{}` has {}",
            table.name,
            table.columns.len()
        ),
    }
}

impl<'a> Image<'a> {
    /// Every column of the table in its order, absent ones too.
    #[inline]
    pub fn cells(&self) -> Cells<'a> {
        Cells {
            columns: self.table.columns.iter(),
            extents: self.table.extents.iter(),
            present: (!self.has_all).then_some(&self.present.bits),
            nulls: self.nulls,
            index: 0,
            present_seen: 0,
            rest: self.values,
        }
    }
}

/// The iterator of [`Image::cells`]. Ends after an error.
#[derive(Debug, Clone)]
pub struct Cells<'a> {
    columns: std::slice::Iter<'a, Column>,
    extents: std::slice::Iter<'a, Extent>,
    /// `None`: every column is present.
    present: Option<&'a [u8]>,
    nulls: &'a [u8],
    index: usize,
    present_seen: usize,
    rest: &'a [u8],
}

impl<'a> Iterator for Cells<'a> {
    type Item = Result<Cell<'a>, Error>;

    #[inline(always)]
    fn next(&mut self) -> Option<Self::Item> {
        let (column, extent) = (self.columns.next()?, self.extents.next()?);
        let index = self.index;
        self.index += 1;
        if self.present.is_some_and(|present| !bit(present, index)) {
            return Some(Ok(Cell::Absent));
        }
        let seen = self.present_seen;
        self.present_seen += 1;
        if bit(self.nulls, seen) {
            return Some(Ok(Cell::Null));
        }
        let cell = value::cut_as(*extent, &column.kind, &mut self.rest);
        if cell.is_err() {
            self.columns = [].iter();
        }
        Some(cell.map(Cell::Bytes))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.columns.size_hint()
    }
}

#[cfg(test)]
mod tests;
