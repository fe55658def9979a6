//! What Athena's queries say, over files and over tables of Iceberg alike: the types and functions of Trino.
//!
//! TRY_CAST gives NULL where a value does not fit. Text has no length. A TIMESTAMP has microseconds only if it says so.
//! <https://docs.aws.amazon.com/athena/latest/ug/data-types.html>,
//! <https://trino.io/docs/current/functions/conversion.html>

use crate::stored::Stored;

/// Of a table or column in the Glue Data Catalog.
pub(super) const IDENTIFIER_BYTES_MAX: usize = 255;

pub(super) fn column_type(stored: Stored) -> String {
    match stored {
        Stored::SmallInt => "SMALLINT".into(),
        Stored::Integer => "INTEGER".into(),
        Stored::BigInt => "BIGINT".into(),
        Stored::Numeric { precision, scale } => format!("DECIMAL({precision}, {scale})"),
        Stored::Real => "REAL".into(),
        Stored::Double => "DOUBLE".into(),
        Stored::Date => "DATE".into(),
        Stored::Timestamp => "TIMESTAMP(6)".into(),
        Stored::Varchar { .. } | Stored::Document => "VARCHAR".into(),
        Stored::Binary { .. } => "VARBINARY".into(),
    }
}

/// Of an expression of text, which may be another plain type.
pub(super) fn cast(text: &str, stored: Stored) -> String {
    match stored {
        Stored::Varchar { .. } | Stored::Document => text.to_owned(),
        Stored::Binary { .. } => format!("TRY(FROM_BASE64({text}))"),
        stored => format!("TRY_CAST({text} AS {})", column_type(stored)),
    }
}

/// FROM_UNIXTIME has milliseconds.
pub(super) fn time_of(microseconds: &str) -> String {
    format!("CAST(FROM_UNIXTIME_NANOS({microseconds} * 1000) AS TIMESTAMP(6))")
}
