//! Debezium's change events for MySQL as schemaless JSON (`schemas.enable=false` of Debezium 3.6), for
//! consumers that were written for it.
//!
//! Fields and their order are Debezium's; `docs/formats.md` lists where its values are wrong and these are
//! right. Where Debezium writes the time of its own processing stands the commit time: the same change gives
//! the same bytes. An update that changes the primary key is a delete and a create, and a delete can be
//! followed by an empty line, the tombstone: a change has up to three lines.
//! A snapshot's rows are those of Debezium's incremental snapshots: they stand among the changes.
//! Not here: transaction metadata, heartbeats, schemas.

mod options;
mod origin;
mod statement;
mod temporal;
mod unscaled;
mod value;

use std::sync::Arc;

use headwater_actors::ports::encoder::{Encoder, RowEvent, StatementEvent, TableEncoder, Written};
use headwater_binlog::{
    Error,
    rows::{Cell, Image, RowsBlock, RowsKind},
    schema::Table,
};

pub use self::options::{BigintUnsigned, Binaries, DebeziumOptions, Decimals, Skipped, Times};
use super::{
    columns::{self, ColumnPlan, KeyColumn, KeyWalk, next_cell},
    shape::{InvalidText, ShapeRules, Treatment},
};
use origin::{Op, Origin, OriginText};

/// Writes Debezium's JSON.
#[derive(Debug, Clone)]
pub struct DebeziumEncoder {
    options: Arc<DebeziumOptions>,
    shape: ShapeRules,
}

impl DebeziumEncoder {
    pub fn new(options: Arc<DebeziumOptions>, shape: ShapeRules) -> Self {
        Self { options, shape }
    }
}

impl Encoder for DebeziumEncoder {
    fn plan(&self, table: &Arc<Table>) -> Box<dyn TableEncoder> {
        Box::new(DebeziumTable::new(self.clone(), table))
    }

    fn statement(&self, event: &StatementEvent<'_>, out: &mut Vec<u8>) -> Result<Written, Error> {
        Ok(statement::write(&self.options, event, out))
    }
}

/// One table's plan with what the current block has in common.
struct DebeziumTable {
    encoder: DebeziumEncoder,
    invalid_text: InvalidText,
    table: Arc<Table>,
    columns: Vec<ColumnPlan>,
    key: Vec<KeyColumn>,
    /// The primary key's places, shown or not: whether it changed is told by its bytes.
    primary_key: Vec<usize>,
    origin: OriginText,
}

/// What a line of a change is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Line {
    Event(Op),
    Tombstone,
}

impl DebeziumTable {
    fn new(encoder: DebeziumEncoder, table: &Arc<Table>) -> Self {
        let (columns, key, _) = columns::plans(table, &encoder.shape);
        let mut primary_key = table.primary_key.clone();
        primary_key.sort_unstable();
        Self {
            invalid_text: encoder.shape.invalid_text(),
            columns,
            key,
            primary_key,
            origin: OriginText::default(),
            table: Arc::clone(table),
            encoder,
        }
    }

    /// Line `line` of the change, and whether another follows; `None`: the change has no lines.
    fn line(&self, event: &RowEvent<'_>, line: u32) -> Result<Option<(Line, bool)>, Error> {
        const DELETE: Line = Line::Event(Op::Delete);
        const CREATE: Line = Line::Event(Op::Create);
        const READ: Line = Line::Event(Op::Read);
        let skipped = self.encoder.options.skipped;
        let has_tombstones = self.encoder.options.tombstones_on_delete;
        let is_read = event.block.transaction.snapshot.is_some();
        let is_skipped = match event.block.kind {
            RowsKind::Insert => skipped.create && !is_read,
            RowsKind::Update => skipped.update,
            RowsKind::Delete => skipped.delete,
        };
        if is_skipped {
            return Ok(None);
        }
        let lines: &[Line] = match event.block.kind {
            RowsKind::Insert if is_read => &[READ],
            RowsKind::Insert => &[CREATE],
            RowsKind::Update if !self.is_moved(event)? => &[Line::Event(Op::Update)],
            RowsKind::Update if has_tombstones => &[DELETE, Line::Tombstone, CREATE],
            RowsKind::Update => &[DELETE, CREATE],
            RowsKind::Delete if has_tombstones => &[DELETE, Line::Tombstone],
            RowsKind::Delete => &[DELETE],
        };
        let line = line as usize;
        let found = lines.get(line).copied();
        Ok(found.map(|found| (found, line + 1 < lines.len())))
    }

