//! A table of three numbers: its changes, as they stand in the log, and what a SELECT gives.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, OnceLock},
    time::Duration,
};

use bytes::Bytes;
use headwater_binlog::{
    assembler::Item,
    ddl::{Action, Subject},
    rows::{Cell, ColumnSet, Image, RowsBlock, RowsKind},
    schema::{Column, ColumnKind, Table},
    table_map::TableMap,
    transaction::{Statement, Transaction},
};

use crate::{
    fixture,
    ports::snapshot::{Chunk, ChunkAsk, ChunkPart, Described, Description},
    snapshot::{Key, KeyRange},
};

/// `v` and `w` of a row; what the consumer has not been told is `None`.
pub type Row = [Option<i32>; 2];
pub type Rows = BTreeMap<i32, Row>;

pub const KEYS: i32 = 40;

#[derive(Debug, Clone)]
pub enum Change {
    Insert(i32, [i32; 2]),
    /// Key before and after, the row after, and whether the log tells all of it, or `v` alone.
    Update(i32, i32, [i32; 2], bool),
    Delete(i32),
    Truncate,
    Alter,
    /// Another table takes the name.
    Swap(Rows),
}

/// The end of so many transactions, and back.
pub fn place(transactions: usize) -> u64 {
    100 + 10 * transactions as u64
}

pub fn version(offset: u64) -> usize {
    (offset as usize - 100) / 10
}

pub fn apply(rows: &mut Rows, change: &Change, is_table: bool) {
    match change {
        Change::Insert(key, row) => {
            rows.insert(*key, row.map(Some));
        }
        Change::Update(key, to, [v, w], is_whole) => {
            let before = rows.remove(key).unwrap_or([None, None]);
            let w = if *is_whole { Some(*w) } else { before[1] };
            rows.insert(*to, [Some(*v), w]);
        }
        Change::Delete(key) => {
            rows.remove(key);
        }
        Change::Truncate => rows.clear(),
        Change::Alter => {}
        // The consumer takes away what it had of the name.
        Change::Swap(other) if is_table => rows.clone_from(other),
        Change::Swap(_) => rows.clear(),
    }
}

pub fn table() -> Arc<Table> {
    static TABLE: OnceLock<Arc<Table>> = OnceLock::new();
    let column = |name: &str| Column {
        name: name.into(),
        kind: ColumnKind::Int { unsigned: false },
        nullable: false,
        visible: true,
    };
    let make = || {
        Arc::new(Table::new(
            fixture::name("a"),
            ["id", "v", "w"].map(column).into(),
            vec![0],
        ))
    };
    Arc::clone(TABLE.get_or_init(make))
}

pub fn described(is_keyless: bool) -> Described {
    let map = TableMap {
        body: Bytes::new(),
        dialect: Default::default(),
        post_header_bytes: 8,
        answer: None,
    };
    let middle = Key([i32::to_le_bytes(KEYS / 2)[..].into()].into());
    let half = |after, until| KeyRange { after, until };
    let halves = vec![half(None, Some(middle.clone())), half(Some(middle), None)];
    Described {
        description: Arc::new(Description {
            table: table(),
            map: Arc::new(map),
            columns: Vec::new(),
            key: if is_keyless { Vec::new() } else { vec![0] },
            index: "PRIMARY".into(),
            key_text: "PRIMARY (id int)".into(),
        }),
        ranges: if is_keyless {
            vec![KeyRange::default()]
        } else {
            halves
        },
        rows_estimate: 1,
        row_bytes_estimate: 1,
    }
}

pub fn key_of(key: &Key) -> i32 {
    i32::from_le_bytes((&*key.0[0]).try_into().expect("four bytes"))
}

