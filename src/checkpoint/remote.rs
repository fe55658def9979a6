//! A checkpoint in a table that several machines reach, under a lease.
//!
//! A pipeline is one row: its claim (who holds the lease, [`crate::lease`]), a version, and the checkpoint's text.
//! Every write is conditional. A save names term, holder and version: a stale term changes nothing, and of two
//! saves of one holder the one that was called first can never land last, however late the network brings
//! it. What became of a write without an answer is found by reading the row before the next one. All of it runs
//! on a thread of its own, so that renewals wait for nobody. Not here: what a table is ([`super::mysql`],
//! [`super::dynamodb`]).

mod keeper;

use std::{
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use headwater_actors::{
    checkpoint::Checkpoint,
    failure::Failure,
    ports::{
        BoxFuture,
        store::{CheckpointStore, LastEnd, Stored},
    },
};
use tokio::{
    runtime::{Builder, Handle, Runtime},
    sync::{Mutex, mpsc},
};

use self::keeper::Keeper;
use super::change::Change;
use super::{Error, LeaseEvent, Opened, Tell, Wait, body};
use crate::{
    clock::now_us,
    lease::{Claim, Span, gate::LeaseGate, work::Work},
};

/// A larger text is compressed.
const PLAIN_BYTES_MAX: usize = 16 * 1024;
const TEXT_BYTES_MAX: usize = 64 * 1024 * 1024;
/// <https://datatracker.ietf.org/doc/html/rfc8878#section-3.1.1>
const ZSTD_MAGIC: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];
const ZSTD_LEVEL: i32 = 3;
const SAVE_TRIES: u32 = 4;
/// A save in a table of the source is a transaction to read; DynamoDB takes money.
const QUIET_INTERVAL: Duration = Duration::from_secs(10);

/// One pipeline's row.
#[derive(Debug, Clone, PartialEq)]
pub struct Row {
    pub claim: Claim,
    /// Rises with every save.
    pub version: u64,
    /// Empty before the first save.
    pub body: Vec<u8>,
}

/// The row of one pipeline, with conditional writes. `Ok(false)`: the condition did not hold, nothing was written.
pub trait Table: Send + Sync + 'static {
    /// For messages, as in `table "headwater.checkpoint" on db:3306`.
    fn place(&self) -> &str;

    fn body_bytes_max(&self) -> usize;

    /// What every write before it left.
    fn read(&self) -> BoxFuture<'_, Result<Option<Row>, Failure>>;

    /// Writes `new` where `seen` stands; `None`: where no row stands.
    fn claim<'a>(
        &'a self,
        seen: Option<&'a Claim>,
        new: &'a Claim,
    ) -> BoxFuture<'a, Result<bool, Failure>>;

    /// Writes the body and the next version where `claim`'s term and holder, and this version, stand.
    fn save<'a>(
        &'a self,
        claim: &'a Claim,
        version: u64,
        body: &'a [u8],
    ) -> BoxFuture<'a, Result<bool, Failure>>;

    /// Writes nothing, but fails where a write would.
    fn try_write(&self) -> BoxFuture<'_, Result<(), Failure>>;

    /// Creates the table where there is none.
    fn create(&self) -> BoxFuture<'_, Result<(), Failure>>;
}

/// What opens a table; two connections are opened, one for saves and one for the lease.
pub type Connect =
    Arc<dyn Fn() -> BoxFuture<'static, Result<Arc<dyn Table>, Failure>> + Send + Sync>;

/// The thread that the store lives on. Dropped at any place without waiting.
struct Thread(Option<Runtime>);

impl Thread {
    fn start() -> Result<Self, Failure> {
        let mut builder = Builder::new_multi_thread();
        builder.worker_threads(1).thread_name("lease").enable_all();
        let runtime = builder.build().map_err(|error| {
            Failure::definite("start the thread of the checkpoint store").because(error)
        })?;
        Ok(Self(Some(runtime)))
    }

    async fn run<T: Send + 'static>(
        &self,
        work: impl Future<Output = Result<T, Failure>> + Send + 'static,
    ) -> Result<T, Failure> {
        match &self.0 {
            Some(runtime) => run_on(runtime.handle(), work).await,
            None => Err(Failure::transient(
                "the thread of the checkpoint store has ended",
            )),
        }
    }
}

async fn run_on<T: Send + 'static>(
    handle: &Handle,
    work: impl Future<Output = Result<T, Failure>> + Send + 'static,
) -> Result<T, Failure> {
    handle
        .spawn(work)
        .await
        .unwrap_or_else(|error| Err(Failure::transient("checkpoint store").because(error)))
}

