//! Heartbeats: a quiet table says up to where it is complete, and it is.

use std::collections::HashMap;

use anyhow::Context;
use headwater_harness::{
    facts::Facts,
    place::{Place, head, place},
};
use serde_json::Value;

use crate::{
    traffic::Traffic,
    world::{STREAM, WITHIN, World, delivered},
};

fn position(line: &Value) -> anyhow::Result<Place> {
    place(line["position"].as_str().context("a position")?)
}

/// No change behind a heartbeat of its lane lies before the heartbeat's position, unless it comes again.
async fn are_true(world: &World) -> anyhow::Result<HashMap<String, Place>> {
    let (mut seen, mut complete) = (HashMap::new(), HashMap::new());
    let mut seqs: HashMap<String, String> = HashMap::new();
    for record in world.records().await? {
        let lane = record.partition_key.clone();
        for line in record.lines() {
            let line: Value = serde_json::from_slice(line)?;
            let seq = line["seq"].as_str().context("a seq")?.to_owned();
            if line["type"] == "heartbeat" {
                let newest = seqs.get(&lane).cloned().unwrap_or_default();
                assert!(newest <= seq, "{line} behind {newest}");
                assert!(line["ts_us"].as_u64().is_some(), "{line}");
                complete.insert(lane.clone(), position(&line)?);
                continue;
            }
            let id = line["id"].as_str().context("an id")?.to_owned();
            let is_new = seen.insert((lane.clone(), id), ()).is_none();
            let until = complete.get(&lane).copied().unwrap_or_default();
            assert!(
                !is_new || until <= position(&line)?,
                "{line} behind {until:?}"
            );
            let newest = seqs.entry(lane.clone()).or_default();
            *newest = seq.max(std::mem::take(newest));
        }
    }
    Ok(complete)
}

#[tokio::test]
async fn a_quiet_table_says_up_to_where_it_is_complete_also_over_kills() -> anyhow::Result<()> {
    let world = World::new(2).await?;
    let launch = world
        .launch()?
        .setting("native.heartbeat_secs", "1")
        .setting("ordering.key", "primary_key")
        .setting("ordering.lanes", "3")
        .setting("source.tables", "shop.orders,shop.items");
    for _ in 0..2 {
        let mut program = launch.start()?;
        let traffic = Traffic::with_ddl(&world.mysql);
        traffic.grows(60).await?;
        traffic.stop().await?;
        program.kill9()?;
    }
    let program = launch.start()?;
    // Some in each lane.
    let values = vec!["(1)"; 30].join(", ");
    let insert = format!("INSERT INTO shop.orders (quantity) VALUES {values}");
    world.mysql.exec(&insert).await?;
    delivered(&program, &world.mysql).await?;
    // Of a table that nobody reads: the position moves, all others are complete.
    world
        .mysql
        .exec("INSERT INTO shop.log (text) VALUES ('x')")
        .await?;
    let end = head(&world.mysql).await?;
    let mut consumer = world.kinesis.consumer(STREAM).await?;
    consumer
        .read_until(
            |records| {
                let says_so = |line: &[u8]| {
                    let line: Value = serde_json::from_slice(line).unwrap_or_default();
                    line["type"] == "heartbeat" && position(&line).ok() == Some(end)
                };
                let of_lane = |lane: &str| {
                    let mut of = records.iter().filter(|record| record.partition_key == lane);
                    of.any(|record| record.lines().any(says_so))
                };
                (0..3).all(|lane| of_lane(&format!("shop.orders/{lane}")))
            },
            WITHIN,
        )
        .await?;
    assert_eq!(program.drain(WITHIN).await?.code(), Some(0));
    assert!(are_true(&world).await?.len() >= 3);
    let some = |facts: Facts| facts.of_tables(&["shop.orders", "shop.items"]);
    let verdict = world.verdict_on(some).await?;
    verdict.ensure_clean()?;
    assert!(verdict.heartbeats > 0, "{verdict}");
    Ok(())
}
