//! A pipeline in one process, with a scripted world around it: source, sink, store, dead letters.
//!
//! Everything that became durable is in one list, in order; every save of a position is checked against it
//! at that moment. A run is one process's life: the world survives it, the actors do not. Waiting is for
//! something that the world tells; a deadline fails the test.
#![allow(dead_code)]

#[path = "../../src/fixture.rs"]
pub mod fixture;
pub mod recorder;
pub mod sink;
pub mod source;
pub mod store;

use std::{
    collections::{HashMap, HashSet},
    future::Future,
    sync::{Arc, Mutex},
    time::Duration,
};

use actix::{Actor, Addr, Arbiter, ArbiterHandle, System};
use headwater_actors::{
    backoff::Backoff,
    budget::ByteBudget,
    checkpoint::{Checkpoint, OrderingKey},
    failure::Failure,
    filter::TableFilter,
    lane::Lane,
    on_error::{OnError, Policy},
    pace::{CheckpointPace, LanePace},
    packing::{Compression, Packing, PartitionKey},
    ports::{
        BoxFuture,
        launcher::{Launch, Launcher},
        routes::{Route, Routes},
        store::CheckpointStore,
    },
    progress::{Home, Resume},
    reading::{ReadRules, Until},
    status::{GetStatus, Status},
    supervisor::{End, PipelineParts, Shutdown, Supervisor},
};
use headwater_binlog::gtid::{GtidSet, Uuid};
use tokio::sync::{oneshot, watch};

use self::{
    fixture::{LineEncoder, Log},
    sink::ScriptedSink,
    source::ScriptedSource,
    store::{MemoryLetters, MemoryStore},
};

/// No test waits longer for anything.
pub const DEADLINE: Duration = Duration::from_secs(30);

#[derive(Clone)]
pub struct World {
    pub log: Arc<Log>,
    pub source: ScriptedSource,
    pub sink: ScriptedSink,
    pub store: MemoryStore,
    pub letters: MemoryLetters,
    pub encoder: LineEncoder,
    pub routes: ScriptedRoutes,
    pub options: Options,
}

/// Failures to be met first, by table.
#[derive(Clone, Default)]
pub struct ScriptedRoutes(Arc<Mutex<HashMap<String, Vec<Failure>>>>);

impl ScriptedRoutes {
    pub fn fails(&self, table: &str, failure: Failure) {
        let mut failures = self.0.lock().expect("a whole lock");
        failures.entry(table.to_owned()).or_default().push(failure);
    }
}

impl Routes for TestRoutes {
    fn route(&self, lane: &Lane) -> BoxFuture<'static, Result<Route, Failure>> {
        let mut failures = self.0.routes.0.lock().expect("a whole lock");
        let failure = failures.get_mut(&lane.table.to_string()).and_then(Vec::pop);
        let world = &self.0;
        let route = Route {
            sink: Arc::new(world.sink.clone()),
            encoder: Arc::new(world.encoder.clone()),
            packing: world.options.packing,
            compression: Compression::None,
            partition_key: PartitionKey::Lane,
            record_bytes_max: world.options.record_bytes_max,
        };
        Box::pin(std::future::ready(failure.map_or(Ok(route), Err)))
    }
}

struct TestRoutes(World);

#[derive(Clone)]
pub struct Options {
    pub until: Until,
    pub ordering: OrderingKey,
    pub packing: Packing,
    pub record_bytes_max: usize,
    pub on_error: OnError,
    pub raw_bytes: usize,
    pub encoded_bytes: usize,
    pub grace: Duration,
    pub lane_idle: Duration,
    pub heartbeat: Option<Duration>,
    pub checkpoint_interval: Duration,
    pub restart_backoff: Backoff,
    pub late_after: Duration,
    pub strikes_max: u32,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            until: Until::Never,
            ordering: OrderingKey::Table,
            packing: Packing::Newline,
            record_bytes_max: 400,
            on_error: OnError::Halt,
            raw_bytes: 4 << 20,
            encoded_bytes: 1 << 20,
            grace: DEADLINE,
            lane_idle: Duration::from_secs(600),
            heartbeat: None,
            checkpoint_interval: Duration::from_millis(1),
            restart_backoff: short_backoff(),
            late_after: Duration::from_secs(600),
            strikes_max: 5,
        }
    }
}

/// A running pipeline, seen from outside.
pub struct Handle {
    pub supervisor: Addr<Supervisor>,
    pub raw: ByteBudget,
    pub encoded: ByteBudget,
}

impl Handle {
    pub fn shut_down(&self) {
        self.supervisor.do_send(Shutdown);
    }

    pub async fn status(&self) -> Status {
        self.supervisor.send(GetStatus).await.expect("a supervisor")
    }

