//! A stream from its oldest record on: every shard, a child only when its parents have been read.
//!
//! So the records of a partition key come in the order in which the stream took them, also over a split. A call
//! that fails is made again from behind the last record that came. Each shard is read at most so often a second:
//! its five reads are shared with the consumers that it is there for.

use std::{
    collections::BTreeMap,
    time::{Duration, SystemTime},
};

use aws_sdk_kinesis::{
    Client,
    operation::get_records::GetRecordsOutput,
    types::{Shard as ShardDescription, ShardIteratorType},
};
use headwater_actors::{backoff::Backoff, failure::Failure};
use tokio::time::{Instant, sleep, sleep_until};

use crate::{
    aws::{self, Action},
    sinks::stream::StreamPlan,
};

/// A shard takes no more in a second. Kinesis ends a page at 10 MiB by itself; a local one may not, and fail of
/// its size: after a failure fewer are asked for.
const PAGE_RECORDS: i32 = 1_000;
const FEWER: i32 = 4;
/// A shard that is always written to is read up to what came so long after the start, clocks apart.
const TAIL: Duration = Duration::from_secs(30);
/// Pause when no shard had anything.
const IDLE_PAUSE: Duration = Duration::from_millis(100);
const FAILURES_MAX: u32 = 20;

#[derive(Debug, Clone, Copy)]
pub struct Reading {
    /// Of each shard.
    pub reads_per_sec: u32,
    /// Until nothing came for so long; without it up to the end that each shard has at the start.
    pub until_idle: Option<Duration>,
}

#[derive(Debug)]
pub struct Record<'a> {
    pub shard: &'a str,
    pub partition_key: &'a str,
    pub sequence_number: &'a str,
    pub data: &'a [u8],
}

pub type Take<'a> = &'a mut dyn FnMut(Record<'_>) -> Result<(), Failure>;

struct Stream<'a> {
    client: Client,
    plan: &'a StreamPlan,
    shards: BTreeMap<String, Shard>,
}

struct Shard {
    parents: Vec<String>,
    iterator: Option<String>,
    last: Option<String>,
    /// Closed, and read to its end.
    has_ended: bool,
    /// As far as it was wanted.
    is_done: bool,
    /// To ask for.
    page_records: i32,
    next_read: Instant,
    backoff: Backoff,
}

/// Reads the stream; `take` gets every record.
///
/// # Errors
/// When the stream is missing, or cannot be read for minutes, or `take` fails.
pub async fn read(plan: &StreamPlan, reading: Reading, take: Take<'_>) -> Result<(), Failure> {
    let config = aws::configure(&plan.aws).await?;
    let mut stream = Stream {
        client: Client::new(&aws::bounded(&config, aws::RECORDS_BYTES_MAX)),
        plan,
        shards: BTreeMap::new(),
    };
    stream.find_shards().await?;
    let until = SystemTime::now() + TAIL;
    let mut last_came = Instant::now();
    loop {
        let wanted = stream.wanted();
        if wanted.is_empty() {
            return Ok(());
        }
        let mut came = false;
        for id in wanted {
            came |= stream.read_shard(&id, reading, until, take).await?;
        }
        if came {
            last_came = Instant::now();
        } else if reading
            .until_idle
            .is_some_and(|idle| last_came.elapsed() >= idle)
        {
            return Ok(());
        } else {
            sleep(IDLE_PAUSE).await;
        }
    }
}

