//! Tables that are copied: beside raw readers of the same table in turn, with large rows, beside a stream, by thousands.

use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use headwater_harness::{
    kinesis::Kinesis,
    mysql::MySql,
    orders::{self, Load},
};
use mysql_async::prelude::Queryable;

use crate::{
    Options, latency, raw,
    run::{Measured, Peak, Setup, kinesis, server_of_many_tables},
    table::{Table, grouped},
};

const PARALLEL: u64 = 2;
const NULL: &str = "[sink]\ntype = \"null\"";
const MEMORY_TARGET: &str = "≤ 64 MiB";
/// Beside the stream: the local Kinesis takes no more from both, and the copy must last.
const BESIDE_ROWS_PER_SEC: u64 = 10_000;

pub async fn measure(options: &Options, table: &mut Table) -> anyhow::Result<()> {
    throughput(options, table).await?;
    large_rows(options, table).await?;
    beside_the_stream(options, table).await?;
    queued(options, table).await
}

/// `shop.*` is copied to the sink beside the log from `start` on, over connections without TLS.
fn setup(options: &Options, server: &MySql, start: &str, sink: &str) -> anyhow::Result<Setup> {
    let sink = format!("{sink}\n[snapshot]\ntables = [\"shop.*\"]\nparallel = {PARALLEL}");
    let mut setup = Setup::new(&options.binary, server, start, &sink)?;
    setup.launch = setup
        .launch
        .setting("source.tls.mode", "disabled")
        .setting("source.tls.allow_public_key_retrieval", "true");
    Ok(setup)
}

struct Round {
    raw_secs: f64,
    raw_server_cpu_secs: f64,
    copy: Measured,
    server_cpu_secs: f64,
}

/// The same table by both in turn; the best of each counts.
async fn throughput(options: &Options, table: &mut Table) -> anyhow::Result<()> {
    let server = MySql::with(&["--innodb-buffer-pool-size=1G"]).await?;
    let rows = options.rows;
    eprintln!("loading {} rows of an orders table", grouped(rows));
    let load = Load::new(rows).without_updates().transaction_rows(20_000);
    load.run(&server).await?;
    server.exec("ANALYZE TABLE shop.orders").await?;
    let half = rows / PARALLEL;
    let statements: Vec<String> = (0..PARALLEL)
        .map(|part| {
            let (first, last) = (part * half + 1, (part + 1) * half);
            let last = if part + 1 == PARALLEL { rows } else { last };
            format!("SELECT * FROM shop.orders WHERE id BETWEEN {first} AND {last} ORDER BY id")
        })
        .collect();
    let setup = setup(options, &server, "now", NULL)?;
    let mut rounds = Vec::new();
    for _ in 0..options.rounds {
        let before = server_cpu_secs(&server)?;
        let (port, wanted) = (server.port(), statements.clone());
        let read = tokio::task::spawn_blocking(move || raw::read(port, &wanted));
        let (read, took) = read.await.context("read")??;
        ensure!(read == rows, "{read} rows of {rows} were read");
        let between = server_cpu_secs(&server)?;
        setup.rewind()?;
        let copy = setup.finish().await?;
        let round = Round {
            raw_secs: took.as_secs_f64(),
            raw_server_cpu_secs: between - before,
            copy,
            server_cpu_secs: server_cpu_secs(&server)? - between,
        };
        eprintln!(
            "  raw {:.2} s, mysqld {:.2} CPU s; copied in {:.2} s, {:.2} CPU s, mysqld {:.2} CPU s, {:.0} MiB",
            round.raw_secs,
            round.raw_server_cpu_secs,
            round.copy.secs,
            round.copy.cpu_secs,
            round.server_cpu_secs,
            round.copy.peak_mib
        );
        rounds.push(round);
    }
    report(rows, &rounds, table);
    Ok(())
}

fn report(rows: u64, rounds: &[Round], table: &mut Table) {
    let least = |of: fn(&Round) -> f64| rounds.iter().map(of).fold(f64::INFINITY, f64::min);
    let per_million = |secs: f64| secs * 1e6 / rows as f64;
    let (raw, copy) = (least(|it| it.raw_secs), least(|it| it.copy.secs));
    let rate = |secs: f64| grouped((rows as f64 / secs) as u64);
    table.add(
        &format!(
            "raw readers of {} rows, {PARALLEL} connections",
            grouped(rows)
        ),
        format!(
            "{} rows/s (best of {}), mysqld {:.2} CPU s per million rows",
            rate(raw),
            rounds.len(),
            per_million(least(|it| it.raw_server_cpu_secs))
        ),
        "the server's own limit",
    );
    table.add(
        "snapshot of the same table to the null sink",
        format!(
            "{} rows/s (best of {}), {:.2} CPU s per million rows, mysqld {:.2}",
            rate(copy),
            rounds.len(),
            per_million(least(|it| it.copy.cpu_secs)),
            per_million(least(|it| it.server_cpu_secs))
        ),
        "≥ 300,000 rows/s",
    );
    table.add(
        "snapshot beside raw readers",
        format!("{:.2} of their rate", raw / copy),
        "≥ 0.75",
    );
    let peak = rounds.iter().map(|it| it.copy.peak_mib).fold(0.0, f64::max);
    table.add(
        "resident memory, snapshot to the null sink",
        format!("{peak:.0} MiB"),
        MEMORY_TARGET,
    );
}

