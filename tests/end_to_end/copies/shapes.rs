//! Tables of every shape, on a server on which nothing happens, and how fast they may be read.

use std::time::{Duration, Instant};

use headwater_harness::wait::Deadline;
use serde_json::Value;

use super::{Shop, WITHIN, orders};
use crate::world::delivered_so_far;

const SHAPES: &str = "CREATE TABLE shop.none (id INT PRIMARY KEY); \
    CREATE TABLE shop.one (id INT PRIMARY KEY, note TEXT); INSERT INTO shop.one VALUES (1, NULL); \
    CREATE TABLE shop.keyless (a INT, b VARCHAR(20)); \
    INSERT INTO shop.keyless VALUES (1, 'x'), (1, 'x'), (1, 'x'), (2, NULL), (2, NULL); \
    CREATE TABLE shop.chosen (a INT, b BIGINT UNSIGNED NOT NULL, UNIQUE KEY (b)); \
    INSERT INTO shop.chosen VALUES (1, 18446744073709551615), (2, 0), (3, 9223372036854775808); \
    CREATE TABLE shop.pairs (a VARCHAR(20) COLLATE utf8mb4_0900_ai_ci, b INT, c DATETIME(6), PRIMARY KEY (a, b DESC)); \
    INSERT INTO shop.pairs WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1500) \
    SELECT CONCAT(ELT(1 + i % 3, 'ä', 'B', 'a'), i % 40), i, '2026-01-01 00:00:00.000001' + INTERVAL i SECOND FROM n; \
    CREATE TABLE shop.holes (id BIGINT PRIMARY KEY, n INT); \
    INSERT INTO shop.holes VALUES (-9223372036854775808, 1), (-5, 2), (0, 3), (77, 4), (9223372036854775807, 5); \
    CREATE TABLE shop.wrong (id INT PRIMARY KEY, n INT) STATS_AUTO_RECALC = 0, STATS_PERSISTENT = 1; ANALYZE TABLE shop.wrong; \
    INSERT INTO shop.wrong WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1500) SELECT i, i FROM n; \
    CREATE TABLE shop.emptied LIKE shop.wrong; INSERT INTO shop.emptied SELECT * FROM shop.wrong; ANALYZE TABLE shop.emptied; \
    DELETE FROM shop.emptied";

const TABLES: [(&str, u64); 8] = [
    ("shop.none", 0),
    ("shop.one", 1),
    ("shop.keyless", 5),
    ("shop.chosen", 3),
    ("shop.pairs", 1_500),
    ("shop.holes", 5),
    ("shop.wrong", 1_500),
    ("shop.emptied", 0),
];

#[tokio::test]
async fn each_row_of_tables_of_every_shape_comes_once_from_an_idle_server() -> anyhow::Result<()> {
    let shop = Shop::new(
        &format!("SET SESSION cte_max_recursion_depth = 10000; {SHAPES}"),
        &[],
    )
    .await?;
    let names = TABLES.map(|(name, _)| name);
    let launch = shop
        .launch(&names.join(","))?
        .setting("snapshot.parallel", "4");
    let consumer = shop.runs_to_its_end(&launch, &names).await?;
    for (name, rows) in TABLES {
        let (all, again) = consumer.copied_of(name);
        assert_eq!(all, rows, "{name}");
        assert!(again == 0 || name == "shop.keyless", "{name}: {again}");
        assert_eq!(consumer.ends_of(name), 1, "{name}");
    }
    let ends: Vec<_> = shop.world.lines_of("shop.pairs").await?;
    let end = ends.last().expect("a last line");
    assert_eq!(
        (&end["type"], &end["rows"]),
        (&"snapshot_end".into(), &1_500.into()),
        "{end}"
    );
    Ok(())
}

#[tokio::test]
async fn no_more_rows_a_second_are_copied_than_are_allowed() -> anyhow::Result<()> {
    let shop = Shop::new(&orders(3_000), &[]).await?;
    let launch = shop
        .launch("shop.orders")?
        .setting("snapshot.rows_per_sec_max", "1500");
    let begun = Instant::now();
    shop.runs_to_its_end(&launch, &["shop.orders"]).await?;
    // Two seconds' worth, of which the last slice need not wait.
    assert!(
        Duration::from_secs(1) <= begun.elapsed(),
        "{:?}",
        begun.elapsed()
    );
    Ok(())
}

