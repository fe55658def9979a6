//! Executions of a target under a seed, each measured: a counting allocator stands below, and a panic is
//! caught and told with the input that made it.

use std::{
    alloc::System,
    fmt::Write as _,
    panic::{AssertUnwindSafe, catch_unwind},
};

use anyhow::{Context, bail};
use fastrand::Rng;
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};

use crate::{corpus, mutate, targets::Target};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// The most of any execution.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Most {
    pub executions: u64,
    pub input_bytes: usize,
    pub allocated_bytes: usize,
    pub produced: usize,
    /// Executions whose input was taken for what it claims to be.
    pub accepted: u64,
}

/// Runs a target on its corpus as it is, then on so many mutations.
///
/// # Errors
/// At the first execution that panics, allocates or produces too much; the message has its input.
pub fn spend(target: &Target, seed: u64, executions: u64) -> anyhow::Result<Most> {
    let corpus = corpus::read(target.name)?;
    let mut most = Most::default();
    for entry in &corpus {
        execute(target, entry, &mut most)?;
    }
    for number in 0..executions {
        let mut rng = Rng::with_seed(seed.wrapping_add(number.wrapping_mul(0x9e37_79b9_7f4a_7c15)));
        let input = mutate::input(&mut rng, &corpus);
        execute(target, &input, &mut most)
            .with_context(|| format!("execution {number} of seed {seed}"))?;
    }
    Ok(most)
}

/// Runs a target once.
///
/// # Errors
/// When it panics, or allocates or produces too much.
pub fn execute(target: &Target, input: &[u8], most: &mut Most) -> anyhow::Result<()> {
    let region = Region::new(ALLOCATOR);
    let outcome = catch_unwind(AssertUnwindSafe(|| (target.run)(input)));
    let change = region.change();
    let allocated = change.bytes_allocated;
    let limit = target.base_bytes + target.per_byte * input.len();
    let Ok(produced) = outcome else {
        bail!("{} panics at x'{}'", target.name, digits(input));
    };
    if allocated > limit || produced > limit {
        bail!(
            "{} allocates {allocated} bytes and produces {produced} from {} bytes, {limit} are allowed: x'{}'",
            target.name,
            input.len(),
            digits(input)
        );
    }
    most.executions += 1;
    most.accepted += u64::from(produced > 0);
    most.input_bytes = most.input_bytes.max(input.len());
    most.allocated_bytes = most.allocated_bytes.max(allocated);
    most.produced = most.produced.max(produced);
    Ok(())
}

fn digits(input: &[u8]) -> String {
    input.iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").expect("a string takes all");
        text
    })
}
