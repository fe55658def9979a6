//! Tables of Iceberg in Amazon Athena: a line is a row of a log, and its columns are the row's.
//!
//! Firehose takes a value for a column only if their types match, so a log has what the line has: text for a DECIMAL or a
//! date, which the merge casts. Iceberg has no integers of 16 bits.
//! <https://docs.aws.amazon.com/firehose/latest/dev/apache-iceberg-considerations.html>,
//! <https://docs.aws.amazon.com/athena/latest/ug/querying-iceberg-supported-data-types.html>

use super::{Member, trino};
use crate::{
    names::{quoted, ticked},
    stored::Stored,
    table::Column,
};

/// As CREATE TABLE spells it.
pub(super) fn column_type(stored: Stored) -> String {
    match stored {
        Stored::SmallInt | Stored::Integer => "int".into(),
        Stored::BigInt => "bigint".into(),
        Stored::Numeric { precision, scale } => format!("decimal({precision}, {scale})"),
        Stored::Real => "float".into(),
        Stored::Double => "double".into(),
        Stored::Date => "date".into(),
        Stored::Timestamp => "timestamp".into(),
        Stored::Varchar { .. } | Stored::Document => "string".into(),
        Stored::Binary { .. } => "binary".into(),
    }
}

/// Of the column that Firehose writes: what its JSON is. A document is text there (`native.json = "string"`).
pub fn log_type(column: &Column) -> String {
    match column.stored {
        Stored::Document if is_vector(column) => "array<float>".into(),
        Stored::Numeric { .. } if column.declared.starts_with("decimal") => "string".into(),
        Stored::Date | Stored::Timestamp | Stored::Binary { .. } => "string".into(),
        stored => column_type(stored),
    }
}

pub(super) fn value(member: Member<'_>, stored: Stored) -> String {
    match is_cast(stored) {
        true => trino::cast(&column(member), stored),
        false => column(member),
    }
}

/// Whether the log has it as text that a merge reads.
pub(super) fn is_cast(stored: Stored) -> bool {
    matches!(
        stored,
        Stored::Numeric { .. } | Stored::Date | Stored::Timestamp | Stored::Binary { .. }
    )
}

pub(super) fn taken(member: Member<'_>, column: &Column) -> String {
    match is_vector(column) {
        true => format!("JSON_FORMAT(CAST({} AS JSON))", self::column(member)),
        false => value(member, column.stored),
    }
}

pub(super) fn is_given(member: Member<'_>) -> String {
    format!("{} IS NOT NULL", column(member))
}

fn column(member: Member<'_>) -> String {
    format!("{}.{}", member.source, quoted(member.name))
}

fn is_vector(column: &Column) -> bool {
    column.declared.starts_with("vector")
}

/// A field inside `struct<…>`, where names stand as they are unless DDL has another use for them.
pub fn field(name: &str, kind: &str) -> String {
    let is_plain = name.starts_with(|first: char| first.is_ascii_alphabetic());
    let is_word = RESERVED.split_whitespace().any(|word| word == name);
    match is_plain && !is_word {
        true => format!("{name}:{kind}"),
        false => format!("{}:{kind}", ticked(name)),
    }
}

/// Words of DDL. <https://docs.aws.amazon.com/athena/latest/ug/reserved-words.html>
const RESERVED: &str = "all alter and array as authorization between bigint binary boolean both by case cashe cast char \
    column conf constraint commit create cross cube current current_date current_timestamp cursor database date dayofweek \
    decimal delete describe distinct div double drop else end exchange exists extended external extract false fetch float \
    floor following for foreign from full function grant group grouping having if import in inner insert int integer \
    intersect interval into is join lateral left less like local macro map more none not null numeric of on only or order \
    out outer over partialscan partition percent preceding precision preserve primary procedure range reads reduce \
    references regexp revoke right rlike rollback rollup row rows select set smallint start table tablesample then time \
    timestamp to transform trigger true truncate unbounded union uniquejoin update user using utc_timestamp values \
    varchar views when where window with";
