//! Another server takes over: its places in the log begin anew, and what came of the first one, also late, is older.

use anyhow::Context;
use headwater_harness::{mysql::MySql, warehouse};

use crate::world::{ORDERS, WITHIN, World};

#[tokio::test]
async fn what_a_promoted_replica_says_is_newer_than_what_comes_late_of_the_primary()
-> anyhow::Result<()> {
    let replica = MySql::start().await?;
    let mut world = World::new(|_| (), ORDERS).await?;
    replica.replica_of(&world.mysql).await?;
    world.set("source.hosts", &format!("127.0.0.1:{}", replica.port()));
    world.generate().await?;
    world.apply().await?;
    world.start().await?;
    world
        .mysql
        .exec("UPDATE shop.orders SET note = REPEAT('x', 40); UPDATE shop.orders SET note = 'the first server' WHERE id % 2 = 0")
        .await?;
    world.settle_and_load().await?;
    world
        .hold_lines("(line #>> '{key,id}')::int % 3 = 0")
        .await?;
    world.merge().await?;

    replica.caught_up_with(&world.mysql).await?;
    world.mysql.kill()?;
    replica.promote().await?;
    let program = world.program.as_mut().context("the program does not run")?;
    program.wait_for_line("epoch=2", WITHIN).await?;
    world.mysql = replica;
    world
        .mysql
        .exec(
            "DELETE FROM shop.orders WHERE id % 5 = 0; UPDATE shop.orders SET note = 'the second server' WHERE id % 7 = 0; \
             UPDATE shop.orders SET id = id + 1000 WHERE id % 11 = 0; INSERT INTO shop.orders (id, note) VALUES (15, 'again')",
        )
        .await?;
    world.complete().await?;
    for _ in 0..2 {
        world.load_kept_lines().await?;
        world.merge().await?;
    }
    world.ensure_orders_equal().await?;
    let epochs = "SELECT string_agg(DISTINCT LEFT(_seq, 8), ' ') FROM shop.orders__rows";
    assert_eq!(world.value(epochs).await?, "00000001 00000002");
    let audited = warehouse::audit(world.launch(), &world.postgres, "warehouse", &[]).await?;
    assert_eq!(audited.code(), Some(0), "{}", audited.text());
    Ok(())
}
