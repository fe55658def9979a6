//! What the pipeline writes to, built from the plan: sink, dead letters, and the store of a replay.

use std::sync::Arc;

use anyhow::Context;
use headwater_actors::{
    checkpoint::Checkpoint,
    failure::Failure,
    ports::{
        BoxFuture,
        dead_letters::{DeadLetter, DeadLetters},
        sink::Sink,
        store::{CheckpointStore, Stored},
    },
};
use tokio::{
    runtime::{Builder, Runtime},
    sync::Mutex,
};

use crate::{
    plan::{Plan, SinkPlan},
    sinks::{
        StreamDescription, dead_letter::DeadLetterFile, file::FileSink, firehose::FirehoseSink,
        kinesis::KinesisSink, null::NullSink, stdout::StdoutSink,
    },
};

/// The sink, connected once and kept for every generation, with the threads that AWS calls run on.
pub struct Outputs {
    plan: SinkPlan,
    runtime: Option<Runtime>,
    sink: Mutex<Option<Arc<dyn Sink>>>,
}

impl Outputs {
    pub fn new(plan: &Plan) -> anyhow::Result<Self> {
        let runtime = match plan.sink {
            SinkPlan::Kinesis(_) | SinkPlan::Firehose(_) => {
                let mut builder = Builder::new_multi_thread();
                builder
                    .worker_threads(AWS_THREADS)
                    .thread_name("aws")
                    .enable_all();
                Some(builder.build().context("start the threads for AWS")?)
            }
            SinkPlan::File(_) | SinkPlan::Stdout | SinkPlan::Null => None,
        };
        Ok(Self {
            plan: plan.sink.clone(),
            runtime,
            sink: Mutex::new(None),
        })
    }

    /// The connected sink; the first call connects.
    pub async fn sink(&self) -> Result<Arc<dyn Sink>, Failure> {
        let mut kept = self.sink.lock().await;
        if let Some(sink) = &*kept {
            return Ok(Arc::clone(sink));
        }
        let sink: Arc<dyn Sink> = match (&self.plan, &self.runtime) {
            (SinkPlan::Kinesis(plan), Some(runtime)) => {
                let (sink, description) = KinesisSink::connect(plan, runtime.handle()).await?;
                describe("kinesis", &description);
                Arc::new(sink)
            }
            (SinkPlan::Firehose(plan), Some(runtime)) => {
                let (sink, description) = FirehoseSink::connect(plan, runtime.handle()).await?;
                describe("firehose", &description);
                Arc::new(sink)
            }
            (SinkPlan::Kinesis(_) | SinkPlan::Firehose(_), None) => {
                return Err(Failure::definite("no threads for AWS were started"));
            }
            (SinkPlan::File(plan), _) => Arc::new(FileSink::open(plan)?),
            (SinkPlan::Stdout, _) => Arc::new(StdoutSink::start()?),
            (SinkPlan::Null, _) => Arc::new(NullSink),
        };
        *kept = Some(Arc::clone(&sink));
        Ok(sink)
    }

    /// What `check` says of the sink, without opening anything for writing.
    pub async fn describe(&self) -> Result<String, Failure> {
        let description = match (&self.plan, &self.runtime) {
            (SinkPlan::Kinesis(plan), Some(runtime)) => {
                KinesisSink::describe(plan, runtime.handle()).await?
            }
            (SinkPlan::Firehose(plan), Some(runtime)) => {
                FirehoseSink::describe(plan, runtime.handle()).await?
            }
            (SinkPlan::Kinesis(_) | SinkPlan::Firehose(_), None) => {
                return Err(Failure::definite("no threads for AWS were started"));
            }
            (SinkPlan::File(plan), _) => return Ok(format!("file {}", plan.path.display())),
            (SinkPlan::Stdout, _) => return Ok("stdout".into()),
            (SinkPlan::Null, _) => return Ok("null".into()),
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
