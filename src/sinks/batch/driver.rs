//! The task that owns the twin: records in by channel, calls out as tasks, replies back to each caller.
//!
//! The channel has no bound of its own: each record in it holds its caller's permit of encoded bytes, and a
//! lane has one record there. A call runs as its own task, so that the payloads of several calls are
//! written side by side; a call that panics or exceeds the timeout settles as a transient failure, for nobody
//! knows what became of it. A body can be made ahead, while the record before it is in flight: see [`ahead`].

use std::{
    collections::HashMap,
    sync::Arc,
    time::{Duration, Instant},
};

use futures_util::{FutureExt, future};
use headwater_actors::{
    clock::unix_now,
    failure::{Code, Failure},
    fault,
    metrics::{SINK_ORDER_VIOLATIONS_TOTAL, SINK_REQUEST_SECONDS, SINK_THROTTLED_TOTAL},
    ports::{
        BoxFuture,
        sink::{Delivered, Record, Rejected, Throttled},
    },
};
use tokio::{
    runtime::Handle,
    sync::{mpsc, oneshot, watch},
    task::{Id, JoinError, JoinSet},
};

use super::{
    InFlight, Limits, PutBatch, Reply, Unit,
    ahead::{Ahead, Made},
    calls::{Call, Calls, Settled},
    throttling::{Notice, Stretch, Throttling},
};
use crate::{
    aws::CallFailure,
    sinks::{Outcome, count, ended, rejected},
};

type Replies = Result<Vec<Reply>, CallFailure>;

/// Records taken from the channel before the next call is planned.
const INTAKE_MAX: usize = 1024;

/// A driver's front: what the sinks put behind the port.
pub struct BatchSink {
    intake: mpsc::UnboundedSender<Intake>,
    record_bytes_max: usize,
    throttled: watch::Receiver<Option<Throttled>>,
}

enum Intake {
    Deliver(Pending),
    /// This record comes next on its lane.
    Prepare(Record),
}

struct Pending {
    record: Record,
    reply: oneshot::Sender<Result<Delivered, Rejected>>,
}

struct Driver<P> {
    port: Arc<P>,
    in_flight: InFlight,
    call_timeout: Duration,
    calls: Calls<Pending>,
    throttling: Throttling,
    throttled: watch::Sender<Option<Throttled>>,
    ahead: Ahead,
    tasks: JoinSet<Replies>,
    flights: HashMap<Id, Flight>,
}

struct Flight {
    call: Call<Pending>,
    started: Instant,
}

impl BatchSink {
    /// Starts the driver on `runtime`; it ends after the sink is dropped and all calls have settled.
    pub fn start<P: PutBatch>(
        runtime: &Handle,
        port: P,
        (limits, in_flight): (Limits, InFlight),
        call_timeout: Duration,
        record_bytes_max: usize,
    ) -> Self {
        let (sender, intake) = mpsc::unbounded_channel();
        let (tell_throttled, throttled) = watch::channel(None);
        let driver = Driver {
            port: Arc::new(port),
            ahead: Ahead::new(in_flight.clone()),
            in_flight,
            call_timeout,
            calls: Calls::new(limits),
            throttling: Throttling::default(),
            throttled: tell_throttled,
            tasks: JoinSet::new(),
            flights: HashMap::new(),
        };
        runtime.spawn(driver.run(intake));
        Self {
            intake: sender,
            record_bytes_max,
            throttled,
        }
    }

    pub fn throttled(&self) -> Option<Throttled> {
        *self.throttled.borrow()
    }

    pub fn record_bytes_max(&self) -> usize {
        self.record_bytes_max
    }

