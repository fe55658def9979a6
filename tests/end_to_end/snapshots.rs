//! Rows that were there before the stream: copied by the settings, once, beside the changes.

mod commands;
mod refused;

use anyhow::{Context, ensure};
use headwater_harness::program::{Launch, Program};
use serde_json::Value;

use crate::{
    traffic::Traffic,
    world::{BINARY, WITHIN, World, delivered, says, status_is},
};

/// Rows in all three tables.
const ROWS: &str = "INSERT INTO shop.orders (quantity, note) \
        WITH RECURSIVE n (id) AS (SELECT 1 UNION ALL SELECT id + 1 FROM n WHERE id < 500) \
        SELECT id, REPEAT('x', id % 200) FROM n; \
    INSERT INTO shop.items SELECT id, 1, 'part' FROM shop.orders; \
    INSERT INTO shop.log (text) SELECT note FROM shop.orders LIMIT 50";

/// A shop that has rows already, and a pipeline that begins behind them.
async fn stocked() -> anyhow::Result<World> {
    let world = World::new(2).await?;
    world.mysql.exec(ROWS).await?;
    Ok(world)
}

/// `run` from now on, with copies of these.
fn launch(world: &World, tables: &str) -> anyhow::Result<Launch> {
    Ok(world
        .launch()?
        .setting("source.start", "now")
        .setting("source.tables", "shop.*")
        .setting("snapshot.tables", tables))
}

/// Waits until the copy is in this state, durably.
async fn copy_is(program: &Program, table: &str, state: &str) -> anyhow::Result<()> {
    let is_so = |status: &Value| {
        let copies = status["copies"].as_array().into_iter().flatten();
        let mut ours = copies.filter(|copy| copy["table"] == table);
        ours.any(|copy| copy["state"] == state)
    };
    status_is(
        program,
        &format!("the copy of {table} to be {state}"),
        is_so,
    )
    .await
}

/// The lines of a type.
async fn lines(world: &World, table: &str, kind: &str) -> anyhow::Result<Vec<Value>> {
    let lines = world.lines_of(table).await?;
    Ok(lines
        .into_iter()
        .filter(|line| line["type"] == kind)
        .collect())
}

async fn drained(program: Program) -> anyhow::Result<()> {
    let finished = program.drain(WITHIN).await?;
    ensure!(finished.code() == Some(0), "{}", finished.text());
    Ok(())
}

/// What the stream holds makes the source's tables.
async fn is_as_the_source(world: &World) -> anyhow::Result<()> {
    let arguments = ["verify", "--reads-per-sec", "1000", "--against-source"];
    let finished = world.command(&arguments).await?;
    says(&finished, 0, &["clean"]);
    Ok(())
}

#[tokio::test]
async fn rows_that_were_there_come_beside_the_changes_and_make_the_sources_tables()
-> anyhow::Result<()> {
    let world = stocked().await?;
    let traffic = Traffic::start(&world.mysql);
    traffic.grows(20).await?;
    let program = launch(&world, "shop.*")?.start()?;
    for table in ["shop.orders", "shop.items", "shop.log"] {
        copy_is(&program, table, "complete").await?;
    }
    traffic.grows(50).await?;
    traffic.stop().await?;
    delivered(&program, &world.mysql).await?;
    let copied = program.metric("headwater_snapshot_rows_total", &["shop.orders"]);
    assert!(copied.await?.is_some_and(|rows| rows > 0.0));
    drained(program).await?;
    for table in ["shop.orders", "shop.items", "shop.log"] {
        let ends = lines(&world, table, "snapshot_end").await?;
        assert_eq!(ends.len(), 1, "{table}");
        assert_eq!(ends[0]["run"], "tables");
    }
    is_as_the_source(&world).await
}

#[tokio::test]
async fn a_kill_in_a_copy_goes_on_and_misses_no_row() -> anyhow::Result<()> {
    let world = stocked().await?;
    let traffic = Traffic::start(&world.mysql);
    for _ in 0..4 {
        let slowly = launch(&world, "shop.*")?.setting("snapshot.rows_per_sec_max", "200");
        let mut program = slowly.start()?;
        let before = traffic.grows(10);
        before.await?;
        status_is(&program, "a copy to have begun", |status| {
            let copies = status["copies"].as_array().into_iter().flatten();
            copies
                .into_iter()
                .any(|copy| copy["begun_unix_secs"].is_u64())
        })
        .await?;
        program.kill9()?;
    }
    traffic.stop().await?;
    let finished = launch(&world, "shop.*")?.arg("--until").arg("now");
    assert_eq!(finished.finish(WITHIN).await?.code(), Some(0));
    is_as_the_source(&world).await
}

