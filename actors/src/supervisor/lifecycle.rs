//! What everything that happens means for the pipeline: the Supervisor's twin.
//!
//! One [`Phase`] with its reason; [`Lifecycle::on`] takes what happened and returns what must be done, in order.
//! The reason of a drain says what follows when it is done and when its grace time is over first. A halt that
//! waits for the data before it stays the end, whatever comes meanwhile, unless the generation dies: the next
//! one meets the same place. Pure; time and random numbers come in. The table of every phase and every event
//! is in `tests`; whether a death is forgiven is decided in `deaths`.

use std::{
    collections::HashMap,
    sync::Arc,
    time::{Duration, Instant},
};

use super::deaths::{Deaths, RestartRules, Verdict};
use crate::{
    backoff::Backoff,
    failure::{Class, Failure},
    lane::Lane,
    messages::{ActorId, Cause, Drain, Generation},
};

#[cfg(test)]
mod tests;

/// How the pipeline ended.
#[derive(Debug, Clone, PartialEq)]
pub enum End {
    Drained,
    Halted(Failure),
    GraceOver,
}

#[derive(Debug, Clone, PartialEq)]
pub enum Phase {
    /// A generation is being prepared; none is alive.
    Launching,
    Running,
    /// Nothing more is read, what was read is being delivered.
    Draining(Why),
    /// The generation's actors are being stopped; when all are dead, the next launch follows after this wait.
    Ending {
        wait: Duration,
    },
    /// What is durable is being stored, then the end.
    Closing(End),
    Ended,
}

/// Why a generation drains.
#[derive(Debug, Clone, PartialEq)]
pub enum Why {
    /// Told to; a halt that was waiting for its data by then stays the end.
    Signal(Option<Failure>),
    /// There is no more to read, and no limit of time.
    SourceEnded,
    /// Another server answers; the next launch follows after this wait.
    Moving { wait: Duration },
    /// The Reader cannot go on; what it read before is good.
    Halting(Failure),
}

/// What happened, to the generation that is current.
#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    Launched,
    LaunchFailed {
        failure: Failure,
        random: f64,
    },
    /// SIGTERM, SIGINT or SIGHUP.
    Signal,
    /// The Reader has sent the drain on behind the last data.
    SourceEnded,
    Died {
        actor: ActorId,
        cause: Cause,
        now: Instant,
        random: f64,
    },
    /// The last position is stored.
    Drained,
    GraceOver,
    LastStoreTimeOver,
    /// Another process has the lease, for good; whatever is sent now is sent twice.
    LeaseLost(Failure),
    /// A lane's table has no way out, for good.
    RouteRefused(Failure),
}

/// What the Supervisor does.
#[derive(Debug, Clone, PartialEq)]
pub enum Action {
    Launch {
        after: Duration,
    },
    /// Bring the generation that was launched to life.
    Begin(Generation),
    RestartReader {
        after: Duration,
    },
    RestartWriter {
        lane: Arc<Lane>,
        after: Duration,
    },
    Park {
        lane: Arc<Lane>,
        failure: Failure,
    },
    /// Up to the cut: the Reader stops and passes it on behind its data.
    DrainReader,
    /// Nobody reads any more.
    DrainRouter(Drain),
    /// In place of the one that runs, if any.
    StartGraceTime,
    /// The generation ends; each death will be told.
    StopAll,
    /// What is durable, within a limit of time.
    StoreLast,
    Finish(End),
    Tell(Notice),
}

/// What people are told.
#[derive(Debug, Clone, PartialEq)]
pub enum Notice {
    CannotLaunch {
        failure: Failure,
        wait: Duration,
    },
    Died {
        actor: ActorId,
        cause: Cause,
        strikes: u32,
        wait: Duration,
    },
    Draining,
    SourceEnded,
    MovingOn,
    Halted(Failure),
    HaltedBehindTheData(Failure),
    GraceOver,
    SecondSignal,
    StoppedBeforeStreaming,
    StoppedBetweenGenerations,
}

#[derive(Debug)]
pub struct Lifecycle {
    phase: Phase,
    /// The last one that began; 0 before the first.
    generation: Generation,
    /// How many: a retired writer may still be ending when the lane's next one runs.
    alive: HashMap<ActorId, u32>,
    deaths: Deaths,
    launch_backoff: Backoff,
}

impl Lifecycle {
    /// The first launch is under way.
    pub fn new(launch_backoff: Backoff, restarts: RestartRules) -> Self {
        Self {
            phase: Phase::Launching,
            generation: Generation::default(),
            alive: HashMap::new(),
            deaths: Deaths::new(restarts),
            launch_backoff,
        }
    }

    pub fn generation(&self) -> Generation {
        self.generation
    }

    /// Whether what is said of the generation concerns anybody.
    pub fn is_current(&self, generation: Generation) -> bool {
        self.generation == generation
    }

