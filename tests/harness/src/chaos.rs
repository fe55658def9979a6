//! Random faults for as long as you like: the built program between a real MySQL and a real Kinesis API.
//!
//! Writers raise a counter in every row that they change. The program lives many short lives, each under some
//! weather (what the API and the network do wrong) and with some incidents; most lives end by SIGKILL, some by a
//! drain: what a drained life sent must never come again. The source's log can become another one (`history`). With a standby there are always two of them (`pair`).
//! At the end `headwater verify` reads the stream against counters and tables, and the judge against the binlog.
//! Everything random comes from one seed, but for how the threads of five processes meet.

mod copies;
mod ending;
mod giant;
mod history;
mod life;
mod pair;
mod report;
mod senders;
mod warehouse;
mod weather;
mod writers;

use std::{
    path::PathBuf,
    str::FromStr,
    time::{Duration, Instant, SystemTime},
};

use anyhow::{Context, bail};
use tempfile::TempDir;

use crate::{
    consumer::{Consumer, Record},
    faults::FaultProxy,
    kinesis::Kinesis,
    moto::Moto,
    mysql::{MySql, PASSWORD, USER},
    program::{Launch, Program},
    wire::Wire,
};

use giant::Giant;
pub use report::Report;
use senders::{Senders, Sent};
use warehouse::Warehouse;
use weather::Weather;
use writers::Writers;

const STREAM: &str = "chaos";
const SHARDS: u32 = 3;
/// Changes by the million behind a small buffer pool: its writes must not wait for the disk at every kill and stop.
/// Processes are killed here, never the machine.
const SERVER: [&str; 2] = [
    "--innodb-flush-method=nosync",
    "--innodb-redo-log-capacity=512M",
];

const LOWER_CASE: &str = "--lower-case-table-names=1";
/// Between two turns of the source's history.
const LIVES_A_HISTORY: u32 = 3;

#[derive(Debug, Clone)]
pub struct Options {
    pub binary: PathBuf,
    pub seed: u64,
    pub length: Length,
    pub changes_per_sec: u32,
    pub keys: u32,
    /// One transaction of that many rows' bytes before all others; of a process without a standby.
    pub giant_mib: u32,
    /// Two processes, and where their lease is.
    pub standby: Option<Store>,
    /// Now and then the source's log becomes another one; of a process without a standby.
    pub histories: bool,
    /// The server compares names without case, and writers use any.
    pub lower_case: bool,
    /// Tables with rows that are copied, again and again; of a process without a standby.
    pub copied_tables: u32,
    /// Firehose, S3, COPY and the merge behind the stream, played; of a log that goes on.
    pub to_warehouse: bool,
    /// Servers are left running when something was found.
    pub keeps: bool,
}

