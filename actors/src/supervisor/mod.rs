//! The Supervisor: starts, watches, restarts and drains all other actors.
//!
//! A generation begins at the stored checkpoint and ends with its Router or Checkpointer; the next one starts only
//! when every watch of the old one has fired. A drain is passed in-band behind the data; what does not
//! end within the grace time is stopped and what is durable is stored. What anything means is decided in
//! [`lifecycle`], and done in `perform`. actix's own supervisor is not used: it survives no panic and keeps the
//! old state.

mod deaths;
mod errors;
mod generation;
mod lag;
mod lease;
pub mod lifecycle;
mod notice;
mod parked;
mod perform;
mod report;
mod retention;
mod spawn;
mod states;

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use actix::{Actor, ArbiterHandle, AsyncContext, Context, Handler, Message, SpawnHandle};
use tokio::sync::{oneshot, watch};

use self::{
    deaths::RestartRules,
    generation::Running,
    lifecycle::{Event, Lifecycle},
    report::Report,
};
pub use self::{
    lease::{LeaseLost, LeaseRenewed, LeaseTroubled},
    lifecycle::End,
};
use crate::{
    backoff::Backoff,
    budget::ByteBudget,
    fault,
    messages::{Died, Drained, LaneRetired, LaneWanted},
    on_error::Policy,
    pace::{CheckpointPace, LanePace},
    ports::{
        dead_letters::DeadLetters,
        launcher::{Launch, Launcher},
        store::CheckpointStore,
    },
    reading::ReadRules,
    selection::Selection,
    status::Vitals,
    writer::lines::KeptPlans,
};

/// SIGTERM, SIGINT or SIGHUP: the first drains, the second ends at once.
#[derive(Debug, Clone, Copy, Message)]
#[rtype(result = "()")]
pub struct Shutdown;

/// What the pipeline is made of.
pub struct PipelineParts {
    pub name: String,
    pub launcher: Arc<dyn Launcher>,
    pub store: Arc<dyn CheckpointStore>,
    pub dead_letters: Arc<dyn DeadLetters>,
    pub tables: Selection,
    pub policy: Policy,
    pub reading: ReadRules,
    pub raw: ByteBudget,
    pub encoded: ByteBudget,
    pub checkpoint_pace: CheckpointPace,
    pub lane_pace: LanePace,
    pub grace: Duration,
    /// Waits between tries: a delivery, a connection, a restart.
    pub delivery_backoff: Backoff,
    pub connect_backoff: Backoff,
    pub restart_backoff: Backoff,
    /// Deaths in a row that are forgiven.
    pub strikes_max: u32,
    /// Where Reader, Router and Checkpointer live.
    pub arbiter: ArbiterHandle,
    /// Where the ShardWriters live; at least one.
    pub writer_arbiters: Vec<ArbiterHandle>,
}

pub struct Supervisor {
    parts: PipelineParts,
    lifecycle: Lifecycle,
    /// The launch that the next generation begins with.
    launched: Option<Launch>,
    /// While any of its actors is alive.
    running: Option<Running>,
    next_arbiter: usize,
    /// Of the writers, all together.
    plans: KeptPlans,
    report: Report,
    grace_timer: Option<SpawnHandle>,
    ended: Option<oneshot::Sender<End>>,
}

impl Supervisor {
    /// `ended` is told how the pipeline ended.
    pub fn new(parts: PipelineParts, ended: oneshot::Sender<End>) -> Self {
        let restarts = RestartRules {
            strikes_max: parts.strikes_max,
            forgiven_after: FORGIVEN_AFTER,
            backoff: parts.restart_backoff.clone(),
            on_broken_lane: parts.policy.undecodable,
        };
        Self {
            lifecycle: Lifecycle::new(parts.connect_backoff.clone(), restarts),
            launched: None,
            running: None,
            next_arbiter: 0,
            plans: KeptPlans::default(),
            report: Report::new(parts.name.clone()),
            grace_timer: None,
            ended: Some(ended),
            parts,
        }
    }

    /// What it says of itself unasked, from now until it stops.
    pub fn vitals(&self) -> watch::Receiver<Vitals> {
        self.report.vitals()
    }

    fn died(&mut self, died: Died, ctx: &mut Context<Self>) {
        let Died {
            generation,
            actor,
            cause,
        } = died;
        if !self.lifecycle.is_current(generation) {
            return;
        }
        let actions = self.lifecycle.on(Event::Died {
            actor: actor.clone(),
            cause,
            now: Instant::now(),
            random: fastrand::f64(),
        });
        let is_gone = !self.lifecycle.is_alive(&actor);
        if let Some(running) = self.running.as_mut().filter(|_| is_gone) {
            running.forget(&actor);
        }
        self.weigh();
        self.perform(actions, ctx);
    }
}

impl Actor for Supervisor {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        ctx.set_mailbox_capacity(MAILBOX_CAPACITY);
        ctx.run_interval(GAUGE_INTERVAL, |supervisor, ctx| supervisor.measure(ctx));
        ctx.run_interval(VITALS_INTERVAL, |supervisor, _| {
            supervisor.report.tell_vitals();
            supervisor.report.show_lag();
        });
        self.launch(Duration::ZERO, ctx);
    }
}

impl Handler<Shutdown> for Supervisor {
    type Result = ();

    fn handle(&mut self, Shutdown: Shutdown, ctx: &mut Self::Context) {
        self.on(Event::Signal, ctx);
    }
}

impl Handler<LaneWanted> for Supervisor {
    type Result = ();

    fn handle(&mut self, LaneWanted(lane): LaneWanted, ctx: &mut Self::Context) {
        fault::here("supervisor.lane_wanted");
        self.want_writer(lane, ctx);
    }
}

impl Handler<LaneRetired> for Supervisor {
    type Result = ();

    fn handle(&mut self, LaneRetired(lane): LaneRetired, _ctx: &mut Self::Context) {
        tracing::debug!(%lane, "lane retired");
        if let Some(running) = &mut self.running {
            running.retired(&lane);
        }
        self.report.forget(&lane);
    }
}

impl Handler<Drained> for Supervisor {
    type Result = ();

    fn handle(&mut self, drained: Drained, ctx: &mut Self::Context) {
        if !self.lifecycle.is_current(drained.generation) {
            return;
        }
        if let Some(mark) = &drained.mark {
            tracing::info!(position = %mark.position, rows_done = mark.rows_done, "position stored");
        }
        self.on(Event::Drained, ctx);
    }
}

impl Handler<Died> for Supervisor {
    type Result = ();

    fn handle(&mut self, died: Died, ctx: &mut Self::Context) {
        self.died(died, ctx);
    }
}

const MAILBOX_CAPACITY: usize = 1024;
/// An actor that lived so long since its last death starts with a clean slate.
const FORGIVEN_AFTER: Duration = Duration::from_secs(60);
const GAUGE_INTERVAL: Duration = Duration::from_secs(5);
const VITALS_INTERVAL: Duration = Duration::from_secs(1);
