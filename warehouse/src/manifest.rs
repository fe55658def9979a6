//! What was generated, as it is kept beside the SQL: names, columns and types, for `--diff` and for the audit.

use headwater_binlog::schema::TableName;
use serde::{Deserialize, Serialize};

use crate::{dialect::Dialect, incoming::Incoming, stored::Choices, table::Target};

/// Rises when a reader of an older one would understand a newer one wrongly.
pub const VERSION: u32 = 1;

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    pub version: u32,
    pub dialect: Dialect,
    pub control_schema: String,
    pub choices: Choices,
    pub incoming: Incoming,
    pub is_by_key: bool,
    pub tables: Vec<Target>,
}

/// Why a manifest is not used.
#[derive(Debug, thiserror::Error)]
pub enum Unusable {
    #[error("it is no manifest: {0}")]
    Form(#[from] serde_json::Error),
    #[error("it has version {found}, and this program knows {VERSION}")]
    Version { found: u32 },
}

#[derive(Deserialize)]
struct Versioned {
    version: u32,
}

impl Manifest {
    /// # Errors
    /// When it has another form or version.
    pub fn parse(text: &str) -> Result<Self, Unusable> {
        let Versioned { version } = serde_json::from_str(text)?;
        if version != VERSION {
            return Err(Unusable::Version { found: version });
        }
        Ok(serde_json::from_str(text)?)
    }

    /// # Errors
    /// Never for what was generated.
    pub fn text(&self) -> Result<String, serde_json::Error> {
        Ok(serde_json::to_string_pretty(self)? + "\n")
    }

    /// Files that it has for one table each, and of a lake for one database each.
    pub fn table_files(&self) -> Vec<String> {
        let of_tables = self
            .tables
            .iter()
            .flat_map(|table| table.files(self.dialect));
        let databases = self.tables.iter().filter(|_| self.dialect.is_lake());
        let of_databases = databases.map(|table| database_file(&table.schema));
        of_tables.chain(of_databases).collect()
    }

    pub fn target(&self, name: &TableName) -> Option<&Target> {
        let is_it =
            |target: &&Target| target.database == name.database && target.table == name.table;
        self.tables.iter().find(is_it)
    }
}

/// That makes the database.
pub fn database_file(schema: &str) -> String {
    format!("01-databases/{schema}.sql")
}
