//! What MariaDB logs and takes back: rows in front of a ROLLBACK, rows in front of a ROLLBACK TO, rows that a crashed
//! server did not get to end. None of them is a change.

use std::{collections::BTreeMap, path::Path};

use anyhow::Context;
use headwater_harness::{
    mysql::MySql,
    program::{Finished, Launch, Program},
    wait::Deadline,
};
use serde_json::Value;

use super::{Maria, in_order};
use crate::world::{BINARY, WITHIN, says};

const TABLES: &str = "CREATE DATABASE shop; \
    CREATE TABLE shop.acc (id INT PRIMARY KEY, v INT); \
    CREATE TABLE shop.log (id INT PRIMARY KEY, v INT) ENGINE=MyISAM; \
    CREATE TABLE shop.aria (id INT PRIMARY KEY, v INT) ENGINE=Aria; \
    CREATE TABLE shop.mem (id INT PRIMARY KEY, v INT) ENGINE=MEMORY; \
    CREATE PROCEDURE shop.fails() BEGIN \
      DECLARE EXIT HANDLER FOR SQLEXCEPTION BEGIN ROLLBACK; END; \
      START TRANSACTION; INSERT INTO shop.acc VALUES (70, 1); CREATE TEMPORARY TABLE shop.p (a INT); \
      INSERT INTO shop.acc VALUES (70, 2); COMMIT; END; \
    INSERT INTO shop.acc VALUES (1, 100)";

/// Each in a session of its own; the first two are the shortest of their kind.
const SESSIONS: [&str; 13] = [
    "BEGIN; UPDATE shop.acc SET v = 0; CREATE TEMPORARY TABLE shop.w (a INT); DELETE FROM shop.acc; ROLLBACK",
    "BEGIN; INSERT INTO shop.acc VALUES (11, 1); SAVEPOINT a; INSERT INTO shop.acc VALUES (12, 1); \
     CREATE TEMPORARY TABLE shop.w (a INT); ROLLBACK TO a; INSERT INTO shop.acc VALUES (13, 1); COMMIT",
    // The server rolls back for a client that has gone.
    "BEGIN; INSERT INTO shop.acc VALUES (21, 1); CREATE TEMPORARY TABLE shop.w (a INT); \
     INSERT INTO shop.acc VALUES (22, 1)",
    "CALL shop.fails()",
    // What cannot roll back stays; no temporary table is needed then for a rollback to a savepoint.
    "BEGIN; INSERT INTO shop.acc VALUES (31, 1); SAVEPOINT a; INSERT INTO shop.acc VALUES (32, 1); \
     INSERT INTO shop.log VALUES (1, 1); INSERT INTO shop.aria VALUES (1, 1); INSERT INTO shop.mem VALUES (1, 1); \
     ROLLBACK TO a; UPDATE shop.log SET v = 2; INSERT INTO shop.acc VALUES (33, 1); COMMIT",
    "BEGIN; INSERT INTO shop.acc VALUES (41, 1); CREATE TEMPORARY TABLE shop.w (a INT); \
     INSERT INTO shop.log VALUES (2, 1); INSERT INTO shop.aria VALUES (2, 1); ROLLBACK",
    // Nested, set again, another case, quoted.
    "BEGIN; CREATE TEMPORARY TABLE shop.w (a INT); INSERT INTO shop.acc VALUES (51, 1); SAVEPOINT A; \
     INSERT INTO shop.acc VALUES (52, 1); SAVEPOINT `b``x`; INSERT INTO shop.acc VALUES (53, 1); \
     ROLLBACK WORK TO SAVEPOINT `B``X`; INSERT INTO shop.acc VALUES (54, 1); RELEASE SAVEPOINT `b``x`; \
     SAVEPOINT a; DELETE FROM shop.acc; ROLLBACK TO a; UPDATE shop.acc SET v = v + 1; COMMIT",
    "SET sql_mode = 'ANSI_QUOTES'; BEGIN; INSERT INTO shop.acc VALUES (55, 1); SAVEPOINT é; \
     CREATE TEMPORARY TABLE shop.w (a INT); INSERT INTO shop.acc VALUES (56, 1); ROLLBACK TO \"e\"; COMMIT",
    // A savepoint in front of the first row is not logged: the server rolls all of it back.
    "BEGIN; SAVEPOINT a; INSERT INTO shop.acc VALUES (61, 1); CREATE TEMPORARY TABLE shop.w (a INT); \
     ROLLBACK TO a; INSERT INTO shop.acc VALUES (62, 1); COMMIT",
    "XA START 'x'; INSERT INTO shop.acc VALUES (71, 1); CREATE TEMPORARY TABLE shop.w (a INT); XA END 'x'; \
     XA ROLLBACK 'x'",
    "XA START 'y'; INSERT INTO shop.acc VALUES (81, 1); SAVEPOINT a; CREATE TEMPORARY TABLE shop.w (a INT); \
     INSERT INTO shop.acc VALUES (82, 1); ROLLBACK TO a; INSERT INTO shop.acc VALUES (83, 1); XA END 'y'; \
     XA PREPARE 'y'; XA COMMIT 'y'",
    // A statement that fails is rolled back alone, and not logged.
    "SET SESSION binlog_format = MIXED; BEGIN; INSERT INTO shop.acc SELECT 91, LENGTH(UUID()); \
     CREATE TEMPORARY TABLE shop.w (a INT); INSERT INTO shop.acc SELECT 92, LENGTH(UUID()); ROLLBACK",
    "INSERT INTO shop.acc VALUES (99, 1)",
];

