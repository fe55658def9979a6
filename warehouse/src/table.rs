//! A table of MySQL, and what it is in the warehouse.

use headwater_binlog::{
    columns::ListedColumn,
    schema::{ColumnKind, TableName},
};
use serde::{Deserialize, Serialize};

use crate::{dialect::Dialect, names::quoted, stored::Stored};

/// What MySQL has.
#[derive(Debug, Clone)]
pub struct SourceTable {
    pub name: TableName,
    /// In the table's order.
    pub columns: Vec<SourceColumn>,
    /// What lines have as `key`: indexes into `columns`, in key order.
    pub key: Vec<usize>,
}

impl SourceTable {
    /// What lines show, in the table's order.
    pub fn shown_columns(&self) -> impl Iterator<Item = &SourceColumn> {
        let shown = |column: &&SourceColumn| column.shown != Shown::LeftOut;
        self.columns.iter().filter(shown)
    }

    /// In key order.
    pub fn key_columns(&self) -> impl Iterator<Item = &SourceColumn> {
        let columns = |index: &usize| self.columns.get(*index);
        self.key.iter().filter_map(columns)
    }
}

#[derive(Debug, Clone)]
pub struct SourceColumn {
    pub listed: ListedColumn,
    pub kind: ColumnKind,
    pub shown: Shown,
}

/// What lines show of a column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shown {
    AsItIs,
    /// Text in its place, or null.
    Masked,
    LeftOut,
}

/// What the warehouse has.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Target {
    pub database: String,
    pub table: String,
    pub schema: String,
    /// The view of the rows that are there.
    pub view: String,
    /// The table behind it, with the rows that are gone; of Athena the view of every change.
    pub rows: String,
    /// The procedure that merges lines into it.
    pub merge: String,
    /// The table of its lines, where it has one of its own (Iceberg).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub log: Option<String>,
    pub columns: Vec<Column>,
    /// Names in MySQL, in key order.
    pub key: Vec<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Column {
    /// In MySQL, and so in a line.
    pub name: String,
    /// In the warehouse.
    pub identifier: String,
    /// MySQL's COLUMN_TYPE.
    pub declared: String,
    /// Of text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub charset: Option<String>,
    pub stored: Stored,
}

impl Target {
    pub fn name(&self) -> TableName {
        TableName {
            database: self.database.clone(),
            table: self.table.clone(),
        }
    }

    /// Where its SQL stands, in the order in which it is run.
    pub fn files(&self, dialect: Dialect) -> Vec<String> {
        let folders: &[&str] = match dialect {
            Dialect::Redshift | Dialect::Postgres => &["02-tables"],
            Dialect::Athena => &["03-changes", "04-rows"],
            Dialect::Iceberg => &[
                "02-logs",
                "03-rows",
                "04-views",
                "merge/1-truncated",
                "merge/2-merged",
            ],
        };
        let name = self.file_name();
        let within = folders.iter().map(|folder| format!("{folder}/{name}"));
        within.collect()
    }

    /// Names of tables may have characters that names of files may not.
    fn file_name(&self) -> String {
        let is_safe = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '$');
        let safe = |name: &str| -> String {
            let each = name.chars();
            each.map(|c| if is_safe(c) { c } else { '~' }).collect()
        };
        let digest = crc32fast::hash(self.merge.as_bytes());
        let is_plain = self.schema.chars().chain(self.view.chars()).all(is_safe);
        let end = if is_plain {
            String::new()
        } else {
            format!(".{digest:08x}")
        };
        format!("{}.{}{end}.sql", safe(&self.schema), safe(&self.view))
    }

    /// An identifier of its schema, as SQL quotes it.
    pub fn within_schema(&self, identifier: &str) -> String {
        format!("{}.{}", quoted(&self.schema), quoted(identifier))
    }

    /// By its name in MySQL.
    pub fn column(&self, name: &str) -> Option<&Column> {
        self.columns.iter().find(|column| column.name == name)
    }

    pub fn is_key(&self, column: &Column) -> bool {
        self.key.contains(&column.name)
    }

    /// In key order.
    pub fn key_columns(&self) -> Vec<&Column> {
        let columns = self.key.iter().filter_map(|name| self.column(name));
        columns.collect()
    }

    /// All but the key, in the table's order.
    pub fn other_columns(&self) -> impl Iterator<Item = &Column> {
        self.columns.iter().filter(|column| !self.is_key(column))
    }
}

impl Column {
    /// As MySQL declares it, with its character set.
    pub fn definition(&self) -> String {
        let charset = self.charset.as_ref();
        let charset = charset.map(|charset| format!(" CHARACTER SET {charset}"));
        format!("{}{}", self.declared, charset.unwrap_or_default())
    }
}

/// A table that has none in the warehouse: its lines are in the log only.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LeftOut {
    /// As `shop.orders`.
    pub table: String,
    pub reason: String,
    pub remedy: String,
}
