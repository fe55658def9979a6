//! Each actor of the built program panics and fails, again and again: what must be is started again, the rest goes
//! on, and who dies too often halts the pipeline with what to do. Growing waits: `actors/tests/strikes.rs`.

use headwater_harness::{
    faults::FaultProxy,
    program::{Finished, Launch},
};
use serde_json::{Value, json};

use crate::{
    remains::Remains,
    traffic::{Traffic, transactions},
    world::{BINARY, WITHIN, World, delivered, ends_well, says, status_is},
};

/// `run` with these faults until it ends by itself.
async fn run_with(world: &World, faults: &str) -> anyhow::Result<Finished> {
    let launch = world.launch()?.env("HEADWATER_FAULTS", faults);
    launch.finish(WITHIN).await
}

/// An actor, the point at which it breaks, and whether it takes its generation with it.
async fn breaks(actor: &str, point: &str, ends_generation: bool) -> anyhow::Result<()> {
    let world = World::new(2).await?;
    transactions(&world.mysql, 60).await?;
    let traffic = Traffic::with_ddl(&world.mysql);

    // Twice each, in the middle of traffic: it goes on by itself.
    let faults = format!("{point}=panic@4x2 {point}=fail@9x2");
    let launch = world.launch()?.env("HEADWATER_FAULTS", &faults);
    let program = launch.start()?;
    status_is(&program, "four restarts", |status| {
        status["restarts_by_actor"][actor] == json!(4)
    })
    .await?;
    traffic.grows(20).await?;
    traffic.stop().await?;
    delivered(&program, &world.mysql).await?;
    let status = program.status().await?;
    let generation = if ends_generation { 5 } else { 1 };
    assert_eq!(status["generation"], json!(generation), "{status}");
    assert_eq!(status["restarts_by_actor"], json!({actor: 4}), "{status}");
    for (cause, count) in [("panic", 2.0), ("failure", 2.0)] {
        let labels = [format!("actor=\"{actor}\""), format!("cause=\"{cause}\"")];
        let counted = program
            .metric("headwater_actor_restarts_total", &[&labels[0], &labels[1]])
            .await?;
        assert_eq!(counted, Some(count), "{cause}");
    }
    let finished = program.drain(WITHIN).await?;
    assert_eq!(finished.code(), Some(0), "{}", finished.text());
    world.verdict().await?.ensure_clean()?;

    // Without end: it halts.
    transactions(&world.mysql, 60).await?;
    let finished = run_with(&world, &format!("{point}=panic@1x3 {point}=fail@1x*")).await?;
    let name = actor.replace('_', " ");
    let words = [
        "halted",
        &name,
        "died 6 times in a row",
        "told to fail",
        "cure",
    ];
    says(&finished, 1, &words);
    // For good: at once.
    let finished = run_with(&world, &format!("{point}=refuse@1")).await?;
    says(
        &finished,
        1,
        &["halted", "told to fail", "it is a test's doing"],
    );
    assert!(
        !finished.text().contains("actor died"),
        "{}",
        finished.text()
    );

    Remains::of(&world).await?.are_repeated_once(&world).await
}

#[tokio::test]
async fn a_broken_reader_is_started_again_alone_and_halts_when_it_stays_broken()
-> anyhow::Result<()> {
    breaks("reader", "reader.send", false).await
}

#[tokio::test]
async fn a_broken_router_begins_a_new_generation_and_halts_when_it_stays_broken()
-> anyhow::Result<()> {
    breaks("router", "router.route", true).await
}

#[tokio::test]
async fn a_broken_shard_writer_is_started_again_alone_and_halts_when_it_stays_broken()
-> anyhow::Result<()> {
    breaks("shard_writer", "writer.pack:shop.orders", false).await
}

#[tokio::test]
async fn a_broken_checkpointer_begins_a_new_generation_and_halts_when_it_stays_broken()
-> anyhow::Result<()> {
    breaks("checkpointer", "checkpointer.write", true).await
}

#[tokio::test]
async fn a_shard_writer_that_breaks_while_its_put_flies_waits_for_it_to_land() -> anyhow::Result<()>
{
    let world = World::new(2).await?;
    world.catch_up().await?;
    let proxy = FaultProxy::in_front_of(&world.kinesis.endpoint(), 2, 1).await?;
    let hold = proxy.hold();
    let launch = world.launch_to(&proxy.url())?;
    // It packs what is in flight, then what comes meanwhile.
    let program = launch
        .env("HEADWATER_FAULTS", "writer.pack:shop.orders=panic@2x4")
        .start()?;
    let insert = "INSERT INTO shop.orders (quantity) VALUES (1)";
    world.mysql.exec(insert).await?;
    proxy.calls_reached(1).await;
    world.mysql.exec(insert).await?;
    status_is(&program, "four restarts", |status| {
        status["restarts_by_actor"]["shard_writer"] == json!(4)
    })
    .await?;
    drop(hold);
    delivered(&program, &world.mysql).await?;
    assert_eq!(program.status().await?["generation"], json!(1));
    let violations = program
        .metric("headwater_sink_order_violations_total", &[])
        .await?;
    assert_eq!(violations.unwrap_or_default(), 0.0);
    let verdict = ends_well(program, &world).await?;
    assert_eq!(proxy.stats().key_overlaps, 0);
    // The one in flight arrived, and its lane's last writer sent it again.
    assert_eq!(verdict.duplicates, 1, "{verdict}");
    Ok(())
}

