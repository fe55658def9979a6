//! An AWS service of which we need few calls, without its SDK: one signed request at a time.
//!
//! Connection, TLS, credentials, signature and clock are the SDK's, by its runtime's `Operation`; what stands in
//! requests and answers is the caller's. (A whole SDK costs a megabyte of program.) Nothing is repeated here. An
//! answer is never logged: it may be a password. Credentials that are missing before the first
//! answer are definite, as in [`super::judge_at_start`]. Not here: the protocols ([`super::json`], [`super::s3`]).

use std::{
    fmt,
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use aws_config::{BehaviorVersion, SdkConfig, timeout::TimeoutConfig};
use aws_runtime::auth::{
    HttpSignatureType, SigV4OperationSigningConfig, SigningOptions,
    sigv4::{self, SigV4AuthScheme},
};
use aws_smithy_runtime::client::orchestrator::operation::Operation;
use aws_smithy_runtime_api::client::{
    auth::{
        AuthSchemeOptionResolverParams, SharedAuthScheme, SharedAuthSchemeOptionResolver,
        static_resolver::StaticAuthSchemeOptionResolver,
    },
    identity::SharedIdentityResolver,
    orchestrator::{HttpRequest, HttpResponse, OrchestratorError, SensitiveOutput},
    result::SdkError,
    runtime_components::RuntimeComponentsBuilder,
    runtime_plugin::StaticRuntimePlugin,
    stalled_stream_protection::StalledStreamProtectionConfig,
};
use aws_smithy_types::{
    body::SdkBody,
    config_bag::Layer,
    error::{ErrorMetadata, metadata::ProvideErrorMetadata},
};
use aws_types::service_config::ServiceConfigKey;
use bytes::Bytes;
use headwater_actors::failure::{Failure, causes};

use super::{
    Action, AwsPlan, CONNECT_TIMEOUT,
    answer::{TooLong, http_client},
    configure, credentials, judge, judge_at_start,
};

/// How a service is spoken to.
#[derive(Debug, Clone, Copy)]
pub struct Protocol {
    /// For the signature and the endpoint, as in `dynamodb`.
    pub name: &'static str,
    /// By which variables and profiles name it, as in `Secrets Manager`: `AWS_ENDPOINT_URL_SECRETS_MANAGER`.
    pub id: &'static str,
    /// S3 signs a path as it is sent, and the hash of what is sent.
    pub is_s3: bool,
    pub answer_bytes_max: u64,
    /// Of an answer that is longer: what to do, where it may be AWS's own.
    pub too_long_hint: Option<&'static str>,
    /// What an answer other than 200 and 206 says.
    pub refusal: fn(&HttpResponse) -> ErrorMetadata,
}

/// One service at one endpoint.
pub struct Service {
    operation: Operation<Request, Answer, Refusal>,
    too_long_hint: Option<&'static str>,
    has_answered: AtomicBool,
}

#[derive(Debug)]
pub struct Request {
    pub method: &'static str,
    /// Encoded, with the query.
    pub path: String,
    pub headers: Vec<(&'static str, String)>,
    pub body: Vec<u8>,
}

/// What was answered with 200, or 206: a part.
pub struct Answer(pub Bytes);

impl fmt::Debug for Answer {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} bytes", self.0.len())
    }
}

/// An error that the service answered.
#[derive(Debug, thiserror::Error)]
#[error("the service refused")]
struct Refusal(ErrorMetadata);

impl ProvideErrorMetadata for Refusal {
    fn meta(&self) -> &ErrorMetadata {
        &self.0
    }
}

