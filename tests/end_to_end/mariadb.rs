//! A real MariaDB: what is written into it comes out as its `SELECT` prints it, through restarts, a
//! failover, its own compression and its own GTIDs.

use std::collections::BTreeMap;

use headwater_harness::{
    mysql::{GRANTS, MySql},
    program::{Finished, Launch},
};
use serde_json::Value;
use tempfile::TempDir;

use crate::world::{BINARY, WITHIN, says};

/// How a value of an event is compared with the text that `SELECT` gives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum By {
    Text,
    /// A JSON number with the same digits.
    Number,
}

/// A column: name, definition, what to select for it, how to compare, and two values to write.
type Column = (
    &'static str,
    &'static str,
    &'static str,
    By,
    &'static str,
    &'static str,
);

const COLUMNS: &[Column] = &[
    ("ti", "TINYINT", "ti", By::Number, "-128", "127"),
    ("tu", "TINYINT UNSIGNED", "tu", By::Number, "255", "NULL"),
    ("si", "SMALLINT", "si", By::Number, "-32768", "1"),
    (
        "mu",
        "MEDIUMINT UNSIGNED",
        "mu",
        By::Number,
        "16777215",
        "0",
    ),
    ("mi", "MEDIUMINT", "mi", By::Number, "-8388608", "-1"),
    (
        "bu",
        "BIGINT UNSIGNED ZEROFILL",
        "bu+0",
        By::Number,
        "18446744073709551615",
        "7",
    ),
    (
        "bi",
        "BIGINT",
        "bi",
        By::Number,
        "-9223372036854775808",
        "NULL",
    ),
    ("f", "FLOAT", "f", By::Number, "1.5", "-0.25"),
    ("d", "DOUBLE", "d", By::Number, "2.25", "-1024.5"),
    (
        "de",
        "DECIMAL(20,5)",
        "de",
        By::Text,
        "-123.45",
        "999999999999999.99999",
    ),
    (
        "b",
        "BIT(13)",
        "b+0",
        By::Number,
        "b'1000000000001'",
        "b'0'",
    ),
    ("y", "YEAR", "y+0", By::Number, "2024", "0"),
    ("da", "DATE", "da", By::Text, "'2024-02-29'", "'1000-01-01'"),
    ("t0", "TIME", "t0", By::Text, "'-838:59:59'", "'00:00:00'"),
    (
        "t6",
        "TIME(6)",
        "t6",
        By::Text,
        "'-00:00:00.500001'",
        "'838:59:58.999999'",
    ),
    (
        "dt",
        "DATETIME",
        "dt",
        By::Text,
        "'9999-12-31 23:59:59'",
        "NULL",
    ),
    (
        "dt3",
        "DATETIME(3)",
        "dt3",
        By::Text,
        "'2024-01-02 03:04:05.678'",
        "'2024-01-02 03:04:05'",
    ),
    (
        "ts",
        "TIMESTAMP NULL",
        "ts",
        By::Text,
        "'2024-01-02 03:04:05'",
        "'2038-01-19 03:14:07'",
    ),
    (
        "ts6",
        "TIMESTAMP(6) NULL",
        "ts6",
        By::Text,
        "'2024-03-31 02:30:00.000001'",
        "NULL",
    ),
    ("c", "CHAR(10)", "c", By::Text, "'é😀'", "''"),
    (
        "v",
        "VARCHAR(300)",
        "v",
        By::Text,
        "REPEAT('ab', 150)",
        "'x'",
    ),
    (
        "vl",
        "VARCHAR(20) CHARACTER SET latin1",
        "vl",
        By::Text,
        "'café €'",
        "NULL",
    ),
    (
        "uca",
        "VARCHAR(20) COLLATE utf8mb4_uca1400_ai_ci",
        "uca",
        By::Text,
        "'ß'",
        "'日本'",
    ),
    (
        "nop",
        "VARCHAR(20) COLLATE utf8mb3_nopad_bin",
        "nop",
        By::Text,
        "'a '",
        "'b'",
    ),
    (
        "cro",
        "CHAR(5) CHARACTER SET utf8mb4 COLLATE utf8mb4_croatian_ci",
        "cro",
        By::Text,
        "'ćč'",
        "'d'",
    ),
    (
        "bin",
        "BINARY(8)",
        "TO_BASE64(bin)",
        By::Text,
        "'bin'",
        "''",
    ),
    (
        "vb",
        "VARBINARY(20)",
        "TO_BASE64(vb)",
        By::Text,
        "X'00FF00'",
        "''",
    ),
    ("tx", "TEXT", "tx", By::Text, "REPEAT('text ', 999)", "NULL"),
    (
        "lb",
        "LONGBLOB",
        "TO_BASE64(lb)",
        By::Text,
        "X'DEADBEEF00'",
        "''",
    ),
    (
        "e",
        "ENUM('a','b,''c','ž')",
        "e",
        By::Text,
        "'b,''c'",
        "'ž'",
    ),
    ("s", "SET('x','y','z')", "s", By::Text, "'x,z'", "''"),
    (
        "j",
        "JSON",
        "j",
        By::Text,
        "'{\"a\": [1, 2.50], \"b\": \"é\"}'",
        "'null'",
    ),
    (
        "g",
        "POINT",
        "TO_BASE64(g)",
        By::Text,
        "POINT(1, -2)",
        "NULL",
    ),
    (
        "u",
        "UUID",
        "TO_BASE64(UNHEX(REPLACE(u, '-', '')))",
        By::Text,
        "'123e4567-e89b-12d3-a456-426655440000'",
        "NULL",
    ),
    (
        "i6",
        "INET6",
        "TO_BASE64(INET6_ATON(i6))",
        By::Text,
        "'2001:db8::ff00:42:8329'",
        "'::'",
    ),
    (
        "i4",
        "INET4",
        "TO_BASE64(INET6_ATON(i4))",
        By::Text,
        "'10.1.2.3'",
        "'0.0.0.0'",
    ),
    ("inv", "INT INVISIBLE", "inv", By::Number, "3", "4"),
    (
        "zv",
        "VARCHAR(300) COMPRESSED",
        "zv",
        By::Text,
        "REPEAT('abc', 90)",
        "'short'",
    ),
    ("zs", "VARCHAR(20) COMPRESSED", "zs", By::Text, "''", "'s'"),
    (
        "zb",
        "VARBINARY(300) COMPRESSED",
        "TO_BASE64(zb)",
        By::Text,
        "REPEAT(X'00', 40)",
        "NULL",
    ),
    (
        "zt",
        "TEXT COMPRESSED CHARACTER SET latin1",
        "zt",
        By::Text,
        "REPEAT('hé', 9000)",
        "''",
    ),
    (
        "zl",
        "MEDIUMBLOB COMPRESSED",
        "TO_BASE64(zl)",
        By::Text,
        "REPEAT('long', 50000)",
        "X'00'",
    ),
];

