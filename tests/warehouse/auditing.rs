//! `headwater warehouse audit`: clean while the shop goes on, and each planted fault is named.

use std::time::Duration;

use headwater_harness::{
    postgres::{Postgres, READER},
    process::Signal,
    program::Finished,
    road::SCHEMA,
    warehouse,
};
use serde_json::Value;

use crate::world::{ORDERS, World};

const WITHIN: Duration = Duration::from_secs(120);

async fn audit(world: &World, arguments: &[&str]) -> anyhow::Result<Finished> {
    warehouse::audit(world.launch(), &world.postgres, "warehouse", arguments).await
}

pub async fn report(world: &World, arguments: &[&str]) -> anyhow::Result<(Option<i32>, Value)> {
    let finished = audit(world, &[&["--json"], arguments].concat()).await?;
    let text = finished.stdout.concat();
    let report = serde_json::from_str(&text).map_err(|_| anyhow::anyhow!("{}", finished.text()))?;
    Ok((finished.code(), report))
}

fn number(report: &Value, name: &str) -> u64 {
    report["tables"][0][name]
        .as_u64()
        .unwrap_or_else(|| panic!("{name} in {report}"))
}

#[tokio::test]
async fn equal_tables_are_clean_and_the_position_is_named() -> anyhow::Result<()> {
    let mut world = World::running(|_| (), ORDERS).await?;
    world.mysql.exec("UPDATE shop.orders SET note = NULL WHERE id % 3 = 0; DELETE FROM shop.orders WHERE id > 400").await?;
    world.settle().await?;
    let (code, report) = report(&world, &[]).await?;
    assert_eq!(code, Some(0), "{report}");
    assert_eq!(
        (number(&report, "rows"), number(&report, "equal")),
        (400, 400),
        "{report}"
    );
    assert!(
        report["tables"][0]["position"]
            .as_str()
            .is_some_and(|at| at.starts_with("binlog.")),
        "{report}"
    );
    Ok(())
}

#[tokio::test]
async fn planted_faults_are_all_found_and_their_keys_named() -> anyhow::Result<()> {
    let mut world = World::running(|_| (), ORDERS).await?;
    world
        .mysql
        .exec("DELETE FROM shop.orders WHERE id = 500")
        .await?;
    world.settle().await?;
    world
        .postgres
        .exec(
            "DELETE FROM shop.orders__rows WHERE id = 7; \
             UPDATE shop.orders__rows SET note = 'other' WHERE id = 8; \
             UPDATE shop.orders__rows SET price = price + 0.01 WHERE id = 9; \
             UPDATE shop.orders__rows SET quantity = NULL WHERE id = 10; \
             UPDATE shop.orders__rows SET _deleted = FALSE WHERE id = 500; \
             UPDATE shop.orders__rows SET _deleted = TRUE WHERE id = 11",
        )
        .await?;
    let (code, report) = report(&world, &["--wait-secs", "0"]).await?;
    assert_eq!(code, Some(1), "{report}");
    let counts = ["missing", "extra", "different"].map(|name| number(&report, name));
    assert_eq!(counts, [2, 1, 3], "{report}");
    let keys = &report["tables"][0]["keys"];
    assert_eq!(keys["missing"], serde_json::json!(["7", "11"]), "{report}");
    assert_eq!(keys["extra"], serde_json::json!(["500"]), "{report}");
    assert_eq!(
        keys["different"].as_array().map(Vec::len),
        Some(3),
        "{report}"
    );
    let text = audit(&world, &["--wait-secs", "0"]).await?;
    assert!(
        text.text()
            .contains("2 rows missing in the warehouse: (7), (11)"),
        "{}",
        text.text()
    );
    Ok(())
}

#[tokio::test]
async fn a_lost_file_is_found_when_the_warehouse_has_merged_what_came_behind_it()
-> anyhow::Result<()> {
    let mut world = World::running(|_| (), ORDERS).await?;
    world.settle().await?;
    world
        .mysql
        .exec("UPDATE shop.orders SET note = 'in the lost file' WHERE id < 4")
        .await?;
    world.streamed().await?;
    let lost = world.firehose.settle().await?;
    assert!(!lost.data.is_empty());
    world
        .mysql
        .exec("UPDATE shop.orders SET note = 'behind it' WHERE id = 9")
        .await?;
    world.complete().await?;
    let (code, report) = report(&world, &["--wait-secs", "30"]).await?;
    assert_eq!(code, Some(1), "{report}");
    assert_eq!(number(&report, "different"), 3, "{report}");
    assert_eq!(
        report["tables"][0]["behind"],
        Value::Null,
        "it is not behind: {report}"
    );
    Ok(())
}

#[tokio::test]
async fn what_changes_meanwhile_is_waited_for_and_never_blamed() -> anyhow::Result<()> {
    let mut world = World::running(|_| (), ORDERS).await?;
    world.settle().await?;
    // Not merged yet: the warehouse is behind what MySQL is read at.
    world.mysql.exec("UPDATE shop.orders SET quantity = quantity + 1; INSERT INTO shop.orders (id) VALUES (9000)").await?;
    let (code, behind) = report(&world, &["--wait-secs", "0"]).await?;
    assert_eq!(code, Some(1), "{behind}");
    let said = behind["tables"][0]["behind"].as_str().unwrap_or_default();
    assert!(
        said.contains("behind") || number(&behind, "different") == 500,
        "{behind}"
    );
    world.settle().await?;
    let (code, report) = report(&world, &["--wait-secs", "100"]).await?;
    assert_eq!(code, Some(0), "{report}");
    Ok(())
}

