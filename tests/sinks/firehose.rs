//! Firehose: the same core, its own limits and messages.

use super::*;

async fn proxy() -> FaultProxy {
    FaultProxy::in_memory(&[(STREAM, 1)], 7)
        .await
        .expect("a free port")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn order_is_kept_when_entries_fail_and_replies_are_lost() {
    let proxy = proxy().await;
    proxy.program(|faults| {
        faults.entries_throttled = 0.02;
        faults.entries_failed = 0.3;
        faults.calls_failed = 0.1;
        faults.replies_lost = 0.1;
    });
    let sink = firehose(&proxy, &stream_plan(&proxy)).await;
    deliver_lanes(sink, 8, 20).await;
    assert_lanes_in_order(&proxy.records(STREAM), 8, 20);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_record_ends_its_line_and_its_limit_is_firehoses_own() {
    let proxy = proxy().await;
    let sink = firehose(&proxy, &stream_plan(&proxy)).await;
    assert_eq!(sink.record_bytes_max(), 1_024_000);
    let lane = lane("orders");
    for line in ["one\n", "two"] {
        let delivered = sink.deliver(record(&lane, line)).await;
        delivered.expect("taken");
    }
    let payload = 1_024_000 - lane.partition_key().len();
    let delivered = sink.deliver(record(&lane, vec![b'x'; payload])).await;
    delivered.expect("the largest is taken");
    let rejected = sink
        .deliver(record(&lane, vec![b'x'; payload + 1]))
        .await
        .expect_err("too large");
    assert!(rejected.failure.is_definite());
    let records = proxy.records(STREAM);
    let starts: Vec<&[u8]> = records.iter().take(2).map(|record| &*record.data).collect();
    assert_eq!(starts, [b"one\n".as_slice(), b"two\n"]);
    assert_eq!(records.len(), 3);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_missing_delivery_stream_is_named_with_the_remedy() {
    let proxy = proxy().await;
    let plan = StreamPlan {
        stream: "nowhere".to_owned(),
        ..stream_plan(&proxy)
    };
    let failure = FirehoseSink::connect_with(config(&proxy).await, &plan, &Handle::current())
        .await
        .err()
        .expect("no such delivery stream");
    assert!(failure.is_definite());
    let hint = failure.hint.expect("the operator can do something");
    assert!(
        hint.contains("create the delivery stream \"nowhere\""),
        "{hint}"
    );
}
