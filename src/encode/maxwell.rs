//! Maxwell's row JSON (`RowMap.toJSON` of Maxwell 1.45), for consumers that were written for it.
//!
//! Fields and their order are Maxwell's; `docs/formats.md` lists where its values are wrong and these are
//! right. `xid` and `commit` are known at a transaction's end only: a row that is encoded before goes without.
//! What is constant in a table or block is written once for it; a row allocates nothing.
//! Not here: Maxwell's encryption, `push_ts` (the clock), `schema_id` (there is no schema store).

mod bootstrap;
mod geometry;
mod options;
mod partition;
mod statement;
mod value;

use std::sync::Arc;

use headwater_actors::ports::encoder::{Encoder, RowEvent, StatementEvent, TableEncoder, Written};
use headwater_binlog::{
    Error,
    json::{escape_json, write_json_string},
    rows::{Cell, Image, RowsBlock, RowsKind},
    schema::Table,
    transaction::Transaction,
};

pub use self::options::{MaxwellOptions, PartitionBy, PartitionFallback};
use super::{
    columns::{self, ColumnPlan, KeyColumn, OLD_KEPT_BYTES_MAX, next_cell},
    shape::{InvalidText, ShapeRules, Treatment},
    value::write_integer,
};

/// Writes Maxwell's JSON.
#[derive(Debug, Clone)]
pub struct MaxwellEncoder {
    options: Arc<MaxwellOptions>,
    shape: ShapeRules,
}

impl MaxwellEncoder {
    pub fn new(options: Arc<MaxwellOptions>, shape: ShapeRules) -> Self {
        Self { options, shape }
    }
}

impl Encoder for MaxwellEncoder {
    fn plan(&self, table: &Arc<Table>) -> Box<dyn TableEncoder> {
        Box::new(MaxwellTable::new(self.clone(), table))
    }

    fn statement(&self, event: &StatementEvent<'_>, out: &mut Vec<u8>) -> Result<Written, Error> {
        if let Some(written) = bootstrap::write(&self.options, event, out) {
            return Ok(written);
        }
        if !self.options.output_ddl {
            return Ok(Written::Nothing);
        }
        statement::write(&self.options, event, out)
    }
}

/// One table's plan with what the current block has in common.
struct MaxwellTable {
    encoder: MaxwellEncoder,
    invalid_text: InvalidText,
    table: Arc<Table>,
    columns: Vec<ColumnPlan>,
    key: Vec<KeyColumn>,
    /// Those of `partition_columns` that the table has, as if they were its key.
    partition_columns: Vec<KeyColumn>,
    /// `{"database":"...","table":"..."`
    name: Vec<u8>,
    /// `,"primary_key_columns":["id"]`
    key_names: Vec<u8>,
    /// Up to `ts`, and what stands between `commit` and the key.
    head: Vec<u8>,
    middle: Vec<u8>,
    tells_commit: bool,
    /// The update's old values, each with a comma in front, while its data is written.
    old: Vec<u8>,
}

impl MaxwellTable {
    fn new(encoder: MaxwellEncoder, table: &Arc<Table>) -> Self {
        let (columns, key, _) = columns::plans(table, &encoder.shape);
        let place = |name: &String| table.columns.iter().position(|it| it.name == *name);
        let wanted = encoder.options.partition_columns.iter().filter_map(place);
        let mut name = b"{\"database\":".to_vec();
        write_json_string(&table.name.database, &mut name);
        name.extend_from_slice(b",\"table\":");
        write_json_string(&table.name.table, &mut name);
        Self {
            invalid_text: encoder.shape.invalid_text(),
            partition_columns: columns::plans_of(wanted, table, &encoder.shape),
            key_names: key_names(table, &key),
            columns,
            key,
            name,
            head: Vec::new(),
            middle: Vec::new(),
            tells_commit: false,
            old: Vec::new(),
            table: Arc::clone(table),
            encoder,
        }
    }

