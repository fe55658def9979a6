//! A row of the binary protocol becomes the row image of an INSERT.
//!
//! The two have the same order and nearly the same numbers, and differ in lengths, dates, decimals and documents. What
//! each column takes is worked out once a table; a row is one pass without allocation (documents use lists that are
//! kept from row to row). Every value is checked against its column: what the column cannot hold is an error, never
//! an image that reads as something else. Which expressions give rows of this form: [`super::selected`].
//! Formats: <https://dev.mysql.com/doc/dev/mysql-server/latest/page_protocol_binary_resultset.html>; `pack_row` of
//! sql/rpl_record.cc.

mod numbers;
mod sent;
mod step;
mod temporal;

use step::{Step, Unfit};

use crate::{Error, json::Documents, schema::Table, value::type_name};

const WHAT: &str = "row of a SELECT";
/// In front of a row's NULL bits.
const HEADER: u8 = 0;
/// The first NULL bits of a row belong to no column.
const UNUSED_BITS: usize = 2;

/// Writes the rows of one table. Keep one per table: it holds what a row's conversion needs.
#[derive(Debug)]
pub struct RowWriter {
    table: String,
    columns: Vec<Planned>,
    documents: Documents,
}

#[derive(Debug)]
struct Planned {
    step: Step,
    is_nullable: bool,
    name: String,
    type_name: &'static str,
}

impl RowWriter {
    pub fn new(table: &Table) -> Self {
        let planned = |column: &crate::schema::Column| Planned {
            step: Step::of(&column.kind),
            is_nullable: column.nullable,
            name: column.name.clone(),
            type_name: type_name(&column.kind),
        };
        Self {
            table: table.name.to_string(),
            columns: table.columns.iter().map(planned).collect(),
            documents: Documents::default(),
        }
    }

    /// Appends the image of an INSERT of `row` with all columns: NULL bits, then the values that are not NULL.
    /// `row` is a Binary Protocol Resultset Row with its header byte 0x00. After an error `out` is as it was.
    ///
    /// # Errors
    /// The row does not fit the table; names the column, never a value.
    #[inline]
    pub fn write(&mut self, row: &[u8], out: &mut Vec<u8>) -> Result<(), Error> {
        let begin = out.len();
        let written = self.image(row, out);
        if written.is_err() {
            out.truncate(begin);
        }
        written
    }

    fn image(&mut self, row: &[u8], out: &mut Vec<u8>) -> Result<(), Error> {
        let count = self.columns.len();
        let null_bytes = (count + UNUSED_BITS).div_ceil(8);
        let head = match row {
            [HEADER, rest @ ..] => rest.split_at_checked(null_bytes),
            _ => return Err(self.no_row("another header than 0x00")),
        };
        let Some((nulls, mut values)) = head else {
            return Err(self.no_row("shorter than its NULL bits"));
        };
        put_nulls(nulls, count, out);
        for (index, column) in self.columns.iter().enumerate() {
            let bit = index + UNUSED_BITS;
            let is_null = nulls
                .get(bit / 8)
                .is_some_and(|bits| bits >> (bit % 8) & 1 == 1);
            if is_null {
                if !column.is_nullable {
                    return Err(self.unfit(column, Unfit("NULL in a column that has none")));
                }
                continue;
            }
            if let Err(found) = column.step.write(&mut values, &mut self.documents, out) {
                return Err(self.unfit(column, found));
            }
        }
        if !values.is_empty() {
            return Err(self.no_row("bytes behind its last column"));
        }
        Ok(())
    }

    #[cold]
    fn no_row(&self, found: &'static str) -> Error {
        Error::malformed(WHAT, format_args!("of table `{}`: {found}", self.table))
    }

    #[cold]
    fn unfit(&self, column: &Planned, found: Unfit) -> Error {
        Error::malformed(
            WHAT,
            format_args!(
                "column `{}` of table `{}` ({}): {}",
                column.name, self.table, column.type_name, found.0
            ),
        )
    }
}

/// The same bits from the first one on. Those behind the last column say nothing: MySQL leaves them 0 since 8.0,
/// older servers and MariaDB set them.
#[inline]
fn put_nulls(nulls: &[u8], count: usize, out: &mut Vec<u8>) {
    let bytes = count.div_ceil(8);
    let following = nulls.iter().skip(1).chain(&[0]);
    for (bits, next) in nulls.iter().zip(following).take(bytes) {
        out.push(bits >> UNUSED_BITS | next << (8 - UNUSED_BITS));
    }
    if let Some(last) = out.last_mut().filter(|_| !count.is_multiple_of(8)) {
        *last &= !(0xff << (count % 8));
    }
}

#[cfg(test)]
mod tests;
