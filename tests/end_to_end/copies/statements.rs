//! Statements on tables while they are copied.

use anyhow::Context;
use headwater_harness::{mysql::MySql, tables::Tables, wait::Deadline};
use mysql_async::prelude::Queryable;
use serde_json::Value;

use super::{Shop, WITHIN};
use crate::world::{delivered, says, status_is};

/// Tables `shop.t_NAME` of 300 rows, what happens to each, and the columns that stay.
const CASES: [(&str, &str, &str); 11] = [
    (
        "add",
        "ALTER TABLE shop.t_add ADD COLUMN extra INT DEFAULT 7 FIRST",
        "id, n",
    ),
    ("drop", "ALTER TABLE shop.t_drop DROP COLUMN note", "id, n"),
    (
        "name",
        "ALTER TABLE shop.t_name RENAME COLUMN note TO remark",
        "id, n",
    ),
    (
        "modify",
        "ALTER TABLE shop.t_modify MODIFY note TEXT",
        "id, n, note",
    ),
    (
        "empty",
        "TRUNCATE TABLE shop.t_empty; INSERT INTO shop.t_empty VALUES (7, 7, 'new')",
        "*",
    ),
    (
        "moved",
        "RENAME TABLE shop.t_moved TO shop.gone; CREATE TABLE shop.t_moved LIKE shop.gone; \
         INSERT INTO shop.t_moved VALUES (1, 2, 'other')",
        "*",
    ),
    (
        "ghost",
        "CREATE TABLE shop.g LIKE shop.t_ghost; ALTER TABLE shop.g ADD extra INT; \
         INSERT INTO shop.g (id, n, note) SELECT * FROM shop.t_ghost; UPDATE shop.g SET n = -n WHERE id < 50; \
         RENAME TABLE shop.t_ghost TO shop.g_old, shop.g TO shop.t_ghost",
        "id, n, note",
    ),
    (
        "made",
        "DROP TABLE shop.t_made; CREATE TABLE shop.t_made (id INT PRIMARY KEY, n INT, note VARCHAR(50)); \
         INSERT INTO shop.t_made VALUES (1, 9, 'made again')",
        "*",
    ),
    (
        "key",
        "ALTER TABLE shop.t_key DROP PRIMARY KEY, ADD PRIMARY KEY (n, id)",
        "*",
    ),
    ("lost", "DROP TABLE shop.t_lost", ""),
    (
        "part",
        "CREATE TABLE shop.other (id INT PRIMARY KEY, n INT, note VARCHAR(50)); \
         INSERT INTO shop.other VALUES (3, 33, 'exchanged'); \
         ALTER TABLE shop.t_part EXCHANGE PARTITION p0 WITH TABLE shop.other",
        "*",
    ),
];

/// Whose copies end with the table: what is made again under its name comes with the stream.
const OVER: [&str; 2] = ["shop.t_lost", "shop.t_made"];

fn tables() -> String {
    let table = |(name, ..): &(&str, &str, &str)| {
        let partitions = match *name {
            "part" => {
                " PARTITION BY RANGE (id) (PARTITION p0 VALUES LESS THAN (100), PARTITION p1 VALUES LESS THAN MAXVALUE)"
            }
            _ => "",
        };
        format!(
            "CREATE TABLE shop.t_{name} (id INT PRIMARY KEY, n INT, note VARCHAR(50)){partitions}; \
             INSERT INTO shop.t_{name} WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 300) \
             SELECT i, i * 3, CONCAT('row ', i) FROM n"
        )
    };
    CASES.iter().map(table).collect::<Vec<_>>().join("; ")
}

/// Runs each where its table's chunk has come to the gate that `text_of` tells.
async fn strikes_at(
    shop: &Shop,
    gate_of: impl Fn(&Shop, &str) -> Option<headwater_harness::wire::Gate>,
) -> anyhow::Result<Tables> {
    let names: Vec<String> = CASES
        .iter()
        .map(|(name, ..)| format!("shop.t_{name}"))
        .collect();
    let all = shop.last_mark();
    let gates: Vec<_> = CASES.iter().map(|(name, ..)| gate_of(shop, name)).collect();
    let program = shop
        .launch("shop.t_*")?
        .setting("snapshot.parallel", &CASES.len().to_string())
        .start()?;
    match gates.iter().flatten().count() {
        0 => all.reached(CASES.len() as u64).await?,
        _ => {
            for gate in gates.iter().flatten() {
                gate.reached(1).await?;
            }
        }
    }
    // Nothing of ours holds a lock that a statement would wait for.
    let mut conn = shop.world.mysql.conn().await?;
    conn.query_drop("SET SESSION lock_wait_timeout = 2").await?;
    for (_, statements, _) in CASES {
        let outcome = conn.query_drop(statements).await;
        outcome.with_context(|| statements.to_owned())?;
    }
    drop((all, gates));
    let lasting: Vec<&str> = names
        .iter()
        .map(String::as_str)
        .filter(|name| !OVER.contains(name))
        .collect();
    shop.copied(&lasting).await?;
    delivered(&program, &shop.world.mysql).await?;
    let finished = program.drain(WITHIN).await?;
    anyhow::ensure!(finished.code() == Some(0), "{}", finished.text());
    let consumer = shop.came().await?;
    for ((_, _, columns), name) in CASES.iter().zip(&names) {
        if OVER.contains(&name.as_str()) {
            assert_eq!(consumer.ends_of(name), 0, "{name} is gone");
        }
        if !columns.is_empty() {
            consumer.has(&shop.world.mysql, name, columns).await?;
        }
    }
    shop.judged().await?;
    Ok(consumer)
}

