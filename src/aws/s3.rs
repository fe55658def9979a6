//! S3 as it is spoken to, and GetObject: a signed GET by the path of bucket and key.
//!
//! By path and not by the bucket's own host, so that every name of a bucket is good and any endpoint serves. The
//! path is signed as it is sent: a key may hold `..`, `//` and `%`. Not here: how a request gets there
//! ([`super::service`]); lists of objects, and objects part by part ([`super::objects`]).

use std::time::Duration;

use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_types::error::ErrorMetadata;
use bytes::Bytes;
use headwater_actors::failure::Failure;

use super::{
    ANSWER_BYTES_MAX, Action, AwsPlan,
    service::{Protocol, Request, Service},
};
use crate::percent;

pub(super) const S3: Protocol = Protocol {
    name: "s3",
    id: "S3",
    is_s3: true,
    answer_bytes_max: ANSWER_BYTES_MAX,
    too_long_hint: Some("name an object of at most that size"),
    refusal,
};

/// The object, of at most [`super::ANSWER_BYTES_MAX`].
pub async fn get_object(
    plan: &AwsPlan,
    action: Action<'_>,
    bucket: &str,
    key: &str,
    timeout: Duration,
) -> Result<Bytes, Failure> {
    let service = Service::connect(plan, S3).await?;
    let request = Request {
        method: "GET",
        path: path(bucket, key),
        headers: Vec::new(),
        body: Vec::new(),
    };
    service.call(action, request, timeout).await
}

pub(super) fn path(bucket: &str, key: &str) -> String {
    format!("/{bucket}/{}", percent::encode(key, "/"))
}

/// XML, and for a bucket of another region a header.
fn refusal(response: &HttpResponse) -> ErrorMetadata {
    let body = response.body().bytes().unwrap_or_default();
    let body = String::from_utf8_lossy(body);
    let mut meta = ErrorMetadata::builder();
    if let Some(code) = element(&body, "Code") {
        meta = meta.code(code);
    }
    let region = response.headers().get("x-amz-bucket-region");
    let message = match (element(&body, "Message"), region) {
        (Some(message), Some(region)) => Some(format!("{message} (the bucket is in {region})")),
        (message, _) => message.map(str::to_owned),
    };
    if let Some(message) = message {
        meta = meta.message(message);
    }
    meta.build()
}

/// The text of the first element of that name.
fn element<'a>(xml: &'a str, name: &str) -> Option<&'a str> {
    let (_, rest) = xml.split_once(&format!("<{name}>"))?;
    let (text, _) = rest.split_once(&format!("</{name}>"))?;
    Some(text)
}

#[cfg(test)]
mod tests {
    use aws_smithy_types::body::SdkBody;

    use super::*;

    #[test]
    fn a_path_has_the_key_as_it_is_encoded_once() {
        assert_eq!(
            path("my.bucket", "/a b/../ü%41.toml"),
            "/my.bucket//a%20b/../%C3%BC%2541.toml"
        );
    }

    #[test]
    fn a_refusal_says_code_and_message_and_where_the_bucket_is() {
        let body = "<?xml version=\"1.0\"?><Error><Code>PermanentRedirect</Code><Message>elsewhere</Message></Error>";
        let mut response =
            HttpResponse::new(301.try_into().expect("a status"), SdkBody::from(body));
        let headers = response.headers_mut();
        headers.insert("x-amz-bucket-region", "eu-west-1");
        let said = refusal(&response);
        assert_eq!(said.code(), Some("PermanentRedirect"));
        assert_eq!(
            said.message(),
            Some("elsewhere (the bucket is in eu-west-1)")
        );
        let empty = HttpResponse::new(500.try_into().expect("a status"), SdkBody::empty());
        assert_eq!(refusal(&empty).code(), None);
    }
}
