//! `check`: the plan and preflight of `run`, one line per check, each failure with its cure.
//!
//! A failure is said once: what needs a password that is missing is not asked, and what then fails for the reason that
//! a line above has says so.

use std::{io, time::Duration};

use headwater_actors::{failure::Failure, filter::TableFilter, ports::store::Stored};

use super::{
    column_checks::Judging,
    field_names::FieldNames,
    launch, name_case,
    outputs::{Asking, Outputs},
    snapshot_checks, system,
};
use crate::{
    checkpoint::{self, StorePlan, requests},
    encode::shape::ShapeRules,
    exit::Exit,
    lease::gate::LeaseGate,
    mysql::{self, CatchUpWait, Check, Verdict},
    plan::Plan,
    sinks::dead_letter,
    terminal,
};

/// What `check` makes where it is missing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Creates {
    Nothing,
    /// The table of checkpoints.
    Store,
}

/// The preflight of `run`, one line per check on stdout.
pub fn check(plan: Plan, creates: Creates) -> anyhow::Result<Exit> {
    let outputs = Outputs::new(&plan, &LeaseGate::open())?;
    let checks = system::start()?.block_on(async {
        let mut checks = Vec::new();
        if creates == Creates::Store {
            let created = checkpoint::create(&plan.checkpoint, &plan.name).await;
            checks.push(outcome("checkpoint store", created));
        }
        checks.extend(all(&plan, &outputs, Asking::Permissions).await);
        checks
    });
    for check in &checks {
        print(check)?;
    }
    let count = |verdict| {
        let of = checks.iter().filter(|check| check.verdict == verdict);
        of.count()
    };
    let (failed, warned) = (count(Verdict::Fail), count(Verdict::Warn));
    let skipped = match count(Verdict::Skip) {
        0 => String::new(),
        skipped => format!(", {skipped} skipped"),
    };
    terminal::line(&format!(
        "{} checks, {failed} failed, {warned} warnings{skipped}",
        checks.len()
    ))?;
    Ok(if failed == 0 {
        Exit::Success
    } else {
        Exit::Halted
    })
}

/// Whether this process could take over from another one; else what fails, in a line. It calls nothing that writes.
pub(super) async fn take_over(plan: &Plan, outputs: &Outputs) -> Result<(), String> {
    let checks = Box::pin(all(plan, outputs, Asking::Presence)).await;
    let failed = checks
        .iter()
        .filter(|check| check.verdict == Verdict::Fail)
        .map(|check| format!("{}: {}", check.name, check.found));
    match failed.collect::<Vec<_>>() {
        failed if failed.is_empty() => Ok(()),
        failed => Err(failed.join("; ")),
    }
}

