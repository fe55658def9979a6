//! What a run came to, as a table to quote.

use std::{collections::BTreeMap, fmt, time::Duration};

use serde_json::Value;

use super::{
    End, Length, Options, Store, copies::Copied, pair::LEASE_SECS, senders::Sent, warehouse::Merged,
};
use crate::{check::Verdict, figures::percentile, program::Program};

/// Resident, of the whole process. The code of a build without optimisation takes some 30 MiB of it; this
/// program and the one that it tests are built alike.
const MEMORY_MIB_MAX: u64 = if cfg!(debug_assertions) { 112 } else { 64 };

/// For a start and scheduling on a busy machine, above what is promised.
const TAKEOVER_SLACK: Duration = Duration::from_secs(10);

#[derive(Debug, Clone)]
pub struct Report {
    pub seed: u64,
    pub lanes: u32,
    pub wanted: Length,
    pub took: Duration,
    pub transactions: u64,
    pub kills: u64,
    pub drains: u64,
    /// Drains whose grace time was over.
    pub grace_over: u64,
    pub drains_took: Vec<Duration>,
    pub giant_mib: u32,
    /// Kills, and drains, that left a position inside it.
    pub giant_ends: (u64, u64),
    pub standby: Option<Store>,
    /// From the end of the holder until the other one streams.
    pub takeovers_after_kill: Vec<Duration>,
    pub takeovers_after_drain: Vec<Duration>,
    pub takeovers_after_stop: Vec<Duration>,
    /// To what else happened.
    pub leases_lost: u64,
    pub copied_tables: u32,
    pub copied: Copied,
    pub merged: Merged,
    /// Weather and incidents.
    pub happened: BTreeMap<&'static str, u64>,
    /// Lines that the life after a kill repeated.
    pub repeated_per_kill: Vec<u64>,
    pub repeated_per_drain: Vec<u64>,
    /// Lines that a life sent twice itself: a reply was lost.
    pub repeated_within: u64,
    lives_told: u64,
    pub peak_memory_kib: u64,
    /// What `headwater verify` said.
    pub verified: Option<Value>,
    /// What the judge said against the binlog.
    pub judged: Option<Verdict>,
    /// What is worth a look.
    pub notes: Vec<String>,
    pub findings: Vec<String>,
}

impl Report {
    pub(super) fn new(options: &Options, lanes: u32) -> Self {
        Self {
            seed: options.seed,
            lanes,
            wanted: options.length,
            took: Duration::ZERO,
            transactions: 0,
            kills: 0,
            drains: 0,
            grace_over: 0,
            drains_took: Vec::new(),
            giant_mib: options.giant_mib,
            giant_ends: (0, 0),
            standby: options.standby,
            takeovers_after_kill: Vec::new(),
            takeovers_after_drain: Vec::new(),
            takeovers_after_stop: Vec::new(),
            leases_lost: 0,
            copied_tables: options.copied_tables,
            copied: Copied::default(),
            merged: Merged::default(),
            happened: BTreeMap::new(),
            repeated_per_kill: Vec::new(),
            repeated_per_drain: Vec::new(),
            repeated_within: 0,
            lives_told: 0,
            peak_memory_kib: 0,
            verified: None,
            judged: None,
            notes: Vec::new(),
            findings: Vec::new(),
        }
    }

    pub(super) fn happened(&mut self, what: &'static str) {
        *self.happened.entry(what).or_default() += 1;
    }

    pub(super) fn note(&mut self, what: String) {
        self.notes.push(what);
    }

    pub(super) fn finding(&mut self, what: String) {
        self.findings.push(what);
    }

    pub(super) fn saw_memory(&mut self, program: &Program) {
        let peak = program.peak_rss_kib().unwrap_or_default();
        self.peak_memory_kib = self.peak_memory_kib.max(peak);
    }

    pub(super) fn drained(&mut self, in_time: bool, took: Duration) {
        self.drains_took.push(took);
        match in_time {
            true => self.drains += 1,
            false => self.grace_over += 1,
        }
    }

    pub(super) fn ended_in_giant(&mut self, end: End) {
        match end {
            End::Killed => self.giant_ends.0 += 1,
            End::Drained => self.giant_ends.1 += 1,
            End::GraceOver | End::Stopped | End::Overtaken => {}
        }
    }

