//! A Kinesis and Firehose API that fails on demand: in memory, or in front of another server.
//!
//! It speaks AWS's JSON 1.1, plain or over TLS, and enforces the documented limits of PutRecords and
//! PutRecordBatch. A test programs [`Faults`] at any time, holds calls with [`FaultProxy::hold`], and reads with
//! [`FaultProxy::records`] what arrived, in order. Random decisions come from one seeded generator. "Down" closes
//! every connection without an answer; a lost reply takes the records first. Not here: signatures, IAM, reading
//! (in memory), networks that stand still ([`crate::wire`]).

mod line;
mod memory;
mod program;
mod put;

use std::{
    collections::{BTreeSet, HashMap},
    net::SocketAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::SystemTime,
};

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::{Request, Response, body::Incoming, service::service_fn};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::{TokioExecutor, TokioIo},
};
use serde_json::{Value, json};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::watch,
    task::JoinSet,
};

pub use memory::Landed;
pub use program::{Faults, ShardLimits};

use line::{Ending, Line, Tls};
use memory::Stream;

/// What the put calls looked like so far.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Stats {
    pub calls: u64,
    pub first_call_at: Option<SystemTime>,
    pub entries_max: usize,
    /// Data and keys of the largest call, and of all calls at once.
    pub call_bytes_max: usize,
    pub in_flight_bytes_max: usize,
    pub in_flight_calls_max: usize,
    /// Entries whose partition key was under way already, in the same call or another.
    pub key_overlaps: u64,
    /// Calls that a fraction of [`Faults`] hit as a whole.
    pub calls_struck: u64,
}

/// The server; it ends when dropped.
pub struct FaultProxy {
    address: SocketAddr,
    shared: Arc<Shared>,
    server: tokio::task::JoinHandle<()>,
}

/// Calls wait as long as one of these lives.
pub struct Hold {
    shared: Arc<Shared>,
}

struct Shared {
    backend: Backend,
    faults: Mutex<Faults>,
    random: Mutex<fastrand::Rng>,
    stats: Mutex<InFlight>,
    signers: Mutex<BTreeSet<String>>,
    operations: Mutex<BTreeSet<String>>,
    calls: watch::Sender<u64>,
    holds: watch::Sender<usize>,
    held: watch::Sender<usize>,
    tls: Option<Tls>,
}

enum Backend {
    Memory(Mutex<HashMap<String, Stream>>),
    Upstream {
        url: String,
        client: Box<Client<HttpConnector, Full<Bytes>>>,
        /// For throttling by shard: where keys go, not what they hold.
        shards: Mutex<Stream>,
    },
}

#[derive(Default)]
struct InFlight {
    stats: Stats,
    calls: usize,
    bytes: usize,
    keys: HashMap<String, usize>,
}

type Answer = Response<Full<Bytes>>;

/// The connection is closed instead of an answer.
#[derive(Debug)]
struct HungUp;

impl std::error::Error for HungUp {}

impl std::fmt::Display for HungUp {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("connection closed on purpose")
    }
}

impl FaultProxy {
    /// Holds `streams` (name, shards) itself; a Firehose delivery stream is one with a single shard.
    pub async fn in_memory(streams: &[(&str, usize)], seed: u64) -> std::io::Result<Self> {
        let streams = streams
            .iter()
            .map(|(name, shards)| ((*name).to_owned(), Stream::new(*shards)))
            .collect();
        Self::start(Backend::Memory(Mutex::new(streams)), None, seed).await
    }

    /// Passes on to `url` what no fault keeps. `shards`: of the stream there, for faults by shard.
    pub async fn in_front_of(url: &str, shards: usize, seed: u64) -> std::io::Result<Self> {
        Self::start(Backend::upstream(url, shards), None, seed).await
    }

    /// The same over TLS, with a [certificate](Self::certificate) that nobody trusts yet.
    pub async fn over_tls(url: &str, shards: usize, seed: u64) -> std::io::Result<Self> {
        let tls = Tls::new().map_err(std::io::Error::other)?;
        Self::start(Backend::upstream(url, shards), Some(tls), seed).await
    }

