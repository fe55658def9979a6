//! The Supervisor: starts, watches, restarts and drains all other actors.
//!
//! A generation begins at the stored checkpoint and ends with its Router or Checkpointer; the next one starts only
//! when every watch of the old one has fired. A drain is passed in-band behind the data; what does not
//! end within the grace time is stopped and what is durable is stored. What a death means is decided in
//! [`lifecycle`]. actix's own supervisor is not used: it survives no panic and keeps the old state.

mod generation;
mod halting;
mod lease;
pub mod lifecycle;
mod parked;
mod report;
mod spawn;
mod states;

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use actix::{
    Actor, ActorContext, ActorFutureExt, ArbiterHandle, AsyncContext, Context, Handler, Message,
    SpawnHandle, WrapFuture,
};
use tokio::sync::oneshot;

pub use self::lease::{LeaseLost, LeaseTroubled};
use self::{
    generation::Running,
    lifecycle::{Lifecycle, Phase, Verdict},
    report::Report,
};
use crate::{
    backoff::Backoff,
    budget::ByteBudget,
    failure::Failure,
    fault,
    lane::Lane,
    messages::{
        ActorId, Died, Drain, Drained, Generation, LaneLost, LaneRetired, LaneTrouble, LaneWanted,
        StoreLast,
    },
    metrics as names,
    on_error::Policy,
    pace::{CheckpointPace, LanePace},
    ports::{
        dead_letters::DeadLetters,
        launcher::{Launch, Launcher},
        store::CheckpointStore,
    },
    reading::ReadRules,
    selection::Selection,
    status::State,
};

/// How the pipeline ended.
#[derive(Debug, PartialEq)]
pub enum End {
    Drained,
    Halted(Failure),
    GraceOver,
}

/// SIGTERM or SIGINT: the first drains, the second ends at once.
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
    running: Option<Running>,
    generation: Generation,
    launch_backoff: Backoff,
    /// Before the generation that follows a dead one.
    relaunch_wait: Duration,
    /// What was read from the server before is being delivered; then the next generation begins on another.
    is_moving: bool,
    next_arbiter: usize,
    report: Report,
    end: Option<End>,
    grace_timer: Option<SpawnHandle>,
    ended: Option<oneshot::Sender<End>>,
}

impl Supervisor {
    /// `ended` is told how the pipeline ended.
    pub fn new(parts: PipelineParts, ended: oneshot::Sender<End>) -> Self {
        Self {
            lifecycle: Lifecycle::new(parts.strikes_max, FORGIVEN_AFTER, parts.policy.undecodable),
            running: None,
            generation: Generation::default(),
            launch_backoff: parts.connect_backoff.clone(),
            relaunch_wait: Duration::ZERO,
            is_moving: false,
            next_arbiter: 0,
            report: Report::new(parts.name.clone()),
            end: None,
            grace_timer: None,
            ended: Some(ended),
            parts,
        }
    }

    fn launch(&mut self, after: Duration, ctx: &mut Context<Self>) {
        self.lifecycle.enter(Phase::Launching);
        let launcher = Arc::clone(&self.parts.launcher);
        let effect = async move {
            tokio::time::sleep(after).await;
            launcher.launch().await
        };
        ctx.spawn(effect.into_actor(self).map(|outcome, supervisor, ctx| {
            if supervisor.lifecycle.phase() != Phase::Launching {
                return;
            }
            match outcome {
                Ok(launch) => supervisor.launched(launch, ctx),
                Err(failure) if failure.is_definite() => supervisor.halt(failure, ctx),
                Err(failure) => supervisor.launch_again(failure, ctx),
            }
        }));
    }

    fn launch_again(&mut self, failure: Failure, ctx: &mut Context<Self>) {
        let wait = self.launch_backoff.next_wait(fastrand::f64());
        tracing::warn!(error = %failure, hint = failure.hint.as_deref(), retry_in = ?wait, "cannot start yet");
        self.report.state(State::BackingOff);
        self.report.error("supervisor", &failure);
        self.launch(wait, ctx);
    }

    fn launched(&mut self, launch: Launch, ctx: &mut Context<Self>) {
        self.launch_backoff.reset();
        self.generation.0 += 1;
        self.report.late(false);
        self.report.generation(self.generation);
        metrics::gauge!(names::GENERATION).set(self.generation.0 as f64);
        let mark = &launch.from.mark;
        tracing::info!(
            generation = self.generation.0,
            position = %mark.position,
            rows_done = mark.rows_done,
            epoch = launch.from.epoch,
            "generation starts"
        );
        self.lifecycle.enter(Phase::Running);
        self.running = Some(self.spawn_generation(launch, ctx));
        self.spawn_reader(None, ctx);
    }

