//! What a killed process leaves, and what a server that comes and goes does to it.

use crate::{
    traffic::Traffic,
    world::{WITHIN, World, delivered, records_grow},
};

#[tokio::test]
async fn nothing_is_missing_after_many_kills_in_the_middle_of_traffic() -> anyhow::Result<()> {
    let world = World::new(2).await?;
    let traffic = Traffic::start(&world.mysql);
    for round in 0..6 {
        let mut program = world.launch()?.start()?;
        records_grow(&world, 5 + round * 3).await?;
        program.kill9()?;
        traffic.grows(10).await?;
    }
    traffic.stop().await?;
    let program = world.launch()?.start()?;
    delivered(&program, &world.mysql).await?;
    let finished = program.drain(WITHIN).await?;
    assert_eq!(finished.code(), Some(0), "{}", finished.text());
    world.verdict().await?.ensure_clean()
}

#[tokio::test]
async fn a_server_that_restarts_or_is_killed_is_read_on_without_loss() -> anyhow::Result<()> {
    let mut world = World::new(1).await?;
    let traffic = Traffic::start(&world.mysql);
    let program = world.launch()?.start()?;
    records_grow(&world, 5).await?;
    world.mysql.stop().await?;
    world.mysql.start_again().await?;
    records_grow(&world, 5).await?;
    traffic.stop().await?;
    delivered(&program, &world.mysql).await?;
    world.mysql.kill()?;
    world.mysql.start_again().await?;
    let traffic = Traffic::start(&world.mysql);
    records_grow(&world, 5).await?;
    traffic.stop().await?;
    delivered(&program, &world.mysql).await?;
    let finished = program.drain(WITHIN).await?;
    assert_eq!(finished.code(), Some(0), "{}", finished.text());
    let verdict = world.verdict().await?;
    verdict.ensure_clean()
}

#[tokio::test]
async fn a_host_that_is_down_at_the_start_is_waited_for() -> anyhow::Result<()> {
    let mut world = World::new(1).await?;
    world.mysql.stop().await?;
    let mut program = world.launch()?.start()?;
    program.wait_for_line("cannot start yet", WITHIN).await?;
    assert_eq!(program.page("/readyz").await?.status, 503);
    assert_eq!(program.page("/livez").await?.status, 200);
    world.mysql.start_again().await?;
    program.wait_ready(WITHIN).await?;
    world
        .mysql
        .exec("INSERT INTO shop.orders VALUES (1, 1, 'after')")
        .await?;
    delivered(&program, &world.mysql).await?;
    let finished = program.drain(WITHIN).await?;
    assert_eq!(finished.code(), Some(0), "{}", finished.text());
    world.verdict().await?.ensure_clean()
}
