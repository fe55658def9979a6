//! A real Kinesis API on one's own port (kinesalite), and a consumer for any Kinesis endpoint.
//!
//! The consumer reads every shard from its beginning, a child shard only after its parents, so that the
//! records of a partition key come in the order in which the stream took them. What it has read stays in
//! it: a predicate sees everything so far, not only what is new.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::PathBuf,
    process::Command,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use anyhow::{Context, ensure};
use bytes::Bytes;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::{
    aws::{JsonService, ServiceError},
    cache,
    ports::Port,
    process::{Process, Signal, log_into, tail},
    wait::Deadline,
};

#[derive(Debug)]
pub struct Kinesis {
    process: Option<Process>,
    service: JsonService,
    keeps_data: bool,
    port: Port,
    folder: TempDir,
}

impl Kinesis {
    /// A server that forgets everything when it ends.
    ///
    /// # Errors
    /// When kinesalite is not installed or does not start; the message ends with its log.
    pub async fn start() -> anyhow::Result<Self> {
        Self::launch(false).await
    }

    /// A server whose streams and records survive [`kill`](Self::kill).
    ///
    /// # Errors
    /// As [`Kinesis::start`].
    pub async fn durable() -> anyhow::Result<Self> {
        Self::launch(true).await
    }

    async fn launch(keeps_data: bool) -> anyhow::Result<Self> {
        let folder = tempfile::Builder::new()
            .prefix("headwater-kinesis-")
            .tempdir()
            .context("create a folder")?;
        let port = Port::claim()?;
        let service = JsonService::kinesis(&format!("http://127.0.0.1:{}", port.number()));
        let mut server = Self {
            process: None,
            service,
            keeps_data,
            port,
            folder,
        };
        server.start_again().await?;
        Ok(server)
    }

    /// Starts it again, after [`kill`](Self::kill), on the same port (and data if it keeps them).
    ///
    /// # Errors
    /// When it runs already or does not start.
    pub async fn start_again(&mut self) -> anyhow::Result<()> {
        ensure!(self.process.is_none(), "the server runs already");
        let mut command = Command::new(cache::installed("kinesis")?.join("bin/kinesalite"));
        command.args(["--port", &self.port.number().to_string()]);
        command.args([
            "--createStreamMs",
            "10",
            "--deleteStreamMs",
            "10",
            "--updateStreamMs",
            "10",
        ]);
        command.args(["--shardLimit", "10000"]);
        if self.keeps_data {
            command.arg("--path").arg(self.folder.path().join("data"));
        }
        log_into(&mut command, &self.log())?;
        let mut process = Process::spawn("kinesalite", &mut command)?;
        let deadline = Deadline::after(Duration::from_secs(30), "kinesalite to answer");
        loop {
            if let Some(status) = process.exited()? {
                anyhow::bail!(
                    "kinesalite ended with {status} while it started:{}",
                    tail(&self.log())
                );
            }
            if self.service.call("ListStreams", &json!({})).await.is_ok() {
                break;
            }
            deadline
                .pause()
                .await
                .with_context(|| format!("its log ends with:{}", tail(&self.log())))?;
        }
        self.process = Some(process);
        Ok(())
    }

    /// For `sink.kinesis.endpoint_url`.
    pub fn endpoint(&self) -> String {
        format!("http://127.0.0.1:{}", self.port.number())
    }

    pub fn log(&self) -> PathBuf {
        self.folder.path().join("kinesalite.log")
    }

    /// For operations that have no method here.
    pub fn service(&self) -> &JsonService {
        &self.service
    }

    /// Creates a stream and waits until it is ACTIVE.
    ///
    /// # Errors
    /// When the server refuses.
    pub async fn create_stream(&self, name: &str, shards: u32) -> anyhow::Result<()> {
        self.service
            .call(
                "CreateStream",
                &json!({"StreamName": name, "ShardCount": shards}),
            )
            .await?;
        self.wait_active(name).await
    }

    /// Waits until a stream is ACTIVE, e.g. after a split.
    ///
    /// # Errors
    /// When it does not exist or stays in another state.
    pub async fn wait_active(&self, name: &str) -> anyhow::Result<()> {
        let deadline = Deadline::after(
            Duration::from_secs(30),
            format!("stream `{name}` to be active"),
        );
        loop {
            let summary = self
                .service
                .call("DescribeStreamSummary", &json!({"StreamName": name}))
                .await?;
            if summary.pointer("/StreamDescriptionSummary/StreamStatus") == Some(&json!("ACTIVE")) {
                return Ok(());
            }
            deadline.pause().await?;
        }
    }

