//! What MariaDB's log has of its own.

use headwater_harness::program::Launch;
use serde_json::Value;

use super::{Maria, in_order};
use crate::world::{BINARY, WITHIN, says};

#[tokio::test]
async fn statements_sequences_and_two_phase_alters_of_mariadb_are_events_once() -> anyhow::Result<()>
{
    let maria = Maria::new(&[]).await?;
    let server = &maria.server;
    server
        .exec(
            "CREATE DATABASE shop; CREATE TABLE shop.a (id INT PRIMARY KEY); \
             BEGIN; INSERT INTO shop.a VALUES (1); SAVEPOINT s; INSERT INTO shop.a VALUES (2); \
             ROLLBACK TO s; INSERT INTO shop.a VALUES (3); COMMIT; \
             CREATE TABLE shop.b ENGINE=MyISAM SELECT id FROM shop.a; \
             CREATE OR REPLACE TABLE shop.c (n INT); \
             CREATE SEQUENCE shop.s; SELECT NEXTVAL(shop.s); \
             SET SESSION binlog_alter_two_phase = ON; ALTER TABLE shop.a ADD note VARCHAR(10); \
             SET SESSION gtid_domain_id = 3; INSERT INTO shop.a VALUES (4, 'four'); \
             TRUNCATE TABLE shop.c; CREATE USER nobody IDENTIFIED BY 'secret'",
        )
        .await?;
    let lines = maria.catch_up().await?;
    let told: Vec<_> = lines
        .iter()
        .map(|line| {
            let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
            format!(
                "{} {} {}",
                text(&line["type"]),
                text(&line["table"]),
                line["data"]
            )
        })
        .collect();
    let port = server.port();
    assert_eq!(
        told.iter()
            .map(|told| told.replace(" null", ""))
            .collect::<Vec<_>>()[..7],
        [
            "ddl ",
            "ddl a",
            "insert a {\"id\":1}",
            "insert a {\"id\":3}",
            "ddl b",
            "insert b {\"id\":1}",
            "insert b {\"id\":3}",
        ]
    );
    let alters = lines
        .iter()
        .filter(|line| line["statement"].to_string().contains("ALTER TABLE"));
    assert_eq!(alters.count(), 1);
    let four = lines.iter().find(|line| line["data"]["note"] == "four");
    let four = four.expect("the row of another domain");
    assert_eq!(four["id"], format!("3-{port}-1/0"));
    assert_eq!(four["gtid"], format!("3-{port}-1"));
    assert!(
        !maria
            .lines()?
            .iter()
            .any(|line| line.to_string().contains("secret"))
    );
    // Nothing is sent twice by starting again.
    assert!(maria.catch_up().await?.is_empty());
    Ok(())
}

#[tokio::test]
async fn an_xa_transaction_of_mariadb_is_sent_at_its_commit_or_halts() -> anyhow::Result<()> {
    let maria = Maria::new(&[]).await?;
    let server = &maria.server;
    server
        .exec(
            "CREATE DATABASE shop; CREATE TABLE shop.a (id INT PRIMARY KEY); XA START 'x'; \
             INSERT INTO shop.a VALUES (1), (2); XA END 'x'; XA PREPARE 'x'",
        )
        .await?;
    let halting = [
        "run",
        "--until",
        "now",
        "--set",
        "source.xa=halt",
        "-c",
        "headwater.toml",
    ];
    maria.launch(server)?;
    let run = Launch::new(BINARY, maria.folder.path(), &halting)?;
    says(&run.finish(WITHIN).await?, 1, &["XA PREPARE", "at_commit"]);
    let lines = maria.catch_up().await?;
    assert!(
        lines.iter().all(|line| line["type"] != "insert"),
        "{lines:?}"
    );
    server
        .exec(
            "XA COMMIT 'x'; XA START 'y'; DELETE FROM shop.a; XA END 'y'; XA PREPARE 'y'; XA ROLLBACK 'y'; \
             XA START 'z'; INSERT INTO shop.a VALUES (3); XA END 'z'; XA COMMIT 'z' ONE PHASE; \
             INSERT INTO shop.a VALUES (4)",
        )
        .await?;
    let lines = maria.catch_up().await?;
    let ids: Vec<_> = lines
        .iter()
        .map(|line| line["data"]["id"].clone())
        .collect();
    assert_eq!(ids, [1, 2, 3, 4], "{lines:?}");
    Ok(())
}

#[tokio::test]
async fn a_replayed_file_of_mariadb_gives_the_same_lines_as_the_server() -> anyhow::Result<()> {
    let maria = Maria::new(&["--log-bin-compress=ON"]).await?;
    let server = &maria.server;
    server
        .exec(
            "CREATE DATABASE shop; CREATE TABLE shop.a (id INT PRIMARY KEY, t TEXT COMPRESSED); \
             INSERT INTO shop.a VALUES (1, REPEAT('x', 5000)), (2, NULL); DELETE FROM shop.a WHERE id = 1",
        )
        .await?;
    let streamed = maria.catch_up().await?;
    assert_eq!(streamed.len(), 5);
    let file = server.binlog_files()?.remove(0).display().to_string();
    let run = maria.command(&["replay", &file]).await?;
    assert_eq!(run.code(), Some(0), "{}", run.text());
    let mut replayed = maria.lines()?.split_off(5);
    in_order(&mut replayed);
    assert_eq!(replayed, streamed);
    Ok(())
}

