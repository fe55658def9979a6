//! The keys that have changed while a window is open, in bytes of row images, and how much that may be.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

use headwater_binlog::{
    Error,
    rows::{Cell, Image, Row, RowsBlock, RowsKind},
    schema::Table,
    snapshot::{KeyReader, join, split},
};

use crate::{ports::snapshot::Description, snapshot::Key};

/// The keys that the stream changed in one window. While the chunk is read, [`KEPT_BYTES_MAX`] bounds their bytes. Once
/// the chunk has arrived, its own keys bound them, because the log may lag far behind it.
#[derive(Debug, Default)]
pub(super) struct Changed {
    /// Whether the stream has sent the row as a whole.
    keys: HashMap<Box<[u8]>, bool>,
    bytes: usize,
    /// No others count.
    only: Option<HashSet<Box<[u8]>>>,
}

/// Tests fill it with a dozen keys.
pub(super) const KEPT_BYTES_MAX: usize = if cfg!(test) { 1024 } else { 512 * 1024 };
/// Of a key in the map, beside its bytes.
const KEY_OVERHEAD_BYTES: usize = 64;

impl Changed {
    pub(super) fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// Whether more has changed than is kept.
    pub(super) fn is_full(&self) -> bool {
        self.only.is_none() && KEPT_BYTES_MAX < self.bytes
    }

    /// Whether it is time to keep those of the chunk alone.
    pub(super) fn is_filling(&self) -> bool {
        self.only.is_none() && KEPT_BYTES_MAX / 2 < self.bytes
    }

    /// Keeps these alone from now on.
    pub(super) fn narrow(&mut self, only: HashSet<Box<[u8]>>) {
        self.keys.retain(|key, _| only.contains(key));
        self.only = Some(only);
    }

    /// Whether the key has changed, and if so whether the stream has sent its row as a whole.
    pub(super) fn get(&self, key: &[u8]) -> Option<bool> {
        self.keys.get(key).copied()
    }

    /// Whether the key has changed, and the stream has sent a part of its row.
    pub(super) fn is_untold(&self, key: &Key) -> bool {
        // One that is too long for a key was never read.
        bytes_of(key).is_ok_and(|bytes| self.get(&bytes) == Some(false))
    }

    fn add(&mut self, key: &[u8], is_whole: bool) {
        let is_other = |only: &HashSet<Box<[u8]>>| !only.contains(key);
        if self.is_full() || self.only.as_ref().is_some_and(is_other) {
            return;
        }
        match self.keys.get_mut(key) {
            // The newest word counts: a row that was deleted or written anew is whole again.
            Some(known) => *known = is_whole,
            None => {
                self.bytes += key.len() + KEY_OVERHEAD_BYTES;
                self.keys.insert(key.into(), is_whole);
            }
        }
    }
}

/// Where a described key stands in the stream's own description of its table.
#[derive(Debug)]
pub(super) struct KeyPlace {
    table: Arc<Table>,
    columns: Vec<usize>,
    reader: KeyReader,
}

impl KeyPlace {
    /// `None` where the stream's table is another one than was described.
    pub(super) fn find(description: &Description, table: &Arc<Table>) -> Option<Self> {
        let described = &description.table;
        let place = |index: &usize| {
            let wanted = described.columns.get(*index)?;
            let place = table.columns.iter().position(|it| it.name == wanted.name)?;
            (table.columns.get(place)?.kind == wanted.kind).then_some(place)
        };
        let columns: Option<Vec<usize>> = description.key.iter().map(place).collect();
        let columns = columns.filter(|columns| !columns.is_empty())?;
        let reader = KeyReader::new(table, &columns).ok()?;
        Some(Self {
            table: Arc::clone(table),
            columns,
            reader,
        })
    }

    pub(super) fn is_of(&self, table: &Arc<Table>) -> bool {
        Arc::ptr_eq(&self.table, table)
    }