#[tokio::test]
async fn a_warehouse_that_cannot_be_asked_says_why_and_what_to_do() -> anyhow::Result<()> {
    let mut world = World::running(|_| (), ORDERS).await?;
    world.streamed().await?;
    let url = world.postgres.url("headwater");
    let wrong = url.replace("let-it-flow", "wrong");
    let nowhere = url.replace(&world.postgres.port().to_string(), "1");
    for (url, code, named) in [
        ("", 1, "warehouse.url is empty"),
        ("postgres://x", 2, "warehouse.url"),
        (wrong.as_str(), 1, "warehouse.password_file"),
        (nowhere.as_str(), 1, "warehouse.url name a host"),
    ] {
        let launch = warehouse::audit_launch(world.launch(), url, "warehouse", &[]);
        let finished = launch.finish(WITHIN).await?;
        assert_eq!(finished.code(), Some(code), "{}", finished.text());
        assert!(finished.text().contains(named), "{}", finished.text());
        assert!(
            !finished.text().contains("let-it-flow"),
            "{}",
            finished.text()
        );
    }
    world
        .postgres
        .exec("DROP TABLE shop.orders__rows CASCADE")
        .await?;
    let finished = audit(&world, &[]).await?;
    assert_eq!(finished.code(), Some(1));
    assert!(
        finished.text().contains("apply the generated SQL"),
        "{}",
        finished.text()
    );
    world
        .mysql
        .exec("ALTER TABLE shop.orders ADD COLUMN later INT")
        .await?;
    let finished = audit(&world, &[]).await?;
    assert!(finished.text().contains("--diff"), "{}", finished.text());
    world
        .postgres
        .exec(&format!("DROP SCHEMA {SCHEMA} CASCADE"))
        .await?;
    Ok(())
}

#[tokio::test]
async fn a_warehouse_that_is_far_behind_is_waited_for_until_a_signal() -> anyhow::Result<()> {
    let mut world = World::running(|_| (), ORDERS).await?;
    world.streamed().await?;
    let url = world.postgres.url(READER);
    let launch = warehouse::audit_launch(world.launch(), &url, "warehouse", &[]);
    let mut waiting = launch.start()?;
    let line = "merged up to nothing; waiting for";
    waiting.wait_for_line(line, WITHIN).await?;
    waiting.signal(Signal::Term)?;
    let finished = waiting.wait_exit(WITHIN).await?;
    assert_ne!(finished.code(), Some(0), "{}", finished.text());
    assert!(finished.stdout.is_empty(), "{}", finished.text());
    Ok(())
}

#[tokio::test]
async fn a_warehouse_is_verified_before_it_gets_a_password() -> anyhow::Result<()> {
    let mut world = World::running(|_| (), ORDERS).await?;
    world.streamed().await?;
    let with_tls = Postgres::with_tls().await?;
    let certificate = with_tls.certificate_file().expect("it has TLS");
    let url = with_tls.url("headwater").replace("127.0.0.1", "localhost");
    let arguments = [
        "warehouse",
        "audit",
        "--dir",
        "warehouse",
        "--target",
        &url,
        "-c",
        "headwater.toml",
    ];
    let launch = world.launch().clone().with_arguments(&arguments);
    let finished = launch.finish(WITHIN).await?;
    assert_eq!(finished.code(), Some(1));
    assert!(
        finished.text().contains("warehouse.tls.ca_file"),
        "{}",
        finished.text()
    );
    let empty = world.folder().join("empty.pem");
    std::fs::write(&empty, "")?;
    let nobody = launch
        .clone()
        .setting("warehouse.tls.ca_file", &empty.display().to_string());
    let finished = nobody.finish(WITHIN).await?;
    assert_eq!(finished.code(), Some(1));
    for part in ["empty.pem", "no certificates", "warehouse.tls.ca_file"] {
        assert!(finished.text().contains(part), "{}", finished.text());
    }
    let launch = launch.setting("warehouse.tls.ca_file", &certificate.display().to_string());
    let finished = launch.finish(WITHIN).await?;
    assert_eq!(finished.code(), Some(1));
    // It is let in, and finds no table.
    assert!(
        finished.text().contains("apply the generated SQL"),
        "{}",
        finished.text()
    );
    Ok(())
}

#[tokio::test]
async fn a_table_that_cannot_be_read_is_said_so_and_the_others_are_compared() -> anyhow::Result<()>
{
    let sql = format!(
        "{ORDERS}; CREATE TABLE shop.flags (id INT PRIMARY KEY) ENGINE = MyISAM; INSERT INTO shop.flags VALUES (1)"
    );
    let mut world = World::running(|_| (), &sql).await?;
    world.settle().await?;
    let finished = audit(&world, &[]).await?;
    assert_eq!(finished.code(), Some(1), "not known to be equal");
    for said in [
        "shop.flags: NOT COMPARED: ",
        "shop.orders: equal",
        "0 of 2 tables differ, 1 could not be compared",
    ] {
        assert!(finished.text().contains(said), "{}", finished.text());
    }
    let finished = audit(&world, &["*.*", "!shop.flags"]).await?;
    assert_eq!(finished.code(), Some(0), "{}", finished.text());
    Ok(())
}
