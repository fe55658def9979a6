//! PostgreSQL 15: lines are `json`, which keeps the text of numbers.
//!
//! A cast that fails is an error here, so the script brings functions that give NULL instead, as Redshift does
//! (`templates/casts.sql`). Text has a collation of bytes, for that is how Redshift compares.

use super::Member;
use crate::{
    names::{literal, quoted},
    stored::Stored,
    table::Column,
};

pub(super) const IDENTIFIER_BYTES_MAX: usize = 63;
/// Below 2,704, with room for what an entry has beside its values.
const INDEX_BYTES_MAX: u64 = 2_500;

pub(super) fn column_type(stored: Stored) -> String {
    match stored {
        Stored::SmallInt => "SMALLINT".into(),
        Stored::Integer => "INTEGER".into(),
        Stored::BigInt => "BIGINT".into(),
        Stored::Numeric { precision, scale } => format!("NUMERIC({precision}, {scale})"),
        Stored::Real => "REAL".into(),
        Stored::Double => "DOUBLE PRECISION".into(),
        Stored::Date => "DATE".into(),
        Stored::Timestamp => "TIMESTAMP".into(),
        Stored::Varchar { .. } => "TEXT COLLATE \"C\"".into(),
        Stored::Binary { .. } => "BYTEA".into(),
        Stored::Document => "JSON".into(),
    }
}

pub(super) fn value(member: Member<'_>, stored: Stored) -> String {
    let text = text(member);
    match stored {
        Stored::SmallInt => format!("headwater_cast.to_integer({text}, 2)::SMALLINT"),
        Stored::Integer => format!("headwater_cast.to_integer({text}, 4)::INTEGER"),
        Stored::BigInt => format!("headwater_cast.to_integer({text}, 8)::BIGINT"),
        Stored::Numeric { precision, scale } => {
            format!("headwater_cast.to_numeric({text}, {precision}, {scale})")
        }
        Stored::Real => format!("headwater_cast.to_real({text})"),
        Stored::Double => format!("headwater_cast.to_double({text})"),
        Stored::Date => format!("headwater_cast.to_date({text})"),
        Stored::Timestamp => format!("headwater_cast.to_timestamp({text})"),
        Stored::Varchar { bytes_max } => {
            let document = document(member);
            format!("headwater_cast.to_varchar({document}, {bytes_max})")
        }
        Stored::Binary { bytes_max } => format!("headwater_cast.to_bytes({text}, {bytes_max})"),
        Stored::Document => document(member),
    }
}

pub(super) fn is_given(member: Member<'_>) -> String {
    let document = document(member);
    format!("COALESCE(JSON_TYPEOF({document}), 'null') <> 'null'")
}

pub(super) fn is_cut(member: Member<'_>, bytes_max: u64) -> String {
    format!("OCTET_LENGTH({}) > {bytes_max}", text(member))
}

/// An entry of a btree has 2,704 bytes at most, and a key of MySQL 3,072: a longer one is found by what its first column
/// is hashed to.
pub(super) fn indexes(table: &str, key: &[&Column]) -> Vec<String> {
    let names: Vec<String> = key.iter().map(|it| quoted(&it.identifier)).collect();
    let bytes_max: u64 = key.iter().map(|it| index_bytes_max(it.stored)).sum();
    let (method, names) = match names.first() {
        Some(first) if bytes_max > INDEX_BYTES_MAX => ("hash", first.clone()),
        _ => ("btree", names.join(", ")),
    };
    vec![format!("CREATE INDEX ON {table} USING {method} ({names});")]
}

/// What a value takes at most in an entry of an index: a number has less than 64 bytes.
fn index_bytes_max(stored: Stored) -> u64 {
    match stored {
        Stored::Varchar { bytes_max } | Stored::Binary { bytes_max } => bytes_max,
        _ => 64,
    }
}

pub(super) fn time_of(microseconds: &str) -> String {
    format!("TIMESTAMP 'epoch' + {microseconds} * INTERVAL '1 microsecond'")
}

fn text(member: Member<'_>) -> String {
    format!(
        "headwater_cast.member_text({}, {})",
        member.source,
        literal(member.name)
    )
}

fn document(member: Member<'_>) -> String {
    format!(
        "headwater_cast.member({}, {})",
        member.source,
        literal(member.name)
    )
}