struct Maria {
    server: MySql,
    folder: TempDir,
}

impl Maria {
    async fn new(options: &[&str]) -> anyhow::Result<Self> {
        Ok(Self {
            server: MySql::mariadb(options).await?,
            folder: tempfile::tempdir()?,
        })
    }

    fn launch(&self, server: &MySql) -> anyhow::Result<Launch> {
        let config = format!(
            "[source]\nurl = \"{}\"\nstart = \"earliest\"\n[sink]\ntype = \"file\"\n\
             [sink.file]\npath = \"changes.jsonl\"\n[checkpoint]\ninterval_ms = 50\n",
            server.headwater_url()
        );
        Launch::run(BINARY, self.folder.path(), &config)
    }

    /// `run --until now` of `server`.
    async fn run(&self, server: &MySql) -> anyhow::Result<Finished> {
        let launch = self.launch(server)?.arg("--until").arg("now");
        launch.finish(WITHIN).await
    }

    /// The same, which must succeed; gives the lines that it added.
    async fn catch_up(&self) -> anyhow::Result<Vec<Value>> {
        let before = self.lines()?.len();
        let run = self.run(&self.server).await?;
        assert_eq!(run.code(), Some(0), "{}", run.text());
        let mut lines = self.lines()?.split_off(before);
        in_order(&mut lines);
        Ok(lines)
    }

