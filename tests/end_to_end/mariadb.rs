//! A real MariaDB: what is written into it comes out as its `SELECT` prints it, through restarts, a
//! failover, its own compression and its own GTIDs.

mod columns;
mod log;
mod places;
mod rollbacks;
mod unlogged;

use std::collections::BTreeMap;

use columns::{By, Column, columns};

use headwater_harness::{
    mysql::MySql,
    program::{Finished, Launch},
};
use serde_json::Value;
use tempfile::TempDir;

use crate::world::{BINARY, WITHIN};

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
    let list: Vec<_> = columns().iter().map(|column| column.select).collect();
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
            number.to_string() == selected
                || number.is_f64() && number.as_f64() == selected.parse().ok()
        }
        _ => false,
    }
}

fn ensure_same(event: &Value, selected: &[Option<String>]) {
    for (column, selected) in columns().iter().zip(selected) {
        let (name, found) = (column.name, &event[column.name]);
        assert!(
            same(column.by, found, selected.as_deref()),
            "{name}: {found} in the event, {selected:?} by SELECT"
        );
    }
}

async fn values_pass(options: &[&str]) -> anyhow::Result<()> {
    let maria = Maria::new(options).await?;
    let columns = columns();
    let definitions: Vec<_> = columns
        .iter()
        .map(|column| format!("{} {}", column.name, column.definition))
        .collect();
    let names: Vec<_> = columns.iter().map(|column| column.name).collect();
    let values = |which: usize| {
        let value = |column: &Column| column.values[which];
        columns.iter().map(value).collect::<Vec<_>>()
    };
    let nulls = vec!["NULL"; columns.len()];
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
        insert(1, &values(0)),
        insert(2, &values(1)),
        insert(3, &nulls),
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
    for (id, values) in [(1, values(1)), (2, nulls.clone()), (3, values(0))] {
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
        for ((column, before), after) in columns.iter().zip(&inserted[&id]).zip(&updated[&id]) {
            let old = line["old"].get(column.name);
            assert_eq!(old.is_some(), before != after, "old {}", column.name);
            if let Some(old) = old {
                let is_same = same(column.by, old, before.as_deref());
                assert!(is_same, "old {}: {old}", column.name);
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
async fn a_log_of_mariadb_without_names_gives_the_same_values() -> anyhow::Result<()> {
    for metadata in ["MINIMAL", "NO_LOG"] {
        values_pass(&[&format!("--binlog-row-metadata={metadata}")]).await?;
    }
    Ok(())
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
