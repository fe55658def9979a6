//! What the stream has sent is visible to the next chunk, also where commits stand still behind the log.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use headwater_actors::{
    failure::{Class, Failure},
    ports::snapshot::{ChunkAnswer, Sent, SnapshotSource},
};
use headwater_binlog::position::{FileName, Position};
use headwater_harness::{mysql::MySql, wait::Deadline};
use tokio::task::JoinHandle;

use super::copies::{ask, chunk, d, described, numbers, sent, snapshots};

const WITHIN: Duration = Duration::from_secs(60);
const TABLE: &str = "CREATE DATABASE d; CREATE TABLE d.t (k INT PRIMARY KEY, n INT); \
    INSERT INTO d.t VALUES (1, 10)";
const ON_SOURCE: &str = "INSTALL PLUGIN rpl_semi_sync_source SONAME 'semisync_source.so'; \
    SET GLOBAL rpl_semi_sync_source_enabled = ON, GLOBAL rpl_semi_sync_source_timeout = 3600000";
const ON_REPLICA: &str = "INSTALL PLUGIN rpl_semi_sync_replica SONAME 'semisync_replica.so'; \
    SET GLOBAL rpl_semi_sync_replica_enabled = ON";
const MARIADB_SOURCE: &str = "SET GLOBAL rpl_semi_sync_master_enabled = ON; \
    SET GLOBAL rpl_semi_sync_master_timeout = 3600000; \
    SET GLOBAL rpl_semi_sync_master_wait_point = AFTER_SYNC";
const MARIADB_REPLICA: &str = "SET GLOBAL rpl_semi_sync_slave_enabled = ON";

async fn end_of_log(server: &MySql) -> Position {
    let (file, offset) = server.position().await.expect("a position");
    Position {
        file: FileName::parse(&file).expect("a name"),
        offset,
    }
}

/// A change that stands in the log, and is not committed while the replica stands still.
struct Held {
    sent: Sent,
    update: JoinHandle<anyhow::Result<()>>,
}

async fn hold(server: &Arc<MySql>, replica: &mut MySql) -> Held {
    let before = sent(server).await;
    replica.pause().expect("paused");
    let source = Arc::clone(server);
    let update = tokio::spawn(async move { source.exec("UPDATE d.t SET n = 20").await });
    let deadline = Deadline::after(WITHIN, "the change to be in the log");
    let position = loop {
        let position = end_of_log(server).await;
        if position != before.position {
            break position;
        }
        deadline.pause().await.expect("in time");
    };
    let mut gtids = before.gtids.clone();
    let next = before.gtids.intervals().next().map(|(source, intervals)| {
        let last = intervals.last().expect("an interval").1;
        (source.clone(), last + 1)
    });
    if let Some((source, number)) = next {
        gtids
            .add_range(&source, number, number)
            .expect("the next one");
    }
    let seen = server.query_value("SELECT n FROM d.t").await;
    assert_eq!(
        seen.expect("a row"),
        "10",
        "the commit does not stand still"
    );
    assert!(!update.is_finished());
    Held {
        sent: Sent { position, gtids },
        update,
    }
}

/// As the pipeline would: asks again until there is an answer.
async fn read(
    source: &dyn SnapshotSource,
    description: &Arc<headwater_actors::ports::snapshot::Description>,
    sent: &Sent,
) -> Vec<i64> {
    let deadline = Deadline::after(WITHIN, "a chunk");
    loop {
        match source.read(ask(description, sent, 10)).await {
            Ok(ChunkAnswer::Read(chunk)) => return numbers(description, &chunk),
            Err(failure) if failure.class == Class::Transient => {
                deadline.pause().await.expect("in time");
            }
            other => panic!("{other:?}"),
        }
    }
}

async fn waits(server: &MySql, statement: &str) {
    let deadline = Deadline::after(WITHIN, "a chunk that waits");
    let sql = format!(
        "SELECT id FROM information_schema.processlist \
         WHERE user = 'headwater' AND info LIKE '%{statement}%'"
    );
    while server.query_rows(&sql).await.expect("rows").is_empty() {
        deadline.pause().await.expect("in time");
    }
}

/// While the replica stands still the chunk waits with this statement; then it has the new value.
async fn sees_what_was_sent(server: MySql, mut replica: MySql, statement: &str) {
    let server = Arc::new(server);
    let source: Arc<dyn SnapshotSource> = Arc::new(snapshots(&server).await);
    let now = sent(&server).await;
    let seen = described(&*source, &now, &d("t")).await;
    let held = hold(&server, &mut replica).await;
    let (reader, sent) = (Arc::clone(&source), held.sent.clone());
    let description = Arc::clone(&seen.description);
    let reading = tokio::spawn(async move { read(&*reader, &description, &sent).await });
    waits(&server, statement).await;
    assert!(!reading.is_finished(), "it has not waited");
    replica.resume().expect("goes on");
    assert_eq!(reading.await.expect("no panic"), [20]);
    held.update.await.expect("no panic").expect("updated");
}

#[tokio::test]
async fn a_change_that_was_sent_before_its_commit_is_waited_for_by_gtid() {
    let (server, replica) = (MySql::start(), MySql::start());
    let (server, replica) = (server.await.expect("a server"), replica.await.expect("one"));
    server.exec(ON_SOURCE).await.expect("semi-synchronous");
    replica.exec(ON_REPLICA).await.expect("semi-synchronous");
    replica.replica_of(&server).await.expect("replicates");
    server.exec(TABLE).await.expect("a table");
    sees_what_was_sent(server, replica, "WAIT_FOR_EXECUTED_GTID_SET").await;
}

