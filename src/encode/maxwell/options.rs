//! `[format.maxwell]`: Maxwell's options of the same names.

use serde::Deserialize;

use crate::{
    encode::Grain,
    options::{Error, read_choice},
};

/// What Maxwell's rows carry.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MaxwellOptions {
    pub output_nulls: bool,
    pub output_commit_info: bool,
    pub output_xoffset: bool,
    pub output_position: bool,
    pub output_gtid: bool,
    pub output_server_id: bool,
    pub output_thread_id: bool,
    pub output_primary_key: bool,
    pub output_primary_key_columns: bool,
    pub output_row_query: bool,
    pub output_ddl: bool,
    pub output_null_zerodates: bool,
    #[serde(deserialize_with = "read_choice")]
    pub partition_by: PartitionBy,
    /// For [`PartitionBy::Column`].
    pub partition_columns: Vec<String>,
    /// Where a row has none of them.
    #[serde(deserialize_with = "read_choice")]
    pub partition_by_fallback: PartitionFallback,
}

/// Maxwell's `producer_partition_by`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PartitionBy {
    Database,
    Table,
    PrimaryKey,
    TransactionId,
    ThreadId,
    Column,
}

/// What every row has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PartitionFallback {
    Database,
    Table,
    PrimaryKey,
}

impl MaxwellOptions {
    pub fn check(&self) -> Result<(), Error> {
        if self.partition_by == PartitionBy::Column && self.partition_columns.is_empty() {
            return Err(Error::new(
                "format.maxwell.partition_columns",
                "is empty, but format.maxwell.partition_by is \"column\"",
                "name the columns",
            ));
        }
        Ok(())
    }

    /// The setting by which rows carry the statement that changed them, if they do.
    pub fn query_setting(&self) -> Option<&'static str> {
        self.output_row_query
            .then_some("format.maxwell.output_row_query")
    }

    pub fn partition_grain(&self) -> Grain {
        match self.partition_by {
            PartitionBy::Database | PartitionBy::Table => Grain::Lane,
            PartitionBy::PrimaryKey => Grain::Row,
            PartitionBy::TransactionId => Grain::Transaction,
            PartitionBy::ThreadId => Grain::Connection,
            PartitionBy::Column => Grain::Values,
        }
    }
}

impl From<PartitionFallback> for PartitionBy {
    fn from(fallback: PartitionFallback) -> Self {
        match fallback {
            PartitionFallback::Database => Self::Database,
            PartitionFallback::Table => Self::Table,
            PartitionFallback::PrimaryKey => Self::PrimaryKey,
        }
    }
}
