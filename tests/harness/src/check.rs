//! The judge: are the lines that a consumer got what the source did, all of it, in order?
//!
//! A lane (a partition key of the stream, or a table of a file) may say a thing twice, but only so: it
//! goes back to some earlier change and says everything from there on again, in the same order. A replay
//! that leaves something out, or a new change before the replay has caught up, is a violation; so is a new
//! change whose `seq` does not rise. Changes are told apart by `id`, so a replay from another server
//! (a new epoch, greater `seq`) is still a replay. Against [`Facts`] it also finds gaps, inventions,
//! wrong kinds, and an order other than the binlog's, whatever `seq` says.

use std::{
    collections::{BTreeMap, HashMap, hash_map::DefaultHasher},
    fmt,
    hash::{Hash, Hasher},
    sync::Arc,
};

use anyhow::{Context, bail};
use serde::Deserialize;
use serde_json::Value;

use crate::{facts::Facts, kinesis::Record};

const EXAMPLES_MAX: usize = 20;

/// Takes native lines in the order in which a consumer got them; ends in a [`Verdict`].
#[derive(Debug, Default)]
pub struct Judge {
    lanes: BTreeMap<String, Lane>,
    /// The last new `seq` of a key of a shard, by hash.
    keys: HashMap<u64, Seq>,
    verdict: Verdict,
}

/// What the judge found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Verdict {
    pub lines: u64,
    /// Different row changes, per table.
    pub changes: BTreeMap<String, u64>,
    /// Different DDL events, truncates and snapshot rows.
    pub others: u64,
    pub heartbeats: u64,
    /// Lines that repeat an id of their lane.
    pub duplicates: u64,
    /// Runs of duplicates.
    pub replays: u64,
    /// Changes of the facts that never came.
    pub missing: u64,
    /// Row changes that the facts do not have.
    pub unexpected: u64,
    /// Lines out of order, replays that leave out or interleave, keys whose `seq` falls.
    pub order_violations: u64,
    /// Lines that contradict the facts or themselves.
    pub contradictions: u64,
    /// The first findings, in words.
    pub examples: Vec<String>,
}

impl Judge {
    pub fn new() -> Self {
        Self::default()
    }

    /// All lines of a Kinesis record; its partition key is the lane.
    ///
    /// # Errors
    /// When a line is no native event, or the record does not end with a line feed.
    pub fn read_record(&mut self, record: &Record) -> anyhow::Result<()> {
        if record.data.last() != Some(&b'\n') {
            bail!(
                "record {} does not end with a line feed",
                record.sequence_number
            );
        }
        for line in record.lines() {
            self.take(&record.shard, Some(&record.partition_key), line)?;
        }
        Ok(())
    }

    /// A line of a sink that keeps one order for all (a file, standard output); its table is the lane.
    ///
    /// # Errors
    /// When it is no native event.
    pub fn read_line(&mut self, line: &[u8]) -> anyhow::Result<()> {
        self.take("", None, line)
    }

    fn take(&mut self, shard: &str, lane: Option<&str>, bytes: &[u8]) -> anyhow::Result<()> {
        let line: Line = serde_json::from_slice(bytes)
            .with_context(|| format!("read the line `{}`", String::from_utf8_lossy(bytes)))?;
        self.verdict.lines += 1;
        if line.kind == "heartbeat" {
            self.verdict.heartbeats += 1;
            return Ok(());
        }
        let id = line.id.context("the line has no `id`")?;
        let seq = Seq::parse(&line.seq.context("the line has no `seq`")?)?;
        let table = format!(
            "{}.{}",
            line.database.unwrap_or_default(),
            line.table.unwrap_or_default()
        );
        let name = lane.unwrap_or(&table);
        let lane = self.lanes.entry(name.to_owned()).or_default();
        match lane.take(
            &id,
            Entry {
                seq,
                table: table.as_str().into(),
                kind: line.kind.as_str().into(),
            },
        ) {
            Outcome::New => {
                if let Some(key) = line.key {
                    let mut hasher = DefaultHasher::new();
                    (shard, &table, key.to_string()).hash(&mut hasher);
                    let last = self.keys.insert(hasher.finish(), seq);
                    if last.is_some_and(|last| last >= seq) {
                        self.verdict
                            .out_of_order(format!("key {key} of {table}: `seq` falls at {id}"));
                    }
                }
            }
            Outcome::Repeated => self.verdict.duplicates += 1,
            Outcome::ReplayBegun => {
                self.verdict.duplicates += 1;
                self.verdict.replays += 1;
            }
            Outcome::OutOfOrder(what) => self
                .verdict
                .out_of_order(format!("lane `{name}`: {id} {what}")),
            Outcome::Contradiction(what) => self
                .verdict
                .contradicts(format!("lane `{name}`: {id} {what}")),
        }
        Ok(())
    }