    fn died(&mut self, died: Died, ctx: &mut Context<Self>) {
        let Some(running) = self
            .running
            .as_mut()
            .filter(|running| running.number == died.generation)
        else {
            return;
        };
        running.died(&died.actor);
        let is_dead = running.is_dead();
        self.weigh();
        let verdict = self
            .lifecycle
            .died(&died.actor, &died.cause, Instant::now());
        match verdict {
            Verdict::Expected => self.died_as_expected(is_dead, ctx),
            Verdict::Halt(failure)
                if died.actor == ActorId::Reader && self.lifecycle.phase() == Phase::Running =>
            {
                self.halt_behind_the_data(failure, ctx);
            }
            Verdict::Halt(failure) => self.halt(failure, ctx),
            Verdict::Park(failure) => self.park(died.actor, failure),
            Verdict::Restart { strikes } => {
                let wait = self.restarting(&died, strikes);
                self.restart(died.actor, wait, ctx);
            }
            Verdict::NewGeneration { strikes } => {
                self.relaunch_wait = self.restarting(&died, strikes);
                self.end_generation(ctx);
            }
            Verdict::MoveOn { strikes } => {
                self.relaunch_wait = self.restarting(&died, strikes);
                self.move_on(ctx);
            }
        }
    }

    fn died_as_expected(&mut self, is_dead: bool, ctx: &mut Context<Self>) {
        match self.lifecycle.phase() {
            Phase::Ending if is_dead => {
                self.running = None;
                self.launch(self.relaunch_wait, ctx);
            }
            Phase::Closing if is_dead || !self.can_store() => self.finish(ctx),
            _ => (),
        }
    }

    fn can_store(&self) -> bool {
        self.running
            .as_ref()
            .is_some_and(|running| running.is_alive(&ActorId::Checkpointer))
    }

    /// Counts, logs, and says how long to wait.
    fn restarting(&mut self, died: &Died, strikes: u32) -> Duration {
        let label = if died.cause == crate::messages::Cause::Panicked {
            "panic"
        } else {
            "failure"
        };
        metrics::counter!(names::ACTOR_RESTARTS_TOTAL, "actor" => died.actor.kind(), "cause" => label)
            .increment(1);
        let mut backoff = self.parts.restart_backoff.clone();
        let wait = (0..strikes)
            .map(|_| backoff.next_wait(fastrand::f64()))
            .last()
            .unwrap_or_default();
        tracing::warn!(actor = %died.actor, cause = %died.cause, strikes, restart_in = ?wait, "actor died");
        self.report.restarted(&died.actor, &died.cause);
        wait
    }

    fn restart(&mut self, actor: ActorId, wait: Duration, ctx: &mut Context<Self>) {
        let Some(running) = &self.running else { return };
        let generation = running.number;
        match actor {
            ActorId::ShardWriter(lane) => {
                running.router.do_send(LaneLost(Arc::clone(&lane)));
                self.later(wait, generation, ctx, move |supervisor, ctx| {
                    supervisor.want_writer(lane, ctx)
                });
            }
            ActorId::Reader if self.lifecycle.phase() == Phase::Draining => {
                // What it had read is with the Router; the drain goes on from there.
                running.router.do_send(Drain::AtCut);
            }
            ActorId::Reader => {
                self.report.state(State::BackingOff);
                self.later(wait, generation, ctx, Self::resume_reader);
            }
            ActorId::Router | ActorId::Checkpointer => (),
        }
    }

    /// Runs `then` after the wait, if the generation still lives.
    fn later(
        &self,
        wait: Duration,
        generation: Generation,
        ctx: &mut Context<Self>,
        then: impl FnOnce(&mut Self, &mut Context<Self>) + 'static,
    ) {
        ctx.run_later(wait, move |supervisor, ctx| {
            let is_live = matches!(
                supervisor.lifecycle.phase(),
                Phase::Running | Phase::Draining
            ) && supervisor
                .running
                .as_ref()
                .is_some_and(|running| running.number == generation);
            if is_live {
                then(supervisor, ctx);
            }
        });
    }

    /// Stops all actors; the next generation starts when the last of them is dead.
    fn end_generation(&mut self, ctx: &mut Context<Self>) {
        let was_told_to_end =
            self.lifecycle.phase() == Phase::Draining && self.grace_timer.is_some();
        if was_told_to_end {
            // What is stored is right; there is no one left to deliver more.
            return self.close(End::GraceOver, ctx);
        }
        self.end = None;
        self.is_moving = false;
        self.report.state(State::BackingOff);
        self.lifecycle.enter(Phase::Ending);
        if let Some(running) = &self.running {
            running.stop();
        }
    }

