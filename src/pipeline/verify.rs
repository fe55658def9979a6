//! `verify`: what stands in a stream, in files or in objects of S3, judged line by line; then, if asked, against the source.
//!
//! The verdict goes to stdout, for people or as JSON; findings end with exit code 1. What is judged, and how,
//! stands in the crate `headwater-verify`. Not here: what is named to be read (`inputs`), reading it (`reading`), lines
//! that come in any order (`sorting`), the comparison with the source (`against_source`).

mod against_source;
mod inputs;
mod reading;
mod sorting;

use std::{path::PathBuf, time::Duration};

use headwater_actors::{checkpoint::OrderingKey, failure::Failure, printable::printable_json};
use headwater_verify::{Audit, AuditRules, LaneBy, Prefix};

pub use self::sorting::SortMode;
use self::{
    inputs::{Input, input},
    reading::Reader,
    sorting::Sorting,
};
use super::system;
use crate::{exit::Exit, plan::Plan, terminal};

/// What to read, and how to judge it.
#[derive(Debug, Clone)]
pub struct VerifyMode {
    /// Instead of a stream: files, patterns of files, objects of S3.
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
    /// Lines come in any order.
    pub unordered: Option<SortMode>,
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

/// Reads, judges, prints. Exit 1 when something is wrong.
pub fn verify(plan: Option<Plan>, mode: &VerifyMode) -> anyhow::Result<Exit> {
    let input = input(plan.as_ref(), mode).map_err(Failure::definite)?;
    let is_by_key = |plan: &Plan| !matches!(plan.ordering, OrderingKey::Table);
    let audit = Audit::new(AuditRules {
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
    let system = system::start()?;
    let sorting = mode.unordered.clone().map(Sorting::new);
    let mut reader = Reader::new(&system, audit, sorting);
    match &input {
        Input::Targets(targets) => {
            for paths in targets {
                reader.begin_target();
                paths.iter().try_for_each(|path| reader.file(path))?;
            }
        }
        Input::Named(named) => named.iter().try_for_each(|named| reader.named(named))?,
        Input::Streams(streams) => {
            for stream in streams {
                reader.begin_target();
                reader.stream(stream, streams.len() > 1, mode)?;
            }
        }
    }
    let mut audit = reader.finish()?;
    if let Some(plan) = plan.filter(|_| mode.is_against_source) {
        system.block_on(against_source::compare(&plan, &mut audit))?;
    }
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
