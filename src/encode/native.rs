//! The native event: one line of JSON per change, values as MySQL prints them in `SELECT`.
//!
//! Promise: the same change gives the same bytes, a value that is not valid is an error (never null, never
//! a replacement character), and after an error `out` is as it was. `docs/event-format.md` is the page for
//! consumers. What is constant in a table is written once per plan, what is constant in a block once per
//! block; a row copies these and writes its numbers and columns, allocating nothing. The key stands before
//! the data, so its columns are cut twice: with the key in front, as most tables have it, that is one cut
//! more. Flat lines have the columns beside the event's own fields and cost the same.
//! Not here: line ends, packing, ordering keys.

mod heartbeat;
mod layout;
mod names;
mod options;
mod origin;
mod snapshot_end;
mod statement;

use std::sync::Arc;

use headwater_actors::ports::encoder::{
    Encoder, HeartbeatEvent, RowEvent, StatementEvent, TableEncoder, Written,
};
use headwater_binlog::{
    Error,
    gtid::Uuid,
    json::write_json_string,
    rows::{Cell, Image, RowsBlock, RowsKind},
    schema::{ColumnKind, Table},
};

pub use self::options::{
    Documents, NativeField, NativeOptions, NativePlan, Statements, ensure_prefix,
};
pub use self::{names::LineLayout, origin::sorted_seq};
use super::{
    columns::{self, ColumnPlan, KeyColumn, OLD_KEPT_BYTES_MAX, next_cell},
    shape::{InvalidText, ShapeRules, Treatment},
    value,
};
use layout::Layout;
use names::Name;
use origin::{Numbering, Origin};

/// Writes the native event.
#[derive(Debug, Clone)]
pub struct NativeEncoder {
    server_uuid: Uuid,
    shape: ShapeRules,
    layout: Arc<Layout>,
}

impl NativeEncoder {
    /// `server_uuid` names changes of transactions that have no GTID.
    pub fn new(server_uuid: Uuid) -> Self {
        Self {
            server_uuid,
            shape: ShapeRules::default(),
            layout: Arc::default(),
        }
    }

    /// With columns left out and masked, and with what becomes of invalid text.
    pub fn with_shape(self, shape: ShapeRules) -> Self {
        Self { shape, ..self }
    }

    /// With other fields than all of them, and with constants.
    pub fn with_fields(self, plan: &NativePlan) -> Self {
        let layout = Arc::new(Layout::new(plan));
        Self { layout, ..self }
    }
}

impl Encoder for NativeEncoder {
    fn plan(&self, table: &Arc<Table>) -> Box<dyn TableEncoder> {
        Box::new(NativeTable::new(self.clone(), table))
    }

    fn statement(&self, event: &StatementEvent<'_>, out: &mut Vec<u8>) -> Result<Written, Error> {
        let start = out.len();
        let written = statement::write(self.server_uuid, &self.layout, event, out);
        if written.is_err() {
            out.truncate(start);
        }
        written
    }

    fn heartbeat(&self, event: &HeartbeatEvent<'_>, out: &mut Vec<u8>) -> Result<Written, Error> {
        heartbeat::write(&self.layout, event, out).map(|()| Written::Last)
    }
}

/// One table's plan with what the current block has in common.
struct NativeTable {
    encoder: NativeEncoder,
    invalid_text: InvalidText,
    /// Some column is left out, masked, or a document that is written as text; or refused.
    is_shaped: bool,
    /// A column has a name that could be a field's: no row can be written.
    refused: Option<Error>,
    documents: Documents,
    carries: Carries,
    table: Arc<Table>,
    columns: Vec<ColumnPlan>,
    /// In key order.
    key: Vec<KeyColumn>,
    starts: Starts,
    /// What stands before the first column, of the key or else of the row.
    opening: Vec<u8>,
    block: BlockText,
    /// The update's old values, each with a comma in front, while its data is written.
    old: Vec<u8>,
}

