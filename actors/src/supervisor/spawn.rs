//! How the Supervisor brings actors to life: who knows whom, and on which thread they run.

use std::sync::Arc;

use actix::{ActorFutureExt, Addr, AsyncContext, Context, Handler, Message, WrapFuture};

use super::{Supervisor, generation::Running, lifecycle::Event};
use crate::{
    backoff::Backoff,
    checkpointer::{self, Checkpointer},
    failure::Failure,
    lane::Lane,
    messages::{ActorId, Generation, LaneReady, ResumeFrom, Writer},
    ports::{launcher::Launch, routes::Route},
    progress::Resume,
    reader::{self, Reader, ReaderParts},
    reading::ReadRules,
    router::{self, Checkpointing, Router},
    watch::DeathWatch,
    writer::{ShardWriter, WriterParts, buffer::RecordRules},
};

impl Supervisor {
    pub(super) fn spawn_generation(
        &mut self,
        generation: Generation,
        launch: Launch,
        ctx: &mut Context<Self>,
    ) -> Running {
        let supervisor = ctx.address();
        let selection = self.parts.tables.clone().without(&launch.from.parked);
        let checkpointer = {
            let watch = watch(&supervisor, generation, ActorId::Checkpointer);
            let checkpointer = Checkpointer::new(
                generation,
                launch.from.clone(),
                self.parts.checkpoint_pace,
                self.parts.connect_backoff.clone(),
                Arc::clone(&self.parts.store),
                checkpointer::Supervising {
                    drained: supervisor.clone().recipient(),
                    state: supervisor.clone().recipient(),
                    committed: supervisor.clone().recipient(),
                },
                watch.clone(),
            );
            self.lifecycle.born(ActorId::Checkpointer);
            watch.start(&self.parts.arbiter, checkpointer)
        };
        let router = {
            let watch = watch(&supervisor, generation, ActorId::Router);
            let router = Router::new(
                &launch.from,
                selection.clone(),
                self.parts.lane_pace,
                Checkpointing {
                    opened: checkpointer.clone().recipient(),
                    park: checkpointer.clone().recipient(),
                    finished: checkpointer.clone().recipient(),
                    last: checkpointer.clone().recipient(),
                },
                router::Supervising {
                    wanted: supervisor.clone().recipient(),
                    retired: supervisor.clone().recipient(),
                    parked: supervisor.clone().recipient(),
                },
                watch.clone(),
            );
            self.lifecycle.born(ActorId::Router);
            watch.start(&self.parts.arbiter, router)
        };
        Running::new(generation, launch, selection, router, checkpointer)
    }

    /// A Reader that begins at `from`, or where the generation does.
    pub(super) fn spawn_reader(&mut self, from: Option<Resume>, ctx: &mut Context<Self>) {
        let Some(running) = &mut self.running else {
            return;
        };
        let supervisor = ctx.address();
        let parts = ReaderParts {
            source: Arc::clone(&running.launch.source),
            until: running.launch.until.clone(),
            tables: running.selection.clone(),
            rules: ReadRules {
                name_case: running.launch.name_case,
                epoch: running.launch.from.home.epoch,
                may_be_cut: running.launch.source.may_be_cut(),
                ..self.parts.reading.clone()
            },
            raw: self.parts.raw.clone(),
            backoff: self.parts.connect_backoff.clone(),
            is_held: self.report.is_late(),
            router: running.router.clone().recipient(),
            drain: running.router.clone().recipient(),
            supervisor: reader::Supervising {
                state: supervisor.clone().recipient(),
                ended: supervisor.clone().recipient(),
            },
            snapshots: running.launch.snapshots.clone(),
        };
        let from = from.unwrap_or_else(|| running.launch.from.resume.clone());
        let watch = watch(&supervisor, running.number, ActorId::Reader);
        let reader = Reader::new(from, parts, watch.clone());
        self.lifecycle.born(ActorId::Reader);
        running.reader = Some(watch.start(&self.parts.arbiter, reader));
    }

    /// A new Reader goes on from what the Router last took: asked through its mailbox, behind all that the
    /// dead one had sent.
    pub(super) fn resume_reader(&mut self, ctx: &mut Context<Self>) {
        let Some(running) = &self.running else { return };
        let generation = running.number;
        let ask = running.router.send(ResumeFrom).into_actor(self);
        ctx.spawn(ask.map(move |answer, supervisor, ctx| {
            let lifecycle = &supervisor.lifecycle;
            let is_wanted = lifecycle.is_live(generation) && lifecycle.is_reading();
            match answer {
                Ok(from) if is_wanted => supervisor.spawn_reader(Some(from), ctx),
                // The Router is gone: its own death ends the generation. Or a drain has begun without a Reader.
                Ok(_) | Err(_) => (),
            }
        }));
    }

