//! The long run: `scripts/fuzz` builds this and calls it. Prints, per target, how many executions there
//! were, how many inputs were accepted and the most that one of them allocated; ends with 1 at the first
//! that breaks a promise, after its input. `--record FILE` takes the corpora from a binlog file instead.

use std::{path::Path, process::ExitCode, time::Instant};

use anyhow::{Context, bail, ensure};
use headwater_fuzz::{TARGETS, budget, corpus};

struct Options {
    seed: u64,
    executions: u64,
    targets: Vec<String>,
}

fn main() -> anyhow::Result<ExitCode> {
    let mut arguments = std::env::args().skip(1);
    let mut options = Options {
        seed: fastrand::u64(..1 << 48),
        executions: 1_000_000,
        targets: Vec::new(),
    };
    while let Some(argument) = arguments.next() {
        let mut value = || {
            arguments
                .next()
                .with_context(|| format!("{argument} wants a value"))
        };
        match argument.as_str() {
            "--seed" => options.seed = value()?.parse().context("read the seed")?,
            "--executions" => {
                options.executions = value()?.parse().context("read the executions")?;
            }
            "--record" => {
                corpus::record(Path::new(&value()?))?;
                return Ok(ExitCode::SUCCESS);
            }
            name if TARGETS.iter().any(|target| target.name == name) => {
                options.targets.push(name.to_owned());
            }
            other => bail!("no such argument or target: {other}"),
        }
    }
    run(&options)
}

fn run(options: &Options) -> anyhow::Result<ExitCode> {
    let is_wanted = |name: &str| {
        options.targets.is_empty() || options.targets.iter().any(|target| target == name)
    };
    let targets: Vec<_> = TARGETS.iter().filter(|it| is_wanted(it.name)).collect();
    ensure!(!targets.is_empty(), "no target");
    let each = options.executions.div_ceil(targets.len() as u64);
    println!("fuzz: seed {}, {each} executions a target", options.seed);
    let (started, mut executions) = (Instant::now(), 0);
    // A panic is told with its input; its own lines would drown it.
    std::panic::set_hook(Box::new(|_| {}));
    for target in targets {
        let most = match budget::spend(target, options.seed, each) {
            Ok(most) => most,
            Err(error) => {
                println!("fuzz: {error:#}");
                return Ok(ExitCode::FAILURE);
            }
        };
        executions += most.executions;
        println!(
            "fuzz: {:14} {} executions, {} accepted, at most {} bytes in, {} allocated, {} s",
            target.name,
            most.executions,
            most.accepted,
            most.input_bytes,
            most.allocated_bytes,
            started.elapsed().as_secs()
        );
    }
    println!("fuzz: {executions} executions, no panic, every limit kept");
    Ok(ExitCode::SUCCESS)
}
