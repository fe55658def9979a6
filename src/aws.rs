//! What all adapters that speak to AWS share: the SDK's configuration from a plan, and what an error of
//! the SDK means.
//!
//! Credentials come from the SDK's default chain (environment, profile, web identity, ECS, EC2), with an
//! assumed role on top where the plan names one; certificates to trust from the system, or SSL_CERT_FILE. The
//! SDK's own retries are off: who repeats is decided by the caller, or order could not be kept. So is its
//! stalled stream protection: every call has one timeout, around all of it, set by the caller. Credentials
//! that are missing or refused at start are definite; later any trouble with them is transient, for a role can
//! come back and nothing is lost by waiting. Every client has connections of its own, whose answers are bounded.

mod answer;
mod body;
mod credentials;
pub mod json;
mod options;

use std::{error::Error as StdError, time::Duration};

use aws_config::{
    AppName, BehaviorVersion, Region, SdkConfig, retry::RetryConfig,
    stalled_stream_protection::StalledStreamProtectionConfig, timeout::TimeoutConfig,
};
use aws_smithy_runtime_api::client::{orchestrator::HttpResponse, result::SdkError};
use aws_smithy_types::error::{ErrorMetadata, metadata::ProvideErrorMetadata};
use headwater_actors::failure::{Class, Code, Failure, causes};

use self::answer::TooLong;
pub use self::{
    answer::{ANSWER_BYTES_MAX, RECORDS_BYTES_MAX, bounded},
    body::{Body, BodyWriter},
    options::{AwsOptions, AwsPlan},
};

const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

const UNREACHABLE_HINT: &str = "check the region, the endpoint and the network path to it (VPC endpoint or NAT, security groups); delivery goes on by itself";

const TOO_LONG_HINT: &str = "what answers there is not AWS: check `endpoint_url`, and proxies in between; delivery goes on by itself";

const CERTIFICATE_HINT: &str = "the endpoint shows a certificate that is not trusted here: let SSL_CERT_FILE name a PEM file with all that are (also those of AWS, if other endpoints are called), or add it to the system's own";

/// What an error of a call means for the entries in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CallFailure {
    pub failure: Failure,
    /// AWS throttles: the same call may pass later.
    pub throttled: bool,
    pub blame: Blame,
}

/// Who is at fault when a call fails as a whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Blame {
    /// The service, the stream, the network: every entry would fail alone too.
    Stream,
    /// Perhaps one entry: the others may pass without it.
    Entry,
}

impl CallFailure {
    pub fn transient(message: impl Into<String>) -> Self {
        Failure::transient(message).into()
    }
}

/// One that is no entry's fault.
impl From<Failure> for CallFailure {
    fn from(failure: Failure) -> Self {
        Self {
            failure,
            throttled: false,
            blame: Blame::Stream,
        }
    }
}

/// What was asked of AWS, for messages and hints.
#[derive(Debug, Clone, Copy)]
pub struct Action<'a> {
    /// The IAM action, as in `kinesis:PutRecords`.
    pub iam: &'a str,
    /// The kind of the object, as in `stream`.
    pub kind: &'a str,
    pub name: &'a str,
}

impl Action<'_> {
    fn failed(&self) -> String {
        let Self { iam, kind, name } = self;
        format!("{iam} on {kind} \"{name}\" failed")
    }

    /// It was not answered in time.
    pub fn late(&self, timeout: Duration) -> Failure {
        let Self { iam, kind, name } = self;
        let text = format!("{iam} on {kind} \"{name}\" was not answered within {timeout:?}");
        Failure::transient(text).with_code(Code::Late)
    }
}

/// What an error of the SDK says, in its own words: the error itself holds request and answer.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct Said(String);

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
        return Err(Failure::definite("no AWS region is set")
            .with_hint("set the sink's `region`, or AWS_REGION in the environment"));
    }
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
    }
    Ok(builder.build())
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