#[tokio::test]
async fn statements_while_tables_are_described_are_coped_with() -> anyhow::Result<()> {
    let shop = Shop::new(&tables(), &[]).await?;
    strikes_at(&shop, |shop, name| {
        Some(
            shop.wire
                .gate(&format!("SHOW INDEX FROM `shop`.`t_{name}`")),
        )
    })
    .await?;
    Ok(())
}

#[tokio::test]
async fn statements_between_the_begin_of_a_window_and_its_select_are_coped_with()
-> anyhow::Result<()> {
    let shop = Shop::new(&tables(), &[]).await?;
    strikes_at(&shop, |shop, name| {
        Some(shop.wire.gate(&format!("`shop`.`t_{name}` FORCE INDEX")))
    })
    .await?;
    Ok(())
}

#[tokio::test]
async fn statements_behind_a_select_wait_for_nothing_and_void_its_chunk() -> anyhow::Result<()> {
    let shop = Shop::new(&tables(), &[]).await?;
    strikes_at(&shop, |_, _| None).await?;
    Ok(())
}

#[tokio::test]
async fn on_mariadb_statements_behind_a_consistent_snapshot_are_coped_with() -> anyhow::Result<()> {
    let shop = Shop::mariadb(&tables()).await?;
    strikes_at(&shop, |shop, name| {
        Some(shop.wire.gate(&format!("`shop`.`t_{name}` FORCE INDEX")))
    })
    .await?;
    Ok(())
}

/// While a copy is paused it has no window: its next chunk meets a table that was altered twice.
#[tokio::test]
async fn two_statements_between_two_chunks_are_both_followed() -> anyhow::Result<()> {
    const TABLE: &str = "shop.orders";
    let shop = Shop::new(&super::orders(2_500), &[]).await?;
    let launch = shop.launch(TABLE)?;
    let ask = async |what: &str| {
        let arguments = ["snapshot", what, "-c", "headwater.toml"];
        let asked = launch.clone().with_arguments(&arguments);
        says(&asked.finish(WITHIN).await?, 0, &[what, TABLE]);
        anyhow::Ok(())
    };
    let mark = shop.first_mark(0);
    let program = launch.start()?;
    // Those of the description, of the first and of the second chunk.
    mark.pass(2);
    mark.reached(3).await?;
    ask("pause").await?;
    status_is(&program, "the copy to be paused", |status| {
        status["copies"][0]["state"] == "paused"
    })
    .await?;
    drop(mark);
    for statement in [
        "ALTER TABLE shop.orders ADD COLUMN extra INT DEFAULT 7 FIRST",
        "UPDATE shop.orders SET extra = 8 WHERE id <= 20",
        "ALTER TABLE shop.orders RENAME COLUMN note TO remark, MODIFY quantity BIGINT NOT NULL",
        "UPDATE shop.orders SET quantity = 5000000000 WHERE id % 100 = 0",
    ] {
        shop.exec(statement).await?;
    }
    delivered(&program, &shop.world.mysql).await?;
    ask("resume").await?;
    shop.copied(&[TABLE]).await?;
    delivered(&program, &shop.world.mysql).await?;
    assert_eq!(program.drain(WITHIN).await?.code(), Some(0));
    let consumer = shop.came().await?;
    assert_eq!(consumer.ends_of(TABLE), 1);
    let server = &shop.world.mysql;
    consumer.has(server, TABLE, "id, quantity").await?;
    shop.judged().await?;
    shop.audited().await?;
    let lines = shop.world.lines_of(TABLE).await?;
    let of = |remark: &str| {
        let is_it =
            |line: &&Value| line["type"] == "snapshot" && line["data"].get(remark).is_some();
        lines.iter().filter(is_it).collect::<Vec<_>>()
    };
    let (before, behind) = (of("note"), of("remark"));
    assert!(!before.is_empty() && before.len() + behind.len() == 2_500);
    assert!(behind.iter().all(|line| line["data"]["extra"] == 7));
    Ok(())
}

/// Its readers hold no lock while what they read is on its way.
#[tokio::test]
async fn on_mariadb_a_statement_waits_for_one_chunk_at_most() -> anyhow::Result<()> {
    let shop = Shop::mariadb(&super::orders(2_500)).await?;
    let gate = shop.wire.gate(super::SELECT);
    let program = shop.launch("shop.orders")?.start()?;
    gate.pass(1);
    gate.reached(2).await?;
    let mut conn = shop.world.mysql.conn().await?;
    let alter = tokio::spawn(async move {
        let sql = "ALTER TABLE shop.orders ADD COLUMN extra INT DEFAULT 7";
        conn.query_drop(sql).await
    });
    drop(gate);
    let is_altered = "SELECT COUNT(*) FROM information_schema.columns WHERE table_name = 'orders' AND column_name = 'extra'";
    let deadline = Deadline::after(WITHIN, "the statement to end");
    while shop.world.mysql.query_value(is_altered).await? != "1" {
        deadline.pause().await?;
    }
    alter.await??;
    shop.copied(&["shop.orders"]).await?;
    delivered(&program, &shop.world.mysql).await?;
    assert_eq!(program.drain(WITHIN).await?.code(), Some(0));
    let consumer = shop.came().await?;
    let server: &MySql = &shop.world.mysql;
    consumer
        .has(server, "shop.orders", "id, quantity, note")
        .await
}
