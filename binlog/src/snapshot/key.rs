//! The bytes of some columns of a row image, one behind the other, each behind its length.
//!
//! Equal bytes are the same key only where the server compares bytes too: under a collation, keys that it counts as
//! one may differ here. Whoever needs the server's equality asks the server.

use crate::{
    Error,
    rows::{Cell, Image},
    schema::Table,
};

/// MySQL's limit is 16 columns, MariaDB's 32.
const COLUMNS_MAX: usize = 32;
const LENGTH_BYTES: usize = 4;

/// Which columns are read, worked out once a table.
#[derive(Debug, Clone)]
pub struct KeyReader {
    /// A column and its place in the key, in the table's order.
    columns: Vec<(usize, usize)>,
}

impl KeyReader {
    /// `columns` are indexes into the table's columns, in key order.
    ///
    /// # Errors
    /// None or more than 32 columns, a column twice, or one that the table lacks.
    pub fn new(table: &Table, columns: &[usize]) -> Result<Self, Error> {
        let mut columns: Vec<(usize, usize)> = columns
            .iter()
            .enumerate()
            .map(|(place, column)| (*column, place))
            .collect();
        columns.sort_unstable();
        let is_twice = columns
            .iter()
            .zip(columns.iter().skip(1))
            .any(|(one, next)| one.0 == next.0);
        let is_beyond = columns
            .last()
            .is_none_or(|last| last.0 >= table.columns.len());
        if is_twice || is_beyond || columns.len() > COLUMNS_MAX {
            return Err(Error::malformed(
                "key",
                format_args!(
                    "{} columns, which are not 1 to {COLUMNS_MAX} of the {} columns of table `{}`",
                    columns.len(),
                    table.columns.len(),
                    table.name
                ),
            ));
        }
        Ok(Self { columns })
    }

    /// Appends each column's bytes, as [`crate::value::cut`] gives them, behind their length (4 bytes, little-endian),
    /// in key order. False, and nothing is appended, where a column is not in the image or NULL.
    ///
    /// # Errors
    /// The image does not hold together.
    #[inline]
    pub fn read(&self, image: &Image<'_>, out: &mut Vec<u8>) -> Result<bool, Error> {
        let mut values: [&[u8]; COLUMNS_MAX] = [&[]; COLUMNS_MAX];
        let mut cells = image.cells();
        let mut next = 0;
        for (column, place) in &self.columns {
            let skipped = column - next;
            next = column + 1;
            for _ in 0..skipped {
                cells.next().transpose()?;
            }
            match (cells.next().transpose()?, values.get_mut(*place)) {
                (Some(Cell::Bytes(bytes)), Some(value)) => *value = bytes,
                _ => return Ok(false),
            }
        }
        for value in values.iter().take(self.columns.len()) {
            join(value, out)?;
        }
        Ok(true)
    }
}

/// Appends one more value, behind its length.
///
/// # Errors
/// It has 4 GiB or more.
#[inline]
pub fn join(value: &[u8], out: &mut Vec<u8>) -> Result<(), Error> {
    let length = u32::try_from(value.len())
        .map_err(|_| Error::malformed("key", "a value of 4 GiB or more"))?;
    out.extend_from_slice(&length.to_le_bytes());
    out.extend_from_slice(value);
    Ok(())
}

/// The values that [`KeyReader::read`] and [`join`] have appended. Ends where the bytes do not hold together.
pub fn split(bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = bytes;
    std::iter::from_fn(move || {
        let (length, behind) = rest.split_first_chunk::<LENGTH_BYTES>()?;
        let length = usize::try_from(u32::from_le_bytes(*length)).ok()?;
        let (value, behind) = behind.split_at_checked(length)?;
        rest = behind;
        Some(value)
    })
}

#[cfg(test)]
mod tests;
