//! Words of SQL, for statements that are made here.

pub fn quote(name: &str) -> String {
    format!("`{}`", name.replace('`', "``"))
}

pub fn path(database: &str, table: &str) -> String {
    format!("{}.{}", quote(database), quote(table))
}

/// A string literal in the client's character set.
pub fn text(value: &str) -> String {
    format!("'{}'", value.replace('\\', "\\\\").replace('\'', "''"))
}

/// Enough of a statement to know it again.
pub fn shortened(sql: &str) -> String {
    match sql.char_indices().nth(600) {
        Some((end, _)) => format!("{}…", sql.get(..end).unwrap_or_default()),
        None => sql.to_owned(),
    }
}