    /// Asks how the lane's table leaves, then starts its writer.
    pub(super) fn want_writer(&mut self, lane: Arc<Lane>, ctx: &mut Context<Self>) {
        let backoff = self.parts.connect_backoff.clone();
        self.ask_route(lane, backoff, ctx);
    }

    /// Each question is a task of its own: the Supervisor's context would ask all of them again at each answer.
    fn ask_route(&mut self, lane: Arc<Lane>, backoff: Backoff, ctx: &mut Context<Self>) {
        let Some(running) = &self.running else { return };
        let generation = running.number;
        let asked = running.launch.routes.route(&lane);
        let supervisor = ctx.address();
        actix::spawn(async move {
            let answer = asked.await;
            supervisor.do_send(Routed {
                generation,
                lane,
                backoff,
                answer,
            });
        });
    }

    /// A lane has one writer.
    fn spawn_writer(&mut self, lane: &Arc<Lane>, route: Route, ctx: &mut Context<Self>) {
        let running = self.running.as_mut();
        let Some(running) = running.filter(|running| !running.writers.contains_key(lane)) else {
            return;
        };
        let supervisor = ctx.address();
        let parts = WriterParts {
            encoder: route.encoder,
            epoch: running.launch.from.home.epoch,
            rules: RecordRules {
                packing: route.packing,
                compression: route.compression,
                partition_key: route.partition_key,
                record_bytes_max: route.record_bytes_max,
                sink_bytes_max: route.sink.record_bytes_max(),
                policy: self.parts.policy,
                home: running.launch.from.home,
            },
            sink: route.sink,
            dead_letters: Arc::clone(&self.parts.dead_letters),
            encoded: self.parts.encoded.clone(),
            plans: self.plans.clone(),
            backoff: self.parts.delivery_backoff.clone(),
            router: running.router.clone().recipient(),
            frozen: running.router.clone().recipient(),
            poisoned: running.router.clone().recipient(),
            supervisor: supervisor.clone().recipient(),
        };
        let actor = ActorId::ShardWriter(Arc::clone(lane));
        let watch = watch(&supervisor, running.number, actor.clone());
        let writer = ShardWriter::new(Arc::clone(lane), parts, watch.clone());
        let arbiters = &self.parts.writer_arbiters;
        let arbiter = arbiters
            .get(self.next_arbiter % arbiters.len().max(1))
            .unwrap_or(&self.parts.arbiter);
        self.next_arbiter += 1;
        let writer = watch.start(arbiter, writer);
        running.router.do_send(LaneReady {
            lane: Arc::clone(lane),
            writer: Writer {
                batches: writer.clone().recipient(),
                freeze: writer.clone().recipient(),
                deliver_up_to: writer.clone().recipient(),
                stop: writer.clone().recipient(),
            },
        });
        self.lifecycle.born(actor);
        running.writers.insert(Arc::clone(lane), writer);
        self.weigh();
    }

    /// What memory costs with so many lanes.
    pub(super) fn weigh(&self) {
        let running = self.running.as_ref();
        let lanes = running.map_or(0, |running| running.writers.len());
        self.parts.raw.weigh(lanes);
        self.parts.encoded.weigh(lanes);
    }
}

/// How a lane's table leaves, or why that is not known.
#[derive(Message)]
#[rtype(result = "()")]
pub struct Routed {
    generation: Generation,
    lane: Arc<Lane>,
    /// For the next question.
    backoff: Backoff,
    answer: Result<Route, Failure>,
}

impl Handler<Routed> for Supervisor {
    type Result = ();

    fn handle(&mut self, routed: Routed, ctx: &mut Self::Context) {
        let Routed {
            generation,
            lane,
            mut backoff,
            answer,
        } = routed;
        self.report.tell_vitals();
        match answer {
            _ if !self.lifecycle.is_live(generation) => (),
            Ok(route) => self.spawn_writer(&lane, route, ctx),
            Err(failure) if failure.is_definite() => self.on(Event::RouteRefused(failure), ctx),
            Err(failure) => {
                self.lane_troubled(&lane, &failure);
                let wait = backoff.next_wait(fastrand::f64());
                self.later(wait, ctx, |supervisor, ctx| {
                    supervisor.ask_route(lane, backoff, ctx);
                });
            }
        }
    }
}

fn watch(supervisor: &Addr<Supervisor>, generation: Generation, actor: ActorId) -> DeathWatch {
    DeathWatch::new(supervisor.clone().recipient(), generation, actor)
}