    /// Whether the update changed the primary key.
    fn is_moved(&self, event: &RowEvent<'_>) -> Result<bool, Error> {
        let (Some(before), Some(after)) = (event.row.before, event.row.after) else {
            return Err(columns::cut_short(&self.table, "row image"));
        };
        let (mut before, mut after) = (KeyWalk::new(before), KeyWalk::new(after));
        for column in &self.primary_key {
            let (was, is) = (before.cell(*column)?, after.cell(*column)?);
            if was != is && was != Cell::Absent && is != Cell::Absent {
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn write(
        &mut self,
        event: &RowEvent<'_>,
        line: u32,
        out: &mut Vec<u8>,
    ) -> Result<Written, Error> {
        let start = out.len();
        let written = match self.line(event, line) {
            Ok(None) => return Ok(Written::Nothing),
            Ok(Some((line, has_more))) => {
                let written = match line {
                    Line::Event(op) => self.write_event(event, op, out),
                    Line::Tombstone => Ok(()),
                };
                written.map(|()| {
                    if has_more {
                        Written::More
                    } else {
                        Written::Last
                    }
                })
            }
            Err(error) => Err(error),
        };
        if written.is_err() {
            out.truncate(start);
        }
        written
    }

    fn write_event(
        &mut self,
        event: &RowEvent<'_>,
        op: Op,
        out: &mut Vec<u8>,
    ) -> Result<(), Error> {
        let (before, after) = (event.row.before, event.row.after);
        let image =
            |image: Option<_>| image.ok_or_else(|| columns::cut_short(&self.table, "row image"));
        let (before, after) = match op {
            Op::Create | Op::Read => (None, Some((image(after)?, before))),
            Op::Update => (Some((image(before)?, None)), Some((image(after)?, before))),
            Op::Delete => (Some((image(before)?, None)), None),
            Op::Truncate => (None, None),
        };
        out.extend_from_slice(b"{\"before\":");
        self.write_image(before, out)?;
        out.extend_from_slice(b",\"after\":");
        self.write_image(after, out)?;
        self.origin.write(event.n, op, out);
        Ok(())
    }

    /// What the image lacks is taken from the other one, if there is one: it has not changed.
    fn write_image(
        &mut self,
        image: Option<(Image<'_>, Option<Image<'_>>)>,
        out: &mut Vec<u8>,
    ) -> Result<(), Error> {
        let Some((image, other)) = image else {
            out.extend_from_slice(b"null");
            return Ok(());
        };
        out.push(b'{');
        let mut cells = image.cells();
        let mut others = other.map(|other| other.cells());
        let mut is_first = true;
        let mut write = |plan: &ColumnPlan| {
            let mut cell = next_cell(&mut cells)?;
            if let Some(others) = &mut others {
                let other = next_cell(others)?;
                if cell == Cell::Absent {
                    cell = other;
                }
            }
            let is_shown = cell != Cell::Absent || value::has_placeholder(&plan.kind);
            if is_shown && !plan.is_dropped() {
                plan.write_label(is_first, out);
                is_first = false;
                self.write_value(plan, cell, out)?;
            }
            Ok(())
        };
        let mut walked = Ok(());
        for (column, plan) in self.columns.iter().enumerate() {
            walked = write(plan).map_err(|error| columns::in_column(&self.table, column, error));
            if walked.is_err() {
                break;
            }
        }
        out.push(b'}');
        walked
    }

    fn write_value(
        &self,
        plan: &ColumnPlan,
        cell: Cell<'_>,
        out: &mut Vec<u8>,
    ) -> Result<(), Error> {
        let options = &self.encoder.options;
        match (&plan.treatment, cell) {
            (_, Cell::Absent) => value::write_placeholder(&plan.kind, options, out),
            (Treatment::Mask(mask), Cell::Null) => {
                mask.write(&plan.kind, None, self.invalid_text, out)?;
            }
            (Treatment::Mask(mask), Cell::Bytes(bytes)) => {
                mask.write(&plan.kind, Some(bytes), self.invalid_text, out)?;
            }
            (_, Cell::Null) => out.extend_from_slice(b"null"),
            (_, Cell::Bytes(bytes)) => {
                let target = value::Target {
                    kind: &plan.kind,
                    nullable: plan.nullable,
                    options,
                    invalid: self.invalid_text,
                };
                value::write(target, bytes, out)?;
            }
        }
        Ok(())
    }

    /// The record key: of what a delete ends, or of the row as it is.
    fn write_key(&self, event: &RowEvent<'_>, line: Line, out: &mut Vec<u8>) -> Result<(), Error> {
        let (image, other) = match line {
            Line::Event(Op::Create | Op::Read | Op::Update) => (event.row.after, event.row.before),
            Line::Event(_) | Line::Tombstone => (event.row.before, None),
        };
        let image = image.ok_or_else(|| columns::cut_short(&self.table, "row image"))?;
        let mut is_first = true;
        out.push(b'{');
        columns::for_key(&self.key, image, other, |key, cell| {
            if cell == Cell::Absent {
                return Ok(());
            }
            key.plan.write_label(is_first, out);
            is_first = false;
            self.write_value(&key.plan, cell, out)
                .map_err(|error| columns::in_column(&self.table, key.column, error))
        })?;
        out.push(b'}');
        Ok(())
    }
}

impl TableEncoder for DebeziumTable {
    fn block(&mut self, block: &RowsBlock, _epoch: u32) {
        if !Arc::ptr_eq(&self.table, &block.table) && self.table != block.table {
            *self = Self::new(self.encoder.clone(), &block.table);
        }
        let origin = Origin {
            options: &self.encoder.options,
            transaction: &block.transaction,
            table: &block.table.name,
            event_offset: block.event_offset,
            query: block.query.as_deref(),
        };
        origin.prepare(&mut self.origin);
    }

    fn row(&mut self, event: &RowEvent<'_>, out: &mut Vec<u8>) -> Result<Written, Error> {
        self.write(event, 0, out)
    }

    fn next_line(
        &mut self,
        event: &RowEvent<'_>,
        line: u32,
        out: &mut Vec<u8>,
    ) -> Result<Written, Error> {
        self.write(event, line, out)
    }

    fn key(&mut self, event: &RowEvent<'_>, out: &mut Vec<u8>) -> Result<(), Error> {
        let line = match event.block.kind {
            RowsKind::Insert | RowsKind::Update => Line::Event(Op::Update),
            RowsKind::Delete => Line::Event(Op::Delete),
        };
        self.write_key(event, line, out)
    }

    fn columns(
        &mut self,
        event: &RowEvent<'_>,
        names: &[String],
        out: &mut Vec<u8>,
    ) -> Result<(), Error> {
        columns::write_values(event, &self.columns, names, self.invalid_text, out)
    }

    fn partition_key(
        &mut self,
        event: &RowEvent<'_>,
        line: u32,
        out: &mut Vec<u8>,
    ) -> Result<(), Error> {
        match self.line(event, line)? {
            Some((line, _)) if !self.key.is_empty() => self.write_key(event, line, out),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests;
