//! A process on standby: whether it could take over, and whose place it waits for.

use headwater_harness::wait::Deadline;

use crate::{
    high_availability::{Store, ends_well, stands_by},
    world::{WITHIN, World, says},
};

#[tokio::test]
async fn a_standby_is_fit_once_its_checks_have_passed_and_one_that_could_not_take_over_is_not()
-> anyhow::Result<()> {
    let world = World::new(1).await?;
    let store = Store::MySql;
    store.create(&world).await?;
    let mut holder = store.launch(world.launch()?, 5).start()?;
    holder.wait_ready(WITHIN).await?;
    assert_eq!(holder.page("/standbyz").await?.status, 200, "it streams");
    let able = store.launch(world.launch()?, 5).start()?;
    let broken = world.launch()?.setting("sink.kinesis.stream", "chances");
    let mut broken = store.launch(broken, 5).start()?;
    for (program, status, says) in [
        (&able, 200, "ready: standby"),
        (&broken, 503, "ResourceNotFoundException"),
    ] {
        stands_by(program).await?;
        let deadline = Deadline::after(WITHIN, says);
        loop {
            let reply = program.page("/standbyz").await?;
            if reply.status == status && reply.text().contains(says) {
                break;
            }
            deadline.pause().await?;
        }
    }
    broken
        .wait_for_line("this process could not take over", WITHIN)
        .await?;
    for standby in [able, broken] {
        assert_eq!(standby.drain(WITHIN).await?.code(), Some(0));
    }
    ends_well(holder, &world).await
}

#[tokio::test]
async fn another_pipeline_of_the_same_name_is_refused_and_a_deploy_that_changes_tables_is_not()
-> anyhow::Result<()> {
    let world = World::new(1).await?;
    let store = Store::MySql;
    store.create(&world).await?;
    world.kinesis.create_stream("people", 1).await?;
    let mut holder = store.launch(world.launch()?, 5).start()?;
    holder.wait_ready(WITHIN).await?;
    let with_tables = |tables| {
        world
            .launch()
            .map(|launch| launch.setting("source.tables", tables))
    };
    let other = with_tables("shop.log")?.setting("sink.kinesis.stream", "people");
    let finished = store.launch(other, 5).finish(WITHIN).await?;
    says(
        &finished,
        1,
        &[
            "same `name` and another tables and sink",
            "give each pipeline its own `name`",
        ],
    );
    let deployed = with_tables("shop.*,!shop.log")?;
    let mut deployed = store.launch(deployed, 5).start()?;
    deployed
        .wait_for_line("with another tables", WITHIN)
        .await?;
    assert_eq!(deployed.drain(WITHIN).await?.code(), Some(0));
    ends_well(holder, &world).await
}
