//! What the process shows of itself, over real sockets: bound before the pipeline, honest about its state.

#![allow(clippy::unwrap_used)] // a test ends there

#[path = "telemetry/standby.rs"]
mod standby;

use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    time::{Duration, Instant},
};

use actix::{Actor, Context, Handler, MessageResult};
use headwater::telemetry::{
    Error, LogFormat, Telemetry, TelemetryPlan,
    health::{self, Probe},
    http::{SupervisorSlot, bind},
    recorder::{IDLE_TIMEOUT, MetricsPage, build},
    server::Server,
};
use headwater_actors::{
    metrics::{ALL, Kind, describe_all},
    status::{ErrorStatus, GetStatus, State, Status, Vitals},
};
use headwater_harness::promtool;
use metrics::Label;
use tokio::sync::watch;

const LOOPBACK: &str = "127.0.0.1:0";

/// Answers with this status.
struct Supervisor(Status);

impl Actor for Supervisor {
    type Context = Context<Self>;
}

impl Handler<GetStatus> for Supervisor {
    type Result = MessageResult<GetStatus>;

    fn handle(&mut self, _: GetStatus, _: &mut Context<Self>) -> Self::Result {
        MessageResult(self.0.clone())
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
        purge_in_secs: Some(86_400),
        checkpoint_age_secs: None,
        tables: Vec::new(),
        parked: Vec::new(),
        copies: Vec::new(),
        lanes: Vec::new(),
        sinks: Vec::new(),
        last_errors: Vec::new(),
    }
}

fn page() -> MetricsPage {
    let (_recorder, page) = build("shop", IDLE_TIMEOUT).unwrap();
    page
}

fn serve(supervisor: &SupervisorSlot) -> Server {
    let listener = bind(LOOPBACK.parse().unwrap()).unwrap();
    Server::start(listener, page(), supervisor.clone()).unwrap()
}

fn vitals(state: State) -> Vitals {
    Vitals {
        state,
        last_error: None,
        at: Instant::now(),
    }
}