async fn all_sessions(server: &MySql) -> anyhow::Result<()> {
    server.exec(TABLES).await?;
    for session in SESSIONS {
        server.exec(session).await?;
    }
    // The rollback of a client that has gone is the server's own, in its own time.
    let deadline = Deadline::after(WITHIN, "the sessions to be gone");
    let sessions = "SELECT COUNT(*) FROM information_schema.processlist \
                    WHERE user = 'root' AND command <> 'Binlog Dump'";
    while server.query_value(sessions).await? != "1" {
        deadline.pause().await?;
    }
    Ok(())
}

type Contents = BTreeMap<(String, i64), i64>;

/// What the lines leave behind, in the order of `seq`.
fn applied(lines: &[Value]) -> Contents {
    let mut contents = Contents::new();
    for line in lines {
        let key = |of: &Value| of["id"].as_i64().unwrap_or_default();
        let table = line["table"].as_str().unwrap_or_default().to_owned();
        let at = (table, key(&line["key"]));
        match line["type"].as_str() {
            Some("insert" | "update") => {
                contents.insert(at, line["data"]["v"].as_i64().unwrap_or_default());
            }
            Some("delete") => {
                contents.remove(&at);
            }
            _ => (),
        }
    }
    contents
}

/// What the tables hold.
async fn held(server: &MySql) -> anyhow::Result<Contents> {
    let mut contents = Contents::new();
    for table in ["acc", "log", "aria", "mem"] {
        let sql = format!("SELECT id, v FROM shop.{table}");
        for row in server.query_rows(&sql).await? {
            let number = |index: usize| row[index].as_deref().unwrap_or_default().parse::<i64>();
            contents.insert((table.to_owned(), number(0)?), number(1)?);
        }
    }
    Ok(contents)
}

#[tokio::test]
async fn only_what_was_committed_is_sent_and_what_cannot_roll_back() -> anyhow::Result<()> {
    let maria = Maria::new(&["--max-session-mem-used=1073741824"]).await?;
    all_sessions(&maria.server).await?;
    let lines = maria.catch_up().await?;
    assert_eq!(applied(&lines), held(&maria.server).await?);
    // Nothing was sent and taken back by lines of its own.
    let deletes = lines.iter().filter(|line| line["type"] == "delete");
    assert_eq!(deletes.count(), 0);
    let updates = lines.iter().filter(|line| line["type"] == "update");
    let updates: Vec<_> = updates.map(|line| line["table"].to_string()).collect();
    assert_eq!(updates.len(), 9, "{updates:?}");
    // Rows that do not count have no number: 11 and 13.
    let number = |id: i64| {
        let line = lines.iter().find(|line| line["key"]["id"] == id);
        let id = line.and_then(|line| line["id"].as_str());
        id.and_then(|id| id.split_once('/'))
            .map(|(_, number)| number.to_owned())
    };
    assert_eq!(
        (number(11), number(13)),
        (Some("0".into()), Some("1".into()))
    );
    assert!(maria.catch_up().await?.is_empty());

    // The same from its file.
    let files = maria.server.binlog_files()?;
    let file = files[0].display().to_string();
    let before = lines.len();
    let run = maria.command(&["replay", &file]).await?;
    assert_eq!(run.code(), Some(0), "{}", run.text());
    let mut replayed = maria.lines()?.split_off(before);
    in_order(&mut replayed);
    assert_eq!(replayed, lines);
    Ok(())
}

