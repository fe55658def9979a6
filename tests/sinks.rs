//! The Kinesis, Firehose and file sinks against an API that throttles, fails, hangs up and loses replies.
//!
//! Callers here do what a writer does: one record of a lane at a time, said again until it is taken. The
//! promise that all of it serves: what the stream holds of a lane is its records in order, where a repetition may
//! follow its first copy. Also what a writer makes of a snapshot's rows before it hands them over.

#[path = "sinks/faults.rs"]
mod faults;
#[path = "sinks/file.rs"]
mod file_sink;
#[path = "sinks/firehose.rs"]
mod firehose_sink;
#[path = "sinks/kinesis.rs"]
mod kinesis_sink;
#[path = "sinks/snapshots.rs"]
mod snapshots;

use std::{sync::Arc, time::Duration};

use aws_config::SdkConfig;
use aws_credential_types::{Credentials, provider::SharedCredentialsProvider};
use bytes::Bytes;
use headwater::{
    aws::AwsPlan,
    sinks::{firehose::FirehoseSink, kinesis::KinesisSink, stream::StreamPlan},
};
use headwater_actors::{
    failure::Failure,
    lane::Lane,
    ports::sink::{Record, Sink},
};
use headwater_binlog::schema::TableName;
use headwater_harness::faults::{FaultProxy, Landed};
use tokio::runtime::Handle;

const STREAM: &str = "changes";

fn aws(proxy: &FaultProxy) -> AwsPlan {
    AwsPlan {
        region: Some("us-east-1".to_owned()),
        endpoint_url: Some(proxy.url()),
        role_arn: None,
    }
}

fn stream_plan(proxy: &FaultProxy) -> StreamPlan {
    StreamPlan {
        stream: STREAM.to_owned(),
        aws: aws(proxy),
        call_bytes: 1 << 20,
        in_flight_bytes_max: 4 << 20,
        call_timeout: Duration::from_secs(30),
    }
}

fn lane(table: &str) -> Arc<Lane> {
    Arc::new(Lane {
        table: TableName {
            database: "shop".to_owned(),
            table: table.to_owned(),
        },
        index: 0,
        count: 1,
        run: None,
    })
}

fn record(lane: &Arc<Lane>, bytes: impl Into<Bytes>) -> Record {
    Record {
        lane: Arc::clone(lane),
        bytes: bytes.into(),
        partition_key: lane.partition_key().into(),
        explicit_hash_key: None,
        rows: 1,
        content: headwater_actors::ports::sink::Content::Text,
    }
}

/// Says a record until it is taken; a definite failure ends it.
async fn deliver_until_taken(sink: &dyn Sink, record: Record) -> Result<(), Failure> {
    loop {
        match sink.deliver(record.clone()).await {
            Ok(_) => return Ok(()),
            Err(rejected) if rejected.failure.is_definite() => return Err(rejected.failure),
            Err(_) => tokio::task::yield_now().await,
        }
    }
}

/// `count` lines of each of `lanes` lanes, all lanes at once; each line is `TABLE NUMBER`.
async fn deliver_lanes(sink: Arc<dyn Sink>, lanes: usize, count: usize) {
    let writers = (0..lanes).map(|number| {
        let sink = Arc::clone(&sink);
        tokio::spawn(async move {
            let table = format!("t{number}");
            let lane = lane(&table);
            for number in 0..count {
                let line = format!("{table} {number}\n");
                deliver_until_taken(&*sink, record(&lane, line))
                    .await
                    .expect("no failure is definite here");
            }
        })
    });
    for writer in writers.collect::<Vec<_>>() {
        writer.await.expect("a writer does not panic");
    }
}

/// Every lane's lines are there, in order; a line may repeat directly after itself.
fn assert_lanes_in_order(records: &[Landed], lanes: usize, count: usize) {
    let text: Vec<&str> = records
        .iter()
        .map(|record| std::str::from_utf8(&record.data).expect("text"))
        .collect();
    for number in 0..lanes {
        let prefix = format!("t{number} ");
        let mut numbers: Vec<usize> = text
            .iter()
            .filter_map(|line| line.trim_end().strip_prefix(&prefix))
            .map(|number| number.parse().expect("a number"))
            .collect();
        numbers.dedup();
        assert_eq!(numbers, (0..count).collect::<Vec<_>>(), "lane t{number}");
    }
}

/// The program's own configuration with credentials that need no environment.
async fn config(proxy: &FaultProxy) -> SdkConfig {
    let credentials = Credentials::new("test", "test", None, None, "test");
    let config = headwater::aws::configure(&aws(proxy))
        .await
        .expect("a region is set");
    config
        .into_builder()
        .credentials_provider(SharedCredentialsProvider::new(credentials))
        .build()
}

async fn kinesis(proxy: &FaultProxy, plan: &StreamPlan) -> Arc<KinesisSink> {
    let (sink, _) = KinesisSink::connect_with(config(proxy).await, plan, &Handle::current())
        .await
        .expect("the stream is there");
    Arc::new(sink)
}

async fn firehose(proxy: &FaultProxy, plan: &StreamPlan) -> Arc<FirehoseSink> {
    let (sink, _) = FirehoseSink::connect_with(config(proxy).await, plan, &Handle::current())
        .await
        .expect("the stream is there");
    Arc::new(sink)
}