    async fn start(backend: Backend, tls: Option<Tls>, seed: u64) -> std::io::Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let address = listener.local_addr()?;
        let shared = Arc::new(Shared {
            backend,
            faults: Mutex::default(),
            random: Mutex::new(fastrand::Rng::with_seed(seed)),
            stats: Mutex::default(),
            signers: Mutex::default(),
            operations: Mutex::default(),
            calls: watch::Sender::new(0),
            holds: watch::Sender::new(0),
            held: watch::Sender::new(0),
            tls,
        });
        let server = tokio::spawn(accept(listener, Arc::clone(&shared)));
        Ok(Self {
            address,
            shared,
            server,
        })
    }

    /// For `endpoint_url`.
    pub fn url(&self) -> String {
        let scheme = self.shared.tls.as_ref().map_or("http", |_| "https");
        format!("{scheme}://{}", self.address)
    }

    pub fn port(&self) -> u16 {
        self.address.port()
    }

    /// What a client must trust, as PEM; of a proxy over TLS.
    pub fn certificate(&self) -> Option<&str> {
        self.shared.tls.as_ref().map(Tls::certificate)
    }

    /// Changes the program from the next call on.
    pub fn program(&self, change: impl FnOnce(&mut Faults)) {
        change(&mut locked(&self.shared.faults));
    }

    /// Put calls that have not been taken wait from now on, until the hold is dropped.
    pub fn hold(&self) -> Hold {
        self.shared.holds.send_modify(|holds| *holds += 1);
        Hold {
            shared: Arc::clone(&self.shared),
        }
    }

    /// Waits until `count` put calls have arrived since the start, held ones included.
    pub async fn calls_reached(&self, count: u64) {
        let mut calls = self.shared.calls.subscribe();
        // The sender lives in `self`.
        drop(calls.wait_for(|calls| *calls >= count).await);
    }

    pub fn stats(&self) -> Stats {
        locked(&self.shared.stats).stats
    }

    /// The access keys by which put calls were signed.
    pub fn signers(&self) -> BTreeSet<String> {
        locked(&self.shared.signers).clone()
    }

    /// All operations that were called, as the header `x-amz-target` names them: `Kinesis_20131202.PutRecords`.
    pub fn operations(&self) -> BTreeSet<String> {
        locked(&self.shared.operations).clone()
    }

    /// What an in-memory stream holds, in order of arrival; empty for an upstream.
    pub fn records(&self, stream: &str) -> Vec<Landed> {
        match &self.shared.backend {
            Backend::Memory(streams) => locked(streams)
                .get(stream)
                .map(|stream| stream.records().to_vec())
                .unwrap_or_default(),
            Backend::Upstream { .. } => Vec::new(),
        }
    }

    /// The shard on which a partition key lands, in memory or as the proxy reckons.
    pub fn shard_of(&self, stream: &str, partition_key: &str) -> Option<String> {
        match &self.shared.backend {
            Backend::Memory(streams) => locked(streams)
                .get(stream)
                .map(|stream| stream.shard_of(partition_key, None)),
            Backend::Upstream { shards, .. } => Some(locked(shards).shard_of(partition_key, None)),
        }
    }

    /// As if the stream had been deleted.
    pub fn delete_stream(&self, stream: &str) {
        if let Backend::Memory(streams) = &self.shared.backend {
            locked(streams).remove(stream);
        }
    }
}

impl Drop for FaultProxy {
    fn drop(&mut self) {
        self.server.abort();
    }
}

impl Hold {
    /// Waits until it holds a call.
    pub async fn holds_one(&self) {
        let mut held = self.shared.held.subscribe();
        // The sender lives in `shared`.
        drop(held.wait_for(|held| *held > 0).await);
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        self.shared.holds.send_modify(|holds| *holds -= 1);
    }
}