pub fn select(ask: &ChunkAsk, rows: &Rows) -> Chunk {
    let most = ask.rows_max.min(5);
    let is_wanted = |key: &i32| match &ask.part {
        ChunkPart::Keys(keys) => keys.iter().any(|wanted| key_of(wanted) == *key),
        ChunkPart::Range(KeyRange { after, until }) => {
            after.as_ref().is_none_or(|after| key_of(after) < *key)
                && until.as_ref().is_none_or(|until| *key <= key_of(until))
        }
    };
    let wanted: Vec<_> = rows.iter().filter(|(key, _)| is_wanted(key)).collect();
    let is_end = wanted.len() <= most || ask.description.key.is_empty();
    let taken = if is_end { wanted.len() } else { most };
    let mut images = Vec::new();
    for (key, row) in wanted.iter().take(taken) {
        images.extend(image(**key, &[row[0], row[1]]));
    }
    Chunk {
        images: images.into(),
        rows: taken as u32,
        is_end,
        end: fixture::at(4),
        read_us: 7,
        took: Duration::from_millis(100),
    }
}

pub fn image(key: i32, values: &[Option<i32>]) -> Vec<u8> {
    let mut image = vec![0xf8];
    image.extend(key.to_le_bytes());
    for value in values {
        image.extend(value.expect("the table knows all").to_le_bytes());
    }
    image
}

pub fn values(image: &Image<'_>) -> (i32, Row) {
    let mut cells = image.cells().map(|cell| match cell.expect("a cell") {
        Cell::Bytes(bytes) => i32::from_le_bytes(bytes.try_into().expect("four bytes")),
        cell => panic!("{cell:?}"),
    });
    let key = cells.next().expect("a key");
    (key, [cells.next(), cells.next()])
}

pub fn item(change: &Change, number: usize) -> Item {
    let place = fixture::at(place(number));
    let transaction = Arc::new(Transaction {
        gtid: None,
        file: place.file,
        offset: place.offset,
        server_id: 1,
        commit_us: 1,
        thread_id: None,
        end: OnceLock::new(),
        snapshot: None,
    });
    let statement = |action, tables: &[&str]| {
        Item::Statement(Statement {
            transaction: Arc::clone(&transaction),
            event_offset: 1,
            row: 0,
            text: "".into(),
            default_database: String::new(),
            sql_mode: 0,
            charset: String::new(),
            subject: Subject::Tables {
                action,
                tables: tables.iter().map(|table| fixture::name(table)).collect(),
            },
        })
    };
    let all = || ColumnSet::all(3);
    let some = |bits: u8| ColumnSet {
        bits: vec![bits].into(),
        columns: 3,
    };
    let old = |key: i32| image(key, &[Some(0), Some(0)]);
    let (kind, before, after, images) = match change {
        Change::Insert(key, row) => {
            let image = image(*key, &row.map(Some));
            (RowsKind::Insert, ColumnSet::none(), all(), image)
        }
        Change::Delete(key) => (RowsKind::Delete, all(), ColumnSet::none(), old(*key)),
        Change::Update(key, to, row, true) => {
            let images = [old(*key), image(*to, &row.map(Some))].concat();
            (RowsKind::Update, all(), all(), images)
        }
        Change::Update(key, to, [v, _], false) => {
            let mut images = vec![0xfe];
            images.extend(key.to_le_bytes());
            images.push(0xfc);
            images.extend(
                (key != to)
                    .then_some(to.to_le_bytes())
                    .into_iter()
                    .flatten(),
            );
            images.extend(v.to_le_bytes());
            let after = if key == to { 0b010 } else { 0b011 };
            (RowsKind::Update, some(0b001), some(after), images)
        }
        Change::Truncate => return statement(Action::TruncateTable, &["a"]),
        Change::Alter => return statement(Action::AlterTable, &["a"]),
        Change::Swap(_) => return statement(Action::AlterTable, &["a", "b"]),
    };
    let mut block = RowsBlock {
        transaction,
        table: table(),
        map: None,
        kind,
        event_offset: 1,
        first_row: 0,
        row_count: 1,
        before,
        after,
        images: images.into(),
        query: None,
    };
    block.row_count = block.count_rows().expect("rows");
    Item::Rows(block)
}

#[test]
fn keys_stand_in_ranges_once() {
    let all = described(false).ranges;
    let ends: BTreeSet<Option<i32>> = all.iter().map(|it| it.until.as_ref().map(key_of)).collect();
    assert_eq!(ends.len(), all.len());
}
