//! Kinesis Data Streams: records go by PutRecords, in order per lane.
//!
//! PutRecords promises no order between entries and takes some while refusing others, so order rests on the
//! shared core: one record of a unit in flight, never two in one call. Each reply's ShardId paces the
//! shard, its SequenceNumber proves the order.

pub mod reading;

use std::{sync::Arc, time::Duration};

use aws_config::SdkConfig;
use aws_sdk_kinesis::{
    Client,
    operation::put_records::PutRecordsOutput,
    primitives::Blob,
    types::{PutRecordsRequestEntry, PutRecordsResultEntry, StreamStatus},
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
    name: "kinesis",
    target: Some(Kinesis::SERVICE.target),
    // A record is at most 10 MiB with its partition key, 256 characters of up to four bytes.
    // https://docs.aws.amazon.com/streams/latest/dev/large-records.html
    record_bytes_max: Some(Kinesis::SERVICE.call_bytes_max - 1024),
    opens_aggregates: true,
    needs_line_ends: false,
};

/// Of a stream that does not say: the limit before UpdateMaxRecordSize existed, still the default.
const RECORD_BYTES_DEFAULT: usize = 1 << 20;

pub type KinesisSink = StreamSink<Kinesis>;

/// One stream of Kinesis Data Streams.
pub struct Kinesis {
    client: Client,
    stream: Arc<str>,
}

impl Kinesis {
    fn action(&self, iam: &'static str) -> Action<'_> {
        Action {
            iam,
            kind: "stream",
            name: &self.stream,
        }
    }
}

impl StreamApi for Kinesis {
    /// PutRecords takes 500 records and 10 MiB, keys included (AWS API reference, PutRecords).
    const SERVICE: Service = Service {
        name: "Kinesis",
        section: "sink.kinesis",
        target: TargetSetting {
            key: "sink.kinesis.stream",
            name_length_max: Some(128),
        },
        entries_max: 500,
        call_bytes_max: 10 << 20,
        whole_stream: None,
    };

    fn new(config: &SdkConfig, stream: Arc<str>) -> Self {
        Self {
            client: Client::new(&aws::bounded(config, aws::ANSWER_BYTES_MAX)),
            stream,
        }
    }

    async fn describe(&self, timeout: Duration) -> Result<StreamDescription, Failure> {
        let action = self.action("kinesis:DescribeStreamSummary");
        let request = self
            .client
            .describe_stream_summary()
            .stream_name(&*self.stream);
        let answer = stream::answer(request.send(), action, timeout).await?;
        let Some(summary) = answer.stream_description_summary() else {
            let text = format!(
                "{} on stream \"{}\" was answered without a description",
                action.iam, self.stream
            );
            return Err(Failure::transient(text));
        };
        let status = summary.stream_status();
        if !matches!(status, StreamStatus::Active | StreamStatus::Updating) {
            let text = format!("stream \"{}\" is {status}, not ACTIVE", self.stream);
            return Err(Failure::transient(text).with_hint("wait until the stream is ACTIVE"));
        }
        let record_kib = summary.max_record_size_in_kib().unwrap_or_default();
        Ok(StreamDescription {
            name: self.stream.to_string(),
            status: status.as_str().to_owned(),
            open_shards: u32::try_from(summary.open_shard_count()).ok(),
            record_bytes_max: match usize::try_from(record_kib) {
                Ok(kib @ 1..) => (kib << 10).min(Self::SERVICE.call_bytes_max),
                _ => RECORD_BYTES_DEFAULT,
            },
        })
    }

    async fn try_put(&self, timeout: Duration) -> Result<String, Failure> {
        let action = self.action("kinesis:PutRecords");
        let entry = PutRecordsRequestEntry::builder()
            .data(Blob::new([]))
            .partition_key("headwater check")
            .explicit_hash_key(NO_HASH_KEY)
            .build()
            .map_err(|error| Failure::definite(action.iam).because(error))?;
        let request = self.client.put_records().stream_name(&*self.stream);
        let answer = stream::answer(request.records(entry).send(), action, timeout).await;
        stream::permission(answer.map(drop), action, Some("InvalidArgumentException"))
    }
}

/// One more than the greatest hash key: PutRecords itself looks at the range, behind stream and permission, and
/// refuses the call as a whole.
const NO_HASH_KEY: &str = "340282366920938463463374607431768211456";

impl PutBatch for Kinesis {
    fn stream(&self) -> &str {
        &self.stream
    }

