//! The most resident memory where it hurts: a giant transaction, a sink that stands still, many tables.

use std::time::{Duration, Instant};

use anyhow::ensure;
use headwater_harness::{
    faults::FaultProxy, mysql::MySql, orders, swallow::Swallow, wait::Deadline,
};
use mysql_async::prelude::Queryable;

use crate::{
    Options,
    run::{Peak, Setup, kinesis},
    table::Table,
};

const TARGET: &str = "≤ 64 MiB";

/// How the transaction stands in the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Plain,
    /// In one event, of half its size.
    Compressed,
}

/// One transaction of rows of 4 KB to the endpoint that takes everything.
pub async fn giant_transaction(
    options: &Options,
    kind: Kind,
    table: &mut Table,
) -> anyhow::Result<()> {
    let server = MySql::start().await?;
    let (file, offset) = server.position().await?;
    let rows = options.transaction_bytes / 4_000;
    let (name, compression, body) = match kind {
        Kind::Plain => ("", "OFF", "REPEAT(CHAR(97 + id % 26), 3960)"),
        Kind::Compressed => (
            "compressed ",
            "ON",
            "CONCAT(HEX(RANDOM_BYTES(1000)), HEX(RANDOM_BYTES(980)))",
        ),
    };
    eprintln!("writing {rows} rows of 4 kB in one {name}transaction");
    server
        .exec(&format!(
            "CREATE DATABASE shop; CREATE TABLE shop.bulk (id INT PRIMARY KEY, note TEXT, body TEXT); \
             SET cte_max_recursion_depth = {rows}, binlog_transaction_compression = {compression}; \
             INSERT INTO shop.bulk WITH RECURSIVE ids (id) AS (SELECT 1 UNION ALL SELECT id + 1 FROM ids WHERE id < {rows}) \
             SELECT id, CONCAT('row ', id), {body} FROM ids"
        ))
        .await?;
    let endpoint = Swallow::start()?;
    let setup = Setup::new(
        &options.binary,
        &server,
        &format!("{file}:{offset}"),
        &kinesis(endpoint.endpoint(), "swallow"),
    )?;
    let run = setup.finish().await?;
    table.add(
        &format!(
            "resident memory, one {name}transaction of {} MB",
            options.transaction_bytes / 1_000_000
        ),
        format!(
            "{:.0} MiB ({:.1} s, {:.1} CPU s)",
            run.peak_mib, run.secs, run.cpu_secs
        ),
        TARGET,
    );
    Ok(())
}

/// The endpoint answers nothing while an orders table changes; then it does, and everything arrives.
pub async fn stalled_sink(options: &Options, table: &mut Table) -> anyhow::Result<()> {
    let server = MySql::start().await?;
    server
        .exec(&format!(
            "CREATE DATABASE shop; {}",
            orders::create_table("shop.live")
        ))
        .await?;
    let proxy = FaultProxy::in_memory(&[("stalled", 1)], 1).await?;
    let (file, offset) = server.position().await?;
    let setup = Setup::new(
        &options.binary,
        &server,
        &format!("{file}:{offset}"),
        &kinesis(&proxy.url(), "stalled"),
    )?;
    let program = setup.launch.start()?;
    let peak = Peak::watch(program.id());
    let hold = proxy.hold();
    let stalled = Duration::from_secs(options.stall_secs);
    let began = Instant::now();
    let (mut conn, mut rows) = (server.conn().await?, 0_u64);
    eprintln!("the endpoint answers nothing for {} s", stalled.as_secs());
    while began.elapsed() < stalled {
        let next = rows + 500;
        let ids: Vec<String> = (rows..next).map(order).collect();
        conn.query_drop(format!("INSERT INTO shop.live VALUES {}", ids.join(",")))
            .await?;
        rows = next;
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    drop(hold);
    let deadline = Deadline::after(Duration::from_secs(120), "all rows behind the stall");
    let lines = loop {
        let lines: usize = proxy
            .records("stalled")
            .iter()
            .map(|record| record.data.iter().filter(|byte| **byte == b'\n').count())
            .sum();
        if lines as u64 >= rows {
            break lines;
        }
        deadline.pause().await?;
        tokio::time::sleep(Duration::from_millis(200)).await;
    };
    let finished = program.drain(Duration::from_secs(30)).await?;
    ensure!(finished.code() == Some(0), "{}", finished.text());
    table.add(
        &format!(
            "resident memory, sink stopped for {} s under traffic",
            options.stall_secs
        ),
        format!(
            "{:.0} MiB ({rows} rows written meanwhile, {lines} delivered)",
            peak.stop().await?
        ),
        TARGET,
    );
    Ok(())
}

fn order(id: u64) -> String {
    format!(
        "({id}, {id} % 9999, 'new', 12.50, 'EUR', 'R-{id:010}', 'leave at the door', 3, 1, \
         '2026-05-01 10:11:12.131415', '2026-05-01 10:11:12.131', '{{\"web\": true}}')"
    )
}

/// All tables change again and again, each transaction another one.
pub async fn many_tables(options: &Options, table: &mut Table) -> anyhow::Result<()> {
    let server = MySql::with(&["--table-open-cache=2000", "--open-files-limit=8192"]).await?;
    let tables = options.tables;
    eprintln!("writing to {tables} tables in turn");
    let mut conn = server.conn().await?;
    conn.query_drop("CREATE DATABASE shop").await?;
    let (file, offset) = server.position().await?;
    for index in 0..tables {
        conn.query_drop(orders::create_table(&format!("shop.t{index}")))
            .await?;
    }
    const ROUNDS: u64 = 10;
    const ROWS: u64 = 50;
    for round in 0..ROUNDS {
        let rows: Vec<String> = (round * ROWS..(round + 1) * ROWS).map(order).collect();
        let rows = rows.join(",");
        for index in 0..tables {
            conn.query_drop(format!("INSERT INTO shop.t{index} VALUES {rows}"))
                .await?;
        }
    }
    let endpoint = Swallow::start()?;
    let setup = Setup::new(
        &options.binary,
        &server,
        &format!("{file}:{offset}"),
        &kinesis(endpoint.endpoint(), "swallow"),
    )?;
    let run = setup.finish().await?;
    let rows = u64::from(tables) * ROUNDS * ROWS;
    table.add(
        &format!("resident memory, {tables} busy tables"),
        format!(
            "{:.0} MiB ({rows} rows in {:.1} s, {:.1} CPU s)",
            run.peak_mib, run.secs, run.cpu_secs
        ),
        TARGET,
    );
    Ok(())
}
