//! Whenever the program ends in the middle of a copy, the next one goes on where the stored progress stands.

use anyhow::ensure;
use headwater_harness::process::Signal;

use super::{FIRST_MARKS, SELECT, Shop, WITHIN, orders, rows_sent};
use crate::{
    high_availability::{Store, stands_by},
    world::delivered_so_far,
};

const ORDERS: u32 = 3_000;

/// Of a description, of a chunk, of the second chunk; `steps` are texts of statements, and how many of them came.
async fn is_killed_at_each(shop: &Shop, steps: &[(&str, u64)]) -> anyhow::Result<()> {
    let launch = || shop.launch("shop.orders");
    for (text, count) in steps {
        let gate = shop.wire.gate(text);
        gate.pass(count - 1);
        let mut program = launch()?.start()?;
        gate.reached(*count).await?;
        shop.exec(&format!(
            "UPDATE shop.orders SET note = '{count}', quantity = quantity + 1 WHERE id % 100 = 0"
        ))
        .await?;
        program.kill9()?;
    }
    for point in ["reader.slice=stop", "checkpointer.write=stop"] {
        let mut program = launch()?.env("HEADWATER_FAULTS", point).start()?;
        program.wait_for_line("told to break", WITHIN).await?;
        shop.exec("UPDATE shop.orders SET quantity = quantity + 1 WHERE id % 77 = 0")
            .await?;
        program.kill9()?;
    }
    Ok(())
}

#[tokio::test]
async fn a_kill_at_any_step_repeats_what_was_not_stored_and_skips_nothing() -> anyhow::Result<()> {
    let shop = Shop::new(&orders(ORDERS), &[]).await?;
    let mark = FIRST_MARKS[0];
    let steps = [
        (mark, 1),
        ("SHOW INDEX", 1),
        (mark, 2),
        (SELECT, 1),
        (SELECT, 2),
    ];
    is_killed_at_each(&shop, &steps).await?;
    let gate = shop.last_mark();
    let mut program = shop.launch("shop.orders")?.start()?;
    gate.reached(1).await?;
    program.kill9()?;
    drop(gate);
    let program = shop.launch("shop.orders")?.start()?;
    shop.ends_well(program, &["shop.orders"]).await?;
    Ok(())
}

#[tokio::test]
async fn on_mariadb_a_kill_at_any_step_skips_nothing() -> anyhow::Result<()> {
    let shop = Shop::mariadb(&orders(ORDERS)).await?;
    let mark = FIRST_MARKS[2];
    let steps = [
        (mark, 1),
        ("SHOW INDEX", 1),
        (mark, 2),
        (SELECT, 1),
        (SELECT, 2),
    ];
    is_killed_at_each(&shop, &steps).await?;
    let program = shop.launch("shop.orders")?.start()?;
    shop.ends_well(program, &["shop.orders"]).await?;
    Ok(())
}

#[tokio::test]
async fn a_drain_in_the_middle_of_a_copy_repeats_no_row() -> anyhow::Result<()> {
    let shop = Shop::new(&orders(ORDERS), &[]).await?;
    let launch = shop.launch("shop.orders")?;
    for least in [1, 500] {
        let slow = launch.clone().setting("snapshot.rows_per_sec_max", "2000");
        let program = slow.start()?;
        rows_sent(&program, least).await?;
        let finished = program.drain(WITHIN).await?;
        ensure!(finished.code() == Some(0), "{}", finished.text());
    }
    let consumer = shop.runs_to_its_end(&launch, &["shop.orders"]).await?;
    assert_eq!(consumer.copied_of("shop.orders"), (u64::from(ORDERS), 0));
    assert_eq!(consumer.ends_of("shop.orders"), 1);
    // And never again.
    let consumer = shop.runs_to_its_end(&launch, &["shop.orders"]).await?;
    assert_eq!(consumer.copied_of("shop.orders"), (u64::from(ORDERS), 0));
    Ok(())
}

#[tokio::test]
async fn who_loses_the_lease_inside_a_window_sends_nothing_of_its_chunk() -> anyhow::Result<()> {
    let shop = Shop::new(&orders(ORDERS), &[]).await?;
    let store = Store::MySql;
    store.create(&shop.world).await?;
    let launch = || Ok::<_, anyhow::Error>(store.launch(shop.launch("shop.orders")?, 5));
    let gate = shop.last_mark();
    let mut holder = launch()?.start()?;
    gate.reached(1).await?;
    let next = launch()?.start()?;
    stands_by(&next).await?;
    holder.signal(Signal::Stop)?;
    drop(gate);
    shop.copied(&["shop.orders"]).await?;
    shop.exec("UPDATE shop.orders SET note = 'newer'").await?;
    delivered_so_far(&next, &shop.world.mysql).await?;
    holder.signal(Signal::Continue)?;
    let finished = holder.wait_exit(WITHIN).await?;
    ensure!(finished.code() == Some(1), "{}", finished.text());
    let consumer = shop.came().await?;
    assert_eq!(consumer.copied_of("shop.orders"), (u64::from(ORDERS), 0));
    assert_eq!(consumer.ends_of("shop.orders"), 1);
    consumer
        .has_all_of(&shop.world.mysql, "shop.orders")
        .await?;
    Ok(())
}
