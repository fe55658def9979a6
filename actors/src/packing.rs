//! How lines become records: in which frame, compressed how, under which partition key.
//!
//! The choices, as the plan makes them for each route. Not here: how they are carried out (`writer`).

pub(crate) mod compression;

use serde::{Deserialize, Serialize};
use std::sync::Arc;

pub use self::compression::Compression;

/// How lines become records.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Packing {
    /// Many lines a record, each ending in a line feed.
    Newline,
    /// One line, one record, no line feed.
    None,
    /// Many lines a record, as one JSON array.
    JsonArray,
    /// Many lines a record, as the user records of the Kinesis Producer Library's aggregate.
    Kpl,
}

/// The partition key of a line. It says on which shard a record lands; order is the lane's.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum PartitionKey {
    #[default]
    Lane,
    Database,
    /// `db.table`
    Table,
    /// As the format writes it.
    PrimaryKey,
    /// The GTID, or where the transaction begins.
    TransactionId,
    /// The values of these columns, after the change.
    Columns(Arc<[String]>),
    /// As the tool chooses it whose format is written.
    Format,
}
