//! What is generated for Redshift is read by two parsers that know its dialect: every type, and names that need quotes.

use std::{
    fs,
    path::Path,
    process::{Command, Output},
    time::Duration,
};

use anyhow::{Context, ensure};
use headwater_harness::{
    cache,
    golden::columns::families,
    mysql::MySql,
    program::{Finished, Launch},
    sql::quote,
};
use tempfile::TempDir;

use crate::world::BINARY;

const CHECK: &str = include_str!("sqlcheck.py");
const WITHIN: Duration = Duration::from_secs(120);
/// Columns of a table: a parser's time grows faster than the text.
const COLUMNS_MAX: usize = 12;

struct Generated {
    folder: TempDir,
    finished: Finished,
}

/// The files for Redshift, of all tables that the server has.
async fn generate(mysql: &MySql, settings: &str) -> anyhow::Result<Generated> {
    generate_with(mysql, settings, &[]).await
}

async fn generate_with(
    mysql: &MySql,
    settings: &str,
    others: &[(&str, &str)],
) -> anyhow::Result<Generated> {
    let folder = tempfile::tempdir()?;
    let config = format!(
        "[source]\nurl = \"{}\"\n[sink]\ntype = \"null\"\n{settings}",
        mysql.headwater_url()
    );
    let launch = Launch::run(BINARY, folder.path(), &config)?;
    let arguments = ["warehouse", "redshift", "-c", "headwater.toml", "--out"];
    let launch = launch.with_arguments(&arguments).arg("out").shown();
    let launch = others
        .iter()
        .fold(launch, |launch, (key, value)| launch.setting(key, value));
    let finished = launch.finish(WITHIN).await?;
    ensure!(finished.code() == Some(0), "{}", finished.text());
    Ok(Generated { folder, finished })
}

fn check(folder: &Path) -> anyhow::Result<Output> {
    let mut python = Command::new(cache::installed("sqlcheck")?.join("venv/bin/python"));
    let output = python.args(["-c", CHECK]).arg(folder).output();
    output.context("start python")
}

fn ensure_read(generated: &Generated) -> anyhow::Result<()> {
    let output = check(&generated.folder.path().join("out"))?;
    let said = String::from_utf8_lossy(&output.stdout);
    let error = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{said}{error}");
    Ok(())
}

/// What is generated of all tables of the server, with these settings.
pub async fn ensure_redshift_reads(mysql: &MySql, settings: &str) -> anyhow::Result<()> {
    ensure_read(&generate(mysql, settings).await?)
}

#[tokio::test]
async fn every_type_gives_sql_that_parsers_of_redshift_read() -> anyhow::Result<()> {
    let mysql = MySql::start().await?;
    mysql.exec("CREATE DATABASE types").await?;
    for (family, types) in families() {
        // Character sets and widths that are stored alike need not be read twice.
        let mut seen = std::collections::BTreeSet::new();
        let kind = |sql: &str| sql.split(" CHARACTER SET").next().map(str::to_owned);
        let is_new =
            |sql: &str| !sql.starts_with("BIT(") || ["BIT(1)", "BIT(63)", "BIT(64)"].contains(&sql);
        let types = types
            .iter()
            .filter(|it| is_new(&it.sql) && seen.insert(kind(&it.sql)));
        let types: Vec<_> = types.collect();
        for (at, part) in types.chunks(COLUMNS_MAX).enumerate() {
            let columns = part.iter().enumerate();
            let columns = columns.map(|(n, it)| format!("{} {}", quote(&format!("c{n}")), it.sql));
            let columns: Vec<String> = columns.collect();
            let sql = format!(
                "CREATE TABLE types.{family}{at} (id INT PRIMARY KEY, {})",
                columns.join(", ")
            );
            mysql.exec(&sql).await.with_context(|| sql.clone())?;
        }
    }
    let plain = generate(&mysql, "").await?;
    ensure_read(&plain)?;
    let settings = "[ordering]\nkey = \"primary_key\"\n[warehouse]\nlong_text = \"varchar\"\nbytes = \"varbyte\"\n";
    ensure_read(&generate(&mysql, settings).await?)
}

#[tokio::test]
async fn names_that_need_quotes_are_read_as_names() -> anyhow::Result<()> {
    let mysql = MySql::start().await?;
    let long = "l".repeat(64);
    let wide = "ä".repeat(64);
    mysql
        .exec(&format!(
            "CREATE DATABASE `Order`; CREATE DATABASE `pg_x`; CREATE DATABASE `{long}`; \
             CREATE TABLE `Order`.`select` (`from` VARCHAR(9), `User` INT, `_seq` INT, `_Raw` INT, `oid` INT, \
               `taken` INT, `refused` INT, `facts` INT, `written` INT, `lost` INT, `emptied` INT, `headwater_taken` INT, \
               `a b` INT, `say \"no\"` INT, `it''s` INT, `größe` INT, `{long}` INT, `tag` DATE, `UPPER` TEXT, \
               PRIMARY KEY (`User`, `from`)); \
             CREATE TABLE `Order`.`say \"it''s\" ü` (`k` VARBINARY(20), `Ключ` CHAR(9), `v` JSON, PRIMARY KEY (`k`, `Ключ`)); \
             CREATE TABLE `Order`.`back\\` (`\\a` INT PRIMARY KEY, `e` ENUM('\\\\', 'y')); \
             CREATE TABLE `pg_x`.`{long}` (`group` VARCHAR(300) PRIMARY KEY, `t` TIME); \
             CREATE TABLE `{long}`.`{long}` (`group` BINARY(16) PRIMARY KEY, `t` TIME); \
             CREATE TABLE `{long}`.`{wide}` (`a` INT PRIMARY KEY); \
             CREATE TABLE `Order`.`wide` (`a` INT PRIMARY KEY, `{wide}` INT)"
        ))
        .await?;
    let plain = generate(&mysql, "").await?;
    ensure_read(&plain)?;
    let said = plain.finished.stdout.join("\n");
    assert!(said.contains("Order.wide is left out: "), "{said}");
    ensure_read(&generate(&mysql, "[warehouse]\nbytes = \"varbyte\"\n").await?)
}

