//! What a healthy server sends.

use headwater::mysql::{MySqlSource, StartPlan, resolve_start};
use headwater_actors::ports::source::{Read, Source, bytes_between};
use headwater_binlog::{event::EventKind, position::Position};
use headwater_harness::mysql::MySql;

use crate::log::{Reading, definite, file_from, identity, plan, transient};

const TABLE: &str = "CREATE DATABASE d; CREATE TABLE d.t (id INT PRIMARY KEY, b LONGBLOB)";

#[tokio::test]
async fn the_stream_is_byte_for_byte_the_log_across_files_and_large_events() {
    let server = MySql::start().await.expect("a server");
    server.exec(TABLE).await.expect("a table");
    let (mut reading, start) = Reading::start(&plan(&server)).await;
    let sql = "INSERT INTO d.t VALUES (1, 'a'), (2, 'b');
        INSERT INTO d.t VALUES (3, REPEAT('x', 20 * 1024 * 1024));
        UPDATE d.t SET b = CONCAT(b, 'y') WHERE id = 3;
        FLUSH BINARY LOGS;
        DELETE FROM d.t WHERE id = 2";
    server.exec(sql).await.expect("changes");
    reading.until(EventKind::DeleteRows, 1).await;
    reading.until(EventKind::Xid, 4).await;

    let files = server.binlog_files().expect("files").len();
    let mut expected = file_from(&server, files - 2, start.resume.mark.position.offset);
    expected.extend(file_from(&server, files - 1, 4));
    let seen = reading.in_file();
    assert_eq!(seen.len(), expected.len());
    assert!(seen == expected, "the bytes differ");
}

#[tokio::test]
async fn a_compressed_transaction_passes_once_and_stays_compressed() {
    let server = MySql::start().await.expect("a server");
    server.exec(TABLE).await.expect("a table");
    let (mut reading, start) = Reading::start(&plan(&server)).await;
    let sql = "SET SESSION binlog_transaction_compression = ON;
        INSERT INTO d.t WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 900)
          SELECT i, REPEAT('x', 1000) FROM n;
        SET SESSION binlog_transaction_compression = OFF;
        DELETE FROM d.t WHERE id = 1";
    server.exec(sql).await.expect("changes");
    reading.until(EventKind::Xid, 1).await;

    assert_eq!(reading.count(EventKind::TransactionPayload), 1);
    assert_eq!(reading.count(EventKind::WriteRows), 0);
    let last = server.binlog_files().expect("files").len() - 1;
    assert!(reading.in_file() == file_from(&server, last, start.resume.mark.position.offset));
}

#[tokio::test]
async fn a_large_compressed_transaction_passes_in_parts_byte_for_byte_beyond_the_limit_of_an_event()
{
    let server = MySql::start().await.expect("a server");
    server.exec(TABLE).await.expect("a table");
    let mut small = plan(&server);
    small.event_bytes_max = 2 << 20;
    let (mut reading, start) = Reading::start(&small).await;
    // 40 MB of hexadecimal digits: 20 MB compressed, more than one packet.
    let sql = "SET SESSION binlog_transaction_compression = ON, cte_max_recursion_depth = 20000;
        INSERT INTO d.t WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 20000)
          SELECT i, HEX(RANDOM_BYTES(1000)) FROM n;
        SET SESSION binlog_transaction_compression = OFF;
        DELETE FROM d.t WHERE id = 1";
    server.exec(sql).await.expect("changes");
    reading.until(EventKind::Xid, 1).await;

    assert_eq!(reading.count(EventKind::TransactionPayload), 1);
    let payload = reading
        .seen
        .iter()
        .find(|seen| seen.header.kind == EventKind::TransactionPayload);
    assert!(payload.is_some_and(|payload| payload.bytes.len() > 17 << 20));
    assert!(
        reading.chunk_bytes_max < 1 << 20,
        "{}",
        reading.chunk_bytes_max
    );
    let last = server.binlog_files().expect("files").len() - 1;
    assert!(reading.in_file() == file_from(&server, last, start.resume.mark.position.offset));

    // A point behind it is found without holding it, one inside it is none.
    let mut at = small.clone();
    let end = resolve_start(&small, "source.start")
        .await
        .expect("a start")
        .resume
        .mark
        .position;
    at.start = StartPlan::At(end.clone());
    assert!(resolve_start(&at, "source.start").await.is_ok());
    at.start = StartPlan::At(Position::new(end.file, end.offset - 3));
    definite(resolve_start(&at, "source.start").await);
}

