//! Tables of a thousand columns: what their descriptions take, wanted and excluded, in one transaction and in many.

use headwater_harness::swallow::Swallow;
use mysql_async::prelude::Queryable;

use crate::{
    Options,
    run::{Setup, kinesis, server_of_many_tables},
    table::{Table, grouped},
};

const COLUMNS: usize = 1_000;
const ROUNDS: u64 = 3;
const TARGET: &str = "≤ 64 MiB";

/// Rows in every table in turn: a transaction each, then one over all of them; then the same excluded.
pub async fn measure(options: &Options, table: &mut Table) -> anyhow::Result<()> {
    let server = server_of_many_tables().await?;
    let tables = options.wide_tables;
    eprintln!("making {tables} tables of {COLUMNS} columns");
    let columns: Vec<String> = (0..COLUMNS)
        .map(|index| format!("column_{index} INT"))
        .collect();
    let mut conn = server.conn().await?;
    conn.query_drop("CREATE DATABASE shop").await?;
    for index in 0..tables {
        let columns = columns.join(", ");
        conn.query_drop(format!(
            "CREATE TABLE shop.w{index} (id INT PRIMARY KEY, {columns})"
        ))
        .await?;
    }
    let (file, offset) = server.position().await?;
    for round in 0..ROUNDS {
        for index in 0..tables {
            conn.query_drop(format!("INSERT INTO shop.w{index} (id) VALUES ({round})"))
                .await?;
        }
    }
    conn.query_drop("BEGIN").await?;
    for index in 0..tables {
        conn.query_drop(format!("INSERT INTO shop.w{index} (id) VALUES ({ROUNDS})"))
            .await?;
    }
    conn.query_drop("COMMIT").await?;
    let from = format!("{file}:{offset}");
    for (what, wanted) in [("", "*.*"), (", excluded", "!shop.*")] {
        let endpoint = Swallow::start()?;
        let sink = kinesis(endpoint.endpoint(), "swallow");
        let mut setup = Setup::new(&options.binary, &server, &from, &sink)?;
        setup.launch = setup.launch.setting("source.tables", wanted);
        let run = setup.finish().await?;
        table.add(
            &format!(
                "resident memory, {} tables of {} columns{what}",
                grouped(tables),
                grouped(COLUMNS as u64)
            ),
            format!(
                "{:.0} MiB ({:.1} s, {:.1} CPU s)",
                run.peak_mib, run.secs, run.cpu_secs
            ),
            TARGET,
        );
    }
    Ok(())
}
