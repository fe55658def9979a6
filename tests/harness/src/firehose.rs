//! Firehose between a Kinesis stream and S3, with its documented manners, for no local server has this leg.
//!
//! It promises what Firehose does: every record is in some object at least once, in no order. Records are joined as
//! they are; an object is closed by its size or its age. Which object comes twice, late or mixed up is drawn from a
//! seed. Time passes only when it is told to, so no test waits for a buffer: [`Firehose::flush`] closes all at once.
//!
//! Positions in the shards move only over records whose objects all lie in S3, so one that was stopped goes on with
//! what it held. Not here: what opens KPL aggregates and calls a Lambda; retries of S3 are the caller's next call.
//!
//! The pages: docs.aws.amazon.com/firehose/latest/dev/ `basic-deliver`, `s3-object-name`, `buffering-hints`.

mod buffers;
mod names;
mod partitions;
mod progress;

use std::{
    collections::VecDeque,
    io::Write,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use anyhow::Context;
use bytes::Bytes;
use fastrand::Rng;
use flate2::{Compression, write::GzEncoder};

use self::{
    buffers::{Batch, Buffers, Target},
    progress::Progress,
};
use crate::{
    consumer::{Consumer, Record},
    objects::Objects,
};

/// `SizeInMBs` is 1 to 128, 5 unless said (API reference, BufferingHints).
pub const BUFFER_BYTES: usize = 5 << 20;
/// `IntervalInSeconds` is 0 to 900, 300 unless said (the same).
pub const BUFFER_SECS: u64 = 300;
/// A half-minute before an hour ends, so that the folders of two hours are seen.
const BEGINS_AT: Duration = Duration::from_secs(1_772_373_570);

/// How the delivery stream is made.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Of the delivery stream, which names its objects.
    pub name: String,
    /// In front of `YYYY/MM/DD/HH/`.
    pub prefix: String,
    /// The same for records that cannot be processed.
    pub error_prefix: String,
    pub buffer_bytes: usize,
    pub buffer_secs: u64,
    pub is_gzip: bool,
    /// `AppendDelimiterToRecord`.
    pub appends_newline: bool,
    /// Dynamic partitioning: each line goes to the objects of the value that it has under this key, in a folder
    /// `key=value`; a record with a line that has none goes to the error prefix.
    pub partition_key: Option<String>,
    pub manners: Manners,
    pub seed: u64,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            name: "changes".into(),
            prefix: "changes/".into(),
            error_prefix: "failed/".into(),
            buffer_bytes: BUFFER_BYTES,
            buffer_secs: BUFFER_SECS,
            is_gzip: true,
            appends_newline: false,
            partition_key: None,
            manners: Manners::CALM,
            seed: 1,
        }
    }
}

/// What it may do and mostly does not. Probabilities are of one object.
#[derive(Debug, Clone, Copy)]
pub struct Manners {
    /// It comes again under another name.
    pub twice: f64,
    /// Its records are mixed up.
    pub mixed: f64,
    /// It comes `late_secs` after it was due, behind others.
    pub late: f64,
    pub late_secs: u64,
}

impl Manners {
    pub const CALM: Self = Self {
        twice: 0.0,
        mixed: 0.0,
        late: 0.0,
        late_secs: 0,
    };
    pub const ROUGH: Self = Self {
        twice: 0.3,
        mixed: 0.5,
        late: 0.4,
        late_secs: 600,
    };
}

/// The keys of objects that now lie in S3, in the order in which they came there.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Delivered {
    pub data: Vec<String>,
    /// Under the error prefix: not handed on to Redshift.
    pub failed: Vec<String>,
}

/// An object that is closed and not in S3.
#[derive(Debug)]
struct Pending {
    target: Target,
    body: Bytes,
    records: Vec<u64>,
    due: SystemTime,
    comes_twice: bool,
}

#[derive(Debug)]
pub struct Firehose {
    settings: Settings,
    endpoint: String,
    stream: String,
    objects: Objects,
    /// `None` while it is stopped.
    consumer: Option<Consumer>,
    buffers: Buffers,
    pending: VecDeque<Pending>,
    progress: Progress,
    random: Rng,
    now: SystemTime,
}

impl Firehose {
    /// From the beginning of a stream, at any endpoint that speaks the Kinesis API.
    ///
    /// # Errors
    /// When the stream does not exist or the endpoint does not answer.
    pub async fn start(
        endpoint: &str,
        stream: &str,
        objects: Objects,
        settings: Settings,
    ) -> anyhow::Result<Self> {
        let mut firehose = Self {
            endpoint: endpoint.to_owned(),
            stream: stream.to_owned(),
            objects,
            consumer: None,
            buffers: Buffers::new(settings.buffer_bytes, settings.buffer_secs),
            pending: VecDeque::new(),
            progress: Progress::default(),
            random: Rng::with_seed(settings.seed),
            now: UNIX_EPOCH + BEGINS_AT,
            settings,
        };
        firehose.start_again().await?;
        Ok(firehose)
    }

    /// Ends it as a crash does: what it held and had not delivered is forgotten.
    pub fn stop(&mut self) {
        self.consumer = None;
        self.pending.clear();
        self.buffers = Buffers::new(self.settings.buffer_bytes, self.settings.buffer_secs);
    }

