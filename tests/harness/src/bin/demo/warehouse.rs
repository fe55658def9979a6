//! `scripts/demo --warehouse`: the whole road, up to tables in a warehouse that equal MySQL.
//!
//! MySQL with the shop, Headwater, a Kinesis API, what plays Firehose (some objects come twice, late or mixed up), S3,
//! what plays COPY, and PostgreSQL in the place of Redshift with what `headwater warehouse` wrote. Headwater is killed
//! meanwhile. Ends with the tables of both sides, and with code 1 when they differ.

use std::{path::Path, time::Duration};

use anyhow::{Context, ensure};
use headwater_harness::{
    cache,
    firehose::Manners,
    mysql::{MySql, PASSWORD, USER},
    postgres::{ADMIN, Postgres},
    road::{Options, Road, SCHEMA},
    warehouse,
};
use tokio::time::Instant;

use crate::{
    shop,
    show::{say, step},
};

const OUT: &str = "warehouse";
/// Small, so that there are many objects that can come in another order.
const BUFFER_BYTES: usize = 64 << 10;
const ROUNDS: u32 = 4;
const BETWEEN_ROUNDS: Duration = Duration::from_secs(1);
/// Rows that are shown side by side.
const SHOWN: &str =
    "SELECT id, customer_id, status, total FROM shop.orders ORDER BY id DESC LIMIT 4";

pub async fn play(binary: &Path, keep: bool) -> anyhow::Result<()> {
    let mut road = start(binary).await?;
    step("tables for the warehouse");
    let finished = warehouse::generate(road.launch(), OUT).await?;
    for line in &finished.stdout {
        say(line);
    }
    let folder = road.folder().join(OUT);
    warehouse::apply(&road.postgres, &folder).await?;
    say("all of it applied");

    let writer = shop::Writer::start(&road.mysql).await?;
    step("a shop at work: lines through Kinesis, Firehose and S3, merged into tables");
    road.start().await?;
    rounds(&mut road).await?;

    step("kill -9, while the shop goes on");
    road.kill()?;
    tokio::time::sleep(BETWEEN_ROUNDS).await;
    road.start().await?;
    say("started again");
    rounds(&mut road).await?;

    step("the shop closes");
    let transactions = writer.stop().await?;
    let loaded = road.settle_and_load().await?;
    warehouse::merge(&road.postgres, SCHEMA).await?;
    say(&format!(
        "{transactions} transactions; the last {} lines, with all that was late, are merged",
        loaded.rows
    ));
    show_merges(&road.postgres).await?;
    compare(&road, &folder).await?;
    if keep {
        keep_running(&road, &folder).await?;
    }
    let finished = road.drain().await?;
    ensure!(
        finished.code() == Some(0),
        "it did not drain: {}",
        finished.text()
    );
    Ok(())
}

async fn start(binary: &Path) -> anyhow::Result<Road> {
    let mut options = Options::new(binary);
    options.shards = 2;
    options.is_shown = false;
    options.config = format!(
        "[native]\nheartbeat_secs = 1\n[packing]\nrecord_bytes_max = 16384\n[warehouse]\nschema = \"{SCHEMA}\"\n"
    );
    options.firehose.buffer_bytes = BUFFER_BYTES;
    options.firehose.manners = Manners::ROUGH;
    let road = Road::new(options).await?;
    shop::create(&road.mysql).await?;
    step("the parts");
    let part = |name: &str, address: &str| say(&format!("{name:<22} {address}"));
    part(
        &format!("MySQL {}", MySql::version()?),
        &road.mysql.url(USER, PASSWORD),
    );
    part(&cache::version("kinesis")?, &road.kinesis.endpoint());
    part(
        "Firehose, played",
        "30 % of its objects twice, 40 % late, 50 % with records mixed up",
    );
    part(
        &format!("S3, {}", cache::version("moto")?),
        &road.moto.endpoint(),
    );
    part(
        &format!("PostgreSQL {}", Postgres::version()?),
        &road.postgres.url(ADMIN),
    );
    Ok(road)
}

