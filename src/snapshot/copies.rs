//! Which tables a launch begins to copy.
//!
//! A table needs a copy when its changes begin to be sent although rows are there already. So one that the stored
//! patterns took already needs none: if the server has it only now, it was created behind the stored position, and
//! all its rows came as changes.

use std::sync::Arc;

use headwater_actors::{
    checkpoint::Checkpoint,
    filter::TableFilter,
    snapshot::{CopyId, CopyState, SETTINGS_RUN, Snapshots, TableCopy},
};
use headwater_binlog::schema::TableName;

use super::SnapshotPlan;

/// What is to be copied from this launch on: `now`, and what the settings ask for beyond it.
///
/// `before` is what was stored, with the patterns of that time; `sent` is what `source.tables` includes, `tables` what
/// the server has.
pub fn plan_copies(
    before: Option<&Checkpoint>,
    mut now: Snapshots,
    sent: &TableFilter,
    plan: &SnapshotPlan,
    tables: &[TableName],
) -> Snapshots {
    leave_out(&mut now, sent);
    let known = Known::of(before);
    let wanted = plan
        .tables
        .iter()
        .flat_map(|filter| matching(tables, sent, filter));
    for table in wanted {
        let id = CopyId {
            run: SETTINGS_RUN.into(),
            table: table.clone(),
        };
        // What was not sent for a time is as it was never sent: its copy is of another time.
        let is_stale =
            !known.was_sent(table) && now.copies.get(&id).is_some_and(|copy| copy.state.is_over());
        if is_stale {
            Arc::make_mut(&mut now.copies).remove(&id);
        }
        if is_stale || !known.was_taken(table) {
            now.add(id, TableCopy::new(None));
        }
    }
    for run in &plan.runs {
        if now.copies.keys().any(|id| id.run == run.name) {
            continue;
        }
        for table in matching(tables, sent, &run.tables) {
            let id = CopyId {
                run: Arc::clone(&run.name),
                table: table.clone(),
            };
            let copy = TableCopy {
                is_apart: run.target.is_some(),
                ..TableCopy::new(run.condition.clone())
            };
            now.add(id, copy);
        }
    }
    // Also without a copy: one may be asked for at any time, and be forgotten by a crash before it is stored.
    now.attempt += 1;
    now
}

/// Patterns that take no table of the server, as sentences: a slip of the pen, or a table that is yet to come.
pub fn ensure_matched(
    plan: &SnapshotPlan,
    sent: &TableFilter,
    tables: &[TableName],
) -> Vec<String> {
    plan.filters()
        .filter(|(_, filter)| matching(tables, sent, filter).next().is_none())
        .map(|(key, filter)| {
            format!(
                "{key} = {:?} takes none of the {} tables that source.tables includes and the account can see",
                filter.patterns(),
                tables.iter().filter(|table| sent.includes(table)).count()
            )
        })
        .collect()
}

/// Of the tables that are sent.
fn matching<'a>(
    tables: &'a [TableName],
    sent: &'a TableFilter,
    filter: &'a TableFilter,
) -> impl Iterator<Item = &'a TableName> {
    let both = |table: &&TableName| sent.includes(table) && filter.includes(table);
    tables.iter().filter(both)
}

/// A copy whose table is not sent any more ends: its changes would be missing beside it.
fn leave_out(now: &mut Snapshots, sent: &TableFilter) {
    let left: Vec<CopyId> = now
        .copies
        .iter()
        .filter(|(id, copy)| !copy.state.is_over() && !sent.includes(&id.table))
        .map(|(id, _)| id.clone())
        .collect();
    for id in left {
        if let Some(copy) = Arc::make_mut(&mut now.copies).get_mut(&id) {
            copy.state = CopyState::Cancelled;
            copy.note = Some("source.tables does not include the table any more".into());
        }
    }
}

/// The patterns that were stored.
#[derive(Default)]
struct Known {
    sent: Option<TableFilter>,
    copied: Option<TableFilter>,
}

impl Known {
    /// Patterns that cannot be read are none; an earlier build stored none.
    fn of(before: Option<&Checkpoint>) -> Self {
        let Some(before) = before else {
            return Self::default();
        };
        Self {
            sent: TableFilter::new(&before.tables).ok(),
            copied: TableFilter::new(&before.snapshot_tables).ok(),
        }
    }

    fn was_sent(&self, table: &TableName) -> bool {
        self.sent.as_ref().is_some_and(|sent| sent.includes(table))
    }

    /// All its rows came with the stream, or a copy.
    fn was_taken(&self, table: &TableName) -> bool {
        let is_copied = |copied: &TableFilter| copied.includes(table);
        self.was_sent(table) && self.copied.as_ref().is_some_and(is_copied)
    }
}

#[cfg(test)]
mod tests;