/// What every row asks of the layout and the table.
#[derive(Debug, Clone, Copy)]
struct Carries {
    id: bool,
    seq: bool,
    query: bool,
    key: bool,
    old: bool,
    last: bool,
}

/// A line's beginning by the kind of its row, up to the constants.
struct Starts {
    insert: Vec<u8>,
    update: Vec<u8>,
    delete: Vec<u8>,
    snapshot: Vec<u8>,
}

/// The constant parts of a block's lines: `head` n `middle` n in hex `tail`.
#[derive(Default)]
struct BlockText {
    head: Vec<u8>,
    middle: Vec<u8>,
    tail: Vec<u8>,
    file_number: u64,
    numbering: Numbering,
    shows_last: bool,
}

impl NativeTable {
    fn new(encoder: NativeEncoder, table: &Arc<Table>) -> Self {
        let (columns, key, is_shaped) = columns::plans(table, &encoder.shape);
        let layout = &encoder.layout;
        let documents = layout.documents();
        let has_quoted = columns.iter().any(|plan| is_quoted(plan, documents));
        let refused = refused(table, &columns, layout);
        let has_key = layout.has(NativeField::Key) && !key.is_empty();
        let opening = match (has_key, layout.is_flat()) {
            (true, _) => layout.label(Name::Key),
            (false, true) => &[],
            (false, false) => layout.label(Name::Data),
        };
        Self {
            invalid_text: encoder.shape.invalid_text(),
            is_shaped: is_shaped || has_quoted || refused.is_some(),
            refused,
            documents,
            carries: Carries {
                id: layout.has(NativeField::Id),
                seq: layout.has(NativeField::Seq),
                query: layout.has(NativeField::Query),
                key: has_key,
                old: layout.has(NativeField::Old),
                last: layout.has(NativeField::Last),
            },
            starts: Starts::new(table, layout),
            opening: opening.to_vec(),
            columns,
            key,
            block: BlockText::default(),
            old: Vec::new(),
            table: Arc::clone(table),
            encoder,
        }
    }

    /// `SHAPED` costs a table without a shape nothing: there it does not exist. So with `FLAT`.
    fn write_row<const SHAPED: bool, const FLAT: bool>(
        &mut self,
        event: &RowEvent<'_>,
        out: &mut Vec<u8>,
    ) -> Result<(), Error> {
        if SHAPED && let Some(refused) = &self.refused {
            return Err(refused.clone());
        }
        let (data, before) = columns::images(event)?;
        let numbering = self.block.numbering;
        numbering.ensure_sortable(self.block.file_number, event.n)?;

        out.extend_from_slice(&self.block.head);
        if self.carries.id {
            value::write_integer(event.n, out);
        }
        out.extend_from_slice(&self.block.middle);
        if self.carries.seq {
            numbering.write(event.n, out);
        }
        out.extend_from_slice(&self.block.tail);
        if self.carries.key {
            self.write_key::<SHAPED>(data, before, out)?;
            out.extend_from_slice(if FLAT { b"}" } else { b"},\"data\":{" });
        }
        match before {
            Some(before) if self.carries.old => {
                self.write_update::<SHAPED, FLAT>(before, data, out)?;
                match FLAT {
                    true => self.encoder.layout.write_label(Name::Old, out),
                    false => out.extend_from_slice(b"},\"old\":{"),
                }
                out.extend_from_slice(self.old.get(1..).unwrap_or_default());
                if self.old.capacity() > OLD_KEPT_BYTES_MAX {
                    self.old = Vec::new();
                }
            }
            _ => self.write_data::<SHAPED, FLAT>(data, out)?,
        }
        let is_last = event.last && self.block.shows_last;
        match (FLAT, is_last) {
            (false, false) => out.extend_from_slice(b"}}"),
            (false, true) => out.extend_from_slice(b"},\"last\":true}"),
            (true, _) => self.end_flat(before.is_some() && self.carries.old, is_last, out),
        }
        Ok(())
    }

