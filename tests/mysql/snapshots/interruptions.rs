//! Chunks that are broken off, and who waits for whom.

use std::{sync::Arc, time::Duration};

use headwater::mysql::SnapshotLimits;
use headwater_actors::{
    failure::Failure,
    ports::snapshot::{ChunkAnswer, ChunkAsk, Described, Sent, SnapshotSource},
};
use headwater_harness::{mysql::MySql, wait::Deadline};
use mysql_async::prelude::Queryable;
use tokio::task::JoinHandle;

use super::copies::{ask, chunk, copy, d, described, prepare, sent, snapshots, with_limits};

const WITHIN: Duration = Duration::from_secs(60);

async fn with_table(server: &MySql) {
    prepare(server).await;
    let sql = "CREATE TABLE d.t (n INT PRIMARY KEY, v INT); INSERT INTO d.t SELECT i, 1 FROM d.seq";
    server.exec(sql).await.expect("a table");
}

/// As a copy of `d.t` begins.
async fn begun(server: &MySql) -> (Sent, Arc<dyn SnapshotSource>, Described) {
    let now = sent(server).await;
    let source: Arc<dyn SnapshotSource> = Arc::new(snapshots(server).await);
    let seen = described(&*source, &now, &d("t")).await;
    (now, source, seen)
}

type Reading = JoinHandle<Result<ChunkAnswer, Failure>>;

/// Reads on another task, some milliseconds a row.
fn slowly(source: &Arc<dyn SnapshotSource>, ask: ChunkAsk, secs: f32) -> Reading {
    let ask = ChunkAsk {
        condition: Some(format!("SLEEP({secs}) = 0").into()),
        ..ask
    };
    tokio::spawn(source.read(ask))
}

/// The connection of the account that runs a statement with this in it.
async fn running(server: &MySql, part: &str) -> String {
    let deadline = Deadline::after(WITHIN, "a statement of ours");
    let sql = format!(
        "SELECT id FROM information_schema.processlist \
         WHERE user = 'headwater' AND info LIKE '%{part}%'"
    );
    loop {
        let rows = server.query_rows(&sql).await.expect("processes");
        if let Some(id) = rows.first().and_then(|row| row[0].clone()) {
            return id;
        }
        deadline.pause().await.expect("in time");
    }
}

#[tokio::test]
async fn a_killed_chunk_is_asked_for_again_and_comes_whole() {
    for server in [MySql::start().await, MySql::mariadb(&[]).await] {
        let server = server.expect("a server");
        with_table(&server).await;
        let (now, source, seen) = begun(&server).await;
        for kill in ["KILL QUERY", "KILL"] {
            let reading = slowly(&source, ask(&seen.description, &now, 1000), 0.05);
            let id = running(&server, "SLEEP").await;
            server.exec(&format!("{kill} {id}")).await.expect("killed");
            let failure = reading.await.expect("no panic").expect_err("killed");
            assert!(!failure.is_definite(), "{kill}: {failure}");
            assert!(kill != "KILL QUERY" || failure.is_mysql(1317), "{failure}");
            let again = chunk(&*source, ask(&seen.description, &now, 1000)).await;
            assert_eq!(again.rows, 1000);
        }
    }
}

#[tokio::test]
async fn a_server_that_ends_long_statements_does_not_end_ours() {
    let mysql = MySql::with(&["--max-execution-time=20"]).await;
    let mariadb = MySql::mariadb(&["--max-statement-time=0.02"]).await;
    let account = MySql::mariadb(&[]).await;
    for (server, limits_account) in [(mysql, false), (mariadb, false), (account, true)] {
        let server = server.expect("a server");
        server
            .exec("SET max_statement_time = 0")
            .await
            .or(server.exec("SET max_execution_time = 0").await)
            .expect("set");
        let sql = "CREATE DATABASE d; CREATE TABLE d.t (n INT PRIMARY KEY); \
            INSERT INTO d.t VALUES (1), (2), (3)";
        server.exec(sql).await.expect("a table");
        if limits_account {
            let limit = "ALTER USER 'headwater'@'%' WITH MAX_STATEMENT_TIME 0.02";
            server.exec(limit).await.expect("limited");
        }
        let (now, source, seen) = begun(&server).await;
        let reading = slowly(&source, ask(&seen.description, &now, 10), 0.05);
        match reading.await.expect("no panic") {
            Ok(ChunkAnswer::Read(chunk)) => assert_eq!(chunk.rows, 3),
            other => panic!("{other:?}"),
        }
    }
}

