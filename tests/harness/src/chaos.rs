//! Random faults for as long as you like: the built program between a real MySQL and a real Kinesis API.
//!
//! Writers raise a counter in every row that they change. The program lives many short lives, each under some
//! weather (what the API and the network do wrong) and with some incidents; most lives end by SIGKILL, some by a
//! drain: what a drained life sent must never come again.
//! At the end `headwater verify` reads the stream against counters and tables, and the judge against the binlog.
//! Everything random comes from one seed, but for how the threads of five processes meet.

mod life;
mod report;
mod senders;
mod weather;
mod writers;

use std::{
    path::PathBuf,
    time::{Duration, Instant},
};

use anyhow::{Context, ensure};
use serde_json::Value;
use tempfile::TempDir;

use crate::{
    check::{Judge, Verdict},
    consumer::Consumer,
    facts::Facts,
    faults::FaultProxy,
    kinesis::Kinesis,
    mysql::{MySql, PASSWORD, USER},
    program::Launch,
    wait::Deadline,
    wire::Wire,
};

pub use report::Report;
use senders::{Senders, Sent};
use writers::Writers;

const STREAM: &str = "chaos";
const SHARDS: u32 = 3;
/// Beyond it the judge's memory would be what is tested.
const JUDGED_CHANGES_MAX: u64 = 3_000_000;

#[derive(Debug, Clone)]
pub struct Options {
    pub binary: PathBuf,
    pub seed: u64,
    pub length: Length,
    pub changes_per_sec: u32,
    pub keys: u32,
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
}

struct Chaos {
    options: Options,
    random: fastrand::Rng,
    /// How the next lives end.
    ends: Vec<End>,
    mysql: MySql,
    kinesis: Kinesis,
    /// In front of the two.
    proxy: FaultProxy,
    wire: Wire,
    folder: TempDir,
    consumer: Consumer,
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
    while match options.length {
        Length::Lives(count) => lives < count,
        Length::Time(time) => started.elapsed() < time,
    } {
        let end = chaos.live(last_end).await;
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
    if let Err(error) = chaos.finish(last_end).await {
        chaos.report.finding(format!("{error:#}"));
    }
    chaos.report.took = started.elapsed();
    chaos.report.settle();
    Ok(chaos.report)
}

impl Chaos {
    async fn new(options: Options) -> anyhow::Result<Self> {
        let mut random = fastrand::Rng::with_seed(options.seed);
        let (mysql, kinesis) = tokio::try_join!(MySql::start(), Kinesis::durable())?;
        tokio::try_join!(
            mysql.exec(writers::TABLES),
            kinesis.create_stream(STREAM, SHARDS)
        )?;
        let proxy =
            FaultProxy::in_front_of(&kinesis.endpoint(), SHARDS as usize, random.u64(..)).await?;
        let wire = Wire::to(mysql.port(), random.u64(..)).await?;
        let consumer = kinesis.consumer(STREAM).await?;
        Ok(Self {
            folder: tempfile::tempdir().context("create a folder")?,
            report: Report::new(&options, lanes(options.seed)),
            options,
            random,
            ends: Vec::new(),
            mysql,
            kinesis,
            proxy,
            wire,
            consumer,
            senders: Senders::default(),
        })
    }

    fn launch(&self) -> anyhow::Result<Launch> {
        let config = format!(
            "[source]\nurl = \"mysql://{USER}:{PASSWORD}@127.0.0.1:{}\"\nstart = \"earliest\"\n\
             heartbeat_secs = 1\nread_timeout_secs = 4\nconnect_timeout_secs = 5\n\
             [sink]\ntype = \"kinesis\"\n[sink.kinesis]\nstream = \"{STREAM}\"\n\
             endpoint_url = \"{}\"\ncall_timeout_secs = 10\n\
             [checkpoint]\ninterval_ms = 100\n[shutdown]\ngrace_secs = 20\n{}",
            self.wire.port(),
            self.proxy.url(),
            ordering(lanes(self.options.seed)),
        );
        Launch::run(&self.options.binary, self.folder.path(), &config)
    }

    /// What came since the last life ended.
    async fn sent(&mut self, is_drained: bool) -> anyhow::Result<Sent> {
        let mut empty_rounds = 0;
        while empty_rounds < 3 {
            empty_rounds = match self.consumer.poll().await? {
                0 => empty_rounds + 1,
                _ => 0,
            };
            for record in self.consumer.take() {
                for line in record.lines() {
                    self.senders.take(&record.partition_key, line);
                }
            }
        }
        Ok(self.senders.end_life(is_drained))
    }

    /// Fair weather: all is delivered, then judged.
    async fn finish(&mut self, last_end: Option<End>) -> anyhow::Result<()> {
        self.calm_down();
        let program = self.launch()?.start()?;
        let (file, offset) = self.mysql.position().await?;
        let wanted = Value::from(format!("{file}:{offset}"));
        let deadline = Deadline::after(Duration::from_secs(600), "all to be delivered");
        let mut last = Value::Null;
        while last.get("position_durable") != Some(&wanted) {
            deadline
                .pause()
                .await
                .with_context(|| format!("the last status was {last}"))?;
            last = program.status().await.unwrap_or(last);
        }
        self.report.saw_memory(&program);
        let finished = program.drain(Duration::from_secs(60)).await?;
        ensure!(
            finished.code() == Some(0),
            "the last drain ended with {:?}: {}",
            finished.code(),
            finished.text()
        );
        let sent = self.sent(true).await?;
        self.report.sent(last_end, sent);
        let verified = self.verify().await?;
        let changes = verified.get("changes").and_then(Value::as_u64);
        self.report.verified(verified);
        if changes.is_some_and(|changes| changes <= JUDGED_CHANGES_MAX) {
            let verdict = self.judge().await?;
            self.report.judged(verdict);
        }
        Ok(())
    }

    async fn verify(&self) -> anyhow::Result<Value> {
        let arguments = [
            "verify",
            "-c",
            "headwater.toml",
            "--json",
            "--counter",
            "n",
            "--against-source",
            "--reads-per-sec",
            "1000",
        ];
        let finished = Launch::new(&self.options.binary, self.folder.path(), &arguments)?
            .setting("sink.kinesis.endpoint_url", &self.kinesis.endpoint())
            .finish(Duration::from_secs(3_600))
            .await?;
        let report = serde_json::from_str(&finished.stdout.concat());
        report.with_context(|| format!("read the verdict from: {}", finished.text()))
    }

    async fn judge(&self) -> anyhow::Result<Verdict> {
        let mut consumer = self.kinesis.consumer(STREAM).await?;
        let mut judge = Judge::new();
        let mut empty_rounds = 0;
        while empty_rounds < 3 {
            empty_rounds = match consumer.poll().await? {
                0 => empty_rounds + 1,
                _ => 0,
            };
            for record in consumer.take() {
                judge.read_record(&record)?;
            }
        }
        Ok(judge.against(&Facts::of(&self.mysql).await?))
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