    pub(super) fn taken_over(&mut self, end: End, took: Duration) {
        let lease = Duration::from_secs(LEASE_SECS);
        let (takeovers, promised) = match end {
            End::Killed => (&mut self.takeovers_after_kill, lease),
            End::Stopped => (&mut self.takeovers_after_stop, lease),
            End::Drained => (&mut self.takeovers_after_drain, Duration::ZERO),
            // Its lease was not given back.
            End::GraceOver => return,
            End::Overtaken => {
                self.leases_lost += 1;
                return;
            }
        };
        takeovers.push(took);
        if promised + TAKEOVER_SLACK < took {
            self.finding(format!(
                "the other process streamed only {took:?} after this: {end:?}"
            ));
        }
    }

    /// What a life sent; `last_end` is that of the one before.
    pub(super) fn sent(&mut self, last_end: Option<End>, sent: Sent) {
        self.repeated_within += sent.within;
        match last_end {
            Some(End::Killed | End::GraceOver | End::Stopped | End::Overtaken) => {
                self.repeated_per_kill.push(sent.again)
            }
            Some(End::Drained) => self.repeated_per_drain.push(sent.after_drain),
            None => {}
        }
        if sent.after_drain > 0 {
            let life = self.lives_told;
            self.finding(format!(
                "life {life} repeated {} lines that a drained life had sent",
                sent.after_drain
            ));
        }
        self.lives_told += 1;
    }

    /// The same lines, put in order by their `seq` whichever shard they came from, have the same verdict.
    pub(super) fn sorted(&mut self, as_they_came: &Value, sorted: &Value) {
        for name in [
            "lines",
            "changes",
            "snapshot_rows",
            "snapshots",
            "missing",
            "order_violations",
            "wrong_values",
            "unreadable",
            "source",
        ] {
            let (came, put) = (as_they_came.get(name), sorted.get(name));
            if came.is_none() || came != put {
                let examples = sorted.get("examples").cloned().unwrap_or_default();
                self.finding(format!(
                    "verify --unordered: {name} is {put:?}, as they came {came:?}: {examples}"
                ));
            }
        }
    }

    pub(super) fn verified(&mut self, report: Value) {
        for name in ["missing", "order_violations", "wrong_values", "unreadable"] {
            if report.get(name).and_then(Value::as_u64) != Some(0) {
                let examples = report.get("examples").cloned().unwrap_or_default();
                self.finding(format!("verify: {name} is not 0: {examples}"));
            }
        }
        let compared = report
            .pointer("/source/rows_compared")
            .and_then(Value::as_u64);
        if compared.unwrap_or_default() == 0 {
            self.finding(format!("verify: no row was compared: {report}"));
        }
        self.verified = Some(report);
    }

    pub(super) fn judged(&mut self, verdict: Verdict) {
        if !verdict.is_clean() {
            self.finding(format!("against the binlog: {verdict}"));
        }
        self.judged = Some(verdict);
    }

    pub(super) fn settle(&mut self) {
        let mib = self.peak_memory_kib.div_ceil(1024);
        if mib > MEMORY_MIB_MAX {
            self.finding(format!(
                "{mib} MiB of memory are more than {MEMORY_MIB_MAX}"
            ));
        }
        if self.giant_mib > 0 && self.giant_ends == (0, 0) {
            self.finding("no life ended inside the large transaction".to_owned());
        }
    }

    pub fn is_clean(&self) -> bool {
        self.findings.is_empty() && self.verified.is_some()
    }

    fn of_verify(&self, name: &str) -> String {
        let value = self
            .verified
            .as_ref()
            .and_then(|report| report.get(name)?.as_u64());
        value.map_or_else(|| "?".to_owned(), |value| value.to_string())
    }
}

fn median(values: &[u64]) -> u64 {
    let mut values = values.to_vec();
    values.sort_unstable();
    percentile(&values, 50).unwrap_or_default()
}

fn max(values: &[u64]) -> u64 {
    values.iter().copied().max().unwrap_or_default()
}

