//! The command as a person meets it: what is written, what is refused, and what an ALTER needs.

use std::{fs, time::Duration};

use headwater_harness::road::SCHEMA;

use crate::world::{ORDERS, World};

const WITHIN: Duration = Duration::from_secs(120);

#[tokio::test]
async fn the_same_tables_give_the_same_bytes_and_those_that_go_lose_their_file()
-> anyhow::Result<()> {
    let sql = format!(
        "{ORDERS}; CREATE TABLE shop.log (line TEXT); CREATE TABLE shop.old (id INT PRIMARY KEY)"
    );
    let world = World::new(|_| (), &sql).await?;
    let said = world.generate().await?.stdout.join("\n");
    assert!(said.starts_with("2 tables, "), "{said}");
    assert!(
        said.contains("shop.log is left out: it has no primary key"),
        "{said}"
    );
    let read = || fs::read_to_string(world.generated().join("02-tables/shop.orders.sql"));
    let before = read()?;
    world
        .mysql
        .exec("DROP TABLE shop.old; INSERT INTO shop.orders (id) VALUES (1000)")
        .await?;
    world.generate().await?;
    assert_eq!(read()?, before);
    assert!(!world.generated().join("02-tables/shop.old.sql").exists());
    assert_eq!(world.diff().await?, "");
    Ok(())
}

#[tokio::test]
async fn an_alter_is_told_by_the_stream_and_cured_as_the_diff_says() -> anyhow::Result<()> {
    let mut world = World::running(|_| (), ORDERS).await?;
    world.settle().await?;
    world
        .mysql
        .exec(
            "ALTER TABLE shop.orders ADD COLUMN paid TINYINT UNSIGNED NOT NULL DEFAULT 7, DROP COLUMN placed, \
             MODIFY note VARCHAR(80); \
             UPDATE shop.orders SET quantity = 1 WHERE id = 1",
        )
        .await?;
    world.settle().await?;
    let pending = format!(
        "SELECT COUNT(*) FROM {SCHEMA}.pending_statements WHERE statement LIKE 'ALTER TABLE%'"
    );
    assert_eq!(world.value(&pending).await?, "1");
    let said = world.diff().await?;
    assert!(
        said.contains("headwater snapshot start -c FILE shop.orders"),
        "{said}"
    );
    world.postgres.exec(&said).await?;
    world.generate().await?;
    world.apply().await?;
    assert_eq!(world.value(&pending).await?, "0");
    world.copy(&["shop.orders"]).await?;
    let columns = "id, quantity, note, price, paid";
    let sql = format!("SELECT {columns} FROM shop.orders ORDER BY id");
    world.ensure_equal(&sql, &sql).await?;
    // What was dropped in MySQL is still there.
    assert_eq!(
        world
            .value("SELECT COUNT(*) FROM shop.orders__rows WHERE placed IS NOT NULL")
            .await?,
        "0"
    );
    assert_eq!(world.diff().await?, "");
    Ok(())
}

#[tokio::test]
async fn settings_and_servers_that_give_no_tables_are_refused_with_what_to_do() -> anyhow::Result<()>
{
    let world = World::new(|_| (), ORDERS).await?;
    for (setting, value, named) in [
        ("format.type", "maxwell", "set format.type = \"native\""),
        (
            "native.fields",
            "database,table,id,key,old",
            "native.fields lacks \"seq\"",
        ),
        ("native.json", "string", "set it to \"inline\""),
        ("native.layout", "flat", "set it to \"nested\""),
        ("native.statements", "none", "set it to \"in_place\""),
        ("warehouse.schema", "Head Water", "write a letter"),
    ] {
        let arguments = [
            "warehouse",
            "redshift",
            "--out",
            "out",
            "-c",
            "headwater.toml",
        ];
        let launch = world
            .launch()
            .clone()
            .with_arguments(&arguments)
            .setting(setting, value);
        let launch = launch.setting("native.heartbeat_secs", "0");
        let finished = launch.finish(WITHIN).await?;
        assert_eq!(finished.code(), Some(2), "{}", finished.text());
        assert!(finished.text().contains(named), "{}", finished.text());
    }
    world
        .mysql
        .exec("SET GLOBAL binlog_row_image = MINIMAL")
        .await?;
    let finished = world.command(&["redshift", "--out", "out"]).await?;
    assert_eq!(finished.code(), Some(1), "{}", finished.text());
    assert!(
        finished.text().contains("binlog_row_image = 'FULL'"),
        "{}",
        finished.text()
    );
    assert!(
        !world.folder().join("out").exists(),
        "nothing is half written"
    );
    Ok(())
}

