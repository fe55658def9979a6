//! Whether a statement's columns come in the form that a [`RowWriter`] reads.

use super::{RowWriter, Step};
use crate::Error;

/// Type bytes by the forms that the binary protocol has for them (`enum_field_types`).
const TINY: u8 = 1;
const SHORT: u8 = 2;
const LONG: u8 = 3;
const FLOAT: u8 = 4;
const DOUBLE: u8 = 5;
const TIMESTAMP: u8 = 7;
const LONGLONG: u8 = 8;
const INT24: u8 = 9;
const DATE: u8 = 10;
const TIME: u8 = 11;
const DATETIME: u8 = 12;
const YEAR: u8 = 13;

impl RowWriter {
    /// Checks the types that the server has announced for the columns of the statement, in their order: the type byte
    /// of each Column Definition. To be asked once a statement, so that no row is read by another form than its own.
    ///
    /// # Errors
    /// There are more or fewer columns than the table has, or one comes in another form; names the column.
    pub fn ensure_sent_as(&self, types: &[u8]) -> Result<(), Error> {
        if types.len() != self.columns.len() {
            return Err(self.no_row("another number of columns"));
        }
        for (column, type_byte) in self.columns.iter().zip(types) {
            if !column.step.takes(*type_byte) {
                return Err(Error::malformed(
                    super::WHAT,
                    format_args!(
                        "column `{}` of table `{}` ({}): it comes as type {type_byte}",
                        column.name, self.table, column.type_name
                    ),
                ));
            }
        }
        Ok(())
    }
}

impl Step {
    fn takes(self, type_byte: u8) -> bool {
        match self {
            Self::One => type_byte == TINY,
            Self::Two => type_byte == SHORT,
            Self::Year => matches!(type_byte, SHORT | YEAR),
            Self::Four => type_byte == LONG,
            Self::Medium { .. } => matches!(type_byte, LONG | INT24),
            Self::Eight | Self::Number { .. } => type_byte == LONGLONG,
            Self::Float => type_byte == FLOAT,
            Self::Double => type_byte == DOUBLE,
            Self::Date => type_byte == DATE,
            Self::Time(_) => type_byte == TIME,
            Self::DateTime(_) | Self::Timestamp(_) => matches!(type_byte, DATETIME | TIMESTAMP),
            // All others come behind their length: VARCHAR, BIT, VECTOR, JSON and what follows it, DECIMAL of 4.1.
            Self::Decimal { .. } => matches!(type_byte, 0 | 246),
            Self::Bit { .. } => type_byte == 16,
            Self::Json { .. } => type_byte == 245,
            Self::Vector { .. } => type_byte == 242,
            Self::Bytes { .. } | Self::Padded { .. } => {
                matches!(type_byte, 15 | 249..=255)
            }
        }
    }
}
