//! What the process shows of itself: metrics, status, probes, logs.
//!
//! [`Telemetry::start`] comes before the pipeline, so that a port in use stops the program before
//! anything was read, and a pod that waits for its database answers its probes. The supervisor is
//! attached once it exists; until then the process lives and is not ready.
//! Not here: who counts (the actors and the adapters, by the names of `headwater_actors::metrics`).

mod cloudwatch;
mod embedded;
mod exposition;
pub mod health;
pub mod http;
pub mod logs;
mod options;
mod places;
pub mod recorder;
pub mod server;
mod stderr;
mod wire;

use std::net::SocketAddr;

use actix::Recipient;
use headwater_actors::status::{GetStatus, Vitals};
use tokio::sync::watch;

pub use self::options::{CloudWatchPlan, LogFormat, TelemetryOptions, TelemetryPlan};

/// Why the process cannot show itself; each names the key and the remedy.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error(
        "telemetry.listen: address `{address}` is in use; stop the other process, or set \
         `telemetry.listen` to a free port or to \"\" for no listener"
    )]
    AddressInUse { address: SocketAddr },
    #[error(
        "telemetry.listen: bind address `{address}`; set `telemetry.listen` to an address of this machine"
    )]
    Bind {
        address: SocketAddr,
        #[source]
        error: std::io::Error,
    },
    #[error("telemetry.listen: start the listener")]
    Listen(#[source] std::io::Error),
    #[error("telemetry.cloudwatch: start its thread")]
    Thread(#[source] std::io::Error),
    #[error("a metrics recorder is installed already; start telemetry once per process")]
    RecorderInstalled,
    #[error("histogram `{name}` has no buckets")]
    Buckets { name: &'static str },
    #[error("a log subscriber is installed already; start logs once per process")]
    LogsInstalled,
    #[error("start the thread that writes the log")]
    LogThread(#[source] std::io::Error),
    #[error("RUST_LOG: `{filter}` is no filter; write for example `headwater=debug,warn`")]
    LogFilter {
        filter: String,
        #[source]
        error: tracing_subscriber::filter::ParseError,
    },
}

/// Into the log as it is: a line that was cut would be no JSON.
fn say(line: &str) {
    if let Ok(lines) = stderr::lines() {
        lines.say(format!("{line}\n").as_bytes());
    }
}

/// Metrics page, probes and status, as long as the program runs.
pub struct Telemetry {
    supervisor: http::SupervisorSlot,
    server: Option<server::Server>,
    embedded: Option<embedded::Writer>,
}

impl Telemetry {
    /// Installs the recorder, binds the listener and begins to write for CloudWatch; without `telemetry.listen` and
    /// `telemetry.cloudwatch` none of them is there, and counting costs nothing.
    pub fn start(plan: &TelemetryPlan, pipeline: &str) -> Result<Self, Error> {
        let supervisor = http::SupervisorSlot::default();
        let listener = plan.listen.map(http::bind).transpose()?;
        let page = match listener.is_some() || plan.cloudwatch.is_some() {
            true => Some(recorder::install(pipeline)?),
            false => None,
        };
        let server = match (listener, &page) {
            (Some(listener), Some(page)) => {
                let (page, supervisor) = (page.clone(), supervisor.clone());
                Some(server::Server::start(listener, page, supervisor)?)
            }
            _ => None,
        };
        let embedded = match (&plan.cloudwatch, page) {
            (Some(plan), Some(page)) => {
                let supervisor = supervisor.clone();
                let writer = embedded::Writer::start(plan, pipeline, page, supervisor, say);
                Some(writer?)
            }
            _ => None,
        };
        Ok(Self {
            supervisor,
            server,
            embedded,
        })
    }

    /// Whom `/livez`, `/readyz`, `/status` and `/metrics` ask from now on.
    pub fn attach(&self, supervisor: Recipient<GetStatus>, vitals: watch::Receiver<Vitals>) {
        self.supervisor.set(supervisor, vitals);
    }

    /// What the pages say before there is a supervisor.
    pub fn slot(&self) -> http::SupervisorSlot {
        self.supervisor.clone()
    }

    /// Where it listens: the real port when the settings said port 0.
    pub fn address(&self) -> Option<SocketAddr> {
        self.server.as_ref().map(server::Server::address)
    }

    /// Answers the requests that have begun, for at most a second, closes the listener, and writes the last metrics.
    pub async fn stop(self) {
        if let Some(embedded) = self.embedded {
            embedded.stop().await;
        }
        if let Some(server) = self.server {
            server.stop().await;
        }
    }
}
