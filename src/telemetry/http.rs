//! The HTTP side: `/metrics`, `/livez`, `/readyz`, `/status`, on one small worker of actix-web.
//!
//! The address is bound before anything else starts. Whom to ask comes later, through a
//! [`SupervisorSlot`]: until then the process is alive and not ready. Alive means that the supervisor
//! answers within two seconds, so a deadlock is restarted by whoever watches; ready means that it says
//! *streaming*. The time limit drops an unanswered question, which carries no data, so nothing is lost.
//! Not here: HTTPS and authentication. Nothing on these pages is a row value or a secret.

use std::{
    io::ErrorKind,
    net::{SocketAddr, TcpListener},
    sync::{Arc, PoisonError, RwLock},
    time::Duration,
};

use actix::Recipient;
use actix_web::{
    App, HttpResponse, HttpServer,
    dev::ServerHandle,
    http::header::{CACHE_CONTROL, ContentType},
    web::{self, Data},
};
use headwater_actors::status::{GetStatus, State, Status};
use tokio::task::JoinHandle;

use super::{
    Error,
    recorder::{MetricsPage, state_name},
};

/// How long the supervisor may take to answer.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(2);

/// How long requests that have begun may take once the server stops.
const STOP_SECS: u64 = 1;

const CONNECTIONS_MAX: usize = 64;

const UPKEEP_INTERVAL: Duration = Duration::from_secs(5);

const METRICS_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// The supervisor, once there is one.
#[derive(Clone, Default)]
pub struct SupervisorSlot(Arc<RwLock<Occupant>>);

#[derive(Clone, Default)]
enum Occupant {
    #[default]
    Nobody,
    /// Why there is none yet.
    Standby(Arc<str>),
    Supervisor(Recipient<GetStatus>),
}

impl SupervisorSlot {
    pub fn set(&self, supervisor: Recipient<GetStatus>) {
        self.put(Occupant::Supervisor(supervisor));
    }

    /// Another process has the checkpoint store, or it cannot be reached.
    pub fn stand_by(&self, why: &str) {
        self.put(Occupant::Standby(why.into()));
    }

    fn put(&self, occupant: Occupant) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = occupant;
    }

    fn get(&self) -> Occupant {
        self.0
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    async fn ask(&self) -> Answer {
        let supervisor = match self.get() {
            Occupant::Nobody => return Answer::NotYet,
            Occupant::Standby(why) => return Answer::Standby(why),
            Occupant::Supervisor(supervisor) => supervisor,
        };
        match tokio::time::timeout(ANSWER_TIMEOUT, supervisor.send(GetStatus)).await {
            Ok(Ok(status)) => Answer::Status(Box::new(status)),
            Ok(Err(_)) => Answer::Silent("the supervisor has stopped"),
            Err(_) => Answer::Silent("the supervisor did not answer within 2 s"),
        }
    }
}

