//! What the pipeline writes to, built from the plan: sinks by target, dead letters, and the store of a replay.

use std::{collections::HashMap, sync::Arc};

use anyhow::Context;
use headwater_actors::{
    checkpoint::Checkpoint,
    failure::Failure,
    lane::Lane,
    ports::{
        BoxFuture,
        dead_letters::{DeadLetter, DeadLetters},
        routes::{Route, Target},
        sink::Sink,
        store::{CheckpointStore, LastEnd, Stored},
    },
};
use headwater_binlog::schema::TableName;
use tokio::sync::{Mutex, OnceCell};

use super::routes::Formats;
use crate::{
    lease::gate::LeaseGate,
    plan::{Plan, RoutePlan},
    sinks::{Shared, SinkPlan, Template, dead_letter::DeadLetterFile},
};

/// The sinks, each connected once and kept for every generation, with the threads that AWS calls run on.
pub struct Outputs {
    plan: Plan,
    /// By target.
    sinks: Mutex<HashMap<String, Arc<SinkCell>>>,
    /// Ends last: the calls of all sinks run on its threads.
    shared: Shared,
}

/// What is asked of a target before anything is sent to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Asking {
    /// Whether it is there.
    Presence,
    /// And whether the role may write to it: a call that writes, though with what can never be taken.
    Permissions,
}

type SinkCell = OnceCell<Arc<dyn Sink>>;

impl Outputs {
    /// Nothing is sent but under `gate`.
    pub fn new(plan: &Plan, gate: &LeaseGate) -> anyhow::Result<Self> {
        let shared = Shared::new(&plan.sink, gate).context("start the threads for AWS")?;
        Ok(Self {
            plan: plan.clone(),
            sinks: Mutex::default(),
            shared,
        })
    }

    /// Connects every target that is known without a table.
    pub async fn connect(&self) -> Result<(), Failure> {
        for (route, plan) in self.known_targets() {
            let connected = self.sink(&plan).await;
            connected.map_err(|failure| named(route.as_deref(), failure))?;
        }
        Ok(())
    }

    /// The top level's target, and with their names those of routes without a placeholder.
    fn known_targets(&self) -> Vec<(Option<String>, SinkPlan)> {
        let routes = self.plan.routes.iter().filter_map(|route| {
            let sink = route.literal_sink(&self.plan.sink)?;
            Some((Some(route.place()), sink))
        });
        let runs = self.plan.snapshot.runs.iter().filter_map(|run| {
            let name = run.target.as_ref()?.literal()?;
            let sink = self.plan.sink.clone().with_target(name.to_owned());
            Some((Some(format!("run {} of snapshots", run.name)), sink))
        });
        std::iter::once((None, self.plan.sink.clone()))
            .chain(routes)
            .chain(runs)
            .collect()
    }

    /// How the lane leaves, in one of `formats`; its sink connected.
    pub async fn route(&self, lane: &Lane, formats: &Formats) -> Result<Route, Failure> {
        let table = &lane.table;
        if let Some(run) = &lane.run {
            return self.route_apart(run, table, formats).await;
        }
        let route = self.plan.route_of(table);
        let place = format!("table '{table}' goes by {}", route.place());
        let plan = route.sink(&self.plan.sink, table).map_err(|error| {
            let target = route.target.as_ref().map_or("", Template::key);
            Failure::definite(format!("{place}: `{target}` gives it no name")).because(error).with_hint(
                "put a [[routes]] for this table before that one, with a target without placeholders, \
                 or exclude the table",
            )
        })?;
        let sink = self.sink(&plan).await;
        let sink = sink.map_err(|failure| named(Some(&place), failure))?;
        Ok(route.through(sink, formats))
    }

    /// As the table's changes leave, but to the run's own target.
    async fn route_apart(
        &self,
        run: &str,
        table: &TableName,
        formats: &Formats,
    ) -> Result<Route, Failure> {
        let mut runs = self.plan.snapshot.runs.iter();
        let found = runs.find(|it| &*it.name == run);
        let Some(target) = found.and_then(|run| run.target.as_ref()) else {
            return Err(Failure::definite(format!(
                "run {run} of snapshots has no target of its own any more, and {table} is being copied to it"
            ))
            .with_hint("write it into [[snapshot.runs]] again as it was; or `headwater snapshot cancel`, and give what is left a run of another name"));
        };
        let place = format!("table '{table}' of run {run}");
        let name = target.of(table).map_err(|error| {
            Failure::definite(format!("{place}: `{}` gives it no name", target.key()))
                .because(error)
        })?;
        let sink = self.sink(&self.plan.sink.clone().with_target(name)).await;
        let sink = sink.map_err(|failure| named(Some(&place), failure))?;
        Ok(self.plan.route_of(table).through(sink, formats))
    }

