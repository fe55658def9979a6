//! The merge, from a real MySQL by the built program: each rule of it, and that nothing hangs on order or repetition.

use headwater_harness::{
    firehose::{self, Manners},
    road::SCHEMA,
    warehouse,
};

use crate::world::{ORDERS, World};

/// All rows of a table of the warehouse as one text, without what each merge may set anew.
const ROWS: &str = "SELECT string_agg(r::text, chr(10) ORDER BY r::text) FROM shop.orders__rows r";

#[tokio::test]
async fn a_rough_road_gives_the_tables_of_mysql() -> anyhow::Result<()> {
    let rough = |options: &mut headwater_harness::road::Options| {
        options.shards = 2;
        options.config += "[ordering]\nkey = \"primary_key\"\n[packing]\nrecord_bytes_max = 4096\n";
        options.firehose = firehose::Settings {
            buffer_bytes: 10_000,
            manners: Manners::ROUGH,
            ..options.firehose.clone()
        };
    };
    let mut world = World::running(rough, ORDERS).await?;
    world.flush_and_load().await?;
    world.merge().await?;
    world
        .mysql
        .exec(
            "UPDATE shop.orders SET quantity = quantity + 10, note = NULL WHERE id % 3 = 0; \
             DELETE FROM shop.orders WHERE id % 5 = 0; \
             INSERT INTO shop.orders VALUES (5, 5, 'again', NULL, NULL), (1000, NULL, '\\\\ \"quoted\" \\t', -0.01, NULL); \
             UPDATE shop.orders SET id = id + 10000 WHERE id < 100",
        )
        .await?;
    world.kill()?;
    world.firehose.stop();
    world
        .mysql
        .exec("UPDATE shop.orders SET quantity = quantity + 100 WHERE id % 2 = 0")
        .await?;
    world.firehose.start_again().await?;
    world.start().await?;
    world.flush_and_load().await?;
    world.merge().await?;
    world
        .mysql
        .exec("UPDATE shop.orders SET id = id - 10000 WHERE id > 10000")
        .await?;
    world.settle().await?;
    world.ensure_orders_equal().await?;
    let ignored = format!("SELECT SUM(rows_ignored) > 0 FROM {SCHEMA}.merges");
    assert_eq!(world.value(&ignored).await?, "t", "lines came twice");
    assert_eq!(
        world
            .value(&format!("SELECT COUNT(*) FROM {SCHEMA}.rejected"))
            .await?,
        "0"
    );
    Ok(())
}

#[tokio::test]
async fn a_replay_of_everything_changes_nothing() -> anyhow::Result<()> {
    let mut world = World::running(|_| (), ORDERS).await?;
    world
        .mysql
        .exec(
            "UPDATE shop.orders SET id = id + 1 ORDER BY id DESC; \
             DELETE FROM shop.orders WHERE id % 2 = 0; TRUNCATE TABLE shop.orders; \
             INSERT INTO shop.orders VALUES (1, 1, 'one', 1, NULL), (2, 2, 'two', 2, NULL); \
             DELETE FROM shop.orders WHERE id = 2",
        )
        .await?;
    world.settle_and_load().await?;
    let keep = format!("CREATE TABLE {SCHEMA}.kept AS SELECT line FROM {SCHEMA}.incoming");
    world.postgres.exec(&keep).await?;
    world.merge().await?;
    world.ensure_orders_equal().await?;
    let before = world.value(ROWS).await?;
    // Backwards, and in one part after the other.
    for part in 0..3 {
        let again = format!(
            "INSERT INTO {SCHEMA}.incoming (line) SELECT line FROM {SCHEMA}.kept \
             WHERE abs(hashtext(line ->> 'id')) % 3 = {part} ORDER BY line ->> 'seq' DESC"
        );
        world.postgres.exec(&again).await?;
        world.merge().await?;
    }
    assert_eq!(world.value(ROWS).await?, before);
    Ok(())
}

#[tokio::test]
async fn lines_from_before_a_truncate_stay_gone_when_they_come_late() -> anyhow::Result<()> {
    let mut world = World::running(|_| (), ORDERS).await?;
    world.settle_and_load().await?;
    world.hold_lines("(line #>> '{key,id}')::int > 100").await?;
    world.merge().await?;
    assert_eq!(
        world.value("SELECT COUNT(*) FROM shop.orders").await?,
        "100"
    );
    world
        .mysql
        .exec("TRUNCATE TABLE shop.orders; INSERT INTO shop.orders (id) VALUES (7)")
        .await?;
    world.settle().await?;
    world.load_kept_lines().await?;
    world.merge().await?;
    assert_eq!(
        world
            .value("SELECT string_agg(id::text, ',') FROM shop.orders__rows")
            .await?,
        "7"
    );
    Ok(())
}

