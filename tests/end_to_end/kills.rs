//! `kill -9` at every phase: the next start misses nothing, keeps the order, and repeats just what lies beyond the
//! stored position. Inside a giant transaction: `crashes`.

use headwater_harness::{
    faults::{FaultProxy, Hold},
    process::Signal,
    program::Program,
};
use serde_json::json;

use crate::{
    remains::{Remains, head_is_stored, stored},
    traffic::{Traffic, transactions},
    world::{WITHIN, World, delivered, status_is},
};

/// No position is stored between the start and a drain.
const NEVER: (&str, &str) = ("checkpoint.interval_ms", "3600000");

async fn proxied() -> anyhow::Result<(World, FaultProxy)> {
    let world = World::new(2).await?;
    transactions(&world.mysql, 60).await?;
    let proxy = FaultProxy::in_front_of(&world.kinesis.endpoint(), 2, 1).await?;
    Ok((world, proxy))
}

/// All that was written is durable, and puts are held from now on.
async fn held(world: &World, proxy: &FaultProxy) -> anyhow::Result<(Program, Hold)> {
    let program = world.launch_to(&proxy.url())?.start()?;
    delivered(&program, &world.mysql).await?;
    Ok((program, proxy.hold()))
}

// A hold lives to the end of its test: what was under way when the process was killed never lands.

#[tokio::test]
async fn a_kill_while_a_put_is_in_flight_loses_nothing() -> anyhow::Result<()> {
    let (world, proxy) = proxied().await?;
    let (mut program, hold) = held(&world, &proxy).await?;
    transactions(&world.mysql, 60).await?;
    hold.holds_one().await;
    program.kill9()?;
    Remains::of(&world).await?.are_repeated_once(&world).await
}

#[tokio::test]
async fn a_kill_before_the_reply_to_a_put_repeats_the_put() -> anyhow::Result<()> {
    let (world, proxy) = proxied().await?;
    let mut program = world.launch_to(&proxy.url())?.start()?;
    delivered(&program, &world.mysql).await?;
    proxy.program(|faults| faults.replies_lost = 1.0);
    transactions(&world.mysql, 60).await?;
    // What was taken without a reply is tried again; the repetition is held.
    program
        .wait_for_line("delivery failed, trying again", WITHIN)
        .await?;
    let hold = proxy.hold();
    hold.holds_one().await;
    program.kill9()?;
    let remains = Remains::of(&world).await?;
    assert!(remains.beyond > 0, "{remains:?}");
    remains.are_repeated_once(&world).await
}

#[tokio::test]
async fn a_kill_between_the_puts_and_the_checkpoint_repeats_what_was_put() -> anyhow::Result<()> {
    let world = World::new(2).await?;
    transactions(&world.mysql, 60).await?;
    let mut program = world.launch()?.setting(NEVER.0, NEVER.1).start()?;
    delivered(&program, &world.mysql).await?;
    program.kill9()?;
    let remains = Remains::of(&world).await?;
    assert_eq!(remains.beyond, world.verdict().await?.lines);
    remains.are_repeated_once(&world).await
}

#[tokio::test]
async fn a_kill_behind_the_checkpoint_repeats_nothing() -> anyhow::Result<()> {
    let world = World::new(2).await?;
    transactions(&world.mysql, 60).await?;
    let mut program = world.launch()?.start()?;
    head_is_stored(&world).await?;
    program.kill9()?;
    let remains = Remains::of(&world).await?;
    assert_eq!(remains.beyond, 0);
    remains.are_repeated_once(&world).await
}

#[tokio::test]
async fn a_kill_while_the_checkpoint_is_written_leaves_the_old_one_or_the_new_one()
-> anyhow::Result<()> {
    let world = World::new(2).await?;
    let traffic = Traffic::with_ddl(&world.mysql);
    let mut last = (0, 0, 0);
    for point in ["created", "partial", "renamed"] {
        let launch = world.launch()?;
        let mut program = launch
            .env("HEADWATER_FAULTS", &format!("checkpoint.{point}=stop@5"))
            .start()?;
        program.wait_for_line("told to break", WITHIN).await?;
        let before = stored(&world).await?;
        assert!(last < before, "{point}: {last:?}, {before:?}");
        traffic.grows(10).await?;
        program.kill9()?;
        assert_eq!(stored(&world).await?, before, "{point}");
        last = before;
    }
    traffic.stop().await?;
    world.catch_up().await?;
    world.verdict().await?.ensure_clean()
}

#[tokio::test]
async fn a_kill_while_a_statement_gathers_its_lanes_loses_nothing() -> anyhow::Result<()> {
    let (world, proxy) = proxied().await?;
    let (mut program, _hold) = held(&world, &proxy).await?;
    transactions(&world.mysql, 20).await?;
    let ddl = "ALTER TABLE shop.orders ADD COLUMN extra INT";
    world.mysql.exec(ddl).await?;
    transactions(&world.mysql, 20).await?;
    status_is(&program, "a fence", |status| {
        let mut lanes = status["lanes"].as_array().into_iter().flatten();
        lanes.any(|lane| lane["fenced"] == json!(true))
    })
    .await?;
    program.kill9()?;
    Remains::of(&world).await?.are_repeated_once(&world).await
}

#[tokio::test]
async fn a_kill_while_a_statement_is_in_flight_loses_nothing() -> anyhow::Result<()> {
    let (world, proxy) = proxied().await?;
    let (mut program, hold) = held(&world, &proxy).await?;
    let ddl = "ALTER TABLE shop.orders ADD COLUMN extra INT; \
               INSERT INTO shop.orders (quantity, extra) VALUES (1, 2)";
    world.mysql.exec(ddl).await?;
    hold.holds_one().await;
    program.kill9()?;
    Remains::of(&world).await?.are_repeated_once(&world).await?;
    let lines = world.lines_of("shop.orders").await?;
    let statements = lines.iter().filter(|line| {
        let text = line["statement"].as_str().unwrap_or_default();
        text.contains("ADD COLUMN")
    });
    assert_eq!(statements.count(), 1);
    Ok(())
}

#[tokio::test]
async fn a_kill_during_a_drain_loses_nothing() -> anyhow::Result<()> {
    let (world, proxy) = proxied().await?;
    let (mut program, hold) = held(&world, &proxy).await?;
    transactions(&world.mysql, 60).await?;
    hold.holds_one().await;
    program.signal(Signal::Term)?;
    program.wait_for_line("draining", WITHIN).await?;
    program.kill9()?;
    Remains::of(&world).await?.are_repeated_once(&world).await
}

#[tokio::test]
async fn a_kill_while_a_drain_stores_its_cut_repeats_what_was_put() -> anyhow::Result<()> {
    let world = World::new(2).await?;
    transactions(&world.mysql, 60).await?;
    // The first store is the start's own.
    let launch = world.launch()?.setting(NEVER.0, NEVER.1);
    let mut program = launch
        .env("HEADWATER_FAULTS", "checkpoint.partial=stop@2")
        .start()?;
    delivered(&program, &world.mysql).await?;
    program.signal(Signal::Term)?;
    program.wait_for_line("told to break", WITHIN).await?;
    program.kill9()?;
    let remains = Remains::of(&world).await?;
    assert_eq!(remains.beyond, world.verdict().await?.lines);
    remains.are_repeated_once(&world).await
}
