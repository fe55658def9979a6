//! How a change becomes text.

use std::sync::Arc;

use headwater_binlog::{
    Error,
    rows::{Row, RowsBlock},
    schema::Table,
    transaction::Statement,
};

use crate::{changes::Heartbeat, lane::Lane};

/// What a call appended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Written {
    /// The format has no line for this change.
    Nothing,
    /// The change's last line; of most changes the only one.
    Last,
    /// A line; [`TableEncoder::next_line`] appends the one after it.
    More,
}

/// A format. Encoders are pure: the same change gives the same bytes.
pub trait Encoder: Send + Sync {
    /// Built once per table map and writer.
    fn plan(&self, table: &Arc<Table>) -> Box<dyn TableEncoder>;

    /// Appends one line (no line end) for a DDL, or nothing.
    fn statement(&self, event: &StatementEvent<'_>, out: &mut Vec<u8>) -> Result<Written, Error>;

    /// Appends one line (no line end) that says how far a lane is complete, or nothing.
    fn heartbeat(&self, _event: &HeartbeatEvent<'_>, _out: &mut Vec<u8>) -> Result<Written, Error> {
        Ok(Written::Nothing)
    }
}

pub trait TableEncoder: Send {
    /// Announces the block that the next rows come from.
    fn block(&mut self, block: &RowsBlock, epoch: u32);

    /// Appends one line (no line end). On an error nothing that was appended counts.
    fn row(&mut self, event: &RowEvent<'_>, out: &mut Vec<u8>) -> Result<Written, Error>;

    /// Appends the change's line `line`, from 1 on, after a call that said [`Written::More`]. Each line of a
    /// change is a record of its own, or shares one, as its neighbours do. An empty line is left out where
    /// lines share records.
    fn next_line(
        &mut self,
        _event: &RowEvent<'_>,
        _line: u32,
        _out: &mut Vec<u8>,
    ) -> Result<Written, Error> {
        Ok(Written::Nothing)
    }

    /// Appends the partition key that the format's own tool chooses for the change's line `line`; nothing
    /// where it has none.
    fn partition_key(
        &mut self,
        _event: &RowEvent<'_>,
        _line: u32,
        _out: &mut Vec<u8>,
    ) -> Result<(), Error> {
        Ok(())
    }

    /// Appends the values of these columns after the change, for a partition key: text as it is, several
    /// with a comma between them; nothing where all are NULL or missing.
    fn columns(
        &mut self,
        _event: &RowEvent<'_>,
        _columns: &[String],
        _out: &mut Vec<u8>,
    ) -> Result<(), Error> {
        Err(Error::Refused(
            "this format writes no columns as a partition key".into(),
        ))
    }

    /// Appends the row's key alone, as a partition key.
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
pub struct HeartbeatEvent<'a> {
    pub heartbeat: &'a Heartbeat,
    pub lane: &'a Lane,
    pub epoch: u32,
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
