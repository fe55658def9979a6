//! A hand-made binlog of two-column tables, what it means, and an encoder whose lines tell it back.
//!
//! Every event is framed, numbered and checksummed as a server does it. Beside the bytes the log keeps the
//! list of its changes with the line that each must become, so that a test compares what arrived with it.
//! Shared by the tests beside the code and those in `tests/`.
#![allow(dead_code)]

use std::{
    collections::{BTreeMap, HashMap},
    io::Write,
    sync::{Arc, Mutex},
};

use bytes::{BufMut, Bytes};
use headwater_actors::{
    lane::Lane,
    ports::encoder::{Encoder, HeartbeatEvent, RowEvent, StatementEvent, TableEncoder, Written},
};
use headwater_binlog::{
    Error,
    assembler::{Assembler, Item},
    columns::{ColumnList, ListedColumn},
    position::{FileName, Position},
    rows::{RowsBlock, RowsKind},
    schema::{Table, TableName},
};

pub const SOURCE: [u8; 16] = [7; 16];
/// A row with this value cannot be encoded.
pub const UNDECODABLE: i32 = -1;
/// A row with this value has no line.
pub const SKIPPED: i32 = -2;
/// A row with this value has two lines, of which the second ends in " again".
pub const DOUBLED: i32 = -3;
/// A row with this value has two lines, of which the second is empty.
pub const ENDED: i32 = -4;