/// A supervisor that never answers, whose vitals are what the sender says.
fn deaf(slot: &SupervisorSlot, state: State) -> watch::Sender<Vitals> {
    let (tell, told) = watch::channel(vitals(state));
    slot.set(Deaf.start().recipient(), told);
    tell
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
async fn the_health_command_sees_what_the_probes_say() {
    let slot = SupervisorSlot::default();
    let server = serve(&slot);
    let address = server.address();
    let ask = async |probe| {
        let asked = tokio::task::spawn_blocking(move || health::ask(address, probe));
        let answer = asked.await.unwrap().unwrap();
        (answer.is_ok, answer.text)
    };
    let (is_ok, text) = ask(Probe::Ready).await;
    assert_eq!((is_ok, text.as_str()), (false, "not ready: starting"));
    assert!(ask(Probe::Alive).await.0);
    let _tell = deaf(&slot, State::Streaming);
    let (is_ok, text) = ask(Probe::Ready).await;
    assert_eq!((is_ok, text.as_str()), (true, "ready: streaming"));
    server.stop().await;
}

#[actix::test]
async fn ready_follows_the_state_and_tells_the_last_error() {
    let slot = SupervisorSlot::default();
    let server = serve(&slot);
    let address = server.address();
    let tell = deaf(&slot, State::Streaming);
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
        tell.send_replace(vitals(state));
        assert_eq!(get(address, "/readyz").await.code, 503, "{state:?}");
        assert_eq!(get(address, "/livez").await.code, 200, "{state:?}");
    }

    tell.send_modify(|vitals| {
        vitals.last_error = Some(ErrorStatus {
            at_unix_secs: 1,
            since_unix_secs: 1,
            times: 1,
            cured_at_unix_secs: None,
            actor: "reader".into(),
            message: "binlog file `binlog.000003` is purged".into(),
            hint: Some("run `headwater position set`".into()),
        });
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
    let (_tell, told) = watch::channel(vitals(State::BackingOff));
    let supervisor = Supervisor(status(State::BackingOff)).start();
    slot.set(supervisor.recipient(), told);
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
async fn a_pipeline_that_is_too_busy_to_answer_is_alive_and_ready() {
    let slot = SupervisorSlot::default();
    let server = serve(&slot);
    let address = server.address();
    let _tell = deaf(&slot, State::Streaming);
    let status = get(address, "/status").await;
    assert_eq!(status.code, 503);
    assert!(status.body.contains("did not answer"), "{}", status.body);
    assert_eq!(get(address, "/livez").await.code, 200);
    assert_eq!(get(address, "/readyz").await.code, 200);
    server.stop().await;
}

#[actix::test]
async fn a_supervisor_that_does_nothing_any_more_is_not_alive() {
    let slot = SupervisorSlot::default();
    let server = serve(&slot);
    let address = server.address();
    let tell = deaf(&slot, State::Streaming);
    let long_ago = Instant::now().checked_sub(Duration::from_secs(11)).unwrap();
    tell.send_modify(|vitals| vitals.at = long_ago);
    let live = get(address, "/livez").await;
    assert_eq!(live.code, 503);
    assert!(live.body.contains("nothing for 10 s"), "{}", live.body);
    assert_eq!(get(address, "/readyz").await.code, 503);
    let metrics = get(address, "/metrics").await;
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
    drop(deaf(&slot, State::Stopped));
    assert_eq!(get(server.address(), "/livez").await.code, 503);
    server.stop().await;
}

fn client(address: SocketAddr, said: &[u8]) -> TcpStream {
    let mut stream = TcpStream::connect(address).unwrap();
    stream
        .set_read_timeout(Some(Duration::from_secs(60)))
        .unwrap();
    stream.write_all(said).unwrap();
    stream
}

/// Reads until the server has closed, in whatever way.
fn is_closed(mut client: TcpStream) -> bool {
    let mut rest = Vec::new();
    match client.read_to_end(&mut rest) {
        Ok(_) => true,
        Err(error) => error.kind() == std::io::ErrorKind::ConnectionReset,
    }
}

#[actix::test]
async fn clients_that_send_nothing_or_half_a_request_keep_no_probe_out() {
    let server = serve(&SupervisorSlot::default());
    let address = server.address();
    let mut clients = Vec::new();
    for _ in 0..150 {
        clients.push(client(address, b""));
        clients.push(client(address, b"GET /livez HTTP/1.1\r\nHost: a\r\n"));
    }
    for _ in 0..10 {
        assert_eq!(get(address, "/livez").await.code, 200);
    }
    // The oldest went for the newest, and the others when their time was over.
    let closed = tokio::task::spawn_blocking(move || clients.into_iter().all(is_closed));
    assert!(closed.await.unwrap());
    server.stop().await;
}

#[actix::test]
async fn a_connection_carries_one_request() {
    let server = serve(&SupervisorSlot::default());
    let request = "GET /livez HTTP/1.1\r\nHost: a\r\n\r\n";
    let mut client = client(server.address(), request.repeat(3).as_bytes());
    let read = tokio::task::spawn_blocking(move || {
        let mut text = String::new();
        client.read_to_string(&mut text).map(|_| text)
    });
    let text = read.await.unwrap().unwrap();
    assert_eq!(text.matches("HTTP/1.1 200 OK").count(), 1, "{text}");
    assert!(text.contains("Connection: close"), "{text}");
    server.stop().await;
}

#[actix::test]
async fn clients_that_never_read_their_pages_keep_nobody_out_and_hold_a_few_pages_at_most() {
    let (recorder, page) = build("shop", IDLE_TIMEOUT).unwrap();
    metrics::with_local_recorder(&recorder, || {
        for lane in 0..20_000 {
            let gauge = metrics::gauge!(
                headwater_actors::metrics::LANE_BACKLOG_BYTES,
                "lane" => format!("{}{lane}", "a".repeat(190))
            );
            gauge.set(1.0);
        }
    });
    let listener = bind(LOOPBACK.parse().unwrap()).unwrap();
    let server = Server::start(listener, page, SupervisorSlot::default()).unwrap();
    let address = server.address();
    let request = "GET /metrics HTTP/1.1\r\nHost: a\r\n\r\n";
    let clients: Vec<_> = (0..60)
        .map(|_| client(address, request.repeat(20).as_bytes()))
        .collect();
    assert_eq!(get(address, "/livez").await.code, 200);
    let page = get(address, "/metrics").await;
    assert_eq!(page.code, 200);
    assert!(page.body.len() > 4_000_000, "{}", page.body.len());
    let closed = tokio::task::spawn_blocking(move || clients.into_iter().all(is_closed));
    assert!(closed.await.unwrap());
    server.stop().await;
}

#[test]
fn prometheus_linter_finds_nothing_on_a_page_of_every_metric() {
    let (recorder, page) = build("shop", IDLE_TIMEOUT).unwrap();
    metrics::with_local_recorder(&recorder, || {
        describe_all();
        for metric in ALL {
            let label = |name: &&'static str| Label::new(*name, "a \"b\"\n\\");
            let labels: Vec<Label> = metric.labels.iter().map(label).collect();
            match metric.kind {
                Kind::Counter => metrics::counter!(*metric, labels).increment(1),
                Kind::Gauge => metrics::gauge!(*metric, labels).set(1.5),
                Kind::Histogram { .. } => metrics::histogram!(*metric, labels).record(0.25),
            }
        }
    });
    let page = page.render(Some(State::Streaming));
    for metric in ALL {
        let head = format!("# HELP {} ", metric.name);
        assert!(page.contains(&head), "`{head}`:\n{page}");
    }
    promtool::check_metrics(&page).unwrap();
}

/// The one test that installs the process-wide recorder.
#[actix::test]
async fn telemetry_shows_what_is_counted_and_closes_its_port() {
    let plan = TelemetryPlan {
        listen: Some(LOOPBACK.parse().unwrap()),
        log_format: LogFormat::Text,
        cloudwatch: None,
    };
    let telemetry = Telemetry::start(&plan, "shop").unwrap();
    let address = telemetry.address().unwrap();
    let (_tell, told) = watch::channel(vitals(State::Streaming));
    telemetry.attach(Deaf.start().recipient(), told);
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
        "headwater_fences_total{pipeline=\"shop\"} 4".to_owned(),
        "headwater_up{pipeline=\"shop\"} 1".to_owned(),
        format!("headwater_build_info{{pipeline=\"shop\",version=\"{version}\"}} 1"),
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
        cloudwatch: None,
    };
    let error = Telemetry::start(&plan, "shop").err().unwrap();
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
        cloudwatch: None,
    };
    let telemetry = Telemetry::start(&plan, "shop").unwrap();
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
