//! The sink: keeps what is in flight itself, by lane, and does with each put what the script says.
//!
//! A lane's order is that of the calls, whichever thread's turn comes first. It watches its callers too: two
//! records of one lane at once, while the first one's caller still listens, break the contract.

use std::{
    collections::HashMap,
    sync::{
        Arc, Condvar, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use headwater_actors::{
    failure::Failure,
    lane::Lane,
    ports::{
        BoxFuture,
        sink::{Delivered, Record, Rejected, Sink},
    },
};
use tokio::sync::{oneshot, watch};

/// A line that is durable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Put {
    pub lane: String,
    pub line: String,
}

#[derive(Debug, Clone)]
pub enum Act {
    Take,
    Reject,
    Throttle,
    /// Durable, and the caller hears of a failure.
    LoseReply,
    Definite,
    /// Taken when the gate opens.
    Hold(Gate),
    /// Taken after others had their turn.
    Slow,
}

#[derive(Debug, Clone, Default)]
pub struct Gate(watch::Sender<bool>);

impl Gate {
    pub fn open(&self) {
        self.0.send_replace(true);
    }
}

type Script = Box<dyn FnMut(usize, &Record) -> Act + Send>;

#[derive(Clone, Default)]
pub struct ScriptedSink {
    pub durable: watch::Sender<Vec<Put>>,
    /// Calls so far.
    pub calls: watch::Sender<usize>,
    /// Calls so far whose callers wait for the answer.
    pub awaited: watch::Sender<usize>,
    script: Arc<Mutex<Option<Script>>>,
    /// The newest record's end, by lane.
    lanes: Arc<Mutex<HashMap<Arc<Lane>, Settled>>>,
    /// The newest call's caller, by lane.
    callers: Arc<Mutex<HashMap<Arc<Lane>, Arc<Caller>>>>,
    called_again: Arc<Condvar>,
    is_left_slowly: Arc<AtomicBool>,
    broken: Arc<Mutex<Vec<String>>>,
}

/// Dropped before the answer has come: its caller is being taken down.
struct Listening {
    sink: ScriptedSink,
    lane: Arc<Lane>,
    caller: Arc<Caller>,
    has_heard: bool,
}

impl Drop for Listening {
    fn drop(&mut self) {
        let sink = &self.sink;
        if self.has_heard || !sink.is_left_slowly.load(Ordering::Relaxed) {
            return;
        }
        let callers = sink.callers.lock().expect("a whole lock");
        let is_newest = |callers: &mut HashMap<Arc<Lane>, Arc<Caller>>| {
            let newest = callers.get(&self.lane);
            newest.is_some_and(|newest| Arc::ptr_eq(newest, &self.caller))
        };
        let waited = sink
            .called_again
            .wait_timeout_while(callers, LEAVING_TIME, is_newest);
        drop(waited.expect("a whole lock"));
    }
}

/// Long enough for another caller, were there one.
const LEAVING_TIME: Duration = Duration::from_millis(200);

/// Resolves when the record has settled: its sender is gone.
type Settled = oneshot::Receiver<()>;
type Caller = Mutex<Option<oneshot::Sender<Result<Delivered, Rejected>>>>;

impl ScriptedSink {
    pub fn does(&self, script: impl FnMut(usize, &Record) -> Act + Send + 'static) {
        *self.script.lock().expect("a whole lock") = Some(Box::new(script));
    }

    /// Who is taken down while it listens takes its time, or goes when another calls for its lane.
    pub fn is_left_slowly(&self) {
        self.is_left_slowly.store(true, Ordering::Relaxed);
    }

    pub fn lines(&self) -> Vec<String> {
        let durable = self.durable.borrow();
        durable.iter().map(|put| put.line.clone()).collect()
    }

    pub fn has(&self, line: &str) -> bool {
        self.durable.borrow().iter().any(|put| put.line == line)
    }

    pub fn broken(&self) -> Vec<String> {
        self.broken.lock().expect("a whole lock").clone()
    }

    fn take(&self, record: &Record) {
        let text = std::str::from_utf8(&record.bytes).expect("text");
        self.durable.send_modify(|durable| {
            durable.extend(text.lines().map(|line| Put {
                lane: record.lane.to_string(),
                line: line.into(),
            }));
        });
    }

    async fn attempt(&self, call: usize, record: &Record) -> Result<Delivered, Rejected> {
        let act = match self.script.lock().expect("a whole lock").as_mut() {
            Some(script) => script(call, record),
            None => Act::Take,
        };
        let rejected = |failure, throttled| Err(Rejected { failure, throttled });
        match act {
            Act::Take => self.take(record),
            Act::Reject => return rejected(Failure::transient("part of the call failed"), false),
            Act::Throttle => return rejected(Failure::transient("throttled"), true),
            Act::Definite => return rejected(Failure::definite("stream 'cdc' is gone"), false),
            Act::LoseReply => {
                self.take(record);
                return rejected(Failure::transient("reply lost"), false);
            }
            Act::Hold(gate) => {
                let mut gate = gate.0.subscribe();
                if gate.wait_for(|is_open| *is_open).await.is_ok() {
                    self.take(record);
                }
            }
            Act::Slow => {
                for _ in 0..20 {
                    tokio::task::yield_now().await;
                }
                self.take(record);
            }
        }
        Ok(Delivered::default())
    }

    fn called(&self, lane: &Arc<Lane>, caller: &Arc<Caller>) {
        let mut callers = self.callers.lock().expect("a whole lock");
        let before = callers.insert(Arc::clone(lane), Arc::clone(caller));
        let still_listens = before.is_some_and(|before| {
            let before = before.lock().expect("a whole lock");
            before.as_ref().is_some_and(|before| !before.is_closed())
        });
        if still_listens {
            let mut broken = self.broken.lock().expect("a whole lock");
            broken.push(format!("two records of {lane} in flight"));
        }
        self.called_again.notify_all();
    }
}

impl Sink for ScriptedSink {
    fn deliver(&self, record: Record) -> BoxFuture<'static, Result<Delivered, Rejected>> {
        let (tell, told) = oneshot::channel();
        let caller = Arc::new(Mutex::new(Some(tell)));
        self.called(&record.lane, &caller);
        let listening = Listening {
            sink: self.clone(),
            lane: Arc::clone(&record.lane),
            caller: Arc::clone(&caller),
            has_heard: false,
        };
        let (settling, settled) = oneshot::channel();
        let before = {
            let mut lanes = self.lanes.lock().expect("a whole lock");
            lanes.insert(Arc::clone(&record.lane), settled)
        };
        let mut call = 0;
        self.calls.send_modify(|calls| {
            call = *calls;
            *calls += 1;
        });
        let sink = self.clone();
        tokio::spawn(async move {
            if let Some(before) = before {
                assert!(before.await.is_err(), "nothing is ever sent");
            }
            let outcome = sink.attempt(call, &record).await;
            drop(settling);
            let tell = caller.lock().expect("a whole lock").take();
            // A caller that has died does not listen.
            if let Some(tell) = tell
                && let Err(unheard) = tell.send(outcome)
            {
                drop(unheard);
            }
        });
        Box::pin(async move {
            let mut told = told;
            let mut listening = listening;
            listening.sink.awaited.send_modify(|awaited| *awaited += 1);
            let outcome = (&mut told).await;
            listening.has_heard = true;
            outcome.unwrap_or_else(|_| {
                Err(Rejected {
                    failure: Failure::transient("the world has ended"),
                    throttled: false,
                })
            })
        })
    }

    fn record_bytes_max(&self) -> usize {
        100_000
    }
}