impl Drop for Thread {
    fn drop(&mut self) {
        if let Some(runtime) = self.0.take() {
            runtime.shutdown_background();
        }
    }
}

/// The lease that was taken; given back when nothing is in flight, or left to run out.
pub struct Held {
    keeper: keeper::Handle,
    thread: Thread,
}

impl Held {
    pub async fn give_back(self) {
        if let Err(failure) = self.thread.run(self.keeper.give_back()).await {
            tracing::warn!(error = %failure, "the lease was not given back; it runs out by itself");
        }
    }
}

/// Takes the lease, as `wait` says, and opens the store under it.
pub async fn open(
    connect: Connect,
    (name, work): (&str, Work),
    span: Span,
    gate: &LeaseGate,
    wait: Wait,
    tell: Tell,
) -> Result<Opened, Failure> {
    let thread = Thread::start()?;
    let (events, received) = mpsc::unbounded_channel();
    let table = thread.run(connect()).await?;
    let keeper = Keeper::new(table, span, gate.clone(), events.clone());
    let (keeper, claim) = thread.run(keeper.acquire(work, wait, tell)).await?;
    let table = thread.run(connect()).await?;
    let inner = Inner {
        name: name.to_owned(),
        table,
        claim,
        timeout: keeper::timeout(span),
        gate: gate.clone(),
        events,
        written: Mutex::default(),
    };
    let handle = match &thread.0 {
        Some(runtime) => runtime.handle().clone(),
        None => Handle::current(),
    };
    let keeper = keeper.start(&handle);
    let store = RemoteStore {
        inner: Arc::new(inner),
        handle,
        calls: AtomicU64::new(0),
    };
    Ok(Opened {
        store: Arc::new(store),
        events: received,
        held: Some(Held { keeper, thread }),
    })
}

/// What is stored, without the lease.
pub async fn peek(connect: Connect, name: &str) -> Result<Stored, Failure> {
    let table = connect().await?;
    match table.read().await? {
        Some(row) => decode(table.place(), &row.body, name),
        None => Ok(Stored::default()),
    }
}

/// The store of whoever holds the lease.
struct RemoteStore {
    inner: Arc<Inner>,
    handle: Handle,
    calls: AtomicU64,
}

struct Inner {
    name: String,
    table: Arc<dyn Table>,
    /// Its term and holder are ours for as long as we live.
    claim: Claim,
    timeout: Duration,
    gate: LeaseGate,
    events: mpsc::UnboundedSender<LeaseEvent>,
    /// Held through a write: one at a time.
    written: Mutex<Written>,
}

#[derive(Default)]
struct Written {
    call: u64,
    epoch: u32,
    last_end: Option<LastEnd>,
    /// `None`: the row must be read first.
    version: Option<u64>,
}

impl CheckpointStore for RemoteStore {
    fn load(&self) -> BoxFuture<'static, Result<Stored, Failure>> {
        let (inner, handle) = (Arc::clone(&self.inner), self.handle.clone());
        Box::pin(async move { run_on(&handle, async move { inner.load().await }).await })
    }

    fn save(&self, checkpoint: Checkpoint) -> BoxFuture<'static, Result<(), Failure>> {
        self.write(Change::Position(Box::new(checkpoint)))
    }

    fn quiet_interval(&self) -> Duration {
        QUIET_INTERVAL
    }

    fn clear(&self) -> BoxFuture<'static, Result<(), Failure>> {
        self.write(Change::NoPosition)
    }

    fn note_end(&self, end: LastEnd) -> BoxFuture<'static, Result<(), Failure>> {
        self.write(Change::End(end))
    }
}

impl RemoteStore {
    fn write(&self, change: Change) -> BoxFuture<'static, Result<(), Failure>> {
        let (inner, handle) = (Arc::clone(&self.inner), self.handle.clone());
        let call = 1 + self.calls.fetch_add(1, Ordering::Relaxed);
        // A write whose future is dropped still runs to its end.
        Box::pin(
            async move { run_on(&handle, async move { inner.write(call, change).await }).await },
        )
    }
}

impl Inner {
    async fn load(&self) -> Result<Stored, Failure> {
        let mut written = self.written.lock().await;
        self.read(&mut written).await
    }