    /// The verdict without facts: order and replays only.
    pub fn verdict(mut self) -> Verdict {
        for (_, entry) in self.lanes.values().flat_map(Lane::entries) {
            if entry.is_row() {
                *self
                    .verdict
                    .changes
                    .entry(entry.table.to_string())
                    .or_default() += 1;
            } else {
                self.verdict.others += 1;
            }
        }
        self.verdict
    }

    /// The verdict against everything that the source did.
    pub fn against(mut self, facts: &Facts) -> Verdict {
        let known: HashMap<&str, usize> = facts
            .changes
            .iter()
            .enumerate()
            .map(|(index, change)| (change.id.as_str(), index))
            .collect();
        let mut came = vec![false; facts.changes.len()];
        for (name, lane) in &self.lanes {
            let mut last = None;
            for (id, entry) in lane.entries().filter(|(_, entry)| entry.is_row()) {
                let found = known
                    .get(&**id)
                    .and_then(|index| Some((*index, facts.changes.get(*index)?)));
                let Some((index, change)) = found else {
                    self.verdict.unexpected += 1;
                    self.verdict
                        .example(format!("lane `{name}`: {id} is not in the binlog"));
                    continue;
                };
                if let Some(came) = came.get_mut(index) {
                    *came = true;
                }
                if (&*change.table, change.kind.name()) != (&*entry.table, &*entry.kind) {
                    let (kind, table) = (change.kind.name(), &change.table);
                    let said = format!(
                        "lane `{name}`: {id} is {kind} of {table}, not {} of {}",
                        entry.kind, entry.table
                    );
                    self.verdict.contradicts(said);
                }
                if last.is_some_and(|last| last >= index) {
                    self.verdict
                        .out_of_order(format!("lane `{name}`: {id} came behind a later change"));
                }
                last = last.max(Some(index));
            }
        }
        for (change, _) in facts.changes.iter().zip(came).filter(|(_, came)| !came) {
            self.verdict.missing += 1;
            self.verdict.example(format!(
                "{} of {} is missing: {}",
                change.kind.name(),
                change.table,
                change.id
            ));
        }
        self.verdict()
    }
}

impl Verdict {
    /// Whether nothing is missing, invented, out of order or contradictory; duplicates are allowed.
    pub fn is_clean(&self) -> bool {
        self.missing + self.unexpected + self.order_violations + self.contradictions == 0
    }

    /// # Errors
    /// When it is not clean; the message is the whole verdict.
    pub fn ensure_clean(&self) -> anyhow::Result<()> {
        if !self.is_clean() {
            bail!("{self}");
        }
        Ok(())
    }

    /// Different row changes of all tables.
    pub fn changes(&self) -> u64 {
        self.changes.values().sum()
    }

    fn out_of_order(&mut self, example: String) {
        self.order_violations += 1;
        self.example(example);
    }

    fn contradicts(&mut self, example: String) {
        self.contradictions += 1;
        self.example(example);
    }