#[tokio::test]
async fn a_table_that_is_left_out_does_not_halt_at_its_rollbacks() -> anyhow::Result<()> {
    let maria = Maria::new(&[]).await?;
    all_sessions(&maria.server).await?;
    let launch = maria.launch(&maria.server)?;
    let launch = launch.setting("source.tables", "*.*,!shop.acc");
    let run = launch.arg("--until").arg("now").finish(WITHIN).await?;
    assert_eq!(run.code(), Some(0), "{}", run.text());
    let mut left = held(&maria.server).await?;
    left.retain(|(table, _), _| table != "acc");
    let mut lines = maria.lines()?;
    in_order(&mut lines);
    assert_eq!(applied(&lines), left);
    Ok(())
}

#[tokio::test]
async fn a_commit_in_maxwell_s_format_is_a_commit_and_debezium_s_rows_are_the_same()
-> anyhow::Result<()> {
    let maria = Maria::new(&[]).await?;
    all_sessions(&maria.server).await?;
    let mut ids = Vec::new();
    for format in ["maxwell", "debezium"] {
        let folder = tempfile::tempdir()?;
        let config = format!(
            "[source]\nurl = \"{}\"\nstart = \"earliest\"\ntables = [\"shop.acc\"]\n[sink]\ntype = \"file\"\n\
             [sink.file]\npath = \"changes.jsonl\"\n[format]\ntype = \"{format}\"\n",
            maria.server.headwater_url()
        );
        let launch = Launch::run(BINARY, folder.path(), &config)?;
        let run = launch.arg("--until").arg("now").finish(WITHIN).await?;
        assert_eq!(run.code(), Some(0), "{}", run.text());
        let lines = lines_of(&folder.path().join("changes.jsonl"))?;
        let inserted: Vec<_> = lines
            .iter()
            .filter_map(|line| match format {
                "maxwell" => (line["type"] == "insert").then(|| line["data"]["id"].as_i64()),
                _ => (line["payload"]["op"] == "c" || line["op"] == "c").then(|| {
                    let payload = line.get("payload").unwrap_or(line);
                    payload["after"]["id"].as_i64()
                }),
            })
            .flatten()
            .collect();
        if format == "maxwell" {
            // The last line of each transaction, and no line in front of a rollback.
            let ends = lines.iter().filter(|line| line["commit"] == true);
            let ends: Vec<_> = ends
                .filter_map(|line| line["data"]["id"].as_i64())
                .collect();
            for id in [1, 13, 33, 55, 62, 83, 99] {
                assert!(ends.contains(&id), "{id}: {ends:?}");
            }
            assert!(!ends.contains(&11), "{ends:?}");
        }
        ids.push(inserted);
    }
    let expected = [1, 11, 13, 31, 33, 51, 52, 54, 55, 62, 81, 83, 99];
    for mut inserted in ids {
        inserted.sort_unstable();
        assert_eq!(inserted, expected);
    }
    Ok(())
}

fn lines_of(path: &Path) -> anyhow::Result<Vec<Value>> {
    let text = std::fs::read_to_string(path).with_context(|| path.display().to_string())?;
    text.lines()
        .map(|line| serde_json::from_str(line).context("read a line"))
        .collect()
}

/// Rows of 4 kB each.
const GIANT_ROWS: i64 = 20_000;
/// `small` above what the transaction has, with all that the program needs beside the budget.
const PEAK_KIB: u64 = 100 * 1024;

