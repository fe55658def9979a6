//! The servers of one test, how the program is started between them, and what has arrived.

use std::{path::Path, time::Duration};

use anyhow::{Context, ensure};
use headwater_harness::{
    check::{Judge, Verdict},
    facts::Facts,
    kinesis::{Kinesis, Record},
    mysql::{MySql, PASSWORD, USER},
    place::{Place, head, is_durable},
    program::{Finished, Launch, Program},
    wait::Deadline,
    wire::Wire,
};
use serde_json::Value;
use tempfile::TempDir;

pub const STREAM: &str = "changes";
pub const WITHIN: Duration = Duration::from_secs(60);
pub const BINARY: &str = env!("CARGO_BIN_EXE_headwater");

/// Three tables: with a key, with a key of two columns, without one.
const SHOP: &str = "CREATE DATABASE shop; \
    CREATE TABLE shop.orders (id BIGINT AUTO_INCREMENT PRIMARY KEY, quantity INT NOT NULL, note VARCHAR(200)); \
    CREATE TABLE shop.items (order_id BIGINT, line INT, name VARCHAR(50), PRIMARY KEY (order_id, line)); \
    CREATE TABLE shop.log (at TIMESTAMP(6) DEFAULT CURRENT_TIMESTAMP(6), text VARCHAR(100))";

pub struct World {
    pub mysql: MySql,
    pub kinesis: Kinesis,
    pub folder: TempDir,
}

impl World {
    pub async fn new(shards: u32) -> anyhow::Result<Self> {
        Self::with(shards, &[]).await
    }

    /// With options for mysqld.
    pub async fn with(shards: u32, options: &[&str]) -> anyhow::Result<Self> {
        let (mysql, kinesis) = tokio::try_join!(MySql::with(options), Kinesis::durable())?;
        tokio::try_join!(mysql.exec(SHOP), kinesis.create_stream(STREAM, shards))?;
        let folder = tempfile::tempdir()?;
        Ok(Self {
            mysql,
            kinesis,
            folder,
        })
    }

    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// `run` from this MySQL to this Kinesis, from the log's beginning.
    pub fn launch(&self) -> anyhow::Result<Launch> {
        self.launch_to(&self.kinesis.endpoint())
    }

    /// The same through another endpoint, e.g. a fault proxy.
    pub fn launch_to(&self, endpoint: &str) -> anyhow::Result<Launch> {
        Ok(Launch::run(BINARY, self.folder(), &self.config(endpoint))?.shown())
    }

    /// The same through a network between MySQL and the program, whose silence is noticed in seconds.
    pub fn launch_over(&self, wire: &Wire) -> anyhow::Result<Launch> {
        let url = format!("mysql://{USER}:{PASSWORD}@127.0.0.1:{}", wire.port());
        Ok(self
            .launch()?
            .setting("source.url", &url)
            .setting("source.heartbeat_secs", "1")
            .setting("source.read_timeout_secs", "3")
            .setting("source.connect_timeout_secs", "2"))
    }

    pub fn config(&self, endpoint: &str) -> String {
        format!(
            "[source]\nurl = \"{}\"\nstart = \"earliest\"\n\
             [sink]\ntype = \"kinesis\"\n[sink.kinesis]\nstream = \"{STREAM}\"\nendpoint_url = \"{endpoint}\"\n\
             [checkpoint]\ninterval_ms = 50\n",
            self.mysql.headwater_url()
        )
    }

    /// Another command with the config of the last launch.
    pub async fn command(&self, arguments: &[&str]) -> anyhow::Result<Finished> {
        let arguments = [arguments, &["-c", "headwater.toml"]].concat();
        Launch::new(BINARY, self.folder(), &arguments)?
            .finish(WITHIN)
            .await
    }

    /// `run --until now`, which must end drained.
    pub async fn catch_up(&self) -> anyhow::Result<Finished> {
        let finished = self
            .launch()?
            .arg("--until")
            .arg("now")
            .finish(WITHIN)
            .await?;
        ensure!(finished.code() == Some(0), "{}", finished.text());
        Ok(finished)
    }

    /// All records so far, in order per shard.
    pub async fn records(&self) -> anyhow::Result<Vec<Record>> {
        self.records_of(STREAM).await
    }

