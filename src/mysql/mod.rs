//! The MySQL server: connections, checks before streaming, the stream of events.