    fn write_row(&mut self, event: &RowEvent<'_>, out: &mut Vec<u8>) -> Result<(), Error> {
        let (data, before) = columns::images(event)?;
        let options = Arc::clone(&self.encoder.options);
        out.extend_from_slice(&self.head);
        if self.tells_commit {
            self.write_commit(event, out);
        }
        out.extend_from_slice(&self.middle);
        if options.output_primary_key {
            out.extend_from_slice(b",\"primary_key\":[");
            let mut is_first = true;
            columns::for_key(&self.key, data, before, |key, cell| {
                if !is_first {
                    out.push(b',');
                }
                is_first = false;
                self.write_value(&key.plan, cell, out)
                    .map_err(|error| self.in_column(key.column, error))
                    .map(drop)
            })?;
            out.push(b']');
        }
        if options.output_primary_key_columns {
            out.extend_from_slice(&self.key_names);
        }
        out.extend_from_slice(b",\"data\":{");
        self.write_data(data, before, out)?;
        out.push(b'}');
        if !self.old.is_empty() {
            out.extend_from_slice(b",\"old\":{");
            out.extend_from_slice(self.old.get(1..).unwrap_or_default());
            out.push(b'}');
            if self.old.capacity() > OLD_KEPT_BYTES_MAX {
                self.old = Vec::new();
            }
        }
        out.push(b'}');
        Ok(())
    }

    fn write_commit(&self, event: &RowEvent<'_>, out: &mut Vec<u8>) {
        let end = event.block.transaction.end.get();
        if let Some(xid) = end.and_then(|end| end.xid) {
            out.extend_from_slice(b",\"xid\":");
            write_integer(xid, out);
        }
        if end.is_some_and(|end| end.last == Some(event.n)) {
            out.extend_from_slice(b",\"commit\":true");
        } else if self.encoder.options.output_xoffset {
            out.extend_from_slice(b",\"xoffset\":");
            write_integer(event.n, out);
        }
    }

    /// Data to `out`, and what changed to `self.old`, in one walk over both images. What the after image
    /// lacks is taken from the one before: it has not changed.
    fn write_data(
        &mut self,
        data: Image<'_>,
        before: Option<Image<'_>>,
        out: &mut Vec<u8>,
    ) -> Result<(), Error> {
        let mut old = std::mem::take(&mut self.old);
        old.clear();
        let mut cells = data.cells();
        let mut befores = before.map(|before| before.cells());
        let mut is_first = true;
        let mut write = |plan: &ColumnPlan| {
            let is = next_cell(&mut cells)?;
            let was = match &mut befores {
                Some(befores) => next_cell(befores)?,
                None => Cell::Absent,
            };
            let shown = if is == Cell::Absent { was } else { is };
            if plan.is_dropped() || shown == Cell::Absent {
                return Ok(());
            }
            let start = out.len();
            plan.write_label(is_first, out);
            let text = out.len()..;
            let is_value = self.write_value(plan, shown, out)?;
            if is != was && is != Cell::Absent && was != Cell::Absent {
                let now = out.get(text).unwrap_or_default();
                self.write_old(plan, was, now, &mut old)?;
            }
            if is_value || self.encoder.options.output_nulls {
                is_first = false;
            } else {
                out.truncate(start);
            }
            Ok(())
        };
        let mut walked = Ok(());
        for (column, plan) in self.columns.iter().enumerate() {
            walked = write(plan).map_err(|error| self.in_column(column, error));
            if walked.is_err() {
                break;
            }
        }
        self.old = old;
        walked
    }

    /// Unless it is written like the value `now`. Of a masked column it is: what changed is told by its bytes.
    fn write_old(
        &self,
        plan: &ColumnPlan,
        was: Cell<'_>,
        now: &[u8],
        old: &mut Vec<u8>,
    ) -> Result<(), Error> {
        let start = old.len();
        plan.write_label(false, old);
        let text = old.len()..;
        self.write_value(plan, was, old)?;
        if matches!(plan.treatment, Treatment::Keep) && old.get(text) == Some(now) {
            old.truncate(start);
        }
        Ok(())
    }

    /// Whether it is a value: null is none.
    fn write_value(
        &self,
        plan: &ColumnPlan,
        cell: Cell<'_>,
        out: &mut Vec<u8>,
    ) -> Result<bool, Error> {
        let bytes = match cell {
            Cell::Bytes(bytes) => Some(bytes),
            Cell::Null | Cell::Absent => None,
        };
        if let Treatment::Mask(mask) = &plan.treatment {
            let start = out.len();
            mask.write(&plan.kind, bytes, self.invalid_text, out)?;
            return Ok(out.get(start..) != Some(b"null"));
        }
        let Some(bytes) = bytes else {
            out.extend_from_slice(b"null");
            return Ok(false);
        };
        let has_zero_dates = !self.encoder.options.output_null_zerodates;
        value::write(&plan.kind, bytes, has_zero_dates, self.invalid_text, out)
    }