    /// Asks for the status again and again until it is as wanted.
    pub async fn until(&self, what: &str, mut is_so: impl FnMut(&Status) -> bool) {
        let asked = async {
            while !is_so(&self.status().await) {
                // Not a bare turn: virtual time stands still while anyone is busy.
                tokio::time::sleep(POLL_INTERVAL).await;
            }
        };
        within(what, asked).await;
    }
}

pub const POLL_INTERVAL: Duration = Duration::from_millis(1);

fn short_backoff() -> Backoff {
    Backoff::new(Duration::from_micros(100), Duration::from_millis(2))
}

pub async fn within<T>(what: &str, future: impl Future<Output = T>) -> T {
    match tokio::time::timeout(DEADLINE, future).await {
        Ok(value) => value,
        Err(_) => panic!("waited too long for {what}"),
    }
}

/// Waits until the watched value is as wanted.
pub async fn wait_for<T>(what: &str, watched: &watch::Sender<T>, is_so: impl FnMut(&T) -> bool) {
    let mut watched = watched.subscribe();
    let seen = async { watched.wait_for(is_so).await.map(drop) };
    within(what, seen).await.expect("a live world");
}

impl World {
    pub fn new(log: Log) -> Self {
        let log = Arc::new(log);
        let sink = ScriptedSink::default();
        Self {
            source: ScriptedSource::new(Arc::clone(&log)),
            store: MemoryStore::new(Arc::clone(&log), sink.clone()),
            sink,
            log,
            letters: MemoryLetters::default(),
            encoder: LineEncoder::default(),
            routes: ScriptedRoutes::default(),
            options: Options::default(),
        }
    }

    /// One life of the process; `script` plays the operator and may end before the pipeline does.
    pub fn run(&self, script: impl AsyncFnOnce(Handle)) -> End {
        let end = System::new().block_on(async {
            let arbiters = [Arbiter::new(), Arbiter::new(), Arbiter::new()];
            let end = self.live(arbiters.each_ref().map(Arbiter::handle), script);
            let end = end.await;
            for arbiter in arbiters {
                arbiter.stop();
                arbiter.join().expect("an arbiter that ends");
            }
            end
        });
        self.check();
        end
    }

    /// The same on one thread, on which time passes at once when everybody waits.
    pub fn run_in_virtual_time(&self, script: impl AsyncFnOnce(Handle)) -> End {
        let system = System::with_tokio_rt(|| {
            let mut builder = tokio::runtime::Builder::new_current_thread();
            let runtime = builder.enable_all().start_paused(true).build();
            runtime.expect("a runtime")
        });
        let end = system.block_on(async {
            let here = System::current().arbiter().clone();
            self.live([here.clone(), here.clone(), here], script).await
        });
        self.check();
        end
    }

    async fn live(&self, arbiters: [ArbiterHandle; 3], script: impl AsyncFnOnce(Handle)) -> End {
        let (raw, encoded) = (
            ByteBudget::new(self.options.raw_bytes),
            ByteBudget::new(self.options.encoded_bytes),
        );
        let (ended, end) = oneshot::channel();
        let parts = self.parts(&arbiters, raw.clone(), encoded.clone());
        let supervisor = Supervisor::new(parts, ended).start();
        let handle = Handle {
            supervisor,
            raw,
            encoded,
        };
        let ((), end) = futures_util::future::join(script(handle), within("the end", end)).await;
        end.expect("an end")
    }

    /// A life that ends when all of the log is durable and the operator says so.
    pub fn run_to_the_end(&self) -> End {
        self.run(async |handle| {
            self.all_durable().await;
            handle.shut_down();
        })
    }

    fn parts(
        &self,
        arbiters: &[ArbiterHandle; 3],
        raw: ByteBudget,
        encoded: ByteBudget,
    ) -> PipelineParts {
        let backoff = short_backoff();
        let [first, rest @ ..] = arbiters;
        PipelineParts {
            name: "test".into(),
            launcher: Arc::new(TestLauncher(self.clone())),
            store: Arc::new(self.store.clone()),
            dead_letters: Arc::new(self.letters.clone()),
            tables: TableFilter::new(&["shop.*".into(), "!shop.excluded".into()])
                .expect("patterns")
                .into(),
            policy: Policy {
                oversize: self.options.on_error,
                undecodable: self.options.on_error,
            },
            reading: ReadRules::default(),
            raw,
            encoded,
            checkpoint_pace: CheckpointPace {
                interval: self.options.checkpoint_interval,
                late_after: self.options.late_after,
            },
            lane_pace: LanePace {
                idle: self.options.lane_idle,
                heartbeat: self.options.heartbeat,
            },
            grace: self.options.grace,
            delivery_backoff: backoff.clone(),
            connect_backoff: backoff,
            restart_backoff: self.options.restart_backoff.clone(),
            strikes_max: self.options.strikes_max,
            arbiter: first.clone(),
            writer_arbiters: rest.to_vec(),
        }
    }