#[tokio::test]
async fn lines_of_tables_that_have_none_wait_and_are_merged_when_they_have() -> anyhow::Result<()> {
    let mut world = World::running(|_| (), ORDERS).await?;
    world
        .mysql
        .exec(
            "CREATE TABLE shop.later (id INT PRIMARY KEY); INSERT INTO shop.later VALUES (3), (4)",
        )
        .await?;
    world.settle().await?;
    let waiting = format!("SELECT table_name FROM {SCHEMA}.pending_tables");
    assert_eq!(world.value(&waiting).await?, "later");
    world.generate().await?;
    world.apply().await?;
    world.merge().await?;
    world
        .ensure_equal(
            "SELECT id FROM shop.later ORDER BY id",
            "SELECT id FROM shop.later ORDER BY id",
        )
        .await
}

#[tokio::test]
async fn what_is_no_line_is_kept_with_the_reason() -> anyhow::Result<()> {
    let world = World::new(|_| (), ORDERS).await?;
    world.generate().await?;
    world.apply().await?;
    let sql = format!(
        "INSERT INTO {SCHEMA}.incoming (line) VALUES ('{{\"a\":1}}'), \
         ('{{\"type\":\"insert\",\"database\":\"shop\",\"table\":\"orders\",\"seq\":\"1\",\"key\":{{}},\"data\":{{}}}}'), \
         ('{{\"type\":\"later\",\"database\":\"shop\",\"table\":\"orders\",\"seq\":\"1\"}}')"
    );
    world.postgres.exec(&sql).await?;
    world.merge().await?;
    let reasons = format!("SELECT string_agg(reason, ', ' ORDER BY reason) FROM {SCHEMA}.rejected");
    assert_eq!(
        world.value(&reasons).await?,
        "its key cannot be told, not a line of Headwater with database, table, type and seq, of an unknown type"
    );
    assert_eq!(
        world
            .value("SELECT COUNT(*) FROM shop.orders__rows")
            .await?,
        "0"
    );
    Ok(())
}

#[tokio::test]
async fn a_stream_that_redshift_reads_itself_must_have_records_that_are_json() -> anyhow::Result<()>
{
    let world = World::new(|_| (), ORDERS).await?;
    let arguments = [
        "warehouse",
        "redshift",
        "--out",
        "out",
        "-c",
        "headwater.toml",
    ];
    let launch = world.launch().clone().with_arguments(&arguments);
    let launch = launch.setting("warehouse.incoming", "streaming");
    let finished = launch.finish(WITHIN).await?;
    assert_eq!(finished.code(), Some(1), "{}", finished.text());
    assert!(
        finished.text().contains("packing.type = \"json_array\""),
        "{}",
        finished.text()
    );
    let finished = launch
        .setting("packing.type", "json_array")
        .finish(WITHIN)
        .await?;
    assert_eq!(finished.code(), Some(0), "{}", finished.text());
    let sql = fs::read_to_string(world.folder().join("out/00-stream.sql"))?;
    assert!(
        sql.contains("CREATE MATERIALIZED VIEW \"warehouse\".stream"),
        "{sql}"
    );
    assert!(sql.contains("\"headwater_kinesis\".\"changes\""), "{sql}");
    Ok(())
}

#[tokio::test]
async fn a_line_from_under_another_key_that_comes_late_brings_nothing_back() -> anyhow::Result<()> {
    let sql = format!(
        "{ORDERS}; ALTER TABLE shop.orders MODIFY quantity INT NOT NULL, DROP PRIMARY KEY, \
         ADD PRIMARY KEY (id, quantity)"
    );
    let mut world = World::running(|_| (), &sql).await?;
    world
        .mysql
        .exec("INSERT INTO shop.orders (id, quantity) VALUES (9001, 1), (9002, 2)")
        .await?;
    world.settle_and_load().await?;
    world
        .hold_lines("(line #>> '{key,id}')::int > 9000")
        .await?;
    world.merge().await?;
    world
        .mysql
        .exec(
            "DELETE FROM shop.orders WHERE id > 9000; \
             ALTER TABLE shop.orders DROP PRIMARY KEY, ADD PRIMARY KEY (id)",
        )
        .await?;
    world.settle().await?;
    let said = world.diff().await?;
    world.postgres.exec(&said).await?;
    world.generate().await?;
    world.apply().await?;
    let asked = world.ask_for_copy(&["shop.orders"]).await?;
    assert_eq!(asked.code(), Some(0), "{}", asked.text());
    world.copied().await?;
    world.load_kept_lines().await?;
    world.settle().await?;
    world.ensure_orders_equal().await
}