    fn lines(&self) -> anyhow::Result<Vec<Value>> {
        let path = self.folder.path().join("changes.jsonl");
        let text = match std::fs::read_to_string(path) {
            Ok(text) => text,
            Err(_) => return Ok(Vec::new()),
        };
        text.lines()
            .map(|line| Ok(serde_json::from_str(line)?))
            .collect()
    }

    async fn command(&self, arguments: &[&str]) -> anyhow::Result<Finished> {
        let arguments = [arguments, &["-c", "headwater.toml"]].concat();
        Launch::new(BINARY, self.folder.path(), &arguments)?
            .finish(WITHIN)
            .await
    }
}

/// Lanes stand in the file as they came, `seq` orders them.
fn in_order(lines: &mut [Value]) {
    lines.sort_by_key(|line| line["seq"].as_str().map(str::to_owned));
}

/// The table as `SELECT` prints it, by id.
async fn selected(server: &MySql) -> anyhow::Result<BTreeMap<u64, Vec<Option<String>>>> {
    let list: Vec<_> = COLUMNS.iter().map(|column| column.2).collect();
    let sql = format!(
        "SET NAMES utf8mb4; SET time_zone = '+00:00'; SELECT id, {} FROM shop.types",
        list.join(", ")
    );
    // Only the last statement gives rows.
    let mut conn = server.conn().await?;
    use mysql_async::{Row, prelude::Queryable};
    let (settings, query) = sql.rsplit_once("; ").unwrap_or_default();
    conn.query_drop(settings).await?;
    let rows: Vec<Row> = conn.query(query).await?;
    conn.disconnect().await?;
    let text = |value: mysql_async::Value| match value {
        mysql_async::Value::NULL => None,
        mysql_async::Value::Bytes(bytes) => Some(String::from_utf8_lossy(&bytes).into_owned()),
        other => Some(other.as_sql(true)),
    };
    let rows = rows.into_iter().map(|row| {
        let mut values = row.unwrap().into_iter().map(text);
        let id = values.next().flatten().unwrap_or_default();
        Ok((id.parse()?, values.collect()))
    });
    rows.collect()
}

fn same(by: By, event: &Value, selected: Option<&str>) -> bool {
    match (by, event, selected) {
        (_, Value::Null, None) => true,
        // TO_BASE64 breaks its lines.
        (By::Text, Value::String(text), Some(selected)) => {
            text == selected || *text == selected.replace('\n', "")
        }
        (By::Number, Value::Number(number), Some(selected)) => {
            number.to_string() == selected || number.as_f64() == selected.parse().ok()
        }
        _ => false,
    }
}

fn ensure_same(event: &Value, selected: &[Option<String>]) {
    for ((name, _, _, by, ..), selected) in COLUMNS.iter().zip(selected) {
        let found = &event[*name];
        assert!(
            same(*by, found, selected.as_deref()),
            "{name}: {found} in the event, {selected:?} by SELECT"
        );
    }
}

