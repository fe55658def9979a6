//! What a person does after statements on tables: what `--diff` says, and a copy of each table whose rows a statement
//! changed without a line of each.

use std::{collections::BTreeSet, fs};

use anyhow::{Context, ensure};
use headwater_harness::{road::SCHEMA, sql::path};
use serde_json::Value;

use super::rough::Rough;

/// Statements by which rows go or come that have no line: of names and of partitions.
const WITHOUT_LINES: &str = "statement ~* '(rename (table|to)|drop table|partition)'";

/// The tables that could not be copied at once, as one must whose key has the first characters of a column alone.
pub async fn cure(road: &mut Rough) -> anyhow::Result<BTreeSet<String>> {
    road.settle().await?;
    let world = &road.world;
    let said = world.diff().await?;
    world.postgres.exec(&said).await?;
    world.generate().await?;
    world.apply().await?;
    // What waited for tables that are new.
    road.merge().await?;
    let world = &road.world;
    let changed = format!(
        "SELECT DISTINCT database_name, table_name FROM {SCHEMA}.statements WHERE {WITHOUT_LINES}"
    );
    let changed = world.postgres.query_rows(&changed).await?;
    let mut copies: BTreeSet<String> = copies_in(&said).collect();
    // A table without a key has none in the warehouse.
    let text = fs::read_to_string(world.generated().join("manifest.json"))?;
    let manifest: Value = serde_json::from_str(&text).context("read the manifest")?;
    let tables = manifest["tables"].as_array().context("tables")?;
    for names in changed {
        let [Some(database), Some(table)] = &names[..] else {
            continue;
        };
        let is_it = |it: &Value| it["database"] == **database && it["table"] == **table;
        if tables.iter().any(is_it) {
            copies.insert(path(database, table));
        }
    }
    for table in copies {
        let finished = road.world.ask_for_copy(&[&table]).await?;
        let text = finished.text();
        let is_gone = text.contains("the server has no table");
        match finished.code() {
            Some(0) => (),
            // The audit cannot read it either.
            Some(1) if is_gone || text.contains("cannot be copied") => (),
            code => anyhow::bail!("the copy of {table} ended with {code:?}: {text}"),
        }
    }
    let ended = road.world.ended_as(&["complete", "refused"]).await?;
    let refused = ended.iter().filter(|copy| copy["state"] == "refused");
    let refused = refused.filter_map(|copy| Some(copy["table"].as_str()?.to_owned()));
    ensure!(!said.is_empty(), "statements changed nothing");
    road.settle().await?;
    Ok(refused.collect())
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
