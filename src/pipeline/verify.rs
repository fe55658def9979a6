//! `verify`: what stands in a stream or in files, judged line by line; then, if asked, against the source.
//!
//! The verdict goes to stdout, for people or as JSON; findings end with exit code 1. What is judged, and how,
//! stands in the crate `headwater-verify`.

use std::{
    cmp::Ordering,
    collections::{BTreeMap, BTreeSet, HashMap, HashSet},
    path::PathBuf,
    time::Duration,
};

use headwater_actors::{
    checkpoint::OrderingKey, failure::Failure, printable::printable_json, snapshot::SETTINGS_RUN,
};
use headwater_binlog::schema::TableName;
use headwater_verify::{
    Audit, AuditRules, Image, LaneBy, Live, Place, Prefix, SourceReport, TooManyKeys, column_hash,
    key_hash,
};

use super::system;
use crate::{
    encode::native::Documents,
    exit::Exit,
    mysql::{self, JsonColumns, TableRead},
    plan::Plan,
    sinks::{
        SinkPlan,
        file::rotated,
        kinesis::reading::{self, Reading},
        read_back::{self, ReadBack},
        stream::StreamPlan,
    },
    terminal,
};

/// What to read, and how to judge it.
#[derive(Debug, Clone)]
pub struct VerifyMode {
    /// Instead of a stream.
    pub files: Vec<PathBuf>,
    /// Instead of the sink's.
    pub streams: Vec<String>,
    pub counter: Option<String>,
    /// Of flat lines, instead of that of the settings.
    pub prefix: Option<String>,
    pub judges_images: bool,
    pub is_against_source: bool,
    pub until_idle: Option<Duration>,
    pub reads_per_sec: u32,
    pub window: usize,
    pub keys_max: usize,
    pub is_json: bool,
}

enum Input {
    /// Of each target, or as they were named.
    Files(Vec<Vec<PathBuf>>),
    Streams(Vec<StreamPlan>),
}

/// Whether the settings say what to read, in a form that can be judged; the text says what to do.
pub fn ensure_verifiable(plan: Option<&Plan>, mode: &VerifyMode) -> Result<(), String> {
    input(plan, mode)?;
    let Some(plan) = plan else {
        return Ok(());
    };
    let mut routes = plan.routes.iter().chain([&plan.top]);
    let other = routes.find(|route| !route.format.is_verifiable());
    if let Some(route) = other.filter(|_| mode.files.is_empty() && mode.streams.is_empty()) {
        return Err(format!(
            "the format of {} is not \"native\", and no other can be verified; name the streams that are, with --stream",
            route.place()
        ));
    }
    if mode.is_against_source && !plan.shape.keeps_everything() {
        return Err(
            "columns are masked or left out: they cannot be compared with the source; leave out --against-source"
                .to_owned(),
        );
    }
    Ok(())
}

fn input(plan: Option<&Plan>, mode: &VerifyMode) -> Result<Input, String> {
    let Some(plan) = plan.filter(|_| mode.files.is_empty()) else {
        return Ok(Input::Files(vec![mode.files.clone()]));
    };
    match plan.sink.read_back() {
        Some(ReadBack::Stream(top)) => streams(plan, &top, &mode.streams).map(Input::Streams),
        Some(ReadBack::Rotated(path)) => files(plan, path).map(Input::Files),
        None => Err(
            "what this sink.type wrote cannot be read back; name files, as `headwater verify FILE…`"
                .to_owned(),
        ),
    }
}

fn streams(plan: &Plan, top: &StreamPlan, named: &[String]) -> Result<Vec<StreamPlan>, String> {
    let of_name = |name: &String| StreamPlan {
        stream: name.clone(),
        ..top.clone()
    };
    if !named.is_empty() {
        return Ok(named.iter().map(of_name).collect());
    }
    let stream =
        |(place, sink): (String, Option<SinkPlan>)| match sink.and_then(|sink| sink.read_back()) {
            Some(ReadBack::Stream(stream)) => Ok(stream),
            _ => Err(format!(
                "the stream of {place} has a placeholder; name all streams to read with --stream"
            )),
        };
    let routes: Result<Vec<_>, String> = route_targets(plan).map(stream).collect();
    let runs: Result<Vec<_>, String> = run_targets(plan).map(stream).collect();
    let all = targets_in_order(top.clone(), routes?, runs?, |one, other| {
        one.stream.cmp(&other.stream)
    });
    Ok(all)
}

