//! A server that compares names without case: statements belong to the tables whose rows the log has in lower
//! case, whatever case a client writes them in.

use headwater_harness::{
    mysql::MySql,
    program::{Finished, Launch},
};
use serde_json::Value;
use tempfile::TempDir;

use crate::world::{BINARY, WITHIN, says};

const FOLDED: &str = "--lower-case-table-names=1";

/// `command`, from this server or its files into `name`.
async fn finish(
    folder: &TempDir,
    server: &MySql,
    (command, tables): (&[&str], &str),
    name: &str,
) -> anyhow::Result<Finished> {
    let config = format!(
        "name = \"{name}\"\n[source]\nurl = \"{}\"\nstart = \"earliest\"\ntables = [{tables}]\n\
         [sink]\ntype = \"file\"\n[sink.file]\npath = \"{name}\"\n[checkpoint.file]\npath = \"{name}.checkpoint\"\n",
        server.headwater_url()
    );
    std::fs::write(folder.path().join("headwater.toml"), config)?;
    let arguments = [command, &["-c", "headwater.toml"]].concat();
    Launch::new(BINARY, folder.path(), &arguments)?
        .finish(WITHIN)
        .await
}

/// The kind and the table of each line, in the order of the source.
fn told(folder: &TempDir, name: &str) -> anyhow::Result<Vec<String>> {
    let text = std::fs::read_to_string(folder.path().join(name))?;
    let lines: Result<Vec<Value>, _> = text.lines().map(serde_json::from_str).collect();
    let text = |line: &Value, field: &str| line[field].as_str().unwrap_or_default().to_owned();
    let mut lines = lines?;
    lines.sort_by_key(|line| (text(line, "seq"), text(line, "table")));
    Ok(lines
        .iter()
        .map(|line| {
            let [kind, database, table] = ["type", "database", "table"].map(|it| text(line, it));
            format!("{kind} {database}.{table}")
        })
        .collect())
}

async fn statements_belong_to_their_tables(server: MySql) -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    server
        .exec(
            "CREATE DATABASE Bugs; USE Bugs; CREATE TABLE Orders (id INT PRIMARY KEY); \
             CREATE TABLE Secret (id INT PRIMARY KEY); INSERT INTO Orders VALUES (1); \
             ALTER TABLE Bugs.ORDERS ADD w INT; INSERT INTO ORDERS VALUES (2, 2); \
             TRUNCATE TABLE Orders; INSERT INTO orders VALUES (3, 3); \
             ALTER TABLE SECRET ADD password TEXT; TRUNCATE bugs.Secret; \
             SET SESSION binlog_format = 'STATEMENT'; INSERT INTO Bugs.SECRET VALUES (1, 'x'); \
             SET SESSION binlog_format = 'ROW'; RENAME TABLE Orders TO Orders2; \
             INSERT INTO Orders2 VALUES (4, 4); ALTER DATABASE BUGS CHARACTER SET latin1",
        )
        .await?;
    let tables = "\"bugs.*\", \"!bugs.secret\"";
    let run: &[&str] = &["run", "--until", "now"];
    let finished = finish(&folder, &server, (run, tables), "run").await?;
    assert_eq!(finished.code(), Some(0), "{}", finished.text());
    let expected = [
        "ddl bugs.",
        "ddl bugs.orders",
        "insert bugs.orders",
        "ddl bugs.orders",
        "insert bugs.orders",
        "truncate bugs.orders",
        "insert bugs.orders",
        "ddl bugs.orders",
        "ddl bugs.orders2",
        "insert bugs.orders2",
        "ddl bugs.",
    ];
    assert_eq!(told(&folder, "run")?, expected);

    // Files cannot be asked.
    server.exec("FLUSH BINARY LOGS").await?;
    let file = server.binlog_files()?.remove(0).display().to_string();
    let set = "source.lower_case_table_names=1";
    let replay: &[&str] = &["replay", &file, "--set", set];
    let finished = finish(&folder, &server, (replay, tables), "replay").await?;
    assert_eq!(finished.code(), Some(0), "{}", finished.text());
    assert_eq!(told(&folder, "replay")?, expected);

    // A pattern that would exclude nothing.
    let tables = "\"bugs.*\", \"!Bugs.Secret\"";
    let words = ["source.tables \"!Bugs.Secret\"", "in lower case"];
    for command in [run, replay, &["check"]] {
        let finished = finish(&folder, &server, (command, tables), "refused").await?;
        says(&finished, 1, &words);
    }
    Ok(())
}

#[tokio::test]
async fn statements_belong_to_their_tables_whatever_case_they_are_written_in() -> anyhow::Result<()>
{
    statements_belong_to_their_tables(MySql::with(&[FOLDED]).await?).await
}

#[tokio::test]
async fn statements_of_mariadb_belong_to_their_tables_whatever_case_they_are_written_in()
-> anyhow::Result<()> {
    statements_belong_to_their_tables(MySql::mariadb(&[FOLDED]).await?).await
}
