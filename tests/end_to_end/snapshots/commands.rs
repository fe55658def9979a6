//! `headwater snapshot` beside the running process, over each checkpoint store.

use headwater_harness::{program::Finished, wait::Deadline};
use mysql_async::prelude::Queryable;
use serde_json::Value;

use super::{copy_is, drained, launch, lines, stocked};
use crate::{
    high_availability::Store,
    world::{WITHIN, World, delivered, says, status_is},
};

/// A command of `snapshot` with the settings of the running process.
async fn command(world: &World, store: &Store, arguments: &[&str]) -> anyhow::Result<Finished> {
    let arguments = [&["snapshot"], arguments, &["-c", "headwater.toml"]].concat();
    let launch = store.launch(launch(world, "shop.items,shop.orders")?, 60);
    launch.with_arguments(&arguments).finish(WITHIN).await
}

/// Waits until `snapshot status` says so: it tells what is stored, a moment behind what is durable.
async fn told(
    world: &World,
    store: &Store,
    what: &str,
    is_so: impl Fn(&Value) -> bool,
) -> anyhow::Result<()> {
    let deadline = Deadline::after(WITHIN, what);
    loop {
        let finished = command(world, store, &["status", "--json"]).await?;
        assert_eq!(finished.code(), Some(0), "{}", finished.text());
        if is_so(&serde_json::from_str(&finished.stdout.concat())?) {
            return Ok(());
        }
        deadline.pause().await?;
    }
}

fn state_of(status: &Value, run: &str) -> Value {
    let copies = status["copies"].as_array().into_iter().flatten();
    let mut ours = copies.filter(|copy| copy["run"] == run);
    ours.next()
        .map_or(Value::Null, |copy| copy["state"].clone())
}

/// One table is held by a lock of another session, so that its copy stays on its way.
async fn copies_are_asked_for_and_turned(store: Store) -> anyhow::Result<()> {
    let world = stocked().await?;
    store.create(&world).await?;
    let mut holder = world.mysql.conn().await?;
    holder.query_drop("LOCK TABLES shop.items WRITE").await?;
    let launch = store.launch(launch(&world, "shop.items,shop.orders")?, 60);
    let program = launch.start()?;
    copy_is(&program, "shop.orders", "complete").await?;
    copy_is(&program, "shop.items", "active").await?;

    let paused = command(&world, &store, &["pause"]).await?;
    says(
        &paused,
        0,
        &["request 1: pause shop.items", "within seconds"],
    );
    copy_is(&program, "shop.items", "paused").await?;
    told(&world, &store, "no request to wait", |status| {
        status["requests"] == Value::Array(Vec::new())
    })
    .await?;
    let resumed = command(&world, &store, &["resume", "shop.items"]).await?;
    says(&resumed, 0, &["request 2: resume shop.items"]);
    copy_is(&program, "shop.items", "active").await?;
    let cancelled = command(&world, &store, &["cancel", "shop.i*"]).await?;
    says(&cancelled, 0, &["request 3: cancel shop.items"]);
    copy_is(&program, "shop.items", "cancelled").await?;
    holder.query_drop("UNLOCK TABLES").await?;

    let some = [
        "start",
        "shop.orders",
        "--run",
        "fix",
        "--where",
        "quantity > 490",
    ];
    let started = command(&world, &store, &some).await?;
    says(&started, 0, &["request 4: run \"fix\"", "shop.orders"]);
    status_is(&program, "the run to be complete", |status| {
        state_of(status, "fix") == "complete"
    })
    .await?;
    delivered(&program, &world.mysql).await?;
    told(&world, &store, "the run to be complete", |status| {
        state_of(status, "fix") == "complete"
    })
    .await?;
    let again = command(&world, &store, &some).await?;
    says(&again, 1, &["a run of the name \"fix\" already", "--run"]);
    let nothing = command(&world, &store, &["cancel"]).await?;
    says(&nothing, 1, &["no copy is on its way"]);
    drained(program).await?;

    let found = lines(&world, "shop.orders", "snapshot").await?;
    assert_eq!(found.len(), 510);
    assert_eq!(found.iter().filter(|line| line["run"] == "fix").count(), 10);
    assert!(
        lines(&world, "shop.items", "snapshot_end")
            .await?
            .is_empty()
    );
    holder.disconnect().await?;
    Ok(())
}

#[tokio::test]
async fn copies_are_asked_for_and_turned_beside_a_file() -> anyhow::Result<()> {
    copies_are_asked_for_and_turned(Store::File).await
}

#[tokio::test]
async fn copies_are_asked_for_and_turned_in_a_table_of_mysql() -> anyhow::Result<()> {
    copies_are_asked_for_and_turned(Store::MySql).await
}

#[tokio::test]
async fn copies_are_asked_for_and_turned_in_dynamodb() -> anyhow::Result<()> {
    copies_are_asked_for_and_turned(Store::dynamodb().await?).await
}

#[tokio::test]
async fn what_is_asked_before_a_start_is_followed_by_it() -> anyhow::Result<()> {
    let world = stocked().await?;
    let store = Store::File;
    let started = command(&world, &store, &["start", "shop.o*"]).await?;
    says(
        &started,
        0,
        &["request 1", "shop.orders", "the next start does"],
    );
    let launch = store.launch(launch(&world, "")?, 60);
    let launch = launch.arg("--until").arg("now");
    let finished = launch.finish(WITHIN).await?;
    assert_eq!(finished.code(), Some(0), "{}", finished.text());
    assert_eq!(lines(&world, "shop.orders", "snapshot").await?.len(), 500);
    Ok(())
}
