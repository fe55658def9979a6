//! The wall clock in the unit that checkpoints and events have: microseconds since 1970, UTC.
//!
//! Only for what people and consumers read; waits and timeouts go by the monotonic clock.

pub use headwater_actors::clock::unix_now_us as now_us;
