//! The table, its log, the source that reads it, the stream and the consumer behind it.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, OnceLock},
    time::{Duration, Instant},
};

use bytes::Bytes;
use fastrand::Rng;
use headwater_binlog::{
    assembler::Item,
    ddl::{Action, Subject},
    gtid::GtidSet,
    rows::{Cell, ColumnSet, Image, RowsBlock, RowsKind},
    schema::{Column, ColumnKind, Table},
    table_map::TableMap,
    transaction::{Statement, Transaction},
};

use crate::{
    budget::Permit,
    filter::TableFilter,
    fixture,
    ports::snapshot::{
        Chunk, ChunkAnswer, ChunkAsk, ChunkPart, DescribeAnswer, DescribeAsk, Described,
        Description,
    },
    progress::{Advance, Mark, Resume},
    reader::copying::{Ask, Copying, Question},
    snapshot::{CopyId, Key, KeyRange, SETTINGS_RUN, SnapshotRules, TableCopy},
};

/// `v` and `w` of a row; what the consumer has not been told is `None`.
type Row = [Option<i32>; 2];
type Rows = BTreeMap<i32, Row>;

#[derive(Debug, Clone)]
pub struct Chances {
    pub change: f64,
    pub partial: f64,
    pub crash: f64,
    pub statement: f64,
    pub is_keyless: bool,
}

impl Default for Chances {
    fn default() -> Self {
        Self {
            change: 0.4,
            partial: 0.0,
            crash: 0.0,
            statement: 0.0,
            is_keyless: false,
        }
    }
}

#[derive(Debug, Clone)]
enum Change {
    Insert(i32, [i32; 2]),
    /// Key before and after, the row after, and whether the log tells all of it, or `v` alone.
    Update(i32, i32, [i32; 2], bool),
    Delete(i32),
    Truncate,
    Alter,
    /// Another table takes the name.
    Swap(Rows),
}

/// Asked, and on its way back.
struct Asked {
    ask: Ask,
    /// Read, and the log's end not yet asked for.
    seen: Option<Seen>,
}

struct Seen {
    answer: ChunkAnswer,
    end: Option<usize>,
}

pub struct World {
    rng: Rng,
    chances: Chances,
    now: Instant,
    /// One change a transaction; the table before each of them.
    log: Vec<Change>,
    versions: Vec<Rows>,
    /// So many transactions are visible to SELECT.
    visible: usize,
    copying: Copying,
    sent: Resume,
    /// So many transactions are sent.
    read: usize,
    asked: Vec<Asked>,
    consumer: Rows,
    ids: BTreeMap<(u32, u64, u64), u32>,
    snapshot_rows: u64,
    /// What a restart may begin from: progress, and how much of the log that is.
    stored: (Resume, usize),
}

const RULES: SnapshotRules = SnapshotRules {
    parallel: 2,
    rows_per_sec_max: 0,
};
const KEYS: i32 = 40;

impl World {
    pub fn new(seed: u64, chances: Chances) -> Self {
        let mut rng = Rng::with_seed(seed);
        let rows = rng.usize(..KEYS as usize);
        let table: Rows = (0..rows)
            .map(|_| (rng.i32(0..KEYS), [Some(rng.i32(0..9)), Some(rng.i32(0..9))]))
            .collect();
        let mut sent = Resume::at(fixture::at(place(0)), GtidSet::default());
        sent.snapshots.add(id(), TableCopy::new(None));
        let mut world = Self {
            rng,
            chances,
            now: Instant::now(),
            log: Vec::new(),
            versions: vec![table],
            visible: 0,
            copying: Copying::default(),
            stored: (sent.clone(), 0),
            sent,
            read: 0,
            asked: Vec::new(),
            consumer: Rows::new(),
            ids: BTreeMap::new(),
            snapshot_rows: 0,
        };
        world.restart();
        world
    }

    pub fn run(&mut self, steps: usize) {
        for _ in 0..steps {
            self.step();
        }
    }

    /// No more changes: the rest is read and copied.
    pub fn finish(&mut self) {
        self.chances = Chances {
            change: 0.0,
            crash: 0.0,
            statement: 0.0,
            ..self.chances.clone()
        };
        for _ in 0..100_000 {
            let is_over = self.sent.snapshots.are_over() && self.read == self.log.len();
            if is_over {
                return;
            }
            self.step();
        }
        panic!("the copy does not end: {:?}", self.sent.snapshots);
    }

