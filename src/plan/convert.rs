//! Settings → Plan: the parts, each checked by itself, and then against each other.

use std::{net::SocketAddr, num::NonZero, path::PathBuf};

use headwater_actors::on_error::OnError;

use super::{
    Error, ErrorsPlan, InvalidText, LogFormat, MemoryPlan, Plan, RoutePlan, SinkPlan,
    TelemetryPlan, checkpoint, native, routes, shape, sinks, source,
    values::{choose, duration_secs, number, optional},
};
use crate::settings::Settings;

const BUDGET_BYTES_MIN: u64 = 8 * 1024 * 1024;
const BUDGET_BYTES_MAX: u64 = 64 * 1024 * 1024 * 1024;

impl Plan {
    /// Checks all settings, reads `source.password_file`.
    pub fn from_settings(settings: &Settings) -> Result<Self, Error> {
        let sink = sinks::sink(&settings.sink)?;
        let top = routes::top(settings, &sink)?;
        let routes = routes::routes(settings, &sink)?;
        let source = source::source(&settings.source)?;
        let checkpoint = checkpoint::checkpoint(settings, &source)?;
        let tables = checkpoint::tables(&settings.source.tables, &checkpoint)?;
        let sink = sinks::within_lease(sink, &checkpoint);
        let (native, shape) = (native::native(&settings.native)?, shape::shape(settings)?);
        native::ensure_query_shows_nothing_hidden(&native, &shape)?;
        for route in routes.iter().chain([&top]) {
            route.format.ensure_query_shows_nothing_hidden(&shape)?;
        }
        Ok(Self {
            name: name(&settings.name)?,
            source,
            tables,
            shape,
            native,
            ordering: routes::ordering(&routes, &top),
            errors: errors(settings)?,
            checkpoint,
            telemetry: telemetry(settings)?,
            shutdown_grace: duration_secs(
                "shutdown.grace_secs",
                settings.shutdown.grace_secs,
                1..=3600,
            )?,
            memory: memory(settings.memory.budget_bytes, &sink, &top, &routes)?,
            writer_threads: threads(settings.workers.threads)?,
            sink,
            routes,
            top,
        })
    }
}

fn name(name: &str) -> Result<String, Error> {
    let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"_.-".contains(&byte);
    if name.is_empty() || name.len() > 64 || !name.bytes().all(is_allowed) {
        return Err(Error::new(
            "name",
            format!("\"{name}\" is no name for a pipeline"),
            "write 1 to 64 letters, digits, \"_\", \".\", \"-\"",
        ));
    }
    Ok(name.to_owned())
}

fn errors(settings: &Settings) -> Result<ErrorsPlan, Error> {
    let policies = [
        ("halt", OnError::Halt),
        ("dead_letter", OnError::DeadLetter),
        ("park_table", OnError::ParkTable),
    ];
    let oversize = choose("errors.oversize", &settings.errors.oversize, &policies)?;
    let undecodable = choose(
        "errors.undecodable",
        &settings.errors.undecodable,
        &policies,
    )?;
    let dead_letter_path = optional(&settings.errors.dead_letter_path).map(PathBuf::from);
    if [oversize, undecodable].contains(&OnError::DeadLetter) && dead_letter_path.is_none() {
        return Err(Error::new(
            "errors.dead_letter_path",
            "is empty, but errors.oversize or errors.undecodable is \"dead_letter\"",
            "name a file on a disk that outlives the process",
        ));
    }
    Ok(ErrorsPlan {
        oversize,
        undecodable,
        invalid_text: choose(
            "errors.invalid_text",
            &settings.errors.invalid_text,
            &[
                ("halt", InvalidText::Halt),
                ("replace", InvalidText::Replace),
                ("base64_object", InvalidText::Base64Object),
            ],
        )?,
        dead_letter_path,
    })
}

fn telemetry(settings: &Settings) -> Result<TelemetryPlan, Error> {
    let listen = optional(&settings.telemetry.listen)
        .map(|text| {
            text.parse::<SocketAddr>().map_err(|_| {
                Error::new(
                    "telemetry.listen",
                    format!("\"{text}\" is not ADDRESS:PORT"),
                    "write an IP address and a port, as \"0.0.0.0:9464\" or \"[::]:9464\", or \"\" for none",
                )
            })
        })
        .transpose()?;
    Ok(TelemetryPlan {
        listen,
        log_format: choose(
            "telemetry.log_format",
            &settings.telemetry.log_format,
            &[("text", LogFormat::Text), ("json", LogFormat::Json)],
        )?,
    })
}

/// What flies belongs to the sink. Of the rest four parts are raw and three encoded: encoded lines are a
/// little larger than rows, but raw bytes stay held until their barrier, through encoding and flight.
/// By default (32 MiB, 4 in flight) that is 16 raw and 12 encoded.
fn memory(
    budget_bytes: u64,
    sink: &SinkPlan,
    top: &RoutePlan,
    routes: &[RoutePlan],
) -> Result<MemoryPlan, Error> {
    const KEY: &str = "memory.budget_bytes";
    let budget: usize = number(KEY, budget_bytes, BUDGET_BYTES_MIN..=BUDGET_BYTES_MAX)?;
    let in_flight = sinks::in_flight_bytes(sink);
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
    // One record flies while the next one fills, also when one table has everything.
    let all = routes.iter().chain([top]);
    let record_bytes_max = all.map(|route| route.packing.record_bytes_max).max();
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
    })
}

fn threads(threads: u64) -> Result<usize, Error> {
    match number("workers.threads", threads, 0..=256)? {
        0 => Ok(std::thread::available_parallelism().map_or(1, NonZero::get)),
        threads => Ok(threads),
    }
}
