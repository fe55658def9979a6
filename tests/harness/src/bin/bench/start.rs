//! From start to streaming, and the size of the binary.

use std::time::Duration;

use anyhow::{Context, ensure};
use headwater_harness::{mysql::MySql, swallow::Swallow, wait::Deadline};

use crate::{
    Options,
    run::{Setup, kinesis},
    table::Table,
};

const STARTS: usize = 9;

/// Until `/readyz` says so; with a checkpoint and a Kinesis stream, as after a deploy.
pub async fn measure(options: &Options, table: &mut Table) -> anyhow::Result<()> {
    let server = MySql::start().await?;
    server
        .exec("CREATE DATABASE shop; CREATE TABLE shop.t (id INT PRIMARY KEY)")
        .await?;
    let endpoint = Swallow::start()?;
    let setup = Setup::new(
        &options.binary,
        &server,
        "now",
        &kinesis(endpoint.endpoint(), "swallow"),
    )?;
    let mut all_ms = Vec::new();
    for _ in 0..STARTS {
        let program = setup.launch.start()?;
        let deadline = Deadline::after(Duration::from_secs(20), "headwater to be ready");
        loop {
            if let Ok(page) = program.page("/readyz").await
                && page.status == 200
            {
                break;
            }
            ensure!(!deadline.is_over(), "headwater is not ready after 20 s");
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        all_ms.push(program.started().elapsed().as_secs_f64() * 1000.0);
        let finished = program.drain(Duration::from_secs(30)).await?;
        ensure!(finished.code() == Some(0), "{}", finished.text());
    }
    all_ms.sort_by(f64::total_cmp);
    table.add(
        "start to streaming",
        format!(
            "{:.0} ms (median of {STARTS}; slowest {:.0} ms)",
            all_ms.get(STARTS / 2).copied().unwrap_or(f64::NAN),
            all_ms.last().copied().unwrap_or(f64::NAN)
        ),
        "≤ 300 ms",
    );
    Ok(())
}

pub fn binary(options: &Options, table: &mut Table) -> anyhow::Result<()> {
    let bytes = std::fs::metadata(&options.binary)
        .with_context(|| format!("look at {}", options.binary.display()))?
        .len();
    table.add(
        "binary, stripped",
        format!("{:.1} MB", bytes as f64 / 1e6),
        "≤ 30 MB",
    );
    Ok(())
}
