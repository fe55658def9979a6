//! TABLE_MAP written from what information_schema lists.

use crate::{Error, columns::ListedColumn, event::Dialect, schema::TableName, table_map::TableMap};

/// The event's body as a server with `binlog_row_metadata = FULL` would log it now.
///
/// `primary_key`: indexes into `columns`, in key order.
///
/// # Errors
/// [`Error::Unsupported`] for a type or character set that is not known here, with the column's name.
pub fn table_map(
    name: &TableName,
    columns: &[ListedColumn],
    primary_key: &[usize],
    dialect: Dialect,
) -> Result<TableMap, Error> {
    let _ = (columns, primary_key, dialect);
    Err(Error::Unsupported(format!("a table map of `{name}`")))
}
