//! What a killed process leaves.

use std::time::Duration;

use headwater_harness::{facts::Facts, faults::FaultProxy, orders::Load};
use serde_json::Value;

use crate::{
    traffic::Traffic,
    world::{WITHIN, World, delivered, records_grow},
};

async fn survives_kills(options: &[&str]) -> anyhow::Result<()> {
    let world = World::with(2, options).await?;
    let traffic = Traffic::with_ddl(&world.mysql);
    for round in 0..6 {
        let mut program = world.launch()?.start()?;
        records_grow(&world, 5 + round * 3).await?;
        program.kill9()?;
        traffic.grows(10).await?;
    }
    traffic.stop().await?;
    let program = world.launch()?.start()?;
    delivered(&program, &world.mysql).await?;
    let finished = program.drain(WITHIN).await?;
    assert_eq!(finished.code(), Some(0), "{}", finished.text());
    world.verdict().await?.ensure_clean()
}

#[tokio::test]
async fn nothing_is_missing_after_many_kills_in_the_middle_of_traffic() -> anyhow::Result<()> {
    survives_kills(&[]).await
}

#[tokio::test]
async fn nothing_is_missing_after_many_kills_without_gtids() -> anyhow::Result<()> {
    survives_kills(&["--gtid-mode=OFF", "--enforce-gtid-consistency=OFF"]).await
}

#[tokio::test]
async fn nothing_is_missing_after_many_kills_with_compressed_transactions() -> anyhow::Result<()> {
    survives_kills(&["--binlog-transaction-compression=ON"]).await
}

#[tokio::test]
async fn kills_and_drains_in_the_middle_of_a_giant_transaction_lose_and_reorder_nothing()
-> anyhow::Result<()> {
    let world = World::new(1).await?;
    let proxy = FaultProxy::in_front_of(&world.kinesis.endpoint(), 1, 3).await?;
    proxy.program(|faults| faults.latency = Duration::from_millis(50));
    let load = Load::new(20_000)
        .transaction_rows(20_000)
        .table("shop.bulk");
    load.run(&world.mysql).await?;
    let mut program = world.launch_to(&proxy.url())?.start()?;
    records_grow(&world, 6).await?;
    program.kill9()?;
    let mut rows_done = Vec::new();
    for _ in 0..3 {
        let program = world.launch_to(&proxy.url())?.start()?;
        records_grow(&world, 4).await?;
        let finished = program.drain(WITHIN).await?;
        assert_eq!(finished.code(), Some(0), "{}", finished.text());
        let shown = world.command(&["position", "show", "--json"]).await?;
        let shown: Value = serde_json::from_str(&shown.stdout.concat())?;
        rows_done.push(shown["rows_done"].as_u64().unwrap_or_default());
    }
    assert!(rows_done.iter().any(|rows| *rows > 0), "{rows_done:?}");
    let before = world.verdict().await?;
    world.catch_up().await?;
    let verdict = world.verdict().await?;
    verdict.ensure_clean()?;
    assert_eq!(
        verdict.changes(),
        Facts::of(&world.mysql).await?.changes.len() as u64
    );
    // Only the kill repeats.
    assert_eq!(verdict.duplicates, before.duplicates);
    assert!(verdict.replays <= 1, "{verdict}");
    Ok(())
}
