//! A Kinesis endpoint that takes everything and keeps nothing, so that a bench measures the client.
//!
//! It never parses JSON: it counts the name `"Data"`, which cannot stand inside a base64 text, as the
//! body streams by, and answers as many sequence numbers, rising over all calls. `GET /counters` tells
//! what came. It runs on one thread of its own; the binary `swallow` is the same in a process of its own.

use std::{
    convert::Infallible,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    thread::JoinHandle,
};

use anyhow::Context;
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::{Request, Response, body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use memchr::memmem::Finder;
use serde_json::json;
use tokio::{net::TcpListener, sync::oneshot};

const DATA: &[u8] = b"\"Data\"";

/// What has come so far.
#[derive(Debug, Default)]
pub struct Counters {
    pub requests: AtomicU64,
    pub records: AtomicU64,
    /// Bodies as they came: JSON with base64, so about 4/3 of the data.
    pub body_bytes: AtomicU64,
}

/// The endpoint on a thread of this process; ends when dropped.
#[derive(Debug)]
pub struct Swallow {
    endpoint: String,
    counters: Arc<Counters>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Swallow {
    /// Listens on a free port of 127.0.0.1, and knows every stream name as an active one.
    ///
    /// # Errors
    /// When no port can be had.
    pub fn start() -> anyhow::Result<Self> {
        let listener =
            std::net::TcpListener::bind(("127.0.0.1", 0)).context("listen on 127.0.0.1")?;
        let endpoint = format!(
            "http://{}",
            listener.local_addr().context("ask for the port")?
        );
        let counters = Arc::new(Counters::default());
        let (stop, stopped) = oneshot::channel();
        let counted = Arc::clone(&counters);
        let thread = std::thread::Builder::new()
            .name("swallow".to_owned())
            .spawn(move || {
                if let Err(error) = serve_on_this_thread(listener, counted, stopped) {
                    eprintln!("swallow: {error:#}");
                }
            })
            .context("start a thread")?;
        Ok(Self {
            endpoint,
            counters,
            stop: Some(stop),
            thread: Some(thread),
        })
    }

    /// For `sink.kinesis.endpoint_url`.
    pub fn endpoint(&self) -> &str {
        &self.endpoint
    }

    pub fn counters(&self) -> &Counters {
        &self.counters
    }
}

impl Drop for Swallow {
    fn drop(&mut self) {
        drop(self.stop.take());
        if self
            .thread
            .take()
            .is_some_and(|thread| thread.join().is_err())
        {
            eprintln!("swallow: its thread panicked");
        }
    }
}

/// Serves until `stopped` resolves, which it also does when its sender is dropped.
///
/// # Errors
/// When the listener cannot be used.
pub fn serve_on_this_thread(
    listener: std::net::TcpListener,
    counters: Arc<Counters>,
    stopped: oneshot::Receiver<()>,
) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("build a runtime")?;
    runtime.block_on(async move {
        listener.set_nonblocking(true).context("use the listener")?;
        let listener = TcpListener::from_std(listener).context("use the listener")?;
        tokio::select! {
            never = accept(listener, counters) => never,
            _ = stopped => Ok(()),
        }
    })
}

async fn accept(listener: TcpListener, counters: Arc<Counters>) -> anyhow::Result<()> {
    loop {
        let (socket, _) = listener.accept().await.context("accept a connection")?;
        socket.set_nodelay(true).context("set TCP_NODELAY")?;
        let counters = Arc::clone(&counters);
        let service = service_fn(move |request| {
            let counters = Arc::clone(&counters);
            async move { Ok::<_, Infallible>(answer(request, &counters).await) }
        });
        tokio::spawn(async move {
            let connection = http1::Builder::new()
                .max_buf_size(1 << 20)
                .serve_connection(TokioIo::new(socket), service);
            if let Err(error) = connection.await
                && !error.is_incomplete_message()
            {
                eprintln!("swallow: {error}");
            }
        });
    }
}

async fn answer(request: Request<Incoming>, counters: &Counters) -> Response<Full<Bytes>> {
    if request.uri().path() == "/counters" {
        let counts = json!({
            "requests": counters.requests.load(Relaxed),
            "records": counters.records.load(Relaxed),
            "body_bytes": counters.body_bytes.load(Relaxed),
        });
        return Response::new(Full::new(counts.to_string().into()));
    }
    let target = request
        .headers()
        .get("x-amz-target")
        .map(|target| target.as_bytes().to_vec())
        .unwrap_or_default();
    let operation = target
        .rsplit(|byte| *byte == b'.')
        .next()
        .unwrap_or_default();
    let (body_bytes, records) = match count(request.into_body()).await {
        Ok(counted) => counted,
        Err(error) => return refusal(&format!("the body ended early: {error}")),
    };
    match operation {
        b"PutRecords" | b"PutRecord" => {
            counters.requests.fetch_add(1, Relaxed);
            counters.body_bytes.fetch_add(body_bytes, Relaxed);
            let first = counters.records.fetch_add(records, Relaxed);
            taken(first, records, operation == b"PutRecords")
        }
        b"DescribeStreamSummary" => json_answer(&json!({"StreamDescriptionSummary": {
            "StreamName": "swallow", "StreamARN": ARN, "StreamStatus": "ACTIVE", "RetentionPeriodHours": 24,
            "StreamCreationTimestamp": 1.0, "EnhancedMonitoring": [], "OpenShardCount": 1,
            "StreamModeDetails": {"StreamMode": "PROVISIONED"}, "MaxRecordSizeInKiB": 1024,
        }})),
        b"DescribeStream" => json_answer(&json!({"StreamDescription": {
            "StreamName": "swallow", "StreamARN": ARN, "StreamStatus": "ACTIVE", "RetentionPeriodHours": 24,
            "StreamCreationTimestamp": 1.0, "EnhancedMonitoring": [], "HasMoreShards": false, "Shards": [shard()],
        }})),
        b"ListShards" => json_answer(&json!({"Shards": [shard()]})),
        _ => refusal("swallow does not know this operation"),
    }
}

const ARN: &str = "arn:aws:kinesis:us-east-1:000000000000:stream/swallow";

fn shard() -> serde_json::Value {
    json!({
        "ShardId": "shardId-000000000000",
        "HashKeyRange": {"StartingHashKey": "0", "EndingHashKey": u128::MAX.to_string()},
        "SequenceNumberRange": {"StartingSequenceNumber": "0"},
    })
}

/// Bytes of the body and how often `"Data"` stands in it, also across the cuts between frames.
async fn count(mut body: Incoming) -> Result<(u64, u64), hyper::Error> {
    let finder = Finder::new(DATA);
    let (mut bytes, mut records) = (0, 0);
    let mut seam: Vec<u8> = Vec::with_capacity(2 * DATA.len());
    while let Some(frame) = body.frame().await {
        let Ok(frame) = frame?.into_data() else {
            continue;
        };
        bytes += frame.len() as u64;
        records += finder.find_iter(&frame).count() as u64;
        seam.extend(frame.iter().take(DATA.len() - 1));
        records += u64::from(finder.find(&seam).is_some());
        if frame.len() >= DATA.len() {
            seam.clear();
            seam.extend(frame.iter().skip(frame.len() - (DATA.len() - 1)));
        } else {
            seam.drain(..seam.len().saturating_sub(DATA.len() - 1));
        }
    }
    Ok((bytes, records))
}

fn taken(first: u64, records: u64, many: bool) -> Response<Full<Bytes>> {
    let mut body = Vec::with_capacity(60 + 130 * usize::try_from(records).unwrap_or(0));
    if many {
        body.extend_from_slice(b"{\"FailedRecordCount\":0,\"Records\":[");
    }
    for record in 0..records {
        if record > 0 {
            body.push(b',');
        }
        let number = first + record;
        let answer = format!(
            "{{\"SequenceNumber\":\"4966{number:052}\",\"ShardId\":\"shardId-000000000000\"}}"
        );
        body.extend_from_slice(answer.as_bytes());
    }
    if many {
        body.extend_from_slice(b"]}");
    }
    typed(200, body.into())
}

fn json_answer(value: &serde_json::Value) -> Response<Full<Bytes>> {
    typed(200, value.to_string().into())
}

fn refusal(message: &str) -> Response<Full<Bytes>> {
    typed(
        400,
        json!({"__type": "InvalidArgumentException", "message": message})
            .to_string()
            .into(),
    )
}

fn typed(status: u16, body: Bytes) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(body));
    *response.status_mut() = hyper::StatusCode::from_u16(status).unwrap_or_default();
    let json = hyper::header::HeaderValue::from_static("application/x-amz-json-1.1");
    response
        .headers_mut()
        .insert(hyper::header::CONTENT_TYPE, json);
    response
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{aws::JsonService, http::Http};

    #[tokio::test]
    async fn every_record_is_counted_and_numbered() -> anyhow::Result<()> {
        let swallow = Swallow::start()?;
        let kinesis = JsonService::kinesis(swallow.endpoint());
        let data = base64_simd::STANDARD.encode_to_string(vec![7_u8; 300_000]);
        let records: Vec<_> = (0..7)
            .map(|_| json!({"Data": data, "PartitionKey": "shop.orders"}))
            .collect();
        let input = json!({"StreamName": "any", "Records": records});
        let mut last = String::new();
        for _ in 0..3 {
            let output = kinesis.call("PutRecords", &input).await?;
            let answers = output["Records"].as_array().unwrap();
            assert_eq!(answers.len(), 7);
            for answer in answers {
                let number = answer["SequenceNumber"].as_str().unwrap();
                assert!(number > last.as_str());
                number.clone_into(&mut last);
            }
        }
        let counters = Http::default()
            .get(&format!("{}/counters", swallow.endpoint()))
            .await?;
        let counters: serde_json::Value = serde_json::from_slice(&counters.body)?;
        assert_eq!(
            (&counters["requests"], &counters["records"]),
            (&json!(3), &json!(21))
        );
        assert_eq!(
            counters["body_bytes"],
            3 * serde_json::to_vec(&input)?.len()
        );
        Ok(())
    }
}
