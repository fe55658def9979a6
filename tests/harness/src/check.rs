//! The judge: are the lines that a consumer got what the source did, all of it, in order?
//!
//! What lines alone tell (replays are contiguous, `seq` rises, copies are equal) the product's own audit
//! says, `headwater-verify`; a lane is a partition key of the stream, or a table of a file. Against [`Facts`]
//! the judge also finds gaps, inventions, wrong kinds, and an order other than the binlog's, whatever `seq`
//! says. Rows of snapshots are no changes: nothing is expected of them but what their end says, and with
//! [`Judge::of_images`] that they fit the changes beside them.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    fmt,
    sync::Arc,
};

use anyhow::{Context, bail};
use headwater_verify::{Audit, AuditRules, Kind, Place, Taken};

use crate::{facts::Facts, kinesis::Record};

const EXAMPLES_MAX: usize = 20;

/// Takes native lines in the order in which a consumer got them; ends in a [`Verdict`].
#[derive(Debug)]
pub struct Judge {
    audit: Audit,
    /// What each lane said, in the order of its first coming.
    lanes: BTreeMap<String, Vec<Entry>>,
    verdict: Verdict,
}

#[derive(Debug)]
struct Entry {
    id: String,
    table: Arc<str>,
    kind: Kind,
}

/// What the judge found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Verdict {
    pub lines: u64,
    /// Different row changes, per table.
    pub changes: BTreeMap<String, u64>,
    /// Different rows of snapshots, per table.
    pub snapshot_rows: BTreeMap<String, u64>,
    /// Tables with the end of a snapshot.
    pub copied: BTreeSet<String>,
    /// Different DDL events, truncates and ends of snapshots.
    pub others: u64,
    pub heartbeats: u64,
    /// Lines that repeat an id of their lane.
    pub duplicates: u64,
    /// Runs of duplicates.
    pub replays: u64,
    /// Changes of the facts that never came, and rows of snapshots that their ends count.
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

impl Default for Judge {
    fn default() -> Self {
        Self::new()
    }
}

impl Judge {
    pub fn new() -> Self {
        // What is missing the facts say, for sure.
        Self::with(false)
    }

    /// Also, without facts, whether the changes of a key and its rows in snapshots fit each other.
    pub fn of_images() -> Self {
        Self::with(true)
    }

    fn with(judges_images: bool) -> Self {
        let rules = AuditRules {
            judges_images,
            window: 10_000_000,
            ..AuditRules::default()
        };
        Self {
            audit: Audit::new(rules),
            lanes: BTreeMap::new(),
            verdict: Verdict::default(),
        }
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
        match self.audit.take(Place { shard, lane }, bytes)? {
            Taken::Heartbeat => Ok(()),
            Taken::Unreadable(error) => Err(error)
                .with_context(|| format!("read the line `{}`", String::from_utf8_lossy(bytes))),
            Taken::Line { line, step, .. } => {
                if step.is_new() {
                    let name = lane.unwrap_or(&line.table).to_owned();
                    self.lanes.entry(name).or_default().push(Entry {
                        id: line.id,
                        table: line.table.into(),
                        kind: line.kind,
                    });
                }
                Ok(())
            }
        }
    }

    /// The verdict without facts: order and replays only.
    pub fn verdict(self) -> Verdict {
        let mut verdict = self.verdict;
        for entry in self.lanes.values().flatten() {
            let table = || entry.table.to_string();
            match entry.kind {
                kind if kind.is_row() => *verdict.changes.entry(table()).or_default() += 1,
                Kind::Snapshot => *verdict.snapshot_rows.entry(table()).or_default() += 1,
                Kind::SnapshotEnd => {
                    verdict.copied.insert(table());
                    verdict.others += 1;
                }
                _ => verdict.others += 1,
            }
        }
        let report = self.audit.finish();
        verdict.missing += report.missing;
        verdict.lines = report.lines;
        verdict.heartbeats = report.heartbeats;
        verdict.duplicates = report.duplicates;
        verdict.replays = report.replays;
        verdict.order_violations += report.order_violations;
        verdict.contradictions += report.wrong_values;
        for finding in report.examples {
            verdict.example(finding.to_string());
        }
        verdict
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
            for entry in lane.iter().filter(|entry| entry.kind.is_row()) {
                let id = &entry.id;
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
                if (&*change.table, change.kind.name()) != (&*entry.table, entry.kind.name()) {
                    let (kind, table) = (change.kind.name(), &change.table);
                    let said = format!(
                        "lane `{name}`: {id} is {kind} of {table}, not {} of {}",
                        entry.kind.name(),
                        entry.table
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

#[cfg(test)]
mod tests;
