//! What the Supervisor remembers for the status page and the log: state, counts, last errors.

use std::{
    collections::{BTreeMap, HashMap, VecDeque},
    sync::Arc,
    time::{Duration, Instant},
};

use actix::{ActorFutureExt, AsyncContext, Context, Handler, ResponseFuture, WrapFuture};
use tokio::sync::watch;

use super::{
    Supervisor,
    parked::{self, KeptTables},
};
use crate::{
    clock,
    failure::Failure,
    lane::Lane,
    messages::{ActorId, Cause, Generation, GetCheckpointStatus, GetRouterStatus},
    metrics as names,
    status::{ErrorStatus, GetStatus, State, Status, Vitals},
};

pub struct Report {
    name: String,
    state: State,
    /// The position has not been stored for too long.
    is_late: bool,
    generation: Generation,
    restarts: BTreeMap<&'static str, u64>,
    lag_bytes: Option<u64>,
    kept: KeptTables,
    errors: VecDeque<ErrorStatus>,
    troubled: HashMap<Arc<Lane>, Instant>,
    vitals: watch::Sender<Vitals>,
}

impl Report {
    pub fn new(name: String) -> Self {
        Self {
            name,
            state: State::Starting,
            is_late: false,
            generation: Generation::default(),
            restarts: BTreeMap::new(),
            lag_bytes: None,
            kept: KeptTables::new(),
            errors: VecDeque::new(),
            troubled: HashMap::new(),
            vitals: watch::Sender::new(Vitals {
                state: State::Starting,
                last_error: None,
                at: Instant::now(),
            }),
        }
    }

    pub fn vitals(&self) -> watch::Receiver<Vitals> {
        self.vitals.subscribe()
    }

    /// Says that the Supervisor is at work, and how things are.
    pub fn tell_vitals(&self) {
        self.vitals.send_replace(Vitals {
            state: self.shown_state(),
            last_error: self.errors.back().cloned(),
            at: Instant::now(),
        });
    }

    pub fn state(&mut self, state: State) {
        self.state = state;
        self.tell_vitals();
    }

    pub fn late(&mut self, is_late: bool) {
        self.is_late = is_late;
        self.tell_vitals();
    }

    fn shown_state(&self) -> State {
        match self.state {
            State::Streaming if self.is_late => State::Paused,
            state => state,
        }
    }

    pub fn is_late(&self) -> bool {
        self.is_late
    }

    pub fn generation(&mut self, generation: Generation) {
        self.generation = generation;
    }

    pub fn restarted(&mut self, actor: &ActorId, cause: &Cause) {
        *self.restarts.entry(actor.kind()).or_default() += 1;
        self.error(&actor.to_string(), &Failure::transient(cause.to_string()));
    }

    pub fn error(&mut self, actor: &str, failure: &Failure) {
        if self.errors.len() == ERRORS_KEPT {
            self.errors.pop_front();
        }
        self.errors.push_back(ErrorStatus {
            at_unix_secs: clock::unix_now().as_secs(),
            actor: actor.into(),
            message: failure.to_string(),
            hint: failure.hint.clone(),
        });
        self.tell_vitals();
    }

    /// Whether this trouble is worth a line: a lane's first in a while.
    pub fn trouble(&mut self, lane: &Arc<Lane>, failure: &Failure, now: Instant) -> bool {
        let is_new = self
            .troubled
            .get(lane)
            .is_none_or(|before| TROUBLE_INTERVAL < now.saturating_duration_since(*before));
        if is_new {
            self.troubled.insert(Arc::clone(lane), now);
            self.error(&format!("shard writer of {lane}"), failure);
        }
        is_new
    }

    pub fn forget(&mut self, lane: &Arc<Lane>) {
        self.troubled.remove(lane);
    }

