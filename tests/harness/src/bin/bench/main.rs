//! The whole program side by side with what it promises: `scripts/bench` builds it and calls this.
//!
//! Every figure is that of the built binary as a process of its own, with a real MySQL beside it on the
//! same machine: wall time from start to exit, processor time of all its threads, the most resident memory
//! it ever had. The Kinesis endpoint of the throughput parts takes everything and keeps nothing, so the
//! client is what is measured. Prints a table for README.

mod backlog;
mod latency;
mod memory;
mod raw;
mod run;
mod snapshot;
mod start;
mod table;
mod throughput;
mod warehouse;
mod wide;

use std::path::PathBuf;

use anyhow::{Context, bail};
use headwater_harness::{mysql::MySql, orders::Load};

use memory::Kind;
use table::Table;

const PARTS: &[&str] = &[
    "null",
    "kinesis",
    "lanes",
    "keys",
    "transaction",
    "compressed",
    "stalled",
    "tables",
    "wide-tables",
    "lanes-backlog",
    "latency",
    "snapshot",
    "warehouse",
    "start",
    "binary",
];

/// What to measure, and how long.
#[derive(Debug, Clone)]
pub struct Options {
    binary: PathBuf,
    parts: Vec<String>,
    /// Row changes of the backlog.
    changes: u64,
    /// The best of so many runs counts for throughput.
    rounds: u32,
    stall_secs: u64,
    transaction_bytes: u64,
    tables: u32,
    /// Tables of a thousand columns.
    wide_tables: u64,
    /// Tables behind a backlog of statements.
    lanes: u64,
    latency_secs: u64,
    commits_per_sec: u32,
    /// Of the table that is copied.
    rows: u64,
    /// Of 1 MiB.
    large_rows: u64,
    /// Tables that wait for their copies.
    queued: u64,
    /// Of the table that is audited.
    audited: u64,
    /// That are merged at once.
    lines: u64,
}

impl Options {
    fn full(binary: PathBuf) -> Self {
        Self {
            binary,
            parts: Vec::new(),
            changes: 1_000_000,
            rounds: 5,
            stall_secs: 120,
            transaction_bytes: 1_000_000_000,
            tables: 1_000,
            wide_tables: 1_000,
            lanes: 20_000,
            latency_secs: 20,
            commits_per_sec: 500,
            rows: 2_000_000,
            large_rows: 500,
            queued: 5_000,
            audited: 1_000_000,
            lines: 1_000_000,
        }
    }

    fn quicken(&mut self) {
        self.changes = 300_000;
        self.rounds = 2;
        self.stall_secs = 10;
        self.transaction_bytes = 200_000_000;
        self.tables = 200;
        self.wide_tables = 100;
        self.lanes = 1_000;
        self.latency_secs = 5;
        self.rows = 300_000;
        self.large_rows = 100;
        self.queued = 200;
        self.audited = 100_000;
        self.lines = 50_000;
    }

    fn parse(mut arguments: impl Iterator<Item = String>) -> anyhow::Result<Self> {
        let binary = arguments.next().context("say which binary to measure")?;
        let mut options = Self::full(PathBuf::from(binary));
        while let Some(argument) = arguments.next() {
            let mut number = |name: &str| -> anyhow::Result<u64> {
                let text = arguments
                    .next()
                    .with_context(|| format!("{name} needs a number"))?;
                text.parse()
                    .with_context(|| format!("{name} needs a number, not `{text}`"))
            };
            match argument.as_str() {
                "--quick" => options.quicken(),
                "--changes" => options.changes = number("--changes")?,
                "--rounds" => options.rounds = u32::try_from(number("--rounds")?)?.max(1),
                "--stall-secs" => options.stall_secs = number("--stall-secs")?,
                "--transaction-bytes" => {
                    options.transaction_bytes = number("--transaction-bytes")?;
                }
                "--tables" => options.tables = u32::try_from(number("--tables")?)?,
                "--wide-tables" => options.wide_tables = number("--wide-tables")?,
                "--lanes" => options.lanes = number("--lanes")?,
                "--rows" => options.rows = number("--rows")?.max(2),
                "--large-rows" => options.large_rows = number("--large-rows")?,
                "--queued" => options.queued = number("--queued")?,
                "--audited" => options.audited = number("--audited")?.max(1),
                "--lines" => options.lines = number("--lines")?.max(1),
                "--latency-secs" => options.latency_secs = number("--latency-secs")?,
                part if PARTS.contains(&part) => options.parts.push(argument),
                other => bail!(
                    "`{other}` is neither an option nor a part; parts: {}",
                    PARTS.join(", ")
                ),
            }
        }
        Ok(options)
    }

    fn wants(&self, part: &str) -> bool {
        self.parts.is_empty() || self.parts.iter().any(|wanted| wanted == part)
    }
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let options = Options::parse(std::env::args().skip(1))?;
    let mut table = Table::default();
    if ["null", "kinesis", "lanes"]
        .iter()
        .any(|part| options.wants(part))
    {
        let server = MySql::start().await?;
        let (file, offset) = server.position().await?;
        let from = format!("{file}:{offset}");
        eprintln!("loading {} row changes of an orders table", options.changes);
        Load::new(options.changes).run(&server).await?;
        for part in ["null", "kinesis", "lanes"] {
            if options.wants(part) {
                throughput::measure(part, &options, &server, &from, &mut table).await?;
            }
        }
    }
    if options.wants("keys") {
        throughput::changed_keys(&options, &mut table).await?;
    }
    if options.wants("transaction") {
        memory::giant_transaction(&options, Kind::Plain, &mut table).await?;
    }
    if options.wants("compressed") {
        memory::giant_transaction(&options, Kind::Compressed, &mut table).await?;
    }
    if options.wants("stalled") {
        memory::stalled_sink(&options, &mut table).await?;
    }
    if options.wants("tables") {
        memory::many_tables(&options, &mut table).await?;
    }
    if options.wants("wide-tables") {
        wide::measure(&options, &mut table).await?;
    }
    if options.wants("lanes-backlog") {
        backlog::measure(&options, &mut table).await?;
    }
    if options.wants("latency") {
        latency::measure(&options, &mut table).await?;
    }
    if options.wants("snapshot") {
        snapshot::measure(&options, &mut table).await?;
    }
    if options.wants("warehouse") {
        warehouse::measure(&options, &mut table).await?;
    }
    if options.wants("start") {
        start::measure(&options, &mut table).await?;
    }
    if options.wants("binary") {
        start::binary(&options, &mut table)?;
    }
    print!("{}", table.print(&MySql::version()?));
    Ok(())
}
