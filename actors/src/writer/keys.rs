//! The partition key of one row, where it is not its lane's.
//!
//! The lane stays what keeps order: one record of it is in flight, whatever its key. A key only says on which
//! shard a record lands, so it must not be coarser in what it promises than the lane (the plan sees to that).
//! A row that has nothing to make a key of has its lane's: the text stays empty.

use headwater_binlog::{
    Error,
    schema::TableName,
    transaction::{Statement, Transaction},
};

use crate::{
    lane::within_limit,
    packing::PartitionKey,
    ports::encoder::{RowEvent, TableEncoder},
};

impl PartitionKey {
    /// Writes the key of the row's line `line`; nothing where it is the lane's.
    pub(super) fn of_row(
        &self,
        encoder: &mut dyn TableEncoder,
        event: &RowEvent<'_>,
        line: u32,
        key: &mut String,
    ) -> Result<(), Error> {
        let block = event.block;
        let mut text = Vec::new();
        match self {
            Self::Lane => return Ok(()),
            Self::Database | Self::Table | Self::TransactionId => {
                self.of_place(&block.table.name, &block.transaction, key);
                return Ok(());
            }
            Self::PrimaryKey if block.table.primary_key.is_empty() => return Ok(()),
            Self::PrimaryKey => encoder.key(event, &mut text)?,
            Self::Columns(columns) => encoder.columns(event, columns, &mut text)?,
            Self::Format => encoder.partition_key(event, line, &mut text)?,
        }
        *key = within_limit(String::from_utf8_lossy(&text).into_owned());
        Ok(())
    }

    pub(super) fn of_statement(&self, statement: &Statement, table: &TableName, key: &mut String) {
        self.of_place(table, &statement.transaction, key);
    }

    fn of_place(&self, table: &TableName, transaction: &Transaction, key: &mut String) {
        let text = match self {
            Self::Database => table.database.clone(),
            Self::Table => table.to_string(),
            Self::TransactionId => match &transaction.gtid {
                Some(gtid) => gtid.to_string(),
                None => transaction.position().to_string(),
            },
            Self::Lane | Self::PrimaryKey | Self::Columns(_) | Self::Format => return,
        };
        *key = within_limit(text);
    }
}
