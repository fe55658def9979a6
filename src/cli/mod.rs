//! The command line: arguments in, exit code out.
//!
//! Wrong usage and settings end with 2 and a line or a few on stderr, before anything is started; what fails
//! later ends with 1. Not here: the texts that -c names (`texts`), what the commands do (`pipeline`), but for those
//! that only read settings or the checkpoint.

mod position;
mod snapshot;
mod texts;
mod warehouse;

use std::{io::ErrorKind, path::PathBuf, time::Duration};

use clap::{Args, Parser, Subcommand};
use headwater_actors::failure::Failure;
use serde::Deserialize;

use self::{snapshot::SnapshotCommand, warehouse::WarehouseCommand};
use crate::{
    encode::native::ensure_prefix,
    exit::Exit,
    mysql::Target,
    pipeline::{self, Creates, RunMode, RunSource, RunUntil, SortMode, VerifyMode},
    plan::{self, Plan},
    settings::{self, Layers, Loaded},
    telemetry::{
        TelemetryOptions,
        health::{self, Probe},
        logs,
    },
    terminal,
};

const EXAMPLES: &str = "\
Examples:
  headwater config --default > headwater.toml   the reference: every setting with its comment
  headwater check -c headwater.toml             is everything in place?
  headwater run -c headwater.toml               stream until SIGTERM
  headwater run -c headwater.toml --until now   catch up and stop
  HEADWATER__SOURCE__PASSWORD=… headwater run --set sink.type=stdout --set source.url=mysql://me@db

Settings: built-in defaults, then the text in the environment variable HEADWATER_CONFIG, then each -c, then
environment variables HEADWATER__SECTION__KEY, then --set; the later one wins, key by key.

Exit codes: 0 drained, 1 halted (the reason and what to do are in the log), 2 usage or settings,
3 the grace time was over (what was delivered is stored). A reader of the output that ends early (`| head`)
changes none of them; a standard error that nobody reads, or that is full, neither.";

/// MySQL's binary log to Kinesis and Firehose: in order, with nothing lost.
#[derive(Debug, Parser)]
#[command(name = "headwater", version, after_help = EXAMPLES, subcommand_required = true, arg_required_else_help = true)]
struct Cli {
    #[command(flatten)]
    sources: Sources,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Args)]
struct Sources {
    /// A settings file (TOML), "-" for standard input, s3://BUCKET/KEY or ssm:/NAME; may be repeated, the later
    /// one wins
    #[arg(short, long, value_name = "FILE", global = true)]
    config: Vec<PathBuf>,
    /// One setting, as `sink.type=stdout`; may be repeated; lists with commas
    #[arg(long, value_name = "KEY=VALUE", global = true)]
    set: Vec<String>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Stream changes until SIGTERM, SIGINT or SIGHUP, then drain
    Run {
        /// Stop, drained, once this point is durable: "now" (the server's position at the start), FILE:POS
        /// or a GTID set
        #[arg(long, value_name = "POINT", value_parser = until)]
        until: Option<RunUntil>,
    },
    /// Check settings, server, checkpoint and sink as `run` does; say what to do about each failure
    Check {
        /// Create the checkpoint's table first, where checkpoint.type has one
        #[arg(long)]
        create: bool,
    },
    /// Ask the running process of these settings, on this machine, whether it lives; exit code 0 if so, else 1
    Health {
        /// Whether it streams, instead
        #[arg(long)]
        ready: bool,
    },
    /// Stream changes from binlog files instead of a server, then drain
    Replay {
        /// Binlog files, in their order
        #[arg(required = true, value_name = "BINLOG")]
        binlogs: Vec<PathBuf>,
    },
    /// Read a stream or files again and say what is missing, repeated, out of order or wrong
    Verify(VerifyArgs),
    /// Deliver what a parked table missed (errors.oversize, errors.undecodable = "park_table"), then let it go on
    /// with all others; the pipeline must not run
    ResumeTable {
        /// As `position show` lists it
        #[arg(value_name = "DB.TABLE")]
        table: String,
        /// Deliver nothing: the table has been copied anew and goes on at the pipeline's position
        #[arg(long)]
        discard: bool,
    },
    /// Deliver what files of dead letters hold; what has been delivered is noted beside them. May be repeated
    ReplayDeadLetters {
        /// Files of errors.dead_letter_path
        #[arg(required = true, value_name = "LETTERS")]
        letters: Vec<PathBuf>,
    },
    /// Show, set or clear the stored position
    #[command(subcommand)]
    Position(PositionCommand),
    /// Copy rows that tables have already, beside the stream; show, pause and cancel copies
    #[command(subcommand)]
    Snapshot(SnapshotCommand),
    /// Write the SQL of a warehouse for the tables that the source has: docs/warehouse.md
    #[command(subcommand)]
    Warehouse(WarehouseCommand),
    /// Print the effective settings with their origins, secrets hidden
    Config {
        /// Print the reference instead: every setting with its default and comment
        #[arg(long)]
        default: bool,
    },
}

