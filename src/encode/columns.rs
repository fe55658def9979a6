//! What every format needs of a table's columns: the label that stands before a value, and walks over images.

use headwater_actors::ports::encoder::RowEvent;
use headwater_binlog::{
    Error,
    json::write_json_string,
    rows::{Cell, Cells, Image, RowsKind},
    schema::{Column, ColumnKind, Table},
    transaction::Transaction,
    value::{self, Value},
};

use super::{
    shape::{self, InvalidText, ShapeRules, TableShape, Treatment},
    value::write_integer,
};

const LABEL_BYTES: usize = 32;

/// Of a larger update's old values the memory is given back.
pub(super) const OLD_KEPT_BYTES_MAX: usize = 64 * 1024;

/// One column's plan.
pub(super) struct ColumnPlan {
    /// `,"name":`
    label: Box<[u8]>,
    /// The label with spaces after it, where it fits: a copy of known width is a few instructions.
    padded: [u8; LABEL_BYTES],
    pub kind: ColumnKind,
    pub nullable: bool,
    pub treatment: Treatment,
}

/// A column of the key, which is shown.
pub(super) struct KeyColumn {
    pub column: usize,
    pub plan: ColumnPlan,
}

impl ColumnPlan {
    fn new(column: &Column, treatment: Treatment) -> Self {
        let mut label = vec![b','];
        write_json_string(&column.name, &mut label);
        label.push(b':');
        let mut padded = [b' '; LABEL_BYTES];
        if let Some(front) = padded.get_mut(..label.len()) {
            front.copy_from_slice(&label);
        }
        Self {
            label: label.into_boxed_slice(),
            padded,
            kind: column.kind.clone(),
            nullable: column.nullable,
            treatment,
        }
    }

    /// Appends the label: in front of the first column without its comma.
    #[inline(always)]
    pub fn write_label(&self, is_first: bool, out: &mut Vec<u8>) {
        if is_first || self.label.len() > LABEL_BYTES {
            let label = self.label.get(usize::from(is_first)..);
            out.extend_from_slice(label.unwrap_or_default());
        } else {
            let end = out.len() + self.label.len();
            out.extend_from_slice(&self.padded);
            out.truncate(end);
        }
    }

    pub fn is_dropped(&self) -> bool {
        matches!(self.treatment, Treatment::Drop)
    }
}

impl ColumnPlan {
    /// Appends the value as plain text, without quotes and escapes; of a masked column what is shown.
    pub fn write_text(
        &self,
        bytes: &[u8],
        invalid: InvalidText,
        out: &mut Vec<u8>,
    ) -> Result<(), Error> {
        match &self.treatment {
            Treatment::Drop => {}
            Treatment::Mask(mask) => {
                let mut shown = Vec::new();
                mask.write(&self.kind, Some(bytes), invalid, &mut shown)?;
                let text = shown.strip_prefix(b"\"").unwrap_or(&shown);
                out.extend_from_slice(text.strip_suffix(b"\"").unwrap_or(text));
            }
            Treatment::Keep => match value::read(&self.kind, bytes)? {
                Value::Int(number) => write_integer(number, out),
                Value::UInt(number) => write_integer(number, out),
                _ => {
                    out.extend_from_slice(shape::plain_text(&self.kind, bytes, invalid)?.as_bytes())
                }
            },
        }
        Ok(())
    }
}

/// The plans of a table's columns, and of those that its key shows in key order; whether the table has a shape.
pub(super) fn plans(table: &Table, rules: &ShapeRules) -> (Vec<ColumnPlan>, Vec<KeyColumn>, bool) {
    let shape = rules.table(table);
    let plan_of = |index| plan_of(index, table, shape.as_deref());
    let key = plans_of(table.primary_key.iter().copied(), table, rules);
    let columns = (0..table.columns.len()).filter_map(plan_of).collect();
    (columns, key, shape.is_some())
}

/// The plans of some columns, as of a key: those that are shown.
pub(super) fn plans_of(
    columns: impl Iterator<Item = usize>,
    table: &Table,
    rules: &ShapeRules,
) -> Vec<KeyColumn> {
    let shape = rules.table(table);
    let plans = columns.filter_map(|column| {
        let plan = plan_of(column, table, shape.as_deref())?;
        (!plan.is_dropped()).then_some(KeyColumn { column, plan })
    });
    plans.collect()
}

