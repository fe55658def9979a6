//! Networks and services at their worst, between the sink and the API: resets at every stage, answers that are
//! late or none, calls that are carried out after their repetition.

use std::{collections::HashSet, time::Duration};

use headwater_harness::{
    faults::Faults,
    wait::Deadline,
    wire::{Cut, Wire},
};

use super::*;

const LANES: usize = 6;
const COUNT: usize = 60;

/// What the stream holds of it all, in order of arrival.
async fn stormy(
    seed: u64,
    call_timeout: Duration,
    program: impl FnOnce(&mut Faults),
) -> (FaultProxy, Vec<Landed>) {
    let proxy = FaultProxy::in_memory(&[(STREAM, 2)], seed)
        .await
        .expect("a free port");
    let plan = StreamPlan {
        call_timeout,
        ..stream_plan(&proxy)
    };
    let sink = kinesis(&proxy, &plan).await;
    proxy.program(program);
    deliver_lanes(sink, LANES, COUNT).await;
    let stats = proxy.stats();
    assert!(stats.calls_struck > 10, "a calm day: {stats:?}");
    assert_eq!(stats.key_overlaps, 0);
    let records = proxy.records(STREAM);
    (proxy, records)
}

const PATIENT: Duration = Duration::from_secs(30);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn order_is_kept_over_connections_that_are_reset_at_every_stage() {
    let (_proxy, records) = stormy(21, PATIENT, |faults| {
        faults.connections_reset = 0.2;
        faults.requests_reset = 0.15;
        faults.replies_reset = 0.15;
    })
    .await;
    assert_lanes_in_order(&records, LANES, COUNT);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn answers_that_are_none_count_as_nothing_and_order_is_kept() {
    let (_proxy, records) = stormy(22, PATIENT, |faults| {
        faults.replies_garbled = 0.4;
        faults.calls_unavailable = 0.1;
        faults.calls_failed = 0.1;
    })
    .await;
    assert_lanes_in_order(&records, LANES, COUNT);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn replies_that_come_after_the_timeout_repeat_and_never_reorder() {
    let (_proxy, records) = stormy(23, Duration::from_millis(300), |faults| {
        faults.replies_delayed = 0.25;
        faults.delay = Duration::from_secs(2);
    })
    .await;
    assert_lanes_in_order(&records, LANES, COUNT);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn calls_that_land_after_their_repetition_come_behind_a_first_copy_in_order() {
    let (proxy, _) = stormy(24, Duration::from_millis(300), |faults| {
        faults.landings_delayed = 0.25;
        faults.delay = Duration::from_millis(900);
    })
    .await;
    let deadline = Deadline::after(Duration::from_secs(60), "a call to land late");
    let records = loop {
        let records = proxy.records(STREAM);
        if records.len() > LANES * COUNT {
            break records;
        }
        deadline.pause().await.expect("late landings");
    };
    let mut seen = HashSet::new();
    let first: Vec<Landed> = records
        .into_iter()
        .filter(|record| seen.insert(record.data.clone()))
        .collect();
    assert_lanes_in_order(&first, LANES, COUNT);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_entry_that_fails_for_ever_keeps_only_its_own_lane() {
    let proxy = FaultProxy::in_memory(&[(STREAM, 1)], 25)
        .await
        .expect("a free port");
    proxy.program(|faults| faults.failed_keys = vec!["shop.bad".to_owned()]);
    let sink = kinesis(&proxy, &stream_plan(&proxy)).await;
    let bad = tokio::spawn({
        let sink = Arc::clone(&sink);
        async move { deliver_until_taken(&*sink, record(&lane("bad"), "x\n")).await }
    });
    deliver_lanes(Arc::clone(&sink) as Arc<dyn Sink>, LANES, COUNT).await;
    assert!(!bad.is_finished());
    assert_lanes_in_order(&proxy.records(STREAM), LANES, COUNT);
    proxy.program(|faults| faults.failed_keys.clear());
    let taken = bad.await.expect("a writer does not panic");
    taken.expect("transient at most");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_that_stalls_half_open_is_given_up_at_the_timeout() {
    let proxy = FaultProxy::in_memory(&[(STREAM, 1)], 26)
        .await
        .expect("a free port");
    let wire = Wire::to(proxy.port(), 26).await.expect("a free port");
    let config = config(&proxy)
        .await
        .into_builder()
        .endpoint_url(format!("http://127.0.0.1:{}", wire.port()))
        .build();
    let plan = StreamPlan {
        call_timeout: Duration::from_millis(300),
        ..stream_plan(&proxy)
    };
    let (sink, _) = KinesisSink::connect_with(config, &plan, &Handle::current())
        .await
        .expect("the stream is there");
    let lane = lane("orders");
    for (number, text) in ["a\n", "b\n", "c\n"].into_iter().enumerate() {
        deliver_until_taken(&sink, record(&lane, text))
            .await
            .expect("transient at most");
        assert_eq!(proxy.records(STREAM).len(), number + 1);
        wire.stall();
    }
    wire.cut(Cut::Reset);
    assert!(wire.accepted() >= 3, "{}", wire.accepted());
}