/// Firehose's buffers are closed, and what came is loaded and merged, a few times.
async fn rounds(road: &mut Road) -> anyhow::Result<()> {
    for _ in 0..ROUNDS {
        tokio::time::sleep(BETWEEN_ROUNDS).await;
        let loaded = road.flush_and_load().await?;
        ensure!(loaded.refused.is_empty(), "refused: {:?}", loaded.refused);
        let began = Instant::now();
        warehouse::merge(&road.postgres, SCHEMA).await?;
        let took = began.elapsed().as_millis();
        let orders = "SELECT COUNT(*) FROM shop.orders";
        say(&format!(
            "{:>6} lines loaded, merged in {took} ms; orders in MySQL {}, in the warehouse {}",
            loaded.rows,
            road.mysql.query_value(orders).await?,
            road.postgres.query_value(orders).await?
        ));
    }
    Ok(())
}

async fn show_merges(postgres: &Postgres) -> anyhow::Result<()> {
    let sql = format!(
        "SELECT SUM(lines_taken), SUM(rows_written), SUM(rows_ignored), SUM(lines_rejected), SUM(values_lost) \
         FROM \"{SCHEMA}\".merges"
    );
    let rows = postgres.query_rows(&sql).await?;
    let row = rows.first().context("no merge was noted")?;
    let names = [
        "lines merged",
        "rows written",
        "repeated or overtaken",
        "rejected",
        "values lost",
    ];
    for (name, value) in names.iter().zip(row) {
        say(&format!("{name:<24} {}", value.as_deref().unwrap_or("0")));
    }
    Ok(())
}

/// Both sides, with an error when they differ.
async fn compare(road: &Road, folder: &Path) -> anyhow::Result<()> {
    step("both sides");
    let all = warehouse::compare(&road.mysql, &road.postgres, folder).await?;
    say(&format!(
        "{:<24} {:>10} {:>10} {:>10}",
        "table", "MySQL", "warehouse", "different"
    ));
    for table in &all {
        say(&format!(
            "{:<24} {:>10} {:>10} {:>10}",
            table.table, table.mysql_rows, table.warehouse_rows, table.different
        ));
        for example in &table.examples {
            say(example);
        }
    }
    let mysql = road.mysql.query_rows(SHOWN).await?;
    let warehouse = road.postgres.query_rows(SHOWN).await?;
    say("");
    say(&format!(
        "{:<40} {}",
        "shop.orders in MySQL", "in the warehouse"
    ));
    for (one, other) in mysql.iter().zip(&warehouse) {
        say(&format!("{:<40} {}", text(one), text(other)));
    }
    let complete = format!("SELECT position FROM \"{SCHEMA}\".complete_to");
    let complete = road.postgres.query_rows(&complete).await?;
    if let Some(Some(position)) = complete.first().and_then(|row| row.first()) {
        say(&format!("complete up to {position}"));
    }
    ensure!(!all.is_empty(), "no table was generated");
    let different: usize = all.iter().map(|table| table.different).sum();
    ensure!(different == 0, "NOT EQUAL: {different} rows differ");
    step("headwater warehouse audit");
    let audited = warehouse::audit(road.launch(), &road.postgres, OUT, &[]).await?;
    for line in &audited.stdout {
        say(line);
    }
    ensure!(audited.code() == Some(0), "{}", audited.text());
    say("EQUAL: every table of the warehouse is that of MySQL");
    Ok(())
}

fn text(row: &[Option<String>]) -> String {
    let values: Vec<&str> = row
        .iter()
        .map(|value| value.as_deref().unwrap_or("NULL"))
        .collect();
    values.join(" | ")
}

async fn keep_running(road: &Road, folder: &Path) -> anyhow::Result<()> {
    say(&format!("{:<22} {}", "the SQL", folder.display()));
    say(&format!(
        "{:<22} {}",
        "PostgreSQL",
        road.postgres.url(ADMIN)
    ));
    step("it all runs on until Ctrl-C");
    tokio::signal::ctrl_c().await.context("wait for Ctrl-C")
}
