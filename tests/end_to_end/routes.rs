//! `[[routes]]`: tables on streams of their own, in one pipeline.

use headwater_harness::{check::Judge, facts::Facts, kinesis::Record, program::Launch, unpack};
use serde_json::Value;

use crate::{
    traffic::{Traffic, transactions},
    world::{BINARY, STREAM, WITHIN, World, delivered, says},
};

const ROUTES: &str = "\
    [[routes]]\ntables = [\"shop.items\"]\nsink.kinesis.stream = \"all-items\"\npacking.type = \"json_array\"\n\
    [[routes]]\ntables = [\"shop.o*\"]\nsink.kinesis.stream = \"cdc-{database}-{table}\"\npacking.type = \"kpl\"\n";

fn routed(world: &World, routes: &str) -> anyhow::Result<Launch> {
    let config = format!("{}{routes}", world.config(&world.kinesis.endpoint()));
    Launch::run(BINARY, world.folder(), &config)
}

fn tables_of(lines: &[Vec<u8>]) -> anyhow::Result<Vec<String>> {
    let mut tables = Vec::new();
    for line in lines {
        let line: Value = serde_json::from_slice(line)?;
        tables.push(line["table"].as_str().unwrap_or_default().to_owned());
    }
    tables.sort();
    tables.dedup();
    Ok(tables)
}

/// The elements of a JSON array.
fn elements(record: &Record) -> anyhow::Result<Vec<Vec<u8>>> {
    let elements: Vec<Value> = serde_json::from_slice(&record.data)?;
    let texts = elements.into_iter();
    Ok(texts.map(|element| element.to_string().into()).collect())
}

#[tokio::test]
async fn tables_go_to_streams_of_their_own_each_packed_its_way_over_a_restart() -> anyhow::Result<()>
{
    let world = World::new(2).await?;
    for stream in ["all-items", "cdc-shop-orders"] {
        world.kinesis.create_stream(stream, 2).await?;
    }
    for _ in 0..2 {
        let program = routed(&world, ROUTES)?.start()?;
        let traffic = Traffic::start(&world.mysql);
        traffic.grows(100).await?;
        traffic.stop().await?;
        delivered(&program, &world.mysql).await?;
        let finished = program.drain(WITHIN).await?;
        assert_eq!(finished.code(), Some(0), "{}", finished.text());
    }
    let (mut items, mut orders, mut others) = (Vec::new(), Vec::new(), Vec::new());
    for record in world.records_of("all-items").await? {
        items.extend(elements(&record)?);
    }
    for record in world.records_of("cdc-shop-orders").await? {
        let rows = unpack::kpl(&record)?.into_iter();
        orders.extend(rows.map(|row| row.data.into_bytes()));
    }
    for record in world.records_of(STREAM).await? {
        others.extend(record.lines().map(<[u8]>::to_vec));
    }
    assert_eq!(tables_of(&items)?, ["items"]);
    assert_eq!(tables_of(&orders)?, ["orders"]);
    assert_eq!(tables_of(&others)?, ["", "log"]);
    let mut judge = Judge::new();
    for line in items.iter().chain(&orders).chain(&others) {
        judge.read_line(line)?;
    }
    let verdict = judge.against(&Facts::of(&world.mysql).await?);
    assert_eq!(verdict.duplicates, 0, "{verdict}");
    verdict.ensure_clean()
}

#[tokio::test]
async fn a_stream_that_does_not_exist_halts_with_table_route_and_stream() -> anyhow::Result<()> {
    let world = World::new(1).await?;
    transactions(&world.mysql, 10).await?;
    let run = routed(&world, ROUTES)?.finish(WITHIN).await?;
    says(&run, 1, &["routes[0]", "all-items"]);
    world.kinesis.create_stream("all-items", 1).await?;
    let run = routed(&world, ROUTES)?.finish(WITHIN).await?;
    let words = [
        "table 'shop.orders' goes by routes[1]",
        "stream \"cdc-shop-orders\"",
        "create the stream",
    ];
    says(&run, 1, &words);
    // Once it is there, nothing is missing.
    world.kinesis.create_stream("cdc-shop-orders", 1).await?;
    let run = routed(&world, ROUTES)?.arg("--until").arg("now");
    says(&run.finish(WITHIN).await?, 0, &["drained"]);
    let mut orders = 0;
    for record in world.records_of("cdc-shop-orders").await? {
        orders += unpack::kpl(&record)?.len();
    }
    let changes = Facts::of(&world.mysql).await?.of_tables(&["shop.orders"]);
    assert!(orders >= changes.changes.len() && orders > 5);
    Ok(())
}

