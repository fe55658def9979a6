//! Amazon Redshift: lines are SUPER.
//!
//! Navigation by a name in double quotes is case-sensitive only with `enable_case_sensitive_super_attribute`, which the
//! procedures set for themselves. A number is cast out of SUPER directly, which gives NULL where it does not fit; what
//! the line has as a string goes through VARCHAR and TRY_CAST, which does the same.
//! <https://docs.aws.amazon.com/redshift/latest/dg/query-super.html>,
//! <https://docs.aws.amazon.com/redshift/latest/dg/r_TRY_CAST.html>

use super::Member;
use crate::{
    names::{self, quoted},
    stored::{Stored, VARCHAR_BYTES_MAX},
};

pub(super) const IDENTIFIER_BYTES_MAX: usize = 127;
/// A character is never cut in the middle, so a value that was cut may lack so many bytes of the most.
const CHARACTER_BYTES_MAX: u64 = 4;
/// <https://docs.aws.amazon.com/redshift/latest/dg/pattern-matching-conditions-posix.html>
const BASE64: &str = "^([A-Za-z0-9+/]{4})*([A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$";
/// The quotes around a JSON string.
const QUOTES_BYTES: u64 = 2;

/// A backslash escapes what follows it there, as in PostgreSQL 8.0, which Redshift is made of; whether it does is a
/// setting in other versions. So none is written.
/// <https://docs.aws.amazon.com/redshift/latest/dg/r_patternmatching_condition_like.html>
pub(super) fn literal(text: &str) -> String {
    let parts: Vec<String> = text.split('\\').map(names::literal).collect();
    match parts.as_slice() {
        [one] => one.clone(),
        _ => format!("({})", parts.join(" || CHR(92) || ")),
    }
}

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
        Stored::Varchar { bytes_max } => format!("VARCHAR({bytes_max})"),
        Stored::Binary { bytes_max } => format!("VARBYTE({bytes_max})"),
        Stored::Document => "SUPER".into(),
    }
}

pub(super) fn value(member: Member<'_>, stored: Stored) -> String {
    let (path, kind) = (path(member), column_type(stored));
    match stored {
        Stored::SmallInt | Stored::Integer | Stored::BigInt | Stored::Real | Stored::Double => {
            format!("{path}::{kind}")
        }
        Stored::Varchar { .. } => format!(
            "CASE WHEN JSON_TYPEOF({path}) NOT IN ('object', 'array') THEN {path}::{kind} END"
        ),
        // DECIMAL is a string in a line, BIGINT UNSIGNED a number. A cast would round what has more decimals.
        Stored::Numeric { scale, .. } => {
            let text = format!("{path}::VARCHAR(128)");
            format!(
                "TRY_CAST(CASE WHEN LEN(SPLIT_PART({text}, '.', 2)) <= {scale} THEN NULLIF({text}, '') END AS {kind})"
            )
        }
        Stored::Date | Stored::Timestamp => {
            format!("TRY_CAST(NULLIF({path}::VARCHAR(128), '') AS {kind})")
        }
        // There is no cast of it that would give NULL for what is no base64, or too long.
        Stored::Binary { bytes_max } => {
            let text = format!("{path}::VARCHAR({VARCHAR_BYTES_MAX})");
            let digits_max = (bytes_max * 4).div_ceil(3);
            format!(
                "CASE WHEN {text} ~ '{BASE64}' AND OCTET_LENGTH(RTRIM({text}, '=')) <= {digits_max} \
                 THEN TO_VARBYTE({text}, 'base64') END"
            )
        }
        Stored::Document => path,
    }
}

pub(super) fn is_given(member: Member<'_>) -> String {
    format!("COALESCE(JSON_TYPEOF({}), 'null') <> 'null'", path(member))
}

/// JSON_SIZE counts what is escaped too, so both are asked: long in the line, and as long as can be in the column.
/// A VARCHAR may end where its text has U+0000, which is escaped in JSON, behind an even number of backslashes.
pub(super) fn is_cut(member: Member<'_>, bytes_max: u64) -> String {
    let path = path(member);
    let fills_from = bytes_max.saturating_sub(CHARACTER_BYTES_MAX - 1);
    let length = format!("OCTET_LENGTH({path}::VARCHAR({bytes_max}))");
    format!(
        "CASE WHEN JSON_SIZE({path}) > {} AND {length} >= {fills_from} THEN TRUE \
         WHEN JSON_SIZE({path}) > {length} + {QUOTES_BYTES} AND JSON_SIZE({path}) <= {VARCHAR_BYTES_MAX} \
         THEN POSITION(CHR(92) || 'u0000' IN REPLACE(JSON_SERIALIZE({path}), CHR(92) || CHR(92), '')) > 0 \
         ELSE FALSE END",
        bytes_max + QUOTES_BYTES
    )
}

/// Rows of one key are on one node, and in its order.
pub(super) fn table_attributes(key: &[String]) -> String {
    match key.first() {
        None => " DISTSTYLE EVEN".into(),
        Some(first) => format!(" DISTKEY ({first}) SORTKEY ({})", key.join(", ")),
    }
}

/// DATEADD takes integers of 32 bits, so seconds and the rest are added apart.
pub(super) fn time_of(microseconds: &str) -> String {
    format!(
        "DATEADD(microsecond, ({microseconds} % 1000000)::INTEGER, \
         TIMESTAMP 'epoch' + ({microseconds} / 1000000) * INTERVAL '1 second')"
    )
}

/// JSON_SERIALIZE fails beyond what a VARCHAR has.
/// <https://docs.aws.amazon.com/redshift/latest/dg/JSON_SERIALIZE.html>
pub(super) fn document_text(column: &str) -> String {
    format!(
        "CASE WHEN NOT {} THEN JSON_SERIALIZE({column}) END",
        is_long(column)
    )
}

pub(super) fn is_long(column: &str) -> String {
    format!("COALESCE(JSON_SIZE({column}), 0) > {VARCHAR_BYTES_MAX}")
}

fn path(member: Member<'_>) -> String {
    format!("{}.{}", member.source, quoted(member.name))
}