#[tokio::test]
async fn other_lanes_flow_while_a_shard_writer_dies_again_and_again() -> anyhow::Result<()> {
    let world = World::new(2).await?;
    transactions(&world.mysql, 60).await?;
    let finished = run_with(&world, "writer.pack:shop.orders=panic@1x*").await?;
    says(
        &finished,
        1,
        &[
            "shard writer of shop.orders died 6 times in a row",
            "report it",
        ],
    );
    let records = world.records().await?;
    let of = |key: &str| {
        records
            .iter()
            .filter(|record| record.partition_key == key)
            .count()
    };
    assert_eq!(of("shop.orders"), 0);
    assert!(of("shop.items") + of("shop.log") > 0);
    Remains::of(&world).await?.are_repeated_once(&world).await
}

#[tokio::test]
async fn a_table_that_breaks_every_writer_is_parked_if_the_settings_say_so_and_misses_nothing()
-> anyhow::Result<()> {
    const FAULTS: &str = "writer.pack:shop.orders=panic@1x*";
    let world = World::new(2).await?;
    transactions(&world.mysql, 60).await?;
    let traffic = Traffic::with_ddl(&world.mysql);
    let parks = |launch: Launch| launch.setting("errors.undecodable", "park_table");
    let launch = parks(world.launch()?).env("HEADWATER_FAULTS", FAULTS);
    let program = launch.start()?;
    status_is(&program, "a parked table", |status| {
        status["parked"][0]["table"] == "shop.orders"
    })
    .await?;
    let status = program.status().await?;
    let told = status["parked"][0].to_string();
    assert!(told.contains("died 6 times in a row"), "{told}");
    traffic.grows(20).await?;
    traffic.stop().await?;
    delivered(&program, &world.mysql).await?;
    assert_eq!(program.drain(WITHIN).await?.code(), Some(0));
    assert!(world.lines_of("shop.orders").await?.is_empty());

    let resume = || {
        let arguments = ["resume-table", "shop.orders", "-c", "headwater.toml"];
        Launch::new(BINARY, world.folder(), &arguments).map(parks)
    };
    let still_broken = resume()?.env("HEADWATER_FAULTS", FAULTS);
    let finished = still_broken.finish(WITHIN).await?;
    says(&finished, 1, &["the table stays parked there"]);
    let finished = resume()?.finish(WITHIN).await?;
    says(&finished, 0, &["table resumed"]);
    let verdict = ends_well(world.launch()?.start()?, &world).await?;
    assert_eq!(verdict.duplicates, 0, "{verdict}");
    Ok(())
}

/// What is no actor, or has nobody above it: the process ends, a human or an orchestrator starts it again.
async fn halts(faults: &str, words: &[&str]) -> anyhow::Result<()> {
    let world = World::new(2).await?;
    transactions(&world.mysql, 60).await?;
    let finished = run_with(&world, faults).await?;
    says(&finished, 1, words);
    Remains::of(&world).await?.are_repeated_once(&world).await
}

#[tokio::test]
async fn a_supervisor_that_panics_ends_the_process_and_nothing_is_lost() -> anyhow::Result<()> {
    let words = ["the supervisor panicked", "report it"];
    halts("supervisor.lane_wanted=panic@2", &words).await
}

#[tokio::test]
async fn a_sink_task_that_panics_halts_and_nothing_is_lost() -> anyhow::Result<()> {
    let words = ["halted", "the sink's task has ended", "report it"];
    halts("sink.take_in=panic@2", &words).await
}

#[tokio::test]
async fn a_checkpoint_write_that_panics_is_tried_again() -> anyhow::Result<()> {
    let world = World::new(2).await?;
    let traffic = Traffic::start(&world.mysql);
    let launch = world.launch()?;
    let mut program = launch
        .env("HEADWATER_FAULTS", "checkpoint.partial=panic@3x4")
        .start()?;
    for _ in 0..2 {
        program
            .wait_for_line("checkpoint not stored", WITHIN)
            .await?;
    }
    traffic.grows(20).await?;
    traffic.stop().await?;
    delivered(&program, &world.mysql).await?;
    let status: Value = program.status().await?;
    assert_eq!(
        (&status["restarts"], &status["generation"]),
        (&json!(0), &json!(1))
    );
    let verdict = ends_well(program, &world).await?;
    assert_eq!(verdict.duplicates, 0, "{verdict}");
    Ok(())
}