/// It ends with the last key that was there; what came behind it comes with the stream.
#[tokio::test]
async fn a_table_that_grows_faster_than_it_is_read_ends() -> anyhow::Result<()> {
    const ROWS: u32 = 2_500;
    const MORE: &str = "INSERT INTO shop.orders (quantity, note) \
        SELECT a.quantity, 'came' FROM shop.orders a, (SELECT 1 UNION SELECT 2) b LIMIT 5000";
    let shop = Shop::new(&orders(ROWS), &[]).await?;
    let mark = shop.first_mark(0);
    let program = shop.launch("shop.orders")?.start()?;
    let mut coming = shop.coming().await?;
    let deadline = Deadline::after(WITHIN, "the copy to end");
    // That of the description.
    let mut passed = 1;
    mark.pass(passed);
    while !coming.has_ends(&["shop.orders"]).await? {
        if passed < mark.came() {
            // No chunk is so large.
            shop.exec(MORE).await?;
            passed = mark.came();
            mark.pass(passed);
        }
        deadline.pause().await?;
    }
    drop(mark);
    let consumer = shop.ends_well(program, &["shop.orders"]).await?;
    assert!(2 < passed, "it has not grown twice");
    assert_eq!(consumer.copied_of("shop.orders"), (u64::from(ROWS), 0));
    Ok(())
}

#[tokio::test]
async fn rows_of_a_mebibyte_fit_into_the_memory_of_small_ones() -> anyhow::Result<()> {
    const ROWS: u64 = 64;
    // The code of a build without optimisation takes some 30 MiB of it.
    const MEMORY_KIB_MAX: u64 = 112 << 10;
    let shop = Shop::new(
        "CREATE TABLE shop.wide (id INT PRIMARY KEY, note LONGTEXT); INSERT INTO shop.wide \
         WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 64) \
         SELECT i, REPEAT(CHAR(64 + i % 26), 1000000) FROM n",
        &["--max-allowed-packet=64M"],
    )
    .await?;
    let program = shop
        .launch("shop.wide")?
        .env("MALLOC_ARENA_MAX", "1")
        .setting("snapshot.parallel", "4")
        .setting("sink.type", "null")
        .start()?;
    super::rows_sent(&program, ROWS as u32).await?;
    let peak = program.peak_rss_kib()?;
    assert!(peak <= MEMORY_KIB_MAX, "{peak} KiB");
    let finished = program.drain(WITHIN).await?;
    assert_eq!(finished.code(), Some(0), "{}", finished.text());
    Ok(())
}

#[tokio::test]
async fn thousands_of_tables_wait_for_their_turn_beside_the_stream() -> anyhow::Result<()> {
    const TABLES: usize = 5_000;
    // As above.
    const MEMORY_KIB_MAX: u64 = 112 << 10;
    // They are made in seconds, and nothing has to outlive a crash.
    const SOON: [&str; 3] = [
        "--innodb-file-per-table=OFF",
        "--innodb-flush-method=nosync",
        "--sync-binlog=0",
    ];
    let one = |n| {
        format!("CREATE TABLE shop.t_{n} (id INT PRIMARY KEY); INSERT INTO shop.t_{n} VALUES ({n})")
    };
    let tables: Vec<String> = (0..TABLES).map(one).collect();
    let shop = Shop::new(&tables.join("; "), &SOON).await?;
    let program = shop
        .launch("shop.t_*")?
        .env("MALLOC_ARENA_MAX", "1")
        .start()?;
    super::rows_sent(&program, 20).await?;
    shop.exec("INSERT INTO shop.orders (quantity) VALUES (1); INSERT INTO shop.t_4999 VALUES (-1)")
        .await?;
    delivered_so_far(&program, &shop.world.mysql).await?;
    let status = program.status().await?;
    let copies = status["copies"].as_array();
    assert_eq!(copies.map(Vec::len), Some(TABLES));
    let peak = program.peak_rss_kib()?;
    assert!(peak <= MEMORY_KIB_MAX, "{peak} KiB");
    let finished = program.drain(WITHIN).await?;
    assert_eq!(finished.code(), Some(0), "{}", finished.text());
    for (table, key) in [("shop.orders", 1), ("shop.t_4999", -1)] {
        let lines = shop.world.lines_of(table).await?;
        let is_it = |line: &Value| line["type"] == "insert" && line["key"]["id"] == key;
        assert!(lines.iter().any(is_it), "{table}: {lines:?}");
    }
    Ok(())
}
