//! How lines become records, and which of these ways go together.
//!
//! What decides: a sink that joins records must not spoil them, and a partition key of its own must leave some
//! order. `docs/packing.md` is the page for users.

use std::sync::Arc;

use headwater_actors::{
    checkpoint::OrderingKey,
    packing::{Compression, Packing, PartitionKey},
};

use super::{
    Error, FormatPlan, PackingPlan, PartitionBy, RoutePlan, SinkPlan, sinks, values::choose,
};
use crate::settings::{PackingSettings, Settings};

/// What rows with one partition key have in common, beside what orders them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Grain {
    /// All of a lane.
    Lane,
    /// The row.
    Row,
    /// The transaction, and nothing of the row.
    Transaction,
    /// The connection that wrote them.
    Connection,
    /// Some values.
    Values,
}

fn grain(key: &PartitionKey, format: &FormatPlan) -> Grain {
    match (key, format) {
        (PartitionKey::Lane | PartitionKey::Database | PartitionKey::Table, _) => Grain::Lane,
        (PartitionKey::PrimaryKey, _) => Grain::Row,
        (PartitionKey::TransactionId, _) => Grain::Transaction,
        (PartitionKey::Columns(_), _) => Grain::Values,
        (PartitionKey::Format, FormatPlan::Native) => Grain::Lane,
        (PartitionKey::Format, FormatPlan::Debezium(_)) => Grain::Row,
        (PartitionKey::Format, FormatPlan::Maxwell(maxwell)) => match maxwell.partition_by {
            PartitionBy::Database | PartitionBy::Table => Grain::Lane,
            PartitionBy::PrimaryKey => Grain::Row,
            PartitionBy::TransactionId => Grain::Transaction,
            PartitionBy::ThreadId => Grain::Connection,
            PartitionBy::Column => Grain::Values,
        },
    }
}

/// `ordering` and `format` are those of the same tables.
pub(super) fn packing(
    settings: &Settings,
    sink: &SinkPlan,
    ordering: &OrderingKey,
    format: &FormatPlan,
) -> Result<PackingPlan, Error> {
    let packing = &settings.packing;
    let kinds = [
        ("newline", Packing::Newline),
        ("none", Packing::None),
        ("json_array", Packing::JsonArray),
        ("kpl", Packing::Kpl),
    ];
    let kind = choose("packing.type", &packing.kind, &kinds)?;
    if kind == Packing::Kpl && !matches!(sink, SinkPlan::Kinesis(_) | SinkPlan::Null) {
        return Err(Error::new(
            "packing.type",
            "\"kpl\" is for Kinesis streams: nothing behind this sink opens an aggregate",
            "write \"newline\", or set sink.type = \"kinesis\"",
        ));
    }
    Ok(PackingPlan {
        kind,
        record_bytes_max: sinks::record_bytes_max(settings, sink)?,
        compression: compression(packing, kind, sink)?,
        partition_key: partition_key(packing, kind, ordering, format)?,
    })
}

fn compression(
    settings: &PackingSettings,
    kind: Packing,
    sink: &SinkPlan,
) -> Result<Compression, Error> {
    const KEY: &str = "packing.compression";
    let kinds = [
        ("none", Compression::None),
        ("gzip", Compression::Gzip),
        ("zstd", Compression::Zstd),
    ];
    let compression = choose(KEY, &settings.compression, &kinds)?;
    if compression == Compression::None {
        return Ok(compression);
    }
    if kind != Packing::Newline {
        return Err(Error::new(
            KEY,
            format!(
                "\"{}\" does not go with packing.type = \"{}\"",
                settings.compression, settings.kind
            ),
            "compress packing.type = \"newline\", or write \"none\"",
        ));
    }
    if matches!(sink, SinkPlan::File(_) | SinkPlan::Stdout) {
        return Err(Error::new(
            KEY,
            "a file and standard output hold lines: after a crash a file is mended by its line ends",
            "write \"none\", and compress the closed files",
        ));
    }
    Ok(compression)
}

fn partition_key(
    settings: &PackingSettings,
    kind: Packing,
    ordering: &OrderingKey,
    format: &FormatPlan,
) -> Result<PartitionKey, Error> {
    const KEY: &str = "packing.partition_key";
    const COLUMNS: &str = "packing.partition_columns";
    let columns: Arc<[String]> = settings.partition_columns.clone().into();
    let kinds = [
        ("lane", PartitionKey::Lane),
        ("database", PartitionKey::Database),
        ("table", PartitionKey::Table),
        ("primary_key", PartitionKey::PrimaryKey),
        ("transaction_id", PartitionKey::TransactionId),
        ("column", PartitionKey::Columns(Arc::clone(&columns))),
        ("format", PartitionKey::Format),
    ];
    let key = choose(KEY, &settings.partition_key, &kinds)?;
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
            format!(
                "has no effect with packing.partition_key = \"{}\"",
                settings.partition_key
            ),
            "set packing.partition_key = \"column\", or remove the columns",
        ));
    }
    if matches!(kind, Packing::Newline | Packing::JsonArray) && key != PartitionKey::Lane {
        return Err(Error::new(
            KEY,
            format!(
                "\"{}\" is of one row, but packing.type = \"{}\" puts many rows into a record",
                settings.partition_key, settings.kind
            ),
            "write \"lane\", or set packing.type = \"none\" or \"kpl\"",
        ));
    }
    if key == PartitionKey::Format && *format == FormatPlan::Native {
        return Err(Error::new(
            KEY,
            "the native format chooses no partition key",
            "write one of the other keys, or set format.type",
        ));
    }
    let is_in_one_lane = match grain(&key, format) {
        Grain::Lane | Grain::Row => true,
        Grain::Transaction | Grain::Connection | Grain::Values => *ordering == OrderingKey::Table,
    };
    if kind == Packing::None && !is_in_one_lane {
        return Err(Error::new(
            KEY,
            format!(
                "rows of one \"{}\" are in several lanes with ordering.key = \"primary_key\": nothing would order them",
                settings.partition_key
            ),
            "write \"lane\", \"database\", \"table\" or \"primary_key\", or set ordering.key = \"table\"",
        ));
    }
    Ok(key)
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
