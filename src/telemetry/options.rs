//! `[telemetry]`: where the process shows itself, and how it logs.

use std::net::SocketAddr;

use serde::Deserialize;

use crate::options::{Error, optional, read_choice};

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TelemetryOptions {
    listen: String,
    #[serde(deserialize_with = "read_choice")]
    log_format: LogFormat,
}

#[derive(Debug, Clone)]
pub struct TelemetryPlan {
    pub listen: Option<SocketAddr>,
    pub log_format: LogFormat,
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
        })
    }
}
