//! What is done by the clock, and how often.

use std::time::Duration;

/// How often to store the position, and how long to go on without.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CheckpointPace {
    pub interval: Duration,
    /// What would be repeated after a crash is bounded: no reading beyond this without a stored position.
    pub late_after: Duration,
}

/// What is done about lanes at rest.
#[derive(Debug, Clone, Copy)]
pub struct LanePace {
    /// A lane without a change for so long is retired.
    pub idle: Duration,
    /// How often lanes at rest are told how far the source has been read.
    pub heartbeat: Option<Duration>,
}
