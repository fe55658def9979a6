//! Kinesis: order, blame, pacing, limits, messages.

use std::{
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use aws_credential_types::provider::{
    ProvideCredentials, error::CredentialsError, future::ProvideCredentials as Provided,
};
use headwater_harness::faults::ShardLimits;
use tokio::task::JoinSet;

use super::*;

/// At the shard's 300 kB/s, all of them take the eight writers ten seconds.
const SMALL_MAX: usize = 200;

async fn proxy(shards: usize) -> FaultProxy {
    FaultProxy::in_memory(&[(STREAM, shards)], 7)
        .await
        .expect("a free port")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn order_is_kept_when_half_of_the_entries_fail_and_replies_are_lost() {
    let proxy = proxy(4).await;
    proxy.program(|faults| {
        faults.entries_throttled = 0.05;
        faults.entries_failed = 0.4;
        faults.calls_failed = 0.1;
        faults.replies_lost = 0.1;
    });
    let sink = kinesis(&proxy, &stream_plan(&proxy)).await;
    deliver_lanes(sink, 12, 25).await;
    assert_lanes_in_order(&proxy.records(STREAM), 12, 25);
    assert_eq!(proxy.stats().key_overlaps, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_definite_error_hits_only_the_guilty_lane() {
    let proxy = proxy(2).await;
    proxy.program(|faults| faults.poison_keys = vec!["shop.bad".to_owned()]);
    let sink = kinesis(&proxy, &stream_plan(&proxy)).await;
    // Four calls are held, so that what comes now gathers in one call with the guilty record.
    let hold = proxy.hold();
    let mut first = JoinSet::new();
    for number in 0..4 {
        first.spawn(sink.deliver(record(&lane(&format!("first{number}")), "x\n")));
        proxy.calls_reached(number + 1).await;
    }
    let mut good = JoinSet::new();
    for number in 0..20 {
        good.spawn(sink.deliver(record(&lane(&format!("good{number}")), "x\n")));
    }
    let bad = sink.deliver(record(&lane("bad"), "x\n"));
    drop(hold);
    let rejected = bad.await.expect_err("refused by itself");
    assert!(rejected.failure.is_definite());
    assert!(
        !rejected.failure.to_string().contains("shop.bad"),
        "{rejected:?}"
    );
    for result in good
        .join_all()
        .await
        .into_iter()
        .chain(first.join_all().await)
    {
        result.expect("the others are taken");
    }
    assert_eq!(proxy.records(STREAM).len(), 24);
    assert!(proxy.stats().entries_max > 10, "the guilty one had company");
}

/// Two tables that live on different shards.
fn two_shards(proxy: &FaultProxy) -> (Arc<Lane>, Arc<Lane>) {
    let shard = |table: &str| proxy.shard_of(STREAM, &lane(table).partition_key());
    let other = (0..64)
        .map(|number| format!("t{number}"))
        .find(|table| shard(table) != shard("hot"))
        .expect("keys spread over shards");
    (lane("hot"), lane(&other))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_throttled_shard_does_not_starve_another() {
    let proxy = proxy(2).await;
    let (hot, cold) = two_shards(&proxy);
    let hot_shard = proxy
        .shard_of(STREAM, &hot.partition_key())
        .expect("in memory");
    let sink = kinesis(&proxy, &stream_plan(&proxy)).await;
    deliver_until_taken(&*sink, record(&hot, "hot 0\n"))
        .await
        .expect("nothing is wrong yet");
    proxy.program(|faults| faults.throttled_shards = vec![hot_shard]);
    let hot_writer = tokio::spawn({
        let (sink, hot) = (Arc::clone(&sink), Arc::clone(&hot));
        async move { deliver_until_taken(&*sink, record(&hot, "hot 1\n")).await }
    });
    for number in 0..200 {
        let delivered = sink
            .deliver(record(&cold, format!("cold {number}\n")))
            .await;
        delivered.expect("the cold shard takes everything");
    }
    assert!(!hot_writer.is_finished());
    proxy.program(|faults| faults.throttled_shards.clear());
    let taken = hot_writer.await.expect("a writer does not panic");
    taken.expect("taken in the end");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_large_record_passes_a_full_shard_among_small_ones() {
    let proxy = proxy(1).await;
    proxy.program(|faults| {
        faults.shard_limits = Some(ShardLimits {
            records_per_sec: 1000.0,
            bytes_per_sec: 300_000.0,
        });
    });
    let sink = kinesis(&proxy, &stream_plan(&proxy)).await;
    let is_large_taken = Arc::new(AtomicBool::new(false));
    let mut writers = JoinSet::new();
    for number in 0..8 {
        let (sink, lane) = (Arc::clone(&sink), lane(&format!("small{number}")));
        let is_large_taken = Arc::clone(&is_large_taken);
        writers.spawn(async move {
            let mut count = 0;
            while count < SMALL_MAX && !is_large_taken.load(Ordering::Relaxed) {
                let small = record(&lane, vec![b'x'; 2000]);
                deliver_until_taken(&*sink, small)
                    .await
                    .expect("transient at most");
                count += 1;
            }
            count
        });
    }
    let large = record(&lane("large"), vec![b'x'; 250_000]);
    deliver_until_taken(&*sink, large)
        .await
        .expect("transient at most");
    is_large_taken.store(true, Ordering::Relaxed);
    let counts = writers.join_all().await;
    // Had the small ones starved it, they would have gone on to their end.
    assert!(counts.iter().all(|count| *count < SMALL_MAX), "{counts:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dead_callers_record_holds_its_lane_until_it_has_settled() {
    let proxy = proxy(1).await;
    let sink = kinesis(&proxy, &stream_plan(&proxy)).await;
    let lane = lane("orders");
    let hold = proxy.hold();
    let dead = tokio::spawn(sink.deliver(record(&lane, "first\n")));
    proxy.calls_reached(1).await;
    dead.abort();
    assert!(dead.await.is_err_and(|error| error.is_cancelled()));
    let second = tokio::spawn(sink.deliver(record(&lane, "second\n")));
    // Another lane's call starts after it, and the lane's own has not: it waits.
    let other = tokio::spawn(sink.deliver(record(&super::lane("other"), "other\n")));
    proxy.calls_reached(2).await;
    assert_eq!(proxy.stats().calls, 2);
    drop(hold);
    for writer in [second, other] {
        let delivered = writer.await.expect("a writer does not panic");
        delivered.expect("taken");
    }
    let of_lane: Vec<Landed> = proxy
        .records(STREAM)
        .into_iter()
        .filter(|record| record.partition_key == "shop.orders")
        .collect();
    let texts: Vec<&[u8]> = of_lane.iter().map(|record| &*record.data).collect();
    assert_eq!(texts, [b"first\n".as_slice(), b"second\n"]);
    assert_eq!(proxy.stats().key_overlaps, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_limits_of_calls_and_of_what_flies_are_never_exceeded() {
    let proxy = proxy(4).await;
    let plan = StreamPlan {
        call_bytes: 64 << 10,
        in_flight_bytes_max: 256 << 10,
        ..stream_plan(&proxy)
    };
    let sink = kinesis(&proxy, &plan).await;
    let hold = proxy.hold();
    let mut writers = JoinSet::new();
    for number in 0..2100 {
        let size = if number >= 2000 { 40_000 } else { 20 };
        writers.spawn(sink.deliver(record(&lane(&format!("t{number}")), vec![b'x'; size])));
    }
    writers.spawn(sink.deliver(record(&lane("huge"), vec![b'x'; 500_000])));
    proxy.calls_reached(4).await;
    drop(hold);
    for result in writers.join_all().await {
        result.expect("taken");
    }
    let stats = proxy.stats();
    assert_eq!(proxy.records(STREAM).len(), 2101);
    assert_eq!(stats.entries_max, 500);
    assert!(stats.in_flight_calls_max <= 4, "{stats:?}");
    // The huge one goes alone.
    assert!(
        stats.in_flight_bytes_max <= 500_000 + "shop.huge".len(),
        "{stats:?}"
    );
    assert_eq!(stats.call_bytes_max, 500_000 + "shop.huge".len());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rows_of_one_lane_with_different_keys_share_a_call() {
    let proxy = proxy(1).await;
    let sink = kinesis(&proxy, &stream_plan(&proxy)).await;
    let lane = lane("orders");
    let hold = proxy.hold();
    let mut rows = JoinSet::new();
    for number in 0..50 {
        let mut row = record(&lane, format!("{number}"));
        row.partition_key = format!("orders-{number}").into();
        rows.spawn(sink.deliver(row));
        if number < 4 {
            proxy.calls_reached(number + 1).await;
        }
    }
    drop(hold);
    for result in rows.join_all().await {
        result.expect("taken");
    }
    let stats = proxy.stats();
    assert!(stats.entries_max > 10, "{stats:?}");
    assert_eq!((stats.key_overlaps, proxy.records(STREAM).len()), (0, 50));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_explicit_hash_key_places_each_lane_of_a_table_on_its_shard() {
    let proxy = proxy(4).await;
    let sink = kinesis(&proxy, &stream_plan(&proxy)).await;
    let mut shards = Vec::new();
    for index in 0..4 {
        let part = Arc::new(Lane {
            index,
            count: 4,
            ..(*lane("orders")).clone()
        });
        let mut record = record(&part, "x\n");
        record.explicit_hash_key = part.explicit_hash_key();
        let delivered = sink.deliver(record).await.expect("taken");
        shards.extend(delivered.shard);
    }
    let expected: Vec<String> = (0..4).map(|index| format!("shardId-{index:012}")).collect();
    assert_eq!(shards, expected);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_that_does_not_come_is_transient() {
    let proxy = proxy(1).await;
    let plan = StreamPlan {
        call_timeout: Duration::from_millis(200),
        ..stream_plan(&proxy)
    };
    let sink = kinesis(&proxy, &plan).await;
    let hold = proxy.hold();
    let rejected = sink
        .deliver(record(&lane("orders"), "x\n"))
        .await
        .expect_err("held");
    assert!(!rejected.failure.is_definite());
    assert!(
        rejected.failure.to_string().contains("within 200ms"),
        "{rejected:?}"
    );
    drop(hold);
    proxy.program(|faults| faults.is_down = true);
    let rejected = sink
        .deliver(record(&lane("orders"), "x\n"))
        .await
        .expect_err("down");
    assert!(!rejected.failure.is_definite(), "{rejected:?}");
    proxy.program(|faults| faults.is_down = false);
    sink.deliver(record(&lane("orders"), "x\n"))
        .await
        .expect("up again");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stream_that_is_missing_or_deleted_while_running_is_named_with_the_remedy() {
    let proxy = proxy(1).await;
    let plan = StreamPlan {
        stream: "nowhere".to_owned(),
        ..stream_plan(&proxy)
    };
    let failure = KinesisSink::connect_with(config(&proxy).await, &plan, &Handle::current())
        .await
        .err()
        .expect("no such stream");
    assert!(failure.is_definite());
    assert_eq!(
        failure.to_string(),
        "kinesis:DescribeStreamSummary on stream \"nowhere\" failed: ResourceNotFoundException: Stream nowhere under account 000000000000 not found."
    );
    let hint = failure.hint.expect("the operator can do something");
    assert!(hint.contains("create the stream \"nowhere\""), "{hint}");

    let sink = kinesis(&proxy, &stream_plan(&proxy)).await;
    proxy.delete_stream(STREAM);
    let rejected = sink
        .deliver(record(&lane("orders"), "x\n"))
        .await
        .expect_err("deleted");
    assert!(rejected.failure.is_definite());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_streams_own_record_limit_is_used() {
    let proxy = proxy(3).await;
    proxy.program(|faults| faults.record_bytes_max = 2 << 20);
    let (sink, description) = KinesisSink::connect_with(
        config(&proxy).await,
        &stream_plan(&proxy),
        &Handle::current(),
    )
    .await
    .expect("the stream is there");
    assert_eq!(description.open_shards, Some(3));
    assert_eq!(description.status, "ACTIVE");
    assert_eq!(sink.record_bytes_max(), 2 << 20);
    let lane = lane("orders");
    let payload = (2 << 20) - lane.partition_key().len();
    sink.deliver(record(&lane, vec![b'x'; payload]))
        .await
        .expect("exactly the limit");
    let rejected = sink
        .deliver(record(&lane, vec![b'x'; payload + 1]))
        .await
        .expect_err("one byte too many");
    assert!(rejected.failure.is_definite());
    assert_eq!(proxy.records(STREAM).len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stream_that_is_not_ready_is_transient() {
    let proxy = proxy(1).await;
    for (status, is_ready) in [("CREATING", false), ("DELETING", false), ("UPDATING", true)] {
        proxy.program(|faults| faults.stream_status = status.to_owned());
        let connected = KinesisSink::connect_with(
            config(&proxy).await,
            &stream_plan(&proxy),
            &Handle::current(),
        )
        .await;
        assert_eq!(connected.is_ok(), is_ready, "{status}");
        if let Err(failure) = connected {
            assert!(!failure.is_definite(), "{status}");
            assert!(failure.to_string().contains(status), "{failure}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_endpoint_that_refuses_is_transient_and_one_that_is_no_url_is_definite() {
    let proxy = proxy(1).await;
    let closed = tokio::net::TcpListener::bind(("127.0.0.1", 0))
        .await
        .expect("a free port");
    let address = closed.local_addr().expect("bound");
    drop(closed);
    let config = config(&proxy)
        .await
        .into_builder()
        .endpoint_url(format!("http://{address}"))
        .build();
    let mut plan = stream_plan(&proxy);
    let refusing = KinesisSink::connect_with(config, &plan, &Handle::current()).await;
    plan.aws.endpoint_url = Some("localhost:4567".to_owned());
    let no_url = KinesisSink::connect(
        &plan,
        &headwater::sinks::stream::Streams::new(&Handle::current(), 1 << 20),
    )
    .await;
    for (connected, is_definite) in [(refusing, false), (no_url, true)] {
        let failure = connected.err().expect("nobody is there");
        assert_eq!(failure.is_definite(), is_definite, "{failure}");
        let hint = failure.hint.expect("the operator can do something");
        assert!(hint.contains("endpoint"), "{hint}");
    }
}

#[derive(Debug)]
struct NoCredentials;

impl ProvideCredentials for NoCredentials {
    fn provide_credentials<'a>(&'a self) -> Provided<'a>
    where
        Self: 'a,
    {
        Provided::ready(Err(CredentialsError::not_loaded("nothing is configured")))
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn missing_credentials_at_start_are_definite_with_a_remedy() {
    let proxy = proxy(1).await;
    let config = config(&proxy)
        .await
        .into_builder()
        .credentials_provider(SharedCredentialsProvider::new(NoCredentials))
        .build();
    let failure = KinesisSink::connect_with(config, &stream_plan(&proxy), &Handle::current())
        .await
        .err()
        .expect("no credentials");
    assert!(failure.is_definite(), "{failure}");
    assert!(
        failure.to_string().contains("no usable credentials"),
        "{failure}"
    );
    let hint = failure.hint.expect("the operator can do something");
    assert!(hint.contains("AWS_ACCESS_KEY_ID"), "{hint}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_proxy_in_front_of_another_api_keeps_order_too() {
    let upstream = proxy(2).await;
    let front = FaultProxy::in_front_of(&upstream.url(), 2, 11)
        .await
        .expect("a free port");
    front.program(|faults| {
        faults.entries_failed = 0.3;
        faults.replies_lost = 0.1;
    });
    let sink = kinesis(&front, &stream_plan(&front)).await;
    deliver_lanes(sink, 6, 15).await;
    assert_lanes_in_order(&upstream.records(STREAM), 6, 15);
}
