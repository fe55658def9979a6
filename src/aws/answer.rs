//! How long an answer may be: whoever answers in AWS's place must not fill the memory.
//!
//! The SDK gathers an answer whole before it reads it. Here its own client, with its own connections, gives bodies
//! that end with an error behind a limit; the connection is then closed. Not here: how long an answer may take.

use std::{
    pin::Pin,
    task::{Context, Poll, ready},
};

use aws_config::{BehaviorVersion, SdkConfig};
use aws_smithy_runtime::client::defaults::default_http_client_plugin_v2;
use aws_smithy_runtime_api::client::{
    http::{
        HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpClient,
        SharedHttpConnector, http_client_fn,
    },
    orchestrator::HttpRequest,
    runtime_components::{RuntimeComponents, RuntimeComponentsBuilder},
    runtime_plugin::RuntimePlugin,
};
use aws_smithy_types::body::{Error, SdkBody};
use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};

/// All answers but those that carry records: 500 replies with an error each take 200 KiB, an item of DynamoDB at
/// most 400 KiB, with escapes twice that.
pub const ANSWER_BYTES_MAX: u64 = 1 << 20;
/// GetRecords gives up to 10 MiB, as base64, with keys and numbers.
pub const RECORDS_BYTES_MAX: u64 = 32 << 20;

#[derive(Debug, Clone, thiserror::Error)]
#[error("the answer is longer than the {0} bytes that it may have")]
pub struct TooLong(u64);

/// The configuration for a client with connections of its own.
pub fn bounded(config: &SdkConfig, bytes_max: u64) -> SdkConfig {
    let mut builder = config.to_builder();
    builder.set_http_client(http_client(bytes_max));
    builder.build()
}

/// The SDK's own client; `None`: it was built without one.
pub fn http_client(bytes_max: u64) -> Option<SharedHttpClient> {
    let plugin = default_http_client_plugin_v2(BehaviorVersion::latest())?;
    let none = RuntimeComponentsBuilder::new("none");
    let client = plugin.runtime_components(&none).http_client()?;
    Some(http_client_fn(
        move |settings: &HttpConnectorSettings, components: &RuntimeComponents| {
            SharedHttpConnector::new(Connector {
                connector: client.http_connector(settings, components),
                bytes_max,
            })
        },
    ))
}

#[derive(Debug)]
struct Connector {
    connector: SharedHttpConnector,
    bytes_max: u64,
}

impl HttpConnector for Connector {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let (answer, bytes_max) = (self.connector.call(request), self.bytes_max);
        HttpConnectorFuture::new(async move {
            let bound = |body| {
                SdkBody::from_body_1_x(Bounded {
                    body,
                    bytes_max,
                    left: bytes_max,
                })
            };
            Ok(answer.await?.map(bound))
        })
    }
}

struct Bounded {
    body: SdkBody,
    bytes_max: u64,
    left: u64,
}

impl Body for Bounded {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        let frame = ready!(Pin::new(&mut self.body).poll_frame(context));
        let bytes = match &frame {
            Some(Ok(frame)) => frame.data_ref().map_or(0, Bytes::len),
            Some(Err(_)) | None => 0,
        };
        Poll::Ready(match self.left.checked_sub(bytes as u64) {
            Some(left) => {
                self.left = left;
                frame
            }
            None => Some(Err(TooLong(self.bytes_max).into())),
        })
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        Body::size_hint(&self.body)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How much comes of an answer of so many bytes, and whether it ends well.
    async fn read(bytes: usize, bytes_max: u64) -> (usize, bool) {
        let mut bounded = Bounded {
            body: SdkBody::from(vec![0; bytes]),
            bytes_max,
            left: bytes_max,
        };
        let mut came = 0;
        loop {
            let next = std::future::poll_fn(|context| Pin::new(&mut bounded).poll_frame(context));
            match next.await {
                Some(Ok(frame)) => came += frame.data_ref().map_or(0, Bytes::len),
                Some(Err(error)) => return (came, !error.is::<TooLong>()),
                None => return (came, true),
            }
        }
    }

    #[tokio::test]
    async fn an_answer_is_read_to_its_limit_and_not_beyond() {
        assert_eq!(read(100, 100).await, (100, true));
        assert_eq!(read(101, 100).await, (0, false));
    }
}
