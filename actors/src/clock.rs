//! The wall clock, for ages and stamps; twins get their time passed in.

use std::time::{Duration, SystemTime};

/// Since 1970; zero on a clock that is set before.
pub fn unix_now() -> Duration {
    SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap_or_default()
}

/// The same in microseconds, the unit of events and checkpoints.
pub fn unix_now_us() -> u64 {
    u64::try_from(unix_now().as_micros()).unwrap_or(u64::MAX)
}

/// Since `us`, microseconds after 1970; zero when that lies ahead of our clock.
pub fn age(us: u64) -> Duration {
    unix_now().saturating_sub(Duration::from_micros(us))
}
