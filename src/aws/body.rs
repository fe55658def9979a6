//! A put's body, written and hashed by us instead of by the SDK.
//!
//! The SDK copies a payload into base64 text, that into growing JSON, and hashes it all while the lane waits:
//! several times the payload in memory, and most of the time between two records of one lane. Here the
//! body is one allocation of its exact size, it can be made while the record before it is in flight, and it takes
//! the place of the SDK's own just before the request is signed. Address, headers, credentials, signature,
//! connection and answer stay the SDK's. The lease is asked for a last time when the connection stands and wants
//! the bytes. Not here: what stands in the body of which service.

use std::{
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use aws_runtime::auth::PayloadSigningOverride;
use aws_smithy_runtime_api::{
    box_error::BoxError,
    client::{
        interceptors::{
            Intercept,
            context::{BeforeTransmitInterceptorContextMut, BeforeTransmitInterceptorContextRef},
        },
        runtime_components::RuntimeComponents,
    },
};
use aws_smithy_types::{
    body::SdkBody,
    config_bag::{ConfigBag, Layer},
};
use bytes::Bytes;
use headwater_binlog::json::write_json_string;
use http_body::{Frame, SizeHint};

use crate::{
    lease::gate::{self, LeaseGate, Moment},
    sha256::Sha256,
};

/// AWS JSON 1.1 (smithy.io, AWS JSON protocols).
const CONTENT_TYPE: &str = "application/x-amz-json-1.1";

/// Cheap to clone.
#[derive(Debug, Clone)]
pub struct Body {
    json: Bytes,
    /// Lower-case hex, as the signature wants it.
    sha256: String,
    lease: Lease,
}

impl Body {
    /// The gate is asked once more before this is sent: the call has passed it just now, for `timeout`.
    #[must_use]
    pub fn under(self, gate: LeaseGate, timeout: Duration) -> Self {
        let lease = Lease {
            gate,
            timeout,
            passed: gate::now(),
        };
        Self { lease, ..self }
    }
}

/// The lease under which a call is made.
#[derive(Debug, Clone, Default)]
struct Lease {
    gate: LeaseGate,
    timeout: Duration,
    passed: Moment,
}

impl Lease {
    fn ensure_good(&self) -> Result<(), BoxError> {
        match self.is_good() {
            true => Ok(()),
            false => Err("the lease in the checkpoint store has run out".into()),
        }
    }

    /// Who slept in between may have slept through more than the timeout's own clock has counted.
    fn is_good(&self) -> bool {
        let since = gate::now().saturating_sub(self.passed);
        let left = self.timeout.saturating_sub(since);
        self.gate.is_always_open() || (since < SIGNING_MAX && self.gate.admits(left))
    }
}

/// From the gate to the wire.
const SIGNING_MAX: Duration = Duration::from_secs(2);

/// Writes a body of known size: `{"StreamName":"…","Records":[{…},{…}]}`.
pub struct BodyWriter {
    json: Vec<u8>,
    has_records: bool,
}

impl BodyWriter {
    /// `payload_bytes` of all `records` together.
    pub fn new(name: &str, value: &str, records: usize, payload_bytes: usize) -> Self {
        let payload = (payload_bytes / 3 + records) * 4;
        let mut json = Vec::with_capacity(payload + records * RECORD_BYTES + HEAD_BYTES);
        json.extend_from_slice(b"{\"");
        json.extend_from_slice(name.as_bytes());
        json.extend_from_slice(b"\":");
        write_json_string(value, &mut json);
        json.extend_from_slice(b",\"Records\":[");
        Self {
            json,
            has_records: false,
        }
    }

    /// Begins a record with its payload.
    pub fn record(&mut self, payload: &[u8]) {
        if self.has_records {
            self.json.extend_from_slice(b"},");
        }
        self.has_records = true;
        self.json.extend_from_slice(b"{\"Data\":\"");
        base64_simd::STANDARD.encode_append(payload, &mut self.json);
        self.json.push(b'"');
    }

    /// One more member of the record.
    pub fn member(&mut self, name: &str, value: &str) {
        self.json.extend_from_slice(b",\"");
        self.json.extend_from_slice(name.as_bytes());
        self.json.extend_from_slice(b"\":");
        write_json_string(value, &mut self.json);
    }

    pub fn finish(mut self) -> Body {
        let end: &[u8] = if self.has_records { b"}]}" } else { b"]}" };
        self.json.extend_from_slice(end);
        let sha256 = Sha256::of(&self.json).hex();
        Body {
            json: self.json.into(),
            sha256,
            lease: Lease::default(),
        }
    }
}

/// Names and braces of a record, and keys of common length.
const RECORD_BYTES: usize = 192;
const HEAD_BYTES: usize = 256;

impl Intercept for Body {
    fn name(&self) -> &'static str {
        "Body"
    }

    fn modify_before_signing(
        &self,
        context: &mut BeforeTransmitInterceptorContextMut<'_>,
        _components: &RuntimeComponents,
        settings: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let request = context.request_mut();
        let found = request.headers().get("content-type").unwrap_or_default();
        if found != CONTENT_TYPE {
            return Err(format!("the SDK speaks {found:?}, the body is {CONTENT_TYPE}").into());
        }
        let length = self.json.len().to_string();
        request.headers_mut().insert("content-length", length);
        *request.body_mut() = SdkBody::from_body_1_x(Payload {
            json: Some(self.json.clone()),
            lease: self.lease.clone(),
        });
        let mut layer = Layer::new("Body");
        layer.store_put(PayloadSigningOverride::Precomputed(self.sha256.clone()));
        settings.push_layer(layer);
        Ok(())
    }

    /// Behind credentials and signature, which may have taken their time.
    fn read_before_transmit(
        &self,
        _context: &BeforeTransmitInterceptorContextRef<'_>,
        _components: &RuntimeComponents,
        _settings: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        self.lease.ensure_good()
    }
}

