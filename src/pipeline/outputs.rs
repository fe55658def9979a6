//! What the pipeline writes to, built from the plan: sinks by target, dead letters, and the store of a replay.

use std::{collections::HashMap, sync::Arc};

use anyhow::Context;
use headwater_actors::{
    checkpoint::Checkpoint,
    failure::Failure,
    ports::{
        BoxFuture,
        dead_letters::{DeadLetter, DeadLetters},
        routes::Route,
        sink::Sink,
        store::{CheckpointStore, Stored},
    },
};
use headwater_binlog::schema::TableName;
use tokio::{
    runtime::{Builder, Runtime},
    sync::{Mutex, OnceCell},
};

use super::routes::Formats;
use crate::{
    lease::gate::LeaseGate,
    plan::{Plan, SinkPlan, Template},
    sinks::{
        LeasedSink, StreamDescription, dead_letter::DeadLetterFile, file::FileSink,
        firehose::FirehoseSink, kinesis::KinesisSink, null::NullSink, stdout::StdoutSink,
        stream::Streams,
    },
};

/// The sinks, each connected once and kept for every generation, with the threads that AWS calls run on.
pub struct Outputs {
    plan: Plan,
    gate: LeaseGate,
    streams: Option<Streams>,
    /// By target.
    sinks: Mutex<HashMap<String, Arc<SinkCell>>>,
    /// Ends last: the calls of all sinks run on it.
    _runtime: Option<Runtime>,
}

type SinkCell = OnceCell<Arc<dyn Sink>>;

