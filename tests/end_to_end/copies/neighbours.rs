//! Copies beside what else tables have: masks, columns that are left out, routes, packings.

use anyhow::ensure;
use serde_json::Value;

use super::{Shop, WITHIN, orders};

const TABLE: &str = "shop.orders";

#[tokio::test]
async fn masks_and_columns_hold_for_rows_of_a_copy() -> anyhow::Result<()> {
    let shop = Shop::new(&orders(50), &[]).await?;
    let launch = shop
        .launch(TABLE)?
        .setting("columns.include", "*.*.*,!shop.orders.quantity")
        .setting("mask.fixed", "shop.orders.note")
        .arg("--until")
        .arg("now");
    let finished = launch.finish(WITHIN).await?;
    ensure!(finished.code() == Some(0), "{}", finished.text());
    let lines = shop.world.lines_of(TABLE).await?;
    assert_eq!(lines.len(), 51);
    for line in &lines[..50] {
        let data = line["data"].as_object().map(|data| {
            let names: Vec<&str> = data.keys().map(String::as_str).collect();
            (names, data["note"].clone())
        });
        assert_eq!(
            data,
            Some((vec!["id", "note"], Value::from("***"))),
            "{line}"
        );
    }
    Ok(())
}

#[tokio::test]
async fn rows_of_a_copy_go_by_their_tables_route_and_packing() -> anyhow::Result<()> {
    let shop = Shop::new(
        &format!(
            "{}; INSERT INTO shop.items SELECT id, 1, note FROM shop.orders",
            orders(300)
        ),
        &[],
    )
    .await?;
    shop.world.kinesis.create_stream("items", 1).await?;
    let launch = shop.launch("shop.orders,shop.items")?;
    let file = shop.world.folder().join("headwater.toml");
    let config = std::fs::read_to_string(&file)?;
    let route = "[[routes]]\ntables = [\"shop.items\"]\nsink.kinesis.stream = \"items\"\n\
        packing.type = \"json_array\"\n";
    std::fs::write(&file, format!("{config}{route}"))?;
    let finished = launch.arg("--until").arg("now").finish(WITHIN).await?;
    ensure!(finished.code() == Some(0), "{}", finished.text());
    let (mut rows, mut ends) = (0, 0);
    for record in shop.world.records_of("items").await? {
        let lines: Vec<Value> = serde_json::from_slice(&record.data)?;
        rows += lines
            .iter()
            .filter(|line| line["type"] == "snapshot")
            .count();
        ends += lines
            .iter()
            .filter(|line| line["type"] == "snapshot_end")
            .count();
    }
    assert_eq!((rows, ends), (300, 1));
    let consumer = shop.came().await?;
    assert_eq!(consumer.copied_of("shop.orders"), (300, 0));
    assert_eq!(consumer.copied_of("shop.items"), (0, 0));
    Ok(())
}
