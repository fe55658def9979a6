//! `warehouse`: arguments in, what `pipeline` is to do out.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use headwater_warehouse::dialect::Dialect;

use super::Error;
use crate::{
    exit::Exit,
    pipeline::{self, WarehouseMode},
    plan::Plan,
};

#[derive(Debug, Subcommand)]
pub(super) enum WarehouseCommand {
    /// SQL for Amazon Redshift: tables, the merge that keeps them equal to MySQL, views that say how far it is
    Redshift(GenerateArgs),
    /// The same for PostgreSQL 15, to try it out
    Postgres(GenerateArgs),
}

#[derive(Debug, Args)]
pub(super) struct GenerateArgs {
    /// The folder that is written; what was generated there before is replaced
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// Write nothing: print what has changed in MySQL since the folder was generated. Exit code 1 if something has
    #[arg(long)]
    diff: bool,
}

pub(super) fn run(plan: &Plan, command: WarehouseCommand) -> Result<Exit, Error> {
    let (dialect, arguments) = match command {
        WarehouseCommand::Redshift(arguments) => (Dialect::Redshift, arguments),
        WarehouseCommand::Postgres(arguments) => (Dialect::Postgres, arguments),
    };
    pipeline::ensure_mergeable(plan).map_err(Error::Plan)?;
    let mode = WarehouseMode {
        dialect,
        out: arguments.out,
        is_diff: arguments.diff,
    };
    Ok(pipeline::warehouse(plan, &mode)?)
}
