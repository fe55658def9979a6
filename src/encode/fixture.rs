//! Tables, images and lines for the tests of formats, byte by byte as MySQL packs them.

use std::sync::Arc;

use bytes::Bytes;
use headwater_actors::ports::encoder::{Encoder, RowEvent, StatementEvent, TableEncoder, Written};
use headwater_binlog::{
    Error,
    charset::Charset,
    ddl::{self, Action, Context, StatementClass, Subject},
    gtid::{Gtid, GtidSource, Uuid},
    position::FileName,
    rows::{ColumnSet, RowsBlock, RowsKind},
    schema::{Column, ColumnKind, Table, TableName},
    transaction::{SnapshotOrigin, Statement, Transaction, TransactionEnd},
};

pub const UUID: Uuid = Uuid([
    0x1b, 0x8f, 0x86, 0xdd, 0xe7, 0x09, 0x11, 0xf1, 0xa8, 0x54, 0x02, 0xfc, 0, 0, 0, 1,
]);
pub const GTID: &str = "1b8f86dd-e709-11f1-a854-02fc00000001:207";

pub const INT: ColumnKind = ColumnKind::Int { unsigned: false };
pub const VARCHAR: ColumnKind = ColumnKind::Text {
    length_bytes: 1,
    charset: Charset::Utf8,
};

pub fn table(columns: &[(&str, ColumnKind)], primary_key: &[usize]) -> Arc<Table> {
    let column = |(name, kind): &(&str, ColumnKind)| Column {
        name: (*name).into(),
        kind: kind.clone(),
        nullable: true,
        visible: true,
    };
    let name = TableName {
        database: "shop".into(),
        table: "item".into(),
    };
    let columns = columns.iter().map(column).collect();
    Arc::new(Table::new(name, columns, primary_key.to_vec()))
}

pub fn transaction() -> Transaction {
    Transaction {
        gtid: Some(Gtid::new(GtidSource::untagged(UUID), 207)),
        file: FileName {
            name: "binlog.000003".into(),
            number: 3,
        },
        offset: 400,
        server_id: 11,
        commit_us: 1_706_933_106_044_120,
        thread_id: Some(12),
        end: Default::default(),
        snapshot: None,
    }
}

pub fn set(bits: &[usize], columns: usize) -> ColumnSet {
    let mut bytes = vec![0_u8; columns.div_ceil(8)];
    for bit in bits {
        bytes[bit / 8] |= 1 << (bit % 8);
    }
    ColumnSet {
        bits: bytes.into(),
        columns,
    }
}

/// A block of whole images, of a transaction that has not ended.
pub fn block(table: &Arc<Table>, kind: RowsKind, images: &[u8]) -> RowsBlock {
    let columns = table.columns.len();
    RowsBlock {
        transaction: Arc::new(transaction()),
        table: Arc::clone(table),
        map: None,
        kind,
        event_offset: 570,
        first_row: 5,
        row_count: 1,
        before: ColumnSet::all(columns),
        after: ColumnSet::all(columns),
        images: Bytes::copy_from_slice(images),
        query: Some("DO \"it\"".into()),
    }
}

/// Of the second launch that copies `run`, at a place of the log.
fn snapshot_transaction(run: &str) -> Arc<Transaction> {
    Arc::new(Transaction {
        gtid: None,
        thread_id: None,
        snapshot: Some(SnapshotOrigin {
            run: run.into(),
            attempt: 2,
            is_apart: false,
        }),
        ..transaction()
    })
}

/// A block of a snapshot's rows.
pub fn snapshot_block(run: &str, table: &Arc<Table>, images: &[u8]) -> RowsBlock {
    RowsBlock {
        transaction: snapshot_transaction(run),
        event_offset: 400,
        query: None,
        ..block(table, RowsKind::Insert, images)
    }
}

/// The line of a snapshot's begin or end in the lane of `shop.item`.
pub fn mark(encoder: &dyn Encoder, run: &str, action: Action) -> Option<String> {
    let table = TableName {
        database: "shop".into(),
        table: "item".into(),
    };
    let statement = Statement {
        transaction: snapshot_transaction(run),
        event_offset: 400,
        row: 6,
        text: "".into(),
        default_database: String::new(),
        sql_mode: 0,
        charset: String::new(),
        subject: Subject::Tables {
            action,
            tables: vec![table.clone()],
        },
    };
    statement_line(encoder, &statement, &table)
}