    async fn read(&self, written: &mut Written) -> Result<Stored, Failure> {
        let row = self.bounded("read", self.table.read()).await?;
        let Some(row) = row.filter(|row| row.claim.is_same_term(&self.claim)) else {
            return Err(self.overtaken());
        };
        let stored = decode(self.table.place(), &row.body, &self.name)?;
        written.version = Some(row.version);
        written.epoch = written.epoch.max(stored.epoch);
        written.last_end.clone_from(&stored.last_end);
        Ok(stored)
    }

    async fn write(&self, call: u64, change: Change) -> Result<(), Failure> {
        let mut written = self.written.lock().await;
        if call < written.call {
            return Ok(());
        }
        written.call = call;
        let before = match written.version {
            Some(_) if !change.keeps_checkpoint() => Stored {
                epoch: written.epoch,
                last_end: written.last_end.clone(),
                ..Stored::default()
            },
            _ => self.read(&mut written).await?,
        };
        let stored = change.apply(before, now_us());
        if stored.epoch < written.epoch {
            let text = format!(
                "the checkpoint in {} has epoch {}, refused to go back to {}",
                self.table.place(),
                written.epoch,
                stored.epoch
            );
            return Err(
                Failure::definite(text).with_hint("this is a defect of the program; report it")
            );
        }
        let body = self.encode(&stored)?;
        for _ in 0..SAVE_TRIES {
            let version = match written.version.take() {
                Some(version) => version,
                None => {
                    self.read(&mut written).await?;
                    continue;
                }
            };
            let save = self.table.save(&self.claim, version, &body);
            if self.bounded("write", save).await? {
                written.version = Some(version.wrapping_add(1));
                written.epoch = stored.epoch;
                written.last_end = stored.last_end;
                return Ok(());
            }
        }
        Err(Failure::transient(format!(
            "the checkpoint in {} is being written by another hand",
            self.table.place()
        )))
    }

    fn encode(&self, stored: &Stored) -> Result<Vec<u8>, Failure> {
        let text = body::encode(&self.name, stored)
            .map_err(|error| Failure::definite("encode the checkpoint").because(error))?;
        let body = pack(text)
            .map_err(|error| Failure::transient("compress the checkpoint").because(error))?;
        let bytes_max = self.table.body_bytes_max();
        if bytes_max < body.len() {
            let text = format!(
                "the checkpoint has {} bytes, {} takes {bytes_max}",
                body.len(),
                self.table.place()
            );
            return Err(Failure::definite(text).with_hint(
                "its column lists are large: set binlog_row_metadata = FULL on the server, or use checkpoint.type = \"mysql\" or \"file\"",
            ));
        }
        Ok(body)
    }

    async fn bounded<T>(
        &self,
        doing: &str,
        call: impl Future<Output = Result<T, Failure>>,
    ) -> Result<T, Failure> {
        keeper::bounded(self.timeout, doing, self.table.place(), call).await
    }

    fn overtaken(&self) -> Failure {
        self.gate.end();
        let failure = keeper::overtaken(self.table.place(), self.claim.term);
        // Nobody listens when the pipeline is ending.
        drop(self.events.send(LeaseEvent::Lost(failure.clone())));
        failure
    }
}

fn pack(text: String) -> std::io::Result<Vec<u8>> {
    if text.len() <= PLAIN_BYTES_MAX {
        return Ok(text.into_bytes());
    }
    zstd::bulk::compress(text.as_bytes(), ZSTD_LEVEL)
}

pub(super) fn decode(place: &str, body: &[u8], name: &str) -> Result<Stored, Failure> {
    if body.is_empty() {
        return Ok(Stored::default());
    }
    let damaged = |found: String| {
        Failure::definite(format!("the checkpoint of \"{name}\" in {place} is damaged: {found}"))
            .with_hint("restore its row from a copy; or note a position that is surely delivered, delete the row and set source.start to it: the epoch starts again, so consumers that compare seq must start again too")
    };
    let unpacked;
    let text = match body.starts_with(&ZSTD_MAGIC) {
        true => {
            unpacked = zstd::bulk::decompress(body, TEXT_BYTES_MAX)
                .map_err(|error| damaged(error.to_string()))?;
            unpacked.as_slice()
        }
        false => body,
    };
    body::decode(text, Path::new(place), name).map_err(|error| match error {
        Error::Damaged { found, .. } => damaged(found),
        Error::Newer { found, known, .. } => Failure::definite(format!(
            "the checkpoint of \"{name}\" in {place} has version {found}, this program knows up to {known}"
        ))
        .with_hint("run the version that wrote it, or a newer one"),
        Error::OtherPipeline { found, .. } => damaged(format!("it is that of pipeline \"{found}\"")),
        other => other.into(),
    })
}

#[cfg(test)]
mod tests;
