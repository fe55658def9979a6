//! A backlog from a real server to a sink: rows a second, processor time and memory.

use headwater_harness::{mysql::MySql, swallow::Swallow};

use crate::{
    Options,
    run::{Measured, Setup, kinesis},
    table::{Table, grouped},
};

const LANES: &str = "[ordering]\nkey = \"primary_key\"\nlanes = 4";

pub async fn measure(
    part: &str,
    options: &Options,
    server: &MySql,
    from: &str,
    table: &mut Table,
) -> anyhow::Result<()> {
    let endpoint = Swallow::start()?;
    let kinesis = kinesis(endpoint.endpoint(), "swallow");
    let (what, sink, target) = match part {
        "null" => (
            "backlog to the null sink",
            "[sink]\ntype = \"null\"".to_owned(),
            "≥ 1,000,000",
        ),
        "kinesis" => ("backlog to Kinesis, one lane", kinesis, "≥ 300,000"),
        _ => (
            "backlog to Kinesis, `ordering.key = \"primary_key\"`, 4 lanes",
            format!("{kinesis}\n{LANES}"),
            "≥ 400,000",
        ),
    };
    let setup = Setup::new(&options.binary, server, from, &sink)?;
    let mut runs = Vec::new();
    for _ in 0..options.rounds {
        setup.rewind()?;
        let run = setup.finish().await?;
        eprintln!(
            "  {part}: {:.2} s, {:.2} CPU s, {:.0} MiB",
            run.secs, run.cpu_secs, run.peak_mib
        );
        runs.push(run);
    }
    report(what, target, options, &mut runs, table);
    Ok(())
}

/// One statement changes every primary key of a table: each row leaves its lane's order for another's.
pub async fn changed_keys(options: &Options, table: &mut Table) -> anyhow::Result<()> {
    let server = MySql::start().await?;
    let rows = options.changes;
    server
        .exec(&format!(
            "CREATE DATABASE shop; CREATE TABLE shop.numbers (id INT PRIMARY KEY, note VARCHAR(20)); \
             SET cte_max_recursion_depth = {rows}; \
             INSERT INTO shop.numbers WITH RECURSIVE ids (id) AS (SELECT 1 UNION ALL SELECT id + 1 FROM ids WHERE id < {rows}) \
             SELECT id, CONCAT('row ', id) FROM ids"
        ))
        .await?;
    let (file, offset) = server.position().await?;
    let update = "UPDATE shop.numbers SET id = id + 1 ORDER BY id DESC";
    server.exec(update).await?;
    let endpoint = Swallow::start()?;
    let sink = format!("{}\n{LANES}", kinesis(endpoint.endpoint(), "swallow"));
    let from = format!("{file}:{offset}");
    let setup = Setup::new(&options.binary, &server, &from, &sink)?;
    let run = setup.finish().await?;
    table.add(
        &format!(
            "`UPDATE t SET id = id + 1` over {} rows, 4 lanes",
            grouped(rows)
        ),
        format!("{:.1} s, {:.0} MiB", run.secs, run.peak_mib),
        "seconds",
    );
    Ok(())
}

fn report(what: &str, target: &str, options: &Options, runs: &mut [Measured], table: &mut Table) {
    runs.sort_by(|one, other| one.secs.total_cmp(&other.secs));
    let rate = |run: Option<&Measured>| {
        let secs = run.map_or(f64::NAN, |run| run.secs);
        grouped((options.changes as f64 / secs) as u64)
    };
    let cpu_secs = runs
        .iter()
        .map(|run| run.cpu_secs)
        .fold(f64::INFINITY, f64::min);
    let peak_mib = runs.iter().map(|run| run.peak_mib).fold(0.0, f64::max);
    table.add(
        what,
        format!(
            "{} rows/s (best of {}; median {}), {:.2} CPU s per million rows",
            rate(runs.first()),
            runs.len(),
            rate(runs.get(runs.len() / 2)),
            cpu_secs * 1e6 / options.changes as f64
        ),
        &format!("{target} rows/s"),
    );
    table.add(
        &format!("resident memory, {what}"),
        format!("{peak_mib:.0} MiB"),
        "≤ 64 MiB",
    );
}
