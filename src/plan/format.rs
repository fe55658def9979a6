//! The format's part of the plan: whose JSON is written, with which of that tool's options.

use std::sync::Arc;

use super::{Error, ShapePlan, values::choose};
use crate::settings::{DebeziumSettings, FormatSettings, MaxwellSettings};

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FormatPlan {
    Native,
    Maxwell(Arc<MaxwellPlan>),
    Debezium(Arc<DebeziumPlan>),
}

/// What Maxwell's rows carry: its options of the same names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MaxwellPlan {
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
    pub partition_by: PartitionBy,
    /// For [`PartitionBy::Column`].
    pub partition_columns: Vec<String>,
    /// Where a row has none of them: never a column.
    pub partition_by_fallback: PartitionBy,
}

/// Maxwell's `producer_partition_by`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PartitionBy {
    Database,
    Table,
    PrimaryKey,
    TransactionId,
    ThreadId,
    Column,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DebeziumPlan {
    /// `source.name`: Debezium's topic prefix.
    pub name: String,
    pub decimals: Decimals,
    pub bigint_unsigned: BigintUnsigned,
    pub times: Times,
    pub binaries: Binaries,
    pub tombstones_on_delete: bool,
    pub include_query: bool,
    pub include_schema_changes: bool,
    pub skipped: Skipped,
    pub unavailable_value: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decimals {
    Precise,
    String,
    Double,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BigintUnsigned {
    Long,
    Precise,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Times {
    /// TIME in microseconds, DATETIME in milliseconds up to three digits of the fraction, else microseconds.
    Adaptive,
    /// Milliseconds.
    Connect,
    Text,
    Microseconds,
    Nanoseconds,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Binaries {
    Base64,
    Base64UrlSafe,
    Hex,
}

/// Operations that get no event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Skipped {
    pub create: bool,
    pub update: bool,
    pub delete: bool,
    pub truncate: bool,
}

impl FormatPlan {
    /// The setting of this format by which its events carry the statement that changed the row, if they do.
    pub fn query_setting(&self) -> Option<&'static str> {
        match self {
            Self::Maxwell(options) if options.output_row_query => {
                Some("format.maxwell.output_row_query")
            }
            Self::Debezium(options) if options.include_query => {
                Some("format.debezium.include_query")
            }
            Self::Native | Self::Maxwell(_) | Self::Debezium(_) => None,
        }
    }

    /// The statement's text has all its values.
    pub(super) fn ensure_query_shows_nothing_hidden(&self, shape: &ShapePlan) -> Result<(), Error> {
        match self.query_setting() {
            Some(key) if !shape.keeps_everything() => Err(Error::new(
                key,
                "would show what [mask] and columns.include hide",
                "set it to false, or write and mask no column",
            )),
            _ => Ok(()),
        }
    }

    /// `pipeline` is the name for what has none of its own.
    pub(super) fn of(settings: &FormatSettings, pipeline: &str) -> Result<Self, Error> {
        let maxwell = Arc::new(maxwell(&settings.maxwell)?);
        let debezium = Arc::new(debezium(&settings.debezium, pipeline)?);
        choose(
            "format.type",
            &settings.kind,
            &[
                ("native", Self::Native),
                ("maxwell", Self::Maxwell(maxwell)),
                ("debezium", Self::Debezium(debezium)),
            ],
        )
    }
}

const PARTITIONS: [(&str, PartitionBy); 6] = [
    ("database", PartitionBy::Database),
    ("table", PartitionBy::Table),
    ("primary_key", PartitionBy::PrimaryKey),
    ("transaction_id", PartitionBy::TransactionId),
    ("thread_id", PartitionBy::ThreadId),
    ("column", PartitionBy::Column),
];

fn maxwell(settings: &MaxwellSettings) -> Result<MaxwellPlan, Error> {
    let partition_by = choose(
        "format.maxwell.partition_by",
        &settings.partition_by,
        &PARTITIONS,
    )?;
    if partition_by == PartitionBy::Column && settings.partition_columns.is_empty() {
        return Err(Error::new(
            "format.maxwell.partition_columns",
            "is empty, but format.maxwell.partition_by is \"column\"",
            "name the columns",
        ));
    }
    let [fallbacks @ .., _, _, _] = &PARTITIONS;
    Ok(MaxwellPlan {
        output_nulls: settings.output_nulls,
        output_commit_info: settings.output_commit_info,
        output_xoffset: settings.output_xoffset,
        output_position: settings.output_position,
        output_gtid: settings.output_gtid,
        output_server_id: settings.output_server_id,
        output_thread_id: settings.output_thread_id,
        output_primary_key: settings.output_primary_key,
        output_primary_key_columns: settings.output_primary_key_columns,
        output_row_query: settings.output_row_query,
        output_ddl: settings.output_ddl,
        output_null_zerodates: settings.output_null_zerodates,
        partition_by,
        partition_columns: settings.partition_columns.clone(),
        partition_by_fallback: choose(
            "format.maxwell.partition_by_fallback",
            &settings.partition_by_fallback,
            fallbacks,
        )?,
    })
}

fn debezium(settings: &DebeziumSettings, pipeline: &str) -> Result<DebeziumPlan, Error> {
    let name = match settings.name.as_str() {
        "" => pipeline,
        name => name,
    };
    Ok(DebeziumPlan {
        name: name.to_owned(),
        decimals: choose(
            "format.debezium.decimal_handling",
            &settings.decimal_handling,
            &[
                ("precise", Decimals::Precise),
                ("string", Decimals::String),
                ("double", Decimals::Double),
            ],
        )?,
        bigint_unsigned: choose(
            "format.debezium.bigint_unsigned_handling",
            &settings.bigint_unsigned_handling,
            &[
                ("long", BigintUnsigned::Long),
                ("precise", BigintUnsigned::Precise),
            ],
        )?,
        times: choose(
            "format.debezium.time_precision",
            &settings.time_precision,
            &[
                ("adaptive_time_microseconds", Times::Adaptive),
                ("connect", Times::Connect),
                ("isostring", Times::Text),
                ("microseconds", Times::Microseconds),
                ("nanoseconds", Times::Nanoseconds),
            ],
        )?,
        binaries: choose(
            "format.debezium.binary_handling",
            &settings.binary_handling,
            &[
                ("bytes", Binaries::Base64),
                ("base64", Binaries::Base64),
                ("base64-url-safe", Binaries::Base64UrlSafe),
                ("hex", Binaries::Hex),
            ],
        )?,
        tombstones_on_delete: settings.tombstones_on_delete,
        include_query: settings.include_query,
        include_schema_changes: settings.include_schema_changes,
        skipped: skipped(&settings.skipped_operations)?,
        unavailable_value: settings.unavailable_value_placeholder.clone(),
    })
}

fn skipped(operations: &[String]) -> Result<Skipped, Error> {
    let mut skipped = Skipped::default();
    for operation in operations {
        match operation.as_str() {
            "c" => skipped.create = true,
            "u" => skipped.update = true,
            "d" => skipped.delete = true,
            "t" => skipped.truncate = true,
            "none" => skipped = Skipped::default(),
            other => {
                return Err(Error::new(
                    "format.debezium.skipped_operations",
                    format!("\"{other}\" is unknown"),
                    "write a list of \"c\", \"u\", \"d\", \"t\", or [] for none",
                ));
            }
        }
    }
    Ok(skipped)
}
