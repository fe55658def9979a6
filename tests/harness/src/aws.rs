//! AWS's JSON 1.1 protocol, as much of it as local servers need: a target header, dummy credentials of
//! the right shape (nobody checks the signature), and errors with their code.

use anyhow::{Context, bail};
use bytes::Bytes;
use hyper::Method;
use serde_json::Value;

use crate::http::Http;

/// The environment for a program that shall use a local server: credentials that no one checks, a region,
/// and no search for instance credentials.
pub const ENVIRONMENT: [(&str, &str); 4] = [
    ("AWS_ACCESS_KEY_ID", "test"),
    ("AWS_SECRET_ACCESS_KEY", "test"),
    ("AWS_REGION", "us-east-1"),
    ("AWS_EC2_METADATA_DISABLED", "true"),
];

/// An error that the service itself answered. Found in an [`anyhow::Error`] by `downcast_ref`.
#[derive(Debug)]
pub struct ServiceError {
    pub operation: String,
    pub status: u16,
    /// E.g. `ResourceNotFoundException`.
    pub code: String,
    pub message: String,
}

impl std::fmt::Display for ServiceError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self {
            operation,
            status,
            code,
            message,
        } = self;
        write!(
            f,
            "{operation} was answered with {status} {code}: {message}"
        )
    }
}

impl std::error::Error for ServiceError {}

/// A service that speaks JSON 1.1.
#[derive(Debug, Clone)]
pub struct JsonService {
    http: Http,
    endpoint: String,
    target: &'static str,
    name: &'static str,
}

impl JsonService {
    pub fn kinesis(endpoint: &str) -> Self {
        Self {
            http: Http::default(),
            endpoint: endpoint.to_owned(),
            target: "Kinesis_20131202",
            name: "kinesis",
        }
    }

    pub fn firehose(endpoint: &str) -> Self {
        Self {
            http: Http::default(),
            endpoint: endpoint.to_owned(),
            target: "Firehose_20150804",
            name: "firehose",
        }
    }

    pub fn secrets_manager(endpoint: &str) -> Self {
        Self {
            http: Http::default(),
            endpoint: endpoint.to_owned(),
            target: "secretsmanager",
            name: "secretsmanager",
        }
    }

    pub fn ssm(endpoint: &str) -> Self {
        Self {
            http: Http::default(),
            endpoint: endpoint.to_owned(),
            target: "AmazonSSM",
            name: "ssm",
        }
    }

    pub fn dynamodb(endpoint: &str) -> Self {
        Self {
            http: Http::default(),
            endpoint: endpoint.to_owned(),
            target: "DynamoDB_20120810",
            name: "dynamodb",
        }
    }

    pub fn ecs(endpoint: &str) -> Self {
        Self {
            http: Http::default(),
            endpoint: endpoint.to_owned(),
            target: "AmazonEC2ContainerServiceV20141113",
            name: "ecs",
        }
    }

    pub fn step_functions(endpoint: &str) -> Self {
        Self {
            http: Http::default(),
            endpoint: endpoint.to_owned(),
            target: "AWSStepFunctions",
            name: "states",
        }
    }

    pub fn sqs(endpoint: &str) -> Self {
        Self {
            http: Http::default(),
            endpoint: endpoint.to_owned(),
            target: "AmazonSQS",
            name: "sqs",
        }
    }

    /// Calls an operation, e.g. `PutRecords`; an empty answer is `null`.
    ///
    /// # Errors
    /// A [`ServiceError`] when the service refuses; else when it cannot be reached or understood.
    pub async fn call(&self, operation: &str, input: &Value) -> anyhow::Result<Value> {
        let target = format!("{}.{operation}", self.target);
        let authorization = authorization(self.name);
        let headers = [
            ("content-type", "application/x-amz-json-1.1"),
            ("x-amz-target", &target),
            ("x-amz-date", "20260101T000000Z"),
            ("authorization", &authorization),
        ];
        let body = Bytes::from(serde_json::to_vec(input).context("write the request")?);
        let reply = self
            .http
            .send(Method::POST, &self.endpoint, &headers, body)
            .await?;
        let output = match reply.body.is_empty() {
            true => Value::Null,
            false => serde_json::from_slice(&reply.body).with_context(|| {
                format!(
                    "read the answer to {operation}: {} {}",
                    reply.status,
                    reply.text()
                )
            })?,
        };
        if reply.status != 200 {
            let text = |name: &str| {
                output
                    .get(name)
                    .and_then(Value::as_str)
                    .unwrap_or_default()
                    .to_owned()
            };
            let code = text("__type")
                .rsplit('#')
                .next()
                .unwrap_or_default()
                .to_owned();
            let message = if text("message").is_empty() {
                text("Message")
            } else {
                text("message")
            };
            bail!(ServiceError {
                operation: operation.to_owned(),
                status: reply.status,
                code,
                message
            });
        }
        Ok(output)
    }
}

/// An Authorization header that local servers accept for `service`.
pub fn authorization(service: &str) -> String {
    format!(
        "AWS4-HMAC-SHA256 Credential=test/20260101/us-east-1/{service}/aws4_request, \
         SignedHeaders=host;x-amz-date, Signature=00"
    )
}

/// Whether the service answered with this error code.
pub(crate) fn is_code(error: &anyhow::Error, code: &str) -> bool {
    error
        .downcast_ref::<ServiceError>()
        .is_some_and(|error| error.code == code)
}

/// A text field of an answer.
pub(crate) fn text(value: &Value, name: &str) -> anyhow::Result<String> {
    let found = value.get(name).and_then(Value::as_str);
    Ok(found
        .with_context(|| format!("the answer has no text `{name}`"))?
        .to_owned())
}