fn plan_of(index: usize, table: &Table, shape: Option<&TableShape>) -> Option<ColumnPlan> {
    let treatment = shape.map(|shape| shape.column(index).clone());
    let column = table.columns.get(index)?;
    Some(ColumnPlan::new(
        column,
        treatment.unwrap_or(Treatment::Keep),
    ))
}

/// The image that `data` shows, and an update's other one.
#[inline]
pub(super) fn images<'a>(event: &RowEvent<'a>) -> Result<(Image<'a>, Option<Image<'a>>), Error> {
    let (row, table) = (event.row, &event.block.table);
    let (data, before) = match event.block.kind {
        RowsKind::Insert => (row.after, None),
        RowsKind::Update => (row.after, row.before),
        RowsKind::Delete => (row.before, None),
    };
    let data = data.ok_or_else(|| cut_short(table, "row image"))?;
    if event.block.kind == RowsKind::Update && before.is_none() {
        return Err(cut_short(table, "before image"));
    }
    Ok((data, before))
}

/// Each of the columns with its cell in `data`, or where that lacks it in `before`.
#[inline]
pub(super) fn for_key<'a>(
    columns: &[KeyColumn],
    data: Image<'a>,
    before: Option<Image<'a>>,
    mut each: impl FnMut(&KeyColumn, Cell<'a>) -> Result<(), Error>,
) -> Result<(), Error> {
    let mut data = KeyWalk::new(data);
    let mut before = before.map(KeyWalk::new);
    for key in columns {
        let mut cell = data.cell(key.column)?;
        if let (Cell::Absent, Some(before)) = (cell, &mut before) {
            cell = before.cell(key.column)?;
        }
        each(key, cell)?;
    }
    Ok(())
}

/// Appends the values of these columns after the change as plain text, a comma between two of them. NULL and
/// what is not there add nothing.
pub(super) fn write_values(
    event: &RowEvent<'_>,
    plans: &[ColumnPlan],
    names: &[String],
    invalid: InvalidText,
    out: &mut Vec<u8>,
) -> Result<(), Error> {
    let table = &event.block.table;
    let images = [event.row.after, event.row.before];
    let start = out.len();
    for name in names {
        let place = table.columns.iter().position(|it| it.name == *name);
        let Some((place, plan)) = place.and_then(|place| Some((place, plans.get(place)?))) else {
            continue;
        };
        let mut cell = Cell::Absent;
        for image in images.into_iter().flatten() {
            if cell == Cell::Absent {
                cell = KeyWalk::new(image).cell(place)?;
            }
        }
        let Cell::Bytes(bytes) = cell else { continue };
        if plan.is_dropped() {
            continue;
        }
        if out.len() > start {
            out.push(b',');
        }
        plan.write_text(bytes, invalid, out)?;
    }
    Ok(())
}

/// The GTID as a JSON string, or null.
pub(super) fn write_gtid(transaction: &Transaction, out: &mut Vec<u8>) {
    match &transaction.gtid {
        Some(gtid) => write_json_string(&gtid.to_string(), out),
        None => out.extend_from_slice(b"null"),
    }
}

/// Finds key columns in an image: forward as far as it can, from the front where the key's order goes back.
pub(super) struct KeyWalk<'a> {
    image: Image<'a>,
    cells: Cells<'a>,
    next: usize,
}

impl<'a> KeyWalk<'a> {
    pub fn new(image: Image<'a>) -> Self {
        Self {
            image,
            cells: image.cells(),
            next: 0,
        }
    }

    pub fn cell(&mut self, column: usize) -> Result<Cell<'a>, Error> {
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
pub(super) fn next_cell<'a>(cells: &mut Cells<'a>) -> Result<Cell<'a>, Error> {
    match cells.next() {
        Some(cell) => cell,
        None => Err(Error::malformed(
            "row image",
            "fewer columns than the table",
        )),
    }
}

#[cold]
pub(super) fn cut_short(table: &Table, what: &'static str) -> Error {
    Error::malformed(what, format_args!("missing in table `{}`", table.name))
}

/// Names the column; the value itself never stands in a message.
#[cold]
pub(super) fn in_column(table: &Table, column: usize, error: Error) -> Error {
    let name = table.columns.get(column).map_or("", |it| &it.name);
    let place = format_args!("column `{name}` of table `{}`", table.name);
    match error {
        Error::Short { what, needed, left } => Error::malformed(
            what,
            format_args!("{place}: {needed} bytes needed, {left} left"),
        ),
        other => other.at(place),
    }
}
