//! What every format needs of a table's columns: the label that stands before a value, and walks over images.

use headwater_binlog::{
    Error,
    json::write_json_string,
    rows::{Cell, Cells, Image},
    schema::{Column, ColumnKind, Table},
};

use super::shape::{ShapeRules, TableShape, Treatment};

const LABEL_BYTES: usize = 32;

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

/// The plans of a table's columns, and of those that its key shows in key order; whether the table has a shape.
pub(super) fn plans(table: &Table, shape: &ShapeRules) -> (Vec<ColumnPlan>, Vec<KeyColumn>, bool) {
    let shape = shape.table(table);
    let treatment = |index| {
        let shape = shape.as_deref();
        shape.map_or(Treatment::Keep, |shape: &TableShape| {
            shape.column(index).clone()
        })
    };
    let plan_of = |index: usize| {
        let column = table.columns.get(index)?;
        Some(ColumnPlan::new(column, treatment(index)))
    };
    let key = table.primary_key.iter().filter_map(|&column| {
        let plan = plan_of(column)?;
        (!plan.is_dropped()).then_some(KeyColumn { column, plan })
    });
    let key = key.collect();
    let columns = (0..table.columns.len()).filter_map(plan_of).collect();
    (columns, key, shape.is_some())
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
