//! What a killed process leaves.

use std::time::Duration;

use headwater_harness::{facts::Facts, faults::FaultProxy, mysql::MySql, program::Launch};

use crate::{
    drains::drains_to_the_cut,
    remains::{Remains, gets_further, stored},
    traffic::{Compression, Traffic, giant_transaction},
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
async fn kills_and_drains_inside_a_giant_transaction_repeat_just_what_was_not_stored()
-> anyhow::Result<()> {
    survives_inside_a_transaction(Compression::Off).await
}

#[tokio::test]
async fn kills_and_drains_inside_a_compressed_transaction_in_parts_repeat_just_what_was_not_stored()
-> anyhow::Result<()> {
    survives_inside_a_transaction(Compression::On).await
}

enum End {
    Kill,
    Drain,
}

async fn survives_inside_a_transaction(compression: Compression) -> anyhow::Result<()> {
    let world = World::new(1).await?;
    giant_transaction(&world.mysql, compression).await?;
    let (mut killed, mut last, mut repeated) = (Vec::new(), 0, 0);
    let ends = [End::Kill, End::Drain, End::Kill, End::Drain];
    for (end, seed) in ends.into_iter().zip(1..) {
        // Each process has its own proxy, in which the last put of one that is killed is held for ever.
        let proxy = FaultProxy::in_front_of(&world.kinesis.endpoint(), 1, seed).await?;
        proxy.program(|faults| faults.latency = Duration::from_millis(20));
        // So many puts, one after the other, that no machine is done with them before the last end.
        let launch = world.launch_to(&proxy.url())?;
        let launch = launch.setting("packing.record_bytes_max", "16384");
        let mut program = launch.start()?;
        gets_further(&world, last).await?;
        match end {
            End::Kill => {
                let hold = proxy.hold();
                hold.holds_one().await;
                program.kill9()?;
                killed.push((proxy, hold));
                repeated += Remains::of(&world).await?.beyond;
            }
            End::Drain => drains_to_the_cut(&world, program).await?,
        }
        let (_, _, rows_done) = stored(&world).await?;
        assert!(rows_done > last, "{rows_done}, {last}");
        last = rows_done;
    }
    world.catch_up().await?;
    let verdict = world.verdict().await?;
    verdict.ensure_clean()?;
    let facts = Facts::of(&world.mysql).await?;
    assert_eq!(verdict.changes(), facts.changes.len() as u64);
    assert_eq!(verdict.duplicates, repeated, "{verdict}");
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
