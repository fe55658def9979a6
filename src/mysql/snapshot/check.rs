//! What `headwater check` says of tables that would be copied, before any of them is.

use std::sync::Arc;

use headwater_actors::failure::Failure;
use headwater_binlog::schema::TableName;

use super::{
    describe::{Seen, SeenTable},
    look::trouble,
    session::{DOING, Session},
    sql::{name_of, with_condition},
    visible::{Rule, TIME_MAX},
};
use crate::mysql::{
    checks::{Check, Verdict, given_on},
    facts::text,
    options::SourcePlan,
    unnamed::quoted,
};

const NAME: &str = "snapshot";
/// Tables that have a line each; the others are counted.
const SHOWN_MAX: usize = 50;
/// What one connection reads of small rows, for a guess of the time.
const ROWS_A_SEC: u64 = 100_000;
/// The same of large ones.
const BYTES_A_SEC: u64 = 50 << 20;

/// A table that would be copied.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TableToCopy {
    pub name: TableName,
    /// Of its run.
    pub condition: Option<Arc<str>>,
}

/// How the tables would be copied: a line for what comes before each chunk, then one a table.
///
/// # Errors
/// When no server answers, or it does not let us in.
pub async fn check_snapshots(
    plan: &SourcePlan,
    tables: &[TableToCopy],
) -> Result<Vec<Check>, Failure> {
    if tables.is_empty() {
        return Ok(Vec::new());
    }
    let mut session = match Session::open(plan, None).await {
        Ok(session) => session,
        Err(failure) if failure.is_definite() => {
            let remedy = failure.hint.clone().unwrap_or_default();
            return Ok(vec![Check::fail(NAME, failure.to_string(), remedy)]);
        }
        Err(failure) => return Err(failure),
    };
    let mut checks = vec![session.check_rule().await?];
    let mut rest = (0, 0_u64);
    for table in tables {
        let (check, rows) = session.check_table(table).await?;
        if checks.len() <= SHOWN_MAX || check.verdict != Verdict::Ok {
            checks.push(check);
        } else {
            rest = (rest.0 + 1, rest.1 + rows);
        }
    }
    if let (tables @ 1.., rows) = rest {
        let found = format!("{tables} more tables, about {rows} rows");
        checks.push(Check::ok(NAME, found));
    }
    session.server.leave().await;
    Ok(checks)
}

impl Session {
    async fn check_rule(&mut self) -> Result<Check, Failure> {
        let found = match self.rule().await? {
            Rule::Gtids => "before each chunk the GTIDs of what was sent are waited for",
            Rule::Snapshot => {
                "each chunk is a consistent snapshot, whose place in the log is known"
            }
            Rule::LockOrTime if self.may_lock().await? => {
                "before each chunk the table is locked for a moment (LOCK TABLES … READ), so that what was sent is committed"
            }
            Rule::LockOrTime => {
                let time = self.commits_within().await?;
                let remedy = format!(
                    "turn GTIDs on, or GRANT LOCK TABLES ON *.* TO '{}'@'%'",
                    self.server.user
                );
                let secs = time.as_secs_f32();
                let found = format!(
                    "before each chunk {secs} s pass, so that what was sent is committed: the server has no GTIDs, and the account may not lock tables"
                );
                return Ok(match time > TIME_MAX {
                    true => Check::fail(NAME, format!("{found}; that is too long"), remedy),
                    false => Check::warn(NAME, found, remedy),
                });
            }
        };
        Ok(Check::ok(NAME, found))
    }

    /// On some database at least.
    async fn may_lock(&mut self) -> Result<bool, Failure> {
        let rows = self.server.rows(DOING, "SHOW GRANTS").await?;
        let mut grants = rows.iter().filter_map(|row| text(row, 0));
        Ok(grants.any(|grant| given_on(&grant, "LOCK TABLES").is_some()))
    }