async fn all(plan: &Plan, outputs: &Outputs, asking: Asking) -> Vec<Check> {
    let mut checks: Vec<Check> = plan
        .warnings()
        .into_iter()
        .map(|warning| Check {
            verdict: Verdict::Warn,
            ..Check::ok("settings", warning)
        })
        .collect();
    let passwords = passwords(plan).await;
    let (lacks_source, lacks_store) = (passwords.lacks_source, passwords.lacks_store);
    checks.extend(passwords.checks);
    let peeked = match lacks_store {
        true => Ok(Stored::default()),
        false => checkpoint::peek(&plan.checkpoint, &plan.name).await,
    };
    // A checkpoint that cannot be read is reported below.
    let stored = peeked.as_ref().ok().cloned().unwrap_or_default();
    match lacks_source {
        true => checks.push(Check::skip("source", "needs its password")),
        false => match source(plan, &stored).await {
            Ok(found) => checks.extend(found),
            Err(failure) => checks.push(failed("source", &failure)),
        },
    }
    // For who asks at the terminal: it may be thousands of tables.
    if asking == Asking::Permissions && !lacks_source {
        match snapshot_checks::checks(plan, &stored).await {
            Ok(found) => checks.extend(found),
            Err(failure) => checks.push(once("snapshot", Err(failure), &checks)),
        }
    }
    checks.push(match lacks_store {
        true => Check::skip("checkpoint store", "needs its server's password"),
        false => {
            let found = checkpoint::ensure_writable(&plan.checkpoint, &plan.name).await;
            once("checkpoint store", found, &checks)
        }
    });
    checks.push(match (lacks_source || lacks_store, peeked) {
        (true, Ok(_)) => Check::skip("checkpoint position", "needs a password that is missing"),
        (_, Err(failure)) => once("checkpoint position", Err(failure), &checks),
        (false, Ok(_)) => once("checkpoint position", first_position(plan).await, &checks),
    });
    if !lacks_store {
        checks.extend(asked(plan, &stored).await);
    }
    let parked = stored
        .checkpoint
        .iter()
        .flat_map(|found| found.parked.iter());
    checks.extend(parked.map(|parked| {
        let (table, position) = (&parked.table, &parked.resume.mark.position);
        Check::warn(
            "parked table",
            format!("{table} waits at {position}: {}", parked.reason),
            format!(
                "remove the cause, then stop the pipeline and run `headwater resume-table {table}`"
            ),
        )
    }));
    let sinks = outputs.describe(asking).await.into_iter();
    checks.extend(sinks.map(|found| outcome("sink", found)));
    if let Some(path) = &plan.errors.dead_letter_path {
        let found = dead_letter::ensure_writable(path);
        let found = found.map(|()| format!("{} can be written", path.display()));
        checks.push(outcome("dead letters", found));
    }
    checks
}

/// Requests beside the checkpoint: that they can be read, which may take a right of its own.
async fn asked(plan: &Plan, stored: &Stored) -> Option<Check> {
    const NAME: &str = "snapshot requests";
    let followed = stored.snapshots().request;
    match requests::waiting(&plan.checkpoint, &plan.name, followed).await {
        Ok(waiting) if waiting.is_empty() => None,
        Ok(waiting) => Some(Check::ok(
            NAME,
            format!(
                "{} wait for the process that runs, or the next start",
                waiting.len()
            ),
        )),
        Err(failure) => {
            let remedy = failure.hint.clone();
            let remedy = remedy.unwrap_or_else(|| "see docs/snapshots.md".to_owned());
            Some(Check::warn(
                NAME,
                format!("cannot be read, so `headwater snapshot` asks in vain: {failure}"),
                remedy,
            ))
        }
    }
}

/// What AWS was asked for before a server is.
#[derive(Default)]
struct Passwords {
    checks: Vec<Check>,
    /// Whether the one of the source is missing, and that of the checkpoint's server.
    lacks_source: bool,
    lacks_store: bool,
}

async fn passwords(plan: &Plan) -> Passwords {
    let mut found = Passwords::default();
    if let Some(asked) = mysql::connection::ask_password(&plan.source).await {
        found.lacks_source = asked.is_err();
        found.checks.push(outcome("source password", asked));
    }
    let StorePlan::MySql(store) = &plan.checkpoint.store else {
        return found;
    };
    // Without a URL of its own the checkpoint's account is the source's.
    if (&store.server.hosts, &store.server.user) == (&plan.source.hosts, &plan.source.user) {
        found.lacks_store = found.lacks_source;
    } else if let Some(asked) = mysql::connection::ask_password(&store.server).await {
        found.lacks_store = asked.is_err();
        found.checks.push(outcome("checkpoint password", asked));
    }
    found
}

/// The server's part, as `run` judges it too.
pub(super) async fn source(plan: &Plan, stored: &Stored) -> Result<Vec<Check>, Failure> {
    // An earlier build may have kept none.
    let before = stored.checkpoint.as_ref().map(|found| &found.tables);
    let before = before.and_then(|patterns| TableFilter::new(patterns).ok());
    let tables = &plan.tables;
    let copied = plan.snapshot.tables.as_ref();
    let preflight = mysql::preflight(
        &plan.source,
        tables,
        &plan.ordering,
        before.as_ref(),
        copied,
    );
    let mut checks = preflight.await?;
    let case = mysql::name_case(&plan.source).await?;
    checks.push(name_case::check(plan, case));
    let recoverable = mysql::recoverable(&plan.source).await?;
    let known = stored
        .checkpoint
        .as_ref()
        .map(|checkpoint| &checkpoint.resume.xa);
    checks.push(mysql::ensure_xa(&recoverable, plan.source.xa, known));
    checks.extend(columns(plan, stored.checkpoint.is_none()).await?);
    Ok(match &stored.checkpoint {
        None => checks,
        Some(_) => checks.into_iter().map(Check::at_a_later_start).collect(),
    })
}

