//! Which tables are wanted: `source.tables` patterns.

use headwater_binlog::schema::TableName;

/// Globs over `db.table`; the last match wins.
#[derive(Debug, Clone, Default)]
pub struct TableFilter {}

impl TableFilter {
    pub fn includes(&self, _name: &TableName) -> bool {
        true
    }
}
