//! The native event: one line of JSON per change.
