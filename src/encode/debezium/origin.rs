//! Where an event comes from: the `source` block and what follows it, written once per block but for the
//! row's number and the operation.
//!
//! `row` is the row's index in its transaction, not in its event: it stays the same when a transaction is
//! read again from its middle. `file`, `pos` and `row` sort as the source does.
//! Of a snapshot's rows `snapshot` is "incremental": changes stand between them. "true" is what Debezium says of rows
//! that it reads before it streams anything, of which the first and the last are marked.

use headwater_binlog::{json::write_json_string, schema::TableName, transaction::Transaction};

use super::DebeziumOptions;
use crate::encode::{columns, value::write_integer};

/// The version whose format this is.
const VERSION: &str = "3.6.1.Final";

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Op {
    Create,
    /// A snapshot's row.
    Read,
    Update,
    Delete,
    Truncate,
}

impl Op {
    fn letter(self) -> u8 {
        match self {
            Self::Create => b'c',
            Self::Read => b'r',
            Self::Update => b'u',
            Self::Delete => b'd',
            Self::Truncate => b't',
        }
    }
}

pub(super) struct Origin<'a> {
    pub options: &'a DebeziumOptions,
    pub transaction: &'a Transaction,
    pub table: &'a TableName,
    pub event_offset: u64,
    /// The statement that changed the rows.
    pub query: Option<&'a str>,
}

/// From behind `after` to the end: `head` row `middle` operation `tail`.
#[derive(Default)]
pub(super) struct OriginText {
    head: Vec<u8>,
    middle: Vec<u8>,
    tail: Vec<u8>,
}

impl Origin<'_> {
    pub fn prepare(&self, text: &mut OriginText) {
        text.head.clear();
        text.head.push(b',');
        self.write_source_to_row(&mut text.head);
        text.middle.clear();
        self.write_source_from_row(&mut text.middle);
        text.middle
            .extend_from_slice(b",\"transaction\":null,\"op\":\"");
        text.tail.clear();
        text.tail.extend_from_slice(b"\",");
        self.write_times(&mut text.tail);
        text.tail.push(b'}');
    }

    /// `"source":{...}`
    pub fn write_source(&self, row: u64, out: &mut Vec<u8>) {
        self.write_source_to_row(out);
        write_integer(row, out);
        self.write_source_from_row(out);
    }

    fn write_source_to_row(&self, out: &mut Vec<u8>) {
        let transaction = self.transaction;
        out.extend_from_slice(b"\"source\":{\"version\":\"");
        out.extend_from_slice(VERSION.as_bytes());
        out.extend_from_slice(b"\",\"connector\":\"mysql\",\"name\":");
        write_json_string(&self.options.name, out);
        out.extend_from_slice(b",\"ts_ms\":");
        write_integer(transaction.commit_us / 1_000, out);
        out.extend_from_slice(match transaction.snapshot {
            None => b",\"snapshot\":\"false\",\"db\":".as_slice(),
            Some(_) => b",\"snapshot\":\"incremental\",\"db\":".as_slice(),
        });
        write_json_string(&self.table.database, out);
        out.extend_from_slice(b",\"sequence\":null,\"ts_us\":");
        write_integer(transaction.commit_us, out);
        out.extend_from_slice(b",\"ts_ns\":");
        write_integer(nanoseconds(transaction), out);
        out.extend_from_slice(b",\"table\":");
        if self.table.table.is_empty() {
            out.extend_from_slice(b"null");
        } else {
            write_json_string(&self.table.table, out);
        }
        out.extend_from_slice(b",\"server_id\":");
        write_integer(transaction.server_id, out);
        out.extend_from_slice(b",\"gtid\":");
        columns::write_gtid(transaction, out);
        out.extend_from_slice(b",\"file\":");
        write_json_string(&transaction.file.name, out);
        out.extend_from_slice(b",\"pos\":");
        write_integer(self.event_offset, out);
        out.extend_from_slice(b",\"row\":");
    }

    fn write_source_from_row(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(b",\"thread\":");
        match self.transaction.thread_id {
            Some(thread_id) => write_integer(thread_id, out),
            None => out.extend_from_slice(b"null"),
        }
        out.extend_from_slice(b",\"query\":");
        match self.query.filter(|_| self.options.include_query) {
            Some(query) => write_json_string(query, out),
            None => out.extend_from_slice(b"null"),
        }
        out.push(b'}');
    }

    /// Debezium's own clock stands here; the same change has the same bytes only with the commit time.
    fn write_times(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(b"\"ts_ms\":");
        write_integer(self.transaction.commit_us / 1_000, out);
        out.extend_from_slice(b",\"ts_us\":");
        write_integer(self.transaction.commit_us, out);
        out.extend_from_slice(b",\"ts_ns\":");
        write_integer(nanoseconds(self.transaction), out);
    }
}

impl OriginText {
    pub fn write(&self, row: u64, op: Op, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.head);
        write_integer(row, out);
        out.extend_from_slice(&self.middle);
        out.push(op.letter());
        out.extend_from_slice(&self.tail);
    }
}

fn nanoseconds(transaction: &Transaction) -> u128 {
    u128::from(transaction.commit_us) * 1_000
}