impl Options {
    /// What `scripts/chaos` does unless told otherwise.
    pub fn new(binary: PathBuf, seed: u64) -> Self {
        Self {
            binary,
            seed,
            length: Length::Time(Duration::from_secs(300)),
            changes_per_sec: 2_000,
            keys: 2_000,
            giant_mib: 0,
            standby: None,
            histories: false,
            lower_case: false,
            copied_tables: 0,
            to_warehouse: false,
            keeps: false,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Store {
    /// On the source, through the same network.
    MySql,
    DynamoDb,
}

impl Store {
    pub fn name(self) -> &'static str {
        match self {
            Self::MySql => "mysql",
            Self::DynamoDb => "dynamodb",
        }
    }
}

impl FromStr for Store {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> anyhow::Result<Self> {
        match text {
            "mysql" => Ok(Self::MySql),
            "dynamodb" => Ok(Self::DynamoDb),
            other => bail!("no such checkpoint store: {other}; there are mysql and dynamodb"),
        }
    }
}

#[derive(Debug, Clone, Copy)]
pub enum Length {
    /// Of the program.
    Lives(u32),
    Time(Duration),
}

/// How a life ended, which tells what the next one may repeat.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    Killed,
    Drained,
    /// Exit code 3.
    GraceOver,
    /// Until its lease was another's; then it went on, and ended itself.
    Stopped,
    /// It lost the lease to what else happened, and ended itself.
    Overtaken,
}

/// A process, and what stands before its API.
struct Member {
    program: Program,
    proxy: FaultProxy,
}

struct Chaos {
    options: Options,
    random: fastrand::Rng,
    /// How the next lives end.
    ends: Vec<End>,
    mysql: MySql,
    kinesis: Kinesis,
    /// Of the proxies in front of it.
    seeds: fastrand::Rng,
    weather: Weather,
    giant: Option<Giant>,
    /// In front of MySQL.
    wire: Wire,
    moto: Option<Moto>,
    warehouse: Option<Warehouse>,
    /// Where the log begins to count.
    start: Option<(String, u64)>,
    folder: TempDir,
    consumer: Consumer,
    /// Read, and sent by a life that is not over.
    unsettled: Vec<Record>,
    senders: Senders,
    report: Report,
}

/// Runs it; what was found stands in the report.
///
/// # Errors
/// When the servers cannot be started, or the program does something that ends the run.
pub async fn run(options: &Options) -> anyhow::Result<Report> {
    let mut chaos = Chaos::new(options.clone()).await?;
    let writers = Writers::start(&chaos.mysql.url("root", ""), options, chaos.random.fork());
    let started = Instant::now();
    let mut last_end = None;
    let mut lives = 0;
    let mut pair = match options.standby {
        Some(_) => Some(chaos.start_pair().await?),
        None => None,
    };
    while match options.length {
        Length::Lives(count) => lives < count,
        Length::Time(time) => started.elapsed() < time,
    } {
        let end = match pair.take() {
            Some(before) => chaos.reign(before, last_end).await.map(|(after, end)| {
                pair = Some(after);
                end
            }),
            None => chaos.live(last_end).await,
        };
        let end = match end {
            Ok(end) if options.histories && lives % LIVES_A_HISTORY == 0 => {
                chaos.turn_history(&writers, Some(end)).await
            }
            end => end,
        };
        let end = match end {
            Ok(end) => chaos.carry().await.map(|()| end),
            end => end,
        };
        let Ok(end) = end.map_err(|error| chaos.report.finding(format!("{error:#}"))) else {
            break;
        };
        last_end = Some(end);
        lives += 1;
        if lives % 20 == 0 {
            let (lines, secs) = (chaos.senders.lines, started.elapsed().as_secs());
            eprintln!("chaos: {lives} lives, {lines} lines, {secs} s");
        }
    }
    chaos.report.transactions = writers.stop().await?;
    if let Err(error) = chaos.finish(last_end, pair).await {
        chaos.report.finding(format!("{error:#}"));
    }
    chaos.report.took = started.elapsed();
    chaos.report.settle();
    if options.keeps && !chaos.report.is_clean() {
        chaos.keep().await?;
    }
    Ok(chaos.report)
}

impl Chaos {
    async fn new(options: Options) -> anyhow::Result<Self> {
        let mut random = fastrand::Rng::with_seed(options.seed);
        let mut server = SERVER.to_vec();
        server.extend(options.lower_case.then_some(LOWER_CASE));
        let (mysql, kinesis) = tokio::try_join!(MySql::with(&server), Kinesis::durable())?;
        tokio::try_join!(
            mysql.exec(writers::TABLES),
            kinesis.create_stream(STREAM, SHARDS)
        )?;
        let seeds = fastrand::Rng::with_seed(random.u64(..));
        let wire = Wire::to(mysql.port(), random.u64(..)).await?;
        let consumer = kinesis.consumer(STREAM).await?;
        let moto = match options.standby {
            Some(Store::DynamoDb) => Some(Moto::start().await?),
            _ => None,
        };
        let mut chaos = Self {
            folder: tempfile::tempdir().context("create a folder")?,
            report: Report::new(&options, lanes(options.seed)),
            options,
            random,
            ends: Vec::new(),
            mysql,
            kinesis,
            seeds,
            weather: Weather::Fair,
            giant: None,
            wire,
            moto,
            warehouse: None,
            start: None,
            consumer,
            unsettled: Vec::new(),
            senders: Senders::default(),
        };
        chaos.fill_copied().await?;
        chaos.create_store().await?;
        chaos.open_warehouse().await?;
        chaos.commit_giant().await?;
        Ok(chaos)
    }

