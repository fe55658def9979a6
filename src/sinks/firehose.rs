//! Amazon Data Firehose: records go by PutRecordBatch, in order per lane as far as Firehose keeps it.
//!
//! The same core as Kinesis, with tighter limits. Firehose tells no shard, so the stream paces as one, and
//! promises no order itself: `seq` in each event is what a consumer sorts by. It joins records without a
//! delimiter, so a record that does not end its line gets a line end here.

use std::{sync::Arc, time::Duration};

use aws_config::SdkConfig;
use aws_sdk_firehose::{
    Client,
    operation::put_record_batch::PutRecordBatchOutput,
    types::{DeliveryStreamStatus, PutRecordBatchResponseEntry},
};
use headwater_actors::{
    failure::{Code, Failure},
    ports::sink::Record,
};

use super::{
    StreamDescription,
    batch::{PutBatch, Reply, agreeing, said, unanswered},
    kinds::Facts,
    stream::{self, Service, StreamApi, StreamSink},
    template::TargetSetting,
};
use crate::aws::{self, Action, Body, BodyWriter, CallFailure};

pub const FACTS: Facts = Facts {
    name: "firehose",
    target: Some(Firehose::SERVICE.target),
    record_bytes_max: Some(RECORD_BYTES_MAX),
    opens_aggregates: false,
    needs_line_ends: false,
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
    /// PutRecordBatch takes 500 records and 4 MiB (AWS API reference, PutRecordBatch).
    const SERVICE: Service = Service {
        name: "Firehose",
        section: "sink.firehose",
        target: TargetSetting {
            key: "sink.firehose.delivery_stream",
            name_length_max: Some(64),
        },
        entries_max: 500,
        call_bytes_max: 4 << 20,
        whole_stream: Some("delivery stream"),
    };

    fn new(config: &SdkConfig, stream: Arc<str>) -> Self {
        Self {
            client: Client::new(&aws::bounded(config, aws::ANSWER_BYTES_MAX)),
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

    /// Firehose has no argument that only it can judge: an empty call shows a refusal, and proves nothing else.
    async fn try_put(&self, timeout: Duration) -> Result<String, Failure> {
        let action = self.action("firehose:PutRecordBatch");
        let request = self.client.put_record_batch();
        let request = request
            .delivery_stream_name(&*self.stream)
            .set_records(Some(Vec::new()));
        let answer = stream::answer(request.send(), action, timeout).await;
        stream::permission(answer.map(drop), action, None)
    }
}

impl PutBatch for Firehose {
    fn stream(&self) -> &str {
        &self.stream
    }

    fn body(&self, records: &[Record]) -> Body {
        let payload = records.iter().map(|record| record.bytes.len() + 1).sum();
        let mut body = BodyWriter::new("DeliveryStreamName", &self.stream, records.len(), payload);
        for record in records {
            if record.lacks_line_end() {
                body.record(&[&record.bytes, b"\n".as_slice()].concat());
            } else {
                body.record(&record.bytes);
            }
        }
        body.finish()
    }

    async fn put(&self, body: Body) -> Result<Vec<Reply>, CallFailure> {
        let request = self.client.put_record_batch().customize().interceptor(body);
        let action = self.action("firehose:PutRecordBatch");
        // Boxed: the SDK's future is large.
        let output = Box::pin(request.send())
            .await
            .map_err(|error| aws::judge(&error, action))?;
        replies(output)
    }
}

fn replies(output: PutRecordBatchOutput) -> Result<Vec<Reply>, CallFailure> {
    let replies = output.request_responses.into_iter().map(reply).collect();
    agreeing("firehose", Some(output.failed_put_count), replies)
}

/// Entries fail with ServiceUnavailableException (Firehose's throttling) or InternalFailure; a code that is
/// new counts like the latter. Only a RecordId says that a record was taken.
fn reply(entry: PutRecordBatchResponseEntry) -> Reply {
    let code = match (said(entry.error_code), said(entry.record_id)) {
        (None, Some(_)) => {
            return Reply::Accepted {
                shard: None,
                sequence: None,
            };
        }
        (None, None) => return unanswered("firehose", "RecordId"),
        (Some(code), _) => code,
    };
    let text = entry.error_message.unwrap_or_default();
    let throttled = code == "ServiceUnavailableException";
    let failure = Failure::transient(format!("firehose refused a record: {code}: {text}"))
        .with_code(Code::Aws(code));
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

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(failed: i32, entries: [PutRecordBatchResponseEntry; 2]) -> PutRecordBatchOutput {
        PutRecordBatchOutput::builder()
            .failed_put_count(failed)
            .set_request_responses(Some(entries.into()))
            .build()
            .expect("all is set")
    }

    fn entry(id: &str) -> PutRecordBatchResponseEntry {
        let entry = PutRecordBatchResponseEntry::builder();
        entry.record_id(id).build()
    }

    #[test]
    fn an_empty_record_id_is_none() {
        let replies = replies(answer(1, [entry("a"), entry("")])).expect("believed");
        assert!(matches!(replies[0], Reply::Accepted { .. }));
        assert!(matches!(replies[1], Reply::Refused { .. }));
    }

    #[test]
    fn nothing_is_durable_by_an_answer_whose_count_contradicts_its_entries() {
        for (failed, ids) in [(1, ["a", "b"]), (0, ["a", ""]), (-1, ["a", "b"])] {
            let failure = replies(answer(failed, ids.map(entry))).expect_err("not believed");
            assert!(!failure.failure.is_definite());
        }
    }
}