    /// Whether the generation works, and may be given new actors: nobody would stop those of one that ends.
    pub fn is_live(&self, generation: Generation) -> bool {
        self.is_current(generation) && matches!(self.phase, Phase::Running | Phase::Draining(_))
    }

    /// Whether the source is read: a drain that began without a Reader gets none.
    pub fn is_reading(&self) -> bool {
        self.phase == Phase::Running
    }

    pub fn born(&mut self, actor: ActorId) {
        *self.alive.entry(actor).or_default() += 1;
    }

    pub fn is_alive(&self, actor: &ActorId) -> bool {
        self.alive.contains_key(actor)
    }

    pub fn on(&mut self, event: Event) -> Vec<Action> {
        match (event, &self.phase) {
            (_, Phase::Ended) => Vec::new(),
            (Event::Launched, Phase::Launching) => self.begin(),
            (Event::LaunchFailed { failure, .. }, Phase::Launching) if failure.is_definite() => {
                self.halt(failure)
            }
            (Event::LaunchFailed { failure, random }, Phase::Launching) => {
                let wait = self.launch_backoff.next_wait(random);
                let notice = Notice::CannotLaunch { failure, wait };
                vec![Action::Tell(notice), Action::Launch { after: wait }]
            }
            (Event::Launched | Event::LaunchFailed { .. }, _) => Vec::new(),
            (Event::Signal, _) => self.signalled(),
            (Event::SourceEnded, Phase::Running) => {
                self.phase = Phase::Draining(Why::SourceEnded);
                vec![Action::Tell(Notice::SourceEnded)]
            }
            (Event::SourceEnded, _) => Vec::new(),
            (
                Event::Died {
                    actor,
                    cause,
                    now,
                    random,
                },
                _,
            ) => self.died(actor, cause, now, random),
            (Event::Drained, _) => self.drained(),
            (Event::GraceOver, _) => self.grace_over(),
            (Event::LastStoreTimeOver, Phase::Closing(end)) => self.finish(end.clone()),
            (Event::LastStoreTimeOver, _) => Vec::new(),
            (Event::LeaseLost(failure) | Event::RouteRefused(failure), _) => self.halt(failure),
        }
    }

    fn begin(&mut self) -> Vec<Action> {
        self.launch_backoff.reset();
        self.generation.0 += 1;
        self.phase = Phase::Running;
        vec![Action::Begin(self.generation)]
    }

    fn signalled(&mut self) -> Vec<Action> {
        match &self.phase {
            Phase::Launching if self.generation == Generation::default() => {
                self.close_telling(Notice::StoppedBeforeStreaming, End::Drained)
            }
            Phase::Launching | Phase::Ending { .. } => {
                self.close_telling(Notice::StoppedBetweenGenerations, End::GraceOver)
            }
            Phase::Draining(Why::Signal(_)) => {
                self.close_telling(Notice::SecondSignal, End::GraceOver)
            }
            Phase::Running if self.is_alive(&ActorId::Reader) => {
                self.drain_for_signal(Action::DrainReader)
            }
            // The Reader has stopped: all that was read is with the Router.
            Phase::Running | Phase::Draining(Why::SourceEnded | Why::Moving { .. }) => {
                self.drain_for_signal(Action::DrainRouter(Drain::AtCut))
            }
            Phase::Draining(Why::Halting(failure)) => {
                // Its grace time has begun.
                self.phase = Phase::Draining(Why::Signal(Some(failure.clone())));
                let drain = Action::DrainRouter(Drain::AtCut);
                vec![Action::Tell(Notice::Draining), drain]
            }
            Phase::Closing(_) | Phase::Ended => Vec::new(),
        }
    }

    fn drain_for_signal(&mut self, drain: Action) -> Vec<Action> {
        self.phase = Phase::Draining(Why::Signal(None));
        vec![
            Action::Tell(Notice::Draining),
            Action::StartGraceTime,
            drain,
        ]
    }

    fn died(&mut self, actor: ActorId, cause: Cause, now: Instant, random: f64) -> Vec<Action> {
        self.bury(&actor);
        match self.phase {
            Phase::Ending { wait } if self.alive.is_empty() => {
                self.phase = Phase::Launching;
                vec![Action::Launch { after: wait }]
            }
            Phase::Closing(ref end) if !self.is_alive(&ActorId::Checkpointer) => {
                let end = end.clone();
                self.finish(end)
            }
            Phase::Launching | Phase::Ending { .. } | Phase::Closing(_) | Phase::Ended => {
                Vec::new()
            }
            Phase::Running | Phase::Draining(_) => self.died_at_work(actor, cause, now, random),
        }
    }

