//! `position set`: another place to go on, verified on the server and stored as a drained checkpoint.

use std::{sync::Arc, time::Duration};

use headwater_actors::snapshot::Snapshots;

use super::{launch::checkpoint_of, system};
use crate::{
    checkpoint,
    exit::Exit,
    mysql::{self, CatchUpWait, StartPlan, Target},
    plan::Plan,
    terminal,
};

/// Verifies that `target` is a boundary of the server's log and stores it.
pub fn position_set(plan: Plan, target: Target) -> anyhow::Result<Exit> {
    system::start()?.block_on(async move {
        let opened = checkpoint::open_now(&plan.checkpoint, &plan.name).await?;
        let store = Arc::clone(&opened.store);
        let stored = store.load().await?;
        let catch_up = CatchUpWait::new(Duration::ZERO);
        let hosts = mysql::choose_host(&plan.source, None, &catch_up).await?;
        let mut source = hosts.only_first();
        source.start = match target {
            Target::Position(position) => StartPlan::At(position),
            Target::Gtids(gtids) => StartPlan::After(gtids),
        };
        let mut start = mysql::resolve_start(&source, "the position to set").await?;
        // Events sent again keep their `seq` while the log is the same one.
        let is_same_log = match &stored.checkpoint {
            Some(before) => mysql::is_same_log(&source, before.home, &before.resume).await?,
            None => false,
        };
        start.home.epoch = if is_same_log {
            stored.epoch
        } else {
            stored.epoch + 1
        };
        let before = stored.checkpoint.as_ref();
        start.resume.commit_us = before.map_or(0, |before| before.resume.commit_us);
        let mut checkpoint = checkpoint_of(&plan, start, before, true);
        // What the next start begins to send and to copy is measured by the start before, not by this command.
        checkpoint.snapshot_tables = Arc::default();
        if let Some(before) = before {
            checkpoint.tables = Arc::clone(&before.tables);
            checkpoint.snapshot_tables = Arc::clone(&before.snapshot_tables);
            checkpoint.resume.snapshots = Snapshots {
                lines_here: 0,
                ..before.resume.snapshots.clone()
            };
        }
        checkpoint.forget_begins();
        let position = checkpoint.resume.mark.position.clone();
        store.save(checkpoint).await?;
        opened.give_back().await;
        terminal::line(&format!("position of \"{}\" is now {position}", plan.name))?;
        Ok(Exit::Success)
    })
}