impl Outputs {
    /// Nothing is sent but under `gate`.
    pub fn new(plan: &Plan, gate: &LeaseGate) -> anyhow::Result<Self> {
        let in_flight_bytes_max = match &plan.sink {
            SinkPlan::Kinesis(kinesis) => Some(kinesis.in_flight_bytes_max),
            SinkPlan::Firehose(firehose) => Some(firehose.in_flight_bytes_max),
            SinkPlan::File(_) | SinkPlan::Stdout | SinkPlan::Null => None,
        };
        let runtime = match in_flight_bytes_max {
            Some(_) => {
                let mut builder = Builder::new_multi_thread();
                builder
                    .worker_threads(AWS_THREADS)
                    .thread_name("aws")
                    .enable_all();
                Some(builder.build().context("start the threads for AWS")?)
            }
            None => None,
        };
        let streams = runtime
            .as_ref()
            .zip(in_flight_bytes_max)
            .map(|(runtime, bytes_max)| {
                Streams::new(runtime.handle(), bytes_max).behind(gate.clone())
            });
        Ok(Self {
            plan: plan.clone(),
            gate: gate.clone(),
            streams,
            sinks: Mutex::default(),
            _runtime: runtime,
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
        std::iter::once((None, self.plan.sink.clone()))
            .chain(routes)
            .collect()
    }

    /// How the table leaves, in one of `formats`; its sink connected.
    pub async fn route(&self, table: &TableName, formats: &Formats) -> Result<Route, Failure> {
        let route = self.plan.route_of(table);
        let place = format!("table '{table}' goes by {}", route.place());
        let plan = route.sink(&self.plan.sink, table).map_err(|error| {
            let target = route.target.as_ref().map_or("", Template::key);
            Failure::definite(format!("{place}: `{target}` gives it no name: {error}")).with_hint(
                "put a [[routes]] for this table before that one, with a target without placeholders, \
                 or exclude the table",
            )
        })?;
        let sink = self.sink(&plan).await;
        let packing = &route.packing;
        Ok(Route {
            sink: sink.map_err(|failure| named(Some(&place), failure))?,
            encoder: formats.encoder(&route.format),
            packing: packing.kind,
            compression: packing.compression,
            partition_key: packing.partition_key.clone(),
            record_bytes_max: packing.record_bytes_max,
        })
    }

    /// The target's sink; the first call connects. Targets do not wait for each other.
    async fn sink(&self, plan: &SinkPlan) -> Result<Arc<dyn Sink>, Failure> {
        let target = match plan {
            SinkPlan::Kinesis(kinesis) => kinesis.stream.clone(),
            SinkPlan::Firehose(firehose) => firehose.delivery_stream.clone(),
            SinkPlan::File(file) => file.path.display().to_string(),
            SinkPlan::Stdout | SinkPlan::Null => String::new(),
        };
        let cell = Arc::clone(self.sinks.lock().await.entry(target).or_default());
        let sink = cell.get_or_try_init(|| self.open(plan)).await?;
        Ok(Arc::clone(sink))
    }

    async fn open(&self, plan: &SinkPlan) -> Result<Arc<dyn Sink>, Failure> {
        Ok(match plan {
            SinkPlan::Kinesis(plan) => {
                let (sink, description) = KinesisSink::connect(plan, self.streams()?).await?;
                describe("kinesis", &description);
                Arc::new(sink)
            }
            SinkPlan::Firehose(plan) => {
                let (sink, description) = FirehoseSink::connect(plan, self.streams()?).await?;
                describe("firehose", &description);
                Arc::new(sink)
            }
            SinkPlan::File(plan) => LeasedSink::around(Arc::new(FileSink::open(plan)?), &self.gate),
            SinkPlan::Stdout => LeasedSink::around(Arc::new(StdoutSink::start()?), &self.gate),
            SinkPlan::Null => Arc::new(NullSink),
        })
    }

    fn streams(&self) -> Result<&Streams, Failure> {
        let streams = self.streams.as_ref();
        streams.ok_or_else(|| Failure::definite("no threads for AWS were started"))
    }

    /// What `check` says of each target, without opening anything for writing.
    pub async fn describe(&self) -> Vec<Result<String, Failure>> {
        let mut found = Vec::new();
        for (route, plan) in self.known_targets() {
            let described = self.describe_one(&plan).await;
            found.push(match route {
                None => described,
                Some(route) => described
                    .map(|text| format!("{route}: {text}"))
                    .map_err(|failure| named(Some(&route), failure)),
            });
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

    async fn describe_one(&self, plan: &SinkPlan) -> Result<String, Failure> {
        let description = match plan {
            SinkPlan::Kinesis(plan) => KinesisSink::describe(plan, self.streams()?).await?,
            SinkPlan::Firehose(plan) => FirehoseSink::describe(plan, self.streams()?).await?,
            SinkPlan::File(plan) => return Ok(format!("file {}", plan.path.display())),
            SinkPlan::Stdout => return Ok("stdout".into()),
            SinkPlan::Null => return Ok("null".into()),
        };
        let shards = description
            .open_shards
            .map_or_else(String::new, |shards| format!(", {shards} open shards"));
        Ok(format!(
            "{} is {}{shards}, records up to {} bytes",
            description.name, description.status, description.record_bytes_max
        ))
    }
}

/// The top level's own failures name their stream already.
fn named(place: Option<&str>, failure: Failure) -> Failure {
    let Some(place) = place else { return failure };
    Failure {
        message: format!("{place}: {}", failure.message),
        ..failure
    }
}

fn describe(kind: &str, description: &StreamDescription) {
    tracing::info!(
        sink = kind,
        stream = description.name,
        status = description.status,
        open_shards = description.open_shards,
        record_bytes_max = description.record_bytes_max,
        "sink connected"
    );
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
    fn load(&self) -> BoxFuture<'static, Result<Stored, Failure>> {
        Box::pin(async { Ok(Stored::default()) })
    }

    fn save(&self, _checkpoint: Checkpoint) -> BoxFuture<'static, Result<(), Failure>> {
        Box::pin(async { Ok(()) })
    }

    fn clear(&self) -> BoxFuture<'static, Result<(), Failure>> {
        Box::pin(async { Ok(()) })
    }
}

const AWS_THREADS: usize = 2;
