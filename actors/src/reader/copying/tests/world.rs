//! The table, its log, the source that reads it, the stream and the consumer behind it.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use fastrand::Rng;
use headwater_binlog::{assembler::Item, ddl::Action, gtid::GtidSet};

use super::table::{Change, KEYS, Rows, apply, described, item, place, select, values, version};
use crate::{
    budget::Permit,
    filter::TableFilter,
    fixture,
    ports::snapshot::{ChunkAnswer, ChunkAsk, DescribeAnswer, DescribeAsk},
    progress::{Advance, Mark, Resume},
    reader::copying::{Ask, Copying, Question},
    snapshot::{CopyId, SETTINGS_RUN, SnapshotRules, TableCopy},
};

#[derive(Debug, Clone)]
pub struct Chances {
    pub change: f64,
    pub partial: f64,
    pub crash: f64,
    pub statement: f64,
    pub is_keyless: bool,
    /// A part of a row that has moved cannot be told twice: who has moved it no longer has the rest.
    pub moves_whole: bool,
}

impl Default for Chances {
    fn default() -> Self {
        Self {
            change: 0.4,
            partial: 0.0,
            crash: 0.0,
            statement: 0.0,
            is_keyless: false,
            moves_whole: false,
        }
    }
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
    /// After which transaction the consumer heard of a key last; of none before the first one.
    heard: BTreeMap<i32, usize>,
    ids: BTreeMap<(u32, u64, u64), u32>,
    snapshot_rows: u64,
    /// What a restart may begin from: progress, and how much of the log that is.
    stored: (Resume, usize),
}

const EPOCH: u32 = 3;
const RULES: SnapshotRules = SnapshotRules {
    parallel: 2,
    rows_per_sec_max: 0,
};

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
            heard: BTreeMap::new(),
            ids: BTreeMap::new(),
            snapshot_rows: 0,
        };
        world.restart();
        world
    }

    /// The consumer has rows from before the log, and nothing says that the source has them no longer.
    pub fn with_stale_rows(mut self) -> Self {
        for key in 0..KEYS {
            if self.rng.bool() {
                self.consumer.insert(key, [Some(-1), Some(-1)]);
            }
        }
        self
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

    /// The source is too busy for a chunk; then a large transaction begins, and the wait is over inside it. When the
    /// twin is to be looked at again then, and before.
    pub fn busy_source_inside_a_transaction(&mut self) -> (Option<Instant>, Option<Instant>) {
        let next = |world: &mut Self| {
            let ask = world
                .copying
                .next_ask(&world.sent, RULES, 1 << 20, world.now);
            ask.expect("a question")
        };
        let asked = next(self);
        let answer = DescribeAnswer::Described(described(false));
        let told = self
            .copying
            .described(&asked, Ok(answer), &self.sent, (self.now, 7));
        told.expect("an answer");
        self.slice();
        let asked = next(self);
        let busy = Ok(ChunkAnswer::Busy("busy".into()));
        let told = self
            .copying
            .read(&asked, busy, Permit::empty(), &self.sent, (self.now, 7));
        told.expect("an answer");
        let early = self.copying.wakes_at(self.now);
        self.sent.mark.rows_done = 1;
        self.now += Duration::from_secs(5);
        assert_eq!(
            self.copying.next_ask(&self.sent, RULES, 1 << 20, self.now),
            None
        );
        (self.copying.wakes_at(self.now), early)
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
        self.copying = Copying::new(&self.sent.snapshots, EPOCH);
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
            (3, Some(key), Some(to)) => {
                self.update(key, to, values, is_whole || self.chances.moves_whole)
            }
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
        for (change, number) in changes.iter().zip(until - changes.len()..) {
            // What takes the name of a table that is copied is the consumer's own to fetch.
            let is_copied = self.sent.snapshots.are_over();
            apply(&mut self.consumer, change, is_copied);
            self.hear(change, number);
        }
    }

    fn hear(&mut self, change: &Change, number: usize) {
        let told: Vec<i32> = match change {
            Change::Insert(key, _) | Change::Update(_, key, ..) => vec![*key],
            Change::Swap(_) => self.consumer.keys().copied().collect(),
            Change::Delete(_) | Change::Truncate | Change::Alter => Vec::new(),
        };
        for key in told {
            self.heard.insert(key, number);
        }
    }

    /// Removes the rows that no line has named since.
    fn forget_before(&mut self, begun: usize) {
        let heard = &self.heard;
        self.consumer
            .retain(|key, _| heard.get(key).is_some_and(|number| begun <= *number));
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
            if let Item::Statement(statement) = item
                && let Action::SnapshotEnd { begun, .. } = statement.subject.action()
            {
                let begun = begun.expect("a copy of all rows");
                assert_eq!(begun.epoch, EPOCH);
                self.forget_before(version(begun.offset));
            }
            let Item::Rows(block) = item else { continue };
            let origin = block.transaction.snapshot.as_ref().expect("of a snapshot");
            for (row, n) in block.rows().zip(block.first_row..) {
                let (key, row) = values(&row.expect("a row").1.after.expect("an image"));
                let here = self.versions.get(self.read).and_then(|rows| rows.get(&key));
                assert_eq!(here, Some(&row), "what row {key} is at its place");
                self.consumer.insert(key, row);
                self.heard.insert(key, self.read);
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
