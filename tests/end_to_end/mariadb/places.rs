//! Where a stream of MariaDB begins and goes on: starts, another server, what `check` says before.

use headwater_harness::{mysql::MySql, wait::Deadline};
use serde_json::Value;

use super::{Maria, in_order};
use crate::world::{WITHIN, delivered, says};

#[tokio::test]
async fn a_mariadb_replica_is_read_on_by_gtid() -> anyhow::Result<()> {
    let maria = Maria::new(&[]).await?;
    let replica = MySql::mariadb(&[]).await?;
    maria
        .server
        .exec("CREATE DATABASE shop; CREATE TABLE shop.a (id INT PRIMARY KEY); INSERT INTO shop.a VALUES (1)")
        .await?;
    replica.replica_of(&maria.server).await?;
    maria.catch_up().await?;
    maria.server.exec("INSERT INTO shop.a VALUES (2)").await?;
    replica.caught_up_with(&maria.server).await?;
    replica.promote().await?;
    replica.exec("INSERT INTO shop.a VALUES (3)").await?;
    let run = maria.run(&replica).await?;
    assert_eq!(run.code(), Some(0), "{}", run.text());
    let mut lines = maria.lines()?;
    in_order(&mut lines);
    let ids: Vec<_> = lines
        .iter()
        .filter_map(|line| line["data"]["id"].as_u64())
        .collect();
    assert_eq!(ids, [1, 2, 3]);
    let epochs: Vec<_> = lines
        .iter()
        .filter_map(|line| line["seq"].as_str()?.get(..8))
        .collect();
    assert_eq!(
        epochs,
        ["00000001", "00000001", "00000001", "00000002", "00000002"]
    );

    // The old server lacks what the new one has written.
    let run = maria.run(&maria.server).await?;
    says(&run, 1, &["lacks transactions that have been read: 0-"]);
    Ok(())
}

#[tokio::test]
async fn a_mariadb_primary_that_dies_is_followed_to_its_replica_without_a_restart()
-> anyhow::Result<()> {
    let mut maria = Maria::new(&[]).await?;
    let replica = MySql::mariadb(&[]).await?;
    replica.replica_of(&maria.server).await?;
    let hosts = format!("127.0.0.1:{}", replica.port());
    let program = maria
        .launch(&maria.server)?
        .setting("source.hosts", &hosts)
        .start()?;
    maria
        .server
        .exec("CREATE DATABASE shop; CREATE TABLE shop.a (id INT PRIMARY KEY); INSERT INTO shop.a VALUES (1)")
        .await?;
    delivered(&program, &maria.server).await?;
    replica.caught_up_with(&maria.server).await?;
    maria.server.kill()?;
    replica.promote().await?;
    replica.exec("INSERT INTO shop.a VALUES (2)").await?;
    delivered(&program, &replica).await?;
    assert_eq!(program.drain(WITHIN).await?.code(), Some(0));
    let mut lines = maria.lines()?;
    in_order(&mut lines);
    let told: Vec<_> = lines
        .iter()
        .filter_map(|line| {
            Some((
                line["data"]["id"].as_u64()?,
                line["seq"].as_str()?.get(..8)?,
            ))
        })
        .collect();
    assert_eq!(told, [(1, "00000001"), (2, "00000002")]);
    Ok(())
}

