//! SIGTERM at any moment: exit code 0 within the grace time, and the next start repeats nothing. Where a shard does not
//! take the cut in time: exit code 3, and what was durable is stored.

use std::{
    cell::Cell,
    time::{Duration, Instant},
};

use anyhow::Context;
use headwater_harness::{
    faults::{FaultProxy, ShardLimits},
    kinesis::Record,
    process::Signal,
    program::Program,
};
use serde_json::json;

use crate::{
    remains::{Remains, shown},
    traffic::Traffic,
    world::{WITHIN, World, delivered_so_far, records_grow, status_is},
};

/// The default grace time.
const GRACE: Duration = Duration::from_secs(25);

/// Drains; it must have ended well, in time, and with nothing in the stream beyond the stored position.
pub async fn drains_to_the_cut(world: &World, program: Program) -> anyhow::Result<()> {
    let asked = Instant::now();
    let finished = program.drain(WITHIN).await?;
    assert_eq!(finished.code(), Some(0), "{}", finished.text());
    assert!(asked.elapsed() < GRACE, "{:?}", asked.elapsed());
    ends_at_the_cut(world).await
}

async fn ends_at_the_cut(world: &World) -> anyhow::Result<()> {
    assert_eq!(shown(world).await?["drained"], json!(true));
    let remains = Remains::of(world).await?;
    assert_eq!(remains.beyond, 0, "{remains:?}");
    Ok(())
}

#[tokio::test]
async fn drains_at_random_moments_repeat_nothing() -> anyhow::Result<()> {
    let seed = 20;
    println!("seed {seed}");
    let mut random = fastrand::Rng::with_seed(seed);
    let world = World::new(2).await?;
    let traffic = Traffic::with_ddl(&world.mysql);
    for drain in 1..=12 {
        let mut program = world.launch()?.start()?;
        match drain % 3 {
            // As early as a signal can be heard.
            0 => drop(program.wait_for_line("are served", WITHIN).await?),
            1 => drop(program.wait_ready(WITHIN).await?),
            _ => records_grow(&world, random.usize(1..30)).await?,
        }
        traffic.grows(random.u64(0..15)).await?;
        let finished = program.drain(WITHIN).await?;
        assert_eq!(finished.code(), Some(0), "{}", finished.text());
        assert!(finished.took < WITHIN, "{drain}");
        traffic.grows(5).await?;
    }
    traffic.stop().await?;
    world.catch_up().await?;
    let verdict = world.verdict().await?;
    verdict.ensure_clean()?;
    assert_eq!(verdict.duplicates, 0, "{verdict}");
    Ok(())
}

/// 6,000 rows of 2 KB: more than the smallest budget holds at once.
const ROWS: &str = "CREATE TABLE shop.wide (id INT PRIMARY KEY, body TEXT); \
    SET SESSION cte_max_recursion_depth = 7000";

/// Fills the smallest budget while the sink stands still, three times, and drains each time.
async fn drains_with_a_full_budget(rows: &[String]) -> anyhow::Result<()> {
    let world = World::new(1).await?;
    let sql = [&[ROWS.to_owned()], rows].concat().join("; ");
    world.mysql.exec(&sql).await?;
    let proxy = FaultProxy::in_front_of(&world.kinesis.endpoint(), 1, 1).await?;
    for _ in 0..3 {
        let hold = proxy.hold();
        let launch = world.launch_to(&proxy.url())?;
        let mut program = launch.setting("memory.budget_bytes", "8388608").start()?;
        // It holds about all that it may, and no more comes.
        let before = Cell::new(0);
        status_is(&program, "a full budget", |status| {
            let lanes = status["lanes"].as_array().into_iter().flatten();
            let bytes = lanes.filter_map(|lane| lane["backlog_bytes"].as_u64());
            let backlog: u64 = bytes.sum();
            before.replace(backlog) == backlog && backlog > 1_500_000
        })
        .await?;
        let asked = Instant::now();
        program.signal(Signal::Term)?;
        program.wait_for_line("draining", WITHIN).await?;
        drop(hold);
        let finished = program.wait_exit(WITHIN).await?;
        assert_eq!(finished.code(), Some(0), "{}", finished.text());
        assert!(asked.elapsed() < GRACE, "{:?}", asked.elapsed());
        ends_at_the_cut(&world).await?;
    }
    let before = world.verdict().await?;
    assert!(
        (1..3_000).contains(&before.changes()),
        "a drain is short: {before}"
    );
    world.catch_up().await?;
    let verdict = world.verdict().await?;
    verdict.ensure_clean()?;
    assert_eq!(
        (verdict.changes(), verdict.duplicates),
        (6_000, 0),
        "{verdict}"
    );
    Ok(())
}