    async fn check_table(&mut self, table: &TableToCopy) -> Result<(Check, u64), Failure> {
        let TableToCopy { name, condition } = table;
        let seen = match Box::pin(self.look_at(name)).await {
            Ok(Seen::Table(seen)) => seen,
            Ok(Seen::Gone) => return Ok((Check::ok(NAME, format!("{name}: not there yet")), 0)),
            Ok(Seen::Refused(reason)) => {
                let remedy = format!("leave it out: snapshot.tables = [\"!{name}\"]");
                let found = format!("{name} is not copied: {reason}");
                return Ok((Check::warn(NAME, found, remedy), 0));
            }
            // The account may not read it.
            Err(failure) if failure.code.is_some() && failure.hint.is_some() => {
                let remedy = failure.hint.clone().unwrap_or_default();
                return Ok((Check::fail(NAME, failure.to_string(), remedy), 0));
            }
            Err(failure) => return Err(failure),
        };
        let rows = seen.rows_estimate;
        if let Some(condition) = condition
            && let Some(check) = self.check_condition(name, condition).await?
        {
            return Ok((check, rows));
        }
        let key = &seen.description.key_text;
        if seen.description.key.is_empty() {
            return Ok((
                Check::warn(
                    NAME,
                    format!(
                        "{name}: about {rows} rows in one piece, for it has no key to read it by in parts"
                    ),
                    "give it a primary key, or a unique key over whole NOT NULL columns",
                ),
                rows,
            ));
        }
        let time = time(&seen);
        if let Some(found) = self.trouble_of(&seen).await? {
            return Ok((
                Check::warn(
                    NAME,
                    format!(
                        "{name}: by {key}, about {rows} rows; the server does not read it along the index ({found})"
                    ),
                    "give it a key that the server reads in order: integers or text, in one direction",
                ),
                rows,
            ));
        }
        Ok((
            Check::ok(NAME, format!("{name}: by {key}, about {rows} rows, {time}")),
            rows,
        ))
    }

    pub(super) async fn check_condition(
        &mut self,
        table: &TableName,
        condition: &str,
    ) -> Result<Option<Check>, Failure> {
        let explain = format!(
            "EXPLAIN FORMAT=TRADITIONAL {}",
            with_condition(table, condition)
        );
        match self.server.answer_if_told(DOING, &explain).await? {
            Some(_) => Ok(None),
            None => Ok(Some(Check::fail(
                NAME,
                format!("{table}: the server does not take the condition of its run"),
                "correct where of its run in snapshot.runs: what SELECT takes behind WHERE, with columns of this table",
            ))),
        }
    }

    /// As for a chunk from the begin on.
    async fn trouble_of(&mut self, seen: &SeenTable) -> Result<Option<String>, Failure> {
        let description = &seen.description;
        let names = description.key.iter().filter_map(|index| {
            let column = description.columns.get(*index)?;
            Some(quoted(&column.name))
        });
        let explain = format!(
            "EXPLAIN FORMAT=TRADITIONAL SELECT * FROM {} FORCE INDEX ({}) ORDER BY {} LIMIT 1000",
            name_of(&description.table.name),
            quoted(&description.index),
            names.collect::<Vec<_>>().join(", ")
        );
        let plan = self.server.answer_if_told(DOING, &explain).await?;
        Ok(plan.as_ref().and_then(|plan| trouble(plan, false)))
    }
}

/// A guess, by what one connection reads.
fn time(seen: &SeenTable) -> String {
    let rows = seen.rows_estimate;
    let bytes = rows.saturating_mul(seen.row_bytes_estimate);
    let secs = (rows / ROWS_A_SEC).max(bytes / BYTES_A_SEC);
    match secs {
        0..=1 => "a second or two".into(),
        2..=119 => format!("about {secs} s"),
        120..=7_199 => format!("about {} min", secs / 60),
        _ => format!("about {} h", secs / 3_600),
    }
}
