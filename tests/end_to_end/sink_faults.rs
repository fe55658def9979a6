//! A Kinesis that throttles, fails in parts, loses replies, is down.

use headwater_harness::faults::{FaultProxy, Faults, ShardLimits};
use serde_json::json;

use crate::{
    traffic::Traffic,
    world::{STREAM, WITHIN, World, delivered, records_grow},
};

/// Traffic through these faults, then through none.
async fn survives(seed: u64, program_faults: impl FnOnce(&mut Faults)) -> anyhow::Result<()> {
    survives_calls(seed, 60, program_faults).await
}

async fn survives_calls(
    seed: u64,
    calls: u64,
    program_faults: impl FnOnce(&mut Faults),
) -> anyhow::Result<()> {
    let world = World::new(2).await?;
    let proxy = FaultProxy::in_front_of(&world.kinesis.endpoint(), 2, seed).await?;
    proxy.program(program_faults);
    let program = world.launch_to(&proxy.url())?.start()?;
    let traffic = Traffic::with_ddl(&world.mysql);
    proxy.calls_reached(calls).await;
    traffic.grows(20).await?;
    traffic.stop().await?;
    proxy.program(|faults| *faults = Faults::default());
    delivered(&program, &world.mysql).await?;
    let finished = program.drain(WITHIN).await?;
    assert_eq!(finished.code(), Some(0), "{}", finished.text());
    assert_eq!(proxy.stats().key_overlaps, 0);
    world.verdict().await?.ensure_clean()
}

#[tokio::test]
async fn order_and_completeness_survive_calls_of_which_a_third_fails() -> anyhow::Result<()> {
    survives(11, |faults| {
        faults.entries_throttled = 0.2;
        faults.entries_failed = 0.2;
    })
    .await
}

#[tokio::test]
async fn order_and_completeness_survive_whole_calls_that_fail_and_lost_replies()
-> anyhow::Result<()> {
    survives(12, |faults| {
        faults.calls_failed = 0.2;
        faults.replies_lost = 0.2;
    })
    .await
}

#[tokio::test]
async fn order_and_completeness_survive_throttling_of_nine_in_ten() -> anyhow::Result<()> {
    // A throttled shard is left alone for up to a second.
    survives_calls(15, 10, |faults| faults.entries_throttled = 0.9).await
}

#[tokio::test]
async fn order_and_completeness_survive_calls_of_which_half_fails() -> anyhow::Result<()> {
    survives_calls(16, 40, |faults| faults.entries_failed = 0.5).await
}

#[tokio::test]
async fn order_and_completeness_survive_the_limits_of_a_shard() -> anyhow::Result<()> {
    survives(13, |faults| {
        faults.shard_limits = Some(ShardLimits {
            records_per_sec: 20.0,
            bytes_per_sec: 40_000.0,
        });
    })
    .await
}

#[tokio::test]
async fn an_outage_of_the_sink_is_waited_out() -> anyhow::Result<()> {
    let world = World::new(1).await?;
    let proxy = FaultProxy::in_front_of(&world.kinesis.endpoint(), 1, 14).await?;
    let mut program = world.launch_to(&proxy.url())?.start()?;
    program.wait_ready(WITHIN).await?;
    proxy.program(|faults| faults.is_down = true);
    let traffic = Traffic::with_ddl(&world.mysql);
    traffic.grows(200).await?;
    program.wait_for_line("WARN", WITHIN).await?;
    proxy.program(|faults| faults.is_down = false);
    traffic.grows(20).await?;
    traffic.stop().await?;
    delivered(&program, &world.mysql).await?;
    let finished = program.drain(WITHIN).await?;
    assert_eq!(finished.code(), Some(0), "{}", finished.text());
    world.verdict().await?.ensure_clean()
}

#[tokio::test]
async fn a_sink_that_is_killed_and_comes_back_misses_nothing() -> anyhow::Result<()> {
    let mut world = World::new(2).await?;
    let program = world.launch()?.start()?;
    let traffic = Traffic::with_ddl(&world.mysql);
    records_grow(&world, 10).await?;
    world.kinesis.kill()?;
    traffic.grows(100).await?;
    world.kinesis.start_again().await?;
    records_grow(&world, 10).await?;
    traffic.stop().await?;
    delivered(&program, &world.mysql).await?;
    let finished = program.drain(WITHIN).await?;
    assert_eq!(finished.code(), Some(0), "{}", finished.text());
    world.verdict().await?.ensure_clean()
}

#[tokio::test]
async fn order_survives_shards_that_are_split_under_traffic() -> anyhow::Result<()> {
    let world = World::new(1).await?;
    let program = world.launch()?.start()?;
    let traffic = Traffic::start(&world.mysql);
    records_grow(&world, 10).await?;
    let middle = (1_u128 << 127).to_string();
    let split = json!({"StreamName": STREAM, "ShardToSplit": "shardId-000000000000", "NewStartingHashKey": middle});
    world.kinesis.service().call("SplitShard", &split).await?;
    world.kinesis.wait_active(STREAM).await?;
    traffic.grows(60).await?;
    traffic.stop().await?;
    delivered(&program, &world.mysql).await?;
    let violations = program
        .metric("headwater_sink_order_violations_total", &[])
        .await?;
    assert_eq!(violations.unwrap_or_default(), 0.0);
    assert_eq!(program.drain(WITHIN).await?.code(), Some(0));
    let verdict = world.verdict().await?;
    verdict.ensure_clean()?;
    assert_eq!(verdict.duplicates, 0, "{verdict}");
    Ok(())
}
