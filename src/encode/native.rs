//! The native event: one line of JSON per change, values as MySQL prints them in `SELECT`.
//!
//! Promise: the same change gives the same bytes, a value that is not valid is an error (never null, never
//! a replacement character), and after an error `out` is as it was. `docs/event-format.md` is the page for
//! consumers. What is constant in a table is written once per plan, what is constant in a block once per
//! block; a row copies these and writes its numbers and columns, allocating nothing. The key stands before
//! the data, so its columns are cut twice: with the key in front, as most tables have it, that is one cut
//! more.
//! Not here: line ends, packing, ordering keys.

mod origin;
mod statement;
mod text;
pub(super) mod value;

use std::sync::Arc;

use headwater_actors::ports::encoder::{Encoder, RowEvent, StatementEvent, TableEncoder, Written};
use headwater_binlog::{
    Error,
    gtid::Uuid,
    json::write_json_string,
    rows::{Cell, Cells, Image, RowsBlock, RowsKind},
    schema::{ColumnKind, Table},
};

use origin::Origin;

/// Writes the native event.
#[derive(Debug, Clone)]
pub struct NativeEncoder {
    server_uuid: Uuid,
}

impl NativeEncoder {
    /// `server_uuid` names changes of transactions that have no GTID.
    pub fn new(server_uuid: Uuid) -> Self {
        Self { server_uuid }
    }
}

impl Encoder for NativeEncoder {
    fn plan(&self, table: &Arc<Table>) -> Box<dyn TableEncoder> {
        Box::new(NativeTable::new(self.server_uuid, table))
    }

    fn statement(&self, event: &StatementEvent<'_>, out: &mut Vec<u8>) -> Result<Written, Error> {
        let start = out.len();
        let written = statement::write(self.server_uuid, event, out);
        if written.is_err() {
            out.truncate(start);
        }
        written.map(|()| Written::Last)
    }
}

/// One table's plan with what the current block has in common.
struct NativeTable {
    server_uuid: Uuid,
    table: Arc<Table>,
    columns: Vec<ColumnPlan>,
    /// In key order.
    key: Vec<KeyColumn>,
    /// `"database":"...","table":"..."`
    name: Vec<u8>,
    block: BlockText,
    /// The update's old values, each with a comma in front, while its data is written.
    old: Vec<u8>,
}

const LABEL_BYTES: usize = 32;

/// Of a larger update's old values the memory is given back.
const OLD_KEPT_BYTES_MAX: usize = 64 * 1024;

struct ColumnPlan {
    /// `,"name":`
    label: Box<[u8]>,
    /// The label with spaces after it, where it fits: a copy of known width is a few instructions.
    padded: [u8; LABEL_BYTES],
    kind: ColumnKind,
}

struct KeyColumn {
    column: usize,
    plan: ColumnPlan,
}

/// The constant parts of a block's lines: `head` n `middle` n in hex `tail`.
#[derive(Default)]
struct BlockText {
    head: Vec<u8>,
    middle: Vec<u8>,
    tail: Vec<u8>,
    file_number: u64,
}

impl ColumnPlan {
    fn new(name: &str, kind: &ColumnKind) -> Self {
        let mut label = vec![b','];
        write_json_string(name, &mut label);
        label.push(b':');
        let mut padded = [b' '; LABEL_BYTES];
        if let Some(front) = padded.get_mut(..label.len()) {
            front.copy_from_slice(&label);
        }
        Self {
            label: label.into_boxed_slice(),
            padded,
            kind: kind.clone(),
        }
    }

    /// Appends the label: in front of the first column without its comma.
    #[inline(always)]
    fn write_label(&self, is_first: bool, out: &mut Vec<u8>) {
        if is_first || self.label.len() > LABEL_BYTES {
            let label = self.label.get(usize::from(is_first)..);
            out.extend_from_slice(label.unwrap_or_default());
        } else {
            let end = out.len() + self.label.len();
            out.extend_from_slice(&self.padded);
            out.truncate(end);
        }
    }
}