/// The body on its way: a process that was stopped while it connected gives out no byte of it.
struct Payload {
    json: Option<Bytes>,
    lease: Lease,
}

impl http_body::Body for Payload {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let Some(json) = self.json.take() else {
            return Poll::Ready(None);
        };
        let good = self.lease.ensure_good();
        Poll::Ready(Some(good.map(|()| Frame::data(json))))
    }

    fn is_end_stream(&self) -> bool {
        self.json.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.json.as_ref().map_or(0, Bytes::len) as u64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lease::Span;

    fn text(body: &Body) -> serde_json::Value {
        serde_json::from_slice(&body.json).expect("JSON")
    }

    #[test]
    fn records_stand_in_their_order_with_their_members() {
        let mut writer = BodyWriter::new("StreamName", "a \"b\"", 2, 6);
        writer.record(b"\xff\n");
        writer.member("PartitionKey", "shop.o\\s");
        writer.record(b"");
        writer.member("PartitionKey", "k");
        let body = writer.finish();
        let expected = serde_json::json!({
            "StreamName": "a \"b\"",
            "Records": [
                {"Data": "/wo=", "PartitionKey": "shop.o\\s"},
                {"Data": "", "PartitionKey": "k"},
            ],
        });
        assert_eq!(text(&body), expected);
    }

    #[test]
    fn the_hash_is_that_of_the_bytes() {
        let body = BodyWriter::new("A", "b", 0, 0).finish();
        assert_eq!(&*body.json, br#"{"A":"b","Records":[]}"#);
        // printf '{"A":"b","Records":[]}' | sha256sum
        assert_eq!(
            body.sha256,
            "905cc004e590b222e90b8c4550c64b1fdfccf9e2e92e666de34f27b8ffc2c8f2"
        );
    }

    #[test]
    fn a_body_whose_lease_has_run_out_gives_no_byte_to_its_connection() {
        let given = |gate: LeaseGate| {
            let body = BodyWriter::new("A", "b", 0, 0).finish();
            let body = body.under(gate, Duration::from_secs(1));
            let mut payload = Payload {
                json: Some(body.json),
                lease: body.lease,
            };
            let mut context = Context::from_waker(std::task::Waker::noop());
            match http_body::Body::poll_frame(Pin::new(&mut payload), &mut context) {
                Poll::Ready(Some(frame)) => frame.map(|frame| frame.into_data().ok()),
                other => panic!("no frame: {other:?}"),
            }
        };
        let all = Bytes::from_static(br#"{"A":"b","Records":[]}"#);
        assert_eq!(given(LeaseGate::open()).ok(), Some(Some(all)));
        let refused = given(LeaseGate::closed(Span(Duration::from_secs(5))));
        assert!(refused.is_err_and(|error| error.to_string().contains("has run out")));
    }

    #[test]
    fn a_body_is_made_in_one_allocation() {
        let payload = vec![b'x'; 300_001];
        let mut writer = BodyWriter::new("StreamName", "orders", 3, 3 * payload.len());
        let before = writer.json.capacity();
        for _ in 0..3 {
            writer.record(&payload);
            writer.member("PartitionKey", "shop.orders");
        }
        writer.json.extend_from_slice(b"}]}");
        assert_eq!(writer.json.capacity(), before);
    }
}