    /// Deletes a stream and waits until it is gone.
    ///
    /// # Errors
    /// When the server refuses.
    pub async fn delete_stream(&self, name: &str) -> anyhow::Result<()> {
        self.service
            .call("DeleteStream", &json!({"StreamName": name}))
            .await?;
        let deadline = Deadline::after(
            Duration::from_secs(30),
            format!("stream `{name}` to be gone"),
        );
        loop {
            match self
                .service
                .call("DescribeStreamSummary", &json!({"StreamName": name}))
                .await
            {
                Ok(_) => deadline.pause().await?,
                Err(error) if is_code(&error, "ResourceNotFoundException") => return Ok(()),
                Err(error) => return Err(error),
            }
        }
    }

    /// Puts one record; answers its sequence number.
    ///
    /// # Errors
    /// When the server refuses.
    pub async fn put(
        &self,
        stream: &str,
        partition_key: &str,
        data: &[u8],
    ) -> anyhow::Result<String> {
        let data = base64_simd::STANDARD.encode_to_string(data);
        let input = json!({"StreamName": stream, "PartitionKey": partition_key, "Data": data});
        let output = self.service.call("PutRecord", &input).await?;
        text(&output, "SequenceNumber")
    }

    /// A consumer of one of its streams, from the beginning.
    ///
    /// # Errors
    /// When the stream does not exist.
    pub async fn consumer(&self, stream: &str) -> anyhow::Result<Consumer> {
        Consumer::open(&self.endpoint(), stream).await
    }

    /// SIGKILL.
    ///
    /// # Errors
    /// When it is not running.
    pub fn kill(&mut self) -> anyhow::Result<()> {
        self.process
            .take()
            .context("the server is not running")?
            .kill()
    }

    /// Freezes it: connections stay open and nothing answers.
    ///
    /// # Errors
    /// When it is not running.
    pub fn pause(&mut self) -> anyhow::Result<()> {
        self.process
            .as_mut()
            .context("the server is not running")?
            .signal(Signal::Stop)
    }

    /// Ends a [`pause`](Self::pause).
    ///
    /// # Errors
    /// When it is not running.
    pub fn resume(&mut self) -> anyhow::Result<()> {
        self.process
            .as_mut()
            .context("the server is not running")?
            .signal(Signal::Continue)
    }
}

/// A record as a consumer got it.
#[derive(Debug, Clone)]
pub struct Record {
    pub shard: String,
    pub sequence_number: String,
    pub partition_key: String,
    pub data: Bytes,
    /// When the stream took it, by the server's clock; milliseconds.
    pub arrival: SystemTime,
    /// When this consumer got it.
    pub seen: SystemTime,
}

impl Record {
    /// Its lines, without their line feeds.
    pub fn lines(&self) -> impl Iterator<Item = &[u8]> {
        self.data
            .split(|byte| *byte == b'\n')
            .filter(|line| !line.is_empty())
    }
}

#[derive(Debug, Default)]
struct Shard {
    parents: Vec<String>,
    iterator: Option<String>,
    last: Option<String>,
    ended: bool,
}

#[derive(Debug)]
pub struct Consumer {
    service: JsonService,
    stream: String,
    shards: BTreeMap<String, Shard>,
    records: Vec<Record>,
}

impl Consumer {
    /// Reads `stream` from its beginning, at any endpoint that speaks the Kinesis API.
    ///
    /// # Errors
    /// When the stream does not exist or the endpoint does not answer.
    pub async fn open(endpoint: &str, stream: &str) -> anyhow::Result<Self> {
        let mut consumer = Self {
            service: JsonService::kinesis(endpoint),
            stream: stream.to_owned(),
            shards: BTreeMap::new(),
            records: Vec::new(),
        };
        consumer.find_shards().await?;
        Ok(consumer)
    }

    /// Everything read so far, in order per shard.
    pub fn records(&self) -> &[Record] {
        &self.records
    }

    /// Everything read so far, taken out: the next predicate sees only what comes after.
    pub fn take(&mut self) -> Vec<Record> {
        std::mem::take(&mut self.records)
    }

    /// One round over the shards that may be read; answers how many records came.
    ///
    /// # Errors
    /// When a call fails; what had come stays, and the next poll goes on behind it.
    pub async fn poll(&mut self) -> anyhow::Result<usize> {
        let before = self.records.len();
        let ended: BTreeSet<String> = self
            .shards
            .iter()
            .filter(|(_, shard)| shard.ended)
            .map(|(id, _)| id.clone())
            .collect();
        let mut one_ended = false;
        for (id, shard) in &mut self.shards {
            if shard.ended || !shard.parents.iter().all(|parent| ended.contains(parent)) {
                continue;
            }
            let iterator = match shard.iterator.take() {
                Some(iterator) => iterator,
                None => open_shard(&self.service, &self.stream, id, shard).await?,
            };
            let input = json!({"ShardIterator": iterator, "Limit": 10_000});
            let output = match self.service.call("GetRecords", &input).await {
                Ok(output) => output,
                Err(error) if is_code(&error, "ExpiredIteratorException") => continue,
                Err(error) => return Err(error),
            };
            let seen = SystemTime::now();
            for record in output
                .get("Records")
                .and_then(Value::as_array)
                .into_iter()
                .flatten()
            {
                let record = read_record(id, record, seen)?;
                shard.last = Some(record.sequence_number.clone());
                self.records.push(record);
            }
            shard.iterator = output
                .get("NextShardIterator")
                .and_then(Value::as_str)
                .map(str::to_owned);
            shard.ended = shard.iterator.is_none();
            one_ended |= shard.ended;
        }
        if one_ended {
            self.find_shards().await?;
        }
        Ok(self.records.len() - before)
    }

