//! What the Supervisor does when its twin says so: one step for every [`Action`]; nothing is decided here.

use std::{sync::Arc, time::Duration};

use actix::{
    ActorContext, ActorFutureExt, AsyncContext, Context, Handler, Message, SpawnHandle, WrapFuture,
};

use super::{
    Supervisor,
    lifecycle::{Action, End, Event},
};
use crate::{
    messages::{Drain, Generation, LaneLost, LanePoisoned, Stop, StoreLast},
    metrics as names,
    reader::Reader,
    router::Router,
    status::State,
};

impl Supervisor {
    pub(super) fn on(&mut self, event: Event, ctx: &mut Context<Self>) {
        let actions = self.lifecycle.on(event);
        self.perform(actions, ctx);
    }

    pub(super) fn perform(&mut self, actions: Vec<Action>, ctx: &mut Context<Self>) {
        for action in actions {
            self.step(action, ctx);
        }
    }

    fn step(&mut self, action: Action, ctx: &mut Context<Self>) {
        match action {
            Action::Launch { after } => self.launch(after, ctx),
            Action::Begin(generation) => self.begin(generation, ctx),
            Action::RestartReader { after } => {
                self.report.state(State::BackingOff);
                self.later(after, ctx, Self::resume_reader);
            }
            Action::RestartWriter { lane, after } => {
                self.to_router(LaneLost(Arc::clone(&lane)));
                self.later(after, ctx, |supervisor, ctx| {
                    supervisor.want_writer(lane, ctx);
                });
            }
            Action::Park { lane, failure } => {
                self.to_router(LaneLost(Arc::clone(&lane)));
                self.to_router(LanePoisoned { lane, failure });
            }
            Action::DrainReader => self.to_reader(Drain::AtCut),
            Action::DrainRouter(mode) => self.to_router(mode),
            Action::StartGraceTime => self.start_grace_time(ctx),
            Action::StopAll => {
                self.report.state(State::BackingOff);
                if let Some(running) = &self.running {
                    running.stop();
                }
            }
            Action::StoreLast => self.store_last(ctx),
            Action::Finish(end) => self.finish(end, ctx),
            Action::Tell(notice) => self.tell(notice),
        }
    }

    pub(super) fn launch(&mut self, after: Duration, ctx: &mut Context<Self>) {
        self.running = None;
        let launcher = Arc::clone(&self.parts.launcher);
        let effect = async move {
            tokio::time::sleep(after).await;
            launcher.launch().await
        };
        ctx.spawn(effect.into_actor(self).map(|outcome, supervisor, ctx| {
            let event = match outcome {
                Ok(launch) => {
                    supervisor.launched = Some(launch);
                    Event::Launched
                }
                Err(failure) => Event::LaunchFailed {
                    failure,
                    random: fastrand::f64(),
                },
            };
            supervisor.on(event, ctx);
        }));
    }

    fn begin(&mut self, generation: Generation, ctx: &mut Context<Self>) {
        let Some(launch) = self.launched.take() else {
            return;
        };
        self.report.late(false);
        self.report.generation(generation);
        metrics::gauge!(names::GENERATION).set(generation.0 as f64);
        let mark = &launch.from.resume.mark;
        tracing::info!(
            generation = generation.0,
            position = %mark.position,
            rows_done = mark.rows_done,
            epoch = launch.from.home.epoch,
            "generation starts"
        );
        self.running = Some(self.spawn_generation(generation, launch, ctx));
        self.spawn_reader(None, ctx);
    }

    /// Runs `then` after the wait, if the generation still lives.
    pub(super) fn later(
        &self,
        wait: Duration,
        ctx: &mut Context<Self>,
        then: impl FnOnce(&mut Self, &mut Context<Self>) + 'static,
    ) -> SpawnHandle {
        let generation = self.lifecycle.generation();
        ctx.run_later(wait, move |supervisor, ctx| {
            if supervisor.lifecycle.is_live(generation) {
                then(supervisor, ctx);
            }
        })
    }

    fn start_grace_time(&mut self, ctx: &mut Context<Self>) {
        let timer = self.later(self.parts.grace, ctx, |supervisor, ctx| {
            supervisor.on(Event::GraceOver, ctx);
        });
        if let Some(before) = self.grace_timer.replace(timer) {
            ctx.cancel_future(before);
        }
    }

    fn store_last(&mut self, ctx: &mut Context<Self>) {
        self.to_reader(Stop);
        if let Some(running) = &self.running {
            running.checkpointer.do_send(StoreLast { drained: false });
        }
        ctx.run_later(LAST_STORE_TIME, |supervisor, ctx| {
            supervisor.on(Event::LastStoreTimeOver, ctx);
        });
    }

    fn finish(&mut self, end: End, ctx: &mut Context<Self>) {
        if let Some(running) = self.running.take() {
            running.stop();
        }
        self.report.state(State::Stopped);
        if let Some(ended) = self.ended.take()
            && ended.send(end).is_err()
        {
            tracing::debug!("nobody waits for the end");
        }
        ctx.stop();
    }

    pub(super) fn to_reader<M>(&self, message: M)
    where
        M: Message<Result = ()> + Send + 'static,
        Reader: Handler<M>,
    {
        let running = self.running.as_ref();
        if let Some(reader) = running.and_then(|running| running.reader.as_ref()) {
            reader.do_send(message);
        }
    }

    fn to_router<M>(&self, message: M)
    where
        M: Message<Result = ()> + Send + 'static,
        Router: Handler<M>,
    {
        if let Some(running) = &self.running {
            running.router.do_send(message);
        }
    }
}

/// For the last write of the position when not everything could be delivered.
const LAST_STORE_TIME: Duration = Duration::from_secs(3);