async fn large_rows(options: &Options, table: &mut Table) -> anyhow::Result<()> {
    let server = MySql::with(&["--max-allowed-packet=64M"]).await?;
    let rows = options.large_rows;
    eprintln!("writing {rows} rows of 1 MiB");
    let sql = format!(
        "CREATE DATABASE shop; CREATE TABLE shop.large (id INT PRIMARY KEY, body LONGTEXT); \
         SET cte_max_recursion_depth = {rows}; INSERT INTO shop.large \
         WITH RECURSIVE ids (id) AS (SELECT 1 UNION ALL SELECT id + 1 FROM ids WHERE id < {rows}) \
         SELECT id, REPEAT(CHAR(97 + id % 26), 1048576) FROM ids"
    );
    server.exec(&sql).await?;
    let run = setup(options, &server, "now", NULL)?.finish().await?;
    table.add(
        &format!("resident memory, snapshot of {rows} rows of 1 MiB"),
        format!(
            "{:.0} MiB ({:.1} s, {:.1} CPU s)",
            run.peak_mib, run.secs, run.cpu_secs
        ),
        MEMORY_TARGET,
    );
    Ok(())
}

/// The same commits without a copy and with one.
async fn beside_the_stream(options: &Options, table: &mut Table) -> anyhow::Result<()> {
    let mut p99s = Vec::new();
    for is_copied in [false, true] {
        let server = MySql::start().await?;
        let rows = BESIDE_ROWS_PER_SEC * (options.latency_secs + 30);
        Load::new(rows).without_updates().run(&server).await?;
        server.exec(&orders::create_table("shop.live")).await?;
        let stream = Kinesis::start().await?;
        stream.create_stream("live", 1).await?;
        stream.create_stream("copied", 1).await?;
        // The first commits may come before the program.
        let (file, offset) = server.position().await?;
        let mut setup = setup(
            options,
            &server,
            &format!("{file}:{offset}"),
            &format!(
                "{}\n[[routes]]\ntables = [\"shop.orders\"]\nsink.kinesis.stream = \"copied\"",
                kinesis(&stream.endpoint(), "live")
            ),
        )?;
        setup.launch = setup.launch.setting(
            "snapshot.rows_per_sec_max",
            &BESIDE_ROWS_PER_SEC.to_string(),
        );
        if !is_copied {
            setup.launch = setup.launch.setting("snapshot.tables", "none.*");
        }
        let program = setup.launch.start()?;
        let consumer = stream.consumer("live").await?;
        let (ages, _) = latency::of_commits(options, &server, consumer).await?;
        let copied = program
            .metric("headwater_snapshot_rows_total", &[])
            .await?
            .unwrap_or_default();
        ensure!(
            is_copied == (0.0 < copied) && copied < rows as f64,
            "{copied} of {rows} rows were copied meanwhile"
        );
        let finished = program.drain(Duration::from_secs(30)).await?;
        ensure!(finished.code() == Some(0), "{}", finished.text());
        p99s.push((ages.age(99), copied));
    }
    let [(without, _), (with, copied)] = p99s[..] else {
        anyhow::bail!("two runs are wanted");
    };
    table.add(
        &format!(
            "commit → readable beside a snapshot, {} commits/s",
            options.commits_per_sec
        ),
        format!(
            "p99 {with:.1} ms, {without:.1} ms without: {:.1} times ({copied} rows copied meanwhile)",
            with / without
        ),
        "≤ 2 times",
    );
    Ok(())
}

async fn queued(options: &Options, table: &mut Table) -> anyhow::Result<()> {
    let server = server_of_many_tables().await?;
    let tables = options.queued;
    eprintln!("creating {tables} tables");
    let mut conn = server.conn().await?;
    conn.query_drop("CREATE DATABASE shop").await?;
    for index in 0..tables {
        conn.query_drop(format!(
            "CREATE TABLE shop.t{index} (id INT PRIMARY KEY, note VARCHAR(20)); INSERT INTO shop.t{index} VALUES (1, 'a')"
        ))
        .await?;
    }
    let setup = setup(options, &server, "now", NULL)?;
    let mut program = setup.launch.start()?;
    let peak = Peak::watch(program.id());
    let ready = program.wait_ready(Duration::from_secs(120)).await?;
    let begun = Instant::now();
    let wanted = tables as f64;
    while program
        .metric("headwater_snapshot_rows_total", &[])
        .await?
        .unwrap_or_default()
        < wanted
    {
        ensure!(
            begun.elapsed() < Duration::from_secs(900),
            "not all are copied"
        );
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let (took, cpu_secs) = (begun.elapsed(), program.cpu_secs()?);
    let finished = program.drain(Duration::from_secs(60)).await?;
    ensure!(finished.code() == Some(0), "{}", finished.text());
    table.add(
        &format!("{} tables queued", grouped(tables)),
        format!(
            "streams after {:.0} ms, all copied {:.1} s later ({cpu_secs:.1} CPU s), {:.0} MiB",
            ready.as_secs_f64() * 1000.0,
            took.as_secs_f64(),
            peak.stop().await?
        ),
        MEMORY_TARGET,
    );
    Ok(())
}

/// So far, of all its threads.
fn server_cpu_secs(server: &MySql) -> anyhow::Result<f64> {
    let path = format!("/proc/{}/stat", server.id().context("a server that runs")?);
    let text = std::fs::read_to_string(&path).with_context(|| format!("read {path}"))?;
    // proc(5): utime and stime are fields 14 and 15, in ticks of 10 ms, counted behind the name.
    let fields = text.rsplit(") ").next().unwrap_or_default().split(' ');
    let ticks = fields.skip(11).take(2);
    let ticks: u64 = ticks.filter_map(|field| field.parse::<u64>().ok()).sum();
    Ok(ticks as f64 / 100.0)
}