/// Classifies the error of a call that writes, or of one made while running.
pub fn judge<E>(error: &SdkError<E, HttpResponse>, action: Action<'_>) -> CallFailure
where
    E: StdError + ProvideErrorMetadata + Send + Sync + 'static,
{
    let plain = Failure::transient(action.failed());
    if let Some(trouble) = credentials::trouble(error) {
        let text = format!("no usable credentials: {}", trouble.text);
        let failure = plain.because(Said(text)).with_hint(trouble.hint);
        return failure.into();
    }
    let SdkError::ServiceError(service) = error else {
        return unreached(plain, error).into();
    };
    let status = service.raw().status().as_u16();
    let code = service.err().code().unwrap_or_default();
    let text = service.err().message().unwrap_or_default();
    let said = Said(match (code, text) {
        ("", _) => format!("HTTP status {status}"),
        (code, "") => format!("{code} (HTTP status {status})"),
        (code, text) => format!("{code}: {}", without_values(text)),
    });
    let (class, throttled, blame) = verdict(code, status);
    let mut failure = plain.with_class(class).because(said);
    failure.code = Some(match code {
        "" => Code::Http(status),
        code => Code::Aws(code.to_owned()),
    });
    failure.hint = hint(code, action);
    CallFailure {
        failure,
        throttled,
        blame,
    }
}

/// The same for a question asked at start: credentials that are missing or refused are definite here, and
/// so is a request that cannot even be built.
pub fn judge_at_start<E>(error: &SdkError<E, HttpResponse>, action: Action<'_>) -> Failure
where
    E: StdError + ProvideErrorMetadata + Send + Sync + 'static,
{
    let mut failure = judge(error, action).failure;
    let credentials = credentials::trouble(error);
    let is_lasting = credentials
        .as_ref()
        .is_some_and(|trouble| trouble.is_lasting);
    let is_refused = error
        .as_service_error()
        .and_then(ProvideErrorMetadata::code)
        .is_some_and(|code| is_about_credentials(code) && !code.starts_with("Expired"));
    let is_unbuilt = matches!(error, SdkError::ConstructionFailure(_)) && credentials.is_none();
    if is_lasting || is_refused || is_unbuilt {
        failure.class = Class::Definite;
    }
    failure
}

/// The service was not asked, or has not answered.
fn unreached(plain: Failure, error: &(dyn StdError + 'static)) -> Failure {
    let is_untrusted = causes(error).any(|cause| {
        matches!(
            cause.downcast_ref(),
            Some(rustls::Error::InvalidCertificate(_))
        )
    });
    let is_too_long = causes(error).any(|cause| cause.is::<TooLong>());
    let mut failure = plain.because(Said(chain(error)));
    let (code, hint) = match (is_untrusted, is_too_long) {
        (true, _) => (Some(Code::Certificate), CERTIFICATE_HINT),
        (_, true) => (None, TOO_LONG_HINT),
        _ => (Code::of(error), UNREACHABLE_HINT),
    };
    failure.code = code;
    failure.with_hint(hint)
}

fn verdict(code: &str, status: u16) -> (Class, bool, Blame) {
    match code {
        "ProvisionedThroughputExceededException"
        | "KMSThrottlingException"
        | "LimitExceededException"
        | "RequestLimitExceeded"
        | "ServiceUnavailableException"
        | "SlowDown"
        | "Throttling"
        | "ThrottlingException"
        | "TooManyRequestsException" => (Class::Transient, true, Blame::Stream),
        "ResourceNotFoundException"
        | "AccessDeniedException"
        | "InvalidSourceException"
        | "InvalidKMSResourceException" => (Class::Definite, false, Blame::Stream),
        code if code.starts_with("KMS") => (Class::Definite, false, Blame::Stream),
        "ResourceInUseException" => (Class::Transient, false, Blame::Stream),
        code if is_about_credentials(code) => (Class::Transient, false, Blame::Stream),
        "InvalidArgumentException" | "ValidationException" | "SerializationException" => {
            (Class::Definite, false, Blame::Entry)
        }
        _ => match status {
            429 => (Class::Transient, true, Blame::Stream),
            408 | 500..=599 => (Class::Transient, false, Blame::Stream),
            _ => (Class::Transient, false, Blame::Entry),
        },
    }
}

fn is_about_credentials(code: &str) -> bool {
    matches!(
        code,
        "ExpiredToken"
            | "ExpiredTokenException"
            | "IncompleteSignature"
            | "IncompleteSignatureException"
            | "InvalidClientTokenId"
            | "InvalidSignatureException"
            | "MissingAuthenticationToken"
            | "MissingAuthenticationTokenException"
            | "RequestExpired"
            | "SignatureDoesNotMatch"
            | "UnrecognizedClientException"
    )
}

fn hint(code: &str, action: Action<'_>) -> Option<String> {
    let Action { iam, kind, name } = action;
    Some(match code {
        "ResourceNotFoundException" => format!(
            "create the {kind} \"{name}\", or correct its name, region and account in the settings"
        ),
        "AccessDeniedException" => {
            format!("allow the action {iam} on the {kind} \"{name}\" in the IAM policy")
        }
        "KMSThrottlingException" => {
            "raise the request quota of the account's KMS key, or wait".to_owned()
        }
        code if code.starts_with("KMS") || code == "InvalidKMSResourceException" => format!(
            "let the role use the KMS key of the {kind} \"{name}\" (kms:GenerateDataKey), and enable the key"
        ),
        "ProvisionedThroughputExceededException" => format!(
            "the {kind} \"{name}\" is at its limit: add shards, or use on-demand mode; delivery goes on by itself"
        ),
        code if is_about_credentials(code) => credentials::HINT.to_owned(),
        _ => return None,
    })
}

/// The chain of causes on one line.
fn chain(error: &(dyn StdError + 'static)) -> String {
    let mut texts: Vec<String> = Vec::new();
    for error in causes(error) {
        let text = match error.downcast_ref::<ErrorMetadata>() {
            Some(said) => said.message().unwrap_or_default().to_owned(),
            None => error.to_string(),
        };
        if texts.last().is_none_or(|last| !last.contains(&text)) {
            texts.push(text);
        }
    }
    texts.join(": ")
}

/// AWS quotes the value that it refuses (`Value 'x' at 'records.1.member.partitionKey'`): a row's key must
/// not reach a log.
fn without_values(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some((head, tail)) = rest.split_once("Value '") {
        out.push_str(head);
        out.push_str("Value (hidden)");
        rest = match tail.split_once("' at ") {
            Some((_, after)) => {
                out.push_str(" at ");
                after
            }
            None => "",
        };
    }
    out.push_str(rest);
    out
}

#[cfg(test)]
mod tests {
    use aws_smithy_types::body::SdkBody;

    use super::*;

    #[test]
    fn throttling_is_retried_and_never_definite() {
        for code in [
            "ProvisionedThroughputExceededException",
            "KMSThrottlingException",
            "LimitExceededException",
        ] {
            let verdict = verdict(code, 400);
            assert_eq!(verdict, (Class::Transient, true, Blame::Stream), "{code}");
        }
    }

    #[test]
    fn a_missing_stream_is_definite_and_a_busy_one_is_not() {
        assert_eq!(verdict("ResourceNotFoundException", 400).0, Class::Definite);
        assert_eq!(verdict("ResourceInUseException", 400).0, Class::Transient);
    }

    #[test]
    fn an_unknown_refusal_is_tried_entry_by_entry_and_stays_transient() {
        let unknown = verdict("SomethingNew", 400);
        assert_eq!(unknown, (Class::Transient, false, Blame::Entry));
    }

    fn judged(error: SdkError<ErrorMetadata, HttpResponse>) -> Failure {
        let action = Action {
            iam: "kinesis:PutRecords",
            kind: "stream",
            name: "cdc",
        };
        judge(&error, action).failure
    }

    #[test]
    fn an_answer_is_known_by_its_word_or_by_its_status() {
        let answered = |status: u16, said: ErrorMetadata| {
            let raw = HttpResponse::new(status.try_into().expect("a status"), SdkBody::empty());
            judged(SdkError::service_error(said, raw))
        };
        let said = ErrorMetadata::builder().code("SlowDown").message("wait");
        let failure = answered(400, said.build());
        assert!(failure.is_aws("SlowDown"));
        assert_eq!(
            failure.to_string(),
            "kinesis:PutRecords on stream \"cdc\" failed: SlowDown: wait"
        );
        let failure = answered(502, ErrorMetadata::builder().build());
        assert_eq!(failure.code, Some(Code::Http(502)));
    }

    #[test]
    fn a_certificate_that_is_not_trusted_is_known_by_type_and_a_lost_connection_by_its_kind() {
        let lost = |error: std::io::Error| judged(SdkError::timeout_error(error));
        let untrusted = rustls::Error::from(rustls::CertificateError::UnknownIssuer);
        let failure = lost(std::io::Error::other(untrusted));
        assert_eq!(failure.code, Some(Code::Certificate));
        assert_eq!(failure.hint.as_deref(), Some(CERTIFICATE_HINT));
        let kind = std::io::ErrorKind::ConnectionRefused;
        let failure = lost(std::io::Error::new(kind, "no certificate of death"));
        assert_eq!(failure.code, Some(Code::Io(kind)));
        assert_eq!(failure.hint.as_deref(), Some(UNREACHABLE_HINT));
    }

    #[test]
    fn a_refused_value_is_not_repeated_in_the_message() {
        let text = "1 error: Value 'o'neil' at 'records.1.member.partitionKey' failed, Value 'x";
        assert_eq!(
            without_values(text),
            "1 error: Value (hidden) at 'records.1.member.partitionKey' failed, Value (hidden)"
        );
    }
}