/// A lock that was waited for in vain, a deadlock, a statement that was ended, one that was out of time, a shutdown.
#[tokio::test]
async fn a_chunk_that_the_server_gives_up_in_its_middle_is_asked_for_again_and_comes_whole() {
    const FUNCTION: &str = "GRANT EXECUTE ON d.* TO 'headwater'@'%'; CREATE TABLE d.trouble (number INT PRIMARY KEY); \
        CREATE FUNCTION d.f(n INT) RETURNS INT READS SQL DATA BEGIN \
            DECLARE trouble INT; SELECT MAX(number) INTO trouble FROM d.trouble; \
            IF n = 900 AND trouble > 0 THEN \
                SIGNAL SQLSTATE '45000' SET MYSQL_ERRNO = trouble, MESSAGE_TEXT = 'planted'; \
            END IF; RETURN 0; END";
    for server in [MySql::start().await, MySql::mariadb(&[]).await] {
        let server = server.expect("a server");
        with_table(&server).await;
        server.exec(FUNCTION).await.expect("a function");
        let (now, source, seen) = begun(&server).await;
        let asked = || ChunkAsk {
            condition: Some("d.f(n) = 0".into()),
            ..ask(&seen.description, &now, 1000)
        };
        for number in [1205, 1213, 1317, 3024, 1053] {
            let plant = format!("DELETE FROM d.trouble; INSERT INTO d.trouble VALUES ({number})");
            server.exec(&plant).await.expect("planted");
            let failure = source.read(asked()).await.expect_err("planted");
            assert!(
                !failure.is_definite() && failure.is_mysql(number),
                "{failure}"
            );
            let end = "DELETE FROM d.trouble";
            server.exec(end).await.expect("over");
            assert_eq!(chunk(&*source, asked()).await.rows, 1000, "{number}");
        }
    }
}

#[tokio::test]
async fn a_statement_that_alters_the_table_waits_for_one_chunk_at_most() {
    for server in [MySql::start().await, MySql::mariadb(&[]).await] {
        let server = server.expect("a server");
        with_table(&server).await;
        let (now, source, seen) = begun(&server).await;
        copy(&*source, &now, &seen, 100).await;
        // Nothing is held between chunks: it need not wait at all.
        let alter = "SET lock_wait_timeout = 1; ALTER TABLE d.t ADD COLUMN w INT, ALGORITHM = COPY";
        server.exec(alter).await.expect("altered");
        let reading = slowly(&source, ask(&seen.description, &now, 20), 0.1);
        running(&server, "SLEEP").await;
        let alter = "SET lock_wait_timeout = 60; ALTER TABLE d.t DROP COLUMN v";
        server.exec(alter).await.expect("altered");
        match reading.await.expect("no panic") {
            Ok(ChunkAnswer::Read(chunk)) => assert_eq!(chunk.rows, 20),
            other => panic!("{other:?}"),
        }
        let next = source.read(ask(&seen.description, &now, 20)).await;
        assert_eq!(next.expect("an answer"), ChunkAnswer::Changed);
    }
}

#[tokio::test]
async fn a_table_that_is_locked_is_asked_for_again() {
    let server = MySql::start().await.expect("a server");
    with_table(&server).await;
    let (source, now) = (snapshots(&server).await, sent(&server).await);
    let seen = described(&source, &now, &d("t")).await;
    let mut conn = server.conn().await.expect("a connection");
    conn.query_drop("LOCK TABLES d.t WRITE")
        .await
        .expect("locked");
    let failure = source.read(ask(&seen.description, &now, 20)).await;
    let failure = failure.expect_err("locked");
    assert!(
        !failure.is_definite() && failure.is_mysql(1205),
        "{failure}"
    );
    conn.query_drop("UNLOCK TABLES").await.expect("unlocked");
    assert_eq!(
        chunk(&source, ask(&seen.description, &now, 20)).await.rows,
        20
    );
}

#[tokio::test]
async fn a_restarted_server_is_read_on() {
    let mut server = MySql::start().await.expect("a server");
    with_table(&server).await;
    let (source, now) = (snapshots(&server).await, sent(&server).await);
    let seen = described(&source, &now, &d("t")).await;
    assert_eq!(
        chunk(&source, ask(&seen.description, &now, 20)).await.rows,
        20
    );
    server.stop().await.expect("stopped");
    let failure = source.read(ask(&seen.description, &now, 20)).await;
    let failure = failure.expect_err("nobody answers");
    assert!(!failure.is_definite(), "{failure}");
    server.start_again().await.expect("started");
    assert_eq!(
        chunk(&source, ask(&seen.description, &now, 20)).await.rows,
        20
    );
}