    /// Polls until `enough` is true of all records read so far.
    ///
    /// # Errors
    /// When a call fails, or at the deadline; the records stay.
    pub async fn read_until(
        &mut self,
        mut enough: impl FnMut(&[Record]) -> bool,
        within: Duration,
    ) -> anyhow::Result<&[Record]> {
        let deadline = Deadline::after(within, format!("the records of stream `{}`", self.stream));
        loop {
            let came = self.poll().await?;
            if enough(&self.records) {
                return Ok(&self.records);
            }
            if came == 0 || deadline.is_over() {
                let count = self.records.len();
                deadline
                    .pause()
                    .await
                    .with_context(|| format!("{count} records had come"))?;
            }
        }
    }

    /// Polls until `count` lines have come, and answers them with their shard and partition key.
    ///
    /// # Errors
    /// As [`Consumer::read_until`].
    pub async fn read_lines(
        &mut self,
        count: usize,
        within: Duration,
    ) -> anyhow::Result<Vec<Vec<u8>>> {
        let lines = |records: &[Record]| {
            records
                .iter()
                .map(|record| record.lines().count())
                .sum::<usize>()
        };
        let records = self
            .read_until(|records| lines(records) >= count, within)
            .await?;
        Ok(records
            .iter()
            .flat_map(Record::lines)
            .map(<[u8]>::to_vec)
            .collect())
    }

    async fn find_shards(&mut self) -> anyhow::Result<()> {
        let mut input = json!({"StreamName": self.stream});
        loop {
            let output = self.service.call("ListShards", &input).await?;
            for shard in output
                .get("Shards")
                .and_then(Value::as_array)
                .context("ListShards gave no shards")?
            {
                let parents = ["ParentShardId", "AdjacentParentShardId"];
                let parents = parents
                    .iter()
                    .filter_map(|name| shard.get(name)?.as_str().map(str::to_owned));
                let found = Shard {
                    parents: parents.collect(),
                    ..Shard::default()
                };
                self.shards.entry(text(shard, "ShardId")?).or_insert(found);
            }
            match output.get("NextToken").and_then(Value::as_str) {
                Some(token) => input = json!({"NextToken": token}),
                None => break,
            }
        }
        let known: BTreeSet<String> = self.shards.keys().cloned().collect();
        for shard in self.shards.values_mut() {
            shard.parents.retain(|parent| known.contains(parent));
        }
        Ok(())
    }
}

async fn open_shard(
    service: &JsonService,
    stream: &str,
    id: &str,
    shard: &Shard,
) -> anyhow::Result<String> {
    let input = match &shard.last {
        None => json!({"StreamName": stream, "ShardId": id, "ShardIteratorType": "TRIM_HORIZON"}),
        Some(last) => json!({
            "StreamName": stream, "ShardId": id,
            "ShardIteratorType": "AFTER_SEQUENCE_NUMBER", "StartingSequenceNumber": last,
        }),
    };
    text(
        &service.call("GetShardIterator", &input).await?,
        "ShardIterator",
    )
}

fn read_record(shard: &str, record: &Value, seen: SystemTime) -> anyhow::Result<Record> {
    let data = base64_simd::STANDARD
        .decode_to_vec(text(record, "Data")?)
        .context("decode a record's data")?;
    let arrival = record
        .get("ApproximateArrivalTimestamp")
        .and_then(Value::as_f64)
        .unwrap_or_default();
    Ok(Record {
        shard: shard.to_owned(),
        sequence_number: text(record, "SequenceNumber")?,
        partition_key: text(record, "PartitionKey")?,
        data: data.into(),
        arrival: UNIX_EPOCH + Duration::from_secs_f64(arrival.max(0.0)),
        seen,
    })
}

fn is_code(error: &anyhow::Error, code: &str) -> bool {
    error
        .downcast_ref::<ServiceError>()
        .is_some_and(|error| error.code == code)
}

fn text(value: &Value, name: &str) -> anyhow::Result<String> {
    let found = value.get(name).and_then(Value::as_str);
    Ok(found
        .with_context(|| format!("the answer has no text `{name}`"))?
        .to_owned())
}
