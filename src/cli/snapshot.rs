//! `snapshot status`, `pause`, `resume`, `cancel`: the checkpoint store alone, no source, also beside the running
//! process. Not here: `snapshot start`, which asks the server (`pipeline`); how copies are shown (`copies`).

mod copies;

use std::sync::Arc;

use clap::{Args, Subcommand};
use headwater_actors::{
    failure::Failure,
    filter::TableFilter,
    ports::{
        requests::{Request, Wish},
        store::Stored,
    },
    printable::printable_json,
    snapshot::Snapshots,
};
use headwater_binlog::schema::TableName;

use crate::{
    checkpoint::{self, requests},
    clock::now_us,
    exit::Exit,
    pipeline::{self, SnapshotStart},
    plan::Plan,
    snapshot::{condition, ensure_run_name},
    terminal,
};

#[derive(Debug, Subcommand)]
pub(super) enum SnapshotCommand {
    /// Copy the present rows of tables, in a run of its own name
    Start(StartArgs),
    /// Show what is copied and how far it is; also while the pipeline runs
    Status {
        /// As one JSON object
        #[arg(long)]
        json: bool,
    },
    /// Let copies wait where they are
    Pause(Tables),
    /// Go on with what was paused
    Resume(Tables),
    /// End copies; rows that were sent stay sent
    Cancel(Tables),
}

#[derive(Debug, Args)]
pub(super) struct StartArgs {
    /// Patterns as in source.tables
    #[arg(required = true, value_name = "DB.TABLE")]
    tables: Vec<String>,
    /// The run's name, which each name can be once; by default made of the time
    #[arg(long, value_name = "NAME", value_parser = run_name)]
    run: Option<String>,
    /// Which rows, as behind WHERE in SQL; by default all
    #[arg(long = "where", value_name = "TEXT", value_parser = where_text)]
    condition: Option<Arc<str>>,
}

#[derive(Debug, Args)]
pub(super) struct Tables {
    /// Patterns as in source.tables; without any all copies are meant
    #[arg(value_name = "DB.TABLE")]
    tables: Vec<String>,
}

fn run_name(text: &str) -> Result<String, String> {
    match ensure_run_name(text) {
        Ok(()) => Ok(text.to_owned()),
        Err((found, remedy)) => Err(format!("{found}; {remedy}")),
    }
}

fn where_text(text: &str) -> Result<Arc<str>, String> {
    condition(text).map_err(|(found, remedy)| format!("{found}; {remedy}"))
}

pub(super) fn run(plan: Plan, command: SnapshotCommand) -> anyhow::Result<Exit> {
    match command {
        SnapshotCommand::Start(arguments) => {
            let start = SnapshotStart {
                run: arguments.run,
                tables: arguments.tables,
                condition: arguments.condition,
            };
            pipeline::snapshot_start(plan, start)
        }
        SnapshotCommand::Status { json } => status(&plan, json),
        SnapshotCommand::Pause(tables) => turn(&plan, Wish::Pause, tables),
        SnapshotCommand::Resume(tables) => turn(&plan, Wish::Resume, tables),
        SnapshotCommand::Cancel(tables) => turn(&plan, Wish::Cancel, tables),
    }
}

/// What is stored, and what waits to be followed.
struct Seen {
    stored: Stored,
    waiting: Vec<Request>,
}

impl Seen {
    fn of(plan: &Plan) -> anyhow::Result<Self> {
        let runtime = super::position::runtime()?;
        let seen = runtime.block_on(async {
            let stored = checkpoint::peek(&plan.checkpoint, &plan.name).await?;
            let followed = stored.snapshots().request;
            let waiting = requests::waiting(&plan.checkpoint, &plan.name, followed).await?;
            Ok::<_, Failure>(Self { stored, waiting })
        });
        Ok(seen?)
    }
}