#[tokio::test]
async fn another_server_in_its_place_is_not_read() {
    let (server, other) = (MySql::start().await, MySql::start().await);
    let (server, other) = (server.expect("a server"), other.expect("a server"));
    with_table(&other).await;
    let home = headwater::mysql::resolve_start(&crate::log::plan(&server), "source.start").await;
    let home = home.expect("a start").home.server_uuid;
    let source = headwater::mysql::MySqlSnapshots::new(
        crate::log::plan(&other),
        home,
        1,
        SnapshotLimits::default(),
    );
    let answer = super::copies::describe(&source, &sent(&other).await, &d("t")).await;
    let failure = answer.expect_err("another server");
    assert!(failure.to_string().contains(&home.to_string()), "{failure}");
}

#[tokio::test]
async fn a_busy_source_is_not_read() {
    let server = MySql::start().await.expect("a server");
    with_table(&server).await;
    let limits = SnapshotLimits {
        source_threads_running_max: 3,
        replica_lag_secs_max: 5,
    };
    let (source, now) = (with_limits(&server, limits).await, sent(&server).await);
    let seen = described(&source, &now, &d("t")).await;
    let mut statements = Vec::new();
    for _ in 0..5 {
        let mut conn = server.conn().await.expect("a connection");
        let statement = async move { conn.query_drop("SELECT SLEEP(600) AS busy").await };
        statements.push(tokio::spawn(statement));
    }
    let deadline = Deadline::after(WITHIN, "the statements to run");
    let reason = loop {
        match source.read(ask(&seen.description, &now, 20)).await {
            Ok(ChunkAnswer::Busy(reason)) => break reason,
            Ok(_) => deadline.pause().await.expect("in time"),
            Err(failure) => panic!("{failure}"),
        }
    };
    assert!(
        reason.contains("source_threads_running_max is 3"),
        "{reason}"
    );
    let sql =
        "SELECT id FROM information_schema.processlist WHERE info = 'SELECT SLEEP(600) AS busy'";
    for row in server.query_rows(sql).await.expect("processes") {
        let id = row[0].clone().expect("an id");
        server.exec(&format!("KILL {id}")).await.expect("killed");
    }
    let deadline = Deadline::after(WITHIN, "the source to be idle");
    while let Ok(ChunkAnswer::Busy(_)) = source.read(ask(&seen.description, &now, 20)).await {
        deadline.pause().await.expect("in time");
    }
    for statement in statements {
        statement.abort();
    }
}

#[tokio::test]
async fn a_replica_that_is_behind_its_source_is_not_read() {
    let mysql = (MySql::start().await, MySql::start().await);
    let mariadb = (MySql::mariadb(&[]).await, MySql::mariadb(&[]).await);
    for (server, replica) in [mysql, mariadb] {
        let (server, replica) = (server.expect("a server"), replica.expect("one"));
        with_table(&server).await;
        let sql = "CREATE TABLE d.o (n INT PRIMARY KEY)";
        server.exec(sql).await.expect("a table");
        replica.replica_of(&server).await.expect("replicates");
        replica.caught_up_with(&server).await.expect("caught up");
        if server
            .query_value("SELECT VERSION()")
            .await
            .expect("one")
            .contains("MariaDB")
        {
            let grant = "GRANT REPLICA MONITOR ON *.* TO 'headwater'@'%'";
            replica.exec(grant).await.expect("granted");
        }
        let limits = SnapshotLimits {
            source_threads_running_max: 0,
            replica_lag_secs_max: 50,
        };
        let (source, now) = (with_limits(&replica, limits).await, sent(&replica).await);
        let seen = described(&source, &now, &d("t")).await;
        let read = chunk(&source, ask(&seen.description, &now, 20)).await;
        assert_eq!(read.rows, 20);
        let mut lock = replica.conn().await.expect("a connection");
        let locked = lock.query_drop("LOCK TABLES d.o WRITE").await;
        locked.expect("locked");
        let sql = "SET timestamp = UNIX_TIMESTAMP() - 100; INSERT INTO d.o VALUES (1)";
        server.exec(sql).await.expect("written");
        let deadline = Deadline::after(WITHIN, "the replica to be behind");
        let reason = loop {
            match source.read(ask(&seen.description, &now, 20)).await {
                Ok(ChunkAnswer::Busy(reason)) => break reason,
                Ok(_) => deadline.pause().await.expect("in time"),
                Err(failure) => panic!("{failure}"),
            }
        };
        assert!(reason.contains("replica_lag_secs_max is 50"), "{reason}");
        let unlocked = lock.query_drop("UNLOCK TABLES").await;
        unlocked.expect("unlocked");
        replica.caught_up_with(&server).await.expect("caught up");
        let deadline = Deadline::after(WITHIN, "the replica to be read");
        while let Ok(ChunkAnswer::Busy(_)) = source.read(ask(&seen.description, &now, 20)).await {
            deadline.pause().await.expect("in time");
        }
    }
}
