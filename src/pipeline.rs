//! The composition root: the one file that knows everyone, with its parts in `pipeline/`.
//!
//! [`run`] builds what the plan names, binds the telemetry listener before anything runs, starts the
//! Supervisor and waits for its end or a signal. Nothing is decided here: what a generation needs before
//! it reads stands in `launch`, what is checked in `check`.

mod check;
mod columns;
mod launch;
mod outputs;
mod position;
mod replay_letters;
mod resume_table;
mod routes;
mod verbatim;
mod verify;

use std::{path::PathBuf, sync::Arc, time::Duration};

use actix::{Actor, Addr, Arbiter, System};
use anyhow::Context;
use headwater_actors::{
    backoff::Backoff,
    budget::ByteBudget,
    failure::Failure,
    ports::{dead_letters::DeadLetters, launcher::Launcher, store::CheckpointStore},
    reader::intake,
    selection::Selection,
    supervisor::{End, Parts, Shutdown, Supervisor},
    writer::poison::Policy,
};
use tokio::{
    signal::unix::{Signal, SignalKind, signal},
    sync::oneshot,
};

pub use self::{
    check::check,
    position::position_set,
    replay_letters::replay_dead_letters,
    resume_table::{discard_parked, resume_table},
    verify::{VerifyMode, ensure_verifiable, verify},
};
use self::{
    launch::{FileLauncher, ServerLauncher},
    outputs::{Forgetful, Outputs},
};
use crate::{
    checkpoint::file::FileStore,
    exit::Exit,
    plan::{Plan, Target},
    telemetry::{Telemetry, logs},
};

/// What to read and when to stop.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunMode {
    pub until: Until,
    pub source: RunSource,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Until {
    /// SIGTERM or SIGINT.
    Never,
    /// The position that the source had at the start is durable.
    Now,
    At(Target),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RunSource {
    Server,
    /// Binlog files, in this order.
    Files(Vec<PathBuf>),
}

/// Streams until `mode.until` or a signal.
pub fn run(plan: Plan, mode: RunMode) -> anyhow::Result<Exit> {
    logs::start(plan.telemetry.log_format).context("start the log")?;
    let outputs = Arc::new(Outputs::new(&plan)?);
    let end = System::new().block_on(stream(plan, mode, Arc::clone(&outputs)))?;
    drop(outputs);
    Ok(match end {
        End::Drained => {
            tracing::info!("drained");
            Exit::Drained
        }
        End::Halted(_) => Exit::Halted,
        End::GraceOver => Exit::GraceOver,
    })
}

async fn stream(plan: Plan, mode: RunMode, outputs: Arc<Outputs>) -> anyhow::Result<End> {
    // Before anything slow: a signal while it starts is kept for the Supervisor.
    let signals = Signals::listen().context("listen for signals")?;
    let telemetry = Telemetry::start(&plan.telemetry)?;
    let dead_letters = outputs::dead_letters(&plan)?;
    let (launcher, store): (Arc<dyn Launcher>, Arc<dyn CheckpointStore>) = match mode.source {
        RunSource::Server => {
            let store = Arc::new(FileStore::open(&plan.checkpoint.file, &plan.name)?);
            let store: Arc<dyn CheckpointStore> = store;
            let launcher =
                ServerLauncher::new(plan.clone(), mode.until, Arc::clone(&store), outputs);
            (Arc::new(launcher), store)
        }
        RunSource::Files(files) => {
            let launcher = FileLauncher::new(plan.clone(), files, outputs);
            (Arc::new(launcher), Arc::new(Forgetful))
        }
    };
    let task = Task {
        tables: Selection::from(plan.tables.clone()),
        policy: Policy {
            oversize: plan.errors.oversize,
            undecodable: plan.errors.undecodable,
        },
        launcher,
        store,
        dead_letters,
    };
    drive(&plan, task, signals, telemetry).await
}

/// What the pipeline is run for: all tables, or one that was parked.
struct Task {
    tables: Selection,
    policy: Policy,
    launcher: Arc<dyn Launcher>,
    store: Arc<dyn CheckpointStore>,
    dead_letters: Arc<dyn DeadLetters>,
}

/// Runs the pipeline to its end.
async fn drive(
    plan: &Plan,
    task: Task,
    signals: Signals,
    telemetry: Telemetry,
) -> anyhow::Result<End> {
    let arbiter = Arbiter::new();
    let writer_arbiters: Vec<Arbiter> = (0..plan.writer_threads.max(1))
        .map(|_| Arbiter::new())
        .collect();
    let parts = Parts {
        name: plan.name.clone(),
        launcher: task.launcher,
        store: task.store,
        dead_letters: task.dead_letters,
        tables: task.tables,
        policy: task.policy,
        reading: intake::Rules {
            event_bytes_max: plan.source.event_bytes_max,
            keeps_queries: plan.wants_queries(),
            xa: plan.source.xa,
        },
        raw: ByteBudget::new(plan.memory.raw_bytes),
        encoded: ByteBudget::new(plan.memory.encoded_bytes),
        checkpoint_pace: plan.checkpoint.pace,
        lane_idle: LANE_IDLE,
        grace: plan.shutdown_grace,
        delivery_backoff: Backoff::new(Duration::from_millis(50), Duration::from_secs(5)),
        connect_backoff: Backoff::new(Duration::from_millis(250), Duration::from_secs(15)),
        restart_backoff: Backoff::new(Duration::from_millis(100), Duration::from_secs(10)),
        strikes_max: STRIKES_MAX,
        arbiter: arbiter.handle(),
        writer_arbiters: writer_arbiters.iter().map(Arbiter::handle).collect(),
    };
    let (ended, end) = oneshot::channel();
    let supervisor = Supervisor::new(parts, ended).start();
    telemetry.attach(supervisor.clone().recipient());
    let signals = actix::spawn(signals.pass_on(supervisor));
    let end = end.await.map_err(|_| {
        Failure::definite("the supervisor panicked").with_hint(
            "this is a defect of the program: report it with the panic that the log shows; \
             a restart goes on from the stored position",
        )
    })?;
    signals.abort();
    telemetry.stop().await;
    for arbiter in writer_arbiters.iter().chain([&arbiter]) {
        arbiter.stop();
    }
    Ok(end)
}

/// The first signal drains, the second ends at once.
struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    fn listen() -> std::io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
        })
    }

    async fn pass_on(mut self, supervisor: Addr<Supervisor>) {
        loop {
            tokio::select! {
                _ = self.terminate.recv() => (),
                _ = self.interrupt.recv() => (),
            }
            supervisor.do_send(Shutdown);
        }
    }
}

/// A lane with nothing open for so long is retired, its metrics too.
const LANE_IDLE: Duration = Duration::from_secs(600);
/// Deaths of one actor in a row after which a human must look.
const STRIKES_MAX: u32 = 5;