    /// Queues the record now, before the future is polled: order is the order of the calls.
    pub fn deliver(&self, record: Record) -> BoxFuture<'static, Result<Delivered, Rejected>> {
        let bytes = size(&record);
        if bytes > self.record_bytes_max {
            count(Outcome::Rejected, 1, bytes);
            let text = format!(
                "a record has {bytes} bytes with its partition key, the stream takes {}",
                self.record_bytes_max
            );
            return future::ready(Err(rejected(Failure::definite(text)))).boxed();
        }
        let (reply, answer) = oneshot::channel();
        let pending = Pending { record, reply };
        if self.intake.send(Intake::Deliver(pending)).is_err() {
            return future::ready(Err(driver_ended())).boxed();
        }
        answer
            .map(|answer| answer.unwrap_or_else(|_| Err(driver_ended())))
            .boxed()
    }

    /// Makes the body of a call with this record alone, for the case that it becomes one.
    pub fn prepare(&self, record: Record) {
        // A driver that has ended says so to whoever delivers.
        drop(self.intake.send(Intake::Prepare(record)));
    }
}

impl<P: PutBatch> Driver<P> {
    async fn run(mut self, mut intake: mpsc::UnboundedReceiver<Intake>) {
        let mut is_open = true;
        while is_open || !self.calls.is_idle() {
            self.launch();
            let wake = self.calls.wake_at(Instant::now());
            let quiet = self.throttling.ends_at();
            tokio::select! {
                first = intake.recv(), if is_open => match first {
                    Some(first) => self.take_in(first, &mut intake),
                    None => is_open = false,
                },
                Some(joined) = self.tasks.join_next_with_id(), if !self.tasks.is_empty() => {
                    self.settle(joined);
                }
                () = sleep_until(wake), if wake.is_some() => (),
                () = sleep_until(quiet), if quiet.is_some() => self.watch_throttling(0, None),
            }
        }
    }

    fn take_in(&mut self, first: Intake, intake: &mut mpsc::UnboundedReceiver<Intake>) {
        fault::here("sink.take_in");
        let now = Instant::now();
        let rest = std::iter::from_fn(|| intake.try_recv().ok());
        for taken in std::iter::once(first).chain(rest).take(INTAKE_MAX) {
            match taken {
                Intake::Deliver(pending) => {
                    let unit = Unit::of(&pending.record);
                    let bytes = size(&pending.record);
                    self.calls.push(unit, bytes, pending, now);
                }
                Intake::Prepare(record) => self.prepare(record),
            }
        }
    }

    /// What was delivered before it takes its own body first.
    fn prepare(&mut self, record: Record) {
        self.launch();
        let port = Arc::clone(&self.port);
        self.ahead.make(record, |record| {
            tokio::spawn(async move { port.body(&[record]) })
        });
    }

    fn launch(&mut self) {
        let now = Instant::now();
        let is_abandoned = |pending: &Pending| pending.reply.is_closed();
        while let Some(call) = self.calls.next_call(now, is_abandoned) {
            let records: Vec<Record> = call
                .entries
                .iter()
                .map(|entry| entry.item.record.clone())
                .collect();
            let made = self.ahead.take(&records);
            let port = Arc::clone(&self.port);
            let timeout = self.call_timeout;
            let (budget, bytes) = (self.in_flight.budget.clone(), call.bytes);
            let gate = self.in_flight.gate.clone();
            self.in_flight.launched(bytes);
            let task = self.tasks.spawn(async move {
                let _permit = budget.take(bytes).await;
                let body = match made.map(Made::body) {
                    Some(made) => made.await,
                    None => None,
                };
                let body = body.unwrap_or_else(|| port.body(&records));
                let _pass = gate.pass(timeout).await.map_err(CallFailure::from)?;
                let body = body.under(gate, timeout);
                match tokio::time::timeout(timeout, port.put(body)).await {
                    Ok(replies) => replies,
                    Err(_) => Err(CallFailure::from(Failure::transient(format!(
                        "AWS did not answer within {timeout:?}; whether it took the records is unknown"
                    )).with_code(Code::Late))),
                }
            });
            let started = now;
            self.flights.insert(task.id(), Flight { call, started });
        }
    }