    fn example(&mut self, example: String) {
        if self.examples.len() < EXAMPLES_MAX {
            self.examples.push(example);
        }
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} lines, {} changes, {} duplicates in {} replays, {} missing, {} unexpected, \
             {} order violations, {} contradictions",
            self.lines,
            self.changes(),
            self.duplicates,
            self.replays,
            self.missing,
            self.unexpected,
            self.order_violations,
            self.contradictions
        )?;
        self.examples
            .iter()
            .try_for_each(|example| write!(f, "\n  {example}"))
    }
}

#[derive(Deserialize)]
struct Line {
    #[serde(rename = "type")]
    kind: String,
    database: Option<String>,
    table: Option<String>,
    id: Option<String>,
    seq: Option<String>,
    key: Option<Value>,
}

/// A parsed `seq`: epoch, file number, offset, row.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Seq([u64; 4]);

impl Seq {
    fn parse(text: &str) -> anyhow::Result<Self> {
        let mut parts = text.split('.');
        let mut values = [0; 4];
        for (value, digits) in values.iter_mut().zip([8, 8, 16, 8]) {
            let part = parts
                .next()
                .filter(|part| part.len() == digits && *part == part.to_lowercase());
            let parsed = part.and_then(|part| u64::from_str_radix(part, 16).ok());
            *value = parsed.with_context(|| format!("`{text}` is no seq"))?;
        }
        match parts.next() {
            None => Ok(Self(values)),
            Some(_) => bail!("`{text}` is no seq"),
        }
    }

    fn epoch(self) -> u64 {
        let [epoch, ..] = self.0;
        epoch
    }
}

#[derive(Debug)]
struct Entry {
    seq: Seq,
    table: Arc<str>,
    kind: Arc<str>,
}

impl Entry {
    fn is_row(&self) -> bool {
        ["insert", "update", "delete"].contains(&&*self.kind)
    }
}

/// The different changes of one lane in the order of their first coming.
#[derive(Debug, Default)]
struct Lane {
    order: Vec<(Arc<str>, Entry)>,
    index: HashMap<Arc<str>, usize>,
    /// Index of the change that came last.
    cursor: usize,
    newest: Option<Seq>,
}

enum Outcome {
    New,
    Repeated,
    ReplayBegun,
    OutOfOrder(&'static str),
    Contradiction(&'static str),
}

impl Lane {
    fn entries(&self) -> impl Iterator<Item = &(Arc<str>, Entry)> {
        self.order.iter()
    }

    fn take(&mut self, id: &str, entry: Entry) -> Outcome {
        match self.index.get(id).copied() {
            Some(at) => self.repeat(at, &entry),
            None => self.add(id.into(), entry),
        }
    }

    fn repeat(&mut self, at: usize, entry: &Entry) -> Outcome {
        let expected = self.cursor + 1;
        self.cursor = at;
        let first = self.order.get(at).map(|(_, first)| first.seq);
        if first.is_some_and(|first| first.epoch() == entry.seq.epoch() && first != entry.seq) {
            return Outcome::Contradiction("came twice in one epoch with different `seq`s");
        }
        match at.cmp(&expected) {
            std::cmp::Ordering::Less => Outcome::ReplayBegun,
            std::cmp::Ordering::Equal => Outcome::Repeated,
            std::cmp::Ordering::Greater => {
                Outcome::OutOfOrder("came in a replay that left something out")
            }
        }
    }

    fn add(&mut self, id: Arc<str>, entry: Entry) -> Outcome {
        let has_caught_up = self.order.is_empty() || self.cursor + 1 == self.order.len();
        let rises = self.newest.is_none_or(|newest| newest < entry.seq);
        self.newest = self.newest.max(Some(entry.seq));
        self.cursor = self.order.len();
        self.index.insert(Arc::clone(&id), self.cursor);
        self.order.push((id, entry));
        match (has_caught_up, rises) {
            (true, true) => Outcome::New,
            (false, _) => Outcome::OutOfOrder("is new, but the replay before it had not caught up"),
            (true, false) => Outcome::OutOfOrder("is new, but its `seq` does not rise"),
        }
    }
}

#[cfg(test)]
mod tests;
