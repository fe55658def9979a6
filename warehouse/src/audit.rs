//! One table of MySQL against its table in the warehouse: the twin of `headwater warehouse audit`.
//!
//! The mark is a place in the log up to which all was visible when MySQL's rows were read. A row of the warehouse whose
//! `_seq` lies behind the mark has moved on since, and says nothing. Each other one must be what MySQL has. A row that
//! was changed in MySQL behind the mark, and whose line is not merged yet, looks different until it is: so a difference
//! counts only when all of that is merged, and no difference counts at once.
//!
//! Of each row of MySQL two hashes are kept, 16 bytes: of ten million keys two share one with a chance of three in a
//! million. The warehouse may be read again and again against them.

use std::hash::{DefaultHasher, Hasher};

use serde::Serialize;

/// Memory that a row takes while its table is compared.
pub const ROW_BYTES: usize = size_of::<Row>() + size_of::<Met>();

#[derive(Debug, Clone, Copy)]
struct Row {
    key: u64,
    values: u64,
}

/// The canonical texts of some columns of a row, one after the other.
#[derive(Debug, Default)]
pub struct Digest(DefaultHasher);

impl Digest {
    pub fn add(&mut self, value: Option<&str>) {
        match value {
            None => self.0.write_u8(0),
            Some(text) => {
                self.0.write_u8(1);
                self.0.write_usize(text.len());
                self.0.write(text.as_bytes());
            }
        }
    }

    pub fn finish(&self) -> u64 {
        self.0.finish()
    }
}

/// The rows of MySQL.
#[derive(Debug, Default)]
pub struct Rows {
    rows: Vec<Row>,
    is_sorted: bool,
}

impl Rows {
    pub fn push(&mut self, key: &Digest, values: &Digest) {
        self.is_sorted = false;
        self.rows.push(Row {
            key: key.finish(),
            values: values.finish(),
        });
    }

    pub fn len(&self) -> usize {
        self.rows.len()
    }

    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// One reading of the warehouse. `mark` is a `seq`.
    pub fn begin<'a>(&'a mut self, mark: &'a str) -> Reading<'a> {
        if !self.is_sorted {
            self.rows.sort_unstable_by_key(|row| row.key);
            self.is_sorted = true;
        }
        Reading {
            met: vec![Met::Never; self.rows.len()],
            rows: &self.rows,
            mark,
            found: Compared::default(),
        }
    }
}

/// A row of the warehouse.
#[derive(Debug, Clone, Copy)]
pub struct Stored<'a> {
    pub key: u64,
    pub values: u64,
    pub seq: &'a str,
    pub is_deleted: bool,
}

/// What is wrong with a row of the warehouse.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wrong {
    /// MySQL does not have it; or the warehouse has more than one row of this key.
    Extra,
    Different,
}

/// Rows, counted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Compared {
    pub equal: u64,
    /// Changed since MySQL was read.
    pub moved_on: u64,
    pub missing: u64,
    pub extra: u64,
    pub different: u64,
}

impl Compared {
    pub fn is_clean(&self) -> bool {
        self.missing == 0 && self.extra == 0 && self.different == 0
    }
}

/// Whether the warehouse has a row of a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Met {
    Never,
    Gone,
    There,
}

#[derive(Debug)]
pub struct Reading<'a> {
    rows: &'a [Row],
    met: Vec<Met>,
    mark: &'a str,
    found: Compared,
}

impl Reading<'_> {
    /// What is wrong with the row, if anything is.
    pub fn take(&mut self, stored: Stored<'_>) -> Option<Wrong> {
        let place = self.place(stored.key);
        let row = place.and_then(|place| self.rows.get(place));
        let has_moved_on = self.mark < stored.seq;
        // A row that is gone in the warehouse and there in MySQL is missing, like one that never came.
        let met = if has_moved_on || !stored.is_deleted {
            Met::There
        } else {
            Met::Gone
        };
        // No warehouse forbids it, and no merge makes it.
        if self.meet(place, met) {
            self.found.extra += 1;
            return Some(Wrong::Extra);
        }
        if has_moved_on {
            self.found.moved_on += 1;
            return None;
        }
        match row {
            _ if stored.is_deleted => None,
            Some(row) if row.values == stored.values => {
                self.found.equal += 1;
                None
            }
            Some(_) => {
                self.found.different += 1;
                Some(Wrong::Different)
            }
            None => {
                self.found.extra += 1;
                Some(Wrong::Extra)
            }
        }
    }

    /// A row that is there, and not compared.
    pub fn pass_over(&mut self, key: u64) {
        self.meet(self.place(key), Met::There);
    }

    /// Of the key among MySQL's rows, if it is there.
    fn place(&self, key: u64) -> Option<usize> {
        self.rows.binary_search_by_key(&key, |row| row.key).ok()
    }

    /// Whether there was one before.
    fn meet(&mut self, place: Option<usize>, now: Met) -> bool {
        let Some(met) = place.and_then(|place| self.met.get_mut(place)) else {
            return false;
        };
        let before = *met;
        if before != Met::There {
            *met = now;
        }
        before != Met::Never
    }

    /// The counts, and the hashes of the keys that are missing, in their order.
    pub fn finish(mut self) -> (Compared, Vec<u64>) {
        let all = self.rows.iter().zip(&self.met);
        let missing = all.filter(|(_, met)| **met != Met::There);
        let missing: Vec<u64> = missing.map(|(row, _)| row.key).collect();
        self.found.missing = missing.len() as u64;
        (self.found, missing)
    }
}

#[cfg(test)]
mod tests;
