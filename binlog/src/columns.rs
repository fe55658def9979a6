//! Columns of tables that the log describes without names, as a server's information_schema lists them.
//!
//! A table map of `binlog_row_metadata=MINIMAL` carries types, signs and character sets; one of a server
//! before 8.0.1 (MariaDB: 10.5) carries types only. Names, ENUM and SET labels, the key and visibility come
//! from a [`ColumnList`], read at some place of the log. It is right from there on, and before it back to the
//! last statement that touched the table. [`KnownColumns`] keeps lists with the stretch of log in which each
//! is right; [`Ahead`] finds the statements between an event and the place where a list was read. Not here:
//! asking a server, and whether a list fits an event (`table_map`).

mod ahead;
mod known;

pub use ahead::{Ahead, Change};
pub use known::{Known, KnownColumns};

use std::sync::Arc;

use crate::{
    ddl::{Action, StatementClass, Subject},
    position::Position,
    schema::TableName,
};

/// What a list of one table says.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ColumnList {
    /// In the table's order.
    pub columns: Vec<ListedColumn>,
    /// Indexes into `columns`, in key order; empty without a primary key.
    pub primary_key: Vec<usize>,
}

/// A row of `information_schema.columns`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListedColumn {
    pub name: String,
    /// COLUMN_TYPE, e.g. `bigint unsigned` or `enum('new','paid')`.
    pub column_type: String,
    /// CHARACTER_OCTET_LENGTH.
    pub octets: Option<u64>,
    /// CHARACTER_SET_NAME; none for binary columns and for what is no text.
    pub charset: Option<String>,
    pub nullable: bool,
    /// False for INVISIBLE columns.
    pub visible: bool,
}

impl ColumnList {
    /// About what it takes in memory or in a file.
    pub fn bytes(&self) -> usize {
        let text = |column: &ListedColumn| {
            column.name.len()
                + column.column_type.len()
                + column.charset.as_ref().map_or(0, String::len)
                + COLUMN_OVERHEAD_BYTES
        };
        self.columns.iter().map(text).sum()
    }
}

/// A table map that needs a list.
#[derive(Debug, Clone, PartialEq)]
pub struct Question {
    pub table: TableName,
    /// Where the table map begins; of one in a compressed transaction, where its payload event begins.
    pub at: Position,
    /// Where its transaction begins: a place from which the log can be read.
    pub transaction: Position,
}

#[derive(Debug, Clone, PartialEq)]
pub enum Answer {
    /// Certain at the place of the question: no statement between it and the reading touched the table.
    Listed(Arc<ColumnList>),
    /// Columns are `@1`, `@2`, … and have no more properties than the table map says.
    Positional,
}

/// How a table map without names becomes a table.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Unnamed<'a> {
    Refuse,
    Positional,
    Listed(&'a ColumnList),
}

/// Whether the columns of `table` may be others after a statement of this class. Names are compared without
/// case: a server may store them in another one than the statement writes. Rather once too often than missed.
pub fn may_change(class: &StatementClass, table: &TableName) -> bool {
    match class {
        StatementClass::Unpublished | StatementClass::Dml { .. } => false,
        StatementClass::Published(Subject::Tables { action, tables }) => {
            *action != Action::TruncateTable
                && tables.iter().any(|touched| is_same_table(touched, table))
        }
        StatementClass::Published(Subject::Database { database, .. }) => {
            is_same(database, &table.database)
        }
        StatementClass::Unknown => true,
    }
}

fn is_same_table(one: &TableName, other: &TableName) -> bool {
    is_same(&one.table, &other.table) && is_same(&one.database, &other.database)
}

fn is_same(one: &str, other: &str) -> bool {
    one == other || one.to_lowercase() == other.to_lowercase()
}

const COLUMN_OVERHEAD_BYTES: usize = 96;

#[cfg(test)]
mod tests;
