//! The composition root: the one file that knows everyone, with its parts in `pipeline/`.
//!
//! [`run`] builds what the plan names, binds the telemetry listener before anything runs, starts the
//! Supervisor and waits for its end or a signal. Nothing is decided here: what a generation needs before
//! it reads stands in `launch`, what is checked in `check`.

mod audit;
mod check;
mod column_checks;
mod ending;
mod field_names;
mod lake;
mod launch;
mod name_case;
mod outputs;
mod position;
mod replay_letters;
mod resume_table;
mod routes;
mod snapshot;
mod snapshot_checks;
mod standby;
mod system;
mod verify;
mod warehouse;

use std::{path::PathBuf, sync::Arc, time::Duration};

use actix::{Actor, Arbiter};
use anyhow::Context;
use headwater_actors::{
    backoff::Backoff,
    budget::ByteBudget,
    failure::Failure,
    on_error::Policy,
    pace::LanePace,
    ports::{dead_letters::DeadLetters, launcher::Launcher, store::CheckpointStore},
    reading::ReadRules,
    selection::Selection,
    supervisor::{End, PipelineParts, Supervisor},
};
use tokio::sync::{mpsc::UnboundedReceiver, oneshot};

pub use self::{
    audit::{AuditMode, audit},
    check::{Creates, check},
    lake::ensure_generated,
    position::position_set,
    replay_letters::replay_dead_letters,
    resume_table::{discard_parked, resume_table},
    snapshot::{FOLLOWED, SnapshotStart, snapshot_start},
    system::prepare,
    verify::{SortMode, VerifyMode, ensure_verifiable, verify},
    warehouse::{WarehouseMode, ensure_mergeable, warehouse},
};
use self::{
    launch::{FileLauncher, ServerLauncher},
    outputs::{Forgetful, Outputs},
    standby::Signals,
    system::Prepared,
};
use crate::{
    checkpoint::{self, LeaseEvent, Opened},
    exit::Exit,
    lease::gate::LeaseGate,
    mysql::Target,
    plan::Plan,
    telemetry::{Telemetry, logs},
};

/// What to read and when to stop.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunMode {
    pub until: RunUntil,
    pub source: RunSource,
}

/// As the command line says it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RunUntil {
    /// A signal.
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
pub fn run(prepared: Prepared, plan: Plan, mode: RunMode) -> anyhow::Result<Exit> {
    let Prepared { system, signals } = prepared;
    logs::start(plan.telemetry.log_format).context("start the log")?;
    let gate = match mode.source {
        RunSource::Server => checkpoint::gate(&plan.checkpoint),
        RunSource::Files(_) => LeaseGate::open(),
    };
    let outputs = Arc::new(Outputs::new(&plan, &gate)?);
    let end = system.block_on(stream(plan, mode, signals, Arc::clone(&outputs), gate))?;
    drop(outputs);
    Ok(match end {
        End::Drained => {
            tracing::info!("drained");
            Exit::Success
        }
        End::Halted(_) => Exit::Halted,
        End::GraceOver => Exit::GraceOver,
    })
}

async fn stream(
    plan: Plan,
    mode: RunMode,
    mut signals: Signals,
    outputs: Arc<Outputs>,
    gate: LeaseGate,
) -> anyhow::Result<End> {
    let telemetry = Telemetry::start(&plan.telemetry, &plan.name)?;
    let mut opened = None;
    // Files give the lines that the server gave.
    let heartbeat = match mode.source {
        RunSource::Server => plan.heartbeat(),
        RunSource::Files(_) => None,
    };
    let (launcher, store): (Arc<dyn Launcher>, Arc<dyn CheckpointStore>) = match mode.source {
        RunSource::Server => {
            let ours = standby::open(&plan, &outputs, &gate, &telemetry, &mut signals).await?;
            let Some(ours) = ours else {
                tracing::info!("stopped before streaming");
                telemetry.stop().await;
                return Ok(End::Drained);
            };
            let store = Arc::clone(&ours.store);
            opened = Some(ours);
            let launcher =
                ServerLauncher::new(plan.clone(), mode.until, Arc::clone(&store), outputs);
            (Arc::new(launcher), store)
        }
        RunSource::Files(files) => {
            let launcher = FileLauncher::new(plan.clone(), files, outputs);
            (Arc::new(launcher), Arc::new(Forgetful))
        }
    };
    let dead_letters = outputs::dead_letters(&plan)?;
    let task = Task {
        tables: Selection::from(plan.tables.clone()),
        policy: Policy {
            oversize: plan.errors.oversize,
            undecodable: plan.errors.undecodable,
        },
        launcher,
        store,
        lease_events: opened.as_mut().map(Opened::take_events),
        dead_letters,
        heartbeat,
    };
    let store = Arc::clone(&task.store);
    let end = drive(&plan, task, signals, telemetry).await;
    ending::note(store.as_ref(), &end).await;
    if let Some(opened) = opened {
        opened.give_back().await;
    }
    end
}

/// What the pipeline is run for: all tables, or one that was parked.
struct Task {
    tables: Selection,
    policy: Policy,
    launcher: Arc<dyn Launcher>,
    store: Arc<dyn CheckpointStore>,
    lease_events: Option<UnboundedReceiver<LeaseEvent>>,
    dead_letters: Arc<dyn DeadLetters>,
    heartbeat: Option<Duration>,
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
    let parts = PipelineParts {
        name: plan.name.clone(),
        launcher: task.launcher,
        store: task.store,
        dead_letters: task.dead_letters,
        tables: task.tables,
        policy: task.policy,
        reading: ReadRules {
            event_bytes_max: plan.source.event_bytes_max,
            keeps_queries: plan.wants_queries(),
            xa: plan.source.xa,
            ..ReadRules::default()
        },
        raw: ByteBudget::new(plan.memory.raw_bytes),
        encoded: ByteBudget::new(plan.memory.encoded_bytes),
        checkpoint_pace: plan.checkpoint.pace,
        lane_pace: LanePace {
            idle: LANE_IDLE,
            heartbeat: task.heartbeat,
        },
        grace: plan.shutdown_grace,
        delivery_backoff: Backoff::new(Duration::from_millis(50), Duration::from_secs(5)),
        connect_backoff: Backoff::new(Duration::from_millis(250), Duration::from_secs(15)),
        restart_backoff: Backoff::new(Duration::from_millis(100), Duration::from_secs(10)),
        strikes_max: STRIKES_MAX,
        arbiter: arbiter.handle(),
        writer_arbiters: writer_arbiters.iter().map(Arbiter::handle).collect(),
    };
    let (ended, end) = oneshot::channel();
    let supervisor = Supervisor::new(parts, ended);
    let vitals = supervisor.vitals();
    let supervisor = supervisor.start();
    telemetry.attach(supervisor.clone().recipient(), vitals);
    if let Some(events) = task.lease_events {
        actix::spawn(standby::pass_events_on(events, supervisor.clone()));
    }
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

/// A lane with nothing open for so long is retired, its metrics too.
const LANE_IDLE: Duration = Duration::from_secs(600);
/// Deaths of one actor in a row after which a human must look.
const STRIKES_MAX: u32 = 5;
