//! Real servers, faults and consumers for tests, demo and benches.

pub mod faults;
