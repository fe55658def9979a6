//! A stream that is slower than the source, as a whole or for one table.

use headwater_harness::{
    faults::{FaultProxy, ShardLimits},
    kinesis::Record,
    orders::Load,
    wait::Deadline,
};
use serde_json::json;

use crate::{
    traffic::Traffic,
    world::{STREAM, WITHIN, World, delivered, ends_well, metric_reaches, says, status_is},
};

#[tokio::test]
async fn a_stream_slower_than_the_source_costs_lag_and_neither_memory_nor_order_nor_the_connection()
-> anyhow::Result<()> {
    let world = World::new(1).await?;
    let proxy = FaultProxy::in_front_of(&world.kinesis.endpoint(), 1, 61).await?;
    proxy.program(|faults| {
        faults.shard_limits = Some(ShardLimits {
            records_per_sec: 1000.0,
            bytes_per_sec: 60_000.0,
        });
    });
    let program = world
        .launch_to(&proxy.url())?
        // What a shard takes in a second is the most that a record may have.
        .setting("packing.record_bytes_max", "32768")
        .start()?;
    let load = Load::new(12_000).table("shop.bulk");
    load.run(&world.mysql).await?;
    metric_reaches(&program, "headwater_source_lag_seconds", 2.0).await?;
    metric_reaches(&program, "headwater_source_lag_bytes", 1e6).await?;
    metric_reaches(&program, "headwater_lane_backlog_bytes", 1e6).await?;
    metric_reaches(&program, "headwater_sink_throttled_total", 1.0).await?;
    proxy.program(|faults| faults.shard_limits = None);
    delivered(&program, &world.mysql).await?;
    status_is(&program, "the lag to end", |status| {
        status["lag_secs"].as_f64() == Some(0.0)
    })
    .await?;
    let peak_mib = program.peak_rss_kib()? / 1024;
    assert!(peak_mib <= 64, "{peak_mib} MiB");
    let reconnects = program
        .metric("headwater_source_reconnects_total", &[])
        .await?;
    assert_eq!(reconnects.unwrap_or_default(), 0.0);
    let verdict = ends_well(program, &world).await?;
    assert_eq!(verdict.duplicates, 0, "{verdict}");
    Ok(())
}

/// A table that lives on another shard than `shop.orders`.
fn elsewhere(proxy: &FaultProxy) -> anyhow::Result<String> {
    let shard = |table: &str| proxy.shard_of(STREAM, table);
    (0..64)
        .map(|number| format!("shop.t{number}"))
        .find(|table| shard(table) != shard("shop.orders"))
        .ok_or_else(|| anyhow::anyhow!("no table is elsewhere"))
}

fn count_of(records: &[Record], table: &str) -> usize {
    let of_table = |record: &&Record| record.partition_key == table;
    records.iter().filter(of_table).count()
}

/// Writes to both tables until `flowing` has gained records; `stuck` must not.
async fn only_one_flows(world: &World, stuck: &str, flowing: &str) -> anyhow::Result<()> {
    let before = world.records().await?;
    let deadline = Deadline::after(WITHIN, format!("records of {flowing}"));
    loop {
        let sql = format!(
            "INSERT INTO shop.orders (quantity) VALUES (1); INSERT INTO {flowing} VALUES (NULL)"
        );
        world.mysql.exec(&sql).await?;
        let records = world.records().await?;
        assert_eq!(count_of(&records, stuck), count_of(&before, stuck));
        if count_of(&records, flowing) >= count_of(&before, flowing) + 5 {
            return Ok(());
        }
        deadline.pause().await?;
    }
}

#[tokio::test]
async fn one_table_that_is_throttled_or_refused_does_not_hold_up_the_others() -> anyhow::Result<()>
{
    let world = World::new(2).await?;
    let proxy = FaultProxy::in_front_of(&world.kinesis.endpoint(), 2, 62).await?;
    let flowing = elsewhere(&proxy)?;
    world
        .mysql
        .exec(&format!(
            "CREATE TABLE {flowing} (id INT AUTO_INCREMENT PRIMARY KEY)"
        ))
        .await?;
    let mut program = world.launch_to(&proxy.url())?.start()?;
    delivered(&program, &world.mysql).await?;
    let shard = proxy.shard_of(STREAM, "shop.orders");
    proxy.program(|faults| faults.throttled_shards.extend(shard));
    only_one_flows(&world, "shop.orders", &flowing).await?;
    program
        .wait_for_line("the stream throttles: ", WITHIN)
        .await?;
    status_is(&program, "the throttling", |status| {
        let sink = &status["sinks"][0];
        sink["target"] == json!(STREAM)
            && sink["throttled_since_unix_secs"].is_u64()
            && sink["records_throttled"].as_u64() > Some(0)
    })
    .await?;
    proxy.program(|faults| faults.throttled_shards.clear());
    delivered(&program, &world.mysql).await?;
    program
        .wait_for_line("the stream throttles no longer", WITHIN)
        .await?;

    // One entry of each call, for ever: it is tried again and again, alone.
    proxy.program(|faults| faults.failed_keys = vec!["shop.orders".to_owned()]);
    only_one_flows(&world, "shop.orders", &flowing).await?;
    let status = program.status().await?;
    assert_eq!(status["state"], json!("streaming"), "{status}");
    assert!(
        status.to_string().contains("InternalFailure"),
        "who asks is told: {status}"
    );
    proxy.program(|faults| faults.failed_keys.clear());
    let verdict = ends_well(program, &world).await?;
    assert_eq!(verdict.duplicates, 0, "{verdict}");
    Ok(())
}

