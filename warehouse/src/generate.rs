//! The files of one warehouse: SQL to be read, reviewed and applied in order, and the manifest of what was written.
//!
//! Each file stands in a template; here are the expressions that the templates are filled with. What no merge is possible
//! for (a table without a key) is left out and named. Not here: types (`stored`), names (`names`), a warehouse's own words
//! (`dialect`).

mod files;
mod lake;
mod targets;
mod values;

use headwater_binlog::schema::TableName;

pub use self::{
    files::{MANIFEST_FILE, generate},
    lake::Lake,
    targets::targets,
};
use crate::{
    dialect::Dialect,
    incoming::Incoming,
    manifest::Manifest,
    stored::Choices,
    table::{LeftOut, SourceTable},
};

/// What is asked for.
#[derive(Debug, Clone)]
pub struct Request<'a> {
    pub dialect: Dialect,
    /// The schema of what all tables share.
    pub control_schema: &'a str,
    pub choices: Choices,
    pub incoming: &'a Incoming,
    /// Lanes are parts of a table, so a row's line does not say how far the table is.
    pub is_by_key: bool,
    pub lines: &'a Lines,
    pub lake: &'a Lake,
    pub tables: &'a [SourceTable],
}

/// How a line has its fields and the row's columns: `native.layout`, `native.prefix`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Lines {
    #[default]
    Nested,
    Flat {
        prefix: String,
    },
}

impl Lines {
    /// What a line calls the field.
    fn field(&self, name: &str) -> String {
        match self {
            Self::Nested => name.to_owned(),
            Self::Flat { prefix } => format!("{prefix}{name}"),
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Generated {
    /// By path, in the order in which they are applied.
    pub files: Vec<(String, String)>,
    pub manifest: Manifest,
    pub left_out: Vec<LeftOut>,
}

/// Why nothing is written.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("{table} and {other} would both be called {identifier} in the warehouse")]
    Clash {
        table: TableName,
        other: TableName,
        identifier: String,
    },
    #[error("database {0} has the name of the schema that all tables share (warehouse.schema)")]
    ControlSchema(String),
    #[error("fill the template {file}")]
    Template {
        file: &'static str,
        #[source]
        source: minijinja::Error,
    },
    #[error("write the manifest")]
    Manifest(#[from] serde_json::Error),
}

#[cfg(test)]
mod tests;
