//! A replica takes over.

use headwater_harness::{check::Judge, facts::Facts, mysql::MySql};
use serde_json::Value;

use crate::{
    traffic::Traffic,
    world::{WITHIN, World, delivered, records_grow, says},
};

#[tokio::test]
async fn a_promoted_replica_is_read_on_by_gtid_in_a_higher_epoch() -> anyhow::Result<()> {
    let (mut world, replica) = tokio::try_join!(World::new(2), MySql::start())?;
    replica.replica_of(&world.mysql).await?;
    let program = world
        .launch()?
        .setting("source.hosts", &format!("127.0.0.1:{}", replica.port()))
        .start()?;
    let traffic = Traffic::start(&world.mysql);
    records_grow(&world, 10).await?;
    traffic.stop().await?;
    replica.caught_up_with(&world.mysql).await?;
    world.mysql.kill()?;
    replica.promote().await?;
    let traffic = Traffic::start(&replica);
    records_grow(&world, 10).await?;
    traffic.stop().await?;
    delivered(&program, &replica).await?;
    let finished = program.drain(WITHIN).await?;
    assert_eq!(finished.code(), Some(0), "{}", finished.text());

    // The replica's log holds the primary's transactions too, under their GTIDs.
    let (mut judge, mut epochs) = (Judge::new(), Vec::new());
    for record in world.records().await? {
        judge.read_record(&record)?;
        for line in record.lines() {
            let line: Value = serde_json::from_slice(line)?;
            epochs.push(line["seq"].as_str().unwrap_or_default()[..8].to_owned());
        }
    }
    judge.against(&Facts::of(&replica).await?).ensure_clean()?;
    epochs.sort();
    epochs.dedup();
    assert_eq!(epochs, ["00000001", "00000002"]);
    Ok(())
}

#[tokio::test]
async fn a_replica_that_lacks_what_was_read_halts_with_the_difference() -> anyhow::Result<()> {
    let (mut world, replica) = tokio::try_join!(World::new(1), MySql::start())?;
    replica.replica_of(&world.mysql).await?;
    replica.caught_up_with(&world.mysql).await?;
    replica.exec("STOP REPLICA").await?;
    let program = world
        .launch()?
        .setting("source.hosts", &format!("127.0.0.1:{}", replica.port()))
        .start()?;
    world
        .mysql
        .exec("INSERT INTO shop.orders VALUES (1, 1, 'only here')")
        .await?;
    delivered(&program, &world.mysql).await?;
    let lacking = world.mysql.gtid_executed().await?;
    let (uuid, newest) = lacking.rsplit_once("1-").unwrap_or_default();
    world.mysql.kill()?;
    says(
        &program.wait_exit(WITHIN).await?,
        1,
        &[
            "lacks transactions that have been read",
            &format!("{uuid}{newest}"),
            "a replica that lags",
        ],
    );
    // Back to the first server: nothing had moved.
    world.mysql.start_again().await?;
    world.catch_up().await?;
    let verdict = world.verdict().await?;
    verdict.ensure_clean()?;
    assert_eq!(verdict.duplicates, 0, "{verdict}");
    Ok(())
}