/// It cannot pass, and no position may pass over it, whatever the others have delivered beyond it.
#[tokio::test]
async fn an_entry_that_is_invalid_for_ever_halts_and_is_there_after_the_next_start()
-> anyhow::Result<()> {
    let world = World::new(1).await?;
    let proxy = FaultProxy::in_front_of(&world.kinesis.endpoint(), 1, 63).await?;
    let sql =
        "CREATE TABLE shop.bad (id INT PRIMARY KEY); CREATE TABLE shop.good (id INT PRIMARY KEY)";
    world.mysql.exec(sql).await?;
    let program = world.launch_to(&proxy.url())?.start()?;
    delivered(&program, &world.mysql).await?;
    proxy.program(|faults| faults.poison_keys = vec!["shop.bad".to_owned()]);
    let traffic = Traffic::start(&world.mysql);
    traffic.grows(20).await?;
    world
        .mysql
        .exec("BEGIN; INSERT INTO shop.bad VALUES (1); INSERT INTO shop.good VALUES (1); COMMIT")
        .await?;
    let finished = program.wait_exit(WITHIN).await?;
    says(&finished, 1, &["ValidationException", "shop.bad"]);
    assert!(
        !finished.text().contains("'shop.bad' at 'records"),
        "a value was printed"
    );
    traffic.stop().await?;
    assert_eq!(count_of(&world.records().await?, "shop.bad"), 1, "its DDL");
    proxy.program(|faults| faults.poison_keys.clear());
    let program = world.launch_to(&proxy.url())?.start()?;
    ends_well(program, &world).await?;
    assert_eq!(count_of(&world.records().await?, "shop.bad"), 2, "its row");
    Ok(())
}

/// The documented limits of a shard: 1,000 records and 1 MiB a second, and records of up to 1 MiB. Small records
/// that never cease leave no room for a large one unless they wait for it, and it for them.
#[tokio::test]
async fn small_records_and_those_of_a_mebibyte_share_a_full_shard_in_turns() -> anyhow::Result<()> {
    let world = World::new(1).await?;
    let proxy = FaultProxy::in_front_of(&world.kinesis.endpoint(), 1, 64).await?;
    proxy.program(|faults| faults.shard_limits = Some(ShardLimits::KINESIS));
    world
        .mysql
        .exec("CREATE TABLE shop.pages (id INT PRIMARY KEY, body LONGTEXT)")
        .await?;
    let program = world.launch_to(&proxy.url())?.start()?;
    let traffic = Traffic::start(&world.mysql);
    for id in 0..4 {
        let sql = format!("INSERT INTO shop.pages VALUES ({id}, REPEAT('x', 1047000))");
        world.mysql.exec(&sql).await?;
    }
    let is_large = |record: &Record| record.data.len() > 1_000_000;
    let mut consumer = world.kinesis.consumer(STREAM).await?;
    consumer
        .read_until(
            |records| records.iter().filter(|record| is_large(record)).count() == 4,
            WITHIN,
        )
        .await?;
    // They have all come while the others were being written.
    traffic.grows(10).await?;
    traffic.stop().await?;
    metric_reaches(&program, "headwater_sink_throttled_total", 1.0).await?;
    let verdict = ends_well(program, &world).await?;
    assert_eq!(verdict.duplicates, 0, "{verdict}");
    let records = world.records().await?;
    let runs: Vec<usize> = records.split(is_large).map(<[Record]>::len).collect();
    assert!(
        runs[1..4].iter().all(|small| *small > 0),
        "small ones flow between the large ones: {runs:?}"
    );
    Ok(())
}