    /// The same of another stream.
    pub async fn records_of(&self, stream: &str) -> anyhow::Result<Vec<Record>> {
        let (mut consumer, mut records) = (self.kinesis.consumer(stream).await?, Vec::new());
        let keep = |record| {
            records.push(record);
            Ok(())
        };
        consumer.read_to_end(keep).await?;
        Ok(records)
    }

    /// All that has arrived against all that happened.
    pub async fn verdict(&self) -> anyhow::Result<Verdict> {
        self.verdict_on(|facts| facts).await
    }

    /// The same against some of it.
    pub async fn verdict_on(&self, some: impl FnOnce(Facts) -> Facts) -> anyhow::Result<Verdict> {
        let mut judge = Judge::new();
        for record in self.records().await? {
            judge.read_record(&record)?;
        }
        Ok(judge.against(&some(Facts::of(&self.mysql).await?)))
    }

    /// The lines of one partition key.
    pub async fn lines_of(&self, partition_key: &str) -> anyhow::Result<Vec<Value>> {
        let records = self.records().await?;
        let ours = records
            .iter()
            .filter(|record| record.partition_key == partition_key);
        ours.flat_map(Record::lines)
            .map(|line| serde_json::from_slice(line).context("read a line"))
            .collect()
    }
}

/// Waits until everything that the server has written by now is durable in the sink.
pub async fn delivered(program: &Program, mysql: &MySql) -> anyhow::Result<()> {
    let (file, offset) = mysql.position().await?;
    status_is(program, "all to be durable", |status| {
        status.get("position_durable") == Some(&Value::from(format!("{file}:{offset}")))
    })
    .await
}

/// The same while the server is written to: until what it holds at the call is durable; that place.
pub async fn delivered_so_far(program: &Program, mysql: &MySql) -> anyhow::Result<Place> {
    let goal = head(mysql).await?;
    status_is(program, "what was written to be durable", |status| {
        is_durable(status, goal)
    })
    .await?;
    Ok(goal)
}

/// Everything is delivered, the drain is one, and nothing is missing or out of order.
pub async fn ends_well(program: Program, world: &World) -> anyhow::Result<Verdict> {
    delivered(&program, &world.mysql).await?;
    let finished = program.drain(WITHIN).await?;
    ensure!(finished.code() == Some(0), "{}", finished.text());
    let verdict = world.verdict().await?;
    verdict.ensure_clean()?;
    Ok(verdict)
}

/// Waits until a metric is at least so much; one that is not there is 0.
pub async fn metric_reaches(program: &Program, name: &str, least: f64) -> anyhow::Result<()> {
    let deadline = Deadline::after(WITHIN, format!("{name} to reach {least}"));
    loop {
        let value = program.metric(name, &[]).await?.unwrap_or_default();
        if value >= least {
            return Ok(());
        }
        let pause = deadline.pause().await;
        pause.with_context(|| format!("it is {value}"))?;
    }
}

/// Waits until `/status` says so.
pub async fn status_is(
    program: &Program,
    what: &str,
    is_so: impl Fn(&Value) -> bool,
) -> anyhow::Result<()> {
    let deadline = Deadline::after(WITHIN, what);
    let mut last = Value::Null;
    loop {
        if let Ok(status) = program.status().await {
            if is_so(&status) {
                return Ok(());
            }
            last = status;
        }
        deadline
            .pause()
            .await
            .with_context(|| format!("the last status was {last}"))?;
    }
}

/// Waits until the stream holds `count` records more than now.
pub async fn records_grow(world: &World, count: usize) -> anyhow::Result<()> {
    let mut consumer = world.kinesis.consumer(STREAM).await?;
    while consumer.poll().await? > 0 {}
    let before = consumer.records().len();
    consumer
        .read_until(|records| records.len() >= before + count, WITHIN)
        .await?;
    Ok(())
}

/// The end that a human reads: this exit code and all of these words.
pub fn says(finished: &Finished, code: i32, words: &[&str]) {
    // Log fields are quoted.
    let text = finished.text().replace("\\\"", "\"");
    assert_eq!(finished.code(), Some(code), "{text}");
    for word in words {
        assert!(text.contains(word), "`{word}` is not in: {text}");
    }
}
