//! A replica takes over.

use std::collections::HashSet;

use anyhow::ensure;
use headwater_harness::{
    check::{Judge, Verdict},
    facts::Facts,
    mysql::MySql,
    ports::Port,
    program::Program,
    wait::Deadline,
};
use mysql_async::prelude::Queryable;
use serde_json::Value;

use crate::{
    traffic::Traffic,
    world::{WITHIN, World, delivered, records_grow, says},
};

/// `source.hosts` for these servers.
fn hosts(servers: &[&MySql]) -> String {
    let hosts: Vec<_> = servers
        .iter()
        .map(|server| format!("127.0.0.1:{}", server.port()))
        .collect();
    hosts.join(",")
}

/// Two servers, the second a replica of the first.
async fn pair() -> anyhow::Result<(World, MySql)> {
    let (world, replica) = tokio::try_join!(World::new(2), MySql::start())?;
    replica.replica_of(&world.mysql).await?;
    Ok((world, replica))
}

/// All that has arrived against the log of `server`, and the epochs that were seen.
async fn judged(world: &World, server: &MySql) -> anyhow::Result<(Verdict, Vec<String>)> {
    let (mut judge, mut epochs) = (Judge::new(), Vec::new());
    for record in world.records().await? {
        judge.read_record(&record)?;
        for line in record.lines() {
            let line: Value = serde_json::from_slice(line)?;
            epochs.push(line["seq"].as_str().unwrap_or_default()[..8].to_owned());
        }
    }
    epochs.sort();
    epochs.dedup();
    Ok((judge.against(&Facts::of(server).await?), epochs))
}

/// Waits until `/readyz` says that it waits, and for what.
async fn is_not_ready(program: &Program, words: &[&str]) -> anyhow::Result<()> {
    let deadline = Deadline::after(WITHIN, format!("/readyz to say {words:?}"));
    loop {
        let page = program.page("/readyz").await;
        if page.is_ok_and(|page| {
            page.status == 503 && words.iter().all(|word| page.text().contains(word))
        }) {
            return Ok(());
        }
        deadline.pause().await?;
    }
}

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
    let (verdict, epochs) = judged(&world, &replica).await?;
    verdict.ensure_clean()?;
    // What was read from the primary was delivered and stored before the replica was read.
    assert_eq!(verdict.duplicates, 0, "{verdict}");
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

#[tokio::test]
async fn a_replica_that_lags_is_waited_for_and_then_read_without_a_gap() -> anyhow::Result<()> {
    let (mut world, replica) = pair().await?;
    let launch = world.launch()?.setting("source.hosts", &hosts(&[&replica]));
    let mut program = launch.start()?;
    records_grow(&world, 1).await?;
    replica.caught_up_with(&world.mysql).await?;
    // Nothing commits under this lock; the applier goes on as soon as it is let go.
    let mut lock = replica.conn().await?;
    lock.query_drop("FLUSH TABLES WITH READ LOCK").await?;
    world
        .mysql
        .exec("INSERT INTO shop.orders VALUES (1, 1, 'still on its way')")
        .await?;
    delivered(&program, &world.mysql).await?;
    let read = world.mysql.gtid_executed().await?;
    let (_, newest) = read.rsplit_once('-').unwrap_or_default();
    let sql =
        "SELECT received_transaction_set FROM performance_schema.replication_connection_status";
    let deadline = Deadline::after(WITHIN, "the relay log to have it");
    while !replica.query_value(sql).await?.ends_with(newest) {
        deadline.pause().await?;
    }
    world.mysql.kill()?;
    let lacks = format!(":{newest};");
    let words = [
        "lacks transactions that have been read",
        &lacks,
        "waiting for them",
    ];
    is_not_ready(&program, &words).await?;

    // The wait ends; a later start may wait longer.
    program.kill9()?;
    let impatient = launch.clone().setting("source.catch_up_secs", "1");
    says(&impatient.finish(WITHIN).await?, 1, &words[..2]);
    let mut program = launch.start()?;
    is_not_ready(&program, &words).await?;
    lock.disconnect().await?;
    program.wait_ready(WITHIN).await?;
    replica.promote().await?;
    replica
        .exec("INSERT INTO shop.orders VALUES (2, 2, 'on the new primary')")
        .await?;
    delivered(&program, &replica).await?;
    let finished = program.drain(WITHIN).await?;
    assert_eq!(finished.code(), Some(0), "{}", finished.text());
    judged(&world, &replica).await?.0.ensure_clean()
}

