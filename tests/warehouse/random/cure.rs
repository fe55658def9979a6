//! What a person does after statements on tables: what `--diff` says; of a table whose rows a statement changed without
//! a line of each, it is emptied up to there; and the copies.

use std::{collections::BTreeSet, time::Duration};

use anyhow::ensure;
use headwater_harness::road::SCHEMA;

use super::rough::Rough;

const WITHIN: Duration = Duration::from_secs(60);
/// Statements whose rows go, come or change and have no line: of names, of partitions, of another character set.
const WITHOUT_LINES: &str = "statement ~* '(rename (table|to)|drop table|partition|convert to)'";

/// The tables that could not be copied, as patterns: each was refused with a reason.
pub async fn cure(road: &mut Rough) -> anyhow::Result<Vec<String>> {
    road.settle().await?;
    let world = &road.world;
    let said = world.diff().await?;
    world.postgres.exec(&said).await?;
    world.generate().await?;
    world.apply().await?;
    // What waited for tables that are new.
    road.merge().await?;
    let world = &road.world;
    let empty = format!(
        "INSERT INTO {SCHEMA}.lines (database_name, table_name, type, seq) \
         SELECT database_name, table_name, 'truncate', MAX(seq) FROM {SCHEMA}.statements \
         WHERE {WITHOUT_LINES} GROUP BY database_name, table_name"
    );
    world.postgres.exec(&empty).await?;
    let emptied = format!(
        "SELECT database_name, table_name FROM {SCHEMA}.lines WHERE type = 'truncate' AND line IS NULL"
    );
    let emptied = world.postgres.query_rows(&emptied).await?;
    let mut copies: BTreeSet<String> = copies_in(&said).collect();
    for names in emptied {
        let names: Vec<String> = names
            .into_iter()
            .flatten()
            .map(|name| format!("`{}`", name.replace('`', "``")))
            .collect();
        copies.insert(names.join("."));
    }
    road.merge().await?;
    let mut refused = Vec::new();
    for (number, table) in copies.into_iter().enumerate() {
        let run = format!("cure-{number}");
        let arguments = [
            "snapshot",
            "start",
            "-c",
            "headwater.toml",
            &table,
            "--run",
            &run,
        ];
        let launch = road.world.launch().clone().with_arguments(&arguments);
        let finished = launch.finish(WITHIN).await?;
        let text = finished.text();
        let is_gone = text.contains("the server has no table");
        match finished.code() {
            Some(0) => (),
            Some(1) if is_gone => (),
            Some(1) if text.contains("cannot be copied") => refused.push(table),
            code => anyhow::bail!("the copy of {table} ended with {code:?}: {text}"),
        }
    }
    road.world.copied().await?;
    ensure!(!said.is_empty(), "statements changed nothing");
    road.settle().await?;
    Ok(refused)
}

/// The tables that a text of `--diff` wants to be copied: without the quotes that a shell takes away.
fn copies_in(said: &str) -> impl Iterator<Item = String> {
    let commands = said
        .lines()
        .filter_map(|line| line.split_once("snapshot start -c FILE "));
    commands.map(|(_, pattern)| {
        let quoted = pattern
            .strip_prefix('\'')
            .and_then(|rest| rest.strip_suffix('\''));
        quoted.map_or(pattern.to_owned(), |inner| inner.replace("'\\''", "'"))
    })
}
