//! A consumer for any endpoint that speaks the Kinesis API.
//!
//! It reads every shard from its beginning, a child shard only after its parents, so that the records of a
//! partition key come in the order in which the stream took them. What it has read stays in it: a predicate
//! sees everything so far, not only what is new.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use anyhow::Context;
use bytes::Bytes;
use serde_json::{Value, json};

use crate::{
    aws::{JsonService, is_code, text},
    wait::Deadline,
};

/// kinesalite ends no page at 10 MiB: of many large records it would make a text too long for itself, and crash.
const PAGE_RECORDS: u32 = 500;

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
        Self::open_behind(endpoint, stream, &BTreeMap::new()).await
    }

    /// The same behind these sequence numbers of its shards; a shard that is not named is read from its beginning.
    ///
    /// # Errors
    /// As [`Consumer::open`].
    pub async fn open_behind(
        endpoint: &str,
        stream: &str,
        positions: &BTreeMap<String, String>,
    ) -> anyhow::Result<Self> {
        let mut consumer = Self {
            service: JsonService::kinesis(endpoint),
            stream: stream.to_owned(),
            shards: BTreeMap::new(),
            records: Vec::new(),
        };
        consumer.find_shards().await?;
        for (id, last) in positions {
            if let Some(shard) = consumer.shards.get_mut(id) {
                shard.last = Some(last.clone());
            }
        }
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
            let input = json!({"ShardIterator": iterator, "Limit": PAGE_RECORDS});
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

    /// Reads on until nothing more comes, and hands over each record; none of them stays.
    ///
    /// # Errors
    /// When a call or `take` fails.
    pub async fn read_to_end(
        &mut self,
        mut take: impl FnMut(Record) -> anyhow::Result<()>,
    ) -> anyhow::Result<()> {
        // A round in which a split shard ends, and one in which its children are found, bring nothing.
        let mut empty_rounds = 0;
        while empty_rounds < 3 {
            empty_rounds = match self.poll().await? {
                0 => empty_rounds + 1,
                _ => 0,
            };
            self.take().into_iter().try_for_each(&mut take)?;
        }
        Ok(())
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

    /// Polls until `count` lines have come, and answers them all, in order per shard.
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