impl Stream<'_> {
    fn action(&self, iam: &'static str) -> Action<'_> {
        Action {
            iam,
            kind: "stream",
            name: &self.plan.stream,
        }
    }

    /// Shards that may be read: not done, their parents read to the end.
    fn wanted(&self) -> Vec<String> {
        let is_read = |parent: &String| self.shards.get(parent).is_none_or(|shard| shard.has_ended);
        let wanted = self.shards.iter().filter(|(_, shard)| {
            !shard.has_ended && !shard.is_done && shard.parents.iter().all(is_read)
        });
        wanted.map(|(id, _)| id.clone()).collect()
    }

    async fn find_shards(&mut self) -> Result<(), Failure> {
        let mut token: Option<String> = None;
        loop {
            let request = self.client.list_shards();
            let request = match &token {
                Some(token) => request.next_token(token),
                None => request.stream_name(&self.plan.stream),
            };
            let action = self.action("kinesis:ListShards");
            let answer = tokio::time::timeout(self.plan.call_timeout, Box::pin(request.send()))
                .await
                .map_err(|_| action.late(self.plan.call_timeout))?
                .map_err(|error| aws::judge_at_start(&error, action))?;
            for shard in answer.shards() {
                self.shards
                    .entry(shard.shard_id().to_owned())
                    .or_insert_with(|| Shard::new(shard));
            }
            token = answer.next_token().map(str::to_owned);
            if token.is_none() {
                return Ok(());
            }
        }
    }

    /// One page of a shard. Whether anything came.
    async fn read_shard(
        &mut self,
        id: &str,
        reading: Reading,
        until: SystemTime,
        take: Take<'_>,
    ) -> Result<bool, Failure> {
        let Some(mut shard) = self.shards.remove(id) else {
            return Ok(false);
        };
        sleep_until(shard.next_read).await;
        let pause = Duration::from_secs(1) / reading.reads_per_sec.max(1);
        shard.next_read = Instant::now() + pause;
        let page = self.page(id, &mut shard).await;
        let outcome = match page {
            Ok(page) => {
                shard.backoff.reset();
                shard.page_records = PAGE_RECORDS.min(shard.page_records.saturating_mul(2));
                shard.take(
                    id,
                    &page,
                    reading.until_idle.is_none().then_some(until),
                    take,
                )
            }
            Err(failure) if failure.is_definite() || shard.backoff.attempts() >= FAILURES_MAX => {
                Err(failure)
            }
            Err(_) => {
                shard.page_records = 1.max(shard.page_records / FEWER);
                shard.next_read = Instant::now() + shard.backoff.next_wait(fastrand::f64());
                Ok(true)
            }
        };
        let has_ended = shard.has_ended;
        self.shards.insert(id.to_owned(), shard);
        if has_ended {
            self.find_shards().await?;
        }
        outcome
    }

    /// The next page; a failure costs the iterator.
    async fn page(&self, id: &str, shard: &mut Shard) -> Result<GetRecordsOutput, Failure> {
        let iterator = match shard.iterator.take() {
            Some(iterator) => iterator,
            None => self.iterator(id, shard.last.as_deref()).await?,
        };
        let request = self
            .client
            .get_records()
            .shard_iterator(iterator)
            .limit(shard.page_records);
        let action = self.action("kinesis:GetRecords");
        tokio::time::timeout(self.plan.call_timeout, Box::pin(request.send()))
            .await
            .map_err(|_| action.late(self.plan.call_timeout))?
            .map_err(|error| aws::judge(&error, action).failure)
    }

    async fn iterator(&self, id: &str, last: Option<&str>) -> Result<String, Failure> {
        let request = self
            .client
            .get_shard_iterator()
            .stream_name(&self.plan.stream)
            .shard_id(id);
        let request = match last {
            None => request.shard_iterator_type(ShardIteratorType::TrimHorizon),
            Some(last) => request
                .shard_iterator_type(ShardIteratorType::AfterSequenceNumber)
                .starting_sequence_number(last),
        };
        let action = self.action("kinesis:GetShardIterator");
        let answer = tokio::time::timeout(self.plan.call_timeout, Box::pin(request.send()))
            .await
            .map_err(|_| action.late(self.plan.call_timeout))?
            .map_err(|error| aws::judge(&error, action).failure)?;
        let iterator = answer.shard_iterator().map(str::to_owned);
        iterator.ok_or_else(|| {
            Failure::transient(format!("{} was answered without an iterator", action.iam))
        })
    }
}

impl Shard {
    fn new(description: &ShardDescription) -> Self {
        let parents = [
            description.parent_shard_id(),
            description.adjacent_parent_shard_id(),
        ];
        Self {
            parents: parents.into_iter().flatten().map(str::to_owned).collect(),
            iterator: None,
            last: None,
            has_ended: false,
            is_done: false,
            page_records: PAGE_RECORDS,
            next_read: Instant::now(),
            backoff: Backoff::new(Duration::from_millis(200), Duration::from_secs(5)),
        }
    }

    fn take(
        &mut self,
        id: &str,
        page: &GetRecordsOutput,
        until: Option<SystemTime>,
        take: Take<'_>,
    ) -> Result<bool, Failure> {
        for record in page.records() {
            let arrival = record.approximate_arrival_timestamp();
            let arrival = arrival.and_then(|at| SystemTime::try_from(*at).ok());
            if until
                .zip(arrival)
                .is_some_and(|(until, arrival)| arrival > until)
            {
                self.is_done = true;
                return Ok(true);
            }
            take(Record {
                shard: id,
                partition_key: record.partition_key().unwrap_or_default(),
                sequence_number: record.sequence_number(),
                data: record.data().as_ref(),
            })?;
            self.last = Some(record.sequence_number().to_owned());
        }
        self.iterator = page.next_shard_iterator().map(str::to_owned);
        self.has_ended = self.iterator.is_none();
        let is_behind = page.millis_behind_latest().is_some_and(|millis| millis > 0);
        let is_empty = page.records().is_empty();
        self.is_done = until.is_some() && is_empty && !is_behind;
        Ok(!is_empty || is_behind)
    }
}
