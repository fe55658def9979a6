//! `[memory]`, `[workers]`, `[shutdown]`: what the process may use, and how long it takes to end.

use std::{num::NonZero, time::Duration};

use serde::Deserialize;

use super::{Error, RoutePlan};
use crate::{
    options::{duration_secs, number},
    sinks::SinkPlan,
};

const BUDGET_BYTES_MIN: u64 = 8 * 1024 * 1024;
const BUDGET_BYTES_MAX: u64 = 64 * 1024 * 1024 * 1024;

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MemoryOptions {
    budget_bytes: u64,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WorkersOptions {
    threads: u64,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ShutdownOptions {
    grace_secs: u64,
}

/// How `memory.budget_bytes` is split.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MemoryPlan {
    pub raw_bytes: usize,
    pub encoded_bytes: usize,
    /// Of the raw ones, while tables are copied: for their chunks.
    pub snapshot_bytes: usize,
}

impl MemoryOptions {
    /// What is in flight belongs to the sink. Of the rest four parts are raw and three encoded: encoded lines are a
    /// little larger than rows, but raw bytes stay held until their barrier, through encoding and delivery.
    /// By default (32 MiB, 4 in flight) that is 16 raw and 12 encoded.
    pub fn plan<'a>(
        &self,
        sink: &SinkPlan,
        routes: impl Iterator<Item = &'a RoutePlan>,
    ) -> Result<MemoryPlan, Error> {
        const KEY: &str = "memory.budget_bytes";
        let budget: usize = number(KEY, self.budget_bytes, BUDGET_BYTES_MIN..=BUDGET_BYTES_MAX)?;
        let in_flight = sink.in_flight_bytes_max();
        if in_flight > budget / 2 {
            return Err(Error::new(
                KEY,
                format!(
                    "{budget} leaves less than half beside the sink's in_flight_bytes_max of {in_flight}"
                ),
                format!(
                    "write at least {}, or lower in_flight_bytes_max",
                    in_flight * 2
                ),
            ));
        }
        let raw_bytes = (budget - in_flight) / 7 * 4;
        let encoded_bytes = budget - in_flight - raw_bytes;
        // One record is in flight while the next one fills, also when one table has everything.
        let record_bytes_max = routes.map(|route| route.packing.record_bytes_max).max();
        let record_bytes_max = record_bytes_max.unwrap_or_default();
        if encoded_bytes < 2 * record_bytes_max {
            let needed = (2 * record_bytes_max).div_ceil(3) * 7 + in_flight;
            return Err(Error::new(
                KEY,
                format!(
                    "{budget} has no room for two records of packing.record_bytes_max = {record_bytes_max}"
                ),
                format!("write at least {needed}, or lower packing.record_bytes_max"),
            ));
        }
        Ok(MemoryPlan {
            raw_bytes,
            encoded_bytes,
            snapshot_bytes: raw_bytes / 2,
        })
    }
}

impl WorkersOptions {
    pub fn threads(&self) -> Result<usize, Error> {
        match number("workers.threads", self.threads, 0..=256)? {
            0 => Ok(std::thread::available_parallelism().map_or(1, NonZero::get)),
            threads => Ok(threads),
        }
    }
}

impl ShutdownOptions {
    pub fn grace(&self) -> Result<Duration, Error> {
        duration_secs("shutdown.grace_secs", self.grace_secs, 1..=3600)
    }
}