/// A call that waits, until it goes on or its client is gone.
struct Held<'a> {
    held: &'a watch::Sender<usize>,
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        self.held.send_modify(|held| *held -= 1);
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The connections end with this task.
async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((tcp, _)) => {
                    let faults = locked(&shared.faults).clone();
                    if shared.happens(faults.connections_reset) {
                        line::reset(&tcp);
                    } else if !faults.is_down {
                        connections.spawn(serve(tcp, Arc::clone(&shared)));
                    }
                }
                Err(_) => tokio::task::yield_now().await,
            },
            Some(_) = connections.join_next() => (),
        }
    }
}

async fn serve(tcp: TcpStream, shared: Arc<Shared>) {
    // Without it a small answer waits for the client's next segment; failing to set it costs only time.
    drop(tcp.set_nodelay(true));
    let ending = Arc::<Ending>::default();
    let Ok(line) = Line::open(tcp, shared.tls.as_ref(), Arc::clone(&ending)).await else {
        return;
    };
    let service =
        service_fn(move |request| answer(request, Arc::clone(&shared), Arc::clone(&ending)));
    let connection =
        hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(line), service);
    // A hung-up connection ends in an error: that is its purpose.
    drop(connection.await);
}

async fn answer(
    request: Request<Incoming>,
    shared: Arc<Shared>,
    ending: Arc<Ending>,
) -> Result<Answer, HungUp> {
    let (head, mut body) = request.into_parts();
    let target = head.headers.get("x-amz-target");
    let target = target.and_then(|target| target.to_str().ok());
    locked(&shared.operations).extend(target.map(str::to_owned));
    let action = target
        .and_then(|target| target.split('.').nth(1))
        .unwrap_or_default()
        .to_owned();
    let api = put::Api::of(&action);
    let faults = locked(&shared.faults).clone();
    if api.is_some() && shared.strikes(faults.requests_reset) {
        drop(body.frame().await);
        ending.reset();
        return Err(HungUp);
    }
    let body = body.collect().await.map_err(|_| HungUp)?.to_bytes();
    if locked(&shared.faults).is_down {
        return Err(HungUp);
    }
    if let Some(api) = api {
        locked(&shared.signers).extend(signer(&head.headers));
        let answer = put::put(&shared, api, head, &body).await?;
        if shared.strikes(faults.replies_reset) {
            // In its head or its body.
            ending.reset_within(locked(&shared.random).usize(1..100));
        }
        return Ok(answer);
    }
    match &shared.backend {
        Backend::Memory(streams) => Ok(describe(&shared, &locked(streams), &action, &body)),
        Backend::Upstream { .. } => {
            let (answer, body) = shared.forward(&head, body).await?.into_parts();
            let body = body.collect().await.map_err(|_| HungUp)?.to_bytes();
            let body = match &*action {
                "DescribeStreamSummary" => with_limit(body, faults.record_bytes_max),
                _ => body,
            };
            Ok(Response::from_parts(answer, Full::new(body)))
        }
    }
}

/// The answer of a server that knows no limit but its own.
fn with_limit(body: Bytes, record_bytes_max: usize) -> Bytes {
    let Ok(mut answer) = serde_json::from_slice::<Value>(&body) else {
        return body;
    };
    answer["StreamDescriptionSummary"]["MaxRecordSizeInKiB"] = (record_bytes_max >> 10).into();
    answer.to_string().into()
}

/// `AWS4-HMAC-SHA256 Credential=KEY/DATE/…`
fn signer(headers: &hyper::HeaderMap) -> Option<String> {
    let authorization = headers.get("authorization")?.to_str().ok()?;
    let (_, credential) = authorization.split_once("Credential=")?;
    Some(credential.split('/').next()?.to_owned())
}