#[tokio::test]
async fn a_transaction_larger_than_memory_is_sent_if_it_was_committed_also_through_kills()
-> anyhow::Result<()> {
    let maria = Maria::new(&["--max-binlog-size=1073741824"]).await?;
    let fill = |from: i64| {
        let last = from + GIANT_ROWS - 1;
        format!("INSERT INTO shop.big SELECT seq, REPEAT('x', 4000) FROM shop.seq_{from}_to_{last}")
    };
    let server = &maria.server;
    server
        .exec("CREATE DATABASE shop; CREATE TABLE shop.big (id INT PRIMARY KEY, note TEXT)")
        .await?;
    // 80 MB that are taken back, then 80 MB of which the half is.
    server
        .exec(&format!(
            "BEGIN; {}; CREATE TEMPORARY TABLE shop.w (a INT); ROLLBACK",
            fill(1)
        ))
        .await?;
    server
        .exec(&format!(
            "BEGIN; {}; SAVEPOINT a; {}; CREATE TEMPORARY TABLE shop.w (a INT); ROLLBACK TO a; \
             INSERT INTO shop.big VALUES (7, 'seven'); COMMIT",
            fill(1_000_001),
            fill(2_000_001),
        ))
        .await?;
    let launch = |faults: &str| -> anyhow::Result<Launch> {
        let launch = maria.launch(server)?;
        Ok(launch
            .setting("native.fields", "id,seq,key")
            .setting("columns.include", "shop.big.id")
            .setting("memory.budget_bytes", "16777216")
            .env("HEADWATER_FAULTS", faults))
    };
    // In the middle of the one that is committed.
    for (round, send) in [40, 60].into_iter().enumerate() {
        let before = maria.lines()?.len();
        let mut program = launch(&format!("reader.send=stop@{send}"))?.start()?;
        lines_are(&program, &maria, before + 2000).await?;
        let ahead = program
            .metric("headwater_source_read_ahead_total", &[])
            .await;
        let expected = if round == 0 { 2.0 } else { 1.0 };
        assert_eq!(ahead?, Some(expected), "the one behind is not read again");
        program.kill9()?;
    }
    let program = launch("")?.start()?;
    server
        .exec("INSERT INTO shop.big VALUES (8, 'eight')")
        .await?;
    ends_with(&program, &maria, 8).await?;
    let peak = program.peak_rss_kib()?;
    let finished: Finished = program.drain(WITHIN).await?;
    assert_eq!(finished.code(), Some(0), "{}", finished.text());
    assert!(peak < PEAK_KIB, "{peak} KiB");

    let mut lines = maria.lines()?;
    in_order(&mut lines);
    lines.dedup_by(|one, other| one["seq"] == other["seq"]);
    let rows = lines.iter().filter(|line| line["type"] == "insert");
    let ids: Vec<_> = rows.filter_map(|line| line["key"]["id"].as_i64()).collect();
    let expected = (1_000_001..1_000_001 + GIANT_ROWS).chain([7, 8]);
    assert!(ids.iter().copied().eq(expected), "{} rows", ids.len());
    Ok(())
}

async fn lines_are(program: &Program, maria: &Maria, least: usize) -> anyhow::Result<()> {
    let deadline = Deadline::after(WITHIN, format!("{least} lines"));
    loop {
        let lines = maria.lines()?.len();
        if least <= lines {
            return Ok(());
        }
        let pause = deadline.pause().await;
        pause.with_context(|| format!("{lines} are there; it says: {}", program.tail()))?;
    }
}

/// Until the row with this id has arrived.
async fn ends_with(program: &Program, maria: &Maria, id: i64) -> anyhow::Result<()> {
    let deadline = Deadline::after(WITHIN * 3, format!("row {id}"));
    loop {
        let lines = maria.lines()?;
        if lines.iter().any(|line| line["key"]["id"] == id) {
            return Ok(());
        }
        let pause = deadline.pause().await;
        pause.with_context(|| program.tail())?;
    }
}

#[tokio::test]
async fn a_large_xa_transaction_loses_what_was_rolled_back_to_a_savepoint() -> anyhow::Result<()> {
    let maria = Maria::new(&[]).await?;
    let fill = |from: u32, last: u32| {
        format!("INSERT INTO shop.big SELECT seq, REPEAT('x', 4000) FROM shop.seq_{from}_to_{last}")
    };
    let sql = format!(
        "CREATE DATABASE shop; CREATE TABLE shop.big (id INT PRIMARY KEY, note TEXT); \
         XA START 'x'; {}; SAVEPOINT a; {}; CREATE TEMPORARY TABLE shop.w (a INT); ROLLBACK TO a; {}; \
         XA END 'x'; XA PREPARE 'x'; XA COMMIT 'x'",
        fill(1, 200),
        fill(201, 400),
        fill(401, 600)
    );
    maria.server.exec(&sql).await?;
    let lines = maria.catch_up().await?;
    let rows = lines.iter().filter(|line| line["type"] == "insert");
    let ids: Vec<_> = rows.filter_map(|line| line["key"]["id"].as_u64()).collect();
    assert!(
        ids.iter().copied().eq((1..=200).chain(401..=600)),
        "{ids:?}"
    );
    Ok(())
}

