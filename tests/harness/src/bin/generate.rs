//! The golden generator by argument: `scripts/golden` builds the program and calls this.
//!
//! Prints the seed first, then a line per hundred tables, at the end what was compared. Ends with 1 at the
//! first round that finds a difference, after its seed and what differs.

use std::{path::PathBuf, process::ExitCode, time::Instant};

use anyhow::{Context, bail};
use headwater_harness::generator::{self, Options};

#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<ExitCode> {
    let options = parse(std::env::args().skip(1))?;
    println!(
        "generate: seeds from {:?}, {} tables, {} rows",
        options.seeds, options.tables, options.rows
    );
    let started = Instant::now();
    let report = generator::run(&options).await?;
    println!(
        "generate: {} rounds, {} tables, {} rows inserted, {} statements on rows, {} on tables; \
         {} lines and {} values equal to SELECT, {} tables rebuilt; {} s",
        report.rounds,
        report.counts.tables,
        report.counts.rows,
        report.counts.changes,
        report.counts.ddl,
        report.lines,
        report.values,
        report.tables_compared,
        started.elapsed().as_secs()
    );
    for (code, (count, sample)) in &report.counts.refused {
        println!("generate: the server refused {count} with {code}, e.g. {sample}");
    }
    for (seed, differences) in &report.failures {
        println!(
            "generate: seed {seed} finds {} differences",
            differences.len()
        );
        for difference in differences.iter().take(20) {
            println!("  {difference}");
        }
    }
    Ok(match report.failures.is_empty() {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    })
}

fn parse(mut arguments: impl Iterator<Item = String>) -> anyhow::Result<Options> {
    let binary = arguments.next().context("say which binary to test")?;
    let mut options = Options {
        binary: PathBuf::from(binary),
        seeds: vec![fastrand::u64(..1 << 48)],
        tables: 300,
        rows: 100_000,
    };
    while let Some(argument) = arguments.next() {
        let number = arguments.next().and_then(|text| text.parse().ok());
        let number = number.with_context(|| format!("{argument} wants a number"))?;
        match argument.as_str() {
            "--seed" => options.seeds = vec![number],
            "--tables" => options.tables = number,
            "--rows" => options.rows = number,
            other => bail!("no such argument: {other}"),
        }
    }
    Ok(options)
}
