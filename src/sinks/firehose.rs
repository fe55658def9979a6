//! Amazon Data Firehose: records go by PutRecordBatch, in order per lane as far as Firehose keeps it.
//!
//! The same core as Kinesis, with tighter limits. Firehose tells no shard, so the stream paces as one, and
//! promises no order itself: `seq` in each event is what a consumer sorts by. It joins records without a
//! delimiter, so a record that does not end its line gets a line end here.

use std::{sync::Arc, time::Duration};

use aws_config::SdkConfig;
use aws_sdk_firehose::{
    Client,
    primitives::Blob,
    types::{DeliveryStreamStatus, PutRecordBatchResponseEntry, Record as Entry},
};
use headwater_actors::{
    failure::Failure,
    ports::{
        BoxFuture,
        sink::{Delivered, Record, Rejected, Sink},
    },
};
use tokio::runtime::Handle;

use super::{
    StreamDescription,
    batch::{Limits, PutBatch, Reply, driver::BatchSink},
};
use crate::{
    aws::{self, Action, Blame, CallFailure},
    plan::FirehosePlan,
};

/// PutRecordBatch takes 500 records and 4 MiB, a record 1,000 KiB (AWS API reference, PutRecordBatch).
const ENTRIES_MAX: usize = 500;
const CALL_BYTES_MAX: usize = 4 << 20;
const RECORD_BYTES_MAX: usize = 1_024_000;
const CALLS_MIN: usize = 4;
/// The one thing that is paced.
const WHOLE_STREAM: &str = "delivery stream";

pub struct FirehoseSink {
    batch: BatchSink,
}

impl FirehoseSink {
    /// Asks for the delivery stream and starts the sink on `runtime`. A missing one is definite; one that is
    /// being created or deleted is transient.
    pub async fn connect(
        plan: &FirehosePlan,
        runtime: &Handle,
    ) -> Result<(Self, StreamDescription), Failure> {
        let config = aws::configure(&plan.aws).await?;
        Self::connect_with(config, plan, runtime).await
    }

    /// The same with a configuration of the SDK that is there already; the plan's `aws` is not read.
    pub async fn connect_with(
        config: SdkConfig,
        plan: &FirehosePlan,
        runtime: &Handle,
    ) -> Result<(Self, StreamDescription), Failure> {
        let (putter, description) = open(config, plan, runtime).await?;
        let call_bytes = plan.call_bytes.clamp(1, CALL_BYTES_MAX);
        let limits = Limits {
            entries_max: ENTRIES_MAX,
            call_bytes,
            in_flight_bytes_max: plan.in_flight_bytes_max,
            calls_max: (plan.in_flight_bytes_max / call_bytes).max(CALLS_MIN),
            shard: Some(WHOLE_STREAM.into()),
        };
        let batch = BatchSink::start(
            runtime,
            putter,
            limits,
            plan.call_timeout,
            description.record_bytes_max,
        );
        Ok((Self { batch }, description))
    }

    /// Asks for the delivery stream only: for `check`.
    pub async fn describe(
        plan: &FirehosePlan,
        runtime: &Handle,
    ) -> Result<StreamDescription, Failure> {
        let config = aws::configure(&plan.aws).await?;
        let (_, description) = open(config, plan, runtime).await?;
        Ok(description)
    }
}

impl Sink for FirehoseSink {
    fn deliver(&self, record: Record) -> BoxFuture<'static, Result<Delivered, Rejected>> {
        self.batch.deliver(record)
    }

    fn record_bytes_max(&self) -> usize {
        self.batch.record_bytes_max()
    }
}

struct Putter {
    client: Client,
    stream: Arc<str>,
}

/// On `runtime`, because connections live where they were opened.
async fn open(
    config: SdkConfig,
    plan: &FirehosePlan,
    runtime: &Handle,
) -> Result<(Putter, StreamDescription), Failure> {
    let plan = plan.clone();
    let opening = runtime.spawn(async move {
        let putter = Putter {
            client: Client::new(&config),
            stream: plan.delivery_stream.as_str().into(),
        };
        let description = putter.describe(plan.call_timeout).await?;
        Ok((putter, description))
    });
    opening
        .await
        .unwrap_or_else(|error| Err(Failure::transient(format!("connect to Firehose: {error}"))))
}

impl Putter {
    async fn describe(&self, timeout: Duration) -> Result<StreamDescription, Failure> {
        let action = Action {
            iam: "firehose:DescribeDeliveryStream",
            kind: "delivery stream",
            name: &self.stream,
        };
        let request = self
            .client
            .describe_delivery_stream()
            .delivery_stream_name(&*self.stream);
        let answer = tokio::time::timeout(timeout, request.send())
            .await
            .map_err(|_| {
                Failure::transient(format!(
                    "{} on delivery stream \"{}\" was not answered within {timeout:?}",
                    action.iam, self.stream
                ))
            })?
            .map_err(|error| aws::judge_at_start(&error, action))?;
        let status = answer
            .delivery_stream_description()
            .map(|description| description.delivery_stream_status().clone());
        match status {
            Some(status @ DeliveryStreamStatus::Active) => Ok(StreamDescription {
                name: self.stream.to_string(),
                status: status.as_str().to_owned(),
                open_shards: None,
                record_bytes_max: RECORD_BYTES_MAX,
            }),
            status => {
                let status = status
                    .as_ref()
                    .map_or("unknown", DeliveryStreamStatus::as_str);
                let text = format!(
                    "delivery stream \"{}\" is {status}, not ACTIVE",
                    self.stream
                );
                Err(Failure::transient(text)
                    .with_hint("wait until the delivery stream is ACTIVE, or see why it failed"))
            }
        }
    }
}

impl PutBatch for Putter {
    async fn put(&self, records: Vec<Record>) -> Result<Vec<Reply>, CallFailure> {
        let mut entries = Vec::with_capacity(records.len());
        for record in records {
            let mut line = Vec::with_capacity(record.bytes.len() + 1);
            line.extend_from_slice(&record.bytes);
            if !line.ends_with(b"\n") {
                line.push(b'\n');
            }
            let entry = Entry::builder()
                .data(Blob::new(line))
                .build()
                .map_err(|error| CallFailure {
                    failure: Failure::definite(format!("build a PutRecordBatch entry: {error}")),
                    throttled: false,
                    blame: Blame::Entry,
                })?;
            entries.push(entry);
        }
        let request = self
            .client
            .put_record_batch()
            .delivery_stream_name(&*self.stream)
            .set_records(Some(entries));
        let action = Action {
            iam: "firehose:PutRecordBatch",
            kind: "delivery stream",
            name: &self.stream,
        };
        // Boxed: the SDK's future is large.
        let output = Box::pin(request.send())
            .await
            .map_err(|error| aws::judge(&error, action))?;
        Ok(output.request_responses.into_iter().map(reply).collect())
    }
}

/// Entries fail with ServiceUnavailableException (Firehose's throttling) or InternalFailure; a code that is
/// new counts like the latter.
fn reply(entry: PutRecordBatchResponseEntry) -> Reply {
    let Some(code) = entry.error_code else {
        return Reply::Accepted {
            shard: None,
            sequence: None,
        };
    };
    let text = entry.error_message.unwrap_or_default();
    let throttled = code == "ServiceUnavailableException";
    let failure = Failure::transient(format!("firehose refused a record: {code}: {text}"));
    Reply::Refused {
        failure: if throttled {
            failure.with_hint("the delivery stream is at its limit: ask AWS for a higher quota; delivery goes on by itself")
        } else {
            failure
        },
        throttled,
        shard: None,
    }
}