/// Snapshots last: their rows are judged by the changes before them.
fn targets_in_order<T>(
    top: T,
    mut routes: Vec<T>,
    mut runs: Vec<T>,
    compare: impl Fn(&T, &T) -> Ordering,
) -> Vec<T> {
    routes.push(top);
    for targets in [&mut routes, &mut runs] {
        targets.sort_by(&compare);
        targets.dedup_by(|one, other| compare(one, other).is_eq());
    }
    let is_new = |run: &T| !routes.iter().any(|route| compare(route, run).is_eq());
    runs.retain(is_new);
    routes.append(&mut runs);
    routes
}

/// By place; `None` where the target has a placeholder.
fn route_targets(plan: &Plan) -> impl Iterator<Item = (String, Option<SinkPlan>)> {
    let routes = plan.routes.iter().filter(|route| route.target.is_some());
    routes.map(|route| (route.place(), route.literal_sink(&plan.sink)))
}

/// Of runs of snapshots that have one of their own.
fn run_targets(plan: &Plan) -> impl Iterator<Item = (String, Option<SinkPlan>)> {
    plan.snapshot.runs.iter().filter_map(|run| {
        let name = run.target.as_ref()?.literal().map(str::to_owned);
        let sink = name.map(|name| plan.sink.clone().with_target(name));
        Some((format!("run {} of snapshots", run.name), sink))
    })
}

/// Those of the top level and of all other targets, each file with those that were closed before it.
fn files(plan: &Plan, top: PathBuf) -> Result<Vec<Vec<PathBuf>>, String> {
    let file = |(place, sink): (String, Option<SinkPlan>)| match sink
        .and_then(|sink| sink.read_back())
    {
        Some(ReadBack::Rotated(path)) => Ok(path),
        _ => Err(format!(
            "the file of {place} has a placeholder; name all files to read, as `headwater verify FILE…`"
        )),
    };
    let routes: Result<Vec<_>, String> = route_targets(plan).map(file).collect();
    let runs: Result<Vec<_>, String> = run_targets(plan).map(file).collect();
    let files = targets_in_order(top, routes?, runs?, PathBuf::cmp);
    let files: Result<Vec<_>, Failure> = files.iter().map(|path| rotated(path)).collect();
    files.map_err(|failure| failure.to_string())
}

/// Reads, judges, prints. Exit 1 when something is wrong.
pub fn verify(plan: Option<Plan>, mode: &VerifyMode) -> anyhow::Result<Exit> {
    let input = input(plan.as_ref(), mode).map_err(Failure::definite)?;
    let is_by_key = |plan: &Plan| !matches!(plan.ordering, OrderingKey::Table);
    let mut audit = Audit::new(AuditRules {
        counter: mode.counter.clone(),
        prefix: match (&mode.prefix, &plan) {
            (Some(prefix), _) => Prefix::new(prefix),
            (None, Some(plan)) => Prefix::new(&plan.native.prefix),
            (None, None) => Prefix::default(),
        },
        judges_images: mode.judges_images,
        lane_by: match plan.as_ref().is_some_and(is_by_key) {
            true => LaneBy::Key,
            false => LaneBy::Table,
        },
        window: mode.window,
        keys_max: mode.keys_max,
    });
    system::start()?.block_on(async {
        match input {
            Input::Files(targets) => {
                for paths in &targets {
                    audit.begin_target();
                    read_files(paths, &mut audit)?;
                }
            }
            Input::Streams(streams) => {
                for stream in &streams {
                    audit.begin_target();
                    read_stream(stream, streams.len() > 1, mode, &mut audit).await?;
                }
            }
        }
        match plan.filter(|_| mode.is_against_source) {
            Some(plan) => compare(&plan, &mut audit).await,
            None => Ok(()),
        }
    })?;
    let report = audit.finish();
    if mode.is_json {
        terminal::page(&format!(
            "{}\n",
            printable_json(serde_json::to_string(&report)?)
        ))?;
    } else {
        terminal::page(&format!("{report}\n"))?;
    }
    Ok(if report.is_clean() {
        Exit::Success
    } else {
        Exit::Halted
    })
}

fn read_files(paths: &[PathBuf], audit: &mut Audit) -> Result<(), Failure> {
    let place = Place {
        shard: "",
        lane: None,
    };
    for path in paths {
        read_back::read_lines(path, &mut |line| {
            audit.count_record();
            take(audit, place, line)
        })?;
    }
    Ok(())
}