#[tokio::test]
async fn every_collation_of_mariadb_is_of_the_character_set_that_it_says() -> anyhow::Result<()> {
    let maria = Maria::new(&[]).await?;
    let rows = maria
        .server
        .query_rows(
            "SELECT id, character_set_name FROM information_schema.collation_character_set_applicability \
             WHERE id IS NOT NULL",
        )
        .await?;
    assert!(rows.len() > 500, "{}", rows.len());
    for row in rows {
        let [Some(id), Some(name)] = &row[..] else {
            panic!("{row:?}")
        };
        let known = headwater_binlog::charset::charset_name(id.parse()?);
        assert_eq!(known, Some(&**name), "{id}");
    }
    Ok(())
}

/// The database, table and statement of each line.
fn statements(lines: &[Value]) -> Vec<String> {
    lines
        .iter()
        .map(|line| {
            let text = |name: &str| line[name].as_str().unwrap_or_default().to_owned();
            format!(
                "{}.{}: {}",
                text("database"),
                text("table"),
                text("statement")
            )
        })
        .collect()
}

#[tokio::test]
async fn a_statement_is_a_line_of_every_table_that_it_names_whatever_stands_between()
-> anyhow::Result<()> {
    let maria = Maria::new(&[]).await?;
    let parts = "(id INT PRIMARY KEY) PARTITION BY RANGE (id) \
                 (PARTITION p0 VALUES LESS THAN (10), PARTITION p1 VALUES LESS THAN (20))";
    let sql =
        format!("CREATE DATABASE shop; CREATE TABLE shop.a (id INT); CREATE TABLE shop.p {parts}");
    maria.server.exec(&sql).await?;
    maria.catch_up().await?;
    let cases: [(&str, &[&str]); 6] = [
        ("RENAME TABLE shop.a NOWAIT TO shop.b", &["a", "b"]),
        ("RENAME TABLE shop.b WAIT 5 TO shop.a", &["b", "a"]),
        (
            "ALTER TABLE shop.p CONVERT PARTITION p1 TO TABLE shop.arch",
            &["p", "arch"],
        ),
        (
            "ALTER TABLE shop.p /*M! CONVERT TABLE shop.arch TO PARTITION p1 VALUES LESS THAN (20) */",
            &["p", "arch"],
        ),
        (
            "ALTER TABLE shop.p /*M!100100 CONVERT PARTITION p1 TO TABLE shop.arch */",
            &["p", "arch"],
        ),
        (
            "SET STATEMENT lock_wait_timeout = 5 FOR ALTER TABLE shop.a RENAME TO shop.b",
            &["a", "b"],
        ),
    ];
    for (sql, tables) in cases {
        maria.server.exec(sql).await?;
        let mut found = statements(&maria.catch_up().await?);
        let mut expected: Vec<_> = tables
            .iter()
            .map(|table| format!("shop.{table}: {sql}"))
            .collect();
        found.sort();
        expected.sort();
        assert_eq!(found, expected);
    }
    Ok(())
}

#[tokio::test]
async fn tables_versioned_by_transaction_id_halt_with_a_remedy_or_are_excluded()
-> anyhow::Result<()> {
    let maria = Maria::new(&[]).await?;
    let server = &maria.server;
    server
        .exec(
            "CREATE DATABASE shop; CREATE TABLE shop.a (id INT PRIMARY KEY); \
             CREATE TABLE shop.versions (x INT, s BIGINT UNSIGNED GENERATED ALWAYS AS ROW START, \
             e BIGINT UNSIGNED GENERATED ALWAYS AS ROW END, PERIOD FOR SYSTEM_TIME (s, e)) \
             ENGINE = InnoDB WITH SYSTEM VERSIONING",
        )
        .await?;
    maria.catch_up().await?;
    server
        .exec("SET STATEMENT max_statement_time = 5 FOR INSERT INTO shop.versions (x) VALUES (1)")
        .await?;
    let (file, offset) = server.position().await?;
    let next = format!("`headwater position set {file}:{offset}`");
    let words = [
        "rows of table `shop.versions` were changed by a statement (INSERT)",
        "TIMESTAMP(6)",
        &next,
    ];
    says(&maria.run(server).await?, 1, &words);
    server
        .exec("UPDATE shop.versions SET x = 2; DELETE FROM shop.versions; INSERT INTO shop.a VALUES (1)")
        .await?;
    let launch = maria.launch(server)?.arg("--until").arg("now");
    let launch = launch.setting("source.tables", "!shop.versions");
    let run = launch.finish(WITHIN).await?;
    assert_eq!(run.code(), Some(0), "{}", run.text());
    let last = maria.lines()?.pop().expect("a line");
    assert_eq!(
        (&last["table"], &last["data"]["id"]),
        (&"a".into(), &1.into())
    );
    Ok(())
}
