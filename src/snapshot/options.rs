//! `[snapshot]`: which tables are copied, and how much of the source that may take.

use std::{collections::BTreeSet, sync::Arc};

use headwater_actors::{
    filter::TableFilter,
    snapshot::{SETTINGS_RUN, SnapshotRules, Snapshots},
};
use serde::Deserialize;

use crate::{
    options::{Error, number},
    sinks::Template,
};

const TABLES: &str = "snapshot.tables";
/// A condition is written by hand, and stands in the checkpoint once a table.
const CONDITION_BYTES_MAX: usize = 4096;
const RUN_NAME_BYTES_MAX: usize = 64;
const RUNS_MAX: usize = 1000;

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SnapshotOptions {
    tables: Vec<String>,
    parallel: u64,
    rows_per_sec_max: u64,
    source_threads_running_max: u64,
    replica_lag_secs_max: u64,
}

/// One of `[[snapshot.runs]]`.
#[derive(Debug, Clone, Deserialize)]
pub struct RunOptions {
    name: String,
    tables: Vec<String>,
    #[serde(rename = "where")]
    condition: Option<String>,
}

#[derive(Debug, Clone)]
pub struct SnapshotPlan {
    /// `None`: no table is copied unasked.
    pub tables: Option<TableFilter>,
    pub runs: Vec<RunPlan>,
    pub rules: SnapshotRules,
    /// While more threads run on the source, nothing is read; 0: no limit.
    pub threads_running_max: u64,
    /// While the source lags further behind the server that it replicates, nothing is read; 0: no limit.
    pub replica_lag_secs_max: u64,
}

#[derive(Debug, Clone)]
pub struct RunPlan {
    pub name: Arc<str>,
    pub tables: TableFilter,
    /// The text of a WHERE clause.
    pub condition: Option<Arc<str>>,
    /// Where its rows go; `None`: where the table's changes go.
    pub target: Option<Template>,
}

impl SnapshotOptions {
    /// `sent` is what `source.tables` includes.
    pub fn plan(
        &self,
        runs: &[(RunOptions, Option<Template>)],
        sent: &TableFilter,
    ) -> Result<SnapshotPlan, Error> {
        let tables = match self.tables.is_empty() {
            true => None,
            false => Some(filter(TABLES, &self.tables, sent)?),
        };
        Ok(SnapshotPlan {
            tables,
            runs: plan_runs(runs, sent)?,
            rules: SnapshotRules {
                parallel: number("snapshot.parallel", self.parallel, 1..=16)?,
                rows_per_sec_max: limit("rows_per_sec_max", self.rows_per_sec_max)?,
            },
            threads_running_max: limit(
                "source_threads_running_max",
                self.source_threads_running_max,
            )?,
            replica_lag_secs_max: limit("replica_lag_secs_max", self.replica_lag_secs_max)?,
        })
    }
}

impl SnapshotPlan {
    /// Of `snapshot.tables`, as they were written.
    pub fn patterns(&self) -> &[String] {
        self.tables.as_ref().map_or(&[], TableFilter::patterns)
    }

    /// Whether it takes the server's tables to know what to copy.
    pub fn asks_for(&self, now: &Snapshots) -> bool {
        let is_known = |run: &RunPlan| now.copies.keys().any(|id| id.run == run.name);
        self.tables.is_some() || !self.runs.iter().all(is_known)
    }

    /// All patterns, each with its key.
    pub fn filters(&self) -> impl Iterator<Item = (String, &TableFilter)> {
        let tables = self.tables.iter();
        let tables = tables.map(|filter| (TABLES.to_owned(), filter));
        let runs = self.runs.iter().enumerate();
        tables.chain(runs.map(|(number, run)| (run_key(number, "tables"), &run.tables)))
    }
}

fn plan_runs(
    runs: &[(RunOptions, Option<Template>)],
    sent: &TableFilter,
) -> Result<Vec<RunPlan>, Error> {
    if runs.len() > RUNS_MAX {
        let found = format!("there are {} runs", runs.len());
        let remedy = format!("remove those that are done; at most {RUNS_MAX} may stand there");
        return Err(Error::new("snapshot.runs", found, remedy));
    }
    let mut names = BTreeSet::new();
    let mut planned = Vec::with_capacity(runs.len());
    for (number, (run, target)) in runs.iter().enumerate() {
        let key = |name| run_key(number, name);
        ensure_run_name(&run.name)
            .map_err(|(found, remedy)| Error::new(key("name"), found, remedy))?;
        if !names.insert(run.name.as_str()) {
            return Err(Error::new(
                key("name"),
                format!("there are two runs of the name \"{}\"", run.name),
                "each name is run once; give one of them another name",
            ));
        }
        let condition = run.condition.as_deref().map(condition).transpose();
        let condition =
            condition.map_err(|(found, remedy)| Error::new(key("where"), found, remedy))?;
        planned.push(RunPlan {
            name: run.name.as_str().into(),
            tables: filter(&key("tables"), &run.tables, sent)?,
            condition,
            target: target.clone(),
        });
    }
    Ok(planned)
}

pub fn run_key(number: usize, key: &str) -> String {
    format!("snapshot.runs[{number}].{key}")
}

/// What is wrong with a run's name, and what to do.
pub fn ensure_run_name(name: &str) -> Result<(), (String, String)> {
    let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"_.-".contains(&byte);
    let remedy = format!("write 1 to {RUN_NAME_BYTES_MAX} letters, digits, \"_\", \".\", \"-\"");
    if name.is_empty() || name.len() > RUN_NAME_BYTES_MAX || !name.bytes().all(is_allowed) {
        return Err((format!("\"{name}\" is no name for a run"), remedy));
    }
    if name == SETTINGS_RUN {
        return Err((
            format!("\"{name}\" is the run of snapshot.tables"),
            "choose another name".to_owned(),
        ));
    }
    Ok(())
}