    /// Goes on behind what has been delivered.
    ///
    /// # Errors
    /// As [`Firehose::start`].
    pub async fn start_again(&mut self) -> anyhow::Result<()> {
        self.progress.restart();
        let positions = self.progress.positions();
        let opened = Consumer::open_behind(&self.endpoint, &self.stream, positions).await;
        self.consumer = Some(opened.context("open the stream for Firehose")?);
        Ok(())
    }

    /// Its clock, which nothing else moves.
    pub fn now(&self) -> SystemTime {
        self.now
    }

    /// # Panics
    /// When the clock leaves what the system can tell.
    pub fn pass(&mut self, time: Duration) {
        self.now += time;
    }

    /// Sets its clock, e.g. to the real one; never back.
    pub fn set_clock(&mut self, now: SystemTime) {
        self.now = self.now.max(now);
    }

    /// One round: takes what the stream has now, and delivers what is due by size or time.
    ///
    /// # Errors
    /// When the stream or S3 fails; nothing is lost, and the next call goes on. Also while it is stopped.
    pub async fn work(&mut self) -> anyhow::Result<Delivered> {
        let consumer = self.consumer.as_mut().context("Firehose is stopped")?;
        let polled = consumer.poll().await;
        let records = consumer.take();
        self.take(records)?;
        polled?;
        let due = self.buffers.due(self.now);
        self.close(due)?;
        self.deliver().await
    }

    /// Takes all that the stream holds, closes every buffer as if its time were over, and delivers; what is late
    /// stays behind.
    ///
    /// # Errors
    /// As [`Firehose::work`].
    pub async fn flush(&mut self) -> anyhow::Result<Delivered> {
        let consumer = self.consumer.as_mut().context("Firehose is stopped")?;
        let mut records = Vec::new();
        let read = consumer
            .read_to_end(|record| {
                records.push(record);
                Ok(())
            })
            .await;
        self.take(records)?;
        read?;
        let all = self.buffers.all();
        self.close(all)?;
        self.deliver().await
    }

    /// The same, and lets time pass until nothing is late any more.
    ///
    /// # Errors
    /// As [`Firehose::work`].
    pub async fn settle(&mut self) -> anyhow::Result<Delivered> {
        let mut delivered = self.flush().await?;
        self.pass(Duration::from_secs(self.settings.manners.late_secs));
        let late = self.deliver().await?;
        delivered.data.extend(late.data);
        delivered.failed.extend(late.failed);
        Ok(delivered)
    }

    fn take(&mut self, records: Vec<Record>) -> anyhow::Result<()> {
        for record in records {
            let mut data = record.data.to_vec();
            if self.settings.appends_newline {
                data.push(b'\n');
            }
            let parts = match &self.settings.partition_key {
                Some(key) => partitions::split(&data, key, self.now),
                None if data.is_empty() => Vec::new(),
                None => vec![(Target::Data(String::new()), data.into())],
            };
            let number = self
                .progress
                .took(&record.shard, &record.sequence_number, parts.len());
            for (target, data) in parts {
                if let Some(full) = self.buffers.add(target, number, data, self.now) {
                    self.close(vec![full])?;
                }
            }
        }
        Ok(())
    }

    fn close(&mut self, batches: Vec<Batch>) -> anyhow::Result<()> {
        let manners = self.settings.manners;
        for batch in batches {
            let (target, mut parts) = (batch.target, batch.parts);
            let mut happens = |probability: f64| self.random.f64() < probability;
            let (is_mixed, is_late, comes_twice) = (
                happens(manners.mixed),
                happens(manners.late),
                happens(manners.twice),
            );
            if is_mixed {
                self.random.shuffle(&mut parts);
            }
            let late = if is_late { manners.late_secs } else { 0 };
            let bodies: Vec<&[u8]> = parts.iter().map(|(_, data)| &data[..]).collect();
            self.pending.push_back(Pending {
                target,
                body: self.pack(&bodies.concat())?,
                records: parts.iter().map(|(number, _)| *number).collect(),
                due: self.now + Duration::from_secs(late),
                comes_twice,
            });
        }
        Ok(())
    }

    fn pack(&self, body: &[u8]) -> anyhow::Result<Bytes> {
        if !self.settings.is_gzip {
            return Ok(Bytes::copy_from_slice(body));
        }
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(body).context("compress an object")?;
        Ok(encoder.finish().context("compress an object")?.into())
    }

    async fn deliver(&mut self) -> anyhow::Result<Delivered> {
        let mut delivered = Delivered::default();
        while let Some(at) = self.pending.iter().position(|one| one.due <= self.now) {
            let Some(pending) = self.pending.get(at) else {
                break;
            };
            let keys = match pending.target {
                Target::Data(_) => &mut delivered.data,
                Target::Failed(_) => &mut delivered.failed,
            };
            for _ in 0..=usize::from(pending.comes_twice) {
                let key = names::key(&self.settings, &pending.target, self.now, &mut self.random);
                self.objects.put(&key, pending.body.clone()).await?;
                keys.push(key);
            }
            if let Some(done) = self.pending.remove(at) {
                self.progress.delivered(&done.records);
            }
        }
        Ok(delivered)
    }
}
