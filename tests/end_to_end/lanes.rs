//! `ordering.key = "primary_key"`: a table's rows over several lanes and shards.

use std::collections::{BTreeMap, BTreeSet};

use headwater_harness::{check::Judge, facts::Facts, faults::FaultProxy, program::Launch};
use serde_json::Value;

use crate::{
    traffic::{Traffic, transactions},
    world::{STREAM, WITHIN, World, delivered, records_grow, says},
};

pub fn by_primary_key(launch: Launch, lanes: &str) -> Launch {
    launch
        .setting("ordering.key", "primary_key")
        .setting("ordering.lanes", lanes)
        .setting("source.tables", "shop.orders,shop.items")
}

/// Applies lines in order, strictly: an insert finds no row, an update and a delete find theirs.
pub fn apply(rows: &mut BTreeMap<String, Value>, line: &Value) {
    let table = line["table"].as_str().unwrap_or_default();
    let name = |key: &Value| format!("{table} {key}");
    let key = name(&line["key"]);
    match line["type"].as_str() {
        Some("insert") => {
            let before = rows.insert(key, line["data"].clone());
            assert!(before.is_none(), "inserted twice: {line}");
        }
        Some("update") => {
            let mut old = line["key"].clone();
            for (column, value) in old.as_object_mut().into_iter().flatten() {
                if let Some(before) = line["old"].get(column) {
                    *value = before.clone();
                }
            }
            assert!(
                rows.remove(&name(&old)).is_some(),
                "no row to update: {line}"
            );
            let before = rows.insert(key, line["data"].clone());
            assert!(before.is_none(), "updated onto another row: {line}");
        }
        Some("delete") => assert!(rows.remove(&key).is_some(), "no row to delete: {line}"),
        _ => (),
    }
}

#[tokio::test]
async fn rows_spread_over_all_shards_and_every_key_keeps_its_order_also_when_it_changes()
-> anyhow::Result<()> {
    let world = World::new(1).await?;
    let proxy = FaultProxy::in_memory(&[(STREAM, 4)], 21).await?;
    proxy.program(|faults| faults.entries_failed = 0.2);
    let program = by_primary_key(world.launch_to(&proxy.url())?, "4").start()?;
    let traffic = Traffic::start(&world.mysql);
    traffic.grows(300).await?;
    traffic.stop().await?;
    delivered(&program, &world.mysql).await?;
    let fences = program.metric("headwater_fences_total", &[]).await?;
    assert_eq!(program.drain(WITHIN).await?.code(), Some(0));

    let landed = proxy.records(STREAM);
    let keys: BTreeSet<&str> = landed.iter().map(|record| &*record.partition_key).collect();
    assert!(
        keys.contains("shop.orders/0") && keys.contains("shop.items/3"),
        "{keys:?}"
    );
    for table in ["shop.orders/", "shop.items/"] {
        let shards: BTreeSet<&str> = landed
            .iter()
            .filter(|record| record.partition_key.starts_with(table))
            .map(|record| &*record.shard)
            .collect();
        assert_eq!(shards.len(), 4, "{table} is on {shards:?}");
    }
    // In the order of arrival over all shards, every step is possible and the end is the server's.
    let mut rows = BTreeMap::new();
    for record in &landed {
        for line in record
            .data
            .split(|byte| *byte == b'\n')
            .filter(|line| !line.is_empty())
        {
            apply(&mut rows, &serde_json::from_slice(line)?);
        }
    }
    assert!(fences.is_some_and(|fences| fences > 0.0), "{fences:?}");
    let mut wanted = BTreeMap::new();
    for row in world
        .mysql
        .query_rows("SELECT id, quantity, note FROM shop.orders")
        .await?
    {
        let [Some(id), Some(quantity), note] = &row[..] else {
            anyhow::bail!("an order is {row:?}");
        };
        let data = serde_json::json!({"id": id.parse::<i64>()?, "quantity": quantity.parse::<i64>()?, "note": note});
        wanted.insert(format!("orders {{\"id\":{id}}}"), data);
    }
    let orders: BTreeMap<String, Value> = rows
        .iter()
        .filter(|(key, _)| key.starts_with("orders "))
        .map(|(key, row)| (key.clone(), row.clone()))
        .collect();
    assert_eq!(orders, wanted);
    let items = rows.len() - orders.len();
    let count = world
        .mysql
        .query_value("SELECT COUNT(*) FROM shop.items")
        .await?;
    assert_eq!(items.to_string(), count);
    Ok(())
}