enum Answer {
    /// The pipeline is not started yet.
    NotYet,
    Standby(Arc<str>),
    Status(Box<Status>),
    Silent(&'static str),
}

/// A listener that runs until it is stopped.
pub struct Server {
    address: SocketAddr,
    handle: ServerHandle,
    serving: JoinHandle<std::io::Result<()>>,
    upkeep: JoinHandle<()>,
}

/// Takes the address, or says which setting to change.
pub fn bind(address: SocketAddr) -> Result<TcpListener, Error> {
    TcpListener::bind(address).map_err(|error| {
        if error.kind() == ErrorKind::AddrInUse {
            Error::AddressInUse { address }
        } else {
            Error::Bind { address, error }
        }
    })
}

impl Server {
    /// Serves on a bound listener, inside the running actix system.
    pub fn start(
        listener: TcpListener,
        page: Arc<MetricsPage>,
        supervisor: SupervisorSlot,
    ) -> Result<Self, Error> {
        let address = listener.local_addr().map_err(Error::Listen)?;
        let (page, upkept) = (Data::from(Arc::clone(&page)), page);
        let supervisor = Data::new(supervisor);
        let server = HttpServer::new(move || {
            App::new()
                .app_data(page.clone())
                .app_data(supervisor.clone())
                .route("/metrics", web::get().to(metrics))
                .route("/livez", web::get().to(livez))
                .route("/readyz", web::get().to(readyz))
                .route("/status", web::get().to(status))
                .default_service(web::to(unknown))
        })
        .workers(1)
        .worker_max_blocking_threads(1)
        .max_connections(CONNECTIONS_MAX)
        .disable_signals()
        .shutdown_timeout(STOP_SECS)
        .listen(listener)
        .map_err(Error::Listen)?
        .run();
        let handle = server.handle();
        tracing::info!(%address, "metrics, probes and status are served");
        Ok(Self {
            address,
            handle,
            serving: actix::spawn(server),
            upkeep: actix::spawn(async move {
                let mut ticks = tokio::time::interval(UPKEEP_INTERVAL);
                loop {
                    ticks.tick().await;
                    upkept.upkeep();
                }
            }),
        })
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    pub async fn stop(self) {
        self.upkeep.abort();
        self.handle.stop(true).await;
        match self.serving.await {
            Ok(Ok(())) => (),
            Ok(Err(error)) => tracing::warn!(%error, "the listener for metrics ended badly"),
            Err(error) => tracing::warn!(%error, "the listener for metrics panicked"),
        }
    }
}

async fn metrics(page: Data<MetricsPage>, supervisor: Data<SupervisorSlot>) -> HttpResponse {
    let state = match supervisor.ask().await {
        Answer::Status(status) => Some(status.state),
        Answer::NotYet => Some(State::Starting),
        Answer::Standby(_) => Some(State::Standby),
        Answer::Silent(_) => None,
    };
    HttpResponse::Ok()
        .insert_header((CACHE_CONTROL, "no-store"))
        .content_type(METRICS_TYPE)
        .body(page.render(state))
}

async fn livez(supervisor: Data<SupervisorSlot>) -> HttpResponse {
    match supervisor.ask().await {
        Answer::NotYet => plain(HttpResponse::Ok(), "alive: starting"),
        Answer::Standby(_) => plain(HttpResponse::Ok(), "alive: standby"),
        Answer::Status(status) => {
            let text = format!("alive: {}", state_name(status.state));
            plain(HttpResponse::Ok(), &text)
        }
        Answer::Silent(why) => plain(HttpResponse::ServiceUnavailable(), why),
    }
}

async fn readyz(supervisor: Data<SupervisorSlot>) -> HttpResponse {
    match supervisor.ask().await {
        Answer::NotYet => plain(HttpResponse::ServiceUnavailable(), "not ready: starting"),
        Answer::Standby(why) => {
            let text = format!("not ready: standby\n{why}");
            plain(HttpResponse::ServiceUnavailable(), &text)
        }
        Answer::Silent(why) => plain(HttpResponse::ServiceUnavailable(), why),
        Answer::Status(status) if status.state == State::Streaming => {
            plain(HttpResponse::Ok(), "ready: streaming")
        }
        Answer::Status(status) => plain(HttpResponse::ServiceUnavailable(), &why_not(&status)),
    }
}

async fn status(supervisor: Data<SupervisorSlot>) -> HttpResponse {
    match supervisor.ask().await {
        Answer::Status(status) => HttpResponse::Ok()
            .insert_header((CACHE_CONTROL, "no-store"))
            .json(*status),
        Answer::NotYet => HttpResponse::ServiceUnavailable().json(Unanswered {
            state: state_name(State::Starting),
            error: None,
        }),
        Answer::Standby(why) => HttpResponse::ServiceUnavailable().json(Unanswered {
            state: state_name(State::Standby),
            error: Some(&why),
        }),
        Answer::Silent(why) => HttpResponse::ServiceUnavailable().json(Unanswered {
            state: "unknown",
            error: Some(why),
        }),
    }
}

/// `/status` without a supervisor.
#[derive(serde::Serialize)]
struct Unanswered<'a> {
    state: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<&'a str>,
}

async fn unknown() -> HttpResponse {
    let text = "there is /metrics, /livez, /readyz and /status";
    plain(HttpResponse::NotFound(), text)
}

/// The state, the last error and its hint, a line each.
fn why_not(status: &Status) -> String {
    let mut text = format!("not ready: {}", state_name(status.state));
    if let Some(last) = status.last_errors.last() {
        text.push_str(&format!("\nlast error, {}: {}", last.actor, last.message));
        if let Some(hint) = &last.hint {
            text.push_str(&format!("\nhint: {hint}"));
        }
    }
    text
}

fn plain(mut response: actix_web::HttpResponseBuilder, text: &str) -> HttpResponse {
    response
        .insert_header((CACHE_CONTROL, "no-store"))
        .content_type(ContentType::plaintext())
        .body(format!("{text}\n"))
}