    fn snapshot(&self) -> Status {
        Status {
            name: self.name.clone(),
            state: self.shown_state(),
            generation: self.generation.0,
            restarts: self.restarts.values().sum(),
            restarts_by_actor: self.restarts.clone(),
            position_durable: None,
            position_read: None,
            gtid_set: None,
            lag_secs: None,
            lag_bytes: self.lag_bytes,
            checkpoint_age_secs: None,
            tables: Vec::new(),
            lanes: Vec::new(),
            parked: Vec::new(),
            last_errors: self.errors.iter().cloned().collect(),
        }
    }
}

impl Handler<GetStatus> for Supervisor {
    type Result = ResponseFuture<Status>;

    fn handle(&mut self, GetStatus: GetStatus, _ctx: &mut Self::Context) -> Self::Result {
        let mut status = self.report.snapshot();
        let kept = self.report.kept.clone();
        let asks = self.running.as_ref().map(|running| {
            (
                running.router.send(GetRouterStatus),
                running.checkpointer.send(GetCheckpointStatus),
            )
        });
        Box::pin(async move {
            let Some((router, checkpointer)) = asks else {
                return status;
            };
            // A dead actor does not answer; the page then lacks its part.
            if let Ok(router) = router.await {
                status.position_read = Some(router.read.position.to_string());
                status.tables = router.tables;
                status.lanes = router.lanes;
            }
            if let Ok(checkpoint) = checkpointer.await {
                status.position_durable = Some(checkpoint.durable.position.to_string());
                status.gtid_set = Some(checkpoint.gtid_set.to_string());
                status.checkpoint_age_secs = Some(checkpoint.age_secs);
                status.lag_secs = Some(checkpoint.lag_secs);
                let each = checkpoint.parked.iter();
                let each = each.map(|parked| parked::status(parked, kept.get(&parked.table)));
                status.parked = each.collect();
            }
            status
        })
    }
}

impl Supervisor {
    /// Gauges that nobody else sets, and the distance to the server's head.
    pub(super) fn measure(&mut self, ctx: &mut Context<Self>) {
        for (pool, budget) in [("raw", &self.parts.raw), ("encoded", &self.parts.encoded)] {
            let in_use = budget.bytes_in_use() as f64;
            metrics::gauge!(names::MEMORY_BUDGET_BYTES_IN_USE, "pool" => pool).set(in_use);
            let total = budget.bytes_total() as f64;
            metrics::gauge!(names::MEMORY_BUDGET_BYTES_TOTAL, "pool" => pool).set(total);
        }
        let Some(running) = &self.running else { return };
        let (source, durable) = (
            Arc::clone(&running.launch.source),
            running.checkpointer.send(GetCheckpointStatus),
        );
        let epoch = running.launch.from.home.epoch;
        let effect = async move {
            let status = durable.await.ok()?;
            let head = known(source.head(status.durable.position).await);
            let places = status.parked.iter();
            let places: Vec<_> = places
                .map(|parked| (parked.home.server_in(epoch), parked.resume.clone()))
                .collect();
            let kept = match places.is_empty() {
                true => None,
                false => known(source.kept(places).await),
            };
            Some((head, status.parked, kept))
        };
        ctx.spawn(effect.into_actor(self).map(|told, supervisor, _| {
            let Some((head, parked, kept)) = told else {
                return;
            };
            if let Some(head) = head {
                supervisor.report.lag_bytes = Some(head.bytes_ahead);
                metrics::gauge!(names::SOURCE_LAG_BYTES).set(head.bytes_ahead as f64);
            }
            if let Some(kept) = kept {
                let tables = parked.iter().map(|parked| parked.table.clone());
                supervisor.report.kept = tables.zip(kept).collect();
            }
            parked::measure(&parked, &supervisor.report.kept);
        }));
    }
}

/// A source that cannot be asked now is asked again; what it said before stays.
fn known<T>(answer: Result<T, Failure>) -> Option<T> {
    answer
        .inspect_err(|error| tracing::debug!(%error, "the source was not measured"))
        .ok()
}

const ERRORS_KEPT: usize = 20;
/// A lane in trouble is logged this often.
const TROUBLE_INTERVAL: Duration = Duration::from_secs(10);
