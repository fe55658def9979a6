//! What MariaDB does not log, or logs as something else: rows changed by foreign keys, databases that it leaves
//! out, deletes of system-versioned tables.

use serde_json::Value;

use super::Maria;
use crate::world::{WITHIN, says};

#[tokio::test]
async fn a_delete_of_a_system_versioned_table_is_an_update_that_ends_the_row() -> anyhow::Result<()>
{
    let maria = Maria::new(&[]).await?;
    maria
        .server
        .exec(
            "CREATE DATABASE shop; CREATE TABLE shop.h (id INT PRIMARY KEY, v INT) WITH SYSTEM VERSIONING; \
             INSERT INTO shop.h VALUES (1, 1), (2, 2); UPDATE shop.h SET v = 5 WHERE id = 1; \
             DELETE FROM shop.h WHERE id = 2",
        )
        .await?;
    let lines = maria.catch_up().await?;
    let rows: Vec<_> = lines.iter().filter(|line| line["type"] != "ddl").collect();
    let kinds: Vec<_> = rows.iter().map(|line| line["type"].clone()).collect();
    assert_eq!(kinds, ["insert", "insert", "update", "insert", "update"]);
    // Of rows that are current.
    let end = rows[0]["data"]["row_end"].clone();
    assert!(end.as_str().is_some_and(|end| "2038" <= end), "{end}");
    let [update, history, delete] = [2, 3, 4].map(|index: usize| rows[index]);
    assert_eq!(
        (&update["data"]["row_end"], &update["data"]["v"]),
        (&end, &Value::from(5))
    );
    // What the row was before, until then.
    assert_eq!(history["data"]["row_end"], update["data"]["row_start"]);
    assert_eq!(history["data"]["v"], 1);
    // The end of the row is a part of its key.
    assert_eq!(delete["old"]["row_end"], end);
    assert_ne!(delete["key"]["row_end"], end);
    assert_eq!(delete["key"]["id"], 2);
    Ok(())
}

#[tokio::test]
async fn check_and_run_refuse_a_server_that_logs_no_included_table() -> anyhow::Result<()> {
    let maria = Maria::new(&["--binlog-ignore-db=shop"]).await?;
    maria
        .server
        .exec("CREATE DATABASE shop; CREATE TABLE shop.a (id INT PRIMARY KEY)")
        .await?;
    let words = ["binlog_ignore_db = shop", "nothing would ever come"];
    says(&maria.run(&maria.server).await?, 1, &words);
    says(&maria.command(&["check"]).await?, 1, &words);
    // One that is logged: what is missing is named.
    maria
        .server
        .exec("CREATE DATABASE log; CREATE TABLE log.b (id INT PRIMARY KEY)")
        .await?;
    let checked = maria.command(&["check"]).await?;
    says(
        &checked,
        0,
        &["changes of 1 included tables are not logged: shop.a"],
    );
    assert_eq!(maria.run(&maria.server).await?.code(), Some(0));
    Ok(())
}

#[tokio::test]
async fn check_names_tables_that_foreign_keys_change_unseen() -> anyhow::Result<()> {
    let maria = Maria::new(&[]).await?;
    maria
        .server
        .exec(
            "CREATE DATABASE shop; CREATE TABLE shop.parent (id INT PRIMARY KEY); \
             CREATE TABLE shop.child (id INT PRIMARY KEY, p INT, \
             FOREIGN KEY (p) REFERENCES shop.parent (id) ON DELETE CASCADE); \
             CREATE TABLE shop.strict_child (id INT PRIMARY KEY, p INT, \
             FOREIGN KEY (p) REFERENCES shop.parent (id)); \
             INSERT INTO shop.parent VALUES (1); INSERT INTO shop.child VALUES (1, 1); \
             DELETE FROM shop.parent",
        )
        .await?;
    let lines = maria.catch_up().await?;
    let deletes = lines.iter().filter(|line| line["type"] == "delete");
    let deletes: Vec<_> = deletes.map(|line| line["table"].clone()).collect();
    assert_eq!(deletes, ["parent"], "MariaDB logs no more");
    let checked = maria.command(&["check"]).await?;
    let line = "rows of shop.child that change with shop.parent (ON DELETE CASCADE";
    says(&checked, 0, &[line]);
    assert!(
        !checked.text().contains("strict_child"),
        "{}",
        checked.text()
    );
    // An account that may only SELECT sees primary keys too.
    let by_key = ["check", "--set", "ordering.key=primary_key"];
    says(
        &maria.command(&by_key).await?,
        0,
        &["every included table has a primary key"],
    );
    Ok(())
}

#[tokio::test]
async fn tables_that_are_added_behind_the_stored_position_are_named_once() -> anyhow::Result<()> {
    let maria = Maria::new(&[]).await?;
    maria
        .server
        .exec(
            "CREATE DATABASE shop; CREATE TABLE shop.a (id INT PRIMARY KEY); CREATE TABLE shop.b (id INT PRIMARY KEY); \
             INSERT INTO shop.a VALUES (1); INSERT INTO shop.b VALUES (1)",
        )
        .await?;
    let line = "1 tables were added behind the stored position";
    for (tables, is_named) in [("shop.a", false), ("shop.*", true), ("shop.*", false)] {
        let launch = maria
            .launch(&maria.server)?
            .setting("source.tables", tables);
        let run = launch.arg("--until").arg("now").finish(WITHIN).await?;
        assert_eq!(run.code(), Some(0), "{}", run.text());
        assert_eq!(
            run.text().contains(line),
            is_named,
            "{tables}: {}",
            run.text()
        );
    }
    Ok(())
}
