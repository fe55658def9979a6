//! A stream that changes under traffic: split, merged, deleted and created again.

use headwater_harness::{facts::Facts, program::Program};
use serde_json::{Value, json};

use crate::{
    traffic::{Traffic, transactions},
    world::{STREAM, WITHIN, World, delivered, records_grow},
};

/// The open shards, by their first hash key.
async fn open_shards(world: &World) -> anyhow::Result<Vec<(u128, u128, String)>> {
    let asked = json!({"StreamName": STREAM});
    let answer = world.kinesis.service().call("ListShards", &asked).await?;
    let shards = answer.get("Shards").and_then(Value::as_array);
    let mut open: Vec<(u128, u128, String)> = shards
        .into_iter()
        .flatten()
        .filter(|shard| {
            shard
                .pointer("/SequenceNumberRange/EndingSequenceNumber")
                .is_none()
        })
        .filter_map(|shard| {
            let key = |name: &str| shard.pointer(name)?.as_str()?.parse().ok();
            let id = shard.get("ShardId")?.as_str()?.to_owned();
            Some((
                key("/HashKeyRange/StartingHashKey")?,
                key("/HashKeyRange/EndingHashKey")?,
                id,
            ))
        })
        .collect();
    open.sort();
    Ok(open)
}

async fn split(world: &World) -> anyhow::Result<()> {
    for (start, end, id) in open_shards(world).await? {
        let middle = start + (end - start) / 2 + 1;
        let split = json!({"StreamName": STREAM, "ShardToSplit": id, "NewStartingHashKey": middle.to_string()});
        world.kinesis.service().call("SplitShard", &split).await?;
        world.kinesis.wait_active(STREAM).await?;
        records_grow(world, 4).await?;
    }
    Ok(())
}

async fn merge(world: &World) -> anyhow::Result<()> {
    for pair in open_shards(world).await?.chunks(2) {
        let [(.., left), (.., right)] = pair else {
            continue;
        };
        let merge =
            json!({"StreamName": STREAM, "ShardToMerge": left, "AdjacentShardToMerge": right});
        world.kinesis.service().call("MergeShards", &merge).await?;
        world.kinesis.wait_active(STREAM).await?;
        records_grow(world, 4).await?;
    }
    Ok(())
}

#[tokio::test]
async fn order_survives_shards_that_are_split_and_merged_under_traffic() -> anyhow::Result<()> {
    let world = World::new(1).await?;
    let program = world
        .launch()?
        .setting("ordering.key", "primary_key")
        .setting("source.tables", "shop.orders,shop.items")
        .start()?;
    let traffic = Traffic::start(&world.mysql);
    records_grow(&world, 4).await?;
    split(&world).await?;
    split(&world).await?;
    assert_eq!(open_shards(&world).await?.len(), 4);
    merge(&world).await?;
    merge(&world).await?;
    assert_eq!(open_shards(&world).await?.len(), 1);
    traffic.stop().await?;
    ends_well(program, &world, |facts| {
        facts.of_tables(&["shop.orders", "shop.items"])
    })
    .await
}

/// What the stream holds is all of some of what happened, in order, once.
async fn ends_well(
    program: Program,
    world: &World,
    some: impl FnOnce(Facts) -> Facts,
) -> anyhow::Result<()> {
    delivered(&program, &world.mysql).await?;
    let violations = program
        .metric("headwater_sink_order_violations_total", &[])
        .await?;
    assert_eq!(violations.unwrap_or_default(), 0.0);
    let finished = program.drain(WITHIN).await?;
    assert_eq!(finished.code(), Some(0), "{}", finished.text());
    let verdict = world.verdict_on(some).await?;
    assert_eq!(verdict.duplicates, 0, "{verdict}");
    verdict.ensure_clean()
}

/// With nothing to deliver meanwhile the program does not even notice: what comes then goes into the new stream.
/// (Under traffic it halts: `a_stream_deleted_while_running_halts_and_the_next_one_gets_the_rest_without_a_gap`.)
#[tokio::test]
async fn a_stream_that_is_deleted_and_created_again_in_a_quiet_hour_gets_all_that_comes_then()
-> anyhow::Result<()> {
    let world = World::new(2).await?;
    let program = world.launch()?.start()?;
    transactions(&world.mysql, 12).await?;
    delivered(&program, &world.mysql).await?;
    let (file, offset) = world.mysql.position().await?;
    world.kinesis.delete_stream(STREAM).await?;
    world.kinesis.create_stream(STREAM, 1).await?;
    transactions(&world.mysql, 12).await?;
    ends_well(program, &world, |facts| facts.since(&file, offset)).await
}
