//! What the telemetry port answers: `/metrics`, `/livez`, `/readyz`, `/standbyz`, `/status`.
//!
//! Whom to ask comes later than the port, through a [`SupervisorSlot`]: until then the process is alive and not
//! ready. Probes and metrics ask nobody: the Supervisor tells its [`Vitals`] at each change and at least once a
//! second. Alive means that they are at most ten seconds old, so a Supervisor that hangs is restarted by whoever
//! watches, and one whose actors are busy is not; ready means that they say *streaming*; able to stand by, that they do
//! or that this process has passed the checks that a take-over needs. Only `/status` asks,
//! within a limit of time; the question carries no data, so nothing is lost with it. Not here: HTTPS and
//! authentication. Nothing on these pages is a row value or a secret.

use std::{
    io::ErrorKind,
    net::{SocketAddr, TcpListener},
    sync::{Arc, PoisonError, RwLock},
    time::{Duration, Instant},
};

use actix::Recipient;
use headwater_actors::{
    printable::{printable, printable_json},
    status::{GetStatus, State, Status, Vitals},
};
use tokio::sync::watch;

use super::{
    Error,
    places::Kind,
    recorder::{MetricsPage, state_name},
    wire::{self, Reply, Request},
};

/// How old the vitals of a living Supervisor may be. It tells them every second; a burst of work for thousands
/// of lanes may delay it.
const ALIVE_WITHIN: Duration = Duration::from_secs(10);
/// How long the supervisor and its actors may take to answer.
const STATUS_TIMEOUT: Duration = Duration::from_secs(2);

/// Of a line of text that says why it is not ready.
const LINE_CHARS_MAX: usize = 8_000;

const METRICS_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";
const PLAIN_TYPE: &str = "text/plain; charset=utf-8";
const JSON_TYPE: &str = "application/json";

/// The supervisor, once there is one.
#[derive(Clone, Default)]
pub struct SupervisorSlot(Arc<RwLock<Occupant>>);

#[derive(Clone, Default)]
enum Occupant {
    #[default]
    Nobody,
    Standby(Standby),
    Supervisor(Recipient<GetStatus>, watch::Receiver<Vitals>),
}

/// Why there is no supervisor yet.
#[derive(Debug, Clone)]
struct Standby {
    /// Who is active, or what is wrong with the checkpoint store.
    why: Arc<str>,
    is_store_lost: bool,
    fitness: Fitness,
}

/// Whether a process on standby could take over.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Fitness {
    #[default]
    Unknown,
    Fit,
    /// Why not.
    Unfit(Arc<str>),
}

/// What is known of the pipeline without asking.
enum Pulse {
    NotYet,
    Standby(Standby),
    Alive(Vitals),
    Silent(&'static str),
}

impl SupervisorSlot {
    pub fn set(&self, supervisor: Recipient<GetStatus>, vitals: watch::Receiver<Vitals>) {
        self.put(Occupant::Supervisor(supervisor, vitals));
    }

    /// Another process has the checkpoint store.
    pub fn stand_by(&self, holder: &str) {
        self.wait(holder, false);
    }

    /// The checkpoint store cannot be used.
    pub fn wait_for_store(&self, trouble: &str) {
        self.wait(trouble, true);
    }

    fn wait(&self, why: &str, is_store_lost: bool) {
        let fitness = match self.get() {
            Occupant::Standby(standby) => standby.fitness,
            Occupant::Nobody | Occupant::Supervisor(..) => Fitness::Unknown,
        };
        self.put(Occupant::Standby(Standby {
            why: why.into(),
            is_store_lost,
            fitness,
        }));
    }

