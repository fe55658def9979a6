//! How lines become records, and which of these ways go together.
//!
//! What decides: a sink that joins records must not spoil them, and a partition key of its own must leave some
//! order. `docs/packing.md` is the page for users.

use headwater_actors::{
    checkpoint::OrderingKey,
    packing::{Compression, Packing, PartitionKey},
};
use serde::{Deserialize, Serialize};

use super::{Error, RoutePlan};
use crate::{
    encode::{Format, Grain},
    options::{number, quoted, read_choice},
    sinks::SinkPlan,
};

/// Where the sink has no limit of its own.
const RECORD_BYTES_MAX: u64 = 64 * 1024 * 1024;

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PackingOptions {
    #[serde(rename = "type", deserialize_with = "read_choice")]
    kind: Packing,
    record_bytes_max: u64,
    #[serde(deserialize_with = "read_choice")]
    compression: Compression,
    #[serde(deserialize_with = "read_choice")]
    partition_key: KeyChoice,
    partition_columns: Vec<String>,
}

/// As `packing.partition_key` has them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
enum KeyChoice {
    Lane,
    Database,
    Table,
    PrimaryKey,
    TransactionId,
    Column,
    Format,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PackingPlan {
    pub kind: Packing,
    /// Records are filled up to this, before they are compressed.
    pub record_bytes_max: usize,
    pub compression: Compression,
    pub partition_key: PartitionKey,
}

fn grain(key: &PartitionKey, format: &Format) -> Grain {
    match key {
        PartitionKey::Lane | PartitionKey::Database | PartitionKey::Table => Grain::Lane,
        PartitionKey::PrimaryKey => Grain::Row,
        PartitionKey::TransactionId => Grain::Transaction,
        PartitionKey::Columns(_) => Grain::Values,
        PartitionKey::Format => format.partition_grain().unwrap_or(Grain::Lane),
    }
}

impl PackingOptions {
    /// `ordering` and `format` are those of the same tables.
    pub fn plan(
        &self,
        sink: &SinkPlan,
        ordering: &OrderingKey,
        format: &Format,
    ) -> Result<PackingPlan, Error> {
        if self.kind == Packing::Kpl && !sink.facts().opens_aggregates {
            return Err(Error::new(
                "packing.type",
                "\"kpl\" is for Kinesis streams: nothing behind this sink opens an aggregate",
                "write \"newline\", or set sink.type = \"kinesis\"",
            ));
        }
        Ok(PackingPlan {
            kind: self.kind,
            record_bytes_max: self.record_bytes_max(sink)?,
            compression: self.compression(sink)?,
            partition_key: self.partition_key(ordering, format)?,
        })
    }

    /// Within what the sink takes.
    fn record_bytes_max(&self, sink: &SinkPlan) -> Result<usize, Error> {
        const KEY: &str = "packing.record_bytes_max";
        let (limit, whose) = match sink.facts().record_bytes_max {
            Some(limit) => (limit as u64, sink.facts().name),
            None => (RECORD_BYTES_MAX, "this sink"),
        };
        let bytes = self.record_bytes_max;
        if bytes > limit {
            return Err(Error::new(
                KEY,
                format!("{bytes} is more than {whose} takes in one record"),
                format!("write at most {limit}"),
            ));
        }
        let in_flight = sink.in_flight_bytes_max();
        if in_flight > 0 && bytes > in_flight as u64 {
            return Err(Error::new(
                KEY,
                format!("{bytes} is more than the sink's in_flight_bytes_max of {in_flight}"),
                "lower the one or raise the other",
            ));
        }
        number(KEY, bytes, 1..=limit)
    }

    fn compression(&self, sink: &SinkPlan) -> Result<Compression, Error> {
        const KEY: &str = "packing.compression";
        if self.compression == Compression::None {
            return Ok(self.compression);
        }
        if self.kind != Packing::Newline {
            return Err(Error::new(
                KEY,
                format!(
                    "{} does not go with packing.type = {}",
                    quoted(&self.compression),
                    quoted(&self.kind)
                ),
                "compress packing.type = \"newline\", or write \"none\"",
            ));
        }
        if sink.facts().needs_line_ends {
            return Err(Error::new(
                KEY,
                "a file and standard output hold lines: after a crash a file is mended by its line ends",
                "write \"none\", and compress the closed files",
            ));
        }
        Ok(self.compression)
    }

