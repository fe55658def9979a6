//! What an error of the SDK means: whether the call may pass later, who is at fault, and what to do.
//!
//! By type, by AWS's own word, by the status where there is none; never by a text. Credentials that are missing or
//! refused at start are definite; later any trouble with them is transient, for a role can come back and nothing is
//! lost by waiting. Not here: which credentials are refused ([`super::refused`]), and why there are none
//! ([`super::credentials`]).

use std::{error::Error as StdError, time::Duration};

use aws_credential_types::provider::error::CredentialsError;
use aws_smithy_runtime_api::client::{orchestrator::HttpResponse, result::SdkError};
use aws_smithy_types::error::{ErrorMetadata, metadata::ProvideErrorMetadata};
use headwater_actors::{
    clock::unix_now,
    failure::{Class, Code, Failure, causes},
};
use rustls::CertificateError;

use super::{
    answer::TooLong,
    credentials,
    refused::{Refused, Skew},
};

const UNREACHABLE_HINT: &str = "check the region, the endpoint and the network path to it (VPC endpoint or NAT, security groups)";

const TOO_LONG_HINT: &str =
    "what answers there is not AWS: check `endpoint_url`, and proxies in between";

const CERTIFICATE_HINT: &str = "the endpoint shows a certificate that is not trusted here: let SSL_CERT_FILE name a PEM file with all that are (also those of AWS, if other endpoints are called), or add it to the system's own";

const CERTIFICATE_TIME_HINT: &str = "the certificate is not valid at this time: set the clock of this machine right (NTP), or renew the certificate of the endpoint";

const FOREIGN_HINT: &str = "something else than AWS has answered: a proxy or a firewall on the way, or `endpoint_url` leads elsewhere";

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
    pub(super) fn failed(&self) -> String {
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
    let (raw, code, text) = match error {
        SdkError::ServiceError(service) => {
            let (code, text) = (service.err().code(), service.err().message());
            (service.raw(), code, text)
        }
        SdkError::ResponseError(unread) if is_foreign(unread.raw()) && !is_too_long(error) => {
            (unread.raw(), None, None)
        }
        _ => return unreached(plain, error).into(),
    };
    let status = raw.status().as_u16();
    let (code, text) = (code.unwrap_or_default(), text.unwrap_or_default());
    let skew = Skew::of(raw.headers().get("date"), unix_now());
    let refused = Refused::of(code, skew);
    let is_foreign = code.is_empty() && is_foreign(raw);
    let mut said = match (code, text) {
        ("", _) if is_foreign => {
            format!("HTTP status {status} with what is no answer of AWS's API")
        }
        ("", _) => format!("HTTP status {status}"),
        (code, "") => format!("{code} (HTTP status {status})"),
        (code, text) => format!("{code}: {}", without_values(text)),
    };
    if let (Some(Refused::Clock), Some(skew)) = (refused, skew) {
        said.push_str(&format!(" ({skew})"));
    }
    let said = Said(said);
    let (class, throttled, blame) = verdict(code, status);
    let mut failure = plain.with_class(class).because(said);
    failure.code = Some(match code {
        "" => Code::Http(status),
        code => Code::Aws(code.to_owned()),
    });
    failure.hint = match refused {
        Some(refused) => Some(refused.hint().to_owned()),
        None if is_foreign => Some(FOREIGN_HINT.to_owned()),
        None => hint(code, action),
    };
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
        .and_then(|code| Refused::of(code, None))
        .is_some_and(Refused::is_lasting);
    let is_unbuilt = matches!(error, SdkError::ConstructionFailure(_)) && credentials.is_none();
    if is_lasting || is_refused || is_unbuilt {
        failure.class = Class::Definite;
    }
    failure
}