impl NativeTable {
    fn new(server_uuid: Uuid, table: &Arc<Table>) -> Self {
        let key = table.primary_key.iter().filter_map(|&column| {
            let found = table.columns.get(column)?;
            Some(KeyColumn {
                column,
                plan: ColumnPlan::new(&found.name, &found.kind),
            })
        });
        let mut name = Vec::new();
        origin::write_table(&table.name.database, &table.name.table, &mut name);
        Self {
            server_uuid,
            columns: table
                .columns
                .iter()
                .map(|column| ColumnPlan::new(&column.name, &column.kind))
                .collect(),
            key: key.collect(),
            name,
            block: BlockText::default(),
            old: Vec::new(),
            table: Arc::clone(table),
        }
    }

    fn write_row(&mut self, event: &RowEvent<'_>, out: &mut Vec<u8>) -> Result<(), Error> {
        let row = event.row;
        let (data, before) = match event.block.kind {
            RowsKind::Insert => (row.after, None),
            RowsKind::Update => (row.after, row.before),
            RowsKind::Delete => (row.before, None),
        };
        let data = data.ok_or_else(|| self.cut_short("row image"))?;
        origin::ensure_sortable(self.block.file_number, event.n)?;

        out.extend_from_slice(&self.block.head);
        value::write_integer(event.n, out);
        out.extend_from_slice(&self.block.middle);
        out.extend_from_slice(&origin::hex::<8>(event.n));
        out.extend_from_slice(&self.block.tail);
        if !self.key.is_empty() {
            self.write_key(data, before, out)?;
            out.extend_from_slice(b"},\"data\":{");
        }
        match (event.block.kind, before) {
            (RowsKind::Update, Some(before)) => {
                self.write_update(before, data, out)?;
                out.extend_from_slice(b"},\"old\":{");
                out.extend_from_slice(self.old.get(1..).unwrap_or_default());
                if self.old.capacity() > OLD_KEPT_BYTES_MAX {
                    self.old = Vec::new();
                }
            }
            (RowsKind::Update, None) => return Err(self.cut_short("before image")),
            (RowsKind::Insert | RowsKind::Delete, _) => self.write_data(data, out)?,
        }
        out.extend_from_slice(origin::end_of_row(event.last));
        Ok(())
    }

    fn write_key(
        &self,
        data: Image<'_>,
        before: Option<Image<'_>>,
        out: &mut Vec<u8>,
    ) -> Result<(), Error> {
        let mut data = KeyWalk::new(data);
        let mut before = before.map(KeyWalk::new);
        let mut is_first = true;
        for key in &self.key {
            let mut cell = data.cell(key.column)?;
            if let (Cell::Absent, Some(before)) = (cell, &mut before) {
                cell = before.cell(key.column)?;
            }
            if self.write_cell(&key.plan, is_first, cell, key.column, out)? {
                is_first = false;
            }
        }
        Ok(())
    }

    fn write_data(&self, image: Image<'_>, out: &mut Vec<u8>) -> Result<(), Error> {
        let mut cells = image.cells();
        let mut is_first = true;
        for (column, plan) in self.columns.iter().enumerate() {
            let cell = next_cell(&mut cells).map_err(|error| self.in_column(column, error))?;
            if self.write_cell(plan, is_first, cell, column, out)? {
                is_first = false;
            }
        }
        Ok(())
    }

    /// Data to `out`, and what changed to `self.old`, in one walk over both images.
    fn write_update(
        &mut self,
        before: Image<'_>,
        after: Image<'_>,
        out: &mut Vec<u8>,
    ) -> Result<(), Error> {
        let mut old = std::mem::take(&mut self.old);
        old.clear();
        let (mut befores, mut afters) = (before.cells(), after.cells());
        let mut is_first = true;
        let mut walk = || {
            for (column, plan) in self.columns.iter().enumerate() {
                let cut = |cells| next_cell(cells).map_err(|error| self.in_column(column, error));
                let (was, is) = (cut(&mut befores)?, cut(&mut afters)?);
                if self.write_cell(plan, is_first, is, column, out)? {
                    is_first = false;
                    if was != is {
                        self.write_cell(plan, false, was, column, &mut old)?;
                    }
                }
            }
            Ok(())
        };
        let walked = walk();
        self.old = old;
        walked
    }