    fn partition_key(
        &self,
        ordering: &OrderingKey,
        format: &Format,
    ) -> Result<PartitionKey, Error> {
        const KEY: &str = "packing.partition_key";
        const COLUMNS: &str = "packing.partition_columns";
        let (kind, columns) = (self.kind, &self.partition_columns);
        let key = match self.partition_key {
            KeyChoice::Lane => PartitionKey::Lane,
            KeyChoice::Database => PartitionKey::Database,
            KeyChoice::Table => PartitionKey::Table,
            KeyChoice::PrimaryKey => PartitionKey::PrimaryKey,
            KeyChoice::TransactionId => PartitionKey::TransactionId,
            KeyChoice::Column => PartitionKey::Columns(columns.as_slice().into()),
            KeyChoice::Format => PartitionKey::Format,
        };
        let shown = quoted(&self.partition_key);
        let by_column = matches!(key, PartitionKey::Columns(_));
        if by_column && columns.is_empty() {
            return Err(Error::new(
                COLUMNS,
                "is empty, but packing.partition_key is \"column\"",
                "name the columns whose values make the key",
            ));
        }
        if !by_column && !columns.is_empty() {
            return Err(Error::new(
                COLUMNS,
                format!("has no effect with packing.partition_key = {shown}"),
                "set packing.partition_key = \"column\", or remove the columns",
            ));
        }
        if matches!(kind, Packing::Newline | Packing::JsonArray) && key != PartitionKey::Lane {
            return Err(Error::new(
                KEY,
                format!(
                    "{shown} is of one row, but packing.type = {} puts many rows into a record",
                    quoted(&kind)
                ),
                "write \"lane\", or set packing.type = \"none\" or \"kpl\"",
            ));
        }
        if key == PartitionKey::Format && format.partition_grain().is_none() {
            return Err(Error::new(
                KEY,
                "the native format chooses no partition key",
                "write one of the other keys, or set format.type",
            ));
        }
        let is_in_one_lane = match grain(&key, format) {
            Grain::Lane | Grain::Row => true,
            Grain::Transaction | Grain::Connection | Grain::Values => {
                *ordering == OrderingKey::Table
            }
        };
        if kind == Packing::None && !is_in_one_lane {
            return Err(Error::new(
                KEY,
                format!(
                    "rows of one {shown} are in several lanes with ordering.key = \"primary_key\": nothing would order them"
                ),
                "write \"lane\", \"database\", \"table\" or \"primary_key\", or set ordering.key = \"table\"",
            ));
        }
        Ok(key)
    }
}

/// What is allowed but seldom meant; `place` names the route.
pub(super) fn warnings(place: &str, route: &RoutePlan) -> Vec<String> {
    let mut warnings = Vec::new();
    let packing = &route.packing;
    if packing.kind != Packing::None || route.ordering != OrderingKey::Table {
        return warnings;
    }
    warnings.push(format!(
        "{place}packing.type = \"none\" with ordering.key = \"table\" sends one row per round trip and \
         table; packing.type = \"newline\" or ordering.key = \"primary_key\" is faster"
    ));
    let kept = match grain(&packing.partition_key, &route.format) {
        Grain::Lane => return warnings,
        Grain::Row => "of each row, not that of the table",
        Grain::Transaction => {
            "within each transaction and table only; the changes of one row go to different shards"
        }
        Grain::Connection => {
            "of what one connection wrote only; the changes of one row go to different shards"
        }
        Grain::Values => {
            "of rows with the same values in the key's columns, not that of the table; a row whose values \
             change goes to another shard"
        }
    };
    warnings.push(format!(
        "{place}packing.partition_key spreads a table over shards: a consumer sees the order {kept}"
    ));
    warnings
}
