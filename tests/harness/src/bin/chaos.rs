//! Chaos by argument: `scripts/chaos` builds the program and calls this.
//!
//! Prints the seed first and the report at the end; ends with 1 when anything was found.

use std::{path::PathBuf, process::ExitCode, time::Duration};

use anyhow::{Context, bail, ensure};
use headwater_harness::chaos::{self, Length, Options};

#[tokio::main]
async fn main() -> anyhow::Result<ExitCode> {
    let options = parse(std::env::args().skip(1))?;
    println!("chaos: seed {}, {:?}", options.seed, options.length);
    let report = chaos::run(&options).await?;
    print!("{report}");
    Ok(match report.is_clean() {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    })
}

fn parse(mut arguments: impl Iterator<Item = String>) -> anyhow::Result<Options> {
    let binary = arguments.next().context("say which binary to test")?;
    let binary = PathBuf::from(&binary)
        .canonicalize()
        .with_context(|| format!("find the binary {binary}"))?;
    let mut options = Options::new(binary, fastrand::u64(..1 << 48));
    while let Some(argument) = arguments.next() {
        if argument == "--snapshot" {
            options.copied_tables = 20;
            continue;
        }
        let flag = match argument.as_str() {
            "--keep" => Some(&mut options.keeps),
            "--histories" => Some(&mut options.histories),
            "--lower-case" => Some(&mut options.lower_case),
            "--warehouse" => Some(&mut options.to_warehouse),
            _ => None,
        };
        if let Some(flag) = flag {
            *flag = true;
            continue;
        }
        let value = arguments.next().unwrap_or_default();
        if argument == "--standby" {
            options.standby = Some(value.parse()?);
            continue;
        }
        let number = value.parse::<u64>();
        let number =
            number.with_context(|| format!("{argument} wants a number, not \"{value}\""))?;
        let small = || u32::try_from(number).with_context(|| format!("{argument} is too large"));
        match argument.as_str() {
            "--seed" => options.seed = number,
            "--minutes" => options.length = Length::Time(Duration::from_secs(number * 60)),
            "--seconds" => options.length = Length::Time(Duration::from_secs(number)),
            "--lives" => options.length = Length::Lives(small()?),
            "--changes-per-sec" => options.changes_per_sec = small()?,
            "--keys" => options.keys = small()?,
            "--giant-mib" => options.giant_mib = small()?,
            other => bail!("no such argument: {other}"),
        }
    }
    ensure!(
        options.giant_mib == 0 || options.standby.is_none(),
        "--giant-mib goes without --standby: the position inside cannot be asked for while another process stands by"
    );
    ensure!(
        !options.histories || (options.giant_mib == 0 && options.standby.is_none()),
        "--histories goes without --giant-mib and --standby: everything is delivered before the log becomes another one"
    );
    ensure!(
        options.copied_tables == 0
            || !(options.histories || options.lower_case || options.standby.is_some()),
        "--snapshot goes without --histories, --lower-case and --standby"
    );
    ensure!(
        !options.to_warehouse || (options.giant_mib == 0 && !options.histories),
        "--warehouse goes without --giant-mib, whose table comes later, and --histories, which takes back what was delivered"
    );
    Ok(options)
}
