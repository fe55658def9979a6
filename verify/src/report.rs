//! The verdict: figures, and the first findings of each kind as places in the stream, never as values.

use std::{collections::BTreeMap, fmt};

use serde::Serialize;

const EXAMPLES_MAX: usize = 10;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum FindingKind {
    Missing,
    OutOfOrder,
    WrongValue,
    Unreadable,
}

/// Where something is wrong.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    pub kind: FindingKind,
    pub table: String,
    pub id: String,
    pub seq: String,
    pub shard: String,
    pub what: String,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct TableReport {
    /// Different row changes.
    pub changes: u64,
    pub missing: u64,
    pub order_violations: u64,
    pub wrong_values: u64,
    /// Row images are partial: `old` was not judged.
    pub is_partial: bool,
}

/// The comparison with the source's tables.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct SourceReport {
    /// Rows whose newest line was compared.
    pub rows_compared: u64,
    /// Rows of which the stream has partial images, or whose columns an ALTER changed since.
    pub rows_not_compared: u64,
    /// Rows that the stream never mentions: older than it, or missing. Of a table whose snapshot has come to its end
    /// they are missing.
    pub rows_unknown: u64,
    /// Without a key, or with a type that cannot be compared.
    pub tables_not_compared: Vec<String>,
}

/// What came of one run's copy of one table.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct SnapshotReport {
    pub table: String,
    pub run: String,
    /// Different lines.
    pub rows: u64,
    /// By its end, once that has come.
    pub rows_said: Option<u64>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Report {
    pub records: u64,
    pub lines: u64,
    /// Different row changes.
    pub changes: u64,
    /// Different statements, truncates and ends of snapshots.
    pub others: u64,
    /// Different rows of snapshots.
    pub snapshot_rows: u64,
    pub heartbeats: u64,
    pub keys: u64,
    /// Lines that repeat a change.
    pub duplicates: u64,
    /// Contiguous runs of them.
    pub replays: u64,
    /// Duplicates from before the window: nothing else is known of them.
    pub duplicates_not_judged: u64,
    /// Runs of a key's changes that may be right or wrong: a statement lies within, or they were too many.
    pub not_judged: u64,
    /// Changes that never came, as far as the rest shows it.
    pub missing: u64,
    pub order_violations: u64,
    /// Changes that contradict each other or the source.
    pub wrong_values: u64,
    /// Lines and records that are no native events.
    pub unreadable: u64,
    pub tables: BTreeMap<String, TableReport>,
    pub snapshots: Vec<SnapshotReport>,
    pub source: Option<SourceReport>,
    pub examples: Vec<Finding>,
}

impl Report {
    /// Whether nothing is missing, out of order, wrong or unreadable; duplicates are allowed.
    pub fn is_clean(&self) -> bool {
        self.missing + self.order_violations + self.wrong_values + self.unreadable == 0
    }

    /// Counts a finding for so many changes, and keeps it while its kind has few.
    pub fn add(&mut self, amount: u64, finding: Finding) {
        let table = self.tables.entry(finding.table.clone()).or_default();
        let (all, of_table) = match finding.kind {
            FindingKind::Missing => (&mut self.missing, Some(&mut table.missing)),
            FindingKind::OutOfOrder => (
                &mut self.order_violations,
                Some(&mut table.order_violations),
            ),
            FindingKind::WrongValue => (&mut self.wrong_values, Some(&mut table.wrong_values)),
            FindingKind::Unreadable => (&mut self.unreadable, None),
        };
        *all += amount;
        if let Some(count) = of_table {
            *count += amount;
        }
        if finding.table.is_empty() {
            self.tables.remove("");
        }
        let of_kind = self
            .examples
            .iter()
            .filter(|known| known.kind == finding.kind);
        if of_kind.count() < EXAMPLES_MAX {
            self.examples.push(finding);
        }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match self.kind {
            FindingKind::Missing => "missing",
            FindingKind::OutOfOrder => "order",
            FindingKind::WrongValue => "wrong value",
            FindingKind::Unreadable => "unreadable",
        };
        write!(f, "{kind}:")?;
        for (name, value) in [
            ("table", &self.table),
            ("id", &self.id),
            ("seq", &self.seq),
            ("shard", &self.shard),
        ] {
            if !value.is_empty() {
                write!(f, " {name} {}", on_one_line(value))?;
            }
        }
        write!(f, ": {}", on_one_line(&self.what))
    }
}

impl fmt::Display for SnapshotReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            table, run, rows, ..
        } = self;
        let (table, run) = (on_one_line(table), on_one_line(run));
        write!(f, "snapshot \"{run}\" of {table}: ")?;
        match self.rows_said {
            Some(said) if *rows < said => write!(f, "{rows} of {said} rows"),
            Some(_) => write!(f, "{rows} rows, complete"),
            None => write!(f, "{rows} rows, its end has not come"),
        }
    }
}

/// A name may have a line's end in it.
fn on_one_line(text: &str) -> String {
    text.replace('\n', r"\n")
}

/// A table for people.
impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (name, value) in [
            ("records", self.records),
            ("lines", self.lines),
            ("changes", self.changes),
            ("statements and others", self.others),
            ("snapshot rows", self.snapshot_rows),
            ("heartbeats", self.heartbeats),
            ("keys", self.keys),
            ("duplicates", self.duplicates),
            ("  in replays", self.replays),
            ("  from before the window", self.duplicates_not_judged),
            ("runs not judged", self.not_judged),
            ("missing", self.missing),
            ("order violations", self.order_violations),
            ("wrong values", self.wrong_values),
            ("unreadable", self.unreadable),
        ] {
            writeln!(f, "{name:<26}{value:>14}")?;
        }
        writeln!(
            f,
            "\n{:<36}{:>12}{:>9}{:>9}{:>9}",
            "table", "changes", "missing", "order", "wrong"
        )?;
        for (name, table) in &self.tables {
            let note = if table.is_partial {
                "  (partial row images: `old` is not judged)"
            } else {
                ""
            };
            writeln!(
                f,
                "{:<36}{:>12}{:>9}{:>9}{:>9}{note}",
                on_one_line(name),
                table.changes,
                table.missing,
                table.order_violations,
                table.wrong_values
            )?;
        }
        for snapshot in &self.snapshots {
            write!(f, "\n{snapshot}")?;
        }
        if !self.snapshots.is_empty() {
            writeln!(f)?;
        }
        if let Some(source) = &self.source {
            for (name, value) in [
                ("rows compared", source.rows_compared),
                ("rows not compared", source.rows_not_compared),
                ("rows not in the stream", source.rows_unknown),
            ] {
                write!(f, "\n{name:<26}{value:>14}")?;
            }
            for table in &source.tables_not_compared {
                write!(f, "\nnot compared: {}", on_one_line(table))?;
            }
            writeln!(f)?;
        }
        for finding in &self.examples {
            write!(f, "\n{finding}")?;
        }
        let verdict = if self.is_clean() {
            "clean"
        } else {
            "NOT CLEAN"
        };
        write!(f, "\n{verdict}")
    }
}
