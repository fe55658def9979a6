//! A line that was encoded long ago, for a writer that only takes changes: one row of no meaning, and a format that
//! writes the line for it.

use std::sync::Arc;

use bytes::Bytes;
use headwater_actors::{
    changes::Part,
    ports::encoder::{Encoder, RowEvent, StatementEvent, TableEncoder, Written},
};
use headwater_binlog::{
    Error,
    rows::{ColumnSet, RowsBlock, RowsKind},
    schema::{Column, ColumnKind, Table, TableName},
};

#[derive(Clone)]
struct Verbatim {
    line: Bytes,
    partition_key: Option<String>,
}

pub fn encoder(line: Bytes, partition_key: Option<String>) -> Arc<dyn Encoder> {
    Arc::new(Verbatim {
        line,
        partition_key,
    })
}

/// In the place of `change`.
pub fn row(table: &TableName, change: &Part) -> Part {
    let (transaction, event_offset, n) = match change {
        Part::Rows { block, .. } => (&block.transaction, block.event_offset, block.first_row),
        Part::Statement { statement, .. } => (
            &statement.transaction,
            statement.event_offset,
            statement.row,
        ),
    };
    let column = Column {
        name: String::new(),
        kind: ColumnKind::TinyInt { unsigned: true },
        nullable: false,
        visible: true,
    };
    let block = RowsBlock {
        transaction: Arc::clone(transaction),
        table: Arc::new(Table {
            name: table.clone(),
            columns: vec![column],
            primary_key: Vec::new(),
        }),
        kind: RowsKind::Insert,
        event_offset,
        first_row: n,
        row_count: 1,
        before: ColumnSet::none(),
        after: ColumnSet::all(1),
        // No NULL, the number 0.
        images: Bytes::from_static(&[0, 0]),
        query: None,
    };
    Part::Rows {
        block,
        numbers: None,
        is_last: false,
    }
}

impl Encoder for Verbatim {
    fn plan(&self, _table: &Arc<Table>) -> Box<dyn TableEncoder> {
        Box::new(self.clone())
    }

    fn statement(&self, _event: &StatementEvent<'_>, out: &mut Vec<u8>) -> Result<Written, Error> {
        out.extend_from_slice(&self.line);
        Ok(Written::Last)
    }
}

impl TableEncoder for Verbatim {
    fn block(&mut self, _block: &RowsBlock, _epoch: u32) {}

    fn row(&mut self, _event: &RowEvent<'_>, out: &mut Vec<u8>) -> Result<Written, Error> {
        out.extend_from_slice(&self.line);
        Ok(Written::Last)
    }

    fn partition_key(
        &mut self,
        _event: &RowEvent<'_>,
        _line: u32,
        out: &mut Vec<u8>,
    ) -> Result<(), Error> {
        out.extend_from_slice(self.partition_key.as_deref().unwrap_or_default().as_bytes());
        Ok(())
    }

    fn key(&mut self, event: &RowEvent<'_>, out: &mut Vec<u8>) -> Result<(), Error> {
        out.extend_from_slice(format!("(change {})", event.n).as_bytes());
        Ok(())
    }
}