    fn body(&self, records: &[Record]) -> Body {
        let payload = records.iter().map(|record| record.bytes.len()).sum();
        let mut body = BodyWriter::new("StreamName", &self.stream, records.len(), payload);
        for record in records {
            body.record(&record.bytes);
            body.member("PartitionKey", &record.partition_key);
            if let Some(key) = record.explicit_hash_key {
                body.member("ExplicitHashKey", &key.to_string());
            }
        }
        body.finish()
    }

    async fn put(&self, body: Body) -> Result<Vec<Reply>, CallFailure> {
        let request = self.client.put_records().customize().interceptor(body);
        let action = self.action("kinesis:PutRecords");
        // Boxed: the SDK's future is large.
        let output = Box::pin(request.send())
            .await
            .map_err(|error| aws::judge(&error, action))?;
        replies(output)
    }
}

fn replies(output: PutRecordsOutput) -> Result<Vec<Reply>, CallFailure> {
    let replies = output.records.into_iter().map(reply).collect();
    agreeing("kinesis", output.failed_record_count, replies)
}

/// Entries fail with ProvisionedThroughputExceededException or InternalFailure; a code that is new counts
/// like the latter. Only a SequenceNumber says that a record was taken.
fn reply(entry: PutRecordsResultEntry) -> Reply {
    let code = match (said(entry.error_code), said(entry.sequence_number)) {
        (None, Some(sequence)) => {
            return Reply::Accepted {
                shard: said(entry.shard_id).map(Into::into),
                sequence: Some(sequence.into()),
            };
        }
        (None, None) => return unanswered("kinesis", "SequenceNumber"),
        (Some(code), _) => code,
    };
    let text = entry.error_message.unwrap_or_default();
    let throttled = code == "ProvisionedThroughputExceededException";
    let shard = shard_in(&text).map(Into::into);
    let failure = Failure::transient(format!("kinesis refused a record: {code}: {text}"))
        .with_code(Code::Aws(code));
    Reply::Refused {
        failure: if throttled {
            failure.with_hint("the shard is at its limit: add shards, use on-demand mode, or spread the table by `ordering.key = \"primary_key\"`; delivery goes on by itself")
        } else {
            failure
        },
        throttled,
        shard,
    }
}

/// Which shard to slow down: a refused entry has no other field for it. "Rate exceeded for shard shardId-000000000001 in
/// stream …"; without it the shard that last took a record of the unit counts.
fn shard_in(message: &str) -> Option<&str> {
    message
        .split_whitespace()
        .find(|word| word.starts_with("shardId-"))
        .map(|word| word.trim_end_matches(['.', ',']))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_that_says_nothing_of_a_record_has_not_taken_it() {
        let silent = PutRecordsResultEntry::builder().shard_id("s").build();
        let empty = PutRecordsResultEntry::builder().sequence_number("").build();
        for entry in [silent, empty] {
            let Reply::Refused { failure, .. } = reply(entry) else {
                panic!("nobody said that it was taken");
            };
            assert!(!failure.is_definite());
        }
    }

    #[test]
    fn nothing_is_durable_by_an_answer_whose_count_contradicts_its_entries() {
        let answer = |failed| {
            let taken = PutRecordsResultEntry::builder().sequence_number("49");
            let refused = PutRecordsResultEntry::builder().error_code("InternalFailure");
            replies(
                PutRecordsOutput::builder()
                    .set_failed_record_count(failed)
                    .records(taken.build())
                    .records(refused.build())
                    .build()
                    .expect("records are set"),
            )
        };
        for failed in [None, Some(1)] {
            assert_eq!(answer(failed).expect("believed").len(), 2);
        }
        for failed in [-1, 0, 2] {
            let failure = answer(Some(failed)).expect_err("not believed").failure;
            assert!(!failure.is_definite());
        }
    }

    #[test]
    fn a_refused_entry_tells_its_shard() {
        let entry = PutRecordsResultEntry::builder()
            .error_code("ProvisionedThroughputExceededException")
            .error_message("Rate exceeded for shard shardId-000000000001 in stream orders under account 111122223333.")
            .build();
        let Reply::Refused {
            throttled, shard, ..
        } = reply(entry)
        else {
            panic!("an entry with an error code was accepted");
        };
        assert!(throttled);
        assert_eq!(shard.as_deref(), Some("shardId-000000000001"));
    }
}
