//! The options of a sink that writes to a stream of AWS, the same for every service; what differs is [`Service`].

use std::time::Duration;

use serde::Deserialize;

use crate::{
    aws::{AwsOptions, AwsPlan},
    options::{Error, duration_secs, number},
    sinks::template::{self, TargetSetting},
};

/// Bytes of the calls in flight at once.
const IN_FLIGHT_BYTES_MAX: u64 = 256 << 20;

/// What AWS allows of one service's streams, and where its settings stand.
#[derive(Debug)]
pub struct Service {
    /// For messages, as in `Kinesis`.
    pub name: &'static str,
    /// Where its settings stand, as in `sink.kinesis`, and which of them names the stream.
    pub section: &'static str,
    pub target: TargetSetting,
    /// Of one call.
    pub entries_max: usize,
    pub call_bytes_max: usize,
    /// The one thing that is paced where replies name no shard.
    pub whole_stream: Option<&'static str>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StreamOptions {
    #[serde(alias = "delivery_stream")]
    stream: String,
    #[serde(flatten)]
    aws: AwsOptions,
    call_bytes: u64,
    in_flight_bytes_max: u64,
    call_timeout_secs: u64,
}

#[derive(Debug, Clone)]
pub struct StreamPlan {
    pub stream: String,
    pub aws: AwsPlan,
    /// Bytes of one call, about.
    pub call_bytes: usize,
    /// Bytes of all calls in flight at once.
    pub in_flight_bytes_max: usize,
    pub call_timeout: Duration,
}

impl StreamOptions {
    pub fn plan(&self, service: &Service) -> Result<StreamPlan, Error> {
        ensure_name(service, &self.stream)?;
        self.calls(service)
            .map_err(|error| error.under(service.section))
    }

    fn calls(&self, service: &Service) -> Result<StreamPlan, Error> {
        let call_bytes_max = service.call_bytes_max as u64;
        Ok(StreamPlan {
            stream: self.stream.clone(),
            call_bytes: number("call_bytes", self.call_bytes, 1024..=call_bytes_max)?,
            in_flight_bytes_max: number(
                "in_flight_bytes_max",
                self.in_flight_bytes_max,
                self.call_bytes..=IN_FLIGHT_BYTES_MAX,
            )?,
            call_timeout: duration_secs("call_timeout_secs", self.call_timeout_secs, 1..=600)?,
            aws: self.aws.plan()?,
        })
    }
}

fn ensure_name(service: &Service, name: &str) -> Result<(), Error> {
    let TargetSetting {
        key,
        name_length_max,
    } = service.target;
    if name.is_empty() {
        return Err(Error::new(
            key,
            "is empty",
            "name the stream to write to, or choose another sink.type",
        ));
    }
    let length_max = name_length_max.unwrap_or(usize::MAX);
    if name.len() > length_max || !name.bytes().all(template::is_allowed) {
        return Err(Error::new(
            key,
            format!("\"{name}\" is no stream name"),
            format!(
                "write the name alone, not the ARN: letters, digits, \"_\", \".\", \"-\", at most {length_max}"
            ),
        ));
    }
    Ok(())
}