fn describe(
    shared: &Shared,
    streams: &HashMap<String, Stream>,
    action: &str,
    body: &[u8],
) -> Answer {
    let body: Value = serde_json::from_slice(body).unwrap_or_default();
    let name = ["StreamName", "DeliveryStreamName"]
        .iter()
        .find_map(|field| body.get(field)?.as_str())
        .unwrap_or_default();
    let Some(stream) = streams.get(name) else {
        return missing(name);
    };
    let faults = locked(&shared.faults);
    match action {
        "DescribeStreamSummary" => ok(&json!({"StreamDescriptionSummary": {
            "StreamName": name,
            "StreamARN": format!("arn:aws:kinesis:us-east-1:000000000000:stream/{name}"),
            "StreamStatus": faults.stream_status,
            "RetentionPeriodHours": 24,
            "StreamCreationTimestamp": 0,
            "EnhancedMonitoring": [],
            "OpenShardCount": stream.shard_count(),
            "MaxRecordSizeInKiB": faults.record_bytes_max >> 10,
        }})),
        "DescribeDeliveryStream" => ok(&json!({"DeliveryStreamDescription": {
            "DeliveryStreamName": name,
            "DeliveryStreamARN": format!("arn:aws:firehose:us-east-1:000000000000:deliverystream/{name}"),
            "DeliveryStreamStatus": faults.stream_status,
            "DeliveryStreamType": "DirectPut",
            "VersionId": "1",
            "Destinations": [],
            "HasMoreDestinations": false,
        }})),
        _ => error(400, "UnknownOperationException", "not in this API"),
    }
}

impl Backend {
    fn upstream(url: &str, shards: usize) -> Self {
        Self::Upstream {
            url: url.trim_end_matches('/').to_owned(),
            client: Box::new(Client::builder(TokioExecutor::new()).build_http()),
            shards: Mutex::new(Stream::new(shards)),
        }
    }
}

impl Shared {
    async fn wait_while_held(&self) {
        let mut holds = self.holds.subscribe();
        if *holds.borrow() == 0 {
            return;
        }
        self.held.send_modify(|held| *held += 1);
        let _held = Held { held: &self.held };
        // The sender lives in `self`.
        drop(holds.wait_for(|holds| *holds == 0).await);
    }

    async fn forward(
        &self,
        head: &hyper::http::request::Parts,
        body: Bytes,
    ) -> Result<Answer, HungUp> {
        let Backend::Upstream { url, client, .. } = &self.backend else {
            return Err(HungUp);
        };
        let path = head.uri.path_and_query().map_or("/", |path| path.as_str());
        let mut request = Request::builder()
            .method(head.method.clone())
            .uri(format!("{url}{path}"));
        for (name, value) in &head.headers {
            if !["host", "content-length", "connection"].contains(&name.as_str()) {
                request = request.header(name, value);
            }
        }
        let request = request.body(Full::new(body)).map_err(|_| HungUp)?;
        let (head, body) = client
            .request(request)
            .await
            .map_err(|_| HungUp)?
            .into_parts();
        let body = body.collect().await.map_err(|_| HungUp)?.to_bytes();
        let mut answer = Response::builder().status(head.status);
        if let Some(kind) = head.headers.get("content-type") {
            answer = answer.header("content-type", kind);
        }
        answer.body(Full::new(body)).map_err(|_| HungUp)
    }

    fn happens(&self, fraction: f64) -> bool {
        fraction > 0.0 && locked(&self.random).f64() < fraction
    }

    /// The same for a call as a whole.
    fn strikes(&self, fraction: f64) -> bool {
        let happens = self.happens(fraction);
        locked(&self.stats).stats.calls_struck += u64::from(happens);
        happens
    }
}

fn missing(name: &str) -> Answer {
    let text = format!("Stream {name} under account 000000000000 not found.");
    error(400, "ResourceNotFoundException", &text)
}

fn ok(body: &Value) -> Answer {
    respond(200, body)
}

fn error(status: u16, code: &str, message: &str) -> Answer {
    respond(status, &json!({"__type": code, "message": message}))
}

fn respond(status: u16, body: &Value) -> Answer {
    let mut answer = Response::new(Full::new(Bytes::from(body.to_string())));
    *answer.status_mut() =
        hyper::StatusCode::from_u16(status).unwrap_or(hyper::StatusCode::INTERNAL_SERVER_ERROR);
    answer.headers_mut().insert(
        "content-type",
        hyper::header::HeaderValue::from_static("application/x-amz-json-1.1"),
    );
    answer
}
