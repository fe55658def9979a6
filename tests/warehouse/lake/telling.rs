//! What a lake says of itself, and what the command refuses.

use headwater_harness::{
    lake::Lake,
    road::{Options, SCHEMA},
};

use super::{COLUMNS, Come, ORDERS_NOW, Road, lake};
use crate::world::{ORDERS, World};

#[tokio::test]
async fn rows_that_were_there_before_come_by_a_copy_and_the_log_says_how_far_it_is()
-> anyhow::Result<()> {
    let copied = |options: &mut Options| {
        lake("")(options);
        options.config += "[snapshot]\ntables = [\"shop.*\"]\n";
    };
    let mut world = World::new(copied, ORDERS).await?;
    // The log that is read begins behind the rows.
    world.mysql.exec("FLUSH BINARY LOGS").await?;
    let oldest = world.mysql.query_value("SHOW BINARY LOG STATUS").await?;
    let purge = format!("PURGE BINARY LOGS TO '{oldest}'");
    world.mysql.exec(&purge).await?;
    let lake = Lake::new(&world.folder().join("lake"))?;
    world.start().await?;
    world
        .mysql
        .exec("UPDATE shop.orders SET note = 'changed' WHERE id % 10 = 0")
        .await?;
    world.copied().await?;
    let mut road = Road {
        world,
        lake,
        dialect: "athena",
    };
    road.generate().await?;
    road.bring(Come::Settled).await?;
    road.apply()?;
    road.ensure_equal(ORDERS_NOW, ORDERS_NOW).await?;
    let (file, offset) = road.world.mysql.position().await?;
    let wanted = format!("{file}:{offset}");
    let complete = format!("SELECT position FROM {SCHEMA}.complete_to");
    let within = std::time::Duration::from_secs(120);
    let deadline = headwater_harness::wait::Deadline::after(within, "the log to say its end");
    while road.value(&complete)? != wanted {
        deadline.pause().await?;
        road.bring(Come::Settled).await?;
    }
    assert_eq!(
        road.value(&format!("SELECT COUNT(*) FROM {SCHEMA}.rejected"))?,
        "0"
    );
    Ok(())
}

#[tokio::test]
async fn an_alter_and_a_line_that_is_none_are_seen_in_the_log() -> anyhow::Result<()> {
    let mut road = Road::new("athena", lake(""), ORDERS).await?;
    road.world
        .mysql
        .exec(
            "ALTER TABLE shop.orders ADD COLUMN paid INT NOT NULL DEFAULT 7, MODIFY quantity VARCHAR(9); \
             UPDATE shop.orders SET quantity = 'many', paid = 1 WHERE id = 1",
        )
        .await?;
    road.bring(Come::Settled).await?;
    let odd = "changes/2026/03/01/13/odd.gz";
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    std::io::Write::write_all(&mut encoder, b"[1]\n{\"a\":1}\n")?;
    road.world.lake().put(odd, encoder.finish()?.into()).await?;
    road.lake
        .copy(&road.world.lake(), &[odd.to_owned()])
        .await?;
    road.apply()?;
    assert_eq!(
        road.value(&format!("SELECT COUNT(*) FROM {SCHEMA}.rejected"))?,
        "2"
    );
    let statements =
        format!("SELECT COUNT(*) FROM {SCHEMA}.statements WHERE statement LIKE 'ALTER%'");
    assert_eq!(road.value(&statements)?, "1");
    // The views are as the table was: what they cannot show is counted, and whole in the line.
    let lost = "SELECT \"_lost\", \"_line\" LIKE '%many%' FROM shop.orders__changes WHERE id = 1 ORDER BY \"_seq\" DESC LIMIT 1";
    let one = Some("1".to_owned());
    assert_eq!(road.lake.query(lost)?, [[one.clone(), one]]);
    let finished = road
        .world
        .command(&["athena", "--out", "athena", "--diff"])
        .await?;
    assert_eq!(finished.code(), Some(1), "{}", finished.text());
    assert!(
        finished.text().contains("paid is new (int)"),
        "{}",
        finished.text()
    );
    let finished = road.world.command(&["audit", "--dir", "athena"]).await?;
    assert_eq!(finished.code(), Some(1), "{}", finished.text());
    assert!(
        finished.text().contains("was generated for athena"),
        "{}",
        finished.text()
    );
    road.generate().await?;
    road.apply()?;
    let now = "SELECT quantity, paid FROM shop.orders WHERE id = 1";
    road.ensure_equal(now, now).await
}

