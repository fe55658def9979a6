//! The far end, with PostgreSQL in the place of Redshift: the audit of a large table, what a merge costs, and how old a
//! row is when a reader of the warehouse sees it.
//!
//! Both sides of the audit, and the tables that are merged into, are filled by one formula, for a merge of so many rows
//! is not what these figures are about.

use std::time::{Duration, Instant};

use anyhow::ensure;
use headwater_harness::{
    figures::percentile,
    firehose,
    mysql::MySql,
    postgres::{Postgres, READER, Session},
    road::{Options as RoadOptions, Road, SCHEMA},
    warehouse,
};
use mysql_async::prelude::Queryable;

use crate::{
    Options,
    run::{Peak, Setup},
    table::{Table, grouped},
};

/// Within the folder of the launch.
const OUT: &str = "warehouse";
const NULL: &str =
    "[sink]\ntype = \"null\"\n[checkpoint]\ninterval_ms = 50\n[warehouse]\nschema = \"warehouse\"";
const ORDERS: &str = "CREATE DATABASE shop; CREATE TABLE shop.orders (id BIGINT PRIMARY KEY, quantity INT, \
    note VARCHAR(40), price DECIMAL(10,2), placed DATETIME(6))";
/// Of the row `n`, as both servers understand it.
const VALUES: &str = "n % 1000, CONCAT('leave it at the door, please: ', n), n % 100000 / 4.0";
/// Before everything that the log has.
const OLD_SEQ: &str = "00000001.00000000.0000000000000000.00000000";
const AUDIT_WITHIN: Duration = Duration::from_secs(3_600);
const MILLION: u64 = 1_000_000;
const COMMITS_PER_SEC: u64 = 50;

pub async fn measure(options: &Options, table: &mut Table) -> anyhow::Result<()> {
    let postgres = Postgres::start().await?;
    let session = postgres.session().await?;
    session.exec("SET synchronous_commit TO off").await?;
    let server = MySql::with(&["--sync-binlog=0", "--innodb-flush-log-at-trx-commit=0"]).await?;
    server.exec(ORDERS).await?;
    let setup = Setup::new(&options.binary, &server, "now", NULL)?;
    warehouse::generate(&setup.launch, OUT).await?;
    warehouse::apply(&postgres, &setup.folder().join(OUT)).await?;
    let lines = options.lines;
    for (lines, rows) in [
        (lines / 10, MILLION),
        (lines, 0),
        (lines, MILLION),
        (lines, 5 * MILLION),
    ] {
        merge(&session, lines, rows, table).await?;
    }
    audit(options, &server, &postgres, &session, &setup, table).await?;
    latency(options, table).await
}

async fn fill(session: &Session, rows: u64) -> anyhow::Result<()> {
    session
        .exec(&format!(
            "TRUNCATE shop.orders__rows; INSERT INTO shop.orders__rows SELECT '{OLD_SEQ}', NULL, FALSE, 0, NULL, n, {VALUES}, \
             TIMESTAMP '2026-01-02 03:04:05.000006' + n * INTERVAL '1 second' FROM generate_series(1, {rows}) AS g (n); \
             ANALYZE shop.orders__rows"
        ))
        .await
}

/// Half of the lines are new rows, the others change rows that are there, anywhere in the table.
async fn merge(session: &Session, lines: u64, rows: u64, table: &mut Table) -> anyhow::Result<()> {
    eprintln!("{lines} lines to merge into {rows} rows");
    fill(session, rows).await?;
    let step = 7_919;
    session
        .exec(&format!(
            "INSERT INTO {SCHEMA}.incoming (line) SELECT format('{{\"type\":\"%s\",\"database\":\"shop\",\"table\":\"orders\",\
             \"ts_us\":1795416214123456,\"position\":\"binlog.000001:%s\",\"id\":\"binlog.000001:%s/0\",\"seq\":\"00000001.00000001.%s.00000000\",\
             \"key\":{{\"id\":%s}},\"data\":{{\"id\":%s,\"quantity\":7,\"note\":\"leave it at the door\",\"price\":\"12.50\",\
             \"placed\":\"2026-05-01 10:11:12.131415\"}}%s}}', \
             CASE WHEN i % 2 = 0 THEN 'insert' ELSE 'update' END, i, i, lpad(to_hex(i), 16, '0'), id, id, \
             CASE WHEN i % 2 = 0 THEN '' ELSE ',\"old\":{{\"quantity\":3}}' END)::json \
             FROM (SELECT i, CASE WHEN i % 2 = 0 OR {rows} = 0 THEN {rows} + i ELSE i * {step} % {rows} + 1 END AS id \
             FROM generate_series(1::bigint, {lines}) AS g (i)) AS numbered"
        ))
        .await?;
    let began = Instant::now();
    session.exec(&format!("CALL {SCHEMA}.merge_all()")).await?;
    let took = began.elapsed();
    let merged = session
        .query_rows(&format!(
            "SELECT lines_taken, lines_rejected, rows_written FROM {SCHEMA}.merges ORDER BY merged_at DESC LIMIT 1"
        ))
        .await?;
    ensure!(
        merged[0][..2] == [Some(lines.to_string()), Some("0".to_owned())],
        "not all lines were merged: {merged:?}"
    );
    table.add(
        &format!(
            "a merge of {} lines into {} rows, PostgreSQL",
            grouped(lines),
            grouped(rows)
        ),
        format!("{:.1} s", took.as_secs_f64()),
        "grows with the lines",
    );
    Ok(())
}

