//! The wall clock in the unit that checkpoints and events have: microseconds since 1970, UTC.
//!
//! Only for what people and consumers read; waits and timeouts go by the monotonic clock.

use headwater_actors::clock::unix_now;

/// 0 for a clock that stands before 1970.
pub fn now_us() -> u64 {
    u64::try_from(unix_now().as_micros()).unwrap_or(u64::MAX)
}