impl Service {
    /// At the plan's endpoint, at that of the environment or the profile, or at the service's own in the region.
    pub async fn connect(plan: &AwsPlan, protocol: Protocol) -> Result<Self, Failure> {
        let config = configure(plan).await?;
        let Some(region) = config.region() else {
            return Err(Failure::definite("no AWS region is set"));
        };
        let credentials = config.credentials_provider().ok_or_else(|| {
            Failure::definite("no AWS credentials are set").with_hint(credentials::HINT)
        })?;
        let own = format!(
            "https://{}.{region}.{}",
            protocol.name,
            domain(region.as_ref())
        );
        let configured = configured_endpoint(&config, protocol.id);
        let endpoint = plan
            .endpoint_url
            .as_deref()
            .or(configured.as_deref())
            .or(config.endpoint_url())
            .unwrap_or(&own);
        super::ensure_url(endpoint)?;
        let mut settings = Layer::new("Service");
        settings.store_put(AuthSchemeOptionResolverParams::new(()));
        settings.store_put(SensitiveOutput);
        let mut signing_options = SigningOptions::default();
        signing_options.double_uri_encode = !protocol.is_s3;
        signing_options.normalize_uri_path = !protocol.is_s3;
        signing_options.content_sha256_header = protocol.is_s3;
        signing_options.signature_type = HttpSignatureType::HttpRequestHeaders;
        settings.store_put(SigV4OperationSigningConfig {
            region: Some(region.clone().into()),
            name: Some(protocol.name.into()),
            signing_options,
            ..SigV4OperationSigningConfig::default()
        });
        let schemes = StaticAuthSchemeOptionResolver::new(vec![sigv4::SCHEME_ID]);
        let components = RuntimeComponentsBuilder::new("Service")
            .with_auth_scheme_option_resolver(Some(SharedAuthSchemeOptionResolver::new(schemes)))
            .with_auth_scheme(SharedAuthScheme::new(SigV4AuthScheme::new()))
            .with_identity_resolver(sigv4::SCHEME_ID, SharedIdentityResolver::new(credentials));
        let plugin = StaticRuntimePlugin::new()
            .with_config(settings.freeze())
            .with_runtime_components(components);
        let client = http_client(protocol.answer_bytes_max)
            .ok_or_else(|| Failure::definite("this build has no HTTP client"))?;
        let timeouts = TimeoutConfig::builder()
            .connect_timeout(CONNECT_TIMEOUT)
            .build();
        let operation = Operation::builder()
            .service_name(protocol.name)
            .operation_name("Call")
            .behavior_version(BehaviorVersion::latest())
            .endpoint_url(endpoint)
            .no_retry()
            .timeout_config(timeouts)
            .stalled_stream_protection(StalledStreamProtectionConfig::disabled())
            .with_connection_poisoning()
            .runtime_plugin(plugin)
            .http_client(client)
            .serializer(|request: Request| {
                let mut http = HttpRequest::new(SdkBody::from(request.body));
                http.set_method(request.method)?;
                http.set_uri(request.path)?;
                let headers = http.headers_mut();
                for (name, value) in request.headers {
                    headers.try_insert(name, value)?;
                }
                Ok(http)
            })
            .deserializer(move |response: &HttpResponse| answer(response, protocol.refusal))
            .build();
        Ok(Self {
            operation,
            too_long_hint: protocol.too_long_hint,
            has_answered: AtomicBool::new(false),
        })
    }

    pub async fn call(
        &self,
        action: Action<'_>,
        request: Request,
        timeout: Duration,
    ) -> Result<Bytes, Failure> {
        // Boxed: the SDK's future is large.
        let call = Box::pin(self.operation.invoke(request));
        let Ok(outcome) = tokio::time::timeout(timeout, call).await else {
            return Err(action.late(timeout));
        };
        match outcome {
            Ok(Answer(bytes)) => {
                self.has_answered.store(true, Ordering::Relaxed);
                Ok(bytes)
            }
            Err(error) => Err(self.failure(&error, action)),
        }
    }

    fn failure(&self, error: &SdkError<Refusal, HttpResponse>, action: Action<'_>) -> Failure {
        let too_long = causes(error).find_map(|cause| cause.downcast_ref::<TooLong>());
        if let (Some(too_long), Some(hint)) = (too_long, self.too_long_hint) {
            return Failure::definite(action.failed())
                .because(too_long.clone())
                .with_hint(hint);
        }
        match self.has_answered.load(Ordering::Relaxed) {
            true => judge(error, action).failure,
            false => judge_at_start(error, action),
        }
    }
}

/// Another endpoint than AWS's own, in the SDKs' order: `AWS_ENDPOINT_URL_…`, `AWS_ENDPOINT_URL`, the `services` section of
/// the profile, the profile.
/// Source: <https://docs.aws.amazon.com/sdkref/latest/guide/feature-ss-endpoints.html>
fn configured_endpoint(config: &SdkConfig, id: &str) -> Option<String> {
    let key = ServiceConfigKey::builder()
        .service_id(id)
        .env("AWS_ENDPOINT_URL")
        .profile("endpoint_url");
    let found = config.service_config()?.load_config(key.build().ok()?);
    found.filter(|url| !url.is_empty())
}

/// Behind the region of an endpoint.
fn domain(region: &str) -> &'static str {
    match region.starts_with("cn-") {
        true => "amazonaws.com.cn",
        false => "amazonaws.com",
    }
}

fn answer(
    response: &HttpResponse,
    refusal: fn(&HttpResponse) -> ErrorMetadata,
) -> Result<Answer, OrchestratorError<Refusal>> {
    match response.status().as_u16() {
        200 | 206 => {
            let bytes = response.body().bytes().unwrap_or_default();
            Ok(Answer(Bytes::copy_from_slice(bytes)))
        }
        _ => Err(OrchestratorError::operation(Refusal(refusal(response)))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_not_shown() {
        let shown = format!("{:?}", Answer(Bytes::from_static(b"hunter2")));
        assert_eq!(shown, "7 bytes");
    }

    #[test]
    fn an_endpoint_has_its_partitions_domain() {
        assert_eq!(domain("eu-central-1"), "amazonaws.com");
        assert_eq!(domain("cn-north-1"), "amazonaws.com.cn");
    }
}