    /// The target's sink; the first call connects. Targets do not wait for each other.
    async fn sink(&self, plan: &SinkPlan) -> Result<Arc<dyn Sink>, Failure> {
        let target = plan.target();
        let cell = Arc::clone(self.sinks.lock().await.entry(target).or_default());
        let sink = cell.get_or_try_init(|| plan.open(&self.shared)).await?;
        Ok(Arc::clone(sink))
    }

    /// By name.
    pub async fn connected(&self) -> Vec<Target> {
        let sinks = self.sinks.lock().await;
        let connected = sinks.iter().filter_map(|(target, sink)| {
            Some(Target {
                name: target.clone(),
                throttled: sink.get()?.throttled(),
            })
        });
        let mut targets: Vec<Target> = connected.collect();
        targets.sort_by(|one, other| one.name.cmp(&other.name));
        targets
    }

    /// What `check` says of each target, without opening anything for writing.
    pub async fn describe(&self, asking: Asking) -> Vec<Result<String, Failure>> {
        let mut found = Vec::new();
        for (route, plan) in self.known_targets() {
            let described = plan.describe(&self.shared).await;
            let is_there = described.is_ok();
            found.push(labelled(route.as_deref(), described));
            if is_there && asking == Asking::Permissions {
                let tried = plan.try_put(&self.shared).await;
                found.extend(tried.map(|tried| labelled(route.as_deref(), tried)));
            }
        }
        for route in &self.plan.routes {
            if let Some(template) = &route.target
                && template.literal().is_none()
            {
                let route = route.place();
                found.push(Ok(format!(
                    "{route}: \"{template}\", looked at when a table first needs it"
                )));
            }
        }
        found
    }
}

impl RoutePlan {
    fn through(&self, sink: Arc<dyn Sink>, formats: &Formats) -> Route {
        Route {
            sink,
            encoder: formats.encoder(&self.format),
            packing: self.packing.kind,
            compression: self.packing.compression,
            partition_key: self.packing.partition_key.clone(),
            record_bytes_max: self.packing.record_bytes_max,
        }
    }
}

fn labelled(route: Option<&str>, found: Result<String, Failure>) -> Result<String, Failure> {
    match route {
        None => found,
        Some(route) => found
            .map(|text| format!("{route}: {text}"))
            .map_err(|failure| named(Some(route), failure)),
    }
}

/// The top level's own failures name their stream already.
fn named(place: Option<&str>, failure: Failure) -> Failure {
    match place {
        Some(place) => failure.within(place),
        None => failure,
    }
}

/// The dead-letter file where the settings name one.
pub fn dead_letters(plan: &Plan) -> Result<Arc<dyn DeadLetters>, Failure> {
    Ok(match &plan.errors.dead_letter_path {
        Some(path) => Arc::new(DeadLetterFile::open(path)?),
        None => Arc::new(NoDeadLetters),
    })
}

/// Without a file the policy is to halt, and nothing arrives here.
struct NoDeadLetters;

impl DeadLetters for NoDeadLetters {
    fn bury(&self, _letter: DeadLetter) -> BoxFuture<'static, Result<(), Failure>> {
        Box::pin(async { Err(Failure::definite("errors.dead_letter_path is not set")) })
    }
}

/// The store of a replay: the files are read anew each time, and the live pipeline's position stays its own.
pub struct Forgetful;

impl CheckpointStore for Forgetful {
    fn keeps(&self) -> bool {
        false
    }

    fn load(&self) -> BoxFuture<'static, Result<Stored, Failure>> {
        Box::pin(async { Ok(Stored::default()) })
    }

    fn save(&self, _checkpoint: Checkpoint) -> BoxFuture<'static, Result<(), Failure>> {
        Box::pin(async { Ok(()) })
    }

    fn clear(&self) -> BoxFuture<'static, Result<(), Failure>> {
        Box::pin(async { Ok(()) })
    }

    fn note_end(&self, _end: LastEnd) -> BoxFuture<'static, Result<(), Failure>> {
        Box::pin(async { Ok(()) })
    }
}
