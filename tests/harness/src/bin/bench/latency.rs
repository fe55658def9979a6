//! From commit to readable: single-row commits at a steady rate, and a consumer that asks all the time.
//!
//! The commit time is the server's own (`ts_us`), the other end is when the consumer's GetRecords brought
//! the line: the consumer's question is part of the figure. Kinesis is kinesalite on the same machine.

use std::time::{Duration, Instant, UNIX_EPOCH};

use anyhow::{Context, ensure};
use headwater_harness::{
    consumer::Consumer, figures::percentile, kinesis::Kinesis, mysql::MySql, orders,
};
use mysql_async::prelude::Queryable;

use crate::{
    Options,
    run::{Setup, kinesis},
    table::Table,
};

pub async fn measure(options: &Options, table: &mut Table) -> anyhow::Result<()> {
    let server = MySql::start().await?;
    server
        .exec(&format!(
            "CREATE DATABASE shop; {}",
            orders::create_table("shop.live")
        ))
        .await?;
    let stream = Kinesis::start().await?;
    stream.create_stream("live", 1).await?;
    let (file, offset) = server.position().await?;
    let setup = Setup::new(
        &options.binary,
        &server,
        &format!("{file}:{offset}"),
        &kinesis(&stream.endpoint(), "live"),
    )?;
    let program = setup.launch.start()?;
    let consumer = stream.consumer("live").await?;
    let (ages, rate) = of_commits(options, &server, consumer).await?;
    let finished = program.drain(Duration::from_secs(30)).await?;
    ensure!(finished.code() == Some(0), "{}", finished.text());
    table.add(
        &format!("commit → readable, {rate:.0} single-row commits/s"),
        format!(
            "p50 {:.1} ms, p99 {:.1} ms ({} commits; kinesalite, consumer asks every 2 ms)",
            ages.age(50),
            ages.age(99),
            ages.0.len()
        ),
        "p99 ≤ 20 ms",
    );
    Ok(())
}

/// Milliseconds, sorted.
pub struct Ages(Vec<f64>);

impl Ages {
    pub fn age(&self, percent: usize) -> f64 {
        percentile(&self.0, percent).unwrap_or(f64::NAN)
    }
}

/// Commits at a steady rate to `shop.live`, which the consumer reads; and the rate that came of it.
pub async fn of_commits(
    options: &Options,
    server: &MySql,
    mut consumer: Consumer,
) -> anyhow::Result<(Ages, f64)> {
    commit(server, 0, 100, options.commits_per_sec).await?;
    consumer.read_lines(100, Duration::from_secs(20)).await?;
    consumer.take();

    let count = options.latency_secs * u64::from(options.commits_per_sec);
    let began = Instant::now();
    let writer = commit(server, 100, count, options.commits_per_sec);
    let reader = tokio::time::timeout(
        Duration::from_secs(options.latency_secs + 30),
        ages(&mut consumer, count),
    );
    let (written, ages) = tokio::join!(writer, reader);
    written?;
    let mut ages = ages.context("wait for the last line")??;
    let rate = count as f64 / began.elapsed().as_secs_f64();
    ages.sort_by(f64::total_cmp);
    Ok((Ages(ages), rate))
}

/// `count` commits of one row, each at its time.
async fn commit(server: &MySql, first: u64, count: u64, per_sec: u32) -> anyhow::Result<()> {
    let mut conn = server.conn().await?;
    let mut ticks = tokio::time::interval(Duration::from_secs(1) / per_sec.max(1));
    for id in first..first + count {
        ticks.tick().await;
        conn.query_drop(format!(
            "INSERT INTO shop.live VALUES ({id}, 7, 'new', 12.50, 'EUR', 'R-{id}', NULL, 3, 1, \
             '2026-05-01 10:11:12.131415', '2026-05-01 10:11:12.131', '{{\"web\": true}}')"
        ))
        .await?;
    }
    conn.disconnect().await.context("leave the server")
}

/// Milliseconds from commit to this consumer, of `count` lines.
async fn ages(consumer: &mut Consumer, count: u64) -> anyhow::Result<Vec<f64>> {
    let mut ages = Vec::new();
    while (ages.len() as u64) < count {
        consumer.poll().await?;
        for record in consumer.take() {
            let seen_us = record
                .seen
                .duration_since(UNIX_EPOCH)
                .context("a clock before 1970")?
                .as_micros() as f64;
            for line in record.lines() {
                let line: serde_json::Value = serde_json::from_slice(line)?;
                let commit_us = line
                    .get("ts_us")
                    .and_then(serde_json::Value::as_f64)
                    .context("a line without `ts_us`")?;
                ages.push((seen_us - commit_us) / 1000.0);
            }
        }
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    Ok(ages)
}