fn status(plan: &Plan, is_json: bool) -> anyhow::Result<Exit> {
    let seen = Seen::of(plan)?;
    let snapshots = seen.stored.snapshots();
    let at_us = match seen.stored.saved_us {
        0 => now_us(),
        saved_us => saved_us,
    };
    if is_json {
        let object = copies::object(&plan.name, &snapshots, &seen.waiting, at_us).to_string();
        terminal::line(&printable_json(object))?;
        return Ok(Exit::Success);
    }
    if snapshots.copies.is_empty() && seen.waiting.is_empty() {
        terminal::line(&format!(
            "nothing is copied: \"{}\" knows of no run; snapshot.tables, [[snapshot.runs]] and `headwater snapshot start` ask for one",
            checkpoint::place(&plan.checkpoint)
        ))?;
        return Ok(Exit::Success);
    }
    for line in copies::lines(&snapshots, &seen.waiting, at_us) {
        terminal::line(&line)?;
    }
    Ok(Exit::Success)
}

/// Pauses, resumes or cancels copies that are there, or about to be.
fn turn(plan: &Plan, wish: Wish, tables: Tables) -> anyhow::Result<Exit> {
    let seen = Seen::of(plan)?;
    let snapshots = seen.stored.snapshots();
    let open = meant(&snapshots, &seen.waiting, &tables.tables)?;
    // None means all, also those that come up meanwhile.
    let named = match tables.tables.is_empty() {
        true => Vec::new(),
        false => open.clone(),
    };
    let asked = requests::ask(
        &plan.checkpoint,
        &plan.name,
        snapshots.request,
        (wish.clone(), named),
    );
    let number = super::position::runtime()?.block_on(asked)?;
    let names: Vec<String> = open.iter().map(ToString::to_string).collect();
    terminal::line(&format!(
        "request {number}: {} {}",
        copies::wish_word(&wish),
        names.join(", ")
    ))?;
    terminal::line(pipeline::FOLLOWED)?;
    Ok(Exit::Success)
}

/// The tables of copies that are not over and that the patterns take.
fn meant(
    snapshots: &Snapshots,
    waiting: &[Request],
    patterns: &[String],
) -> Result<Vec<TableName>, Failure> {
    let filter = match patterns.is_empty() {
        true => TableFilter::default(),
        false => {
            TableFilter::new(patterns).map_err(|error| Failure::definite(error.to_string()))?
        }
    };
    let open = snapshots.open().map(|(id, _)| &id.table);
    let starts = waiting
        .iter()
        .filter(|request| matches!(request.wish, Wish::Start { .. }));
    let asked = starts.flat_map(|request| &request.tables);
    let mut found: Vec<TableName> = open
        .chain(asked)
        .filter(|table| filter.includes(table))
        .cloned()
        .collect();
    found.sort();
    found.dedup();
    if found.is_empty() {
        let text = match patterns.is_empty() {
            true => "no copy is on its way".to_owned(),
            false => format!("no copy of {} is on its way", patterns.join(", ")),
        };
        return Err(
            Failure::definite(text).with_hint("`headwater snapshot status` lists all copies")
        );
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use headwater_actors::snapshot::{CopyId, CopyState, TableCopy};

    use super::*;

    fn table(name: &str) -> TableName {
        TableName {
            database: "shop".to_owned(),
            table: name.to_owned(),
        }
    }

    #[test]
    fn what_is_over_is_not_meant_and_what_waits_is() {
        let mut snapshots = Snapshots::default();
        for (name, state) in [("a", CopyState::Active), ("b", CopyState::Complete)] {
            let id = CopyId {
                run: "tables".into(),
                table: table(name),
            };
            let copy = TableCopy {
                state,
                ..TableCopy::new(None)
            };
            snapshots.add(id, copy);
        }
        let start = Request {
            number: 1,
            wish: Wish::Start {
                run: Arc::from("fix"),
                condition: None,
            },
            tables: vec![table("c")],
        };
        let waiting = [start];
        let all = meant(&snapshots, &waiting, &[]);
        assert_eq!(all.unwrap(), [table("a"), table("c")]);
        let one = meant(&snapshots, &waiting, &["shop.c".to_owned()]);
        assert_eq!(one.unwrap(), [table("c")]);
        for patterns in ["shop.b", "shop"] {
            let none = meant(&snapshots, &waiting, &[patterns.to_owned()]);
            assert!(none.is_err(), "{patterns}");
        }
    }
}
