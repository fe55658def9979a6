//! `[telemetry]`: where the process shows itself, how it logs, what it writes for CloudWatch.

use std::{net::SocketAddr, time::Duration};

use serde::Deserialize;

use crate::options::{Error, duration_secs, number, optional, read_choice};

const NAMESPACE_CHARS_MAX: usize = 256;

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TelemetryOptions {
    listen: String,
    #[serde(deserialize_with = "read_choice")]
    log_format: LogFormat,
    cloudwatch: bool,
    cloudwatch_namespace: String,
    cloudwatch_interval_secs: u64,
    cloudwatch_tables: u64,
}

#[derive(Debug, Clone)]
pub struct TelemetryPlan {
    pub listen: Option<SocketAddr>,
    pub log_format: LogFormat,
    pub cloudwatch: Option<CloudWatchPlan>,
}

/// Lines for CloudWatch in the log.
#[derive(Debug, Clone)]
pub struct CloudWatchPlan {
    pub namespace: String,
    pub interval: Duration,
    /// Tables with a line of their own.
    pub tables_max: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LogFormat {
    Text,
    Json,
}

impl TelemetryOptions {
    pub fn plan(&self) -> Result<TelemetryPlan, Error> {
        let listen = optional(&self.listen)
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
            log_format: self.log_format,
            cloudwatch: match self.cloudwatch {
                true => Some(self.cloudwatch()?),
                false => None,
            },
        })
    }

    fn cloudwatch(&self) -> Result<CloudWatchPlan, Error> {
        let namespace = &self.cloudwatch_namespace;
        let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"._#:/-".contains(&byte);
        let has_length = (1..=NAMESPACE_CHARS_MAX).contains(&namespace.len());
        if !has_length || namespace.starts_with("AWS/") || !namespace.bytes().all(is_allowed) {
            return Err(Error::new(
                "telemetry.cloudwatch_namespace",
                format!("\"{namespace}\" is no namespace of CloudWatch"),
                "write 1 to 256 letters, digits and ._#:/- that do not begin with AWS/",
            ));
        }
        let interval = duration_secs(
            "telemetry.cloudwatch_interval_secs",
            self.cloudwatch_interval_secs,
            1..=3600,
        )?;
        Ok(CloudWatchPlan {
            namespace: namespace.clone(),
            interval,
            tables_max: number(
                "telemetry.cloudwatch_tables",
                self.cloudwatch_tables,
                0..=100,
            )?,
        })
    }
}
