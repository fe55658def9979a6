//! AWS's JSON protocols, 1.0 and 1.1, for a service of which we need few calls.
//!
//! Not here: how a request gets there (`super::service`).

use std::time::Duration;

use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_types::error::ErrorMetadata;
use headwater_actors::failure::Failure;
use serde_json::Value;

use super::{
    ANSWER_BYTES_MAX, Action, AwsPlan,
    service::{Protocol, Request, Service},
};

/// How a service is spoken to.
#[derive(Debug, Clone, Copy)]
pub struct JsonService {
    /// For the signature and the endpoint, as in `dynamodb`.
    pub name: &'static str,
    /// Before the operation, as in `DynamoDB_20120810`.
    pub target: &'static str,
    /// As in `application/x-amz-json-1.0`.
    pub content_type: &'static str,
    /// As in `Secrets Manager`.
    pub id: &'static str,
}

/// One service at one endpoint.
pub struct JsonClient {
    facts: JsonService,
    service: Service,
}

impl JsonClient {
    pub async fn connect(plan: &AwsPlan, facts: JsonService) -> Result<Self, Failure> {
        let protocol = Protocol {
            name: facts.name,
            id: facts.id,
            is_s3: false,
            answer_bytes_max: ANSWER_BYTES_MAX,
            too_long_hint: None,
            refusal,
        };
        let service = Service::connect(plan, protocol).await?;
        Ok(Self { facts, service })
    }

    /// One call; `action.iam` ends with the operation's name. The answer is an object.
    pub async fn call(
        &self,
        action: Action<'_>,
        input: &Value,
        timeout: Duration,
    ) -> Result<Value, Failure> {
        let operation = action.iam.rsplit(':').next().unwrap_or(action.iam);
        let request = Request {
            method: "POST",
            path: "/".to_owned(),
            headers: vec![
                ("content-type", self.facts.content_type.to_owned()),
                ("x-amz-target", format!("{}.{operation}", self.facts.target)),
            ],
            body: input.to_string().into_bytes(),
        };
        let answer = self.service.call(action, request, timeout).await?;
        object(&answer).ok_or_else(|| {
            Failure::transient(action.failed()).because("the answer is not a JSON object")
        })
    }
}

/// Without serde's own error: it could quote what stands there.
fn object(answer: &[u8]) -> Option<Value> {
    let value: Value = serde_json::from_slice(answer).ok()?;
    value.is_object().then_some(value)
}

fn refusal(response: &HttpResponse) -> ErrorMetadata {
    let bytes = response.body().bytes().unwrap_or_default();
    let value: Value = serde_json::from_slice(bytes).unwrap_or(Value::Null);
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
    meta.build()
}

#[cfg(test)]
mod tests {
    use aws_smithy_types::body::SdkBody;

    use super::*;

    fn response(status: u16, body: &'static str) -> HttpResponse {
        let status = status.try_into().expect("a status");
        HttpResponse::new(status, SdkBody::from(body))
    }

    #[test]
    fn an_error_has_its_code_without_the_namespace() {
        let body = "{\"__type\":\"com.amazonaws.dynamodb.v20120810#ConditionalCheckFailedException\",\"message\":\"no\"}";
        let said = refusal(&response(400, body));
        assert_eq!(said.code(), Some("ConditionalCheckFailedException"));
        assert_eq!(said.message(), Some("no"));
        assert_eq!(refusal(&response(502, "<html>")).code(), None);
    }

    #[test]
    fn an_answer_is_an_object() {
        assert_eq!(object(b"{}"), Some(serde_json::json!({})));
        for other in ["<html>", "", "[1]"] {
            assert_eq!(object(other.as_bytes()), None, "{other}");
        }
    }
}
