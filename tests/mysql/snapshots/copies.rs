//! A table read to its end, as the pipeline would, without a stream beside it.

use std::sync::Arc;

use headwater::mysql::{MySqlSnapshots, SnapshotLimits, resolve_start};
use headwater_actors::{
    failure::Failure,
    ports::snapshot::{
        Chunk, ChunkAnswer, ChunkAsk, ChunkPart, DescribeAnswer, DescribeAsk, Described,
        Description, Sent, SnapshotSource,
    },
    snapshot::{Key, KeyRange},
};
use headwater_binlog::{
    rows::{Cell, ColumnSet, RowsBlock, RowsKind},
    schema::TableName,
    snapshot::{KeyReader, split},
    transaction::Transaction,
    value::{self, Value},
};
use headwater_harness::mysql::MySql;

use crate::log::plan;

pub const BYTES_MAX: usize = 8 << 20;

pub fn table(database: &str, table: &str) -> TableName {
    TableName {
        database: database.into(),
        table: table.into(),
    }
}

pub fn d(name: &str) -> TableName {
    table("d", name)
}

/// Reads this server's tables as the account of all tests.
pub async fn snapshots(server: &MySql) -> MySqlSnapshots {
    with_limits(server, SnapshotLimits::default()).await
}

pub async fn with_limits(server: &MySql, limits: SnapshotLimits) -> MySqlSnapshots {
    let start = resolve_start(&plan(server), "source.start").await;
    let home = start.expect("a start").home.server_uuid;
    MySqlSnapshots::new(plan(server), home, 2, limits)
}

/// All that is in the log by now.
pub async fn sent(server: &MySql) -> Sent {
    let start = resolve_start(&plan(server), "source.start").await;
    let resume = start.expect("a start").resume;
    Sent {
        position: resume.mark.position,
        gtids: resume.gtid_set,
    }
}

pub async fn describe(
    source: &dyn SnapshotSource,
    sent: &Sent,
    table: &TableName,
) -> Result<DescribeAnswer, Failure> {
    let ask = DescribeAsk {
        table: table.clone(),
        sent: sent.clone(),
        ranges: 4,
    };
    source.describe(ask).await
}

pub async fn described(source: &dyn SnapshotSource, sent: &Sent, table: &TableName) -> Described {
    match describe(source, sent, table).await {
        Ok(DescribeAnswer::Described(described)) => described,
        other => panic!("{table}: {other:?}"),
    }
}

pub fn ask(description: &Arc<Description>, sent: &Sent, rows_max: usize) -> ChunkAsk {
    ChunkAsk {
        description: Arc::clone(description),
        part: ChunkPart::Range(KeyRange::default()),
        condition: None,
        sent: sent.clone(),
        rows_max,
        bytes_max: BYTES_MAX,
    }
}

pub async fn chunk(source: &dyn SnapshotSource, ask: ChunkAsk) -> Chunk {
    let table = ask.description.table.name.clone();
    match source.read(ask).await {
        Ok(ChunkAnswer::Read(chunk)) => chunk,
        other => panic!("{table}: {other:?}"),
    }
}

pub fn block(description: &Description, chunk: &Chunk) -> RowsBlock {
    let columns = description.table.columns.len();
    RowsBlock {
        transaction: Arc::new(nowhere(chunk)),
        table: Arc::clone(&description.table),
        map: None,
        kind: RowsKind::Insert,
        event_offset: 0,
        first_row: 0,
        row_count: chunk.rows,
        before: ColumnSet::none(),
        after: ColumnSet::all(columns),
        images: chunk.images.clone(),
        query: None,
    }
}

fn nowhere(chunk: &Chunk) -> Transaction {
    Transaction {
        gtid: None,
        file: chunk.end.file.clone(),
        offset: chunk.end.offset,
        server_id: 0,
        commit_us: chunk.read_us,
        thread_id: None,
        end: Default::default(),
        snapshot: None,
    }
}

/// The key of each row.
pub fn keys(description: &Description, chunk: &Chunk) -> Vec<Key> {
    let reader = KeyReader::new(&description.table, &description.key).expect("a key");
    let block = block(description, chunk);
    let key = |row: Result<(usize, headwater_binlog::rows::Row<'_>), _>| {
        let (_, row) = row.expect("a row");
        let mut bytes = Vec::new();
        let image = row.after.expect("an image");
        assert!(reader.read(&image, &mut bytes).expect("a key"));
        Key(split(&bytes).map(Box::from).collect())
    };
    block.rows().map(key).collect()
}

/// The number in the column `n` of each row.
pub fn numbers(description: &Description, chunk: &Chunk) -> Vec<i64> {
    let columns = &description.table.columns;
    let place = columns.iter().position(|column| column.name == "n");
    let place = place.expect("a column n");
    let block = block(description, chunk);
    let number = |row: Result<(usize, headwater_binlog::rows::Row<'_>), _>| {
        let (_, row) = row.expect("a row");
        let cell = row.after.expect("an image").cells().nth(place);
        let Some(Ok(Cell::Bytes(bytes))) = cell else {
            panic!("{cell:?}");
        };
        match value::read(&columns[place].kind, bytes).expect("a value") {
            Value::Int(number) => number,
            other => panic!("{other:?}"),
        }
    };
    let numbers: Vec<i64> = block.rows().map(number).collect();
    assert_eq!(numbers.len(), chunk.rows as usize);
    numbers
}

/// The numbers of all rows, chunk by chunk, range by range.
pub async fn copy(
    source: &dyn SnapshotSource,
    sent: &Sent,
    described: &Described,
    rows_max: usize,
) -> Vec<i64> {
    let mut all = Vec::new();
    for range in &described.ranges {
        let mut range = range.clone();
        loop {
            let ask = ChunkAsk {
                part: ChunkPart::Range(range.clone()),
                ..ask(&described.description, sent, rows_max)
            };
            let chunk = chunk(source, ask).await;
            all.extend(numbers(&described.description, &chunk));
            if chunk.is_end {
                break;
            }
            range.after = keys(&described.description, &chunk).pop();
            assert!(range.after.is_some(), "an empty chunk that is not the end");
        }
    }
    all
}

/// 2,000 numbers in `d.seq`.
pub async fn prepare(server: &MySql) {
    prepare_many(server, 2_000).await;
}

/// So many, at most 40,000.
pub async fn prepare_many(server: &MySql, count: u32) {
    let sql = format!(
        "CREATE DATABASE d; CREATE TABLE d.seq (i INT PRIMARY KEY); \
         INSERT INTO d.seq WITH RECURSIVE s (i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM s WHERE i < 199) \
         SELECT a.i + 200 * b.i FROM s a, s b WHERE a.i + 200 * b.i < {count}"
    );
    server.exec(&sql).await.expect("numbers");
}

pub async fn server_order(server: &MySql, table: &str, order: &str) -> Vec<i64> {
    let sql = format!("SELECT n FROM {table} ORDER BY {order}");
    let rows = server.query_rows(&sql).await.expect("rows");
    let number = |row: Vec<Option<String>>| row[0].as_ref().and_then(|text| text.parse().ok());
    rows.into_iter().filter_map(number).collect()
}