#[tokio::test]
async fn with_packing_none_every_row_is_a_record_of_its_own() -> anyhow::Result<()> {
    let world = World::new(4).await?;
    transactions(&world.mysql, 60).await?;
    let run = by_primary_key(world.launch()?, "4")
        .setting("packing.type", "none")
        .arg("--until")
        .arg("now")
        .finish(WITHIN)
        .await?;
    assert_eq!(run.code(), Some(0), "{}", run.text());
    let records = world.records().await?;
    assert!(records.iter().all(|record| record.lines().count() == 1));
    let changes = Facts::of(&world.mysql)
        .await?
        .of_tables(&["shop.orders", "shop.items"])
        .changes
        .len();
    let mut of_rows = 0;
    for record in &records {
        let line: Value = serde_json::from_slice(record.data.trim_ascii_end())?;
        of_rows += usize::from(line["type"] != "ddl");
    }
    assert_eq!(of_rows, changes);
    Ok(())
}

#[tokio::test]
async fn the_number_of_lanes_changes_only_after_a_drain() -> anyhow::Result<()> {
    let world = World::new(2).await?;
    let traffic = Traffic::start(&world.mysql);
    let mut program = by_primary_key(world.launch()?, "4").start()?;
    records_grow(&world, 5).await?;
    program.kill9()?;
    traffic.stop().await?;
    let run = by_primary_key(world.launch()?, "2").finish(WITHIN).await?;
    says(
        &run,
        1,
        &[
            "ordering changed from primary_key with 4 lanes to primary_key with 2 lanes",
            "SIGTERM",
        ],
    );
    for lanes in ["4", "2"] {
        let run = by_primary_key(world.launch()?, lanes)
            .arg("--until")
            .arg("now")
            .finish(WITHIN)
            .await?;
        assert_eq!(run.code(), Some(0), "{}", run.text());
    }
    Ok(())
}

#[tokio::test]
async fn a_table_without_a_primary_key_that_appears_while_running_goes_in_one_lane()
-> anyhow::Result<()> {
    let world = World::new(1).await?;
    let mut program = by_primary_key(world.launch()?, "4")
        .setting("source.tables", "shop.orders,shop.new*")
        .start()?;
    program.wait_ready(WITHIN).await?;
    world
        .mysql
        .exec(
            "CREATE TABLE shop.news (text VARCHAR(10)); \
             INSERT INTO shop.news VALUES ('a'), ('b'), ('c'), ('d')",
        )
        .await?;
    delivered(&program, &world.mysql).await?;
    assert_eq!(program.drain(WITHIN).await?.code(), Some(0));
    let mut texts = Vec::new();
    for record in world.records().await? {
        for line in record.lines() {
            let line: Value = serde_json::from_slice(line)?;
            if line["type"] == "insert" {
                texts.push((
                    record.partition_key.clone(),
                    line["data"]["text"].to_string(),
                ));
            }
        }
    }
    let lanes: BTreeSet<&String> = texts.iter().map(|(lane, _)| lane).collect();
    assert_eq!(lanes.len(), 1, "{texts:?}");
    let texts: Vec<&String> = texts.iter().map(|(_, text)| text).collect();
    assert_eq!(texts, ["\"a\"", "\"b\"", "\"c\"", "\"d\""]);
    Ok(())
}

#[tokio::test]
async fn kills_in_the_middle_of_keyed_traffic_lose_nothing() -> anyhow::Result<()> {
    let world = World::new(4).await?;
    let traffic = Traffic::start(&world.mysql);
    for _ in 0..4 {
        let mut program = by_primary_key(world.launch()?, "4").start()?;
        records_grow(&world, 20).await?;
        program.kill9()?;
        traffic.grows(10).await?;
    }
    traffic.stop().await?;
    let program = by_primary_key(world.launch()?, "4").start()?;
    delivered(&program, &world.mysql).await?;
    assert_eq!(program.drain(WITHIN).await?.code(), Some(0));
    let mut judge = Judge::new();
    for record in world.records().await? {
        judge.read_record(&record)?;
    }
    let facts = Facts::of(&world.mysql).await?;
    judge
        .against(&facts.of_tables(&["shop.orders", "shop.items"]))
        .ensure_clean()
}