#[derive(Debug, Args)]
struct VerifyArgs {
    /// Files of lines, plain, gzip or zstd, and objects of S3 as s3://BUCKET/PREFIX, in their order; or patterns
    /// with *, ** (folders), ? and [ ], in quotes, whose matches are read by name. Without any the sink of the
    /// settings is read
    #[arg(value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Read this stream instead of the sink's; may be repeated
    #[arg(long = "stream", value_name = "NAME")]
    streams: Vec<String>,
    /// A column that inserts set and every update of a row raises by 1: a gap is a loss
    #[arg(long, value_name = "COLUMN")]
    counter: Option<String>,
    /// What the fields of flat lines begin with (native.layout = "flat"); without it native.prefix of the settings
    #[arg(long, value_name = "PREFIX", value_parser = prefix)]
    flat_prefix: Option<String>,
    /// Do not compare `old` with the last change of the key: for sources with binlog_row_image other than
    /// FULL, and masked keys
    #[arg(long)]
    partial_images: bool,
    /// Compare the newest line of each row with the source's table; only while nothing writes there
    #[arg(long)]
    against_source: bool,
    /// Read on until no record has come for so many seconds
    #[arg(long, value_name = "SECS", value_parser = clap::value_parser!(u64).range(1..=86_400))]
    until_idle: Option<u64>,
    /// Calls of GetRecords for each shard in a second; a shard gives 5 to all of its consumers
    #[arg(long, value_name = "N", default_value_t = 4, value_parser = clap::value_parser!(u32).range(1..=1_000))]
    reads_per_sec: u32,
    /// Lines come in any order, as Firehose writes them: put them in the order of `seq` first
    #[arg(long)]
    unordered: bool,
    /// Memory that putting them in order takes; what is more is laid aside, a fifth to a third of the
    /// lines' bytes
    #[arg(long, value_name = "MIB", requires = "unordered", default_value_t = 256, value_parser = clap::value_parser!(u32).range(1..=65_536))]
    sort_mib: u32,
    /// Where it is laid aside, instead of the system's folder for temporary files
    #[arg(long, value_name = "DIR", requires = "unordered")]
    sort_folder: Option<PathBuf>,
    /// Changes that are remembered to recognise repetitions by; at most 160 bytes each
    #[arg(long, value_name = "N", default_value_t = 1_000_000)]
    window: usize,
    /// Keys that may be kept, at most 300 bytes each; with more the command gives up
    #[arg(long, value_name = "N", default_value_t = 10_000_000)]
    keys_max: usize,
    /// As one JSON object
    #[arg(long)]
    json: bool,
}