#[tokio::test]
async fn an_alter_of_a_table_of_iceberg_is_cured_as_the_diff_says() -> anyhow::Result<()> {
    let mut road = Road::new("iceberg", lake(COLUMNS), ORDERS).await?;
    road.apply()?;
    road.bring(Come::Settled).await?;
    road.world
        .mysql
        .exec(
            "ALTER TABLE shop.orders ADD COLUMN paid DECIMAL(6,2) NOT NULL DEFAULT 7, MODIFY id DECIMAL(20,0), \
             MODIFY quantity BIGINT, MODIFY placed VARCHAR(40), DROP COLUMN note",
        )
        .await?;
    let arguments = ["iceberg", "--out", "iceberg", "--diff"];
    let rebuilt = road.world.command(&arguments).await?.text();
    assert!(rebuilt.contains("the table is built anew"), "{rebuilt}");
    road.world
        .mysql
        .exec("ALTER TABLE shop.orders MODIFY id BIGINT; UPDATE shop.orders SET paid = 1.25 WHERE id = 1")
        .await?;
    let finished = road.world.command(&arguments).await?;
    assert_eq!(finished.code(), Some(1), "{}", finished.text());
    road.lake.alter(&finished.stdout.join("\n"))?;
    road.generate().await?;
    road.apply()?;
    let finished = road.world.ask_for_copy(&["shop.orders"]).await?;
    assert_eq!(finished.code(), Some(0), "{}", finished.text());
    road.world.copied().await?;
    road.bring(Come::Settled).await?;
    let now = "SELECT id, quantity, price, placed, paid FROM shop.orders ORDER BY id";
    road.ensure_equal(now, now).await?;
    let finished = road.world.command(&arguments).await?;
    assert_eq!(finished.code(), Some(0), "{}", finished.text());
    Ok(())
}

#[tokio::test]
async fn settings_that_give_no_lake_are_refused_with_what_to_do() -> anyhow::Result<()> {
    let world = World::new(lake(COLUMNS), ORDERS).await?;
    for (dialect, setting, value, named) in [
        (
            "athena",
            "format.type",
            "maxwell",
            "set format.type = \"native\"",
        ),
        ("athena", "native.json", "string", "set it to \"inline\""),
        (
            "athena",
            "native.fields",
            "database,table,id,seq,key,old",
            "lacks \"ts_us\"",
        ),
        (
            "athena",
            "warehouse.athena.location",
            "",
            "warehouse.athena.location is not set",
        ),
        (
            "athena",
            "warehouse.athena.location",
            "s3://lake",
            "write s3://BUCKET/PREFIX/",
        ),
        (
            "athena",
            "warehouse.athena.since",
            "",
            "warehouse.athena.since is not set",
        ),
        (
            "athena",
            "warehouse.athena.since",
            "today",
            "write it as 2026-03-01",
        ),
        ("iceberg", "native.layout", "nested", "set it to \"flat\""),
        ("iceberg", "native.json", "inline", "set it to \"string\""),
        (
            "iceberg",
            "native.statements",
            "none",
            "set it to \"in_place\"",
        ),
        (
            "iceberg",
            "errors.invalid_text",
            "base64_object",
            "set it to \"halt\"",
        ),
        (
            "iceberg",
            "warehouse.iceberg.location",
            "",
            "warehouse.iceberg.location is not set",
        ),
    ] {
        let arguments = ["warehouse", dialect, "--out", "out", "-c", "headwater.toml"];
        let launch = world.launch().clone().with_arguments(&arguments);
        let json = if dialect == "athena" {
            "inline"
        } else {
            "string"
        };
        let launch = launch
            .setting("native.json", json)
            .setting("native.heartbeat_secs", "0");
        let launch = launch.setting(setting, value);
        let finished = launch.finish(std::time::Duration::from_secs(60)).await?;
        assert_eq!(finished.code(), Some(2), "{setting}: {}", finished.text());
        assert!(finished.text().contains(named), "{}", finished.text());
    }
    assert!(!world.folder().join("out").exists(), "nothing is written");
    Ok(())
}