fn insert(from: u32, count: u32) -> String {
    format!(
        "INSERT INTO shop.wide WITH RECURSIVE n (i) AS \
         (SELECT {from} UNION ALL SELECT i + 1 FROM n WHERE i + 1 < {}) \
         SELECT i, REPEAT(CHAR(97 + i % 26), 2000) FROM n",
        from + count
    )
}

#[tokio::test]
async fn drains_with_a_full_budget_are_short_and_repeat_nothing() -> anyhow::Result<()> {
    let many: Vec<String> = (0..60).map(|block| insert(block * 100, 100)).collect();
    drains_with_a_full_budget(&many).await
}

#[tokio::test]
async fn drains_inside_a_giant_transaction_with_a_full_budget_are_short_and_repeat_nothing()
-> anyhow::Result<()> {
    drains_with_a_full_budget(&[insert(0, 6_000)]).await
}

#[tokio::test]
async fn drains_while_shards_throttle_repeat_nothing() -> anyhow::Result<()> {
    let world = World::new(2).await?;
    let proxy = FaultProxy::in_front_of(&world.kinesis.endpoint(), 2, 5).await?;
    proxy.program(|faults| {
        faults.shard_limits = Some(ShardLimits {
            records_per_sec: 20.0,
            bytes_per_sec: 40_000.0,
        });
        faults.entries_throttled = 0.5;
    });
    let traffic = Traffic::with_ddl(&world.mysql);
    for _ in 0..3 {
        // A record above the limit would never pass.
        let launch = world.launch_to(&proxy.url())?;
        let program = launch.setting("packing.record_bytes_max", "8192").start()?;
        records_grow(&world, 5).await?;
        traffic.grows(20).await?;
        drains_to_the_cut(&world, program).await?;
    }
    traffic.stop().await?;
    world.catch_up().await?;
    let verdict = world.verdict().await?;
    verdict.ensure_clean()?;
    assert_eq!(verdict.duplicates, 0, "{verdict}");
    Ok(())
}

#[tokio::test]
async fn a_shard_that_takes_nothing_ends_the_drain_with_code_3_and_what_was_durable_is_stored()
-> anyhow::Result<()> {
    let world = World::new(4).await?;
    let proxy = FaultProxy::in_front_of(&world.kinesis.endpoint(), 4, 6).await?;
    // Nothing is stored before the end.
    let mut program = world
        .launch_to(&proxy.url())?
        .setting("checkpoint.interval_ms", "3600000")
        .setting("shutdown.grace_secs", "3")
        .start()?;
    let traffic = Traffic::start(&world.mysql);
    traffic.grows(30).await?;
    let durable = delivered_so_far(&program, &world.mysql).await?;
    let records = world.records().await?;
    let shard_of = |key: &str| {
        let mut ours = records.iter().filter(|record| record.partition_key == key);
        ours.next().map(|record: &Record| record.shard.clone())
    };
    let shard = shard_of("shop.orders").context("no orders came")?;
    let others: Vec<&str> = ["shop.items", "shop.log"]
        .into_iter()
        .filter(|key| shard_of(key).is_some_and(|other| other != shard))
        .collect();
    assert!(!others.is_empty(), "all tables are on one shard");
    proxy.program(|faults| faults.throttled_shards = vec![shard.clone()]);
    // The others go on meanwhile, so that they are ahead.
    records_of_other_shards_grow(&world, &shard, 10).await?;
    let asked = Instant::now();
    program.signal(Signal::Term)?;
    let finished = program.wait_exit(WITHIN).await?;
    assert_eq!(finished.code(), Some(3), "{}", finished.text());
    assert!(
        asked.elapsed() < Duration::from_secs(12),
        "{:?}",
        asked.elapsed()
    );
    traffic.stop().await?;
    assert_eq!(shown(&world).await?["drained"], json!(false));
    let remains = Remains::of(&world).await?;
    let (file, offset, _) = remains.stored;
    assert!(durable <= (file, offset), "{durable:?}, {remains:?}");
    assert!(remains.beyond > 0, "{remains:?}");
    remains.are_repeated_once(&world).await
}

async fn records_of_other_shards_grow(
    world: &World,
    shard: &str,
    count: usize,
) -> anyhow::Result<()> {
    let mut consumer = world.kinesis.consumer(crate::world::STREAM).await?;
    let others = |records: &[Record]| {
        let others = records.iter().filter(|record| record.shard != shard);
        others.count()
    };
    while consumer.poll().await? > 0 {}
    let before = others(consumer.records());
    let grown = |records: &[Record]| others(records) >= before + count;
    consumer.read_until(grown, WITHIN).await?;
    Ok(())
}
