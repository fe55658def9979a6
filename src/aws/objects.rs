//! A bucket's objects: listed, and read part by part.
//!
//! An object is read by ranges of at most [`PART_BYTES`], each bounded in time and bytes, so no object stands in memory
//! whole and an answer that never ends is cut. Each part is asked for by the object's ETag: an object that is replaced
//! meanwhile is an error, not a mixture. Trouble that may pass is tried again for some seconds. Not here: what a list
//! says (`listing`).

use std::time::Duration;

use bytes::Bytes;
use headwater_actors::failure::{Class, Failure};

pub use super::listing::Object;
use super::{
    Action, AwsPlan,
    listing::{Listing, Page},
    read::explained,
    s3::{S3, path},
    service::{Protocol, Request, Service},
};
use crate::percent;

/// What one request asks for.
pub const PART_BYTES: u64 = 8 << 20;
/// A page of 1,000 keys of 1,024 bytes, each encoded by three, takes less than a part.
const OBJECTS: Protocol = Protocol {
    answer_bytes_max: PART_BYTES + (1 << 20),
    too_long_hint: Some(
        "what answers there is not S3: check `endpoint_url` and AWS_ENDPOINT_URL_S3, and proxies in between",
    ),
    ..S3
};
/// Of one call.
const CALL_TIMEOUT: Duration = Duration::from_secs(60);
/// Before each further attempt.
const PAUSES: [Duration; 5] = [
    Duration::from_millis(200),
    Duration::from_millis(500),
    Duration::from_secs(1),
    Duration::from_secs(2),
    Duration::from_secs(4),
];

/// One bucket.
pub struct Bucket {
    service: Service,
    name: String,
}

impl Bucket {
    pub async fn connect(plan: &AwsPlan, name: &str) -> Result<Self, Failure> {
        Ok(Self {
            service: Service::connect(plan, OBJECTS).await?,
            name: name.to_owned(),
        })
    }

    pub fn name(&self) -> &str {
        &self.name
    }

    /// By name. Of all whose keys begin with the prefix, those that are wanted.
    pub async fn list(
        &self,
        prefix: &str,
        is_wanted: &dyn Fn(&str) -> bool,
    ) -> Result<Vec<Object>, Failure> {
        let action = Action {
            iam: "s3:ListBucket",
            kind: "bucket",
            name: &self.name,
        };
        let mut listing = Listing::default();
        let mut token: Option<String> = None;
        loop {
            // Sorted, as the signature wants them.
            let token_part =
                token.map(|token| format!("continuation-token={}&", percent::encode(&token, "")));
            let query = format!(
                "/{}?{}encoding-type=url&list-type=2&prefix={}",
                self.name,
                token_part.unwrap_or_default(),
                percent::encode(prefix, ""),
            );
            let answer = self.get(action, &query, &[]).await?;
            let page = Page::parse(&answer).map_err(|malformed| {
                Failure::definite(action.failed())
                    .because(malformed)
                    .with_hint(OBJECTS.too_long_hint.unwrap_or_default())
            })?;
            token = listing.take(page, is_wanted)?;
            if token.is_none() {
                return Ok(listing.finish());
            }
        }
    }

    /// What stands in the object from there on, at most a part of it. Not to be asked for its end.
    pub async fn part(&self, object: &Object, from: u64) -> Result<Bytes, Failure> {
        let name = format!("{}/{}", self.name, object.key);
        let action = Action {
            iam: "s3:GetObject",
            kind: "object",
            name: &name,
        };
        let wanted = PART_BYTES.min(object.bytes.saturating_sub(from));
        let headers = [
            ("if-match", object.etag.clone()),
            (
                "range",
                format!("bytes={from}-{}", from + wanted.max(1) - 1),
            ),
        ];
        let path = path(&self.name, &object.key);
        let bytes = self.get(action, &path, &headers).await?;
        if bytes.len() as u64 == wanted {
            return Ok(bytes);
        }
        let came = bytes.len();
        Err(Failure::definite(action.failed())
            .because(format!(
                "{came} bytes were answered where {wanted} were asked for"
            ))
            .with_hint(OBJECTS.too_long_hint.unwrap_or_default()))
    }

    async fn get(
        &self,
        action: Action<'_>,
        path: &str,
        headers: &[(&'static str, String)],
    ) -> Result<Bytes, Failure> {
        let mut pauses = PAUSES.iter();
        loop {
            let request = Request {
                method: "GET",
                path: path.to_owned(),
                headers: headers.to_vec(),
                body: Vec::new(),
            };
            let answer = self.service.call(action, request, CALL_TIMEOUT).await;
            let failure = match answer {
                Ok(bytes) => return Ok(bytes),
                Err(failure) => gone(explained(failure, action)),
            };
            match pauses.next().filter(|_| !failure.is_definite()) {
                Some(pause) => tokio::time::sleep(*pause).await,
                None => return Err(failure),
            }
        }
    }
}

/// What happens to an object between its listing and its reading.
fn gone(failure: Failure) -> Failure {
    let hint = if failure.is_aws("NoSuchKey") {
        "the object was listed and is gone: somebody deletes here, or a lifecycle rule does; verify again, with a prefix that stays"
    } else if failure.is_aws("PreconditionFailed") {
        "the object was replaced while it was read; verify again when nobody writes there"
    } else {
        return failure;
    };
    failure.with_class(Class::Definite).with_hint(hint)
}
