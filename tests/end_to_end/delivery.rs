//! What arrives, and in which order.

use serde_json::{Value, json};

use crate::{
    traffic::transactions,
    world::{WITHIN, World, delivered},
};

fn types(lines: &[Value]) -> Vec<&str> {
    lines
        .iter()
        .map(|line| line["type"].as_str().unwrap_or_default())
        .collect()
}

#[tokio::test]
async fn changes_arrive_in_commit_order_with_every_event_complete() -> anyhow::Result<()> {
    let world = World::new(2).await?;
    let mut program = world.launch()?.setting("source.start", "now").start()?;
    program.wait_ready(WITHIN).await?;
    world
        .mysql
        .exec(
            "INSERT INTO shop.orders VALUES (1, 2, 'first'), (2, 3, NULL); \
             UPDATE shop.orders SET quantity = 5 WHERE id = 1; \
             UPDATE shop.orders SET id = 10 WHERE id = 2; \
             START TRANSACTION; INSERT INTO shop.items VALUES (10, 1, 'cup'); \
             DELETE FROM shop.orders WHERE id = 1; INSERT INTO shop.log (text) VALUES ('gone'); COMMIT; \
             ALTER TABLE shop.orders ADD COLUMN colour VARCHAR(10) NOT NULL DEFAULT 'red'; \
             INSERT INTO shop.orders VALUES (3, 1, 'new', 'blue'); \
             TRUNCATE TABLE shop.orders; \
             INSERT INTO shop.orders (id, quantity) VALUES (4, 4); \
             DROP TABLE shop.orders",
        )
        .await?;
    delivered(&program, &world.mysql).await?;
    let finished = program.drain(WITHIN).await?;
    assert_eq!(finished.code(), Some(0), "{}", finished.text());

    let orders = world.lines_of("shop.orders").await?;
    assert_eq!(
        types(&orders),
        [
            "insert", "insert", "update", "update", "delete", "ddl", "insert", "truncate",
            "insert", "ddl"
        ]
    );
    let (uuid, head) = (
        world.mysql.query_value("SELECT @@server_uuid").await?,
        world.mysql.gtid_executed().await?,
    );
    assert!(head.starts_with(&uuid));
    let told = |n: usize, name: &str| orders[n][name].clone();
    assert_eq!(
        told(0, "data"),
        json!({"id": 1, "quantity": 2, "note": "first"})
    );
    assert_eq!(
        told(1, "data"),
        json!({"id": 2, "quantity": 3, "note": null})
    );
    assert_eq!(told(2, "old"), json!({"quantity": 2}));
    assert_eq!(
        told(2, "data"),
        json!({"id": 1, "quantity": 5, "note": "first"})
    );
    assert_eq!(
        (told(3, "key"), told(3, "old")),
        (json!({"id": 10}), json!({"id": 2}))
    );
    assert_eq!(
        told(4, "data"),
        json!({"id": 1, "quantity": 5, "note": "first"})
    );
    assert!(
        told(5, "statement")
            .as_str()
            .is_some_and(|sql| sql.starts_with("ALTER TABLE shop.orders"))
    );
    assert_eq!(
        told(6, "data"),
        json!({"id": 3, "quantity": 1, "note": "new", "colour": "blue"})
    );
    assert_eq!(
        told(8, "data"),
        json!({"id": 4, "quantity": 4, "note": null, "colour": "red"})
    );
    assert!(
        told(9, "statement")
            .as_str()
            .is_some_and(|sql| sql.contains("DROP TABLE"))
    );
    for line in &orders {
        assert_eq!(
            (&line["database"], &line["table"]),
            (&json!("shop"), &json!("orders"))
        );
        assert!(
            line["gtid"]
                .as_str()
                .is_some_and(|gtid| gtid.starts_with(&uuid))
        );
        assert!(
            line["ts_us"]
                .as_u64()
                .is_some_and(|at| at > 1_000_000_000_000_000)
        );
        assert!(
            line["position"]
                .as_str()
                .is_some_and(|at| at.starts_with("binlog.0"))
        );
    }
    // One transaction over three tables: its changes share the GTID and count on.
    let (items, log) = (
        world.lines_of("shop.items").await?,
        world.lines_of("shop.log").await?,
    );
    assert_eq!((items.len(), log.len()), (1, 1));
    assert_eq!(items[0]["gtid"], log[0]["gtid"]);
    assert_eq!(items[0]["gtid"], orders[4]["gtid"]);
    let number = |line: &Value| {
        line["id"]
            .as_str()
            .unwrap()
            .rsplit('/')
            .next()
            .unwrap()
            .to_owned()
    };
    assert_eq!(
        [number(&items[0]), number(&orders[4]), number(&log[0])],
        ["0", "1", "2"]
    );
    assert_eq!(log[0].get("key"), None);
    let verdict = world.verdict().await?;
    verdict.ensure_clean()?;
    assert_eq!((verdict.changes(), verdict.duplicates), (9, 0));
    Ok(())
}

#[tokio::test]
async fn until_now_delivers_all_that_was_there_and_the_next_run_reads_on() -> anyhow::Result<()> {
    let world = World::new(1).await?;
    transactions(&world.mysql, 100).await?;
    let finished = world.catch_up().await?;
    // The server of the tests may lose commits in a crash: said, with the cure, and no reason to stop.
    let text = finished.text();
    assert!(
        text.contains("innodb_flush_log_at_trx_commit: 2: after a crash"),
        "{text}"
    );
    let first = world.verdict().await?;
    first.ensure_clean()?;
    transactions(&world.mysql, 100).await?;
    world.catch_up().await?;
    let second = world.verdict().await?;
    second.ensure_clean()?;
    assert_eq!(second.duplicates, 0);
    assert!(second.changes() > first.changes());
    world.catch_up().await?;
    assert_eq!(world.verdict().await?, second);
    Ok(())
}