    fn end_flat(&self, has_old: bool, is_last: bool, out: &mut Vec<u8>) {
        if has_old {
            out.push(b'}');
        }
        if is_last {
            self.encoder.layout.write_label(Name::Last, out);
            out.extend_from_slice(b"true");
        }
        out.push(b'}');
    }

    fn write_key<const SHAPED: bool>(
        &self,
        data: Image<'_>,
        before: Option<Image<'_>>,
        out: &mut Vec<u8>,
    ) -> Result<(), Error> {
        let mut is_first = true;
        columns::for_key(&self.key, data, before, |key, cell| {
            if self.write_cell::<SHAPED>(&key.plan, is_first, cell, key.column, out)? {
                is_first = false;
            }
            Ok(())
        })
    }

    fn write_data<const SHAPED: bool, const FLAT: bool>(
        &self,
        image: Image<'_>,
        out: &mut Vec<u8>,
    ) -> Result<(), Error> {
        let mut cells = image.cells();
        let mut is_first = !FLAT;
        for (column, plan) in self.columns.iter().enumerate() {
            let cell = next_cell(&mut cells).map_err(|error| self.in_column(column, error))?;
            if self.write_cell::<SHAPED>(plan, is_first, cell, column, out)? {
                is_first = false;
            }
        }
        Ok(())
    }

