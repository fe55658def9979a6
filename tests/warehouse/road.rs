//! What is in `incoming` is enough to know every row of MySQL, whatever happens on the road.

use headwater_harness::{
    firehose::{self, Manners},
    road::{Options, Road},
};

const BINARY: &str = env!("CARGO_BIN_EXE_headwater");

/// Of each key the line with the greatest `seq`, without deletes; the keys never change here.
const CURRENT: &str = "SELECT id, quantity, note FROM ( \
    SELECT DISTINCT ON (line #>> '{key,id}') line ->> 'type' AS type, (line #>> '{key,id}')::bigint AS id, \
        line #>> '{data,quantity}' AS quantity, line #>> '{data,note}' AS note \
    FROM warehouse.incoming WHERE line ->> 'table' = 'orders' AND line -> 'key' IS NOT NULL \
    ORDER BY line #>> '{key,id}', line ->> 'seq' DESC) AS newest \
    WHERE type <> 'delete' ORDER BY id";

#[tokio::test]
async fn lines_of_a_rough_road_tell_every_row() -> anyhow::Result<()> {
    let mut options = Options::new(BINARY);
    options.shards = 2;
    options.config =
        "[ordering]\nkey = \"primary_key\"\n[packing]\nrecord_bytes_max = 4096\n".into();
    options.firehose = firehose::Settings {
        buffer_bytes: 10_000,
        manners: Manners::ROUGH,
        ..options.firehose
    };
    let mut road = Road::new(options).await?;
    road.create_incoming().await?;
    road.mysql
        .exec(
            "CREATE DATABASE shop; \
             CREATE TABLE shop.orders (id BIGINT PRIMARY KEY, quantity INT, note VARCHAR(40)); \
             INSERT INTO shop.orders WITH RECURSIVE n (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < 500) \
             SELECT n, n % 7, CONCAT('grüße ', n) FROM n",
        )
        .await?;
    road.start().await?;
    road.flush_and_load().await?;
    road.mysql
        .exec(
            "UPDATE shop.orders SET quantity = quantity + 10, note = NULL WHERE id % 3 = 0; \
             DELETE FROM shop.orders WHERE id % 5 = 0; \
             INSERT INTO shop.orders VALUES (5, 5, 'again'), (1000, NULL, '\\\\ \"quoted\" \\t')",
        )
        .await?;
    road.kill()?;
    road.firehose.stop();
    road.mysql
        .exec("UPDATE shop.orders SET quantity = quantity + 100 WHERE id % 2 = 0")
        .await?;
    road.firehose.start_again().await?;
    road.start().await?;
    road.settle_and_load().await?;
    assert_eq!(road.drain().await?.code(), Some(0));

    let wanted = "SELECT id, quantity, note FROM shop.orders ORDER BY id";
    assert_eq!(
        road.postgres.query_rows(CURRENT).await?,
        road.mysql.query_rows(wanted).await?
    );
    let repeated = "SELECT count(*) > count(DISTINCT line ->> 'id') FROM warehouse.incoming";
    assert_eq!(road.postgres.query_value(repeated).await?, "t");
    Ok(())
}