#[tokio::test]
async fn an_idle_server_sends_heartbeats_and_a_frozen_one_is_told_by_its_silence() {
    let mut server = MySql::start().await.expect("a server");
    let (mut reading, _) = Reading::start(&plan(&server)).await;
    reading.until(EventKind::Heartbeat, 2).await;
    assert_eq!(reading.read().await.ok(), Some(Read::Events));

    server.pause().expect("frozen");
    let failure = loop {
        if let Err(failure) = reading.read().await {
            break failure;
        }
    };
    server.resume().expect("thawed");
    let failure = transient::<()>(Err(failure));
    assert!(
        failure.to_string().contains("not even a heartbeat"),
        "{failure}"
    );
}

#[tokio::test]
async fn a_restarted_server_is_a_transient_failure_and_goes_on_where_it_was() {
    let mut server = MySql::start().await.expect("a server");
    server.exec(TABLE).await.expect("a table");
    let plan = plan(&server);
    let (mut reading, start) = Reading::start(&plan).await;
    let source = MySqlSource::new(plan.clone(), identity(&start));
    server
        .exec("INSERT INTO d.t VALUES (1, 'a')")
        .await
        .expect("a row");
    reading.until(EventKind::Xid, 1).await;

    server.kill().expect("killed");
    let failure = loop {
        if let Err(failure) = reading.read().await {
            break failure;
        }
    };
    transient::<()>(Err(failure));
    transient(source.open(start.resume.clone()).await);
    server.start_again().await.expect("again");

    server
        .exec("INSERT INTO d.t VALUES (2, 'b')")
        .await
        .expect("a row");
    let mut again = Reading::open(&source, start.resume.clone())
        .await
        .expect("a stream");
    again.until(EventKind::Xid, 2).await;
    let resumed = headwater::mysql::resume(&plan, start.home, &start.resume).await;
    assert_eq!(resumed.expect("the same place"), start);
}

#[tokio::test]
async fn the_head_is_as_far_away_as_the_bytes_that_are_still_to_come() {
    let server = MySql::start().await.expect("a server");
    server.exec(TABLE).await.expect("a table");
    let (mut reading, start) = Reading::start(&plan(&server)).await;
    let source = MySqlSource::new(plan(&server), identity(&start));
    let sql = "INSERT INTO d.t VALUES (1, 'a'); FLUSH BINARY LOGS; DELETE FROM d.t WHERE id = 1";
    server.exec(sql).await.expect("changes");
    for _ in 0..2 {
        let head = source.head().await.expect("a head");
        let (file, offset) = server.position().await.expect("a position");
        assert_eq!(head.position.to_string(), format!("{file}:{offset}"));
        reading.until(EventKind::Xid, 2).await;
        // The second file's four magic bytes are no event.
        let begin = &start.resume.mark.position;
        let ahead = bytes_between(&head.files, begin, &head.position);
        assert_eq!(ahead, reading.in_file().len() as u64 + 4);
    }
}

#[tokio::test]
async fn a_second_process_of_the_pipeline_takes_over_and_the_first_is_told() {
    let server = MySql::start().await.expect("a server");
    let plan = plan(&server);
    let (mut first, start) = Reading::start(&plan).await;
    first.until(EventKind::Heartbeat, 1).await;
    let source = MySqlSource::new(plan.clone(), identity(&start));
    let mut second = Reading::open(&source, start.resume.clone())
        .await
        .expect("a stream");
    second.until(EventKind::Heartbeat, 1).await;
    let failure = loop {
        if let Err(failure) = first.read().await {
            break failure;
        }
    };
    let failure = definite::<()>(Err(failure));
    assert!(failure.hint.expect("a hint").contains("taken over"));
}
