//! What a killed process leaves.

use std::time::Duration;

use headwater_harness::{
    facts::Facts, faults::FaultProxy, mysql::MySql, orders::Load, program::Launch,
};
use serde_json::Value;

use crate::{
    traffic::Traffic,
    world::{BINARY, WITHIN, World, delivered, records_grow},
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
    let load = Load::new(20_000)
        .transaction_rows(20_000)
        .table("shop.bulk");
    load.run(&world.mysql).await?;
    survives_inside_a_transaction(&world).await
}

#[tokio::test]
async fn kills_and_drains_in_the_middle_of_a_compressed_transaction_in_parts_lose_and_reorder_nothing()
-> anyhow::Result<()> {
    let world = World::new(1).await?;
    world.mysql.exec(COMPRESSED).await?;
    survives_inside_a_transaction(&world).await
}

/// Rows of what compresses little: 5 MB as one event, more than is held at once.
const COMPRESSED: &str = "CREATE TABLE shop.bulk (id INT PRIMARY KEY, body TEXT); \
    SET SESSION binlog_transaction_compression = ON, cte_max_recursion_depth = 7000; \
    INSERT INTO shop.bulk WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 7000) \
    SELECT i, HEX(RANDOM_BYTES(800)) FROM n";

async fn survives_inside_a_transaction(world: &World) -> anyhow::Result<()> {
    let proxy = FaultProxy::in_front_of(&world.kinesis.endpoint(), 1, 3).await?;
    proxy.program(|faults| faults.latency = Duration::from_millis(50));
    let mut program = world.launch_to(&proxy.url())?.start()?;
    records_grow(world, 6).await?;
    program.kill9()?;
    let mut rows_done = Vec::new();
    for _ in 0..3 {
        let program = world.launch_to(&proxy.url())?.start()?;
        records_grow(world, 4).await?;
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

#[tokio::test]
async fn a_compressed_transaction_larger_than_memory_stays_within_it() -> anyhow::Result<()> {
    // 80 MB of rows, 40 MB as one event; small enough for a build without optimisation.
    const ROWS: u32 = 40_000;
    let mysql = MySql::start().await?;
    mysql
        .exec(&format!(
            "CREATE DATABASE shop; CREATE TABLE shop.bulk (id INT PRIMARY KEY, body TEXT); \
             SET SESSION binlog_transaction_compression = ON, cte_max_recursion_depth = {ROWS}; \
             INSERT INTO shop.bulk WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {ROWS}) \
             SELECT i, HEX(RANDOM_BYTES(1000)) FROM n"
        ))
        .await?;
    let folder = tempfile::tempdir()?;
    let config = format!(
        "[source]\nurl = \"{}\"\nstart = \"earliest\"\n[sink]\ntype = \"null\"\n",
        mysql.headwater_url()
    );
    let program = Launch::run(BINARY, folder.path(), &config)?.start()?;
    delivered(&program, &mysql).await?;
    let peak_mib = program.peak_rss_kib()? / 1024;
    let rows = program
        .metric("headwater_changes_total", &["kind=\"insert\""])
        .await?;
    let finished = program.drain(WITHIN).await?;
    assert_eq!(finished.code(), Some(0), "{}", finished.text());
    assert_eq!(rows, Some(f64::from(ROWS)));
    assert!(peak_mib <= 64, "{peak_mib} MiB");
    Ok(())
}
