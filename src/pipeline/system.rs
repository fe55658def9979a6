//! What a command runs on: the runtime, made where making it may fail, and the signals, before all else.

use actix::{System, SystemRunner};
use anyhow::Context;
use headwater_actors::failure::Failure;
use rustix::process::{Resource, getrlimit};
use tokio::runtime::Builder;

use super::standby::Signals;

/// What `run` and `replay` are started with, before anything is read: a signal that comes from here on drains.
pub struct Prepared {
    pub system: SystemRunner,
    pub signals: Signals,
}

pub fn prepare() -> anyhow::Result<Prepared> {
    let system = start()?;
    let signals = system
        .block_on(async { Signals::listen() })
        .context("listen for signals")?;
    Ok(Prepared { system, signals })
}

pub fn start() -> anyhow::Result<SystemRunner> {
    ensure_files(getrlimit(Resource::Nofile).current)?;
    let runtime = Builder::new_current_thread()
        .enable_all()
        .build()
        .context("start the runtime")?;
    Ok(System::with_tokio_rt(|| runtime))
}

/// Threads, connections and files in use; `None`: no limit.
fn ensure_files(limit: Option<u64>) -> Result<(), Failure> {
    match limit {
        Some(limit) if limit < FILES_MIN => Err(Failure::definite(format!(
            "the process may have {limit} files open, and needs {FILES_MIN}"
        ))
        .with_hint("raise the limit of open files: `ulimit -n`, or LimitNOFILE of the service")),
        _ => Ok(()),
    }
}

/// Each thread has a few of its own, and the telemetry port may take a hundred.
const FILES_MIN: u64 = 192;
