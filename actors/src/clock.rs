//! The wall clock, for ages and stamps; twins get their time passed in.

use std::time::{Duration, SystemTime};

/// Since 1970; zero on a clock that is set before.
pub fn unix_now() -> Duration {
    SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap_or_default()
}

/// Since `us`, microseconds after 1970; zero when that lies ahead of our clock.
pub fn age(us: u64) -> Duration {
    unix_now().saturating_sub(Duration::from_micros(us))
}