    async fn member(&mut self) -> anyhow::Result<Member> {
        let (kinesis, seed) = (self.kinesis.endpoint(), self.seeds.u64(..));
        let proxy = FaultProxy::in_front_of(&kinesis, SHARDS as usize, seed).await?;
        proxy.program(|faults| *faults = self.weather.api());
        let launch = self
            .launch(&["run", "-c", "headwater.toml"])?
            .setting("sink.kinesis.endpoint_url", &proxy.url());
        let program = launch.start()?;
        Ok(Member { program, proxy })
    }

    fn launch(&self, arguments: &[&str]) -> anyhow::Result<Launch> {
        let config = format!(
            "[source]\nurl = \"mysql://{USER}:{PASSWORD}@127.0.0.1:{}\"\nstart = \"{}\"\n\
             heartbeat_secs = 1\nread_timeout_secs = 4\nconnect_timeout_secs = 5\n\
             [sink]\ntype = \"kinesis\"\n[sink.kinesis]\nstream = \"{STREAM}\"\n\
             call_timeout_secs = 10\n\
             [native]\nheartbeat_secs = 1\n\
             [shutdown]\ngrace_secs = 20\n[checkpoint]\ninterval_ms = 100\n{}{}{}",
            self.wire.port(),
            self.start_text(),
            self.store(),
            ordering(lanes(self.options.seed)),
            self.copied_text(),
        );
        let file = self.folder.path().join("headwater.toml");
        std::fs::write(&file, config).with_context(|| format!("write {}", file.display()))?;
        let launch = Launch::new(&self.options.binary, self.folder.path(), arguments)?;
        // As in the image.
        Ok(launch.env("MALLOC_ARENA_MAX", "1"))
    }

    /// What the life that has just ended sent. From the first call of `next` on it was that one: there is one
    /// writer at a time, and what it sent has arrived before another begins.
    async fn sent(&mut self, is_drained: bool, next: Option<&FaultProxy>) -> anyhow::Result<Sent> {
        // The stream's clock is this one, in whole milliseconds.
        const ROUNDING: Duration = Duration::from_millis(2);
        let begin = || Some(next?.stats().first_call_at? - ROUNDING);
        let is_next = |record: &Record, begin: Option<SystemTime>| {
            begin.is_some_and(|begin| begin <= record.arrival)
        };
        let mut quiet_rounds = 0;
        while quiet_rounds < 3 {
            self.consumer.poll().await?;
            let (came, begin) = (self.consumer.take(), begin());
            let mut shards = came.chunk_by(|one, other| one.shard == other.shard);
            let is_behind = shards.any(|records| {
                let last = records.last();
                last.is_some_and(|record| !is_next(record, begin))
            });
            quiet_rounds = match is_behind {
                true => 0,
                false => quiet_rounds + 1,
            };
            self.unsettled.extend(came);
        }
        let begin = begin();
        for record in std::mem::take(&mut self.unsettled) {
            if is_next(&record, begin) {
                self.unsettled.push(record);
                continue;
            }
            for line in record.lines() {
                self.senders.take(&record.partition_key, line);
            }
        }
        Ok(self.senders.end_life(is_drained))
    }
}

/// Of each table; the seed decides.
fn lanes(seed: u64) -> u32 {
    if seed.is_multiple_of(2) { 1 } else { 4 }
}

fn ordering(lanes: u32) -> String {
    match lanes {
        1 => String::new(),
        lanes => format!("[ordering]\nkey = \"primary_key\"\nlanes = {lanes}\n"),
    }
}
