//! The partition key of a row as Maxwell's Kinesis producer chooses it: plain text, values without quotes.

use headwater_actors::ports::encoder::RowEvent;
use headwater_binlog::{Error, rows::Cell};

use super::{MaxwellTable, PartitionBy};
use crate::encode::{
    columns::{self, KeyColumn},
    value::write_integer,
};

pub(super) fn write(
    table: &MaxwellTable,
    event: &RowEvent<'_>,
    out: &mut Vec<u8>,
) -> Result<(), Error> {
    by(table.encoder.options.partition_by, table, event, out)
}

fn by(
    partition_by: PartitionBy,
    table: &MaxwellTable,
    event: &RowEvent<'_>,
    out: &mut Vec<u8>,
) -> Result<(), Error> {
    let transaction = &event.block.transaction;
    let name = &table.table.name;
    match partition_by {
        PartitionBy::Database => out.extend_from_slice(name.database.as_bytes()),
        PartitionBy::Table => out.extend_from_slice(name.table.as_bytes()),
        PartitionBy::PrimaryKey if table.key.is_empty() => {
            out.extend_from_slice(name.database.as_bytes());
            out.extend_from_slice(name.table.as_bytes());
        }
        PartitionBy::PrimaryKey => {
            if !values(&table.key, table, event, out)? {
                out.extend_from_slice(b"None");
            }
        }
        PartitionBy::TransactionId => match transaction.end.get().and_then(|end| end.xid) {
            Some(xid) => write_integer(xid, out),
            None => {
                out.extend_from_slice(transaction.file.name.as_bytes());
                out.push(b':');
                write_integer(transaction.offset, out);
            }
        },
        PartitionBy::ThreadId => write_integer(transaction.thread_id.unwrap_or_default(), out),
        PartitionBy::Column => {
            if !values(&table.partition_columns, table, event, out)? {
                let fallback = table.encoder.options.partition_by_fallback;
                by(fallback.into(), table, event, out)?;
            }
        }
    }
    Ok(())
}

/// The columns' values one after the other; whether there was any.
fn values(
    of: &[KeyColumn],
    table: &MaxwellTable,
    event: &RowEvent<'_>,
    out: &mut Vec<u8>,
) -> Result<bool, Error> {
    let (data, before) = columns::images(event)?;
    let start = out.len();
    columns::for_key(of, data, before, |key, cell| match cell {
        Cell::Bytes(bytes) => key.plan.write_text(bytes, table.invalid_text, out),
        Cell::Null | Cell::Absent => Ok(()),
    })?;
    Ok(out.len() > start)
}