/// The service was not asked, or has not answered.
fn unreached(plain: Failure, error: &(dyn StdError + 'static)) -> Failure {
    let untrusted = causes(error).find_map(|cause| match cause.downcast_ref() {
        Some(rustls::Error::InvalidCertificate(why)) => Some(why),
        _ => None,
    });
    let mut failure = plain.because(Said(chain(error)));
    let (code, hint) = match untrusted {
        Some(
            CertificateError::Expired
            | CertificateError::ExpiredContext { .. }
            | CertificateError::NotValidYet
            | CertificateError::NotValidYetContext { .. },
        ) => (Some(Code::Certificate), CERTIFICATE_TIME_HINT),
        Some(_) => (Some(Code::Certificate), CERTIFICATE_HINT),
        None if is_too_long(error) => (None, TOO_LONG_HINT),
        None => (Code::of(error), UNREACHABLE_HINT),
    };
    failure.code = code;
    failure.hint = Some(hint.to_owned());
    failure
}

fn is_too_long(error: &(dyn StdError + 'static)) -> bool {
    causes(error).any(|cause| cause.is::<TooLong>())
}

/// A page where the API would answer in JSON (STS in XML): a proxy's, a firewall's.
fn is_foreign(raw: &HttpResponse) -> bool {
    raw.headers()
        .get("content-type")
        .is_some_and(|kind| !kind.contains("json") && !kind.contains("xml"))
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
        | "AccessDenied"
        | "AccessDeniedException"
        | "InvalidSourceException"
        | "InvalidKMSResourceException" => (Class::Definite, false, Blame::Stream),
        code if code.starts_with("KMS") => (Class::Definite, false, Blame::Stream),
        "ResourceInUseException" => (Class::Transient, false, Blame::Stream),
        code if Refused::of(code, None).is_some() => (Class::Transient, false, Blame::Stream),
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

fn hint(code: &str, action: Action<'_>) -> Option<String> {
    let Action { iam, kind, name } = action;
    Some(match code {
        "ResourceNotFoundException" => format!(
            "create the {kind} \"{name}\", or correct its name, region and account in the settings"
        ),
        "AccessDenied" | "AccessDeniedException" => {
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
        _ => return None,
    })
}

/// The chain of causes on one line.
pub(super) fn chain(error: &(dyn StdError + 'static)) -> String {
    let mut texts: Vec<String> = Vec::new();
    for error in causes(error) {
        let says_nothing = matches!(
            error.downcast_ref(),
            Some(
                CredentialsError::CredentialsNotLoaded(_)
                    | CredentialsError::InvalidConfiguration(_)
                    | CredentialsError::ProviderError(_)
            )
        );
        if says_nothing && error.source().is_some() {
            continue;
        }
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

    fn response(status: u16, headers: &[(&'static str, &'static str)]) -> HttpResponse {
        let body = SdkBody::from("<html>secret</html>");
        let mut raw = HttpResponse::new(status.try_into().expect("a status"), body);
        for (name, value) in headers {
            raw.headers_mut().insert(*name, *value);
        }
        raw
    }

    #[test]
    fn a_page_of_a_proxy_is_told_by_its_status_and_never_quoted() {
        let page = || response(403, &[("content-type", "text/html; charset=utf-8")]);
        let unsaid = ErrorMetadata::builder().build();
        for error in [
            SdkError::service_error(unsaid, page()),
            SdkError::response_error(std::io::Error::other("no JSON"), page()),
        ] {
            let failure = judged(error);
            assert_eq!(failure.code, Some(Code::Http(403)));
            assert_eq!(failure.hint.as_deref(), Some(FOREIGN_HINT));
            let text = failure.to_string();
            assert!(text.contains("HTTP status 403"), "{text}");
            assert!(!text.contains("secret"), "{text}");
        }
    }

    #[test]
    fn a_signature_that_is_refused_while_the_clock_is_wrong_is_the_clocks_fault() {
        let word = || {
            let said = ErrorMetadata::builder().code("InvalidSignatureException");
            said.message("Signature expired").build()
        };
        let wrong = response(403, &[("date", "Mon, 30 Nov 2015 03:00:00 GMT")]);
        let failure = judged(SdkError::service_error(word(), wrong));
        assert_eq!(failure.hint.as_deref(), Some(Refused::Clock.hint()));
        assert!(
            failure.to_string().contains("s ahead of AWS's"),
            "{failure}"
        );
        let failure = judged(SdkError::service_error(word(), response(403, &[])));
        assert_eq!(failure.hint.as_deref(), Some(Refused::Secret.hint()));
    }

    #[test]
    fn a_certificate_that_is_not_trusted_is_known_by_type_and_a_lost_connection_by_its_kind() {
        let lost = |error: std::io::Error| judged(SdkError::timeout_error(error));
        let untrusted = rustls::Error::from(rustls::CertificateError::UnknownIssuer);
        let failure = lost(std::io::Error::other(untrusted));
        assert_eq!(failure.code, Some(Code::Certificate));
        assert_eq!(failure.hint.as_deref(), Some(CERTIFICATE_HINT));
        let not_yet = rustls::Error::from(rustls::CertificateError::NotValidYet);
        let failure = lost(std::io::Error::other(not_yet));
        assert_eq!(failure.hint.as_deref(), Some(CERTIFICATE_TIME_HINT));
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
