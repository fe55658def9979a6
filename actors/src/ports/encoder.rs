//! How a change becomes text.

use std::sync::Arc;

use headwater_binlog::{
    Error,
    rows::{Row, RowsBlock},
    schema::Table,
    transaction::Statement,
};

/// A format. Encoders are pure: the same change gives the same bytes.
pub trait Encoder: Send + Sync {
    /// Built once per table map and writer.
    fn plan(&self, table: &Arc<Table>) -> Box<dyn TableEncoder>;

    /// Appends one line (no line end) for a DDL.
    fn statement(&self, event: &StatementEvent<'_>, out: &mut Vec<u8>) -> Result<(), Error>;
}

pub trait TableEncoder: Send {
    /// Announces the block that the next rows come from.
    fn block(&mut self, block: &RowsBlock, epoch: u32);

    /// Appends one line (no line end). On an error nothing that was appended counts.
    fn row(&mut self, event: &RowEvent<'_>, out: &mut Vec<u8>) -> Result<(), Error>;

    /// Appends the row's key alone, for the operator who must find the row.
    fn key(&mut self, event: &RowEvent<'_>, out: &mut Vec<u8>) -> Result<(), Error>;
}

#[derive(Debug, Clone, Copy)]
pub struct RowEvent<'a> {
    pub block: &'a RowsBlock,
    pub row: Row<'a>,
    /// Index among all rows and DDLs of the transaction.
    pub n: u64,
    /// The transaction's last event in this lane, where that is known.
    pub last: bool,
}

#[derive(Debug, Clone, Copy)]
pub struct StatementEvent<'a> {
    pub statement: &'a Statement,
    /// The table whose lane this copy goes to.
    pub table: &'a headwater_binlog::schema::TableName,
    /// The statement goes to several lanes: the id names the table.
    pub is_shared: bool,
    pub epoch: u32,
    pub last: bool,
}