async fn audit(
    options: &Options,
    server: &MySql,
    postgres: &Postgres,
    session: &Session,
    setup: &Setup,
    table: &mut Table,
) -> anyhow::Result<()> {
    let rows = options.audited;
    eprintln!("{rows} rows to audit");
    fill(session, rows).await?;
    let mut conn = server.conn().await?;
    conn.query_drop("SET SESSION sql_log_bin = 0").await?;
    let digits = "(SELECT 0 AS d UNION SELECT 1 UNION SELECT 2 UNION SELECT 3 UNION SELECT 4 UNION SELECT 5 UNION SELECT 6 \
        UNION SELECT 7 UNION SELECT 8 UNION SELECT 9)";
    // 100,000 at a time.
    for from in (0..rows).step_by(100_000) {
        let until = (from + 100_000).min(rows);
        conn.query_drop(format!(
            "INSERT INTO shop.orders SELECT n, {VALUES}, '2026-01-02 03:04:05.000006' + INTERVAL n SECOND FROM \
             (SELECT {from} + 1 + a.d + 10 * b.d + 100 * c.d + 1000 * d.d + 10000 * e.d AS n FROM \
             {digits} a, {digits} b, {digits} c, {digits} d, {digits} e) AS numbers WHERE n <= {until}"
        ))
        .await?;
    }
    conn.disconnect().await?;
    // A position is stored.
    server.exec("CREATE DATABASE other").await?;
    setup.rewind()?;
    setup.finish().await?;
    let rows_max = rows.to_string();
    let arguments = ["--rows-max", &rows_max];
    let launch = warehouse::audit_launch(&setup.launch, &postgres.url(READER), OUT, &arguments);
    let program = launch.start()?;
    let peak = Peak::watch(program.id());
    let finished = program.wait_exit(AUDIT_WITHIN).await?;
    let said = format!("{rows} rows in MySQL, {rows} compared");
    ensure!(
        finished.code() == Some(0) && finished.text().contains(&said),
        "{}",
        finished.text()
    );
    table.add(
        &format!("the audit of {} rows", grouped(rows)),
        format!(
            "{:.1} s, {:.0} MiB",
            finished.took.as_secs_f64(),
            peak.stop().await?
        ),
        "17 bytes a row",
    );
    Ok(())
}

/// Firehose delivers what it has at once (`IntervalInSeconds` 0), each object is loaded and merged at once.
async fn latency(options: &Options, table: &mut Table) -> anyhow::Result<()> {
    let mut wanted = RoadOptions::new(&options.binary);
    wanted.config = format!("[warehouse]\nschema = \"{SCHEMA}\"\n");
    wanted.firehose = firehose::Settings {
        buffer_bytes: 1 << 20,
        buffer_secs: 0,
        ..wanted.firehose
    };
    let mut road = Road::new(wanted).await?;
    road.mysql.exec(ORDERS).await?;
    warehouse::generate(road.launch(), OUT).await?;
    warehouse::apply(&road.postgres, &road.folder().join(OUT)).await?;
    let session = road.postgres.session().await?;
    road.start().await?;
    let count = options.latency_secs * COMMITS_PER_SEC;
    let writer = {
        let mut conn = road.mysql.conn().await?;
        tokio::spawn(async move {
            let mut ticks = tokio::time::interval(Duration::from_secs(1) / COMMITS_PER_SEC as u32);
            for id in 0..count {
                ticks.tick().await;
                conn.query_drop(format!(
                    "INSERT INTO shop.orders (id, note) VALUES ({id}, 'new')"
                ))
                .await?;
            }
            conn.disconnect().await
        })
    };
    let (mut ages, began) = (Vec::new(), Instant::now());
    let seen = "SELECT (EXTRACT(EPOCH FROM clock_timestamp() AT TIME ZONE 'UTC' - _ts) * 1000)::float8 FROM shop.orders WHERE quantity IS NULL";
    let mark = "UPDATE shop.orders__rows SET quantity = 1 WHERE quantity IS NULL";
    while (ages.len() as u64) < count {
        ensure!(
            began.elapsed() < Duration::from_secs(options.latency_secs + 120),
            "not all rows came"
        );
        road.firehose.set_clock(std::time::SystemTime::now());
        let delivered = road.firehose.work().await?;
        if delivered.data.is_empty() {
            continue;
        }
        let now = road.firehose.now();
        road.loader.load(&delivered.data, now).await?;
        session.exec(&format!("CALL {SCHEMA}.merge_all()")).await?;
        let rows = session.query_rows(seen).await?;
        ages.extend(
            rows.into_iter()
                .flatten()
                .flatten()
                .filter_map(|age| age.parse::<f64>().ok()),
        );
        session.exec(mark).await?;
    }
    writer.await??;
    ages.sort_by(f64::total_cmp);
    let age = |percent| percentile(&ages, percent).unwrap_or(f64::NAN);
    table.add(
        &format!("commit → merged row visible, {COMMITS_PER_SEC} commits/s, PostgreSQL"),
        format!(
            "p50 {:.0} ms, p99 {:.0} ms ({count} commits; Firehose played without a buffer's time)",
            age(50),
            age(99)
        ),
        "stated",
    );
    Ok(())
}
