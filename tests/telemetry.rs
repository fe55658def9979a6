//! What the process shows of itself, over real sockets: bound before the pipeline, honest about its state.

#![allow(clippy::unwrap_used)] // a test ends there

use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    sync::{Arc, Mutex},
    time::Duration,
};

use actix::{Actor, Context, Handler, MessageResult};
use headwater::telemetry::{
    Error, LogFormat, Telemetry, TelemetryPlan,
    http::{Server, SupervisorSlot, bind},
    recorder::{IDLE_TIMEOUT, MetricsPage, build},
};
use headwater_actors::{
    metrics::{ALL, Kind},
    status::{ErrorStatus, GetStatus, State, Status},
};

const LOOPBACK: &str = "127.0.0.1:0";

/// Answers what it is told to.
struct Supervisor(Arc<Mutex<Status>>);

impl Actor for Supervisor {
    type Context = Context<Self>;
}

impl Handler<GetStatus> for Supervisor {
    type Result = MessageResult<GetStatus>;

    fn handle(&mut self, _: GetStatus, _: &mut Context<Self>) -> Self::Result {
        MessageResult(self.0.lock().unwrap().clone())
    }
}

/// Takes questions and never answers.
struct Deaf;

impl Actor for Deaf {
    type Context = Context<Self>;
}

impl Handler<GetStatus> for Deaf {
    type Result = actix::ResponseFuture<Status>;

    fn handle(&mut self, _: GetStatus, _: &mut Context<Self>) -> Self::Result {
        Box::pin(std::future::pending())
    }
}

fn status(state: State) -> Status {
    Status {
        name: "shop".into(),
        state,
        generation: 2,
        restarts: 1,
        restarts_by_actor: [("reader", 1)].into(),
        position_durable: Some("binlog.000007:1234".into()),
        position_read: Some("binlog.000007:2345".into()),
        gtid_set: None,
        lag_secs: Some(0.25),
        lag_bytes: Some(1111),
        checkpoint_age_secs: None,
        tables: Vec::new(),
        parked: Vec::new(),
        lanes: Vec::new(),
        last_errors: Vec::new(),
    }
}

fn page() -> MetricsPage {
    let (_recorder, page) = build(IDLE_TIMEOUT).unwrap();
    page
}

fn serve(supervisor: &SupervisorSlot) -> Server {
    let listener = bind(LOOPBACK.parse().unwrap()).unwrap();
    Server::start(listener, Arc::new(page()), supervisor.clone()).unwrap()
}

struct Reply {
    code: u16,
    head: String,
    body: String,
}

async fn get(address: SocketAddr, path: &'static str) -> Reply {
    let exchange = move || {
        let mut stream = TcpStream::connect(address)?;
        stream.set_read_timeout(Some(Duration::from_secs(20)))?;
        write!(
            stream,
            "GET {path} HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n"
        )?;
        let mut text = String::new();
        stream.read_to_string(&mut text)?;
        Ok::<_, std::io::Error>(text)
    };
    let text = tokio::task::spawn_blocking(exchange)
        .await
        .unwrap()
        .unwrap();
    let (head, body) = text.split_once("\r\n\r\n").unwrap();
    Reply {
        code: head.split(' ').nth(1).unwrap().parse().unwrap(),
        head: head.to_lowercase(),
        body: body.to_owned(),
    }
}

#[actix::test]
async fn before_the_supervisor_exists_the_process_is_alive_and_not_ready() {
    let server = serve(&SupervisorSlot::default());
    let address = server.address();
    assert_eq!(get(address, "/livez").await.code, 200);
    let ready = get(address, "/readyz").await;
    assert_eq!(
        (ready.code, ready.body.as_str()),
        (503, "not ready: starting\n")
    );
    let status = get(address, "/status").await;
    assert_eq!(
        (status.code, status.body.as_str()),
        (503, "{\"state\":\"starting\"}")
    );
    server.stop().await;
}

#[actix::test]
async fn ready_follows_the_state_and_tells_the_last_error() {
    let told = Arc::new(Mutex::new(status(State::Streaming)));
    let slot = SupervisorSlot::default();
    let server = serve(&slot);
    let address = server.address();
    slot.set(Supervisor(Arc::clone(&told)).start().recipient());
    let ready = get(address, "/readyz").await;
    assert_eq!(
        (ready.code, ready.body.as_str()),
        (200, "ready: streaming\n")
    );

    for state in [
        State::Starting,
        State::BackingOff,
        State::Paused,
        State::Draining,
        State::Stopped,
        State::Halted,
    ] {
        told.lock().unwrap().state = state;
        assert_eq!(get(address, "/readyz").await.code, 503, "{state:?}");
        assert_eq!(get(address, "/livez").await.code, 200, "{state:?}");
    }

    told.lock().unwrap().last_errors.push(ErrorStatus {
        at_unix_secs: 1,
        actor: "reader".into(),
        message: "binlog file `binlog.000003` is purged".into(),
        hint: Some("run `headwater position set`".into()),
    });
    let ready = get(address, "/readyz").await;
    assert_eq!(
        ready.body,
        "not ready: halted\nlast error, reader: binlog file `binlog.000003` is purged\nhint: run `headwater position set`\n"
    );
    server.stop().await;
}

