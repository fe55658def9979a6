//! What all adapters that speak to AWS share: the SDK's configuration from a plan, and what its errors mean.
//!
//! Credentials come from the SDK's default chain (environment, profile, web identity, ECS, EC2), with an
//! assumed role on top where the plan names one; certificates to trust from the system, or SSL_CERT_FILE. The
//! SDK's own retries are off: who repeats is decided by the caller, or order could not be kept. So is its
//! stalled stream protection: every call has one timeout, around all of it, set by the caller. Every client has
//! connections of its own, whose answers are bounded.

mod answer;
mod body;
mod credentials;
mod environment;
mod errors;
pub mod json;
mod kept;
mod listing;
pub mod objects;
mod options;
pub mod rds;
mod read;
mod refused;
mod s3;
mod service;

use std::time::Duration;

use aws_config::{
    AppName, BehaviorVersion, Region, SdkConfig, retry::RetryConfig,
    stalled_stream_protection::StalledStreamProtectionConfig, timeout::TimeoutConfig,
};
use aws_types::origin::Origin;
use headwater_actors::failure::Failure;

pub use self::{
    answer::{ANSWER_BYTES_MAX, RECORDS_BYTES_MAX, bounded},
    body::{Body, BodyWriter},
    errors::{Action, Blame, CallFailure, judge, judge_at_start},
    kept::{KeptAt, Unusable},
    options::{AwsOptions, AwsPlan},
    read::read,
};

const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// The SDK's configuration. A region that nobody names, or an endpoint that is no URL, is definite.
pub async fn configure(plan: &AwsPlan) -> Result<SdkConfig, Failure> {
    let mut loader = aws_config::defaults(BehaviorVersion::latest())
        .stalled_stream_protection(StalledStreamProtectionConfig::disabled())
        .timeout_config(
            TimeoutConfig::builder()
                .connect_timeout(CONNECT_TIMEOUT)
                .build(),
        );
    if let Some(region) = &plan.region {
        loader = loader.region(Region::new(region.clone()));
    }
    if let Ok(name) = AppName::new("headwater") {
        loader = loader.app_name(name);
    }
    if let Some(client) = answer::http_client(ANSWER_BYTES_MAX) {
        // Of those whom credentials are asked of.
        loader = loader.http_client(client);
    }
    let base = loader.load().await;
    if base.region().is_none() {
        return Err(Failure::definite("no AWS region is set").with_hint(
            "set `region` in its section of the settings, or AWS_REGION in the environment",
        ));
    }
    let base = explained(base);
    // By the SDK's own settings: the sink's endpoint is set below.
    let role = match &plan.role_arn {
        Some(role_arn) => Some(credentials::assume(role_arn, &base).await),
        None => None,
    };
    let mut builder = base.into_builder();
    builder.set_retry_config(Some(RetryConfig::disabled()));
    if role.is_some() {
        builder.set_credentials_provider(role);
    }
    if let Some(url) = &plan.endpoint_url {
        ensure_url(url)?;
        builder.set_endpoint_url(Some(url.clone()));
        // Or one of the environment would win.
        builder.insert_origin("endpoint_url", Origin::shared_config());
    }
    Ok(builder.build())
}

/// The same, whose credentials say what is wrong when there are none.
fn explained(base: SdkConfig) -> SdkConfig {
    let chain = base.credentials_provider().map(credentials::explained);
    let mut builder = base.into_builder();
    builder.set_credentials_provider(chain);
    builder.build()
}

/// The SDK would report it as an endpoint that cannot be reached.
fn ensure_url(url: &str) -> Result<(), Failure> {
    let host = ["http://", "https://"]
        .iter()
        .find_map(|scheme| url.strip_prefix(scheme));
    match host {
        Some(host) if !host.is_empty() && !host.contains(char::is_whitespace) => Ok(()),
        _ => Err(
            Failure::definite(format!("endpoint \"{url}\" is not a URL")).with_hint(
                "write `endpoint_url` as http://HOST:PORT or https://HOST, or leave it empty",
            ),
        ),
    }
}
