//! Settings composed and checked as a whole: each component's own plan, and that they fit together.
//!
//! What one component's options may be stands in its folder; those of no single component (packing, errors, routes,
//! memory) stand here. Each error names the key and the remedy. Not here: anything that needs a server (see `check`).

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use headwater_actors::{checkpoint::OrderingKey, filter::TableFilter};
use serde::Deserialize;

pub use crate::options::Error;
use crate::{
    checkpoint::{CheckpointOptions, CheckpointPlan},
    encode::{
        Format, FormatOptions,
        native::{NativeOptions, NativePlan},
        shape::{ColumnsOptions, MaskOptions, ShapePlan},
    },
    lease::work::Work,
    mysql::{SourceOptions, SourcePlan},
    settings::Loaded,
    sinks::{SinkOptions, SinkPlan, Template},
    snapshot::{SnapshotOptions, SnapshotPlan},
    telemetry::{TelemetryOptions, TelemetryPlan},
    warehouse::{WarehouseOptions, WarehousePlan},
};

mod errors;
mod packing;
mod resources;
mod routes;
mod runs;
mod targets;

use self::{
    errors::ErrorsOptions,
    packing::PackingOptions,
    resources::{MemoryOptions, ShutdownOptions, WorkersOptions},
    routes::{OrderingOptions, Routed},
};
pub use self::{
    errors::ErrorsPlan, packing::PackingPlan, resources::MemoryPlan, routes::RoutePlan,
};

/// The tree of `config/default.toml`: each section as its component reads it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Settings {
    name: String,
    source: SourceOptions,
    snapshot: SnapshotOptions,
    sink: SinkOptions,
    format: FormatOptions,
    native: NativeOptions,
    columns: ColumnsOptions,
    mask: MaskOptions,
    packing: PackingOptions,
    ordering: OrderingOptions,
    errors: ErrorsOptions,
    checkpoint: CheckpointOptions,
    telemetry: TelemetryOptions,
    shutdown: ShutdownOptions,
    memory: MemoryOptions,
    workers: WorkersOptions,
    warehouse: WarehouseOptions,
}

#[derive(Debug, Clone)]
pub struct Plan {
    pub name: String,
    pub source: SourcePlan,
    pub tables: TableFilter,
    pub snapshot: SnapshotPlan,
    pub sink: SinkPlan,
    /// The first that matches a table decides.
    pub routes: Vec<RoutePlan>,
    /// For tables without a route.
    pub top: RoutePlan,
    /// Of all tables.
    pub shape: ShapePlan,
    /// Of all tables whose format it is.
    pub native: Arc<NativePlan>,
    pub ordering: OrderingKey,
    pub errors: ErrorsPlan,
    pub checkpoint: CheckpointPlan,
    pub telemetry: TelemetryPlan,
    pub shutdown_grace: Duration,
    pub memory: MemoryPlan,
    /// Arbiters (threads) over which the ShardWriters are spread.
    pub writer_threads: usize,
    pub warehouse: WarehousePlan,
}

impl Plan {
    /// Reads and checks all settings, and `source.password_file`.
    pub fn from_settings(loaded: &Loaded) -> Result<Self, Error> {
        let settings: Settings = loaded.read()?;
        let name = name(&settings.name)?;
        let sink = settings.sink.plan()?;
        let native = Arc::new(settings.native.plan()?);
        let common = routes::Common {
            sink: &sink,
            native: &native,
            pipeline: &name,
        };
        let top = Routed {
            format: settings.format,
            packing: settings.packing,
            ordering: settings.ordering,
        };
        let top = top.plan(&common)?;
        let routes = routes::routes(loaded, &common)?;
        let source = settings.source.plan()?;
        let warehouse = settings.warehouse.plan(&source.aws)?;
        let work = work(&source, settings.source.tables(), &sink, &routes);
        let checkpoint = settings.checkpoint.plan(&source, work)?;
        let tables = checkpoint.tables_sent(settings.source.tables())?;
        let runs = runs::runs(loaded, &sink)?;
        let snapshot = settings.snapshot.plan(&runs, &tables)?;
        let sink = match checkpoint.call_max() {
            Some(longest) => sink.with_calls_of_at_most(longest),
            None => sink,
        };
        let shape = ShapePlan::of(&settings.columns, &settings.mask)?;
        native.ensure_query_shows_nothing_hidden(&shape)?;
        for route in routes.iter().chain([&top]) {
            route.format.ensure_query_shows_nothing_hidden(&shape)?;
        }
        Ok(Self {
            name,
            source,
            tables,
            snapshot,
            shape,
            native,
            ordering: routes::ordering(&routes, &top),
            errors: settings.errors.plan()?,
            checkpoint,
            telemetry: settings.telemetry.plan()?,
            shutdown_grace: settings.shutdown.grace()?,
            memory: settings.memory.plan(&sink, routes.iter().chain([&top]))?,
            writer_threads: settings.workers.threads()?,
            warehouse,
            sink,
            routes,
            top,
        })
    }

    /// Whether a format has a use for the text of the statements that changed rows.
    pub fn wants_queries(&self) -> bool {
        self.formats().any(Format::shows_query)
    }

    /// How often heartbeats are wanted, where a format has any.
    pub fn heartbeat(&self) -> Option<Duration> {
        self.formats().find_map(Format::heartbeat)
    }

    pub fn formats(&self) -> impl Iterator<Item = &Format> {
        let routes = self.routes.iter().chain([&self.top]);
        routes.map(|route| &route.format)
    }

    /// What is allowed but seldom meant, one sentence each; `check` shows them.
    pub fn warnings(&self) -> Vec<String> {
        let mut warnings = packing::warnings("", &self.top);
        for route in &self.routes {
            let place = format!("{}: ", route.place());
            warnings.extend(packing::warnings(&place, route));
        }
        // Those of the native format are the same for all of its routes.
        let mut formats = self.formats().map(Format::warnings);
        let format = formats.find(|warnings| !warnings.is_empty());
        let others = format.into_iter().flatten().chain(self.sink.warning());
        warnings.extend(others.map(str::to_owned));
        warnings.extend(self.source.warning());
        warnings
    }
}

/// For who finds our claim on the checkpoint store.
fn work(source: &SourcePlan, tables: &[String], sink: &SinkPlan, routes: &[RoutePlan]) -> Work {
    let hosts = source.hosts.iter();
    let hosts: BTreeSet<String> = hosts
        .map(|host| format!("{}:{}", host.name, host.port))
        .collect();
    let kind = sink.facts().name;
    let own = std::iter::once(sink.target());
    let others = routes.iter().filter_map(|route| route.target.as_ref());
    let targets: BTreeSet<String> = own.chain(others.map(Template::to_string)).collect();
    Work::new(
        &Vec::from_iter(hosts).join("\n"),
        &tables.join("\n"),
        &format!("{kind}\n{}", Vec::from_iter(targets).join("\n")),
    )
}

fn name(name: &str) -> Result<String, Error> {
    let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"_.-".contains(&byte);
    if name.is_empty() || name.len() > 64 || !name.bytes().all(is_allowed) {
        return Err(Error::new(
            "name",
            format!("\"{name}\" is no name for a pipeline"),
            "write 1 to 64 letters, digits, \"_\", \".\", \"-\"",
        ));
    }
    Ok(name.to_owned())
}

#[cfg(test)]
mod tests;
