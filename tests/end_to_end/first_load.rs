//! docs/start.md: a dump, then the stream from the dump's position, give the source's tables.

use std::process::{Command, Stdio};

use anyhow::{Context, ensure};
use headwater_harness::{cache, mysql::MySql};
use serde_json::{Map, Value};

use crate::{
    traffic::Traffic,
    world::{WITHIN, World, delivered},
};

fn client(name: &str, server: &MySql) -> anyhow::Result<Command> {
    let mut command = Command::new(cache::installed("mysql")?.join("bin").join(name));
    command
        .args(["--host=127.0.0.1", "--user=root"])
        .arg(format!("--port={}", server.port()));
    Ok(command)
}

/// As docs/start.md says.
fn dump(server: &MySql) -> anyhow::Result<String> {
    let output = client("mysqldump", server)?
        .args([
            "--single-transaction",
            "--source-data=2",
            "--set-gtid-purged=COMMENTED",
        ])
        .args(["--hex-blob", "--skip-triggers", "--databases", "shop"])
        .output()?;
    ensure!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    Ok(String::from_utf8(output.stdout)?)
}

/// As the `sed` of docs/start.md.
fn position(dump: &str) -> anyhow::Result<String> {
    let line = dump
        .lines()
        .take(60)
        .find(|line| line.starts_with("-- CHANGE ") && line.contains("_LOG_FILE='"))
        .context("the dump's head has a position")?;
    let (_, rest) = line.split_once("_LOG_FILE='").context("a file")?;
    let (file, rest) = rest.split_once("', ").context("the file's end")?;
    let (_, rest) = rest.split_once("_LOG_POS=").context("an offset")?;
    let (offset, _) = rest.split_once(';').context("the offset's end")?;
    Ok(format!("{file}:{offset}"))
}

fn load(server: &MySql, dump: &str) -> anyhow::Result<()> {
    let mut child = client("mysql", server)?.stdin(Stdio::piped()).spawn()?;
    let stdin = child.stdin.take().context("its standard input")?;
    std::io::Write::write_all(&mut &stdin, dump.as_bytes())?;
    drop(stdin);
    ensure!(child.wait()?.success(), "the dump could not be loaded");
    Ok(())
}

fn literal(value: &Value) -> String {
    match value {
        Value::String(text) => format!("'{}'", text.replace('\\', "\\\\").replace('\'', "''")),
        Value::Null => "NULL".to_owned(),
        other => other.to_string(),
    }
}

fn pairs(columns: &Map<String, Value>, between: &str) -> String {
    let pairs: Vec<String> = columns
        .iter()
        .map(|(name, value)| format!("{name} = {}", literal(value)))
        .collect();
    pairs.join(between)
}

/// The change as SQL that fails where it does not fit.
fn statement(line: &Value) -> Option<String> {
    let table = format!("{}.{}", line["database"].as_str()?, line["table"].as_str()?);
    let (data, mut key) = (line["data"].as_object()?, line["key"].as_object()?.clone());
    Some(match line["type"].as_str()? {
        "insert" => format!("INSERT INTO {table} SET {}", pairs(data, ", ")),
        "delete" => format!("DELETE FROM {table} WHERE {}", pairs(&key, " AND ")),
        _ => {
            for (name, value) in &mut key {
                if let Some(old) = line["old"].get(name) {
                    *value = old.clone();
                }
            }
            format!(
                "UPDATE {table} SET {} WHERE {}",
                pairs(data, ", "),
                pairs(&key, " AND ")
            )
        }
    })
}

#[tokio::test]
async fn a_dump_and_the_stream_behind_it_give_the_tables_of_the_source() -> anyhow::Result<()> {
    let (world, copy) = tokio::try_join!(World::new(2), MySql::start())?;
    let traffic = Traffic::start(&world.mysql);
    traffic.grows(100).await?;
    let dump = dump(&world.mysql)?;
    let start = position(&dump)?;
    traffic.grows(20).await?;
    let program = world
        .launch()?
        .setting("source.start", &start)
        .setting("source.tables", "shop.*,!shop.log")
        .start()?;
    traffic.grows(100).await?;
    load(&copy, &dump)?;
    traffic.stop().await?;
    delivered(&program, &world.mysql).await?;
    assert_eq!(program.drain(WITHIN).await?.code(), Some(0));

    let mut changes = 0;
    for record in world.records().await? {
        for line in record.lines() {
            let line: Value = serde_json::from_slice(line)?;
            let sql = statement(&line).with_context(|| format!("as SQL: {line}"))?;
            copy.exec(&sql).await.with_context(|| sql.clone())?;
            changes += 1;
        }
    }
    assert!(changes > 50, "{changes}");
    for sql in [
        "SELECT * FROM shop.orders ORDER BY id",
        "SELECT * FROM shop.items ORDER BY order_id, line",
    ] {
        let rows = world.mysql.query_rows(sql).await?;
        assert!(!rows.is_empty());
        assert_eq!(copy.query_rows(sql).await?, rows);
    }
    Ok(())
}
