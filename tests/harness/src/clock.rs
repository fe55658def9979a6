//! A wrong clock for one process: what it takes for the time of day, which can be moved while it runs.
//!
//! Its measure of how long something takes (`CLOCK_MONOTONIC`) stays right, as on a machine whose clock is set.

use anyhow::Context;
use tempfile::NamedTempFile;

use crate::{cache, program::Launch};

/// To be kept for as long as the process runs.
#[derive(Debug)]
pub struct Clock {
    offset: NamedTempFile,
}

impl Clock {
    /// # Errors
    /// When there is no folder for it.
    pub fn ahead_by(secs: i64) -> anyhow::Result<Self> {
        let offset = NamedTempFile::new().context("create a file for a clock")?;
        let clock = Self { offset };
        clock.set_ahead_by(secs)?;
        Ok(clock)
    }

    /// At once, for the processes that have it.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn set_ahead_by(&self, secs: i64) -> anyhow::Result<()> {
        std::fs::write(self.offset.path(), format!("{secs:+}\n")).context("set a clock")
    }

    /// # Errors
    /// When `faketime` is not installed; says how to.
    pub fn of(&self, launch: Launch) -> anyhow::Result<Launch> {
        let library = cache::installed("faketime")?.join("libfaketime.so.1");
        Ok(launch
            .env("LD_PRELOAD", &library.display().to_string())
            .env(
                "FAKETIME_TIMESTAMP_FILE",
                &self.offset.path().display().to_string(),
            )
            .env("FAKETIME_NO_CACHE", "1")
            .env("FAKETIME_DONT_FAKE_MONOTONIC", "1"))
    }
}