async fn values_pass(options: &[&str]) -> anyhow::Result<()> {
    let maria = Maria::new(options).await?;
    let definitions: Vec<_> = COLUMNS
        .iter()
        .map(|(name, kind, ..)| format!("{name} {kind}"))
        .collect();
    let names: Vec<_> = COLUMNS.iter().map(|column| column.0).collect();
    let values = |second: bool| {
        let value = |column: &Column| if second { column.5 } else { column.4 };
        COLUMNS.iter().map(value).collect::<Vec<_>>()
    };
    let insert = |id: u32, values: &[&str]| {
        let names = names.join(", ");
        format!(
            "INSERT INTO shop.types (id, {names}) VALUES ({id}, {})",
            values.join(", ")
        )
    };
    let server = &maria.server;
    let sql = [
        "SET NAMES utf8mb4".into(),
        "SET time_zone = '+00:00'".into(),
        "CREATE DATABASE shop".into(),
        format!(
            "CREATE TABLE shop.types (id INT PRIMARY KEY, {}) CHARACTER SET utf8mb4",
            definitions.join(", ")
        ),
        insert(1, &values(false)),
        insert(2, &values(true)),
        insert(3, &vec!["NULL"; COLUMNS.len()]),
    ];
    server.exec(&sql.join("; ")).await?;
    let lines = maria.catch_up().await?;
    let kinds: Vec<_> = lines.iter().map(|line| line["type"].clone()).collect();
    assert_eq!(kinds, ["ddl", "ddl", "insert", "insert", "insert"]);
    let inserted = selected(server).await?;
    for line in &lines[2..] {
        let id = line["data"]["id"].as_u64().unwrap_or_default();
        assert_eq!(line["key"]["id"], id);
        ensure_same(&line["data"], &inserted[&id]);
    }

    // Row 1 becomes row 2, 2 becomes NULL, 3 becomes row 1; then all go.
    for (id, values) in [
        (1, values(true)),
        (2, vec!["NULL"; COLUMNS.len()]),
        (3, values(false)),
    ] {
        let sets: Vec<_> = names
            .iter()
            .zip(&values)
            .map(|(name, value)| format!("{name} = {value}"))
            .collect();
        let sql = format!(
            "SET NAMES utf8mb4; SET time_zone = '+00:00'; UPDATE shop.types SET {} WHERE id = {id}",
            sets.join(", ")
        );
        server.exec(&sql).await?;
    }
    let updates = maria.catch_up().await?;
    assert_eq!(updates.len(), 3, "goes on from the checkpoint");
    let updated = selected(server).await?;
    for line in &updates {
        let id = line["data"]["id"].as_u64().unwrap_or_default();
        assert_eq!(line["type"], "update");
        ensure_same(&line["data"], &updated[&id]);
        for ((name, _, _, by, ..), before) in COLUMNS.iter().zip(&inserted[&id]) {
            if let Some(old) = line["old"].get(name) {
                assert!(same(*by, old, before.as_deref()), "old {name}: {old}");
            }
        }
    }
    server.exec("DELETE FROM shop.types").await?;
    let deletes = maria.catch_up().await?;
    assert_eq!(deletes.len(), 3);
    for line in &deletes {
        let id = line["data"]["id"].as_u64().unwrap_or_default();
        assert_eq!(line["type"], "delete");
        ensure_same(&line["data"], &updated[&id]);
    }

    // Every id is of this server's GTIDs, each number once.
    let gtid = format!("0-{}-", server.port());
    let mut ids: Vec<_> = maria
        .lines()?
        .iter()
        .map(|line| line["id"].as_str().unwrap_or_default().to_owned())
        .collect();
    assert!(ids.iter().all(|id| id.starts_with(&gtid)), "{ids:?}");
    assert!(ids.contains(&format!("{gtid}3/0")), "{ids:?}");
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), 11);
    Ok(())
}

#[tokio::test]
async fn every_type_of_mariadb_comes_out_as_its_select_prints_it() -> anyhow::Result<()> {
    values_pass(&[]).await
}

#[tokio::test]
async fn compressed_events_without_checksums_hold_the_same_values() -> anyhow::Result<()> {
    values_pass(&[
        "--log-bin-compress=ON",
        "--log-bin-compress-min-len=10",
        "--binlog-checksum=NONE",
        "--column-compression-zlib-wrap=ON",
        "--binlog-annotate-row-events=OFF",
    ])
    .await
}

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
    server
        .exec(&format!("PURGE BINARY LOGS TO '{last}'"))
        .await?;
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
        &["has purged transactions that have not been read: 0-"],
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
    assert!(!GRANTS.is_empty());
    Ok(())
}

#[tokio::test]
async fn an_xa_transaction_of_mariadb_halts_with_the_reason() -> anyhow::Result<()> {
    let maria = Maria::new(&[]).await?;
    maria
        .server
        .exec(
            "CREATE DATABASE shop; CREATE TABLE shop.a (id INT PRIMARY KEY); XA START 'x'; \
             INSERT INTO shop.a VALUES (1); XA END 'x'; XA PREPARE 'x'; XA COMMIT 'x'",
        )
        .await?;
    let run = maria.run(&maria.server).await?;
    says(&run, 1, &["XA PREPARE"]);
    let rows = maria.lines()?;
    assert!(rows.iter().all(|line| line["type"] != "insert"));
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