#[tokio::test]
async fn changes_have_the_same_ids_on_a_replica() -> anyhow::Result<()> {
    let maria = Maria::new(&[]).await?;
    let replica = Maria::new(&[]).await?;
    replica.server.replica_of(&maria.server).await?;
    all_sessions(&maria.server).await?;
    replica.server.caught_up_with(&maria.server).await?;
    let ids = |lines: Vec<Value>| -> Vec<_> {
        let rows = lines.into_iter().filter(|line| line["type"] != "ddl");
        rows.map(|line| line["id"].to_string()).collect()
    };
    let ours = ids(maria.catch_up().await?);
    assert!(!ours.is_empty());
    assert_eq!(ids(replica.catch_up().await?), ours);
    Ok(())
}

/// Where the events of a file begin, and their kinds.
fn events(log: &[u8]) -> Vec<(usize, u8)> {
    let (mut events, mut at) = (Vec::new(), 4);
    while let Some(header) = log.get(at..at + 19) {
        events.push((at, header[4]));
        let length = header[9..13].try_into().map(u32::from_le_bytes);
        at += length.unwrap_or_default().max(19) as usize;
    }
    events
}

#[tokio::test]
async fn a_transaction_that_a_crash_left_open_is_not_sent_by_a_server_or_from_a_file()
-> anyhow::Result<()> {
    let mut maria = Maria::new(&[]).await?;
    let server = &mut maria.server;
    server
        .exec(
            "CREATE DATABASE shop; CREATE TABLE shop.acc (id INT PRIMARY KEY, v INT); \
             INSERT INTO shop.acc VALUES (1, 1); \
             BEGIN; INSERT INTO shop.acc VALUES (2, 1); INSERT INTO shop.acc VALUES (3, 1); COMMIT",
        )
        .await?;
    server.kill()?;
    // As if it had died while it wrote: the last event, which commits, is not there.
    let file = server.binlog_files()?.remove(0);
    let mut log = std::fs::read(&file)?;
    let (end, kind) = events(&log).pop().context("an empty log")?;
    assert_eq!(kind, 16, "XID");
    log.truncate(end);
    std::fs::write(&file, &log)?;
    let copy = maria.folder.path().join("binlog.000001");
    std::fs::copy(&file, &copy)?;
    maria.server.start_again().await?;
    maria
        .server
        .exec("REPLACE INTO shop.acc VALUES (4, 1)")
        .await?;
    let lines = maria.catch_up().await?;
    let ids = |lines: &[Value]| -> Vec<_> {
        let ids = lines.iter().filter_map(|line| line["key"]["id"].as_i64());
        ids.collect()
    };
    assert_eq!(ids(&lines), [1, 4]);
    assert!(maria.catch_up().await?.is_empty());

    let before = maria.lines()?.len();
    let run = maria
        .command(&["replay", &copy.display().to_string()])
        .await?;
    assert_eq!(run.code(), Some(0), "{}", run.text());
    assert!(
        run.text().contains("ends inside a transaction"),
        "{}",
        run.text()
    );
    assert_eq!(ids(&maria.lines()?.split_off(before)), [1]);
    Ok(())
}

#[tokio::test]
async fn a_log_that_a_crash_cut_inside_an_event_halts_and_goes_on_in_the_next_file()
-> anyhow::Result<()> {
    let mut maria = Maria::new(&[]).await?;
    let server = &mut maria.server;
    server
        .exec(
            "CREATE DATABASE shop; CREATE TABLE shop.acc (id INT PRIMARY KEY, v INT); \
             INSERT INTO shop.acc VALUES (1, 1); INSERT INTO shop.acc VALUES (2, 1)",
        )
        .await?;
    server.kill()?;
    let file = server.binlog_files()?.remove(0);
    let mut log = std::fs::read(&file)?;
    let (end, _) = events(&log).pop().context("an empty log")?;
    log.truncate(end + 12);
    std::fs::write(&file, &log)?;
    server.start_again().await?;
    server.exec("REPLACE INTO shop.acc VALUES (3, 1)").await?;
    let words = ["truncated in the middle of event", "headwater position set"];
    says(&maria.run(&maria.server).await?, 1, &words);
    let set = ["position", "set", "binlog.000002:4"];
    says(&maria.command(&set).await?, 0, &[]);
    let run = maria.run(&maria.server).await?;
    assert_eq!(run.code(), Some(0), "{}", run.text());
    let mut lines = maria.lines()?;
    in_order(&mut lines);
    let ids = lines.iter().filter_map(|line| line["key"]["id"].as_i64());
    assert_eq!(ids.collect::<Vec<_>>(), [1, 3]);
    Ok(())
}