#[tokio::test]
async fn a_key_of_text_is_told_apart_byte_by_byte() -> anyhow::Result<()> {
    let sql = "CREATE DATABASE shop; CREATE TABLE shop.names (a VARCHAR(20), b BINARY(3), n INT, PRIMARY KEY (a, b)); \
        INSERT INTO shop.names VALUES ('anna', 'x', 1), ('Ben ', 'x', 2), ('it''s \"', x'ff00', 3)";
    let mut world = World::running(|_| (), sql).await?;
    world
        .mysql
        .exec(
            "UPDATE shop.names SET a = 'Anna' WHERE n = 1; UPDATE shop.names SET a = 'Ben' WHERE n = 2; \
             INSERT INTO shop.names VALUES ('ben ', 'y', 4); UPDATE shop.names SET b = 'z' WHERE n = 3",
        )
        .await?;
    world.settle().await?;
    world
        .ensure_equal(
            "SELECT a, TO_BASE64(b), n FROM shop.names ORDER BY n",
            "SELECT a, b, n FROM shop.names ORDER BY n",
        )
        .await?;
    let gone = "SELECT COUNT(*) FROM shop.names__rows WHERE _deleted";
    assert_eq!(world.value(gone).await?, "3");
    Ok(())
}

#[tokio::test]
async fn rows_that_were_there_before_come_by_a_copy_and_its_end_is_noted() -> anyhow::Result<()> {
    let copied = |options: &mut headwater_harness::road::Options| {
        options.config += "[snapshot]\ntables = [\"shop.*\"]\n";
    };
    let mut world = World::new(copied, ORDERS).await?;
    // The log that is read begins behind the rows.
    world.mysql.exec("FLUSH BINARY LOGS").await?;
    let oldest = world.mysql.query_value("SHOW BINARY LOG STATUS").await?;
    world
        .mysql
        .exec(&format!("PURGE BINARY LOGS TO '{oldest}'"))
        .await?;
    world.generate().await?;
    world.apply().await?;
    world.start().await?;
    world
        .mysql
        .exec("UPDATE shop.orders SET note = 'changed' WHERE id % 10 = 0")
        .await?;
    world.copied().await?;
    world.settle().await?;
    world.ensure_orders_equal().await?;
    let copy = format!("SELECT row_count FROM {SCHEMA}.copies WHERE table_name = 'orders'");
    assert!(0 < world.value(&copy).await?.parse::<u64>()?);
    Ok(())
}

#[tokio::test]
async fn the_cut_over_all_tables_moves_up_to_the_end_of_the_log() -> anyhow::Result<()> {
    let sql = format!(
        "{ORDERS}; CREATE TABLE shop.quiet (id INT PRIMARY KEY); INSERT INTO shop.quiet VALUES (1)"
    );
    let mut world = World::running(|_| (), &sql).await?;
    world.settle().await?;
    world
        .mysql
        .exec("UPDATE shop.orders SET quantity = 0")
        .await?;
    world.complete().await?;
    let by_table = format!("SELECT COUNT(*) FROM {SCHEMA}.complete_to_by_table");
    assert_eq!(world.value(&by_table).await?, "2");
    world.ensure_orders_equal().await
}

#[tokio::test]
async fn a_nul_in_a_text_is_counted_as_lost_and_holds_nobody_up() -> anyhow::Result<()> {
    let mut world = World::running(|_| (), ORDERS).await?;
    world
        .mysql
        .exec(
            "UPDATE shop.orders SET note = 'a\\0b' WHERE id = 7; \
             UPDATE shop.orders SET note = 'no NUL: \\\\u0000' WHERE id = 8",
        )
        .await?;
    world.settle().await?;
    let lost = "SELECT note, _lost, _raw::text ~ 'a.u0000b' FROM shop.orders__rows WHERE id = 7";
    let wanted = [None, Some("1".to_owned()), Some("t".to_owned())];
    assert_eq!(world.postgres.query_rows(lost).await?, [wanted]);
    let others = "SELECT note FROM shop.orders WHERE id > 7 ORDER BY id";
    world.ensure_equal(others, others).await?;
    let audited = warehouse::audit(world.launch(), &world.postgres, "warehouse", &[]).await?;
    assert_eq!(audited.code(), Some(0), "{}", audited.text());
    Ok(())
}
