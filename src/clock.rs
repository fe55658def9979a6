//! The wall clock in the unit that checkpoints and events have: microseconds since 1970, UTC.
//!
//! Only for what people and consumers read; waits and timeouts go by the monotonic clock.

use std::time::{SystemTime, UNIX_EPOCH};

/// 0 for a clock that stands before 1970.
pub fn now_us() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| {
        u64::try_from(since.as_micros()).unwrap_or(u64::MAX)
    })
}
