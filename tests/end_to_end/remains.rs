//! What a process left when it was ended: the stored position, and what lies in the stream beyond it.
//!
//! The next start repeats just that, once. So it is what a kill costs, and after a drain it is nothing.

use std::collections::HashSet;

use anyhow::Context;
use headwater_harness::{check::Verdict, facts::Facts};
use serde_json::Value;

use crate::world::World;

/// File number, offset, rows done.
type Mark = (u64, u64, u64);

#[derive(Debug)]
pub struct Remains {
    pub stored: Mark,
    /// Different lines in the stream that the stored position does not cover.
    pub beyond: u64,
    before: Verdict,
}

impl Remains {
    /// To be asked when nothing is under way to the stream any more.
    pub async fn of(world: &World) -> anyhow::Result<Self> {
        let stored = stored(world).await?;
        let mut beyond = HashSet::new();
        for record in world.records().await? {
            for line in record.lines() {
                let line: Value = serde_json::from_slice(line)?;
                let id = text(&line, "id")?;
                let (file, offset) = place(text(&line, "position")?)?;
                if stored <= (file, offset, number(id)?) {
                    beyond.insert((record.partition_key.clone(), id.to_owned()));
                }
            }
        }
        Ok(Self {
            stored,
            beyond: beyond.len() as u64,
            before: world.verdict().await?,
        })
    }

    /// The next start brings everything and repeats no more than that.
    pub async fn are_repeated_once(&self, world: &World) -> anyhow::Result<()> {
        world.catch_up().await?;
        let verdict = world.verdict().await?;
        verdict.ensure_clean()?;
        let facts = Facts::of(&world.mysql).await?;
        assert_eq!(verdict.changes(), facts.changes.len() as u64);
        assert_eq!(
            verdict.duplicates - self.before.duplicates,
            self.beyond,
            "{verdict}"
        );
        Ok(())
    }
}

/// The position that the next start goes on from.
pub async fn stored(world: &World) -> anyhow::Result<Mark> {
    let shown = shown(world).await?;
    let (file, offset) = place(text(&shown, "position")?)?;
    Ok((
        file,
        offset,
        shown["rows_done"].as_u64().unwrap_or_default(),
    ))
}

/// `position show --json`.
pub async fn shown(world: &World) -> anyhow::Result<Value> {
    let shown = world.command(&["position", "show", "--json"]).await?;
    serde_json::from_str(&shown.stdout.concat()).context("read the shown position")
}

pub fn place(text: &str) -> anyhow::Result<(u64, u64)> {
    let split = || {
        let (file, offset) = text.rsplit_once(':')?;
        let number = file.rsplit('.').next()?.parse().ok()?;
        Some((number, offset.parse().ok()?))
    };
    split().with_context(|| format!("\"{text}\" is no position"))
}

/// The row or statement of its transaction: behind the last slash, before a table's name.
fn number(id: &str) -> anyhow::Result<u64> {
    let behind = id.rsplit('/').next().unwrap_or_default();
    let digits = behind.split(':').next().unwrap_or_default();
    digits
        .parse()
        .with_context(|| format!("\"{id}\" has no number"))
}

fn text<'a>(line: &'a Value, field: &str) -> anyhow::Result<&'a str> {
    line[field]
        .as_str()
        .with_context(|| format!("no {field} in {line}"))
}
