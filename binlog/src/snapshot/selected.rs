//! What a SELECT asks for, so that each value comes as [`super::RowWriter`] takes it.

use crate::{columns::ListedColumn, event::Dialect};

/// The expression for one column of a SELECT.
///
/// ENUM and SET come as their numbers (8 bytes: MariaDB's CAST alone would give 4 where the labels are short), what
/// MariaDB logs as BINARY and prints as text comes as the bytes that it logs, all else as it is. The session has
/// `character_set_results = NULL`, `time_zone = '+00:00'` and `sql_mode = ''`.
pub fn selected(column: &ListedColumn, dialect: Dialect) -> String {
    let name = format!("`{}`", column.name.replace('`', "``"));
    let text = column.column_type.as_str();
    let word_bytes = text
        .find(|c: char| !c.is_ascii_alphanumeric())
        .unwrap_or(text.len());
    let word = text.get(..word_bytes).unwrap_or(text).to_ascii_lowercase();
    match (word.as_str(), dialect) {
        ("enum" | "set", Dialect::MySql) => format!("CAST({name} AS UNSIGNED)"),
        ("enum" | "set", Dialect::MariaDb) => format!("CAST({name} AS UNSIGNED) | 0"),
        ("inet6" | "uuid", Dialect::MariaDb) => format!("CAST({name} AS BINARY(16))"),
        ("inet4", Dialect::MariaDb) => format!("CAST({name} AS BINARY(4))"),
        _ => name,
    }
}
