//! What a process left when it was ended: the stored position, and what lies in the stream beyond it.
//!
//! The next start repeats just that, once. So it is what a kill costs, and after a drain it is nothing.

use std::collections::HashSet;

use anyhow::{Context, ensure};
use headwater_harness::{
    check::Judge,
    facts::Facts,
    place::{head, place},
    wait::Deadline,
};
use serde_json::Value;

use crate::world::{WITHIN, World};

/// File number, offset, rows done.
type Mark = (u64, u64, u64);

#[derive(Debug)]
pub struct Remains {
    pub stored: Mark,
    /// Different lines in the stream that the stored position does not cover.
    pub beyond: u64,
    /// Lines that had been repeated already.
    duplicates: u64,
}

impl Remains {
    /// To be asked when nothing is under way to the stream any more; the source may be written to.
    pub async fn of(world: &World) -> anyhow::Result<Self> {
        let stored = stored(world).await?;
        let (mut beyond, mut judge) = (HashSet::new(), Judge::new());
        for record in world.records().await? {
            judge.read_record(&record)?;
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
            duplicates: judge.verdict().duplicates,
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
            verdict.duplicates - self.duplicates,
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

/// Waits until a position inside a giant transaction is stored, further on than after `last` rows.
pub async fn gets_further(world: &World, last: u64) -> anyhow::Result<()> {
    let what = "a position inside the transaction, further on";
    stored_is(world, what, |(_, _, rows_done)| rows_done > last).await
}

/// Waits until the end of the server's log is stored.
pub async fn head_is_stored(world: &World) -> anyhow::Result<()> {
    let (file, offset) = head(&world.mysql).await?;
    stored_is(world, "the position", |mark| mark == (file, offset, 0)).await
}

async fn stored_is(world: &World, what: &str, is_so: impl Fn(Mark) -> bool) -> anyhow::Result<()> {
    let deadline = Deadline::after(WITHIN, format!("{what} to be stored"));
    while !stored(world).await.is_ok_and(&is_so) {
        deadline.pause().await?;
    }
    Ok(())
}

/// `position show --json`.
pub async fn shown(world: &World) -> anyhow::Result<Value> {
    let shown = world.command(&["position", "show", "--json"]).await?;
    ensure!(shown.code() == Some(0), "{}", shown.text());
    serde_json::from_str(&shown.stdout.concat()).context("read the shown position")
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