    fn settle(&mut self, joined: Result<(Id, Replies), JoinError>) {
        let (id, replies) = match joined {
            Ok((id, replies)) => (id, replies),
            Err(error) => {
                // A panic's own text may quote a payload.
                let text = match error.is_panic() {
                    true => "the call to AWS panicked",
                    false => "the call to AWS was cancelled",
                };
                (error.id(), Err(CallFailure::transient(text)))
            }
        };
        let Some(Flight { call, started }) = self.flights.remove(&id) else {
            return;
        };
        self.in_flight.settled(call.bytes);
        let now = Instant::now();
        metrics::histogram!(SINK_REQUEST_SECONDS).record((now - started).as_secs_f64());
        if let Err(failure) = &replies
            && call.entries.len() > 1
        {
            let (entries, blame, error) = (call.entries.len(), failure.blame, &failure.failure);
            tracing::warn!(entries, ?blame, %error, "a call to AWS failed as a whole");
        }
        let settled = self.calls.settle(call, replies, now, &mut fastrand::f64);
        let (throttled, hint) = answer(settled);
        self.watch_throttling(throttled, hint);
    }

    fn watch_throttling(&mut self, throttled: u64, hint: Option<String>) {
        let (now, stream) = (Instant::now(), self.port.stream());
        match self.throttling.observe(throttled, now) {
            Some(Notice::Begins { records }) => tracing::warn!(
                stream,
                records,
                hint,
                "the stream throttles: its records are sent again until it takes them"
            ),
            Some(Notice::Lasts(Stretch { lasted, records })) => {
                tracing::warn!(stream, records, ?lasted, hint, "the stream still throttles");
            }
            Some(Notice::Over(Stretch { lasted, records })) => {
                tracing::info!(stream, records, ?lasted, "the stream throttles no longer");
            }
            None => (),
        }
        let lasting = self.throttling.lasting(now);
        let lasting = lasting.map(|Stretch { lasted, records }| Throttled {
            since_unix_secs: unix_now().saturating_sub(lasted).as_secs(),
            records,
        });
        self.throttled.send_if_modified(|told| {
            let is_news = told.map(|told| told.records) != lasting.map(|lasting| lasting.records);
            if is_news {
                *told = lasting;
            }
            is_news
        });
    }
}

/// How many records were throttled, and what can be done about it.
fn answer(settled: Settled<Pending>) -> (u64, Option<String>) {
    for unit in &settled.order_violations {
        tracing::warn!(lane = %unit.lane, "a SequenceNumber did not rise: the stream may hold this lane's records out of order");
    }
    let violations = settled.order_violations.len() as u64;
    metrics::counter!(SINK_ORDER_VIOLATIONS_TOTAL).increment(violations);
    let (mut throttled, mut hint) = (0, None);
    for answer in settled.answers {
        let outcome = Outcome::of(&answer.result);
        if let Err(rejected) = &answer.result
            && outcome == Outcome::Throttled
        {
            throttled += 1;
            hint = hint.or_else(|| rejected.failure.hint.clone());
        }
        count(outcome, 1, answer.bytes);
        // A caller that is gone does not want to know.
        drop(answer.item.reply.send(answer.result));
    }
    metrics::counter!(SINK_THROTTLED_TOTAL).increment(throttled);
    (throttled, hint)
}

async fn sleep_until(wake: Option<Instant>) {
    match wake {
        Some(wake) => tokio::time::sleep_until(wake.into()).await,
        None => future::pending().await,
    }
}

/// What counts against AWS's limits.
fn size(record: &Record) -> usize {
    record.bytes.len() + record.partition_key.len()
}