#[tokio::test]
async fn a_table_whose_name_no_stream_can_have_halts_until_it_has_a_route() -> anyhow::Result<()> {
    let world = World::new(1).await?;
    let sql = "CREATE TABLE shop.`größe` (id INT PRIMARY KEY); INSERT INTO shop.`größe` VALUES (1)";
    world.mysql.exec(sql).await?;
    let by_name = "[[routes]]\ntables = [\"shop.g*\"]\nsink.kinesis.stream = \"cdc-{table}\"\n";
    let run = routed(&world, by_name)?.finish(WITHIN).await?;
    let words = [
        "table 'shop.größe' goes by routes[0]",
        "`sink.kinesis.stream` gives it no name",
        "put a [[routes]] for this table before",
    ];
    says(&run, 1, &words);
    let own = format!(
        "[[routes]]\ntables = [\"shop.größe\"]\nsink.kinesis.stream = \"{STREAM}\"\n{by_name}"
    );
    let run = routed(&world, &own)?.arg("--until").arg("now");
    says(&run.finish(WITHIN).await?, 0, &["drained"]);
    assert_eq!(world.lines_of("shop.größe").await?.len(), 2);
    Ok(())
}

#[tokio::test]
async fn check_looks_at_the_targets_of_all_routes() -> anyhow::Result<()> {
    let world = World::new(3).await?;
    drop(routed(&world, ROUTES)?);
    let checked = world.command(&["check"]).await?;
    says(
        &checked,
        1,
        &[
            "FAIL sink: routes[0]: ",
            "\"all-items\"",
            "routes[1]: \"cdc-{database}-{table}\"",
        ],
    );
    world.kinesis.create_stream("all-items", 1).await?;
    let checked = world.command(&["check"]).await?;
    says(
        &checked,
        0,
        &[
            "ok   sink: changes is ACTIVE, 3 open shards",
            "ok   sink: routes[0]: all-items is ACTIVE",
        ],
    );
    Ok(())
}

#[tokio::test]
async fn an_order_by_route_is_changed_only_from_a_drained_checkpoint() -> anyhow::Result<()> {
    let world = World::new(2).await?;
    let by_key = "[[routes]]\ntables = [\"shop.orders\"]\nordering.key = \"primary_key\"\n";
    let mut program = routed(&world, "")?.start()?;
    transactions(&world.mysql, 20).await?;
    delivered(&program, &world.mysql).await?;
    program.kill9()?;
    drop(program);
    let run = routed(&world, by_key)?.finish(WITHIN).await?;
    let words = [
        "ordering changed from table to primary_key with 4 lanes for shop.orders; table for all others",
    ];
    says(&run, 1, &words);
    let run = routed(&world, "")?.arg("--until").arg("now");
    says(&run.finish(WITHIN).await?, 0, &["drained"]);
    transactions(&world.mysql, 60).await?;
    let run = routed(&world, by_key)?.arg("--until").arg("now");
    says(&run.finish(WITHIN).await?, 0, &["drained"]);
    let records = world.records().await?;
    let has = |key: &str| records.iter().any(|record| record.partition_key == key);
    assert!(has("shop.orders/0") && has("shop.orders/3") && has("shop.items"));
    assert!(!has("shop.items/0"));
    Ok(())
}

#[tokio::test]
async fn tables_go_to_files_of_their_own() -> anyhow::Result<()> {
    let world = World::new(1).await?;
    transactions(&world.mysql, 60).await?;
    let by_name =
        "[[routes]]\ntables = [\"shop.*\"]\nsink.file.path = \"{database}.{table}.jsonl\"\n";
    let run = routed(&world, by_name)?
        .setting("sink.type", "file")
        .setting("sink.file.path", "others.jsonl")
        .arg("--until")
        .arg("now");
    says(&run.finish(WITHIN).await?, 0, &["drained"]);
    let mut judge = Judge::new();
    for table in ["orders", "items", "log"] {
        let text = std::fs::read_to_string(world.folder().join(format!("shop.{table}.jsonl")))?;
        let lines: Vec<Vec<u8>> = text.lines().map(|line| line.into()).collect();
        assert_eq!(tables_of(&lines)?, [table]);
        for line in &lines {
            judge.read_line(line)?;
        }
    }
    let others = std::fs::read_to_string(world.folder().join("others.jsonl"))?;
    for line in others.lines() {
        judge.read_line(line.as_bytes())?;
    }
    judge
        .against(&Facts::of(&world.mysql).await?)
        .ensure_clean()
}

#[tokio::test]
async fn a_table_in_another_tool_s_format_has_that_tool_s_key() -> anyhow::Result<()> {
    let world = World::new(2).await?;
    world.kinesis.create_stream("maxwell", 2).await?;
    transactions(&world.mysql, 60).await?;
    let route = "[[routes]]\ntables = [\"shop.items\"]\nsink.kinesis.stream = \"maxwell\"\n\
        format.type = \"maxwell\"\npacking.type = \"none\"\npacking.partition_key = \"format\"\n";
    let run = routed(&world, route)?.arg("--until").arg("now");
    says(&run.finish(WITHIN).await?, 0, &["drained"]);
    let records = world.records_of("maxwell").await?;
    for record in &records {
        let line: Value = serde_json::from_slice(&record.data)?;
        assert_eq!(
            (line["table"].as_str(), line["ts"].is_i64()),
            (Some("items"), true),
            "{line}"
        );
        assert_eq!(record.partition_key, "shop");
    }
    let changes = Facts::of(&world.mysql).await?.of_tables(&["shop.items"]);
    assert_eq!(records.len(), changes.changes.len());
    let native = world.lines_of("shop.orders").await?;
    assert!(native.iter().any(|line| line["type"] == "insert"));
    Ok(())
}