/// Several streams have shards of the same names.
async fn read_stream(
    stream: &StreamPlan,
    is_one_of_many: bool,
    mode: &VerifyMode,
    audit: &mut Audit,
) -> Result<(), Failure> {
    let pace = Reading {
        reads_per_sec: mode.reads_per_sec,
        until_idle: mode.until_idle,
    };
    reading::read(stream, pace, &mut |record| {
        audit.count_record();
        let shard = match is_one_of_many {
            true => format!("{}/{}", stream.stream, record.shard),
            false => record.shard.to_owned(),
        };
        let place = Place {
            shard: &shard,
            lane: Some(record.partition_key),
        };
        take(audit, place, record.data)
    })
    .await
}

fn take(audit: &mut Audit, place: Place<'_>, record: &[u8]) -> Result<(), Failure> {
    let mut outcome = Ok(());
    let unpacked = headwater_verify::lines(record, &mut |line| {
        if outcome.is_ok() {
            outcome = audit.take(place, line).map(drop);
        }
    });
    if let Err(malformed) = unpacked {
        audit.unreadable(place.shard, &malformed.to_string());
    }
    outcome.map_err(|error: TooManyKeys| {
        Failure::definite(error.to_string()).with_hint("raise --keys-max, at most 300 bytes a key")
    })
}

/// The newest line of each row against the row.
async fn compare(plan: &Plan, audit: &mut Audit) -> Result<(), Failure> {
    let mut live = audit.live();
    let copied: HashSet<String> = audit.copied(SETTINGS_RUN).into_iter().collect();
    let names: BTreeSet<&String> = live.keys().chain(&copied).collect();
    let tables: Vec<TableName> = names
        .into_iter()
        .filter_map(|name| {
            let (database, table) = name.split_once('.')?;
            Some(TableName {
                database: database.to_owned(),
                table: table.to_owned(),
            })
        })
        .collect();
    let mut source = SourceReport::default();
    let (mut wrong, mut lost) = (BTreeMap::new(), BTreeMap::new());
    let json = match plan.native.documents {
        Documents::Inline => JsonColumns::Compared,
        Documents::String => JsonColumns::PassedOver,
    };
    mysql::read_tables(&plan.source, json, &tables, &mut |read| {
        match read {
            TableRead::Row(name, columns) => {
                let name = name.to_string();
                let rows = live.entry(name.clone()).or_default();
                match is_same(&name, &columns, rows) {
                    Same::Yes => source.rows_compared += 1,
                    Same::No => {
                        source.rows_compared += 1;
                        *wrong.entry(name).or_default() += 1;
                    }
                    Same::NotCompared => source.rows_not_compared += 1,
                    Same::Unknown => {
                        source.rows_unknown += 1;
                        *lost.entry(name).or_default() += 1;
                    }
                }
            }
            TableRead::NotCompared(name) => {
                live.remove(&name.to_string());
                source.tables_not_compared.push(name.to_string());
            }
            TableRead::Absent(_) => {}
        }
        Ok(())
    })
    .await?;
    audit.compared(source);
    for (table, amount) in wrong {
        audit.contradict(
            &table,
            amount,
            "rows whose newest line has other values than the source",
        );
    }
    for (table, amount) in lost.into_iter().filter(|(table, _)| copied.contains(table)) {
        audit.miss(
            &table,
            amount,
            "rows of the source that neither its snapshot nor a change has brought",
        );
    }
    for (table, rows) in live {
        let amount = rows.len() as u64;
        audit.contradict(
            &table,
            amount,
            "rows that the source no longer has, by their newest line",
        );
    }
    Ok(())
}

enum Same {
    Yes,
    No,
    NotCompared,
    Unknown,
}

fn is_same(
    table: &str,
    columns: &[(&str, serde_json::Value, bool)],
    rows: &mut HashMap<u64, Live>,
) -> Same {
    let (mut key, mut image) = (Image::default(), Image::default());
    for (name, value, is_key) in columns {
        let column = column_hash(name, value);
        image.add(name, column);
        if *is_key {
            key.add(name, column);
        }
    }
    match rows.remove(&key_hash(table, key)) {
        None => Same::Unknown,
        Some(live) if live.image == image => Same::Yes,
        Some(live) if live.is_altered || live.image.columns != image.columns => Same::NotCompared,
        Some(_) => Same::No,
    }
}
