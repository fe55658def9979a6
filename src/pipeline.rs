//! The composition root: the one file that knows everyone.

use std::path::PathBuf;

use crate::{
    exit::Exit,
    plan::{Plan, Target},
};

/// What to read and when to stop.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunMode {
    pub until: Until,
    pub source: RunSource,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Until {
    /// SIGTERM or SIGINT.
    Never,
    /// The position that the source had at the start is durable.
    Now,
    At(Target),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RunSource {
    Server,
    /// Binlog files, in this order.
    Files(Vec<PathBuf>),
}

/// Streams until `mode.until` or a signal.
pub fn run(plan: Plan, mode: RunMode) -> anyhow::Result<Exit> {
    anyhow::bail!("pipeline \"{}\" cannot run {mode:?} yet", plan.name)
}

/// The preflight of `run`, one line per check on stdout.
pub fn check(plan: Plan) -> anyhow::Result<Exit> {
    anyhow::bail!("pipeline \"{}\" cannot be checked yet", plan.name)
}

/// Verifies that `target` is a boundary of the server's log and stores it.
pub fn position_set(plan: Plan, target: Target) -> anyhow::Result<Exit> {
    anyhow::bail!("pipeline \"{}\" cannot be set to {target} yet", plan.name)
}
