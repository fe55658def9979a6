//! Rows of a table as they are now, read beside the stream.
//!
//! Two marks make a chunk right. Before the SELECT: everything that the stream has handed on (`sent`) is visible to
//! it, because the port has waited for that. After the SELECT: all that it saw stands in the log before `end`. What
//! follows from them is decided by the caller.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use headwater_binlog::{
    columns::ListedColumn,
    gtid::GtidSet,
    position::Position,
    schema::{Table, TableName},
    table_map::TableMap,
};

use super::BoxFuture;
use crate::{
    failure::Failure,
    snapshot::{Key, KeyRange},
};

/// Reads tables. Calls may run side by side, each on a connection of its own.
pub trait SnapshotSource: Send + Sync {
    /// Waits until all changes up to `sent` are visible, then describes the table.
    fn describe(&self, ask: DescribeAsk) -> BoxFuture<'static, Result<DescribeAnswer, Failure>>;

    /// One chunk. A failure says nothing of the chunk: ask again.
    fn read(&self, ask: ChunkAsk) -> BoxFuture<'static, Result<ChunkAnswer, Failure>>;
}

/// The end of what the Reader has sent to the Router.
#[derive(Debug, Clone, PartialEq)]
pub struct Sent {
    pub position: Position,
    /// Empty where the server has no GTIDs.
    pub gtids: GtidSet,
}

#[derive(Debug, Clone, PartialEq)]
pub struct DescribeAsk {
    pub table: TableName,
    pub sent: Sent,
    /// Into how many ranges of about the same size the table is to be divided, where its key allows it.
    pub ranges: usize,
}

#[derive(Debug, Clone, PartialEq)]
pub enum DescribeAnswer {
    Described(Described),
    /// There is no such table.
    Gone,
    /// It cannot be copied, for this reason.
    Refused(String),
}

#[derive(Debug, Clone, PartialEq)]
pub struct Described {
    pub description: Arc<Description>,
    /// The whole table, in parts, up to its last key; none where it has no row.
    pub ranges: Vec<KeyRange>,
    /// Rows, by the server's statistics.
    pub rows_estimate: u64,
    /// Bytes of a row, by the server's statistics; 0 when unknown.
    pub row_bytes_estimate: u64,
}

/// A table's columns and key. All its chunks share one, until a statement changes the table.
#[derive(Debug, PartialEq)]
pub struct Description {
    pub table: Arc<Table>,
    /// As the log would describe the table.
    pub map: Arc<TableMap>,
    /// As the server lists them, in the order of `table`.
    pub columns: Vec<ListedColumn>,
    /// Columns by which it is read, as indexes; empty: the whole table is one chunk.
    pub key: Vec<usize>,
    /// The name of the index over them.
    pub index: String,
    /// The key with its types and collations: under another text, keys mean something else.
    pub key_text: Arc<str>,
}

#[derive(Debug, Clone, PartialEq)]
pub struct ChunkAsk {
    pub description: Arc<Description>,
    pub part: ChunkPart,
    /// The text of a WHERE clause.
    pub condition: Option<Arc<str>>,
    pub sent: Sent,
    pub rows_max: usize,
    /// Rows behind the one that reaches this are left out of the chunk.
    pub bytes_max: usize,
}

#[derive(Debug, Clone, PartialEq)]
pub enum ChunkPart {
    /// From its begin on.
    Range(KeyRange),
    /// Just these rows, where they are.
    Keys(Vec<Key>),
}

#[derive(Debug, Clone, PartialEq)]
pub enum ChunkAnswer {
    Read(Chunk),
    /// The server is busier than the settings allow, as a sentence: ask later.
    Busy(String),
    /// The table is no longer as it was described.
    Changed,
    /// A table without a key is larger than a chunk may be.
    TooLarge(String),
}

#[derive(Debug, Clone, PartialEq)]
pub struct Chunk {
    /// Row images of an insert with all columns, in key order.
    pub images: Bytes,
    pub rows: u32,
    /// Nothing of the range is left behind them.
    pub is_end: bool,
    /// The end of the log, read after them.
    pub end: Position,
    /// When they were read, microseconds since 1970.
    pub read_us: u64,
    /// How long the SELECT ran.
    pub took: Duration,
}
