//! How it stops: drained, at once, or when its grace time is over.

use std::time::{Duration, Instant};

use headwater_harness::{faults::FaultProxy, process::Signal};
use serde_json::json;

use crate::{
    remains::shown,
    traffic::{Traffic, transactions},
    world::{WITHIN, World, delivered, records_grow},
};

async fn drains(signal: Signal) -> anyhow::Result<()> {
    let world = World::new(2).await?;
    let traffic = Traffic::with_ddl(&world.mysql);
    for _ in 0..3 {
        let mut program = world.launch()?.start()?;
        records_grow(&world, 10).await?;
        program.signal(signal)?;
        let finished = program.wait_exit(WITHIN).await?;
        assert_eq!(finished.code(), Some(0), "{}", finished.text());
        assert_eq!(shown(&world).await?["drained"], json!(true));
        traffic.grows(50).await?;
    }
    traffic.stop().await?;
    let program = world.launch()?.start()?;
    delivered(&program, &world.mysql).await?;
    let finished = program.drain(WITHIN).await?;
    assert_eq!(finished.code(), Some(0), "{}", finished.text());
    let verdict = world.verdict().await?;
    verdict.ensure_clean()?;
    assert_eq!(verdict.duplicates, 0, "{verdict}");
    Ok(())
}

#[tokio::test]
async fn sigterm_drains_and_the_next_start_repeats_nothing() -> anyhow::Result<()> {
    drains(Signal::Term).await
}

#[tokio::test]
async fn ctrl_c_drains_and_the_next_start_repeats_nothing() -> anyhow::Result<()> {
    drains(Signal::Int).await
}

#[tokio::test]
async fn a_hang_up_drains_and_the_next_start_repeats_nothing() -> anyhow::Result<()> {
    drains(Signal::Hup).await
}

#[tokio::test]
async fn a_second_sigterm_ends_at_once() -> anyhow::Result<()> {
    let world = World::new(1).await?;
    let proxy = FaultProxy::in_front_of(&world.kinesis.endpoint(), 1, 1).await?;
    transactions(&world.mysql, 50).await?;
    let hold = proxy.hold();
    let mut program = world.launch_to(&proxy.url())?.start()?;
    proxy.calls_reached(1).await;
    program.signal(Signal::Term)?;
    program.wait_for_line("drain", WITHIN).await?;
    let asked = Instant::now();
    program.signal(Signal::Term)?;
    let finished = program.wait_exit(WITHIN).await?;
    assert_eq!(finished.code(), Some(3), "{}", finished.text());
    assert!(asked.elapsed() < Duration::from_secs(5));
    drop(hold);
    world.catch_up().await?;
    world.verdict().await?.ensure_clean()
}

#[tokio::test]
async fn when_the_sink_does_not_answer_the_grace_time_ends_the_drain_and_nothing_is_lost()
-> anyhow::Result<()> {
    let world = World::new(1).await?;
    let proxy = FaultProxy::in_front_of(&world.kinesis.endpoint(), 1, 1).await?;
    let traffic = Traffic::with_ddl(&world.mysql);
    let mut program = world
        .launch_to(&proxy.url())?
        .setting("shutdown.grace_secs", "2")
        .start()?;
    records_grow(&world, 10).await?;
    let hold = proxy.hold();
    hold.holds_one().await;
    traffic.grows(20).await?;
    let asked = Instant::now();
    program.signal(Signal::Term)?;
    let finished = program.wait_exit(WITHIN).await?;
    assert_eq!(finished.code(), Some(3), "{}", finished.text());
    assert!(
        (2..8).contains(&asked.elapsed().as_secs()),
        "{:?}",
        asked.elapsed()
    );
    assert_eq!(shown(&world).await?["drained"], json!(false));
    drop(hold);
    traffic.stop().await?;
    world.catch_up().await?;
    world.verdict().await?.ensure_clean()
}
