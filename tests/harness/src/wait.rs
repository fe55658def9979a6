//! Waiting by probing: ask, pause for a moment, ask again, until a deadline.

use std::time::Duration;

use anyhow::bail;
use tokio::time::{Instant, sleep};

/// The end of a wait, and what is waited for.
///
/// ```
/// # use std::{path::Path, time::Duration};
/// # async fn shown(marker: &Path) -> anyhow::Result<()> {
/// let deadline = headwater_harness::wait::Deadline::after(Duration::from_secs(5), "the marker");
/// while !marker.exists() {
///     deadline.pause().await?;
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct Deadline {
    what: String,
    within: Duration,
    at: Instant,
}

impl Deadline {
    pub fn after(within: Duration, what: impl Into<String>) -> Self {
        Self {
            what: what.into(),
            within,
            at: Instant::now() + within,
        }
    }

    pub fn is_over(&self) -> bool {
        Instant::now() >= self.at
    }

    pub fn left(&self) -> Duration {
        self.at.saturating_duration_since(Instant::now())
    }

    /// Lets 10 ms pass before the next probe.
    ///
    /// # Errors
    /// When the deadline has passed: names what was waited for.
    pub async fn pause(&self) -> anyhow::Result<()> {
        if self.is_over() {
            bail!("waited {:?} in vain for {}", self.within, self.what);
        }
        sleep(Duration::from_millis(10)).await;
        Ok(())
    }
}
