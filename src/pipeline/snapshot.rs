//! `snapshot start`: what is asked for is looked up on the server and refused here, where it cannot be done, before a
//! running process hears of it.

use std::sync::Arc;

use headwater_actors::{
    failure::Failure, filter::TableFilter, ports::requests::Wish, snapshot::Snapshots,
};
use headwater_binlog::{schema::TableName, time::utc};

use super::system;
use crate::{
    checkpoint::{self, requests},
    clock::now_us,
    exit::Exit,
    mysql::{self, TableToCopy},
    plan::Plan,
    terminal,
};

/// When a request counts, for whoever made one.
pub const FOLLOWED: &str = "a running process follows it within seconds, and without one the next start does; see `headwater snapshot status`";

/// As the command line says it.
#[derive(Debug)]
pub struct SnapshotStart {
    pub run: Option<String>,
    /// Patterns.
    pub tables: Vec<String>,
    pub condition: Option<Arc<str>>,
}

/// Asks the pipeline to copy tables.
pub fn snapshot_start(plan: Plan, start: SnapshotStart) -> anyhow::Result<Exit> {
    let said = system::start()?.block_on(ask(&plan, start))?;
    for line in said {
        terminal::line(&line)?;
    }
    terminal::line(FOLLOWED)?;
    Ok(Exit::Success)
}

async fn ask(plan: &Plan, start: SnapshotStart) -> Result<Vec<String>, Failure> {
    let stored = checkpoint::peek(&plan.checkpoint, &plan.name).await?;
    let known = stored.snapshots();
    let waiting = requests::waiting(&plan.checkpoint, &plan.name, known.request).await?;
    let waiting = waiting.iter().filter_map(|request| match &request.wish {
        Wish::Start { run, .. } => Some(Arc::clone(run)),
        Wish::Pause | Wish::Resume | Wish::Cancel => None,
    });
    let run = run_name(plan, start.run, &known, &Vec::from_iter(waiting))?;
    let case = mysql::name_case(&plan.source).await?;
    let tables = mysql::list_tables(&plan.source, &plan.tables, case).await?;
    let tables = wanted(plan, &start.tables, &tables)?;
    let asked = tables.iter().map(|table| TableToCopy {
        name: table.clone(),
        condition: start.condition.clone(),
    });
    mysql::ensure_copyable(&plan.source, &Vec::from_iter(asked)).await?;
    let mut said: Vec<String> = tables.iter().map(|table| format!("  {table}")).collect();
    let wish = Wish::Start {
        run: Arc::clone(&run),
        condition: start.condition.clone(),
    };
    let asked = requests::ask(&plan.checkpoint, &plan.name, known.request, (wish, tables));
    let number = asked.await?;
    let which = match &start.condition {
        Some(condition) => format!("the rows WHERE {condition}"),
        None => "all rows".to_owned(),
    };
    said.insert(
        0,
        format!(
            "request {number}: run \"{run}\" copies {which} of {} tables",
            said.len()
        ),
    );
    Ok(said)
}

fn run_name(
    plan: &Plan,
    named: Option<String>,
    known: &Snapshots,
    waiting: &[Arc<str>],
) -> Result<Arc<str>, Failure> {
    let name = named.unwrap_or_else(|| {
        let moment = utc(now_us() / 1_000_000);
        moment.replace([':', ' '], "-")
    });
    let taken = known.copies.keys().map(|id| &id.run);
    let taken = taken
        .chain(waiting)
        .chain(plan.snapshot.runs.iter().map(|run| &run.name));
    if taken.into_iter().any(|taken| **taken == *name) {
        return Err(
            Failure::definite(format!("there is a run of the name \"{name}\" already")).with_hint(
                "each name is run once; choose another with --run (`headwater snapshot status` lists them)",
            ),
        );
    }
    Ok(name.into())
}

/// The tables that the patterns take, of those that are sent.
fn wanted(
    plan: &Plan,
    patterns: &[String],
    tables: &[TableName],
) -> Result<Vec<TableName>, Failure> {
    let filter =
        TableFilter::new(patterns).map_err(|error| Failure::definite(error.to_string()))?;
    if let Some(table) = filter.literals().find(|table| !plan.tables.includes(table)) {
        return Err(Failure::definite(format!(
            "\"{table}\" is not included by source.tables"
        ))
        .with_hint("a table is copied beside its changes: add it to source.tables (and to snapshot.tables, then the next start copies it by itself)"));
    }
    if let Some(table) = filter.literals().find(|table| !tables.contains(table)) {
        return Err(Failure::definite(format!(
            "the server has no table \"{table}\", or none that the account can see"
        ))
        .with_hint("write the name as the server stores it, or GRANT SELECT on it"));
    }
    let found: Vec<TableName> = tables
        .iter()
        .filter(|table| filter.includes(table))
        .cloned()
        .collect();
    if found.is_empty() {
        return Err(Failure::definite(format!(
            "{} takes none of the {} tables that source.tables includes and the account can see",
            patterns.join(", "),
            tables.len()
        ))
        .with_hint("write patterns as in source.tables, names as the server stores them"));
    }
    Ok(found)
}