    pub fn table(&self) -> &Rows {
        self.versions.last().expect("the first one")
    }

    pub fn consumer(&self) -> &Rows {
        &self.consumer
    }

    pub fn snapshot_rows(&self) -> u64 {
        self.snapshot_rows
    }

    /// As the copy says at its end.
    pub fn rows_at_end(&self) -> u64 {
        self.sent.snapshots.copies.values().map(|it| it.rows).sum()
    }

    pub fn ids_twice(&self) -> usize {
        self.ids.values().filter(|count| **count > 1).count()
    }

    fn step(&mut self) {
        self.now += Duration::from_millis(500);
        if self.rng.f64() < self.chances.crash {
            return self.crash();
        }
        if self.rng.f64() < self.chances.change {
            let change = self.change();
            self.log(change);
        }
        match self.rng.u8(..6) {
            0 => self.visible = self.rng.usize(self.visible..=self.log.len()),
            1 => self.read_log(),
            2 => {
                if let Some(ask) = self.copying.next_ask(&self.sent, RULES, 1 << 20, self.now) {
                    self.asked.push(Asked { ask, seen: None });
                }
            }
            3 | 4 => self.answer(),
            _ => self.slice(),
        }
        if self.rng.u8(..8) == 0 {
            self.stored = (self.sent.clone(), self.read);
        }
    }

    fn crash(&mut self) {
        (self.sent, self.read) = self.stored.clone();
        self.restart();
    }

    fn restart(&mut self) {
        self.asked.clear();
        self.sent.snapshots.attempt += 1;
        self.copying = Copying::new(&self.sent.snapshots);
        self.copying.set_wanted(TableFilter::default().into());
    }

    fn change(&mut self) -> Change {
        if self.rng.f64() < self.chances.statement {
            return match self.rng.u8(..3) {
                0 => Change::Truncate,
                1 => Change::Alter,
                _ => Change::Swap(self.versions.first().cloned().unwrap_or_default()),
            };
        }
        let table = self.table();
        let taken: Vec<i32> = table.keys().copied().collect();
        let free: Vec<i32> = (0..KEYS).filter(|key| !table.contains_key(key)).collect();
        let values = [self.rng.i32(0..9), self.rng.i32(0..9)];
        let is_whole = self.rng.f64() >= self.chances.partial;
        let pick = |rng: &mut Rng, keys: &[i32]| rng.choice(keys).copied();
        match (
            self.rng.u8(..5),
            pick(&mut self.rng, &taken),
            pick(&mut self.rng, &free),
        ) {
            (0 | 1, _, Some(key)) | (_, None, Some(key)) => Change::Insert(key, values),
            (2, Some(key), _) => Change::Delete(key),
            (3, Some(key), Some(to)) => self.update(key, to, values, is_whole),
            (_, Some(key), _) => self.update(key, key, values, is_whole),
            (_, None, None) => Change::Alter,
        }
    }

    /// What tells `v` alone leaves `w` as it is.
    fn update(&self, key: i32, to: i32, values: [i32; 2], is_whole: bool) -> Change {
        let was = self.table().get(&key).and_then(|row| row[1]).unwrap_or(0);
        let values = if is_whole { values } else { [values[0], was] };
        Change::Update(key, to, values, is_whole)
    }

    fn log(&mut self, change: Change) {
        let mut table = self.table().clone();
        apply(&mut table, &change, true);
        self.log.push(change);
        self.versions.push(table);
    }

    /// Sends the next transactions in one batch.
    fn read_log(&mut self) {
        let until = (self.read + self.rng.usize(..4)).min(self.log.len());
        if until == self.read {
            return;
        }
        let changes = self.log.get(self.read..until).unwrap_or_default().to_vec();
        let items: Vec<Item> = changes
            .iter()
            .zip(self.read..)
            .map(|(change, number)| item(change, number))
            .collect();
        let mut advance = Advance::at(self.sent.mark.clone());
        advance.reach(Mark::at(fixture::at(place(until))));
        advance.snapshot = self.copying.leave(&items, &self.sent, true);
        self.sent.apply(&advance).expect("no gap");
        self.read = until;
        for change in &changes {
            // What takes the name of a table that is copied is the consumer's own to fetch.
            let is_copied = self.sent.snapshots.are_over();
            apply(&mut self.consumer, change, is_copied);
        }
    }