#[tokio::test]
async fn one_of_three_servers_is_always_read_without_a_restart_and_ids_stay_the_same()
-> anyhow::Result<()> {
    let (mut world, mut second, third, dead) = {
        let (world, second, third) =
            tokio::try_join!(World::new(2), MySql::start(), MySql::start())?;
        (world, second, third, Port::claim()?)
    };
    second.replica_of(&world.mysql).await?;
    third.replica_of(&world.mysql).await?;
    // The first in the list is down from the beginning.
    let port = |number: u16| format!(":{number}");
    let url = world
        .mysql
        .headwater_url()
        .replace(&port(world.mysql.port()), &port(dead.number()));
    let launch = world
        .launch()?
        .setting("source.url", &url)
        .setting("source.hosts", &hosts(&[&world.mysql, &second, &third]));
    let mut program = launch.start()?;
    let traffic = Traffic::start(&world.mysql);
    records_grow(&world, 10).await?;
    traffic.stop().await?;
    for replica in [&second, &third] {
        replica.caught_up_with(&world.mysql).await?;
    }

    world.mysql.kill()?;
    second.promote().await?;
    third.promote().await?;
    third.replica_of(&second).await?;
    let traffic = Traffic::start(&second);
    records_grow(&world, 10).await?;
    traffic.stop().await?;
    delivered(&program, &second).await?;

    // The old primary comes back as a replica; that changes nothing until it is needed.
    world.mysql.start_again().await?;
    world.mysql.replica_of(&second).await?;
    for replica in [&world.mysql, &third] {
        replica.caught_up_with(&second).await?;
    }
    second.kill()?;
    world.mysql.promote().await?;
    third.promote().await?;
    third.replica_of(&world.mysql).await?;
    let traffic = Traffic::start(&world.mysql);
    records_grow(&world, 10).await?;
    let before = judged_order(&world).await?;
    assert_eq!(before.duplicates, 0, "{before}");
    program.kill9()?;
    traffic.grows(10).await?;
    traffic.stop().await?;
    let program = launch.start()?;
    delivered(&program, &world.mysql).await?;
    let finished = program.drain(WITHIN).await?;
    assert_eq!(finished.code(), Some(0), "{}", finished.text());
    let (verdict, epochs) = judged(&world, &world.mysql).await?;
    verdict.ensure_clean()?;
    assert_eq!(epochs, ["00000001", "00000002", "00000003"]);
    Ok(())
}

/// The order of what has arrived so far, while there is still traffic.
async fn judged_order(world: &World) -> anyhow::Result<Verdict> {
    let mut judge = Judge::new();
    for record in world.records().await? {
        judge.read_record(&record)?;
    }
    Ok(judge.verdict())
}

#[tokio::test]
async fn a_server_of_another_group_is_passed_over_or_named() -> anyhow::Result<()> {
    let ((mut world, mut replica), stranger) = tokio::try_join!(pair(), MySql::start())?;
    stranger.exec("CREATE DATABASE elsewhere").await?;
    let mut program = world
        .launch()?
        .setting("source.hosts", &hosts(&[&stranger, &replica]))
        .start()?;
    let address = format!("127.0.0.1:{}", stranger.port());
    records_grow(&world, 1).await?;
    replica.caught_up_with(&world.mysql).await?;
    world.mysql.kill()?;
    let line = program.wait_for_line("host passed over", WITHIN).await?;
    assert!(!line.text.is_empty());
    program.wait_ready(WITHIN).await?;
    replica.promote().await?;
    replica
        .exec("INSERT INTO shop.orders VALUES (1, 1, 'on the replica')")
        .await?;
    delivered(&program, &replica).await?;
    let finished = program.drain(WITHIN).await?;
    says(&finished, 0, &[&address, "it may be of another group"]);
    judged(&world, &replica).await?.0.ensure_clean()?;

    replica.kill()?;
    let finished = world
        .launch()?
        .setting("source.hosts", &hosts(&[&stranger]))
        .finish(WITHIN)
        .await?;
    says(
        &finished,
        1,
        &[&address, "lacks transactions", "it may be of another group"],
    );
    Ok(())
}

