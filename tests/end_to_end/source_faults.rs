//! A MySQL that is down, restarts, is killed, stands still.

use crate::{
    traffic::{Traffic, transactions},
    world::{WITHIN, World, delivered, records_grow},
};

#[tokio::test]
async fn a_server_that_restarts_or_is_killed_is_read_on_without_loss() -> anyhow::Result<()> {
    let mut world = World::new(1).await?;
    let traffic = Traffic::with_ddl(&world.mysql);
    let program = world.launch()?.start()?;
    records_grow(&world, 5).await?;
    world.mysql.stop().await?;
    world.mysql.start_again().await?;
    records_grow(&world, 5).await?;
    traffic.stop().await?;
    delivered(&program, &world.mysql).await?;
    world.mysql.kill()?;
    world.mysql.start_again().await?;
    let traffic = Traffic::with_ddl(&world.mysql);
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

#[tokio::test]
async fn a_server_that_stands_still_is_noticed_by_its_missing_heartbeat() -> anyhow::Result<()> {
    let mut world = World::new(1).await?;
    let mut program = world
        .launch()?
        .setting("source.heartbeat_secs", "1")
        .setting("source.read_timeout_secs", "3")
        .setting("source.connect_timeout_secs", "2")
        .start()?;
    let traffic = Traffic::start(&world.mysql);
    records_grow(&world, 3).await?;
    world.mysql.pause()?;
    program
        .wait_for_line("not even a heartbeat", WITHIN)
        .await?;
    world.mysql.resume()?;
    records_grow(&world, 3).await?;
    traffic.stop().await?;
    delivered(&program, &world.mysql).await?;
    assert_eq!(program.drain(WITHIN).await?.code(), Some(0));
    world.verdict().await?.ensure_clean()
}

#[tokio::test]
async fn checksums_may_be_switched_on_and_off_while_it_runs() -> anyhow::Result<()> {
    let world = World::with(1, &["--binlog-checksum=NONE"]).await?;
    let program = world.launch()?.start()?;
    transactions(&world.mysql, 10).await?;
    delivered(&program, &world.mysql).await?;
    for checksum in ["CRC32", "NONE"] {
        let switch = format!("SET GLOBAL binlog_checksum = {checksum}");
        world.mysql.exec(&switch).await?;
        transactions(&world.mysql, 10).await?;
        delivered(&program, &world.mysql).await?;
    }
    let finished = program.drain(WITHIN).await?;
    assert_eq!(finished.code(), Some(0), "{}", finished.text());
    world.verdict().await?.ensure_clean()
}