impl VerifyArgs {
    fn mode(self) -> VerifyMode {
        VerifyMode {
            files: self.files,
            streams: self.streams,
            counter: self.counter,
            prefix: self.flat_prefix,
            judges_images: !self.partial_images,
            is_against_source: self.against_source,
            until_idle: self.until_idle.map(Duration::from_secs),
            reads_per_sec: self.reads_per_sec,
            window: self.window,
            keys_max: self.keys_max,
            is_json: self.json,
            unordered: self.unordered.then_some(SortMode {
                mib: self.sort_mib,
                folder: self.sort_folder,
            }),
        }
    }
}

#[derive(Deserialize)]
struct TelemetryPart {
    telemetry: TelemetryOptions,
}

#[derive(Debug, Subcommand)]
enum PositionCommand {
    /// Print the stored position; also while the pipeline runs
    Show {
        /// As one JSON object
        #[arg(long)]
        json: bool,
    },
    /// Store another position; the pipeline must not run
    Set {
        /// FILE:POS, a boundary between transactions, or a GTID set ("have these already")
        #[arg(value_name = "POINT", value_parser = Target::parse)]
        target: Target,
    },
    /// Forget the stored position, so that source.start counts again; the pipeline must not run
    Clear,
}

/// Why a command ended before or while doing its work.
#[derive(Debug, thiserror::Error)]
enum Error {
    #[error(transparent)]
    Settings(#[from] settings::Error),
    #[error("{0}")]
    Plan(String),
    #[error(transparent)]
    Failed(#[from] anyhow::Error),
}

/// Runs the command that the process was given.
pub fn main() -> Exit {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            return match error.print() {
                _ if error.use_stderr() => Exit::Usage,
                Ok(()) => Exit::Success,
                Err(error) if error.kind() == ErrorKind::BrokenPipe => Exit::Success,
                Err(_) => Exit::Halted,
            };
        }
    };
    let exit = match dispatch(cli) {
        Ok(exit) => exit,
        Err(error) => report(&error),
    };
    logs::flush();
    exit
}

fn dispatch(cli: Cli) -> Result<Exit, Error> {
    if let Command::Config { default: true } = cli.command {
        terminal::page(settings::DEFAULT_TOML).map_err(anyhow::Error::from)?;
        return Ok(Exit::Success);
    }
    let command = match cli.command {
        Command::Run { until } => {
            let mode = RunMode {
                until: until.unwrap_or(RunUntil::Never),
                source: RunSource::Server,
            };
            return run(&cli.sources, mode);
        }
        Command::Replay { binlogs } => {
            let mode = RunMode {
                until: RunUntil::Never,
                source: RunSource::Files(binlogs),
            };
            return run(&cli.sources, mode);
        }
        command => command,
    };
    let mut sources = cli.sources;
    if let Command::Warehouse(command) = &command {
        sources.set.extend(command.setting());
    }
    let loaded = load(&sources)?;
    if let Command::Config { .. } = command {
        terminal::page(&loaded.to_toml()).map_err(anyhow::Error::from)?;
        return Ok(Exit::Success);
    }
    if let Command::Verify(arguments) = command {
        return verify(arguments.mode(), &loaded);
    }
    if let Command::Health { ready } = command {
        return health(&loaded, if ready { Probe::Ready } else { Probe::Alive });
    }
    let plan = plan(&loaded)?;
    let exit = match command {
        Command::Check { create } => {
            let creates = if create {
                Creates::Store
            } else {
                Creates::Nothing
            };
            pipeline::check(plan, creates)?
        }
        Command::ReplayDeadLetters { letters } => pipeline::replay_dead_letters(plan, &letters)?,
        Command::ResumeTable {
            table,
            discard: false,
        } => pipeline::resume_table(plan, &table)?,
        Command::ResumeTable { table, .. } => pipeline::discard_parked(&plan, &table)?,
        Command::Position(PositionCommand::Show { json: true }) => position::show_json(&plan)?,
        Command::Position(PositionCommand::Show { json: false }) => position::show(&plan)?,
        Command::Position(PositionCommand::Set { target }) => pipeline::position_set(plan, target)?,
        Command::Position(PositionCommand::Clear) => position::clear(&plan)?,
        Command::Snapshot(command) => snapshot::run(plan, command)?,
        Command::Warehouse(command) => warehouse::run(&plan, command)?,
        Command::Run { .. }
        | Command::Replay { .. }
        | Command::Config { .. }
        | Command::Health { .. }
        | Command::Verify(_) => Exit::Success,
    };
    Ok(exit)
}