#[tokio::test]
async fn until_now_ends_when_all_is_copied_too() -> anyhow::Result<()> {
    let world = stocked().await?;
    let finished = launch(&world, "shop.*,!shop.log")?
        .arg("--until")
        .arg("now");
    let finished = finished.finish(WITHIN).await?;
    assert_eq!(finished.code(), Some(0), "{}", finished.text());
    assert_eq!(lines(&world, "shop.orders", "snapshot").await?.len(), 500);
    assert_eq!(lines(&world, "shop.items", "snapshot").await?.len(), 500);
    assert!(world.lines_of("shop.log").await?.is_empty());
    let status = world.command(&["snapshot", "status"]).await?;
    says(&status, 0, &["shop.orders", "complete", "100%"]);
    // Nothing is left to be done.
    let again = launch(&world, "shop.*,!shop.log")?
        .arg("--until")
        .arg("now");
    assert_eq!(again.finish(WITHIN).await?.code(), Some(0));
    assert_eq!(lines(&world, "shop.orders", "snapshot").await?.len(), 500);
    Ok(())
}

#[tokio::test]
async fn a_table_that_is_added_later_is_copied_and_one_that_is_created_later_is_not()
-> anyhow::Result<()> {
    let world = stocked().await?;
    let until_now = |sent: &str| {
        let launch = launch(&world, "*.*")?.setting("source.tables", sent);
        anyhow::Ok(launch.arg("--until").arg("now"))
    };
    let first = until_now("shop.orders,shop.new*")?.finish(WITHIN).await?;
    assert_eq!(first.code(), Some(0), "{}", first.text());
    assert!(world.lines_of("shop.items").await?.is_empty());
    world
        .mysql
        .exec(
            "CREATE TABLE shop.newer (id INT PRIMARY KEY); INSERT INTO shop.newer VALUES (1), (2)",
        )
        .await?;
    let second = until_now("shop.orders,shop.new*,shop.items")?;
    let second = second.finish(WITHIN).await?;
    assert_eq!(second.code(), Some(0), "{}", second.text());
    assert!(!second.text().contains("are not sent"), "{}", second.text());
    assert_eq!(lines(&world, "shop.items", "snapshot").await?.len(), 500);
    assert_eq!(lines(&world, "shop.orders", "snapshot").await?.len(), 500);
    assert!(lines(&world, "shop.newer", "snapshot").await?.is_empty());
    assert_eq!(lines(&world, "shop.newer", "insert").await?.len(), 2);
    Ok(())
}

#[tokio::test]
async fn a_run_of_the_settings_is_run_once_and_sends_the_rows_of_its_condition()
-> anyhow::Result<()> {
    let world = stocked().await?;
    let run = |name: &str| {
        let config = format!(
            "{}[[snapshot.runs]]\nname = \"{name}\"\ntables = [\"shop.orders\"]\nwhere = \"quantity > 490\"\n",
            world.config(&world.kinesis.endpoint())
        );
        let launch = Launch::run(BINARY, world.folder(), &config)?
            .setting("source.start", "now")
            .setting("source.tables", "shop.*");
        anyhow::Ok(launch.arg("--until").arg("now"))
    };
    for (name, rows) in [("fix", 10), ("fix", 10), ("again", 20)] {
        let finished = run(name)?.finish(WITHIN).await?;
        assert_eq!(finished.code(), Some(0), "{}", finished.text());
        let found = lines(&world, "shop.orders", "snapshot").await?;
        assert_eq!(found.len(), rows, "{name}");
        let quantity = found
            .last()
            .and_then(|line| line["data"]["quantity"].as_u64());
        assert!(quantity.context("a quantity")? > 490);
        assert_eq!(found[rows - 1]["run"], name);
    }
    Ok(())
}

#[tokio::test]
async fn a_position_that_is_set_keeps_what_is_copied_and_one_that_is_cleared_copies_anew()
-> anyhow::Result<()> {
    let world = stocked().await?;
    let copied = async || {
        let launch = launch(&world, "shop.orders")?.arg("--until").arg("now");
        let finished = launch.finish(WITHIN).await?;
        ensure!(finished.code() == Some(0), "{}", finished.text());
        anyhow::Ok(lines(&world, "shop.orders", "snapshot").await?.len())
    };
    assert_eq!(copied().await?, 500);
    let (file, offset) = world.mysql.position().await?;
    let set = ["position", "set", &format!("{file}:{offset}")];
    says(&world.command(&set).await?, 0, &[&file]);
    assert_eq!(copied().await?, 500);
    says(
        &world.command(&["position", "clear"]).await?,
        0,
        &["forgot"],
    );
    assert_eq!(copied().await?, 1_000);
    Ok(())
}