    /// Stores what is durable, then ends: as `end` says, unless it was halting already.
    fn close(&mut self, end: End, ctx: &mut Context<Self>) {
        if self.lifecycle.phase() == Phase::Closing {
            return;
        }
        self.lifecycle.enter(Phase::Closing);
        self.end.get_or_insert(end);
        match &self.running {
            Some(running) if self.can_store() => {
                if let Some(reader) = &running.reader {
                    reader.do_send(crate::messages::Stop);
                }
                running.checkpointer.do_send(StoreLast { drained: false });
                ctx.run_later(LAST_STORE_TIME, |supervisor, ctx| supervisor.finish(ctx));
            }
            _ => self.finish(ctx),
        }
    }

    fn drain(&mut self, ctx: &mut Context<Self>) {
        match self.lifecycle.phase() {
            Phase::Launching if self.generation == Generation::default() => {
                tracing::info!("stopped before streaming");
                self.close(End::Drained, ctx);
            }
            Phase::Launching | Phase::Ending => {
                tracing::warn!("stopped between two generations; what was durable is stored");
                self.close(End::GraceOver, ctx);
            }
            Phase::Draining if self.grace_timer.is_some() => {
                tracing::warn!("second signal: stopping at once; what is durable is stored");
                self.close(End::GraceOver, ctx);
            }
            // Draining: the source had ended, and all that was read is being delivered.
            Phase::Running | Phase::Draining => {
                tracing::info!(grace = ?self.parts.grace, "draining");
                let has_ended = self.lifecycle.phase() == Phase::Draining;
                self.is_moving = false;
                self.lifecycle.enter(Phase::Draining);
                self.report.state(State::Draining);
                let timer = ctx.run_later(self.parts.grace, |supervisor, ctx| {
                    tracing::error!(
                        "grace time over, some lanes were not delivered; what is durable is stored"
                    );
                    supervisor.close(End::GraceOver, ctx);
                });
                self.grace_timer = Some(timer);
                if let Some(running) = &self.running {
                    match &running.reader {
                        Some(reader) if !has_ended => reader.do_send(Drain::AtCut),
                        _ => running.router.do_send(Drain::AtCut),
                    }
                }
            }
            Phase::Closing => (),
        }
    }

    fn finish(&mut self, ctx: &mut Context<Self>) {
        if let Some(running) = self.running.take() {
            running.stop();
        }
        self.report.state(State::Stopped);
        if let (Some(ended), Some(end)) = (self.ended.take(), self.end.take())
            && ended.send(end).is_err()
        {
            tracing::debug!("nobody waits for the end");
        }
        ctx.stop();
    }

    fn lane_troubled(&mut self, lane: &Arc<Lane>, failure: &Failure) {
        if self.report.trouble(lane, failure, Instant::now()) {
            tracing::warn!(%lane, error = %failure, hint = failure.hint.as_deref(), "delivery failed, trying again");
        }
    }
}

impl Actor for Supervisor {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        ctx.set_mailbox_capacity(MAILBOX_CAPACITY);
        ctx.run_interval(GAUGE_INTERVAL, |supervisor, ctx| supervisor.measure(ctx));
        self.launch(Duration::ZERO, ctx);
    }
}

impl Handler<Shutdown> for Supervisor {
    type Result = ();

    fn handle(&mut self, Shutdown: Shutdown, ctx: &mut Self::Context) {
        self.drain(ctx);
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

impl Handler<LaneTrouble> for Supervisor {
    type Result = ();

    fn handle(&mut self, LaneTrouble { lane, failure }: LaneTrouble, _ctx: &mut Self::Context) {
        self.lane_troubled(&lane, &failure);
    }
}

impl Handler<Drained> for Supervisor {
    type Result = ();

    fn handle(&mut self, drained: Drained, ctx: &mut Self::Context) {
        if self.generation != drained.generation {
            return;
        }
        if let Some(mark) = &drained.mark {
            tracing::info!(position = %mark.position, rows_done = mark.rows_done, "position stored");
        }
        if self.is_moving && self.lifecycle.phase() == Phase::Draining {
            return self.end_generation(ctx);
        }
        if self.lifecycle.phase() != Phase::Closing {
            self.lifecycle.enter(Phase::Closing);
            self.end.get_or_insert(End::Drained);
        }
        self.finish(ctx);
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
/// For the last write of the position when not everything could be delivered.
const LAST_STORE_TIME: Duration = Duration::from_secs(3);
const GAUGE_INTERVAL: Duration = Duration::from_secs(5);