/// Signals are kept from the first moment on.
fn run(sources: &Sources, mode: RunMode) -> Result<Exit, Error> {
    let prepared = pipeline::prepare()?;
    let plan = plan(&load(sources)?)?;
    Ok(pipeline::run(prepared, plan, mode)?)
}

/// Where the process listens is all that must be known of it.
fn health(loaded: &Loaded, probe: Probe) -> Result<Exit, Error> {
    let options: TelemetryPart = loaded.read().map_err(|error| refused(loaded, error))?;
    let plan = options.telemetry.plan();
    let Some(listen) = plan.map_err(|error| refused(loaded, error))?.listen else {
        let text = "telemetry.listen is empty, so nobody can be asked; set it to ADDRESS:PORT";
        return Err(Error::Plan(text.to_owned()));
    };
    let answer = health::ask(listen, probe).map_err(anyhow::Error::from)?;
    terminal::page(&format!("{}\n", answer.text)).map_err(anyhow::Error::from)?;
    Ok(match answer.is_ok {
        true => Exit::Success,
        false => Exit::Halted,
    })
}

/// Files alone need no settings.
fn verify(mode: VerifyMode, loaded: &Loaded) -> Result<Exit, Error> {
    let needs_plan = loaded.has_documents || mode.files.is_empty() || mode.is_against_source;
    let plan = match needs_plan {
        true => Some(plan(loaded)?),
        false => None,
    };
    pipeline::ensure_verifiable(plan.as_ref(), &mode).map_err(Error::Plan)?;
    Ok(pipeline::verify(plan, &mode)?)
}

fn load(sources: &Sources) -> Result<Loaded, Error> {
    let mut layers = Layers::of_process();
    layers.documents.extend(texts::of(&sources.config)?);
    layers.sets = &sources.set;
    Ok(layers.load()?)
}

fn plan(loaded: &Loaded) -> Result<Plan, Error> {
    Plan::from_settings(loaded).map_err(|error| refused(loaded, error))
}

fn refused(loaded: &Loaded, error: plan::Error) -> Error {
    let plan::Error { key, message } = error;
    let origin = loaded.origin(&key).unwrap_or("default");
    Error::Plan(format!("setting `{key}` ({origin}): {message}"))
}

fn until(text: &str) -> Result<RunUntil, String> {
    match text {
        "now" => Ok(RunUntil::Now),
        point => Target::parse(point)
            .map(RunUntil::At)
            .map_err(|error| format!("{error}, or \"now\"")),
    }
}

fn prefix(text: &str) -> Result<String, String> {
    ensure_prefix(text).map(|()| text.to_owned())
}

fn report(error: &Error) -> Exit {
    let (text, hint, exit) = match error {
        Error::Settings(_) | Error::Plan(_) => (error.to_string(), None, Exit::Usage),
        Error::Failed(error) => {
            let failure = error.downcast_ref::<Failure>();
            let hint = failure.and_then(|failure| failure.hint.clone());
            (format!("{error:#}"), hint, Exit::Halted)
        }
    };
    let lines = text.lines().map(|line| format!("error: {line}"));
    for line in lines.chain(hint.map(|hint| format!("hint: {hint}"))) {
        logs::say(&line);
    }
    exit
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn until_is_now_or_a_point() {
        assert_eq!(until("now"), Ok(RunUntil::Now));
        assert!(matches!(
            until("binlog.000001:4"),
            Ok(RunUntil::At(Target::Position(_)))
        ));
        assert!(until("tomorrow").unwrap_err().contains("\"now\""));
    }
}