/// `n: median / max`
fn seconds(took: &[Duration]) -> String {
    let mut secs: Vec<f64> = took.iter().map(Duration::as_secs_f64).collect();
    secs.sort_unstable_by(f64::total_cmp);
    match (percentile(&secs, 50), secs.last()) {
        (Some(median), Some(max)) => format!("{median:.1} / {max:.1} s ({})", secs.len()),
        _ => "none".to_owned(),
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ordering = match self.lanes {
            1 => "by table".to_owned(),
            lanes => format!("by primary key, {lanes} lanes a table"),
        };
        let drains_ms: Vec<u64> = self
            .drains_took
            .iter()
            .map(|took| u64::try_from(took.as_millis()).unwrap_or(u64::MAX))
            .collect();
        let judged = self.judged.as_ref().map_or_else(
            || "not done: too many changes for its memory, or a log that was reset".to_owned(),
            |verdict| {
                format!(
                    "{} missing, {} unexpected, {} order violations, {} contradictions",
                    verdict.missing,
                    verdict.unexpected,
                    verdict.order_violations,
                    verdict.contradictions
                )
            },
        );
        let rows = [
            ("seed", self.seed.to_string()),
            ("time", format!("{} s", self.took.as_secs())),
            ("ordering", ordering),
            ("transactions", self.transactions.to_string()),
            ("different row changes", self.of_verify("changes")),
            ("keys", self.of_verify("keys")),
            ("lines", self.of_verify("lines")),
            ("kills (SIGKILL)", self.kills.to_string()),
            ("drains (SIGTERM)", self.drains.to_string()),
            (
                "drains whose grace time was over",
                self.grace_over.to_string(),
            ),
            ("missing changes", self.of_verify("missing")),
            ("order violations", self.of_verify("order_violations")),
            ("wrong values", self.of_verify("wrong_values")),
            ("runs of a key not judged", self.of_verify("not_judged")),
            (
                "rows equal to the source's",
                self.verified
                    .as_ref()
                    .and_then(|report| report.pointer("/source/rows_compared")?.as_u64())
                    .unwrap_or_default()
                    .to_string(),
            ),
            ("against the binlog", judged),
            (
                "rows repeated per kill, median / max",
                format!(
                    "{} / {} ({} kills)",
                    median(&self.repeated_per_kill),
                    max(&self.repeated_per_kill),
                    self.repeated_per_kill.len()
                ),
            ),
            (
                "rows repeated per drain, max",
                format!(
                    "{} ({} drains)",
                    max(&self.repeated_per_drain),
                    self.repeated_per_drain.len()
                ),
            ),
            (
                "rows sent twice because a reply was lost",
                self.repeated_within.to_string(),
            ),
            (
                "drain, median / max",
                format!("{} / {} ms", median(&drains_ms), max(&drains_ms)),
            ),
            (
                "most resident memory",
                format!("{} MiB", self.peak_memory_kib.div_ceil(1024)),
            ),
        ];
        writeln!(f, "| | |\n|---|---|")?;
        for (name, value) in rows {
            writeln!(f, "| {name} | {value} |")?;
        }
        if self.giant_mib > 0 {
            let (kills, drains) = self.giant_ends;
            writeln!(
                f,
                "| inside a transaction of {} MiB | {kills} kills, {drains} drains |",
                self.giant_mib
            )?;
        }
        if let Some(store) = self.standby {
            let rows = [
                (
                    "two processes, one at work",
                    format!("lease in {}, {LEASE_SECS} s", store.name()),
                ),
                (
                    "takeover after a kill, median / max",
                    seconds(&self.takeovers_after_kill),
                ),
                (
                    "takeover after a drain, median / max",
                    seconds(&self.takeovers_after_drain),
                ),
                (
                    "takeover after a stop (SIGSTOP), median / max",
                    seconds(&self.takeovers_after_stop),
                ),
                (
                    "leases lost to other incidents",
                    self.leases_lost.to_string(),
                ),
            ];
            for (name, value) in rows {
                writeln!(f, "| {name} | {value} |")?;
            }
        }
        if 0 < self.copied_tables {
            let copied = self.copied;
            let each = copied.again as f64 / self.kills.max(1) as f64;
            writeln!(
                f,
                "| {} tables copied, {} copies | hit by {} kills and {} drains; {} rows, {} of them again ({each:.0} per kill), {} equal to the source's |",
                self.copied_tables,
                copied.complete,
                copied.kills,
                copied.drains,
                copied.rows,
                copied.again,
                copied.rows_compared
            )?;
        }
        if 0 < self.merged.merges {
            let merged = self.merged;
            writeln!(
                f,
                "| {} tables in a warehouse | {} lines in {} merges, {} of them repeated or overtaken, {} crashes of Firehose; {} rows compared |",
                merged.tables,
                merged.lines_loaded,
                merged.merges,
                merged.ignored,
                merged.crashes,
                merged.rows_compared
            )?;
        }
        writeln!(f, "\n| lives and incidents | times |\n|---|---|")?;
        for (what, times) in &self.happened {
            writeln!(f, "| {what} | {times} |")?;
        }
        for note in &self.notes {
            writeln!(f, "\n{note}")?;
        }
        if self.findings.is_empty() {
            return writeln!(f, "\nNothing was found.");
        }
        writeln!(f, "\nFOUND:")?;
        self.findings
            .iter()
            .try_for_each(|finding| writeln!(f, "- {finding}"))
    }
}
