//! `[format.debezium]`: Debezium's options, of whose names the dots are underscores.

use serde::Deserialize;

use crate::options::{UnknownChoice, named, read_choice};

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DebeziumOptions {
    /// `source.name`: Debezium's topic prefix.
    pub name: String,
    #[serde(rename = "decimal_handling", deserialize_with = "read_choice")]
    pub decimals: Decimals,
    #[serde(rename = "bigint_unsigned_handling", deserialize_with = "read_choice")]
    pub bigint_unsigned: BigintUnsigned,
    #[serde(rename = "time_precision", deserialize_with = "read_choice")]
    pub times: Times,
    #[serde(rename = "binary_handling", deserialize_with = "read_choice")]
    pub binaries: Binaries,
    pub tombstones_on_delete: bool,
    pub include_query: bool,
    pub include_schema_changes: bool,
    #[serde(rename = "skipped_operations")]
    pub skipped: Skipped,
    #[serde(rename = "unavailable_value_placeholder")]
    pub unavailable_value: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Decimals {
    Precise,
    String,
    Double,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BigintUnsigned {
    Long,
    Precise,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Times {
    /// TIME in microseconds, DATETIME in milliseconds up to three digits of the fraction, else microseconds.
    #[serde(rename = "adaptive_time_microseconds")]
    Adaptive,
    /// Milliseconds.
    Connect,
    #[serde(rename = "isostring")]
    Text,
    Microseconds,
    Nanoseconds,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Binaries {
    /// Debezium's name for base64.
    Bytes,
    Base64,
    Base64UrlSafe,
    Hex,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
enum Operation {
    #[serde(rename = "c")]
    Create,
    #[serde(rename = "u")]
    Update,
    #[serde(rename = "d")]
    Delete,
    #[serde(rename = "t")]
    Truncate,
    #[serde(rename = "none")]
    None,
}

/// Operations that get no event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(try_from = "Vec<String>")]
pub struct Skipped {
    pub create: bool,
    pub update: bool,
    pub delete: bool,
    pub truncate: bool,
}

impl DebeziumOptions {
    /// With the pipeline's name where it has none of its own.
    #[must_use]
    pub fn named(mut self, pipeline: &str) -> Self {
        if self.name.is_empty() {
            pipeline.clone_into(&mut self.name);
        }
        self
    }

    /// The setting by which events carry the statement that changed the row, if they do.
    pub fn query_setting(&self) -> Option<&'static str> {
        self.include_query
            .then_some("format.debezium.include_query")
    }
}

impl TryFrom<Vec<String>> for Skipped {
    type Error = UnknownChoice;

    fn try_from(operations: Vec<String>) -> Result<Self, UnknownChoice> {
        let mut skipped = Self::default();
        for operation in operations {
            match named(&operation)? {
                Operation::Create => skipped.create = true,
                Operation::Update => skipped.update = true,
                Operation::Delete => skipped.delete = true,
                Operation::Truncate => skipped.truncate = true,
                Operation::None => skipped = Self::default(),
            }
        }
        Ok(skipped)
    }
}