/// The changes of `shop.orders` in order of arrival: number in `quantity`, id, seq.
async fn numbers(world: &World) -> anyhow::Result<Vec<(u64, String, String)>> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let lines = world.lines_of("shop.orders").await?.into_iter();
    let changes = lines.filter(|line| line["type"] != "ddl").map(|line| {
        let number = line["data"]["quantity"].as_u64().unwrap_or_default();
        (number, text(&line["id"]), text(&line["seq"]))
    });
    Ok(changes.collect())
}

#[tokio::test]
async fn seq_rises_over_failover_crash_failback_and_positions_that_are_set_and_cleared()
-> anyhow::Result<()> {
    let (world, other) = pair().await?;
    let first = &world.mysql;
    let mut number = 0;
    let mut write = async |server: &MySql, key: &str| -> anyhow::Result<()> {
        number += 1;
        let sql = format!(
            "INSERT INTO shop.orders VALUES ({key}, {number}, '') \
             ON DUPLICATE KEY UPDATE quantity = {number}"
        );
        server.exec(&sql).await
    };
    let of = async |server: &MySql| -> anyhow::Result<()> {
        let launch = world.launch()?;
        let launch = launch.setting("source.url", &server.headwater_url());
        let run = launch.arg("--until").arg("now").finish(WITHIN).await?;
        ensure!(run.code() == Some(0), "{}", run.text());
        Ok(())
    };
    let command = async |server: &MySql, arguments: &[&str]| -> anyhow::Result<()> {
        world.launch()?;
        let config = world.folder().join("headwater.toml");
        let text = std::fs::read_to_string(&config)?
            .replace(&first.headwater_url(), &server.headwater_url());
        std::fs::write(&config, text)?;
        let run = world.command(arguments).await?;
        ensure!(run.code() == Some(0), "{}", run.text());
        Ok(())
    };
    write(first, "1").await?;
    let (file, offset) = first.position().await?;
    write(first, "1").await?;
    of(first).await?;

    // Failover, then a crash there.
    other.caught_up_with(first).await?;
    other.promote().await?;
    first.replica_of(&other).await?;
    write(&other, "1").await?;
    let launch = world.launch()?;
    let mut program = launch
        .setting("source.url", &other.headwater_url())
        .start()?;
    delivered(&program, &other).await?;
    write(&other, "1").await?;
    program.kill9()?;
    write(&other, "1").await?;
    of(&other).await?;

    // Failback.
    first.caught_up_with(&other).await?;
    first.promote().await?;
    other.replica_of(first).await?;
    write(first, "1").await?;
    of(first).await?;

    // Back on the same log: the copies of this epoch are in order among themselves.
    command(first, &["position", "set", &format!("{file}:{offset}")]).await?;
    write(first, "1").await?;
    of(first).await?;
    // Onto another server and back.
    other.caught_up_with(first).await?;
    let set = first.gtid_executed().await?;
    write(first, "1").await?;
    other.caught_up_with(first).await?;
    command(&other, &["position", "set", &set]).await?;
    of(&other).await?;
    write(first, "1").await?;
    of(first).await?;
    command(first, &["position", "clear"]).await?;
    write(first, "1").await?;
    of(first).await?;
    // A log that begins anew under the same names.
    first
        .exec("STOP REPLICA; RESET BINARY LOGS AND GTIDS")
        .await?;
    write(first, "1").await?;
    command(first, &["position", "set", "binlog.000001:4"]).await?;
    of(first).await?;

    let (mut seen, mut last) = (HashSet::new(), (0, String::new()));
    let mut newest = std::collections::BTreeMap::new();
    for (number, id, seq) in numbers(&world).await? {
        if seen.insert(id) {
            assert!(
                last.0 < number && last.1 < seq,
                "{number} {seq} behind {last:?}"
            );
            last = (number, seq.clone());
        }
        let greatest = newest.entry(number).or_insert_with(String::new);
        *greatest = seq.max(std::mem::take(greatest));
    }
    assert_eq!(newest.len(), 11);
    // By the rule for consumers: of copies the greatest, then the greatest wins.
    assert!(newest.values().is_sorted(), "{newest:#?}");
    Ok(())
}
