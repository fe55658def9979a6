//! An AWS service of which we need few calls, without its SDK: AWS JSON 1.0 over the SDK's own client.
//!
//! Connection, TLS, credentials, signature and clock are the SDK's, by its runtime's `Operation`; only what
//! stands in the bodies is ours. (The whole SDK of DynamoDB would cost a megabyte of program.) Nothing is repeated
//! here. Credentials that are missing before the first answer are definite, as in [`super::judge_at_start`].

use std::{
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
    orchestrator::{HttpRequest, HttpResponse, OrchestratorError},
    runtime_components::RuntimeComponentsBuilder,
    runtime_plugin::StaticRuntimePlugin,
    stalled_stream_protection::StalledStreamProtectionConfig,
};
use aws_smithy_types::{
    body::SdkBody,
    config_bag::Layer,
    error::{ErrorMetadata, metadata::ProvideErrorMetadata},
};
use headwater_actors::failure::Failure;
use serde_json::Value;

use super::{
    ANSWER_BYTES_MAX, Action, CONNECT_TIMEOUT, answer::http_client, credentials, judge,
    judge_at_start,
};

const CONTENT_TYPE: &str = "application/x-amz-json-1.0";

/// How a service is spoken to.
#[derive(Debug, Clone, Copy)]
pub struct Service {
    /// For the signature and the endpoint, as in `dynamodb`.
    pub name: &'static str,
    /// Before the operation, as in `DynamoDB_20120810`.
    pub target: &'static str,
}

/// One service at one endpoint.
#[derive(Debug)]
pub struct JsonClient {
    service: Service,
    operation: Operation<Request, Value, Refusal>,
    has_answered: AtomicBool,
}

#[derive(Debug)]
struct Request {
    target: String,
    body: Vec<u8>,
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

impl JsonClient {
    /// At the configuration's endpoint, or at the service's own in the region.
    pub fn new(config: &SdkConfig, service: Service) -> Result<Self, Failure> {
        let Some(region) = config.region() else {
            return Err(Failure::definite("no AWS region is set"));
        };
        let credentials = config.credentials_provider().ok_or_else(|| {
            Failure::definite("no AWS credentials are set").with_hint(credentials::HINT)
        })?;
        let domain = match region.as_ref().starts_with("cn-") {
            true => "amazonaws.com.cn",
            false => "amazonaws.com",
        };
        let own = format!("https://{}.{region}.{domain}", service.name);
        let endpoint = config.endpoint_url().unwrap_or(&own);
        let mut settings = Layer::new("JsonClient");
        settings.store_put(AuthSchemeOptionResolverParams::new(()));
        let mut signing_options = SigningOptions::default();
        signing_options.double_uri_encode = true;
        signing_options.normalize_uri_path = true;
        signing_options.signature_type = HttpSignatureType::HttpRequestHeaders;
        settings.store_put(SigV4OperationSigningConfig {
            region: Some(region.clone().into()),
            name: Some(service.name.into()),
            signing_options,
            ..SigV4OperationSigningConfig::default()
        });
        let schemes = StaticAuthSchemeOptionResolver::new(vec![sigv4::SCHEME_ID]);
        let components = RuntimeComponentsBuilder::new("JsonClient")
            .with_auth_scheme_option_resolver(Some(SharedAuthSchemeOptionResolver::new(schemes)))
            .with_auth_scheme(SharedAuthScheme::new(SigV4AuthScheme::new()))
            .with_identity_resolver(sigv4::SCHEME_ID, SharedIdentityResolver::new(credentials));
        let plugin = StaticRuntimePlugin::new()
            .with_config(settings.freeze())
            .with_runtime_components(components);
        let client = http_client(ANSWER_BYTES_MAX)
            .ok_or_else(|| Failure::definite("this build has no HTTP client"))?;
        let timeouts = TimeoutConfig::builder()
            .connect_timeout(CONNECT_TIMEOUT)
            .build();
        let operation = Operation::builder()
            .service_name(service.name)
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
                http.set_method("POST")?;
                http.set_uri("/")?;
                let headers = http.headers_mut();
                headers.insert("content-type", CONTENT_TYPE);
                headers.insert("x-amz-target", request.target);
                Ok(http)
            })
            .deserializer(answer)
            .build();
        Ok(Self {
            service,
            operation,
            has_answered: AtomicBool::new(false),
        })
    }

    /// One call; `action.iam` ends with the operation's name.
    pub async fn call(
        &self,
        action: Action<'_>,
        input: &Value,
        timeout: Duration,
    ) -> Result<Value, Failure> {
        let operation = action.iam.rsplit(':').next().unwrap_or(action.iam);
        let request = Request {
            target: format!("{}.{operation}", self.service.target),
            body: input.to_string().into_bytes(),
        };
        // Boxed: the SDK's future is large.
        let call = Box::pin(self.operation.invoke(request));
        let Ok(outcome) = tokio::time::timeout(timeout, call).await else {
            return Err(action.late(timeout));
        };
        match outcome {
            Ok(value) => {
                self.has_answered.store(true, Ordering::Relaxed);
                Ok(value)
            }
            Err(error) => Err(match self.has_answered.load(Ordering::Relaxed) {
                true => judge(&error, action).failure,
                false => judge_at_start(&error, action),
            }),
        }
    }
}

fn answer(response: &HttpResponse) -> Result<Value, OrchestratorError<Refusal>> {
    let bytes = response.body().bytes().unwrap_or_default();
    let value: Value = match bytes.is_empty() {
        true => Value::Null,
        false => serde_json::from_slice(bytes).unwrap_or(Value::Null),
    };
    if response.status().as_u16() == 200 {
        return match value {
            Value::Object(_) => Ok(value),
            _ => Err(OrchestratorError::other("the answer is not a JSON object")),
        };
    }
    let text = |name: &str| value.get(name).and_then(Value::as_str);
    let code = text("__type").and_then(|code| code.rsplit('#').next());
    let message = text("message").or_else(|| text("Message"));
    let mut meta = ErrorMetadata::builder();
    if let Some(code) = code {
        meta = meta.code(code);
    }
    if let Some(message) = message {
        meta = meta.message(message);
    }
    Err(OrchestratorError::operation(Refusal(meta.build())))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn response(status: u16, body: &'static str) -> HttpResponse {
        let status = status.try_into().expect("a status");
        HttpResponse::new(status, SdkBody::from(body))
    }

    #[test]
    fn an_error_has_its_code_without_the_namespace() {
        let body = "{\"__type\":\"com.amazonaws.dynamodb.v20120810#ConditionalCheckFailedException\",\"message\":\"no\"}";
        let error = answer(&response(400, body)).expect_err("refused");
        let refusal = error.as_operation_error().expect("the service's own");
        assert_eq!(refusal.code(), Some("ConditionalCheckFailedException"));
        assert_eq!(refusal.message(), Some("no"));
        let error = answer(&response(502, "<html>")).expect_err("refused");
        assert_eq!(error.as_operation_error().and_then(Refusal::code), None);
    }

    #[test]
    fn an_answer_is_an_object() {
        assert!(answer(&response(200, "{}")).is_ok());
        assert!(answer(&response(200, "<html>")).is_err());
        assert!(answer(&response(200, "")).is_err());
    }
}
