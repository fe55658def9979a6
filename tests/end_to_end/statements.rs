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