fn driver_ended() -> Rejected {
    rejected(ended("the sink's task"))
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;
    use crate::{
        aws::{Body, BodyWriter},
        sinks::fixture,
    };

    fn record() -> Record {
        fixture::record("orders", "x\n")
    }

    /// Panics in its first call.
    #[derive(Default)]
    struct Fragile {
        calls: AtomicUsize,
    }

    impl PutBatch for Fragile {
        fn stream(&self) -> &str {
            "orders"
        }

        fn body(&self, records: &[Record]) -> Body {
            assert_eq!(records.len(), 1);
            BodyWriter::new("StreamName", "orders", 0, 0).finish()
        }

        async fn put(&self, _body: Body) -> Result<Vec<Reply>, CallFailure> {
            let call = self.calls.fetch_add(1, Ordering::Relaxed);
            assert!(call > 0, "on purpose");
            Ok(vec![Reply::Accepted {
                shard: None,
                sequence: None,
            }])
        }
    }

    /// Holds each call for a moment, and remembers how many there were at once.
    #[derive(Clone, Default)]
    struct Held {
        calls: Arc<AtomicUsize>,
        most: Arc<AtomicUsize>,
    }

    impl PutBatch for Held {
        fn stream(&self) -> &str {
            "orders"
        }

        fn body(&self, _records: &[Record]) -> Body {
            BodyWriter::new("StreamName", "orders", 0, 0).finish()
        }

        async fn put(&self, _body: Body) -> Result<Vec<Reply>, CallFailure> {
            let now = self.calls.fetch_add(1, Ordering::Relaxed) + 1;
            self.most.fetch_max(now, Ordering::Relaxed);
            tokio::task::yield_now().await;
            self.calls.fetch_sub(1, Ordering::Relaxed);
            Ok(vec![Reply::Accepted {
                shard: None,
                sequence: None,
            }])
        }
    }

    #[tokio::test]
    async fn the_streams_of_a_process_share_what_may_fly() {
        let (port, in_flight) = (Held::default(), InFlight::new(1 << 20));
        let sinks = (0..4).map(|_| {
            let limits = Limits {
                entries_max: 500,
                call_bytes: 1 << 20,
                in_flight_bytes_max: 1 << 20,
                calls_max: 4,
                shard: None,
            };
            let limits = (limits, in_flight.clone());
            let timeout = Duration::from_secs(5);
            BatchSink::start(&Handle::current(), port.clone(), limits, timeout, 1 << 20)
        });
        let sinks: Vec<BatchSink> = sinks.collect();
        let payload = vec![b'x'; 600 << 10];
        let all = sinks.iter().map(|sink| {
            let record = Record {
                bytes: payload.clone().into(),
                ..record()
            };
            sink.deliver(record)
        });
        for delivered in future::join_all(all).await {
            delivered.expect("accepted");
        }
        assert_eq!(port.most.load(Ordering::Relaxed), 1);
    }

    fn start(port: impl PutBatch) -> BatchSink {
        let limits = Limits {
            entries_max: 500,
            call_bytes: 1 << 20,
            in_flight_bytes_max: 4 << 20,
            calls_max: 4,
            shard: None,
        };
        let timeout = Duration::from_secs(5);
        let limits = (limits, InFlight::new(4 << 20));
        BatchSink::start(&Handle::current(), port, limits, timeout, 1 << 20)
    }

    /// Counts the bodies that it made; every call passes.
    #[derive(Default)]
    struct Counting {
        bodies: Arc<AtomicUsize>,
    }

    impl PutBatch for Counting {
        fn stream(&self) -> &str {
            "orders"
        }

        fn body(&self, _records: &[Record]) -> Body {
            self.bodies.fetch_add(1, Ordering::Relaxed);
            BodyWriter::new("StreamName", "orders", 0, 0).finish()
        }

        async fn put(&self, _body: Body) -> Result<Vec<Reply>, CallFailure> {
            Ok(vec![Reply::Accepted {
                shard: None,
                sequence: None,
            }])
        }
    }

    #[tokio::test]
    async fn what_was_prepared_is_not_made_again() {
        let port = Counting::default();
        let bodies = Arc::clone(&port.bodies);
        let sink = start(port);
        for _ in 0..3 {
            let record = record();
            sink.prepare(record.clone());
            sink.deliver(record).await.expect("delivered");
        }
        assert_eq!(bodies.load(Ordering::Relaxed), 3);
    }

    #[tokio::test]
    async fn a_call_that_panics_is_transient_and_frees_its_lane() {
        let sink = start(Fragile::default());
        let record = record();
        let rejected = sink.deliver(record.clone()).await.expect_err("panics");
        assert!(!rejected.failure.is_definite());
        assert_eq!(rejected.failure.to_string(), "the call to AWS panicked");
        sink.deliver(record).await.expect("the lane is free");
    }
}
