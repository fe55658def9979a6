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
use headwater_harness::{
    mysql::{Held, MySql, Witness},
    wait::Deadline,
};

use super::copies::{ask, chunk, d, described, numbers, sent, snapshots};

const WITHIN: Duration = Duration::from_secs(60);
const TABLE: &str = "CREATE DATABASE d; CREATE TABLE d.t (k INT PRIMARY KEY, n INT); \
    INSERT INTO d.t VALUES (1, 10)";
/// Without GTIDs.
const OFF: [&str; 2] = ["--gtid-mode=OFF", "--enforce-gtid-consistency=OFF"];

async fn end_of_log(server: &MySql) -> Position {
    let (file, offset) = server.position().await.expect("a position");
    Position {
        file: FileName::parse(&file).expect("a name"),
        offset,
    }
}

/// A change that stands in the log, and is not committed while the replica stands still: what has been sent then.
async fn hold(server: &MySql, witness: &mut Witness) -> (Held, Sent) {
    let before = sent(server).await;
    let held = witness.hold(server, "UPDATE d.t SET n = 20", "SELECT n FROM d.t");
    let held = held.await.expect("held");
    let position = end_of_log(server).await;
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
    (held, Sent { position, gtids })
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
async fn sees_what_was_sent(server: MySql, statement: &str) {
    server.exec(TABLE).await.expect("a table");
    let mut witness = Witness::of(&server).await.expect("semi-synchronous");
    let source: Arc<dyn SnapshotSource> = Arc::new(snapshots(&server).await);
    let now = sent(&server).await;
    let seen = described(&*source, &now, &d("t")).await;
    let (held, sent) = hold(&server, &mut witness).await;
    let (reader, description) = (Arc::clone(&source), Arc::clone(&seen.description));
    let reading = tokio::spawn(async move { read(&*reader, &description, &sent).await });
    waits(&server, statement).await;
    assert!(!reading.is_finished(), "it has not waited");
    witness.let_go().expect("goes on");
    assert_eq!(reading.await.expect("no panic"), [20]);
    held.committed().await.expect("updated");
}

#[tokio::test]
async fn a_change_that_was_sent_before_its_commit_is_waited_for_by_gtid() {
    let server = MySql::start().await.expect("a server");
    sees_what_was_sent(server, "WAIT_FOR_EXECUTED_GTID_SET").await;
}

#[tokio::test]
async fn a_change_that_was_sent_before_its_commit_is_waited_for_by_a_lock() {
    let server = MySql::with(&OFF).await.expect("a server");
    let grant = "GRANT LOCK TABLES ON *.* TO 'headwater'@'%'";
    server.exec(grant).await.expect("granted");
    sees_what_was_sent(server, "LOCK TABLES").await;
}

#[tokio::test]
async fn a_consistent_snapshot_before_what_was_sent_is_not_read() {
    let server = MySql::mariadb(&[]).await.expect("a server");
    server.exec(TABLE).await.expect("a table");
    let mut witness = Witness::of(&server).await.expect("semi-synchronous");
    let source = snapshots(&server).await;
    let now = sent(&server).await;
    let seen = described(&source, &now, &d("t")).await;
    let (held, sent) = hold(&server, &mut witness).await;
    let failure = source.read(ask(&seen.description, &sent, 10)).await;
    let failure: Failure = failure.expect_err("not committed");
    assert_eq!(failure.class, Class::Transient, "{failure}");
    assert!(
        failure.to_string().contains(&sent.position.to_string()),
        "{failure}"
    );
    witness.let_go().expect("goes on");
    assert_eq!(read(&source, &seen.description, &sent).await, [20]);
    held.committed().await.expect("updated");
}

#[tokio::test]
async fn without_gtids_and_locks_time_passes_before_a_chunk() {
    let server = MySql::with(&OFF).await.expect("a server");
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