/// A statement that Redshift refuses, and what must be said of it.
const REFUSED: [(&str, &str); 16] = [
    ("SELECT 1 FROM t WHERE;", "sqlglot: "),
    ("CREATE TABLE t (a SUPER) SORTKEY AUTO OF a;", "sqlfluff: "),
    (
        "INSERT INTO t (a) VALUES (1) ON CONFLICT DO NOTHING;",
        "no ON CONFLICT",
    ),
    ("SELECT DISTINCT ON (a) a FROM t;", "no DISTINCT ON"),
    ("DELETE FROM t x WHERE x.a = 1;", "no DELETE FROM t x"),
    (
        "DELETE FROM t AS x USING y WHERE x.a = 1;",
        "no DELETE FROM t AS x",
    ),
    ("SELECT a AS tag FROM t;", "tag is reserved"),
    ("SELECT 1 FROM t snapshot;", "snapshot is reserved"),
    (
        "CREATE TABLE t (\n  \"a\" SUPER\n) DISTKEY (\"a\") SORTKEY (\"a\");",
        "\"a\" is SUPER",
    ),
    (
        "CREATE TABLE t (\n  \"a\" VARBYTE(4)\n) DISTKEY (\"a\") SORTKEY (\"a\");",
        "\"a\" is VARBYTE(4)",
    ),
    ("CREATE TABLE t (a JSON);", "no JSON"),
    ("CREATE INDEX ON t (a);", "no CREATE INDEX"),
    (
        "CREATE OR REPLACE PROCEDURE p() AS $$\nBEGIN\n  FOR r IN SELECT 1 LOOP\n  END LOOP;\nEND;\n$$ LANGUAGE plpgsql;",
        "sqlglot: ",
    ),
    (
        "CREATE OR REPLACE PROCEDURE p() AS $$\nDECLARE\n  n BIGINT;\nBEGIN\n  INSERT INTO t (\"n\") SELECT 1;\nEND;\n$$ LANGUAGE plpgsql;",
        "is a variable's too",
    ),
    (
        "CREATE OR REPLACE PROCEDURE p() AS $$\nBEGIN\n  SELECT COUNT(*) INTO n FROM t;\nEND;\n$$ LANGUAGE plpgsql;",
        "['n'] are no variables",
    ),
    (
        "CREATE OR REPLACE PROCEDURE p() AS $$\nBEGIN\n  COMMIT;\nEND;\n$$ LANGUAGE plpgsql SET a TO true;",
        "COMMIT in a procedure with SET",
    ),
];

#[test]
fn the_check_finds_what_redshift_refuses() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    fs::write(folder.path().join("good.sql"), "SELECT a AS b FROM t;\n")?;
    let long = format!("SELECT \"{}\" FROM t;", "ä".repeat(64));
    let named = [(long.as_str(), "a name of 128 bytes")];
    let all: Vec<_> = REFUSED.iter().copied().chain(named).collect();
    for (at, (sql, _)) in all.iter().enumerate() {
        fs::write(
            folder.path().join(format!("bad{at:02}.sql")),
            format!("{sql}\n"),
        )?;
    }
    let output = check(folder.path())?;
    let said = String::from_utf8(output.stdout)?;
    assert_eq!(output.status.code(), Some(1), "{said}");
    for (at, (sql, wanted)) in all.iter().enumerate() {
        let file = format!("bad{at:02}.sql");
        let is_said = said
            .lines()
            .any(|line| line.starts_with(&file) && line.contains(wanted));
        assert!(is_said, "{sql}: {wanted} is missing in {said}");
    }
    assert!(!said.contains("good.sql"), "{said}");
    Ok(())
}

#[tokio::test]
async fn streaming_ingestion_is_read_by_both_parsers_too() -> anyhow::Result<()> {
    let mysql = MySql::start().await?;
    mysql
        .exec("CREATE DATABASE shop; CREATE TABLE shop.orders (id INT PRIMARY KEY, note TEXT)")
        .await?;
    for packing in ["json_array", "none"] {
        let others = [
            ("warehouse.incoming", "streaming"),
            ("sink.type", "kinesis"),
            ("sink.kinesis.stream", "Shop-Changes"),
            ("sink.kinesis.region", "eu-central-1"),
            ("packing.type", packing),
        ];
        let generated = generate_with(&mysql, "", &others).await?;
        let stream = generated.folder.path().join("out/00-stream.sql");
        ensure!(stream.exists(), "no {}", stream.display());
        ensure_read(&generated)?;
    }
    Ok(())
}