    fn write_key_object(
        &self,
        data: Image<'_>,
        before: Option<Image<'_>>,
        out: &mut Vec<u8>,
    ) -> Result<(), Error> {
        let mut is_first = true;
        out.push(b'{');
        columns::for_key(&self.key, data, before, |key, cell| {
            key.plan.write_label(is_first, out);
            is_first = false;
            self.write_value(&key.plan, cell, out)
                .map_err(|error| self.in_column(key.column, error))
                .map(drop)
        })?;
        out.push(b'}');
        Ok(())
    }

    fn in_column(&self, column: usize, error: Error) -> Error {
        columns::in_column(&self.table, column, error)
    }
}

impl TableEncoder for MaxwellTable {
    fn block(&mut self, block: &RowsBlock, _epoch: u32) {
        if !Arc::ptr_eq(&self.table, &block.table) && self.table != block.table {
            *self = Self::new(self.encoder.clone(), &block.table);
        }
        let (options, transaction) = (&self.encoder.options, &block.transaction);
        self.head.clear();
        self.head.extend_from_slice(&self.name);
        if let (true, Some(query)) = (options.output_row_query, &block.query) {
            self.head.extend_from_slice(b",\"query\":");
            write_json_string(query, &mut self.head);
        }
        self.head
            .extend_from_slice(match (block.kind, &transaction.snapshot) {
                (_, Some(_)) => b",\"type\":\"bootstrap-insert\",\"ts\":",
                (RowsKind::Insert, _) => b",\"type\":\"insert\",\"ts\":",
                (RowsKind::Update, _) => b",\"type\":\"update\",\"ts\":",
                (RowsKind::Delete, _) => b",\"type\":\"delete\",\"ts\":",
            });
        write_integer(transaction.commit_us / 1_000_000, &mut self.head);
        self.tells_commit = options.output_commit_info && transaction.snapshot.is_none();
        self.middle.clear();
        if let Some(snapshot) = &transaction.snapshot {
            bootstrap::write_comment(snapshot, &mut self.middle);
            return;
        }
        write_origin(options, transaction, block.event_offset, &mut self.middle);
        if options.output_server_id {
            self.middle.extend_from_slice(b",\"server_id\":");
            write_integer(transaction.server_id, &mut self.middle);
        }
        if let (true, Some(thread_id)) = (options.output_thread_id, transaction.thread_id) {
            self.middle.extend_from_slice(b",\"thread_id\":");
            write_integer(thread_id, &mut self.middle);
        }
    }

    fn row(&mut self, event: &RowEvent<'_>, out: &mut Vec<u8>) -> Result<Written, Error> {
        let start = out.len();
        let written = self.write_row(event, out);
        if written.is_err() {
            out.truncate(start);
        }
        written.map(|()| Written::Last)
    }

    fn key(&mut self, event: &RowEvent<'_>, out: &mut Vec<u8>) -> Result<(), Error> {
        let (data, before) = columns::images(event)?;
        self.write_key_object(data, before, out)
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
        _line: u32,
        out: &mut Vec<u8>,
    ) -> Result<(), Error> {
        partition::write(self, event, out)
    }
}

/// `,"primary_key_columns":["id"]`
fn key_names(table: &Table, key: &[KeyColumn]) -> Vec<u8> {
    let mut out = b",\"primary_key_columns\":[".to_vec();
    let names = key.iter().filter_map(|key| table.columns.get(key.column));
    for (index, column) in names.enumerate() {
        if index > 0 {
            out.push(b',');
        }
        write_json_string(&column.name, &mut out);
    }
    out.push(b']');
    out
}

/// `,"position":"FILE:OFFSET","gtid":"..."`, as far as the options want them.
fn write_origin(
    options: &MaxwellOptions,
    transaction: &Transaction,
    offset: u64,
    out: &mut Vec<u8>,
) {
    if options.output_position {
        out.extend_from_slice(b",\"position\":\"");
        escape_json(&transaction.file.name, out);
        out.push(b':');
        write_integer(offset, out);
        out.push(b'"');
    }
    if options.output_gtid {
        out.extend_from_slice(b",\"gtid\":");
        columns::write_gtid(transaction, out);
    }
}

#[cfg(test)]
mod tests;