#[tokio::test]
async fn a_change_that_was_sent_before_its_commit_is_waited_for_by_a_lock() {
    const OFF: [&str; 2] = ["--gtid-mode=OFF", "--enforce-gtid-consistency=OFF"];
    let (server, replica) = (MySql::with(&OFF), MySql::with(&OFF));
    let (server, replica) = (server.await.expect("a server"), replica.await.expect("one"));
    server
        .exec(&format!(
            "GRANT LOCK TABLES ON *.* TO 'headwater'@'%'; {TABLE}; {ON_SOURCE}"
        ))
        .await
        .expect("semi-synchronous");
    let (file, offset) = server.position().await.expect("a position");
    let port = server.port();
    replica
        .exec(&format!(
            "{ON_REPLICA}; {TABLE}; CHANGE REPLICATION SOURCE TO SOURCE_HOST='127.0.0.1', \
             SOURCE_PORT={port}, SOURCE_USER='root', SOURCE_LOG_FILE='{file}', \
             SOURCE_LOG_POS={offset}, GET_SOURCE_PUBLIC_KEY=1; START REPLICA"
        ))
        .await
        .expect("replicates");
    let deadline = Deadline::after(WITHIN, "a semi-synchronous replica");
    let status = "SHOW GLOBAL STATUS LIKE 'Rpl_semi_sync_source_clients'";
    while server.query_rows(status).await.expect("a status")[0][1].as_deref() != Some("1") {
        deadline.pause().await.expect("in time");
    }
    sees_what_was_sent(server, replica, "LOCK TABLES").await;
}

#[tokio::test]
async fn a_consistent_snapshot_before_what_was_sent_is_not_read() {
    let (server, mut replica) = (
        MySql::mariadb(&[]).await.expect("a server"),
        MySql::mariadb(&[]).await.expect("one"),
    );
    server.exec(MARIADB_SOURCE).await.expect("semi-synchronous");
    replica
        .exec(MARIADB_REPLICA)
        .await
        .expect("semi-synchronous");
    replica.replica_of(&server).await.expect("replicates");
    server.exec(TABLE).await.expect("a table");
    let server = Arc::new(server);
    let source = snapshots(&server).await;
    let now = sent(&server).await;
    let seen = described(&source, &now, &d("t")).await;
    let held = hold(&server, &mut replica).await;
    let failure = source.read(ask(&seen.description, &held.sent, 10)).await;
    let failure: Failure = failure.expect_err("not committed");
    assert_eq!(failure.class, Class::Transient, "{failure}");
    assert!(
        failure
            .to_string()
            .contains(&held.sent.position.to_string()),
        "{failure}"
    );
    replica.resume().expect("goes on");
    assert_eq!(read(&source, &seen.description, &held.sent).await, [20]);
    held.update.await.expect("no panic").expect("updated");
}

#[tokio::test]
async fn without_gtids_and_locks_time_passes_before_a_chunk() {
    let server = MySql::with(&["--gtid-mode=OFF", "--enforce-gtid-consistency=OFF"]).await;
    let server = server.expect("a server");
    server.exec(TABLE).await.expect("a table");
    let (source, now) = (snapshots(&server).await, sent(&server).await);
    let seen = described(&source, &now, &d("t")).await;
    let begun = Instant::now();
    let read = chunk(&source, ask(&seen.description, &now, 10)).await;
    assert!(begun.elapsed() >= Duration::from_secs(2));
    assert_eq!(numbers(&seen.description, &read), [10]);
}

#[tokio::test]
async fn the_end_of_the_log_lies_behind_all_that_was_seen() {
    for server in [MySql::start().await, MySql::mariadb(&[]).await] {
        let mut server = server.expect("a server");
        server.exec(TABLE).await.expect("a table");
        let (source, before) = (snapshots(&server).await, sent(&server).await);
        let seen = described(&source, &before, &d("t")).await;
        for change in [
            "UPDATE d.t SET n = n + 1",
            "CREATE TABLE d.other (n INT PRIMARY KEY)",
            "FLUSH BINARY LOGS",
            "UPDATE d.t SET n = n + 1",
        ] {
            server.exec(change).await.expect("changed");
            let read = chunk(&source, ask(&seen.description, &before, 10)).await;
            assert_eq!(read.end, end_of_log(&server).await, "{change}");
            // Where nothing has changed since, both marks are one place.
            let now = sent(&server).await;
            let read = chunk(&source, ask(&seen.description, &now, 10)).await;
            assert_eq!(read.end, now.position, "{change}");
        }
        server.stop().await.expect("stopped");
        server.start_again().await.expect("started");
        let now = sent(&server).await;
        let read = chunk(&source, ask(&seen.description, &now, 10)).await;
        assert_eq!(read.end, now.position);
        assert_eq!(numbers(&seen.description, &read), [12]);
    }
}

#[tokio::test]
async fn a_replica_is_copied_from_itself() {
    let (server, replica) = (MySql::start(), MySql::with(&["--log-replica-updates=ON"]));
    let (server, replica) = (server.await.expect("a server"), replica.await.expect("one"));
    server.exec(TABLE).await.expect("a table");
    replica.replica_of(&server).await.expect("replicates");
    replica.caught_up_with(&server).await.expect("caught up");
    let (source, now) = (snapshots(&replica).await, sent(&replica).await);
    let seen = described(&source, &now, &d("t")).await;
    server.exec("UPDATE d.t SET n = 30").await.expect("changed");
    replica.caught_up_with(&server).await.expect("caught up");
    let read = chunk(&source, ask(&seen.description, &sent(&replica).await, 10)).await;
    assert_eq!(numbers(&seen.description, &read), [30]);
    assert_eq!(read.end, end_of_log(&replica).await);
}