/// What settings ask of the columns of all included tables. They are listed only where something is asked.
async fn columns(plan: &Plan, is_first_start: bool) -> Result<Vec<Check>, Failure> {
    let rules = ShapeRules::new(&plan.shape, plan.errors.invalid_text);
    let has_shape = !plan.shape.keeps_everything();
    let mut judging = has_shape.then(|| Judging::new(&plan.shape, &rules));
    let mut names = FieldNames::new(plan, &rules);
    if judging.is_none() && names.is_none() {
        return Ok(Vec::new());
    }
    let listed = mysql::list_columns(&plan.source, &plan.tables, |columns| {
        if let Some(judging) = &mut judging {
            judging.see(columns);
        }
        if let Some(names) = &mut names {
            names.see(columns);
        }
    });
    let listed = listed.await?;
    tracing::info!(tables = listed.tables, columns = listed.columns, took = ?listed.took, "read the columns of the included tables for [columns], [mask] and native.prefix");
    let mut checks = judging.map(Judging::finish).unwrap_or_default();
    checks.extend(names.map(|names| names.finish(is_first_start)));
    Ok(checks)
}

/// Where `run` would begin: the stored position, or what `source.start` is on the server.
async fn first_position(plan: &Plan) -> Result<String, Failure> {
    let stored = checkpoint::peek(&plan.checkpoint, &plan.name).await?;
    let catch_up = CatchUpWait::new(Duration::ZERO);
    let hosts = mysql::choose_host(&plan.source, launch::place(&stored), &catch_up).await?;
    let plan = &Plan {
        source: hosts.only_first(),
        ..plan.clone()
    };
    let begin = launch::begin(plan, &stored).await?;
    Ok(match stored.checkpoint {
        Some(checkpoint) => format!(
            "{} is still in the server's log",
            checkpoint.resume.mark.position
        ),
        None => format!(
            "none stored, source.start is {}",
            begin.resume.mark.position
        ),
    })
}

fn outcome(name: &'static str, outcome: Result<String, Failure>) -> Check {
    match outcome {
        Ok(found) => Check::ok(name, found),
        Err(failure) => failed(name, &failure),
    }
}

/// The outcome; of a failure that a line above has says only which.
fn once(name: &'static str, found: Result<String, Failure>, above: &[Check]) -> Check {
    let check = outcome(name, found);
    let same = above.iter().find(|earlier| {
        earlier.verdict == Verdict::Fail
            && check.verdict == Verdict::Fail
            && (&earlier.found, &earlier.remedy) == (&check.found, &check.remedy)
    });
    match same {
        Some(earlier) => Check::skip(name, format!("fails for the reason of {}", earlier.name)),
        None => check,
    }
}

fn failed(name: &'static str, failure: &Failure) -> Check {
    let remedy = failure.hint.clone();
    Check {
        verdict: Verdict::Fail,
        remedy,
        ..Check::ok(name, failure.to_string())
    }
}

fn print(check: &Check) -> io::Result<()> {
    let word = match check.verdict {
        Verdict::Ok => "ok  ",
        Verdict::Warn => "warn",
        Verdict::Fail => "FAIL",
        Verdict::Skip => "skip",
    };
    terminal::line(&format!("{word} {}: {}", check.name, check.found))?;
    if let (Verdict::Warn | Verdict::Fail, Some(remedy)) = (check.verdict, &check.remedy) {
        terminal::line(&format!("       -> {remedy}"))?;
    }
    Ok(())
}