    fn died_at_work(
        &mut self,
        actor: ActorId,
        cause: Cause,
        now: Instant,
        random: f64,
    ) -> Vec<Action> {
        match self.deaths.judge(&actor, &cause, now, random) {
            Verdict::Expected => Vec::new(),
            Verdict::Halt(failure) if actor == ActorId::Reader && self.is_reading() => {
                self.halt_behind_the_data(failure)
            }
            Verdict::Halt(failure) => self.halt(failure),
            Verdict::Park(lane, failure) => vec![Action::Park { lane, failure }],
            Verdict::Again { strikes, wait } => {
                let is_superseded =
                    matches!(&cause, Cause::Failed(failure) if failure.class == Class::Superseded);
                let mut actions = vec![Action::Tell(Notice::Died {
                    actor: actor.clone(),
                    cause,
                    strikes,
                    wait,
                })];
                actions.extend(match actor {
                    ActorId::Reader if is_superseded && self.is_reading() => self.move_on(wait),
                    _ if is_superseded => self.end_generation(wait),
                    ActorId::Reader => self.lose_reader(wait),
                    ActorId::ShardWriter(lane) => vec![Action::RestartWriter { lane, after: wait }],
                    ActorId::Router | ActorId::Checkpointer => self.end_generation(wait),
                });
                actions
            }
        }
    }

    fn bury(&mut self, actor: &ActorId) {
        if let Some(count) = self.alive.get_mut(actor) {
            *count -= 1;
            if *count == 0 {
                self.alive.remove(actor);
            }
        }
    }

    fn lose_reader(&self, wait: Duration) -> Vec<Action> {
        match self.is_reading() {
            true => vec![Action::RestartReader { after: wait }],
            // What it had read is with the Router; the drain goes on from there.
            false => vec![Action::DrainRouter(Drain::AtCut)],
        }
    }

    /// Delivers and stores first what was read, so that nothing is repeated on the other server, and the next
    /// launch knows all that it must have.
    fn move_on(&mut self, wait: Duration) -> Vec<Action> {
        self.phase = Phase::Draining(Why::Moving { wait });
        vec![
            Action::Tell(Notice::MovingOn),
            Action::DrainRouter(Drain::All),
            Action::StartGraceTime,
        ]
    }

    /// An operator who sets the position behind the place that cannot be read shall lose nothing else.
    fn halt_behind_the_data(&mut self, failure: Failure) -> Vec<Action> {
        self.phase = Phase::Draining(Why::Halting(failure.clone()));
        vec![
            Action::Tell(Notice::HaltedBehindTheData(failure)),
            Action::DrainRouter(Drain::All),
            Action::StartGraceTime,
        ]
    }

    /// The next one begins at what is stored; but who was told to end gets none, for what is stored is right
    /// and nobody is left to deliver more.
    fn end_generation(&mut self, wait: Duration) -> Vec<Action> {
        if matches!(self.phase, Phase::Draining(Why::Signal(_))) {
            return self.close(End::GraceOver);
        }
        self.phase = Phase::Ending { wait };
        vec![Action::StopAll]
    }

    /// An answer that meets a generation that ends comes too late: the next one begins at what is stored.
    fn drained(&mut self) -> Vec<Action> {
        match &self.phase {
            Phase::Draining(Why::Moving { wait }) => self.end_generation(*wait),
            Phase::Running | Phase::Draining(_) | Phase::Closing(_) => self.finish(End::Drained),
            Phase::Launching | Phase::Ending { .. } | Phase::Ended => Vec::new(),
        }
    }

    fn grace_over(&mut self) -> Vec<Action> {
        match &self.phase {
            Phase::Draining(Why::Signal(_)) => {
                self.close_telling(Notice::GraceOver, End::GraceOver)
            }
            Phase::Draining(Why::Halting(_)) => self.close(End::GraceOver),
            Phase::Draining(Why::Moving { wait }) => self.end_generation(*wait),
            Phase::Draining(Why::SourceEnded)
            | Phase::Launching
            | Phase::Running
            | Phase::Ending { .. }
            | Phase::Closing(_)
            | Phase::Ended => Vec::new(),
        }
    }

    fn halt(&mut self, failure: Failure) -> Vec<Action> {
        self.close_telling(Notice::Halted(failure.clone()), End::Halted(failure))
    }

    fn close_telling(&mut self, notice: Notice, end: End) -> Vec<Action> {
        let mut actions = vec![Action::Tell(notice)];
        actions.extend(self.close(end));
        actions
    }

    /// Stores what is durable first, if anybody is left to do so.
    fn close(&mut self, end: End) -> Vec<Action> {
        if matches!(self.phase, Phase::Closing(_)) {
            return Vec::new();
        }
        if !self.is_alive(&ActorId::Checkpointer) {
            return self.finish(end);
        }
        self.phase = Phase::Closing(self.first_of(end));
        vec![Action::StoreLast]
    }

    fn finish(&mut self, end: End) -> Vec<Action> {
        let end = self.first_of(end);
        self.phase = Phase::Ended;
        vec![Action::Finish(end)]
    }

    /// The end that was under way already, or this one.
    fn first_of(&self, end: End) -> End {
        match &self.phase {
            Phase::Closing(first) => first.clone(),
            Phase::Draining(Why::Halting(failure) | Why::Signal(Some(failure))) => {
                End::Halted(failure.clone())
            }
            _ => end,
        }
    }
}
