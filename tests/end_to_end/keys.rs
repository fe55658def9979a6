//! Many keys over many lanes: the order of each, while keys change, the sink fails and the program is killed.

use std::collections::{BTreeMap, HashMap, HashSet};

use headwater_harness::{
    facts::Facts,
    faults::{FaultProxy, Landed},
    wait::Deadline,
};
use serde_json::Value;

use crate::{
    lanes::{apply, by_primary_key},
    world::{STREAM, WITHIN, World, delivered},
};

fn lines(landed: &[Landed]) -> impl Iterator<Item = Value> {
    let texts = landed.iter().flat_map(|record| {
        let lines = record.data.split(|byte| *byte == b'\n');
        lines.filter(|line| !line.is_empty())
    });
    texts.map(|line| serde_json::from_slice(line).expect("a line of JSON"))
}

fn is_row(line: &Value) -> bool {
    ["insert", "update", "delete"].contains(&line["type"].as_str().unwrap_or_default())
}

/// In the order of arrival over all shards: what comes for the first time is never behind what the same key,
/// before or after its change, had already. Gives the ids.
fn ensure_order_of_keys(landed: &[Landed]) -> HashSet<String> {
    let (mut ids, mut newest) = (HashSet::new(), HashMap::<String, String>::new());
    for line in lines(landed).filter(is_row) {
        let text = |name: &str| line[name].as_str().unwrap_or_default().to_owned();
        if !ids.insert(text("id")) {
            continue;
        }
        let mut before = line["key"].clone();
        for (column, value) in before.as_object_mut().into_iter().flatten() {
            if let Some(old) = line["old"].get(column) {
                *value = old.clone();
            }
        }
        let mut keys = vec![line["key"].to_string(), before.to_string()];
        keys.dedup();
        for key in keys {
            let last = newest.insert(format!("{} {key}", line["table"]), text("seq"));
            assert!(
                last.is_none_or(|last| last < text("seq")),
                "{key} comes late: {line}"
            );
        }
    }
    ids
}

#[tokio::test]
async fn thousands_of_keys_keep_their_order_under_kills_and_throttling() -> anyhow::Result<()> {
    let world = World::new(1).await?;
    world
        .mysql
        .exec(
            "CREATE TABLE shop.counters (id INT PRIMARY KEY, n INT NOT NULL); \
             SET SESSION cte_max_recursion_depth = 2000; \
             INSERT INTO shop.counters WITH RECURSIVE i (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM i WHERE i < 2000) \
             SELECT i, 0 FROM i",
        )
        .await?;
    let proxy = FaultProxy::in_memory(&[(STREAM, 4)], 9).await?;
    proxy.program(|faults| {
        faults.entries_throttled = 0.2;
        faults.entries_failed = 0.05;
        faults.replies_lost = 0.05;
    });
    let launch = by_primary_key(world.launch_to(&proxy.url())?, "16")
        .setting("source.tables", "shop.counters")
        .setting("packing.record_bytes_max", "16384");
    for round in 0..3 {
        let before = proxy.records(STREAM).len();
        let mut program = launch.start()?;
        for step in 0..2 {
            let residue = round * 2 + step;
            world
                .mysql
                .exec(&format!(
                    "UPDATE shop.counters SET n = n + 1; \
                     UPDATE shop.counters SET id = id + 1000000 WHERE id % 199 = {residue}; \
                     UPDATE shop.counters SET n = n + 1 WHERE id % 7 = {residue} % 7"
                ))
                .await?;
        }
        let deadline = Deadline::after(WITHIN, "records");
        while proxy.records(STREAM).len() < before + 20 {
            deadline.pause().await?;
        }
        program.kill9()?;
    }
    let program = launch.start()?;
    delivered(&program, &world.mysql).await?;
    assert_eq!(program.drain(WITHIN).await?.code(), Some(0));
    let landed = proxy.records(STREAM);
    let ids = ensure_order_of_keys(&landed);
    let facts = Facts::of(&world.mysql).await?.of_tables(&["shop.counters"]);
    let wanted: HashSet<String> = facts.changes.into_iter().map(|change| change.id).collect();
    assert!(ids == wanted, "{} of {}", ids.len(), wanted.len());
    let keys = landed.iter().map(|record| &*record.partition_key);
    let lanes: HashSet<&str> = keys.filter(|key| key.contains('/')).collect();
    assert_eq!(lanes.len(), 16);
    Ok(())
}