    fn answer(&mut self) {
        if self.asked.is_empty() {
            return;
        }
        let index = self.rng.usize(..self.asked.len());
        let now = (self.now, 7);
        let asked = self.asked.get_mut(index).expect("one of them");
        let sent = match &asked.ask.question {
            Question::Describe(DescribeAsk { sent, .. })
            | Question::Read(ChunkAsk { sent, .. }) => version(sent.position.offset),
        };
        // The port waits for what was sent.
        self.visible = self.visible.max(sent);
        match (&asked.ask.question, &mut asked.seen) {
            (Question::Describe(_), _) => {
                let asked = self.asked.remove(index);
                let answer = DescribeAnswer::Described(described(self.chances.is_keyless));
                self.copying
                    .described(&asked.ask, Ok(answer), &self.sent, now)
                    .expect("an answer");
            }
            (Question::Read(question), seen @ None) => {
                let rows = self.versions.get(self.visible).expect("a version");
                *seen = Some(Seen {
                    answer: ChunkAnswer::Read(select(question, rows)),
                    end: None,
                });
            }
            (
                Question::Read(_),
                Some(Seen {
                    end: end @ None, ..
                }),
            ) => *end = Some(self.log.len()),
            (Question::Read(_), Some(Seen { end: Some(_), .. })) => {
                let Asked { ask, seen } = self.asked.remove(index);
                let Some(Seen {
                    answer: ChunkAnswer::Read(mut chunk),
                    end: Some(end),
                }) = seen
                else {
                    panic!("what was read");
                };
                chunk.end = fixture::at(place(end));
                let answer = Ok(ChunkAnswer::Read(chunk));
                self.copying
                    .read(&ask, answer, Permit::empty(), &self.sent, now)
                    .expect("an answer");
            }
        }
    }

    fn slice(&mut self) {
        let slice = self.copying.slice(&self.sent, RULES, (self.now, 7));
        let Some(slice) = slice.expect("a chunk that holds together") else {
            return;
        };
        for item in &slice.items {
            let Item::Rows(block) = item else { continue };
            let origin = block.transaction.snapshot.as_ref().expect("of a snapshot");
            for (row, n) in block.rows().zip(block.first_row..) {
                let (key, row) = values(&row.expect("a row").1.after.expect("an image"));
                self.consumer.insert(key, row);
                self.snapshot_rows += 1;
                let id = (origin.attempt, block.transaction.offset, n);
                *self.ids.entry(id).or_default() += 1;
            }
        }
        let mut advance = Advance::at(self.sent.mark.clone());
        advance.snapshot = Some(Box::new(slice.advance));
        self.sent.apply(&advance).expect("no gap");
    }
}

fn id() -> CopyId {
    CopyId {
        run: SETTINGS_RUN.into(),
        table: fixture::name("a"),
    }
}

/// The end of so many transactions, and back.
fn place(transactions: usize) -> u64 {
    100 + 10 * transactions as u64
}

fn version(offset: u64) -> usize {
    (offset as usize - 100) / 10
}

fn apply(rows: &mut Rows, change: &Change, is_table: bool) {
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

fn table() -> Arc<Table> {
    static TABLE: OnceLock<Arc<Table>> = OnceLock::new();
    let column = |name: &str| Column {
        name: name.into(),
        kind: ColumnKind::Int { unsigned: false },
        nullable: false,
        visible: true,
    };
    let make = || {
        Arc::new(Table {
            name: fixture::name("a"),
            columns: ["id", "v", "w"].map(column).into(),
            primary_key: vec![0],
        })
    };
    Arc::clone(TABLE.get_or_init(make))
}

fn described(is_keyless: bool) -> Described {
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

fn key_of(key: &Key) -> i32 {
    i32::from_le_bytes((&*key.0[0]).try_into().expect("four bytes"))
}

fn select(ask: &ChunkAsk, rows: &Rows) -> Chunk {
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

fn image(key: i32, values: &[Option<i32>]) -> Vec<u8> {
    let mut image = vec![0xf8];
    image.extend(key.to_le_bytes());
    for value in values {
        image.extend(value.expect("the table knows all").to_le_bytes());
    }
    image
}

fn values(image: &Image<'_>) -> (i32, Row) {
    let mut cells = image.cells().map(|cell| match cell.expect("a cell") {
        Cell::Bytes(bytes) => i32::from_le_bytes(bytes.try_into().expect("four bytes")),
        cell => panic!("{cell:?}"),
    });
    let key = cells.next().expect("a key");
    (key, [cells.next(), cells.next()])
}

fn item(change: &Change, number: usize) -> Item {
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