#[tokio::test]
async fn a_stream_of_mariadb_begins_where_it_is_told() -> anyhow::Result<()> {
    let maria = Maria::new(&[]).await?;
    let server = &maria.server;
    server
        .exec("CREATE DATABASE shop; CREATE TABLE shop.a (id INT PRIMARY KEY); INSERT INTO shop.a VALUES (1)")
        .await?;
    let set = server.gtid_executed().await?;
    let (file, offset) = server.position().await?;
    server
        .exec("INSERT INTO shop.a VALUES (2); FLUSH BINARY LOGS; INSERT INTO shop.a VALUES (3)")
        .await?;
    for (start, count) in [
        ("now".to_owned(), 0),
        (set.clone(), 2),
        (format!("{file}:{offset}"), 2),
        ("earliest".to_owned(), 5),
    ] {
        let before = maria.lines()?.len();
        let launch = maria.launch(server)?.setting("source.start", &start);
        let run = launch.arg("--until").arg("now").finish(WITHIN).await?;
        assert_eq!(run.code(), Some(0), "{start}: {}", run.text());
        assert_eq!(maria.lines()?.len() - before, count, "{start}");
        let shown = maria.command(&["position", "show", "--json"]).await?;
        let shown: Value = serde_json::from_str(&shown.stdout.concat())?;
        let executed = server.gtid_executed().await?;
        assert!(
            shown.to_string().contains(&executed),
            "{start}: {shown}, not {executed}"
        );
        maria.command(&["position", "clear"]).await?;
    }
    let inside = format!("{file}:{}", offset + 50);
    let run = maria
        .launch(server)?
        .setting("source.start", &inside)
        .finish(WITHIN)
        .await?;
    says(
        &run,
        1,
        &[
            "is not between two transactions",
            &format!("{file}:{offset}"),
        ],
    );

    // What is purged is missed, by GTID and by position.
    maria.command(&["position", "set", &set]).await?;
    let (last, _) = server.position().await?;
    // A file that a dump of ours has just left may still count as read.
    let deadline = Deadline::after(WITHIN, "the server to purge its first file");
    while server.query_rows("SHOW BINARY LOGS").await?.len() > 1 {
        server
            .exec(&format!("PURGE BINARY LOGS TO '{last}'"))
            .await?;
        deadline.pause().await?;
    }
    let run = maria.run(server).await?;
    says(&run, 1, &["has purged"]);
    maria.command(&["position", "clear"]).await?;
    let run = maria
        .launch(server)?
        .setting("source.start", &set)
        .finish(WITHIN)
        .await?;
    says(
        &run,
        1,
        &["source.start lacks transactions", "has purged: 0-"],
    );
    Ok(())
}

#[tokio::test]
async fn check_names_what_mariadb_lacks_in_mariadbs_words() -> anyhow::Result<()> {
    let maria = Maria::new(&[
        "--binlog-row-metadata=NO_LOG",
        "--binlog-format=MIXED",
        "--mysql56-temporal-format=OFF",
    ])
    .await?;
    let server = &maria.server;
    server.create_user("nobody", "pw", "SELECT").await?;
    server
        .exec("CREATE DATABASE shop; CREATE TABLE shop.old (id INT PRIMARY KEY, at DATETIME(3))")
        .await?;
    maria.launch(server)?;
    let run = maria.command(&["check"]).await?;
    says(
        &run,
        1,
        &[
            "MariaDB",
            "SET GLOBAL binlog_row_metadata = 'FULL', and the same in the server's option file",
            "SET GLOBAL binlog_format = 'ROW'",
            "always on in MariaDB",
            "gtid_strict_mode",
            "ALTER TABLE shop.old FORCE",
        ],
    );
    let config = maria.folder.path().join("headwater.toml");
    let text = std::fs::read_to_string(&config)?;
    std::fs::write(
        &config,
        text.replace(&server.headwater_url(), &server.url("nobody", "pw")),
    )?;
    let run = maria.command(&["check"]).await?;
    says(&run, 1, &["REPLICATION SLAVE", "GRANT"]);
    Ok(())
}

#[tokio::test]
async fn a_killed_program_goes_on_with_mariadb_and_loses_nothing() -> anyhow::Result<()> {
    let maria = Maria::new(&[]).await?;
    let server = &maria.server;
    server
        .exec("CREATE DATABASE shop; CREATE TABLE shop.a (id INT PRIMARY KEY, note VARCHAR(50))")
        .await?;
    for round in 0..3 {
        let mut program = maria.launch(server)?.start()?;
        for id in round * 40..round * 40 + 40 {
            server
                .exec(&format!("INSERT INTO shop.a VALUES ({id}, REPEAT('x', {id} % 50)); DELETE FROM shop.a WHERE id = {id} - 5"))
                .await?;
        }
        if round == 0 {
            program.kill9()?;
        } else {
            delivered(&program, server).await?;
            assert_eq!(program.drain(WITHIN).await?.code(), Some(0));
        }
    }
    let mut lines = maria.lines()?;
    in_order(&mut lines);
    lines.dedup_by(|one, other| one["id"] == other["id"]);
    let mut table = std::collections::BTreeSet::new();
    let mut inserts = 0;
    for line in &lines {
        let id = line["data"]["id"].as_u64().unwrap_or_default();
        match line["type"].as_str() {
            Some("insert") => {
                inserts += 1;
                assert!(table.insert(id), "{id} twice");
            }
            Some("delete") => assert!(table.remove(&id), "{id} was not there"),
            _ => {}
        }
    }
    assert_eq!(inserts, 120);
    let left = server
        .query_rows("SELECT id FROM shop.a ORDER BY id")
        .await?;
    let left: Vec<_> = left.into_iter().flatten().flatten().collect();
    let ours: Vec<_> = table.iter().map(ToString::to_string).collect();
    assert_eq!(ours, left);
    Ok(())
}