    /// Whether there was something to write.
    #[inline(always)]
    fn write_cell(
        &self,
        plan: &ColumnPlan,
        is_first: bool,
        cell: Cell<'_>,
        column: usize,
        out: &mut Vec<u8>,
    ) -> Result<bool, Error> {
        match cell {
            Cell::Absent => return Ok(false),
            Cell::Null => {
                plan.write_label(is_first, out);
                out.extend_from_slice(b"null");
            }
            Cell::Bytes(bytes) => {
                plan.write_label(is_first, out);
                value::write(&plan.kind, bytes, out)
                    .map_err(|error| self.in_column(column, error))?;
            }
        }
        Ok(true)
    }

    #[cold]
    fn cut_short(&self, what: &'static str) -> Error {
        Error::malformed(what, format_args!("missing in table `{}`", self.table.name))
    }

    /// Names the column; the value itself never stands in a message.
    #[cold]
    fn in_column(&self, column: usize, error: Error) -> Error {
        let name = self.table.columns.get(column).map_or("", |it| &it.name);
        let place = format_args!("column `{name}` of table `{}`", self.table.name);
        match error {
            Error::Short { what, needed, left } => Error::malformed(
                what,
                format_args!("{place}: {needed} bytes needed, {left} left"),
            ),
            other => other.at(place),
        }
    }
}

impl TableEncoder for NativeTable {
    fn block(&mut self, block: &RowsBlock, epoch: u32) {
        if !Arc::ptr_eq(&self.table, &block.table) && self.table != block.table {
            *self = Self::new(self.server_uuid, &block.table);
        }
        let origin = Origin {
            transaction: &block.transaction,
            server_uuid: self.server_uuid,
            epoch,
            event_offset: block.event_offset,
        };
        let text = &mut self.block;
        text.file_number = block.transaction.file.number;
        text.head.clear();
        text.head.extend_from_slice(match block.kind {
            RowsKind::Insert => b"{\"type\":\"insert\",",
            RowsKind::Update => b"{\"type\":\"update\",",
            RowsKind::Delete => b"{\"type\":\"delete\",",
        });
        text.head.extend_from_slice(&self.name);
        origin.write_time_and_id(&mut text.head);
        text.middle.clear();
        origin.write_seq(&mut text.middle);
        text.tail.clear();
        origin.write_position(&mut text.tail);
        text.tail.extend_from_slice(if self.key.is_empty() {
            b",\"data\":{"
        } else {
            b",\"key\":{"
        });
    }

    fn row(&mut self, event: &RowEvent<'_>, out: &mut Vec<u8>) -> Result<Written, Error> {
        let start = out.len();
        let written = self.write_row(event, out);
        if written.is_err() {
            out.truncate(start);
        }
        written.map(|()| Written::Last)
    }

    fn columns(
        &mut self,
        event: &RowEvent<'_>,
        columns: &[String],
        out: &mut Vec<u8>,
    ) -> Result<(), Error> {
        super::columns::write(event, columns, out)
    }

    fn key(&mut self, event: &RowEvent<'_>, out: &mut Vec<u8>) -> Result<(), Error> {
        let (data, before) = match event.block.kind {
            RowsKind::Insert | RowsKind::Update => (event.row.after, event.row.before),
            RowsKind::Delete => (event.row.before, None),
        };
        let data = data.ok_or_else(|| self.cut_short("row image"))?;
        out.push(b'{');
        self.write_key(data, before, out)?;
        out.push(b'}');
        Ok(())
    }
}

/// Finds key columns in an image: forward as far as it can, from the front where the key's order goes back.
struct KeyWalk<'a> {
    image: Image<'a>,
    cells: Cells<'a>,
    next: usize,
}

impl<'a> KeyWalk<'a> {
    fn new(image: Image<'a>) -> Self {
        Self {
            image,
            cells: image.cells(),
            next: 0,
        }
    }

    fn cell(&mut self, column: usize) -> Result<Cell<'a>, Error> {
        if column < self.next {
            *self = Self::new(self.image);
        }
        while self.next < column {
            next_cell(&mut self.cells)?;
            self.next += 1;
        }
        self.next += 1;
        next_cell(&mut self.cells)
    }
}

#[inline]
fn next_cell<'a>(cells: &mut Cells<'a>) -> Result<Cell<'a>, Error> {
    match cells.next() {
        Some(cell) => cell,
        None => Err(Error::malformed(
            "row image",
            "fewer columns than the table",
        )),
    }
}

#[cfg(test)]
mod tests;