    /// Hands the block's changes to the windows. Rows whose key has moved, and of which the log has told a part only,
    /// are given back: they may have left what is still to be read.
    pub(super) fn keep(
        &self,
        block: &RowsBlock,
        windows: &mut [&mut Changed],
    ) -> Result<Vec<Key>, Error> {
        let is_whole = block.kind == RowsKind::Delete || block.after.is_all();
        if is_whole && windows.is_empty() {
            return Ok(Vec::new());
        }
        let mut moved = Vec::new();
        let (mut before, mut after) = (Vec::new(), Vec::new());
        for row in block.rows() {
            let (_, row) = row?;
            self.read(row.before.as_ref(), None, &mut before)?;
            self.read(row.after.as_ref(), row.before.as_ref(), &mut after)?;
            let is_update = row.before.is_some() && row.after.is_some();
            for changed in windows.iter_mut() {
                if !is_update {
                    // What the stream itself has inserted it tells as far as the log does.
                    changed.add(if before.is_empty() { &after } else { &before }, true);
                    continue;
                }
                let is_told = is_whole || changed.get(&before) == Some(true);
                changed.add(&before, is_told || before != after);
                changed.add(&after, is_told);
            }
            if is_update && !is_whole && before != after {
                moved.push(key_of(&after));
            }
        }
        Ok(moved)
    }

    /// The key of an image; what it lacks has not changed.
    fn read(
        &self,
        image: Option<&Image<'_>>,
        before: Option<&Image<'_>>,
        out: &mut Vec<u8>,
    ) -> Result<(), Error> {
        out.clear();
        let Some(image) = image else {
            return Ok(());
        };
        if self.reader.read(image, out)? {
            return Ok(());
        }
        for column in &self.columns {
            let mut cell = cell(image, *column)?;
            if let (Cell::Absent, Some(before)) = (cell, before) {
                cell = self::cell(before, *column)?;
            }
            // A key column of an insert that was left to its default.
            let Cell::Bytes(bytes) = cell else {
                return Err(Error::Refused(format!(
                    "a change of table `{}` lacks a column of its key",
                    self.table.name
                )));
            };
            join(bytes, out)?;
        }
        Ok(())
    }
}

/// As [`KeyReader::read`] gives it.
pub(super) fn bytes_of(key: &Key) -> Result<Vec<u8>, Error> {
    let mut bytes = Vec::new();
    for value in key.0.iter() {
        join(value, &mut bytes)?;
    }
    Ok(bytes)
}

fn cell<'a>(image: &Image<'a>, column: usize) -> Result<Cell<'a>, Error> {
    image
        .cells()
        .nth(column)
        .unwrap_or_else(|| Err(Error::malformed("row image", "fewer columns than its key")))
}

pub(super) fn key_of(bytes: &[u8]) -> Key {
    Key(split(bytes).map(Into::into).collect())
}

/// Whether the log tells a part of the rows only.
pub(super) fn is_partial(block: &RowsBlock) -> bool {
    block.kind != RowsKind::Delete && !block.after.is_all()
}

/// Whether any row of a block that tells a part of them may have another key than before, where the key itself is
/// not known.
pub(super) fn may_have_moved(block: &RowsBlock) -> Result<bool, Error> {
    if block.kind != RowsKind::Update || !is_partial(block) {
        return Ok(false);
    }
    let key = &block.table.primary_key;
    let is_moved = |row: &Row<'_>| -> Result<bool, Error> {
        let (Some(before), Some(after)) = (&row.before, &row.after) else {
            return Ok(false);
        };
        for column in key {
            let is = cell(after, *column)?;
            if is != Cell::Absent && is != cell(before, *column)? {
                return Ok(true);
            }
        }
        Ok(key.is_empty())
    };
    for row in block.rows() {
        let (_, row) = row?;
        if is_moved(&row)? {
            return Ok(true);
        }
    }
    Ok(false)
}