    /// Data to `out`, and what changed to `self.old`, in one walk over both images.
    fn write_update<const SHAPED: bool, const FLAT: bool>(
        &mut self,
        before: Image<'_>,
        after: Image<'_>,
        out: &mut Vec<u8>,
    ) -> Result<(), Error> {
        let mut old = std::mem::take(&mut self.old);
        old.clear();
        let (mut befores, mut afters) = (before.cells(), after.cells());
        let mut is_first = !FLAT;
        let mut walk = || {
            for (column, plan) in self.columns.iter().enumerate() {
                let cut = |cells| next_cell(cells).map_err(|error| self.in_column(column, error));
                let (was, is) = (cut(&mut befores)?, cut(&mut afters)?);
                if self.write_cell::<SHAPED>(plan, is_first, is, column, out)? {
                    is_first = false;
                    if was != is {
                        self.write_cell::<SHAPED>(plan, false, was, column, &mut old)?;
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
    fn write_cell<const SHAPED: bool>(
        &self,
        plan: &ColumnPlan,
        is_first: bool,
        cell: Cell<'_>,
        column: usize,
        out: &mut Vec<u8>,
    ) -> Result<bool, Error> {
        if SHAPED && (!matches!(plan.treatment, Treatment::Keep) || is_quoted(plan, self.documents))
        {
            return self.write_shaped(plan, is_first, cell, column, out);
        }
        match cell {
            Cell::Absent => return Ok(false),
            Cell::Null => {
                plan.write_label(is_first, out);
                out.extend_from_slice(b"null");
            }
            Cell::Bytes(bytes) => {
                plan.write_label(is_first, out);
                value::write(&plan.kind, bytes, self.invalid_text, out)
                    .map_err(|error| self.in_column(column, error))?;
            }
        }
        Ok(true)
    }

    fn write_shaped(
        &self,
        plan: &ColumnPlan,
        is_first: bool,
        cell: Cell<'_>,
        column: usize,
        out: &mut Vec<u8>,
    ) -> Result<bool, Error> {
        let bytes = match cell {
            Cell::Absent => return Ok(false),
            Cell::Null => None,
            Cell::Bytes(bytes) => Some(bytes),
        };
        if plan.is_dropped() {
            return Ok(false);
        }
        plan.write_label(is_first, out);
        let written = match (&plan.treatment, bytes) {
            (Treatment::Mask(mask), _) => mask.write(&plan.kind, bytes, self.invalid_text, out),
            (_, None) => {
                out.extend_from_slice(b"null");
                Ok(())
            }
            (_, Some(bytes)) => value::write_quoted(&plan.kind, bytes, self.invalid_text, out),
        };
        written.map_err(|error| self.in_column(column, error))?;
        Ok(true)
    }

    fn in_column(&self, column: usize, error: Error) -> Error {
        columns::in_column(&self.table, column, error)
    }
}

impl Starts {
    fn new(table: &Table, layout: &Layout) -> Self {
        let start = |kind, is_deleted| {
            let mut start = Vec::new();
            layout.write_type_of_row(kind, is_deleted, &mut start);
            layout.write_names(&table.name.database, &table.name.table, &mut start);
            start
        };
        Self {
            insert: start("insert", false),
            update: start("update", false),
            delete: start("delete", true),
            snapshot: start("snapshot", false),
        }
    }
}

/// The first column that is written and whose name could be a field's.
fn refused(table: &Table, columns: &[ColumnPlan], layout: &Layout) -> Option<Error> {
    let shown = table.columns.iter().zip(columns);
    let mut shown = shown.filter(|(_, plan)| !plan.is_dropped());
    shown.find_map(|(column, _)| {
        let prefix = layout.refuses_column(&column.name)?;
        Some(Error::TakenName {
            table: table.name.to_string(),
            column: column.name.to_string(),
            prefix: prefix.to_owned(),
        })
    })
}

fn is_quoted(plan: &ColumnPlan, documents: Documents) -> bool {
    documents == Documents::String && matches!(plan.kind, ColumnKind::Json { .. })
}

impl TableEncoder for NativeTable {
    fn block(&mut self, block: &RowsBlock, epoch: u32) {
        if !Arc::ptr_eq(&self.table, &block.table) && self.table != block.table {
            *self = Self::new(self.encoder.clone(), &block.table);
        }
        let origin = Origin {
            transaction: &block.transaction,
            layout: &self.encoder.layout,
            server_uuid: self.encoder.server_uuid,
            epoch,
            event_offset: block.event_offset,
        };
        let text = &mut self.block;
        text.file_number = block.transaction.file.number;
        text.numbering = Numbering::of(&block.transaction);
        // A snapshot's rows are of no transaction that could end.
        text.shows_last = self.carries.last && text.numbering == Numbering::Transaction;
        text.head.clear();
        let start = match (block.kind, text.numbering) {
            (_, Numbering::Snapshot) => &self.starts.snapshot,
            (RowsKind::Insert, _) => &self.starts.insert,
            (RowsKind::Update, _) => &self.starts.update,
            (RowsKind::Delete, _) => &self.starts.delete,
        };
        text.head.extend_from_slice(start);
        origin.write_time_and_id(&mut text.head);
        text.middle.clear();
        origin.write_seq(&mut text.middle);
        text.tail.clear();
        origin.write_position(&mut text.tail);
        if let Some(query) = block.query.as_ref().filter(|_| self.carries.query) {
            origin.layout.write_label(Name::Query, &mut text.tail);
            write_json_string(query, &mut text.tail);
        }
        text.tail.extend_from_slice(&self.opening);
    }

    fn row(&mut self, event: &RowEvent<'_>, out: &mut Vec<u8>) -> Result<Written, Error> {
        let start = out.len();
        let written = match (self.is_shaped, self.encoder.layout.is_flat()) {
            (false, false) => self.write_row::<false, false>(event, out),
            (false, true) => self.write_row::<false, true>(event, out),
            (true, false) => self.write_row::<true, false>(event, out),
            (true, true) => self.write_row::<true, true>(event, out),
        };
        if written.is_err() {
            out.truncate(start);
        }
        written.map(|()| Written::Last)
    }

    fn columns(
        &mut self,
        event: &RowEvent<'_>,
        names: &[String],
        out: &mut Vec<u8>,
    ) -> Result<(), Error> {
        columns::write_values(event, &self.columns, names, self.invalid_text, out)
    }

    fn key(&mut self, event: &RowEvent<'_>, out: &mut Vec<u8>) -> Result<(), Error> {
        let (data, before) = columns::images(event)?;
        out.push(b'{');
        self.write_key::<true>(data, before, out)?;
        out.push(b'}');
        Ok(())
    }
}

#[cfg(test)]
mod tests;