    /// Whether this process could take over, as long as it waits.
    pub fn judge(&self, fitness: Fitness) {
        if let Occupant::Standby(standby) = self.get() {
            self.put(Occupant::Standby(Standby { fitness, ..standby }));
        }
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

    fn pulse(&self) -> Pulse {
        match self.get() {
            Occupant::Nobody => Pulse::NotYet,
            Occupant::Standby(standby) => Pulse::Standby(standby),
            Occupant::Supervisor(_, told) if told.has_changed().is_err() => {
                Pulse::Silent("the supervisor has stopped")
            }
            Occupant::Supervisor(_, told) => {
                let vitals = told.borrow().clone();
                let age = Instant::now().saturating_duration_since(vitals.at);
                match age <= ALIVE_WITHIN {
                    true => Pulse::Alive(vitals),
                    false => Pulse::Silent("the supervisor has done nothing for 10 s"),
                }
            }
        }
    }

    /// The pipeline's; `None` when the supervisor says nothing.
    pub fn state(&self) -> Option<State> {
        match self.pulse() {
            Pulse::Alive(vitals) => Some(vitals.state),
            Pulse::NotYet => Some(State::Starting),
            Pulse::Standby(..) => Some(State::Standby),
            Pulse::Silent(_) => None,
        }
    }

    async fn status(&self) -> Result<Box<Status>, Unanswered> {
        let unknown = |why: &str| Unanswered {
            state: "unknown",
            error: Some(why.into()),
        };
        let supervisor = match self.get() {
            Occupant::Nobody => {
                return Err(Unanswered {
                    state: state_name(State::Starting),
                    error: None,
                });
            }
            Occupant::Standby(Standby { why, .. }) => {
                return Err(Unanswered {
                    state: state_name(State::Standby),
                    error: Some(why.to_string()),
                });
            }
            Occupant::Supervisor(supervisor, _) => supervisor,
        };
        match tokio::time::timeout(STATUS_TIMEOUT, supervisor.send(GetStatus)).await {
            Ok(Ok(status)) => Ok(Box::new(status)),
            Ok(Err(_)) => Err(unknown("the supervisor has stopped")),
            Err(_) => Err(unknown("the pipeline did not answer within 2 s")),
        }
    }
}

/// `/status` without a supervisor.
#[derive(serde::Serialize)]
pub struct Unanswered {
    state: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
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

/// Which places an answer takes.
pub fn kind(request: Option<&Request>) -> Kind {
    match request.map(|request| request.path.as_str()) {
        Some("/metrics" | "/status") => Kind::Page,
        _ => Kind::Probe,
    }
}

/// An answer that waits for nobody.
pub fn probe(path: &str, supervisor: &SupervisorSlot) -> Reply {
    match path {
        "/livez" => livez(supervisor.pulse()),
        "/readyz" => readyz(supervisor.pulse()),
        "/standbyz" => standbyz(supervisor.pulse()),
        _ => plain(
            wire::Status::NotFound,
            "there is /metrics, /livez, /readyz, /standbyz and /status",
        ),
    }
}

fn livez(pulse: Pulse) -> Reply {
    match pulse {
        Pulse::NotYet => plain(wire::Status::Ok, "alive: starting"),
        Pulse::Standby(..) => plain(wire::Status::Ok, "alive: standby"),
        Pulse::Alive(vitals) => {
            let text = format!("alive: {}", state_name(vitals.state));
            plain(wire::Status::Ok, &text)
        }
        Pulse::Silent(why) => plain(wire::Status::Unavailable, why),
    }
}

fn readyz(pulse: Pulse) -> Reply {
    match pulse {
        Pulse::NotYet => plain(wire::Status::Unavailable, "not ready: starting"),
        Pulse::Standby(Standby { why, .. }) => {
            let text = format!("not ready: standby\n{why}");
            plain(wire::Status::Unavailable, &text)
        }
        Pulse::Silent(why) => plain(wire::Status::Unavailable, why),
        Pulse::Alive(vitals) if vitals.state == State::Streaming => {
            plain(wire::Status::Ok, "ready: streaming")
        }
        Pulse::Alive(vitals) => plain(wire::Status::Unavailable, &why_not(&vitals)),
    }
}

/// As `/readyz`, and also where this process could take over.
fn standbyz(pulse: Pulse) -> Reply {
    let standby = match pulse {
        Pulse::Standby(standby) if !standby.is_store_lost => standby,
        other => return readyz(other),
    };
    let why = &standby.why;
    match &standby.fitness {
        Fitness::Fit => plain(wire::Status::Ok, &format!("ready: standby\n{why}")),
        Fitness::Unknown => {
            let text = format!("not ready: standby, its checks are not done\n{why}");
            plain(wire::Status::Unavailable, &text)
        }
        Fitness::Unfit(problems) => {
            let text = format!("not ready: standby, and could not take over\n{problems}");
            plain(wire::Status::Unavailable, &text)
        }
    }
}

/// A page of any size that has still to be written out.
pub enum Page {
    Metrics(MetricsPage, Option<State>),
    Status(Result<Box<Status>, Unanswered>),
}

pub async fn page(path: &str, supervisor: &SupervisorSlot, metrics: &MetricsPage) -> Page {
    if path == "/status" {
        return Page::Status(supervisor.status().await);
    }
    Page::Metrics(metrics.clone(), supervisor.state())
}

impl Page {
    /// May take long where there are many lanes.
    pub fn render(self) -> Reply {
        let (status, json) = match self {
            Self::Metrics(metrics, state) => {
                return Reply {
                    status: wire::Status::Ok,
                    content_type: METRICS_TYPE,
                    body: metrics.render(state).into_bytes(),
                };
            }
            Self::Status(Ok(status)) => (wire::Status::Ok, serde_json::to_string(&status)),
            Self::Status(Err(unanswered)) => (
                wire::Status::Unavailable,
                serde_json::to_string(&unanswered),
            ),
        };
        json.map_or_else(
            |_| broken(),
            |json| Reply {
                status,
                content_type: JSON_TYPE,
                body: printable_json(json).into_bytes(),
            },
        )
    }
}

pub fn no_request() -> Reply {
    plain(
        wire::Status::BadRequest,
        "a GET or HEAD of HTTP/1 is wanted",
    )
}

pub fn broken() -> Reply {
    plain(
        wire::Status::Unavailable,
        "the page could not be made; the log says why",
    )
}

/// The state, the last error and its hint, a line each.
fn why_not(vitals: &Vitals) -> String {
    let mut text = format!("not ready: {}", state_name(vitals.state));
    if let Some(last) = &vitals.last_error {
        text.push_str(&format!("\nlast error, {}: {}", last.actor, last.message));
        if let Some(hint) = &last.hint {
            text.push_str(&format!("\nhint: {hint}"));
        }
    }
    text
}

fn plain(status: wire::Status, text: &str) -> Reply {
    let lines: Vec<_> = text
        .split('\n')
        .map(|line| printable(line, LINE_CHARS_MAX))
        .collect();
    Reply {
        status,
        content_type: PLAIN_TYPE,
        body: format!("{}\n", lines.join("\n")).into_bytes(),
    }
}