#[tokio::test]
async fn every_key_of_a_table_may_change_at_once_for_a_few_fences() -> anyhow::Result<()> {
    const ROWS: usize = 30_000;
    let world = World::new(1).await?;
    let proxy = FaultProxy::in_memory(&[(STREAM, 4)], 5).await?;
    proxy.program(|faults| faults.entries_failed = 0.1);
    world
        .mysql
        .exec(&format!(
            "CREATE TABLE shop.numbers (id INT PRIMARY KEY); \
             SET SESSION cte_max_recursion_depth = {ROWS}; \
             INSERT INTO shop.numbers WITH RECURSIVE i (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM i WHERE i < {ROWS}) \
             SELECT i FROM i; \
             UPDATE shop.numbers SET id = id + 1 ORDER BY id DESC"
        ))
        .await?;
    let program = by_primary_key(world.launch_to(&proxy.url())?, "4")
        .setting("source.tables", "shop.numbers")
        .start()?;
    delivered(&program, &world.mysql).await?;
    let fences = program.metric("headwater_fences_total", &[]).await?;
    assert_eq!(program.drain(WITHIN).await?.code(), Some(0));
    // One for CREATE TABLE; the update is some forty events, 300 kB: a batch or two.
    assert!(
        fences.is_some_and(|fences| (2.0..8.0).contains(&fences)),
        "{fences:?}"
    );
    let mut rows = BTreeMap::new();
    for line in lines(&proxy.records(STREAM)) {
        apply(&mut rows, &line);
    }
    assert_eq!(rows.len(), ROWS);
    assert!(!rows.contains_key("numbers {\"id\":1}"));
    assert!(rows.contains_key(&format!("numbers {{\"id\":{}}}", ROWS + 1)));
    Ok(())
}

#[tokio::test]
async fn a_key_that_changes_only_in_case_keeps_the_order_of_its_row() -> anyhow::Result<()> {
    let world = World::new(1).await?;
    let proxy = FaultProxy::in_memory(&[(STREAM, 4)], 7).await?;
    proxy.program(|faults| faults.entries_failed = 0.3);
    world
        .mysql
        .exec(
            "CREATE TABLE shop.words (word VARCHAR(20) COLLATE utf8mb4_0900_ai_ci PRIMARY KEY, n INT); \
             INSERT INTO shop.words VALUES ('anna', 0), ('berta', 0), ('clara', 0), ('dora', 0)",
        )
        .await?;
    let program = by_primary_key(world.launch_to(&proxy.url())?, "16")
        .setting("source.tables", "shop.words")
        .start()?;
    let mut conn = world.mysql.conn().await?;
    for n in 0..60 {
        use mysql_async::prelude::Queryable;
        let change = match n % 3 {
            0 => "word = UPPER(word)",
            1 => "word = word",
            _ => "word = LOWER(word)",
        };
        // The server finds the row by either spelling.
        conn.query_drop(format!(
            "UPDATE shop.words SET {change}, n = n + 1 WHERE word IN ('Anna', 'BERTA', 'clara')"
        ))
        .await?;
    }
    conn.disconnect().await?;
    delivered(&program, &world.mysql).await?;
    assert_eq!(program.drain(WITHIN).await?.code(), Some(0));
    let landed = proxy.records(STREAM);
    ensure_order_of_keys(&landed);
    let mut newest: HashMap<String, i64> = HashMap::new();
    for line in lines(&landed).filter(is_row) {
        let word = line["data"]["word"].as_str().unwrap_or_default();
        let n = line["data"]["n"].as_i64().unwrap_or_default();
        let last = newest.insert(word.to_lowercase(), n);
        assert_eq!(n, last.map_or(0, |last| last + 1), "{line}");
    }
    assert_eq!(newest.values().copied().max(), Some(60));
    Ok(())
}
