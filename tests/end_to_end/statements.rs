//! Statements in the log where a log of rows has none: on an excluded table they are passed over, on others
//! the program halts and says where to go on.

use crate::world::{WITHIN, World, delivered, metric_reaches};

const PASSED_OVER: &str = "headwater_statements_passed_over_total";

/// As pt-table-checksum does it.
const CHECKSUM: &str = "SET SESSION binlog_format = 'STATEMENT'; \
    REPLACE INTO percona.checksums (db, tbl, cnt, crc) \
    SELECT 'shop', 'orders', COUNT(*), COALESCE(LOWER(CONV(BIT_XOR(CAST(CRC32(CONCAT_WS('#', id, note)) AS UNSIGNED)), 10, 16)), 0) \
    FROM shop.orders";

#[tokio::test]
async fn checksums_of_an_excluded_table_written_by_statement_are_passed_over_and_counted()
-> anyhow::Result<()> {
    let world = World::with(1, &["--local-infile=ON"]).await?;
    let sql = "CREATE DATABASE percona; CREATE TABLE percona.checksums (n INT AUTO_INCREMENT PRIMARY KEY, \
               db VARCHAR(64), tbl VARCHAR(64), cnt INT, crc VARCHAR(40), at TIMESTAMP DEFAULT NOW())";
    world.mysql.exec(sql).await?;
    let mut program = world.launch()?.setting("source.tables", "shop.*").start()?;
    program.wait_ready(WITHIN).await?;
    let before = "INSERT INTO shop.orders VALUES (1, 1, 'before')";
    world.mysql.exec(before).await?;
    world.mysql.exec(CHECKSUM).await?;
    // With the events that stand in front: INSERT_ID, the seeds of RAND.
    let sql = "SET SESSION binlog_format = 'STATEMENT'; BEGIN; \
               INSERT INTO percona.checksums (cnt) VALUES (RAND() * 100); \
               UPDATE percona.checksums SET cnt = LAST_INSERT_ID() LIMIT 1; \
               DELETE FROM percona.checksums WHERE cnt > 5; COMMIT; \
               SET SESSION binlog_format = 'ROW'; INSERT INTO shop.orders VALUES (2, 1, 'behind')";
    world.mysql.exec(sql).await?;
    delivered(&program, &world.mysql).await?;
    metric_reaches(&program, PASSED_OVER, 4.0).await?;
    assert_eq!(program.drain(WITHIN).await?.code(), Some(0));
    let lines = world.lines_of("shop.orders").await?;
    let notes: Vec<_> = lines
        .iter()
        .filter_map(|line| line["data"]["note"].as_str())
        .collect();
    assert_eq!(notes, ["before", "behind"]);
    Ok(())
}

/// Several reads of 256 KiB, so that its end does not come with what is held back.
const WIDE: &str = "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 8000) \
    SELECT /*+ SET_VAR(cte_max_recursion_depth = 8000) */ i AS id, 1 AS quantity, REPEAT('x', 200) AS note FROM n";

#[tokio::test]
async fn mysql_is_read_ahead_only_where_it_may_log_a_rollback() -> anyhow::Result<()> {
    // Then temporary tables may come and go in a transaction.
    let options = ["--gtid-mode=OFF", "--enforce-gtid-consistency=OFF"];
    let world = World::with(1, &options).await?;
    let program = world.launch()?.start()?;
    let sql = format!(
        "BEGIN; INSERT INTO shop.orders {WIDE}; SAVEPOINT a; UPDATE shop.orders SET quantity = 2; \
         CREATE TEMPORARY TABLE shop.w (a INT); ROLLBACK TO a; COMMIT; \
         BEGIN; UPDATE shop.orders SET quantity = 3; CREATE TEMPORARY TABLE shop.v (a INT); ROLLBACK"
    );
    world.mysql.exec(&sql).await?;
    delivered(&program, &world.mysql).await?;
    let name = "headwater_source_read_ahead_total";
    let ahead = program.metric(name, &[]).await?;
    assert_eq!(ahead.unwrap_or_default(), 0.0, "rows alone commit");
    // A statement stands among its rows.
    let sql = format!("CREATE TABLE shop.copies (id BIGINT PRIMARY KEY) {WIDE}");
    world.mysql.exec(&sql).await?;
    delivered(&program, &world.mysql).await?;
    assert_eq!(program.metric(name, &[]).await?, Some(1.0));
    let finished = program.drain(WITHIN).await?;
    assert_eq!(finished.code(), Some(0), "{}", finished.text());
    for table in ["shop.orders", "shop.copies"] {
        let lines = world.lines_of(table).await?;
        let kinds = |kind| lines.iter().filter(|line| line["type"] == kind).count();
        assert_eq!((kinds("insert"), kinds("update")), (8000, 0), "{table}");
    }
    Ok(())
}
