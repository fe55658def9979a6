//! What was held back comes long after what followed it: a parked table that is resumed, dead letters that are replayed.

use std::fs;

use anyhow::Context;
use headwater_harness::{
    program::{Finished, Launch},
    road::{Options, SCHEMA},
    wait::Deadline,
    warehouse,
};

use crate::world::{BINARY, ORDERS, WITHIN, World};

/// `dec8` has no character 0xFF, and the server takes it all the same.
const PEOPLE: &str = "CREATE TABLE shop.people (id INT PRIMARY KEY, odd VARCHAR(9) CHARACTER SET dec8); \
    INSERT INTO shop.people VALUES (1, 'one'), (2, 'two'), (3, 'three')";
const ROWS: &str = "SELECT id, odd FROM shop.people ORDER BY id";

async fn world(policy: &str) -> anyhow::Result<World> {
    let errors =
        format!("[errors]\nundecodable = \"{policy}\"\ndead_letter_path = \"letters.jsonl\"\n");
    let add = |options: &mut Options| options.config += &errors;
    let mut world = World::running(add, &format!("{ORDERS}; {PEOPLE}")).await?;
    world.complete().await?;
    world.ensure_equal(ROWS, ROWS).await?;
    Ok(world)
}

/// Another command of the program, which takes what the pipeline could not.
async fn leniently(world: &World, arguments: &[&str]) -> anyhow::Result<Finished> {
    let lenient = [
        "-c",
        "headwater.toml",
        "--set",
        "errors.invalid_text=replace",
    ];
    let arguments = [arguments, &lenient].concat();
    let launch = Launch::new(BINARY, world.folder(), &arguments)?;
    launch.finish(WITHIN).await
}

async fn audit(world: &World) -> anyhow::Result<Finished> {
    warehouse::audit(world.launch(), &world.postgres, "warehouse", &[]).await
}

/// Where the table is parked, once it is.
async fn parked_at(world: &World, table: &str) -> anyhow::Result<u64> {
    let program = world.program.as_ref().context("the program does not run")?;
    let deadline = Deadline::after(WITHIN, "the table to be parked");
    loop {
        let parked = program.status().await?["parked"][0].clone();
        if parked["table"] == table {
            return offset(parked["position"].as_str().unwrap_or_default());
        }
        deadline.pause().await?;
    }
}

/// Of a position in the first file.
fn offset(position: &str) -> anyhow::Result<u64> {
    let offset = position.strip_prefix("binlog.000001:");
    offset
        .context("another file")?
        .parse()
        .context("no position")
}

#[tokio::test]
async fn a_parked_table_holds_the_cut_back_and_misses_nothing_once_it_is_resumed()
-> anyhow::Result<()> {
    let mut world = world("park_table").await?;
    let cut = format!("SELECT position FROM {SCHEMA}.complete_to");
    world
        .mysql
        .exec(
            "UPDATE shop.people SET odd = 'first' WHERE id = 1; INSERT INTO shop.people VALUES (4, x'61ff'); \
             UPDATE shop.people SET id = id + 10 WHERE id = 2; DELETE FROM shop.people WHERE id = 3; \
             INSERT INTO shop.people VALUES (2, 'another'), (5, 'five'); UPDATE shop.people SET odd = 'good' WHERE id = 4; \
             UPDATE shop.orders SET quantity = quantity + 1",
        )
        .await?;
    let parked_at = parked_at(&world, "shop.people").await?;
    world.complete_in("orders").await?;
    let before = world.value(&cut).await?;
    assert!(
        offset(&before)? <= parked_at,
        "{before} is behind {parked_at}"
    );
    world
        .mysql
        .exec("DELETE FROM shop.orders WHERE id % 2 = 0")
        .await?;
    world.complete_in("orders").await?;
    world.ensure_orders_equal().await?;
    let parked = [("1", "first"), ("2", "two"), ("3", "three")];
    let parked = parked.map(|(id, odd)| vec![Some(id.to_owned()), Some(odd.to_owned())]);
    assert_eq!(world.postgres.query_rows(ROWS).await?, parked);
    assert_eq!(
        world.value(&cut).await?,
        before,
        "the table is not there yet"
    );
    let audited = audit(&world).await?;
    assert_eq!(audited.code(), Some(1), "{}", audited.text());
    for part in ["shop.people", "headwater resume-table"] {
        assert!(audited.text().contains(part), "{}", audited.text());
    }

    assert_eq!(world.drain().await?.code(), Some(0));
    let resumed = leniently(&world, &["resume-table", "shop.people"]).await?;
    assert_eq!(resumed.code(), Some(0), "{}", resumed.text());
    world
        .mysql
        .exec("UPDATE shop.people SET id = 3 WHERE id = 5")
        .await?;
    world.start().await?;
    world.complete().await?;
    world.ensure_equal(ROWS, ROWS).await?;
    let audited = audit(&world).await?;
    assert_eq!(audited.code(), Some(0), "{}", audited.text());
    Ok(())
}

#[tokio::test]
async fn dead_letters_that_are_replayed_late_change_only_what_nothing_newer_has()
-> anyhow::Result<()> {
    let mut world = world("dead_letter").await?;
    world
        .mysql
        .exec(
            "UPDATE shop.people SET odd = x'61ff' WHERE id = 1; UPDATE shop.people SET odd = 'mended' WHERE id = 1; \
             UPDATE shop.people SET odd = 'newest' WHERE id = 1; \
             UPDATE shop.people SET odd = x'62ff' WHERE id = 2; DELETE FROM shop.people WHERE id = 2; \
             INSERT INTO shop.people VALUES (2, 'again'), (4, x'63ff'), (5, x'64ff'), (6, x'65ff'); \
             UPDATE shop.people SET id = 15 WHERE id = 5; DELETE FROM shop.people WHERE id IN (3, 6)",
        )
        .await?;
    world.complete().await?;
    let rows = async |world: &World| -> anyhow::Result<Vec<String>> {
        let rows = world.postgres.query_rows(ROWS).await?;
        let shown =
            |row: Vec<Option<String>>| row.into_iter().flatten().collect::<Vec<_>>().join(" ");
        Ok(rows.into_iter().map(shown).collect())
    };
    assert_eq!(rows(&world).await?, ["1 newest", "2 again"]);
    let letters = fs::read_to_string(world.folder().join("letters.jsonl"))?;
    assert_eq!(letters.lines().count(), 9, "{letters}");

    let replayed = leniently(&world, &["replay-dead-letters", "letters.jsonl"]).await?;
    assert_eq!(replayed.code(), Some(0), "{}", replayed.text());
    world.settle().await?;
    assert_eq!(
        rows(&world).await?,
        ["1 newest", "2 again", "4 c\u{fffd}", "15 d\u{fffd}"]
    );
    let wanted = "SELECT GROUP_CONCAT(id ORDER BY id) FROM shop.people";
    assert_eq!(
        world.mysql.query_rows(wanted).await?[0][0].as_deref(),
        Some("1,2,4,15")
    );
    Ok(())
}