/// Rows are `(id, v)`; `id` is the primary key.
#[derive(Debug, Clone)]
pub enum Op {
    Insert(&'static str, Vec<(i32, i32)>),
    Update(&'static str, Vec<((i32, i32), (i32, i32))>),
    Delete(&'static str, Vec<(i32, i32)>),
}

/// One line that must arrive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    pub table: String,
    pub n: u64,
    /// Of its transaction.
    pub start: u64,
    pub end: u64,
    pub line: String,
}

#[derive(Debug, Clone, Default)]
pub struct Log {
    /// Where each event ends, and the event.
    pub events: Vec<(u64, Bytes)>,
    pub changes: Vec<Change>,
    tables: BTreeMap<&'static str, u64>,
    transactions: u64,
}

pub fn file() -> FileName {
    FileName::parse("binlog.000001").expect("a file name")
}

pub fn at(offset: u64) -> Position {
    Position::new(file(), offset)
}

/// `db.table`, or `table` of `shop`.
pub fn name(table: &str) -> TableName {
    let (database, table) = table.split_once('.').unwrap_or(("shop", table));
    TableName {
        database: database.into(),
        table: table.into(),
    }
}

pub fn lane(table: &str) -> Arc<Lane> {
    Arc::new(Lane {
        table: name(table),
        index: 0,
        count: 1,
        run: None,
    })
}

impl Log {
    pub fn new() -> Self {
        let mut log = Self::default();
        log.event(15, &format_description());
        log
    }

    pub fn end(&self) -> u64 {
        self.events.last().map_or(4, |(end, _)| *end)
    }

    pub fn transactions(&self) -> u64 {
        self.transactions
    }

    pub fn event(&mut self, code: u8, body: &[u8]) {
        let end = self.end() + 19 + body.len() as u64 + 4;
        self.events.push((end, frame(code, end as u32, 0, body)));
    }

    /// One transaction, a rows event per operation.
    pub fn transaction(&mut self, ops: &[Op]) {
        let start = self.begin_with(0);
        self.event(2, &query_body("", "BEGIN"));
        let mut n = 0;
        for op in ops {
            let (map, code, body) = self.rows(op, start, &mut n);
            self.event(19, &map);
            self.event(code, &body);
        }
        self.event(16, &7u64.to_le_bytes());
        self.ended(start);
    }

    /// The same in one TRANSACTION_PAYLOAD.
    pub fn compressed(&mut self, ops: &[Op]) {
        let start = self.begin_with(0);
        let mut plain = inner(2, &query_body("", "BEGIN"));
        let mut n = 0;
        for op in ops {
            let (map, code, body) = self.rows(op, start, &mut n);
            plain.extend(inner(19, &map));
            plain.extend(inner(code, &body));
        }
        plain.extend(inner(16, &7u64.to_le_bytes()));
        // Compression 255: none. The slices are the same.
        let mut body = vec![2, 3, 0xfc, 255, 0];
        for field in [3, 1] {
            body.extend([field, 9, 0xfe]);
            body.extend((plain.len() as u64).to_le_bytes());
        }
        body.push(0);
        body.extend(plain);
        self.event(40, &body);
        self.ended(start);
    }

    /// A statement of `shop`; `tables` are those whose lanes get it (`db.` for a database's own).
    pub fn ddl(&mut self, text: &str, tables: &[&str]) {
        let start = self.begin_with(0);
        self.event(2, &query_body("shop", text));
        for table in tables {
            let table = name(table).to_string();
            let line = format!("{table} {} 0 ddl", self.transactions);
            self.changes.push(Change {
                table,
                n: 0,
                start,
                end: 0,
                line,
            });
        }
        self.ended(start);
    }

    /// With flags of its GTID event.
    pub fn begin_with(&mut self, flags: u8) -> u64 {
        self.transactions += 1;
        let start = self.end();
        let mut body = vec![flags];
        body.extend(SOURCE);
        body.extend(self.transactions.to_le_bytes());
        body.push(2);
        body.extend([0; 16]);
        body.extend(&1_700_000_000_000_000u64.to_le_bytes()[..7]);
        body.push(100);
        body.extend(80400u32.to_le_bytes());
        self.event(33, &body);
        start
    }

    pub fn ended(&mut self, start: u64) {
        let end = self.end();
        for change in self.changes.iter_mut().rev() {
            if change.start != start {
                break;
            }
            change.end = end;
        }
    }

    /// A table map, and the rows event of the operation: its code and body.
    pub fn rows(&mut self, op: &Op, start: u64, n: &mut u64) -> (Vec<u8>, u8, Vec<u8>) {
        let (table, code, rows) = match op {
            Op::Insert(table, rows) => (
                *table,
                30,
                rows.iter()
                    .map(|row| (vec![*row], 'i', *row))
                    .collect::<Vec<_>>(),
            ),
            Op::Update(table, rows) => (
                *table,
                31,
                rows.iter()
                    .map(|(old, new)| (vec![*old, *new], 'u', *new))
                    .collect(),
            ),
            Op::Delete(table, rows) => (
                *table,
                32,
                rows.iter().map(|row| (vec![*row], 'd', *row)).collect(),
            ),
        };
        let next = self.tables.len() as u64 + 100;
        let id = *self.tables.entry(table).or_insert(next);
        let mut body = id.to_le_bytes()[..6].to_vec();
        body.extend([1, 0, 2, 0, 2, 0xff]);
        if code == 31 {
            body.push(0xff);
        }
        for (images, kind, (key, v)) in rows {
            for (id, v) in images {
                body.push(0xfc);
                body.extend(id.to_le_bytes());
                body.extend(v.to_le_bytes());
            }
            let table = name(table).to_string();
            let line = line(&table, self.transactions, *n, kind, key, v);
            self.changes.push(Change {
                table,
                n: *n,
                start,
                end: 0,
                line,
            });
            *n += 1;
        }
        (table_map(id, &name(table)), code, body)
    }

    /// What the log means to the Reader.
    pub fn items(&self) -> Vec<Item> {
        let mut assembler = Assembler::new(file(), 4);
        let mut items = Vec::new();
        for (_, event) in &self.events {
            assembler
                .push(event.clone(), &mut items)
                .expect("an event that is accepted");
        }
        items
    }

    pub fn lines_of(&self, table: &str) -> Vec<&str> {
        let table = name(table).to_string();
        self.changes
            .iter()
            .filter(|change| change.table == table)
            .map(|change| change.line.as_str())
            .collect()
    }
}

/// Rows blocks of one transaction with these inserts into `shop.a`.
pub fn blocks(rows: &[(i32, i32)]) -> Vec<RowsBlock> {
    let mut log = Log::new();
    log.transaction(&[Op::Insert("a", rows.to_vec())]);
    log.items()
        .into_iter()
        .filter_map(|item| match item {
            Item::Rows(block) => Some(block),
            _ => None,
        })
        .collect()
}

fn line(table: &str, gtid: u64, n: u64, kind: char, id: i32, v: i32) -> String {
    let mut line = format!("{table} {gtid} {n} {kind} {id} {v}");
    // A large value makes a long line.
    if v >= 1000 {
        line.push(' ');
        line.push_str(&"x".repeat(v as usize));
    }
    line
}

/// An event of the dump thread, in no file.
pub fn artificial_rotate(offset: u64) -> Bytes {
    let mut body = offset.to_le_bytes().to_vec();
    body.extend(b"binlog.000001");
    frame(4, 0, 0x20, &body)
}

fn frame(code: u8, next: u32, flags: u16, body: &[u8]) -> Bytes {
    let mut event = header(code, body.len() + 4, next, flags);
    event.extend(body);
    let sum = crc32fast::hash(&event);
    event.put_u32_le(sum);
    event.into()
}

fn inner(code: u8, body: &[u8]) -> Vec<u8> {
    let mut event = header(code, body.len(), 0, 0);
    event.extend(body);
    event
}

fn header(code: u8, bytes: usize, next: u32, flags: u16) -> Vec<u8> {
    let mut event = 1_700_000_000u32.to_le_bytes().to_vec();
    event.push(code);
    event.put_u32_le(1);
    event.put_u32_le(19 + bytes as u32);
    event.put_u32_le(next);
    event.put_u16_le(flags);
    event
}

fn format_description() -> Vec<u8> {
    let mut body = 4u16.to_le_bytes().to_vec();
    let mut version = b"8.4.0".to_vec();
    version.resize(54, 0);
    body.extend(version);
    body.push(19);
    let mut lengths = [0; 42];
    lengths[1] = 13;
    lengths[3] = 8;
    lengths[18] = 8;
    lengths[29..32].fill(10);
    body.extend(lengths);
    body.push(1);
    body
}

pub fn query_body(database: &str, text: &str) -> Vec<u8> {
    let mut variables = vec![0, 0, 0, 0, 0, 1];
    variables.extend(0u64.to_le_bytes());
    variables.extend([4, 255, 0, 255, 0, 255, 0]);
    let mut body = vec![9, 0, 0, 0, 0, 0, 0, 0, database.len() as u8, 0, 0];
    body.extend((variables.len() as u16).to_le_bytes());
    body.extend(variables);
    body.extend(database.as_bytes());
    body.push(0);
    body.extend(text.as_bytes());
    body
}

/// What a server would list of a table of [`Log`].
pub fn column_list() -> ColumnList {
    let column = |name: &str| ListedColumn {
        name: name.into(),
        column_type: "int".into(),
        octets: None,
        charset: None,
        nullable: false,
        visible: true,
    };
    ColumnList {
        columns: vec![column("id"), column("v")],
        primary_key: vec![0],
    }
}

/// `id INT PRIMARY KEY, v INT`, both signed and NOT NULL; without names where the table is called `bare…`.
fn table_map(id: u64, name: &TableName) -> Vec<u8> {
    let mut body = id.to_le_bytes()[..6].to_vec();
    body.extend([1, 0]);
    for name in [&name.database, &name.table] {
        body.push(name.len() as u8);
        body.extend(name.as_bytes());
        body.push(0);
    }
    body.extend([2, 3, 3, 0, 0]);
    if name.table.starts_with("bare") {
        body.extend([1, 1, 0]);
        return body;
    }
    body.extend([1, 1, 0, 4, 5, 2, b'i', b'd', 1, b'v', 8, 1, 0]);
    body
}

/// Writes [`Change::line`]s; panics at each value as often as it was told to.
#[derive(Debug, Default, Clone)]
pub struct LineEncoder {
    panics: Arc<Mutex<HashMap<i32, u32>>>,
}

impl LineEncoder {
    pub fn panics_at(&self, value: i32, times: u32) {
        let mut panics = self.panics.lock().expect("a whole lock");
        *panics.entry(value).or_default() += times;
    }

    fn is_marked(&self, value: i32) -> bool {
        let mut panics = self.panics.lock().expect("a whole lock");
        let Some(left) = panics.get_mut(&value).filter(|left| **left > 0) else {
            return false;
        };
        *left -= 1;
        true
    }
}

impl Encoder for LineEncoder {
    fn plan(&self, table: &Arc<Table>) -> Box<dyn TableEncoder> {
        Box::new(LineTable {
            name: table.name.to_string(),
            encoder: self.clone(),
        })
    }

    fn statement(&self, event: &StatementEvent<'_>, out: &mut Vec<u8>) -> Result<Written, Error> {
        let statement = event.statement;
        let gtid = statement.transaction.gtid.as_ref();
        let gtid = gtid.map_or(0, headwater_binlog::gtid::Gtid::number);
        write!(out, "{} {gtid} {} ddl", event.table, statement.row).expect("a write to memory");
        Ok(Written::Last)
    }

    fn heartbeat(&self, event: &HeartbeatEvent<'_>, out: &mut Vec<u8>) -> Result<Written, Error> {
        write!(out, "{}", beat(event.lane, &event.heartbeat.position)).expect("a write to memory");
        Ok(Written::Last)
    }
}

/// The line of a heartbeat.
pub fn beat(lane: &Lane, position: &Position) -> String {
    format!("{lane} complete up to {position}")
}

struct LineTable {
    name: String,
    encoder: LineEncoder,
}

impl TableEncoder for LineTable {
    fn block(&mut self, _block: &RowsBlock, _epoch: u32) {}

    fn row(&mut self, event: &RowEvent<'_>, out: &mut Vec<u8>) -> Result<Written, Error> {
        let (id, v) = values(event);
        if v == SKIPPED {
            return Ok(Written::Nothing);
        }
        let is_marked = self.encoder.is_marked(v);
        assert!(!is_marked, "the encoder was told to panic");
        let kind = match event.block.kind {
            RowsKind::Insert => 'i',
            RowsKind::Update => 'u',
            RowsKind::Delete => 'd',
        };
        let gtid = event.block.transaction.gtid.as_ref();
        let line = line(
            &self.name,
            gtid.map_or(0, headwater_binlog::gtid::Gtid::number),
            event.n,
            kind,
            id,
            v,
        );
        out.extend_from_slice(line.as_bytes());
        if v == UNDECODABLE {
            return Err(Error::Refused("a value that nobody can read".into()));
        }
        Ok(if v == DOUBLED || v == ENDED {
            Written::More
        } else {
            Written::Last
        })
    }

    fn next_line(
        &mut self,
        event: &RowEvent<'_>,
        line: u32,
        out: &mut Vec<u8>,
    ) -> Result<Written, Error> {
        assert_eq!(line, 1);
        if values(event).1 == ENDED {
            return Ok(Written::Last);
        }
        self.row(event, out)?;
        out.extend_from_slice(b" again");
        Ok(Written::Last)
    }

    fn key(&mut self, event: &RowEvent<'_>, out: &mut Vec<u8>) -> Result<(), Error> {
        write!(out, "{}", values(event).0).expect("a write to memory");
        Ok(())
    }
}

fn values(event: &RowEvent<'_>) -> (i32, i32) {
    let image = event.row.after.or(event.row.before).expect("an image");
    let number = |at: usize| {
        let bytes = image.values.get(at..at + 4).unwrap_or_default();
        i32::from_le_bytes(bytes.try_into().expect("four bytes"))
    };
    (number(0), number(4))
}
