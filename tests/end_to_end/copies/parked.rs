//! A table that is parked in the middle of its copy: the copy goes on there when the table is resumed.

use anyhow::ensure;
use headwater_harness::{faults::FaultProxy, program::Launch};

use super::{Shop, WITHIN, orders};
use crate::world::{BINARY, delivered, says, status_is};

const PAGES: &str = "shop.pages";
const ROWS: u64 = 2_500;
/// The first chunk: it is durable when the table is parked.
const FIRST: i64 = 1_000;
/// Stands in the second chunk.
const LARGE: u64 = 1_700;
const SMALL: usize = 64 << 10;

#[tokio::test]
async fn a_table_that_is_parked_in_its_copy_goes_on_from_there() -> anyhow::Result<()> {
    let pages = format!(
        "{}; CREATE TABLE shop.pages (id INT PRIMARY KEY, body LONGTEXT, n INT); SET SESSION cte_max_recursion_depth = 10000; \
         INSERT INTO shop.pages WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {ROWS}) \
         SELECT i, REPEAT('x', IF(i = {LARGE}, 100000, 10)), i FROM n",
        orders(500)
    );
    let shop = Shop::new(&pages, &[]).await?;
    let server = &shop.world.mysql;
    let proxy = FaultProxy::in_front_of(&shop.world.kinesis.endpoint(), 1, 7).await?;
    proxy.program(|faults| faults.record_bytes_max = SMALL);
    let settings = |launch: Launch| {
        launch
            .setting("sink.kinesis.endpoint_url", &proxy.url())
            .setting("errors.oversize", "park_table")
    };
    let launch = settings(shop.launch("shop.orders,shop.pages")?);
    let resume = ["resume-table", "-c", "headwater.toml", PAGES];
    let resume = settings(Launch::new(BINARY, shop.world.folder(), &resume)?);
    for round in 1..=2 {
        let program = launch.start()?;
        status_is(&program, "the table to be parked", |status| {
            status["parked"][0]["table"] == PAGES
        })
        .await?;
        // The others go on, and so do changes of all.
        for sql in [
            format!("UPDATE shop.pages SET n = -n WHERE id % 50 = 0 AND id <> {LARGE}"),
            format!("DELETE FROM shop.pages WHERE id IN ({round}, {round} + 1200, {round} + 2400)"),
            format!("INSERT INTO shop.pages VALUES (-{round}, 'came', 0)"),
            "UPDATE shop.orders SET quantity = quantity + 1 WHERE id % 50 = 0".to_owned(),
        ] {
            shop.exec(&sql).await?;
        }
        shop.copied(&["shop.orders"]).await?;
        delivered(&program, server).await?;
        let finished = program.drain(WITHIN).await?;
        ensure!(finished.code() == Some(0), "{}", finished.text());
        if round == 2 {
            proxy.program(|faults| faults.record_bytes_max = 1 << 20);
        }
        // It sends what the log has: the row that is too large stands in the copy.
        says(&resume.finish(WITHIN).await?, 0, &["table resumed"]);
    }
    let consumer = shop
        .runs_to_its_end(&launch, &["shop.orders", PAGES])
        .await?;
    assert_eq!(consumer.ends_of(PAGES), 1);
    let lines = shop.world.lines_of(PAGES).await?;
    let early = lines.iter().filter(|line| {
        let id = line["key"]["id"].as_i64();
        line["type"] == "snapshot" && id.is_some_and(|id| (1..=FIRST).contains(&id))
    });
    assert_eq!(early.count() as i64, FIRST);
    Ok(())
}
