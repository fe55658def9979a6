//! `warehouse`: arguments in, what `pipeline` is to do out.

use std::{path::PathBuf, time::Duration};

use clap::{Args, Subcommand};
use headwater_warehouse::dialect::Dialect;

use super::Error;
use crate::{
    exit::Exit,
    pipeline::{self, AuditMode, WarehouseMode},
    plan::Plan,
};

#[derive(Debug, Subcommand)]
pub(super) enum WarehouseCommand {
    /// SQL for Amazon Redshift: tables, the merge that keeps them equal to MySQL, views that say how far it is
    Redshift(GenerateArgs),
    /// The same for PostgreSQL 15, to try it out
    Postgres(GenerateArgs),
    /// Views for Amazon Athena over the log that Firehose writes to S3: every change, and the rows as MySQL has them
    Athena(GenerateArgs),
    /// Tables of Apache Iceberg: the log that Firehose appends to, the rows, and the merge that Athena runs
    Iceberg(GenerateArgs),
    /// Compare the warehouse of warehouse.url with MySQL, row by row, also while both go on; exit code 1 if they differ
    Audit(AuditArgs),
}

#[derive(Debug, Args)]
pub(super) struct AuditArgs {
    /// The folder that was generated and applied
    #[arg(long, value_name = "DIR")]
    dir: PathBuf,
    /// Instead of warehouse.url
    #[arg(long, value_name = "postgres://USER@HOST:PORT/DATABASE")]
    target: Option<String>,
    /// How long a warehouse that is behind is waited for
    #[arg(long, value_name = "SECS", default_value_t = 3_600)]
    wait_secs: u64,
    /// Rows of one table, at 17 bytes of memory each; a table with more is refused
    #[arg(long, value_name = "N", default_value_t = 20_000_000)]
    rows_max: usize,
    /// As one JSON object
    #[arg(long)]
    json: bool,
    /// Patterns as in source.tables; without any all tables of the folder are meant
    #[arg(value_name = "DB.TABLE")]
    tables: Vec<String>,
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
        WarehouseCommand::Audit(arguments) => return audit(plan, arguments),
        WarehouseCommand::Athena(arguments) => (Dialect::Athena, arguments),
        WarehouseCommand::Iceberg(arguments) => (Dialect::Iceberg, arguments),
    };
    pipeline::ensure_generated(plan, dialect).map_err(Error::Plan)?;
    let mode = WarehouseMode {
        dialect,
        out: arguments.out,
        is_diff: arguments.diff,
    };
    Ok(pipeline::warehouse(plan, &mode)?)
}

fn audit(plan: &Plan, arguments: AuditArgs) -> Result<Exit, Error> {
    pipeline::ensure_mergeable(plan).map_err(Error::Plan)?;
    let mode = AuditMode {
        folder: arguments.dir,
        tables: arguments.tables,
        wait: Duration::from_secs(arguments.wait_secs),
        rows_max: arguments.rows_max,
        is_json: arguments.json,
    };
    Ok(pipeline::audit(plan, &mode)?)
}

impl WarehouseCommand {
    /// The setting that an argument stands for, as `--set` has it.
    pub(super) fn setting(&self) -> Option<String> {
        match self {
            Self::Audit(AuditArgs { target, .. }) => {
                target.as_ref().map(|url| format!("warehouse.url={url}"))
            }
            Self::Redshift(_) | Self::Postgres(_) | Self::Athena(_) | Self::Iceberg(_) => None,
        }
    }
}