pub fn end(block: &RowsBlock, xid: Option<u64>, last: u64) {
    let last = Some(last);
    let set = block.transaction.end.set(TransactionEnd { xid, last });
    set.expect("one end");
}

fn planned(encoder: &dyn Encoder, block: &RowsBlock) -> Box<dyn TableEncoder> {
    let mut table = encoder.plan(&block.table);
    table.block(block, 1);
    table
}

fn first_row(block: &RowsBlock) -> Result<RowEvent<'_>, Error> {
    Ok(RowEvent {
        block,
        row: block.row_at(0)?.expect("a row at the front"),
        n: block.first_row,
        last: false,
    })
}

/// Every line of the block's first row.
pub fn lines(encoder: &dyn Encoder, block: &RowsBlock) -> Result<Vec<String>, Error> {
    let mut table = planned(encoder, block);
    let event = first_row(block)?;
    let mut lines = Vec::new();
    let mut out = b"kept".to_vec();
    let mut written = table.row(&event, &mut out);
    loop {
        if written.is_err() || written == Ok(Written::Nothing) {
            assert_eq!(out, b"kept", "nothing of it is left behind");
        }
        if written.clone()? == Written::Nothing {
            break;
        }
        let line = String::from_utf8(out.split_off(4)).expect("UTF-8");
        if !line.is_empty() {
            serde_json::from_str::<serde_json::Value>(&line).expect("JSON");
        }
        lines.push(line);
        if written? == Written::Last {
            break;
        }
        written = table.next_line(&event, lines.len() as u32, &mut out);
    }
    Ok(lines)
}

/// The partition key of each line.
pub fn partition_keys(encoder: &dyn Encoder, block: &RowsBlock) -> Vec<String> {
    let mut table = planned(encoder, block);
    let event = first_row(block).expect("a row");
    let count = lines(encoder, block).expect("lines").len();
    let key = |line| {
        let mut out = Vec::new();
        table
            .partition_key(&event, line, &mut out)
            .expect("a partition key");
        String::from_utf8(out).expect("UTF-8")
    };
    (0..count as u32).map(key).collect()
}

/// What is told of the first row to who must find it.
pub fn key(encoder: &dyn Encoder, block: &RowsBlock) -> String {
    let mut out = Vec::new();
    let event = first_row(block).expect("a row");
    planned(encoder, block)
        .key(&event, &mut out)
        .expect("a key");
    String::from_utf8(out).expect("UTF-8")
}

fn subject(text: &str) -> Subject {
    let context = Context {
        default_database: "shop",
        ..Context::default()
    };
    match ddl::classify(text, &context) {
        StatementClass::Published(subject) => subject,
        class => panic!("{text}: {class:?}"),
    }
}

/// The line of a statement in the lane of `shop.item`, or of the database where it is about one.
pub fn statement(encoder: &dyn Encoder, text: &str) -> Option<String> {
    let statement = Statement {
        transaction: Arc::new(transaction()),
        event_offset: 570,
        row: 0,
        text: text.into(),
        default_database: "shop".into(),
        sql_mode: 0,
        charset: "utf8mb4".into(),
        subject: subject(text),
    };
    let is_of_table = matches!(statement.subject, Subject::Tables { .. });
    let table = TableName {
        database: "shop".into(),
        table: if is_of_table { "item" } else { "" }.into(),
    };
    statement_line(encoder, &statement, &table)
}

pub fn statement_line(
    encoder: &dyn Encoder,
    statement: &Statement,
    table: &TableName,
) -> Option<String> {
    let event = StatementEvent {
        statement,
        table,
        is_shared: false,
        epoch: 1,
        last: true,
    };
    let mut out = Vec::new();
    let written = encoder.statement(&event, &mut out).expect("a statement");
    (written == Written::Last).then(|| {
        let line = String::from_utf8(out).expect("UTF-8");
        serde_json::from_str::<serde_json::Value>(&line).expect("JSON");
        line
    })
}
