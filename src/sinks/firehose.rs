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
use headwater_actors::{failure::Failure, ports::sink::Record};

use super::{
    StreamDescription,
    batch::{PutBatch, Reply},
    stream::{self, StreamApi, StreamSink, Terms},
};
use crate::{
    aws::{self, Action, Blame, CallFailure},
    plan::FirehosePlan,
};

/// 1,000 KiB (AWS API reference, PutRecordBatch).
const RECORD_BYTES_MAX: usize = 1_024_000;

pub type FirehoseSink = StreamSink<Firehose>;

/// One delivery stream.
pub struct Firehose {
    client: Client,
    stream: Arc<str>,
}

impl Firehose {
    fn action(&self, iam: &'static str) -> Action<'_> {
        Action {
            iam,
            kind: "delivery stream",
            name: &self.stream,
        }
    }
}

impl StreamApi for Firehose {
    type Plan = FirehosePlan;
    const SERVICE: &'static str = "Firehose";
    /// PutRecordBatch takes 500 records and 4 MiB (AWS API reference, PutRecordBatch).
    const ENTRIES_MAX: usize = 500;
    const CALL_BYTES_MAX: usize = 4 << 20;
    const WHOLE_STREAM: Option<&'static str> = Some("delivery stream");

    fn terms(plan: &FirehosePlan) -> Terms<'_> {
        Terms {
            aws: &plan.aws,
            stream: &plan.delivery_stream,
            call_bytes: plan.call_bytes,
            in_flight_bytes_max: plan.in_flight_bytes_max,
            call_timeout: plan.call_timeout,
        }
    }

    fn new(config: &SdkConfig, stream: Arc<str>) -> Self {
        Self {
            client: Client::new(config),
            stream,
        }
    }

    async fn describe(&self, timeout: Duration) -> Result<StreamDescription, Failure> {
        let action = self.action("firehose:DescribeDeliveryStream");
        let request = self
            .client
            .describe_delivery_stream()
            .delivery_stream_name(&*self.stream);
        let answer = stream::answer(request.send(), action, timeout).await?;
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

impl PutBatch for Firehose {
    async fn put(&self, records: Vec<Record>) -> Result<Vec<Reply>, CallFailure> {
        let mut entries = Vec::with_capacity(records.len());
        for record in records {
            let mut line = Vec::with_capacity(record.bytes.len() + 1);
            line.extend_from_slice(&record.bytes);
            if record.lacks_line_end() {
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
        let action = self.action("firehose:PutRecordBatch");
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
