//! The disk of the checkpoint takes no file any more, while the program runs.
//!
//! What is written first is `FILE.partial`: where a folder has that name, no file can be made, also by root.

use std::path::PathBuf;

use anyhow::Context;
use headwater_harness::{program::Program, wait::Deadline};

use crate::{
    remains::Remains,
    traffic::Traffic,
    world::{WITHIN, World, delivered, records_grow},
};

fn partial(world: &World) -> PathBuf {
    world.folder().join("headwater.checkpoint.partial")
}

/// Between two writes: while one is under way, the name is taken.
async fn placed(place: impl Fn() -> std::io::Result<()>) -> anyhow::Result<()> {
    let deadline = Deadline::after(WITHIN, "a moment between two writes");
    while place().is_err() {
        deadline.pause().await?;
    }
    Ok(())
}

async fn metric_is(
    program: &Program,
    name: &str,
    label: &str,
    is_so: impl Fn(f64) -> bool,
) -> anyhow::Result<()> {
    let deadline = Deadline::after(WITHIN, format!("{name}{{{label}}}"));
    while !program.metric(name, &[label]).await?.is_some_and(&is_so) {
        deadline.pause().await?;
    }
    Ok(())
}

#[tokio::test]
async fn while_the_disk_takes_no_file_delivery_goes_on_within_a_bound_and_is_not_lost()
-> anyhow::Result<()> {
    let world = World::new(2).await?;
    let launch = world.launch()?.setting("checkpoint.late_after_secs", "3");
    let mut program = launch.start()?;
    let traffic = Traffic::start(&world.mysql);
    records_grow(&world, 10).await?;

    placed(|| std::fs::create_dir(partial(&world))).await?;
    let writes = "headwater_checkpoint_writes_total";
    metric_is(&program, writes, "outcome=\"failed\"", |failed| {
        failed > 0.0
    })
    .await?;
    metric_is(&program, "headwater_state", "state=\"paused\"", |is| {
        is > 0.0
    })
    .await?;
    // However late this is noticed: what was delivered while nothing could be stored lies beyond what is.
    let remains = Remains::of(&world).await?;
    assert!(remains.beyond >= 10, "{remains:?}");
    let page = program.page("/readyz").await?;
    assert_eq!(page.status, 503);
    for word in ["paused", "Is a directory", "checkpoint.file.path"] {
        assert!(
            page.text().contains(word),
            "`{word}` is not in {}",
            page.text()
        );
    }
    program.wait_for_line("reading pauses", WITHIN).await?;

    std::fs::remove_dir(partial(&world)).context("allow")?;
    program.wait_ready(WITHIN).await?;
    records_grow(&world, 10).await?;

    // The crash then repeats from before.
    placed(|| std::fs::create_dir(partial(&world))).await?;
    metric_is(&program, "headwater_state", "state=\"paused\"", |is| {
        is > 0.0
    })
    .await?;
    program.kill9()?;
    traffic.stop().await?;
    std::fs::remove_dir(partial(&world)).context("allow")?;
    let program = launch.start()?;
    delivered(&program, &world.mysql).await?;
    let finished = program.drain(WITHIN).await?;
    assert_eq!(finished.code(), Some(0), "{}", finished.text());
    let verdict = world.verdict().await?;
    verdict.ensure_clean()?;
    assert!(verdict.replays > 0, "{verdict}");
    Ok(())
}
