//! Rows that went without a line of each: the end of a copy of their table tells the merge, also after a kill, and also
//! of lines that come late.

use anyhow::Context;
use headwater_harness::{road::SCHEMA, wait::Deadline};

use crate::world::{ORDERS, WITHIN, World};

const COUNT: &str = "SELECT COUNT(*) FROM shop.orders";

/// The copy has sent rows, whether or not they have arrived.
async fn has_sent_rows(world: &World) -> anyhow::Result<()> {
    let program = world.program.as_ref().context("the program does not run")?;
    let deadline = Deadline::after(WITHIN, "the copy to send rows");
    let sent = "headwater_snapshot_rows_total";
    while program
        .metric(sent, &[])
        .await?
        .is_none_or(|rows| rows < 1.0)
    {
        deadline.pause().await?;
    }
    Ok(())
}

#[tokio::test]
async fn they_go_with_a_copy_that_was_killed_and_do_not_come_back_with_late_lines()
-> anyhow::Result<()> {
    let partitioned = format!(
        "{ORDERS}; ALTER TABLE shop.orders PARTITION BY RANGE (id) \
         (PARTITION low VALUES LESS THAN (100), PARTITION high VALUES LESS THAN MAXVALUE)"
    );
    let mut world = World::running(|_| (), &partitioned).await?;
    world.settle_and_load().await?;
    world
        .keep_lines("(line #>> '{key,id}')::int % 7 = 0")
        .await?;
    world.merge().await?;
    world
        .mysql
        .exec(
            "ALTER TABLE shop.orders DROP PARTITION low; SET sql_log_bin = 0; DELETE FROM shop.orders WHERE id % 5 = 0; \
             UPDATE shop.orders SET note = 'unheard' WHERE id % 5 = 1; SET sql_log_bin = 1; \
             UPDATE shop.orders SET note = 'behind it' WHERE id = 201",
        )
        .await?;
    world.settle().await?;
    assert_eq!(
        world.value(COUNT).await?,
        "500",
        "no line says that rows went"
    );

    // Nothing that it sends arrives before the kill.
    world.kinesis.pause()?;
    let asked = world.ask_for_copy(&["shop.orders"]).await?;
    assert_eq!(asked.code(), Some(0), "{}", asked.text());
    has_sent_rows(&world).await?;
    world.kill()?;
    world.kinesis.resume()?;
    world.start().await?;
    world
        .mysql
        .exec("DELETE FROM shop.orders WHERE id = 499")
        .await?;
    world.copied().await?;
    world.settle().await?;
    world.ensure_orders_equal().await?;

    world.load_kept_lines().await?;
    world.merge().await?;
    world.ensure_orders_equal().await
}

#[tokio::test]
async fn they_go_with_a_copy_of_a_table_that_has_no_row_any_more() -> anyhow::Result<()> {
    let mut world = World::running(|_| (), ORDERS).await?;
    world.settle().await?;
    world
        .mysql
        .exec("CREATE TABLE shop.empty LIKE shop.orders; RENAME TABLE shop.orders TO shop.was, shop.empty TO shop.orders")
        .await?;
    world.copy(&["shop.orders"]).await?;
    assert_eq!(world.value(COUNT).await?, "0");
    Ok(())
}

#[tokio::test]
async fn a_copy_of_some_rows_removes_none() -> anyhow::Result<()> {
    let mut world = World::running(|_| (), ORDERS).await?;
    world.settle().await?;
    world
        .mysql
        .exec(
            "SET sql_log_bin = 0; DELETE FROM shop.orders WHERE id IN (100, 400); UPDATE shop.orders SET quantity = -1; \
             SET sql_log_bin = 1",
        )
        .await?;
    world.copy(&["shop.orders", "--where", "id > 300"]).await?;
    let rows = "SELECT CONCAT_WS(' ', COUNT(*), SUM((quantity = -1)::int)) FROM shop.orders";
    assert_eq!(world.value(rows).await?, "500 199");
    world.copy(&["shop.orders"]).await?;
    world.ensure_orders_equal().await
}

#[tokio::test]
async fn rows_of_a_table_that_is_gone_go_by_the_seq_of_the_statement() -> anyhow::Result<()> {
    let mut world = World::running(|_| (), ORDERS).await?;
    world.settle().await?;
    world.mysql.exec("DROP TABLE shop.orders").await?;
    world.settle().await?;
    assert_eq!(world.value(COUNT).await?, "500");
    let emptied = format!(
        "INSERT INTO {SCHEMA}.lines (database_name, table_name, type, seq) \
         SELECT database_name, table_name, 'truncate', MAX(seq) FROM {SCHEMA}.pending_statements \
         WHERE database_name = 'shop' AND table_name = 'orders' GROUP BY database_name, table_name"
    );
    world.postgres.exec(&emptied).await?;
    world.merge().await?;
    assert_eq!(world.value(COUNT).await?, "0");
    Ok(())
}
