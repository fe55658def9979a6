//! The rules of the merge, in views over files and in merges of Iceberg.

use headwater_harness::road::Options;

use super::{COLUMNS, Come, FLAT, ORDERS_NOW, Road, lake, rough};
use crate::world::ORDERS;

/// Changes of every kind with a kill between them, over a Firehose that repeats, mixes up and is late.
async fn ensure_rough_road(
    dialect: &'static str,
    change: impl FnOnce(&mut Options),
) -> anyhow::Result<()> {
    let mut road = Road::new(dialect, change, ORDERS).await?;
    road.apply_when_there_is_a_log(Come::Flushed).await?;
    road.world
        .mysql
        .exec(
            "UPDATE shop.orders SET quantity = quantity + 10, note = NULL WHERE id % 3 = 0; \
             DELETE FROM shop.orders WHERE id % 5 = 0; \
             INSERT INTO shop.orders VALUES (5, 5, 'again', NULL, NULL), (1000, NULL, '\\\\ \"quoted\" \\t', -0.01, NULL); \
             UPDATE shop.orders SET id = id + 10000 WHERE id < 100",
        )
        .await?;
    road.world.kill()?;
    road.world.firehose.stop();
    road.world
        .mysql
        .exec("UPDATE shop.orders SET quantity = quantity + 100 WHERE id % 2 = 0")
        .await?;
    road.world.firehose.start_again().await?;
    road.world.start().await?;
    road.bring(Come::Flushed).await?;
    road.world
        .mysql
        .exec("UPDATE shop.orders SET id = id - 10000 WHERE id > 10000")
        .await?;
    road.bring(Come::Settled).await?;
    road.ensure_equal(ORDERS_NOW, ORDERS_NOW).await?;
    road.world
        .mysql
        .exec(
            "TRUNCATE TABLE shop.orders; \
             INSERT INTO shop.orders (id, note) VALUES (7, 'one'), (8, 'two'), (9, 'three'); \
             UPDATE shop.orders SET id = 70 WHERE id = 7; DELETE FROM shop.orders WHERE id = 8",
        )
        .await?;
    road.bring(Come::Settled).await?;
    road.ensure_equal(ORDERS_NOW, ORDERS_NOW).await?;
    let repeated = match dialect {
        "athena" => {
            "SELECT COUNT(*) > COUNT(DISTINCT \"_id\" || \"_seq\") FROM shop.orders__changes"
        }
        _ => "SELECT COUNT(*) > COUNT(DISTINCT \"_id\" || \"_seq\") FROM shop.orders__log",
    };
    assert_eq!(road.value(repeated)?, "1", "lines came twice");
    Ok(())
}

#[tokio::test]
async fn views_over_a_rough_log_are_the_rows_of_mysql() -> anyhow::Result<()> {
    ensure_rough_road("athena", rough("")).await
}

#[tokio::test]
async fn so_they_are_over_flat_lines() -> anyhow::Result<()> {
    ensure_rough_road("athena", rough(FLAT)).await
}

#[tokio::test]
async fn tables_of_iceberg_merged_from_a_rough_log_are_the_rows_of_mysql() -> anyhow::Result<()> {
    ensure_rough_road("iceberg", rough(COLUMNS)).await
}

#[tokio::test]
async fn the_same_lines_again_change_no_table_of_iceberg() -> anyhow::Result<()> {
    let mut road = Road::new("iceberg", rough(COLUMNS), ORDERS).await?;
    road.apply()?;
    road.bring(Come::Settled).await?;
    road.world
        .mysql
        .exec(
            "UPDATE shop.orders SET id = id + 1 ORDER BY id DESC; DELETE FROM shop.orders WHERE id % 2 = 0; \
             TRUNCATE TABLE shop.orders; INSERT INTO shop.orders (id) VALUES (1), (2), (3); \
             DELETE FROM shop.orders WHERE id = 2; UPDATE shop.orders SET id = 30 WHERE id = 3",
        )
        .await?;
    road.bring(Come::Settled).await?;
    road.ensure_equal(ORDERS_NOW, ORDERS_NOW).await?;
    let rows = "SELECT * FROM shop.orders__rows ORDER BY id";
    let before = road.lake.query(rows)?;
    // A key that was moved away from and one that was deleted stay as tombstones.
    assert_eq!(before.len(), 4);
    let mut keys = road.world.lake().list("changes/").await?;
    keys.reverse();
    for part in keys.chunks(5) {
        road.lake.append(part)?;
        road.lake.merge(0)?;
    }
    assert_eq!(road.lake.query(rows)?, before);
    Ok(())
}

#[tokio::test]
async fn lines_before_the_time_that_a_merge_is_given_wait_for_one_that_reads_all()
-> anyhow::Result<()> {
    let mut road = Road::new("iceberg", lake(COLUMNS), ORDERS).await?;
    road.apply()?;
    road.world.streamed().await?;
    let delivered = road.world.firehose.settle().await?;
    road.lake.copy(&road.world.lake(), &delivered.data).await?;
    road.lake.append(&delivered.data)?;
    let newest = road.value("SELECT MAX(\"_ts_us\") FROM shop.orders__log")?;
    road.lake.merge(newest.parse::<u64>()? + 1)?;
    assert_eq!(road.value("SELECT COUNT(*) FROM shop.orders")?, "0");
    road.lake.merge(0)?;
    road.ensure_equal(ORDERS_NOW, ORDERS_NOW).await
}