/// What is wrong with the text behind WHERE, and what to do. Whether it is SQL is the server's to say.
pub fn condition(text: &str) -> Result<Arc<str>, (String, String)> {
    if text.trim().is_empty() {
        return Err((
            "is empty".to_owned(),
            "write what stands behind WHERE, or leave it out for all rows".to_owned(),
        ));
    }
    if text.len() > CONDITION_BYTES_MAX {
        return Err((
            format!("has {} bytes", text.len()),
            format!("write at most {CONDITION_BYTES_MAX}"),
        ));
    }
    Ok(text.into())
}

/// Patterns; a table that they name and `source.tables` leaves out would never be copied.
fn filter(key: &str, patterns: &[String], sent: &TableFilter) -> Result<TableFilter, Error> {
    let filter = TableFilter::new(patterns)
        .map_err(|error| Error::new(key, error, "see config/default.toml"))?;
    if let Some(table) = filter.literals().find(|table| !sent.includes(table)) {
        return Err(Error::new(
            key,
            format!("names \"{table}\", which source.tables does not include"),
            "a table is copied beside its changes: add it to source.tables, or remove it here",
        ));
    }
    Ok(filter)
}

fn limit(name: &str, found: u64) -> Result<u64, Error> {
    let found = number(name, found, 0..=u64::from(u32::MAX));
    found.map_err(|error| error.under("snapshot"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        plan::Plan,
        settings::{Document, Layers},
    };

    fn plan(text: &str) -> Result<SnapshotPlan, Error> {
        let layers = Layers {
            documents: vec![Document {
                name: "h.toml".to_owned(),
                text: Ok(text.to_owned()),
            }],
            ..Layers::default()
        };
        Plan::from_settings(&layers.load().unwrap()).map(|plan| plan.snapshot)
    }

    #[test]
    fn without_settings_nothing_is_copied() {
        let plan = plan("").unwrap();
        assert!(plan.tables.is_none() && plan.runs.is_empty());
        assert_eq!((plan.rules.parallel, plan.rules.rows_per_sec_max), (2, 0));
    }

    #[test]
    fn a_run_has_a_name_patterns_and_a_condition() {
        let plan = plan(
            "[source]\ntables = [\"shop.*\"]\n[snapshot]\ntables = [\"*.*\"]\nrows_per_sec_max = 5\n\
             [[snapshot.runs]]\nname = \"fix.1\"\ntables = [\"shop.orders\"]\nwhere = \"id > 7\"",
        )
        .unwrap();
        let run = &plan.runs[0];
        assert_eq!(
            (&*run.name, run.condition.as_deref()),
            ("fix.1", Some("id > 7"))
        );
        assert_eq!((plan.rules.rows_per_sec_max, plan.patterns().len()), (5, 1));
    }

    #[test]
    fn a_run_may_have_a_target_of_the_pipelines_own_kind_of_sink() {
        let text = |sink: &str| {
            format!(
                "[sink]\ntype = \"file\"\nfile.path = \"all\"\n[[snapshot.runs]]\nname = \"a\"\n\
                 tables = [\"shop.*\"]\nsink.{sink}"
            )
        };
        let planned = plan(&text("file.path = \"{table}.jsonl\"")).unwrap();
        let target = planned.runs[0].target.as_ref().unwrap();
        assert_eq!(target.to_string(), "{table}.jsonl");
        // Also beside one of the right kind.
        let both = "file.path = \"a\"\nsink.kinesis.stream = \"a\"";
        for other in ["kinesis.stream = \"a\"", both] {
            let refused = plan(&text(other)).unwrap_err();
            assert_eq!(refused.key, "snapshot.runs[0].sink.kinesis.stream");
        }
    }

    #[test]
    fn what_can_mean_nothing_is_refused_with_its_key() {
        let run =
            |text: &str| format!("[source]\ntables = [\"shop.*\"]\n[[snapshot.runs]]\n{text}");
        let twice = "name = \"a\"\ntables = [\"shop.*\"]\n[[snapshot.runs]]\nname = \"a\"\ntables = [\"shop.*\"]";
        for (text, key) in [
            ("[snapshot]\nparallel = 0".to_owned(), "snapshot.parallel"),
            ("[snapshot]\nparallel = 17".to_owned(), "snapshot.parallel"),
            (
                "[snapshot]\ntables = [\"orders\"]".to_owned(),
                "snapshot.tables",
            ),
            (
                "[source]\ntables = [\"shop.*\"]\n[snapshot]\ntables = [\"crm.a\"]".to_owned(),
                "snapshot.tables",
            ),
            (
                run("name = \"tables\"\ntables = [\"shop.*\"]"),
                "snapshot.runs[0].name",
            ),
            (
                run("name = \"a:b\"\ntables = [\"shop.*\"]"),
                "snapshot.runs[0].name",
            ),
            (run(twice), "snapshot.runs[1].name"),
            (run("name = \"a\"\ntables = []"), "snapshot.runs[0].tables"),
            (
                run("name = \"a\"\ntables = [\"crm.a\"]"),
                "snapshot.runs[0].tables",
            ),
            (
                run("name = \"a\"\ntables = [\"shop.*\"]\nwhere = \" \""),
                "snapshot.runs[0].where",
            ),
        ] {
            assert_eq!(plan(&text).unwrap_err().key, key, "{text}");
        }
    }
}
