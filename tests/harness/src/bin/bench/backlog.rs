//! Many lanes with statements between their rows: what a fence costs where there are thousands of lanes.

use std::ops::Range;

use headwater_harness::{mysql::MySql, swallow::Swallow};
use mysql_async::{Conn, prelude::Queryable};

use crate::{
    Options,
    run::{Setup, kinesis, server_of_many_tables},
    table::{Table, grouped},
};

const TARGET: &str = "seconds";
const STATEMENTS_A_QUERY: usize = 200;

/// A row in every table and then ALTERs; one transaction over every table; tables that come and go.
pub async fn measure(options: &Options, table: &mut Table) -> anyhow::Result<()> {
    let server = server_of_many_tables().await?;
    let lanes = options.lanes;
    let statements = lanes / 4;
    let mut conn = server.conn().await?;
    eprintln!("making {lanes} tables");
    conn.query_drop("CREATE DATABASE shop").await?;
    each(&mut conn, 0..lanes, |index| {
        format!("CREATE TABLE shop.t{index} (id INT PRIMARY KEY, v INT)")
    })
    .await?;
    let rows = |id: u32| move |index: u64| format!("INSERT INTO shop.t{index} VALUES ({id}, 1)");

    let from = place(&server).await?;
    each(&mut conn, 0..lanes, rows(1)).await?;
    each(&mut conn, 0..statements, |index| {
        format!("ALTER TABLE shop.t{index} ADD COLUMN w INT")
    })
    .await?;
    each(&mut conn, statements..lanes, rows(2)).await?;
    let what = format!("{} lanes, {} ALTERs", grouped(lanes), grouped(statements));
    run(options, &server, &from, &what, table).await?;

    let from = place(&server).await?;
    conn.query_drop("BEGIN").await?;
    each(&mut conn, statements..lanes, rows(3)).await?;
    conn.query_drop("COMMIT").await?;
    let what = format!(
        "one transaction over {} tables",
        grouped(lanes - statements)
    );
    run(options, &server, &from, &what, table).await?;

    let from = place(&server).await?;
    each(&mut conn, lanes..2 * lanes, |index| {
        let name = format!("shop.t{index}");
        format!("CREATE TABLE {name} (id INT PRIMARY KEY); INSERT INTO {name} VALUES (1); DROP TABLE {name}")
    })
    .await?;
    let what = format!("CREATE, INSERT, DROP of {} names", grouped(lanes));
    run(options, &server, &from, &what, table).await
}

async fn each(
    conn: &mut Conn,
    tables: Range<u64>,
    statement: impl Fn(u64) -> String,
) -> anyhow::Result<()> {
    let all: Vec<String> = tables.map(statement).collect();
    for some in all.chunks(STATEMENTS_A_QUERY) {
        conn.query_drop(some.join(";")).await?;
    }
    Ok(())
}

async fn place(server: &MySql) -> anyhow::Result<String> {
    let (file, offset) = server.position().await?;
    Ok(format!("{file}:{offset}"))
}

async fn run(
    options: &Options,
    server: &MySql,
    from: &str,
    what: &str,
    table: &mut Table,
) -> anyhow::Result<()> {
    let endpoint = Swallow::start()?;
    let sink = kinesis(endpoint.endpoint(), "swallow");
    let setup = Setup::new(&options.binary, server, from, &sink)?;
    let run = setup.finish().await?;
    table.add(
        what,
        format!(
            "{:.1} s, {:.1} CPU s, {:.0} MiB",
            run.secs, run.cpu_secs, run.peak_mib
        ),
        TARGET,
    );
    Ok(())
}