#[actix::test]
async fn status_is_the_supervisors_answer_as_json() {
    let slot = SupervisorSlot::default();
    slot.set(
        Supervisor(Arc::new(Mutex::new(status(State::BackingOff))))
            .start()
            .recipient(),
    );
    let server = serve(&slot);
    let reply = get(server.address(), "/status").await;
    assert!(
        reply.head.contains("content-type: application/json"),
        "{}",
        reply.head
    );
    let json: serde_json::Value = serde_json::from_str(&reply.body).unwrap();
    assert_eq!(json["state"], "backing_off");
    assert_eq!(json["position_durable"], "binlog.000007:1234");
    assert_eq!(json["lag_bytes"], 1111);
    server.stop().await;
}

#[actix::test]
async fn a_supervisor_that_does_not_answer_is_not_alive() {
    let slot = SupervisorSlot::default();
    slot.set(Deaf.start().recipient());
    let server = serve(&slot);
    let address = server.address();
    let (live, ready, metrics) = futures_util::future::join3(
        get(address, "/livez"),
        get(address, "/readyz"),
        get(address, "/metrics"),
    )
    .await;
    assert_eq!((live.code, ready.code), (503, 503));
    assert!(live.body.contains("did not answer"), "{}", live.body);
    assert_eq!(
        metrics.code, 200,
        "metrics are there also when the pipeline hangs"
    );
    server.stop().await;
}

#[actix::test]
async fn a_supervisor_that_has_stopped_is_not_alive() {
    let slot = SupervisorSlot::default();
    let server = serve(&slot);
    let arbiter = actix::Arbiter::new();
    let supervisor = Deaf::start_in_arbiter(&arbiter.handle(), |_| Deaf);
    slot.set(supervisor.recipient());
    arbiter.stop();
    arbiter.join().unwrap();
    assert_eq!(get(server.address(), "/livez").await.code, 503);
    server.stop().await;
}

/// The one test that installs the process-wide recorder.
#[actix::test]
async fn telemetry_shows_what_is_counted_and_closes_its_port() {
    let plan = TelemetryPlan {
        listen: Some(LOOPBACK.parse().unwrap()),
        log_format: LogFormat::Text,
    };
    let telemetry = Telemetry::start(&plan).unwrap();
    let address = telemetry.address().unwrap();
    telemetry.attach(
        Supervisor(Arc::new(Mutex::new(status(State::Streaming))))
            .start()
            .recipient(),
    );
    metrics::counter!(headwater_actors::metrics::FENCES_TOTAL).increment(4);
    let reply = get(address, "/metrics").await;
    assert!(
        reply
            .head
            .contains("content-type: text/plain; version=0.0.4; charset=utf-8"),
        "{}",
        reply.head
    );
    let version = env!("CARGO_PKG_VERSION");
    for line in [
        "headwater_fences_total 4".to_owned(),
        "headwater_up 1".to_owned(),
        format!("headwater_build_info{{version=\"{version}\"}} 1"),
    ] {
        assert!(
            reply.body.lines().any(|found| found == line),
            "`{line}`:\n{}",
            reply.body
        );
    }
    assert_eq!(get(address, "/").await.code, 404);
    telemetry.stop().await;
    TcpListener::bind(address).expect("the port is free again");
}

#[actix::test]
async fn a_port_in_use_is_refused_with_the_key_and_the_remedy() {
    let taken = TcpListener::bind(LOOPBACK).unwrap();
    let address = taken.local_addr().unwrap();
    let plan = TelemetryPlan {
        listen: Some(address),
        log_format: LogFormat::Text,
    };
    let error = Telemetry::start(&plan).err().unwrap();
    assert!(matches!(error, Error::AddressInUse { .. }), "{error:?}");
    let text = error.to_string();
    assert!(text.starts_with("telemetry.listen: "), "{text}");
    assert!(
        text.contains(&format!("`{address}` is in use")) && text.contains("free port"),
        "{text}"
    );
}

#[actix::test]
async fn without_an_address_nothing_listens() {
    let plan = TelemetryPlan {
        listen: None,
        log_format: LogFormat::Json,
    };
    let telemetry = Telemetry::start(&plan).unwrap();
    assert_eq!(telemetry.address(), None);
    telemetry.stop().await;
}

#[test]
fn the_page_of_metrics_lists_every_metric_as_the_program_has_it() {
    let wanted: Vec<String> = ALL
        .iter()
        .map(|metric| {
            let kind = match metric.kind {
                Kind::Counter => "counter",
                Kind::Gauge => "gauge",
                Kind::Histogram { .. } => "histogram",
            };
            let labels: Vec<_> = metric
                .labels
                .iter()
                .map(|label| format!("`{label}`"))
                .collect();
            format!(
                "| `{}` | {kind} | {} | {} |",
                metric.name,
                labels.join(", "),
                metric.help
            )
        })
        .collect();
    let text = include_str!("../docs/metrics.md");
    let listed: Vec<&str> = text
        .lines()
        .skip_while(|line| *line != "## Every metric")
        .take_while(|line| *line != "## What to watch")
        .filter(|line| line.starts_with("| `"))
        .collect();
    assert_eq!(
        listed,
        wanted,
        "docs/metrics.md should list:\n{}",
        wanted.join("\n")
    );
}