    pub async fn all_durable(&self) {
        self.durable_of("all changes to be durable", |_| true).await;
    }

    /// Waits for every change of these tables (`db.table`).
    pub async fn durable_of(&self, what: &str, is_wanted: impl Fn(&str) -> bool) {
        let changes = self.log.changes.iter();
        let mut missing: HashSet<&str> = changes
            .filter(|change| is_wanted(&change.table))
            .map(|change| change.line.as_str())
            .collect();
        let mut seen = 0;
        wait_for(what, &self.sink.durable, |durable| {
            for put in durable.iter().skip(seen) {
                missing.remove(put.line.as_str());
            }
            seen = durable.len();
            missing.is_empty()
        })
        .await;
    }

    fn wanted_lines(&self) -> Vec<&str> {
        let changes = self.log.changes.iter();
        changes.map(|change| change.line.as_str()).collect()
    }

    /// Everything has arrived, and nothing that is not in the log.
    pub fn assert_complete(&self) {
        let mut wanted = self.wanted_lines();
        let mut durable = self.sink.lines();
        wanted.sort_unstable();
        durable.sort_unstable();
        durable.dedup();
        assert_eq!(durable, wanted);
    }

    /// Everything has arrived exactly once.
    pub fn assert_exact(&self) {
        let mut wanted = self.wanted_lines();
        let mut durable = self.sink.lines();
        wanted.sort_unstable();
        durable.sort_unstable();
        assert_eq!(durable, wanted);
    }

    /// What is durable is exactly what the stored position covers.
    pub fn assert_drained(&self) {
        let checkpoint = self.store.saved().expect("a stored position");
        assert!(checkpoint.drained, "{checkpoint:?}");
        let mut covered: Vec<String> = self
            .log
            .changes
            .iter()
            .filter(|change| store::covers(&checkpoint.resume.mark, change))
            .map(|change| change.line.clone())
            .collect();
        let mut durable = self.sink.lines();
        covered.sort_unstable();
        durable.sort_unstable();
        durable.dedup();
        assert_eq!(durable, covered);
    }

    /// What holds at any time: order per lane, positions never ahead, ports used as agreed.
    pub fn check(&self) {
        let broken = self.store.broken();
        assert!(broken.is_empty(), "{broken:#?}");
        let broken = self.sink.broken();
        assert!(broken.is_empty(), "{broken:#?}");
        let (mut places, mut sizes) = (HashMap::new(), HashMap::new());
        for change in &self.log.changes {
            let unit = self.ordering_unit(&change.line);
            let place: &mut usize = sizes.entry(unit).or_default();
            places.insert(change.line.as_str(), (unit, *place));
            *place += 1;
        }
        // A replay may go back; nothing ever jumps ahead.
        let mut next: HashMap<(&str, &str), usize> = HashMap::new();
        for put in self.sink.durable.borrow().iter() {
            let (unit, place) = places[put.line.as_str()];
            let expected = next.entry(unit).or_default();
            assert!(
                place <= *expected,
                "'{}' came before what precedes it; durable: {:#?}",
                put.line,
                self.sink.lines()
            );
            *expected = place + 1;
        }
    }

    /// Table, or table and key: what order is promised for.
    fn ordering_unit<'a>(&self, line: &'a str) -> (&'a str, &'a str) {
        let mut words = line.split(' ');
        let table = words.next().unwrap_or_default();
        let key = match self.options.ordering {
            OrderingKey::Table | OrderingKey::Routed(_) => "",
            OrderingKey::PrimaryKey { .. } => words.nth(3).unwrap_or_default(),
        };
        (table, key)
    }
}

/// Resumes from the store; the first time it stores where it begins.
struct TestLauncher(World);

impl Launcher for TestLauncher {
    fn launch(&self) -> BoxFuture<'static, Result<Launch, Failure>> {
        let world = self.0.clone();
        Box::pin(async move {
            let from = match world.store.load().await?.checkpoint {
                Some(checkpoint) => checkpoint,
                None => {
                    let checkpoint = start(&world.options);
                    world.store.save(checkpoint.clone()).await?;
                    checkpoint
                }
            };
            Ok(Launch {
                from,
                until: world.options.until.clone(),
                source: Arc::new(world.source.clone()),
                name_case: Default::default(),
                routes: Arc::new(TestRoutes(world)),
                snapshots: None,
            })
        })
    }
}

fn start(options: &Options) -> Checkpoint {
    Checkpoint {
        name: "test".into(),
        server_id: 1,
        home: Home {
            server_uuid: Uuid(fixture::SOURCE),
            epoch: 1,
        },
        resume: Resume::at(fixture::at(4), GtidSet::default()),
        ordering: options.ordering.clone(),
        tables: Default::default(),
        snapshot_tables: Default::default(),
        drained: true,
        parked: Default::default(),
    }
}
