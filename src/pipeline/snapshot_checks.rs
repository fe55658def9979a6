//! What `check` says of snapshots: what the next start would copy, and what it could not, and why.

use headwater_actors::{failure::Failure, ports::store::Stored};

use crate::{
    mysql::{self, Check, TableToCopy, check_snapshots},
    plan::Plan,
    snapshot::{ensure_matched, plan_copies},
};

const NAME: &str = "snapshot";

/// Nothing is asked of the server where nothing would be copied.
///
/// # Errors
/// When no server answers, or it does not let us in.
pub(super) async fn checks(plan: &Plan, stored: &Stored) -> Result<Vec<Check>, Failure> {
    let before = stored.checkpoint.as_ref();
    let now = stored.snapshots();
    if !plan.snapshot.asks_for(&now) && now.are_over() {
        return Ok(Vec::new());
    }
    let case = mysql::name_case(&plan.source).await?;
    let tables = mysql::list_tables(&plan.source, &plan.tables, case).await?;
    let unmatched = ensure_matched(&plan.snapshot, &plan.tables, &tables);
    let unmatched = unmatched.into_iter().map(|found| {
        let remedy = "write names as the server stores them, or GRANT SELECT on the tables; a table that is created later needs no copy";
        Check::warn(NAME, found, remedy)
    });
    let mut checks: Vec<Check> = unmatched.collect();
    let planned = plan_copies(before, now, &plan.tables, &plan.snapshot, &tables);
    let asked: Vec<TableToCopy> = planned
        .open()
        .map(|(id, copy)| TableToCopy {
            name: id.table.clone(),
            condition: copy.condition.clone(),
        })
        .collect();
    if asked.is_empty() {
        checks.push(Check::ok(NAME, "all that was asked for is copied"));
        return Ok(checks);
    }
    checks.extend(check_snapshots(&plan.source, &asked).await?);
    Ok(checks)
}
