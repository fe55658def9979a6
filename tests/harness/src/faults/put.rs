//! PutRecords and PutRecordBatch: limits first, then faults, then the backend with what is left.

use std::{sync::Arc, time::SystemTime};

use bytes::Bytes;
use http_body_util::BodyExt;
use hyper::http::request::Parts;
use serde_json::{Value, json};

use super::{Answer, Backend, Faults, HungUp, Shared, error, locked, memory::Stream, missing, ok};

const ENTRIES_MAX: usize = 500;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Api {
    Kinesis,
    Firehose,
}

impl Api {
    pub fn of(action: &str) -> Option<Self> {
        match action {
            "PutRecords" => Some(Self::Kinesis),
            "PutRecordBatch" => Some(Self::Firehose),
            _ => None,
        }
    }

    fn call_bytes_max(self) -> usize {
        match self {
            Self::Kinesis => 10 << 20,
            Self::Firehose => 4 << 20,
        }
    }

    fn stream_field(self) -> &'static str {
        match self {
            Self::Kinesis => "StreamName",
            Self::Firehose => "DeliveryStreamName",
        }
    }

    /// The names of the list of answers and of the count of failures.
    fn answer_fields(self) -> (&'static str, &'static str) {
        match self {
            Self::Kinesis => ("Records", "FailedRecordCount"),
            Self::Firehose => ("RequestResponses", "FailedPutCount"),
        }
    }

    /// What says that an entry was taken.
    fn id_field(self) -> &'static str {
        match self {
            Self::Kinesis => "SequenceNumber",
            Self::Firehose => "RecordId",
        }
    }

    fn throttling(self) -> &'static str {
        match self {
            Self::Kinesis => "ProvisionedThroughputExceededException",
            Self::Firehose => "ServiceUnavailableException",
        }
    }
}

struct Entry {
    partition_key: String,
    explicit_hash_key: Option<u128>,
    data: Bytes,
    bytes: usize,
}

/// Counts a call as under way until dropped.
struct Flight<'a> {
    shared: &'a Shared,
    entries: &'a [Entry],
    bytes: usize,
}

/// A call that will be taken.
struct Call {
    api: Api,
    head: Parts,
    body: Value,
    raw: Vec<Value>,
    entries: Arc<[Entry]>,
}

pub async fn put(
    shared: &Arc<Shared>,
    api: Api,
    head: Parts,
    body: &[u8],
) -> Result<Answer, HungUp> {
    let faults = locked(&shared.faults).clone();
    if faults.puts_denied {
        let text = "User is not authorized to perform the action";
        return Ok(error(400, "AccessDeniedException", text));
    }
    let mut body: Value = match serde_json::from_slice(body) {
        Ok(body) => body,
        Err(problem) => return Ok(error(400, "SerializationException", &problem.to_string())),
    };
    let raw = match body.get_mut("Records").map(Value::take) {
        Some(Value::Array(raw)) => raw,
        _ => return Ok(error(400, "SerializationException", "no Records")),
    };
    if raw.iter().any(has_no_hash_key) {
        let text = "Invalid ExplicitHashKey. ExplicitHashKey must be in the range: [0, 2^128-1].";
        return Ok(error(400, "InvalidArgumentException", text));
    }
    let entries: Option<Vec<Entry>> = raw.iter().map(entry).collect();
    let entries: Arc<[Entry]> = match entries {
        Some(entries) => entries.into(),
        None => {
            return Ok(error(
                400,
                "SerializationException",
                "an entry is no record",
            ));
        }
    };
    let flight = Flight::begin(shared, &entries);
    if let Some(answer) = beyond_limits(api, &entries, &faults) {
        return Ok(answer);
    }
    tokio::time::sleep(faults.latency).await;
    shared.wait_while_held().await;
    let faults = locked(&shared.faults).clone();
    if faults.is_down {
        return Err(HungUp);
    }
    if let Some(number) = entries
        .iter()
        .position(|entry| is_of(api, entry, &faults.poison_keys))
    {
        let text = format!(
            "1 validation error detected: Value '{}' at 'records.{}.member.partitionKey' failed to satisfy constraint",
            entries[number].partition_key,
            number + 1
        );
        return Ok(error(400, "ValidationException", &text));
    }
    if shared.strikes(faults.calls_failed) {
        return Ok(error(500, "InternalFailure", "Internal service failure."));
    }
    if shared.strikes(faults.calls_unavailable) {
        return Ok(error(503, "ServiceUnavailable", "Slow down."));
    }
    let is_garbled = shared.strikes(faults.replies_garbled);
    if is_garbled && shared.happens(0.5) {
        return Ok(garbled(shared, api, entries.len()));
    }
    let call = Call {
        api,
        head,
        body,
        raw,
        entries: Arc::clone(&entries),
    };
    let answer = if shared.strikes(faults.landings_delayed) {
        // Its client gives it up; when the end of the connection is seen here, nobody can say.
        drop(flight);
        let (shared, delay) = (Arc::clone(shared), faults.delay);
        // It goes on when the client has hung up.
        let landing = tokio::spawn(async move {
            tokio::time::sleep(delay).await;
            call.take(&shared).await
        });
        landing.await.map_err(|_| HungUp)?
    } else {
        let answer = call.take(shared).await;
        drop(flight);
        answer
    }?;
    if shared.strikes(faults.replies_lost) {
        return Err(HungUp);
    }
    if shared.strikes(faults.replies_delayed) {
        tokio::time::sleep(faults.delay).await;
    }
    if is_garbled {
        return Ok(garbled(shared, api, entries.len()));
    }
    Ok(answer)
}

impl Call {
    async fn take(self, shared: &Shared) -> Result<Answer, HungUp> {
        let Self {
            api,
            head,
            body,
            raw,
            entries,
        } = self;
        let faults = locked(&shared.faults).clone();
        let name = body
            .get(api.stream_field())
            .and_then(Value::as_str)
            .unwrap_or_default()
            .to_owned();
        match &shared.backend {
            Backend::Memory(streams) => {
                let mut streams = locked(streams);
                Ok(match streams.get_mut(&name) {
                    Some(stream) => in_memory(shared, api, stream, &entries, &faults),
                    None => missing(&name),
                })
            }
            Backend::Upstream { shards, .. } => {
                let refusals: Vec<Option<Value>> = {
                    let mut shards = locked(shards);
                    let refusal = |entry| refusal(shared, api, &mut shards, entry, &faults);
                    entries.iter().map(refusal).collect()
                };
                upstream(shared, api, &head, body, raw, refusals).await
            }
        }
    }
}

/// HTTP 200 by somebody who is not the API, or is not well.
fn garbled(shared: &Shared, api: Api, entries: usize) -> Answer {
    let (list, count) = api.answer_fields();
    let id = api.id_field();
    let text = match locked(&shared.random).u32(..8) {
        0 => String::new(),
        1 => "<html><body>Sign in to this network</body></html>".to_owned(),
        2 => format!("{{\"{count}\":0,\"{list}\":[{{\"Sequ"),
        3 => json!({}).to_string(),
        4 => json!({list: [], count: 0}).to_string(),
        5 => json!({list: vec![json!({}); entries], count: 0}).to_string(),
        6 => json!({list: vec![json!({id: ""}); entries], count: 0}).to_string(),
        _ => json!({list: vec![json!({id: "1"}); entries], count: entries}).to_string(),
    };
    let mut answer = ok(&Value::Null);
    *answer.body_mut() = text.into();
    answer
}

/// Its hash key is beyond the range.
fn has_no_hash_key(raw: &Value) -> bool {
    let key = raw.get("ExplicitHashKey").and_then(Value::as_str);
    key.is_some_and(|key| key.parse::<u128>().is_err())
}

fn entry(raw: &Value) -> Option<Entry> {
    let data = base64_simd::STANDARD
        .decode_to_vec(raw.get("Data")?.as_str()?)
        .ok()?;
    let partition_key = raw
        .get("PartitionKey")
        .and_then(Value::as_str)
        .unwrap_or_default()
        .to_owned();
    let explicit_hash_key = match raw.get("ExplicitHashKey").and_then(Value::as_str) {
        Some(key) => Some(key.parse().ok()?),
        None => None,
    };
    Some(Entry {
        bytes: data.len() + partition_key.len(),
        partition_key,
        explicit_hash_key,
        data: data.into(),
    })
}

/// The answer to a call that breaks a documented limit.
fn beyond_limits(api: Api, entries: &[Entry], faults: &Faults) -> Option<Answer> {
    let refuse = |code: &str, text: String| Some(error(400, code, &text));
    if !(1..=ENTRIES_MAX).contains(&entries.len()) {
        let text = format!(
            "1 validation error detected: {} records, not 1 to {ENTRIES_MAX}",
            entries.len()
        );
        return refuse("ValidationException", text);
    }
    let bytes: usize = entries.iter().map(|entry| entry.bytes).sum();
    if bytes > api.call_bytes_max() {
        let text = format!("Records size exceeds {} bytes", api.call_bytes_max());
        return refuse("InvalidArgumentException", text);
    }
    let record_bytes_max = match api {
        Api::Kinesis => faults.record_bytes_max,
        Api::Firehose => 1_024_000,
    };
    for (entry, number) in entries.iter().zip(1..) {
        if entry.bytes > record_bytes_max {
            let text = format!(
                "1 validation error detected: record {number} has {} bytes, not at most {record_bytes_max}",
                entry.bytes
            );
            return refuse("ValidationException", text);
        }
        let key_chars = entry.partition_key.chars().count();
        if api == Api::Kinesis && !(1..=256).contains(&key_chars) {
            let text = format!(
                "1 validation error detected: the key of record {number} has {key_chars} characters"
            );
            return refuse("ValidationException", text);
        }
    }
    None
}

fn is_of(api: Api, entry: &Entry, keys: &[String]) -> bool {
    keys.iter().any(|key| match api {
        Api::Kinesis => entry.partition_key == *key,
        Api::Firehose => String::from_utf8_lossy(&entry.data).contains(key),
    })
}

/// The answer to an entry that is not taken.
fn refusal(
    shared: &Shared,
    api: Api,
    stream: &mut Stream,
    entry: &Entry,
    faults: &Faults,
) -> Option<Value> {
    let (key, hash_key) = (&entry.partition_key, entry.explicit_hash_key);
    let shard = stream.shard_of(key, hash_key);
    let is_over = |limits| !stream.allows(key, hash_key, entry.bytes, limits);
    if faults.throttled_shards.contains(&shard)
        || shared.happens(faults.entries_throttled)
        || faults.shard_limits.is_some_and(is_over)
    {
        let text = format!("Rate exceeded for shard {shard} in stream under account 000000000000.");
        return Some(json!({"ErrorCode": api.throttling(), "ErrorMessage": text}));
    }
    let fails = is_of(api, entry, &faults.failed_keys) || shared.happens(faults.entries_failed);
    fails.then(
        || json!({"ErrorCode": "InternalFailure", "ErrorMessage": "Internal service failure."}),
    )
}

fn in_memory(
    shared: &Shared,
    api: Api,
    stream: &mut Stream,
    entries: &[Entry],
    faults: &Faults,
) -> Answer {
    let (list, count) = api.answer_fields();
    let mut refused = 0;
    let answers: Vec<Value> = entries
        .iter()
        .map(|entry| {
            if let Some(refusal) = refusal(shared, api, stream, entry, faults) {
                refused += 1;
                return refusal;
            }
            let (key, hash_key) = (&entry.partition_key, entry.explicit_hash_key);
            let landed = stream.take(key, hash_key, entry.data.clone());
            match api {
                Api::Kinesis => {
                    json!({"ShardId": landed.shard, "SequenceNumber": landed.sequence})
                }
                Api::Firehose => json!({"RecordId": landed.sequence}),
            }
        })
        .collect();
    ok(&json!({list: answers, count: refused}))
}

/// Passes on the entries that no fault refuses, and puts the answers together again.
async fn upstream(
    shared: &Shared,
    api: Api,
    head: &Parts,
    mut body: Value,
    raw: Vec<Value>,
    refusals: Vec<Option<Value>>,
) -> Result<Answer, HungUp> {
    let (list, count) = api.answer_fields();
    let passed: Vec<Value> = raw
        .into_iter()
        .zip(&refusals)
        .filter(|(_, refusal)| refusal.is_none())
        .map(|(entry, _)| entry)
        .collect();
    let mut failed = (refusals.len() - passed.len()) as u64;
    let mut answers = Vec::new();
    if !passed.is_empty() {
        body["Records"] = Value::Array(passed);
        let answer = shared.forward(head, body.to_string().into()).await?;
        if !answer.status().is_success() {
            return Ok(answer);
        }
        let Ok(bytes) = answer.into_body().collect().await;
        let mut got: Value = serde_json::from_slice(&bytes.to_bytes()).map_err(|_| HungUp)?;
        failed += got.get(count).and_then(Value::as_u64).unwrap_or(0);
        if let Some(Value::Array(got)) = got.get_mut(list).map(Value::take) {
            answers = got;
        }
    }
    let mut answers = answers.into_iter();
    let answers: Vec<Value> = refusals
        .into_iter()
        .map(|refusal| refusal.or_else(|| answers.next()).ok_or(HungUp))
        .collect::<Result<_, _>>()?;
    Ok(ok(&json!({list: answers, count: failed})))
}

impl<'a> Flight<'a> {
    fn begin(shared: &'a Shared, entries: &'a [Entry]) -> Self {
        let bytes = entries.iter().map(|entry| entry.bytes).sum();
        let mut flying = locked(&shared.stats);
        flying.calls += 1;
        flying.bytes += bytes;
        for entry in entries
            .iter()
            .filter(|entry| !entry.partition_key.is_empty())
        {
            let count = flying.keys.entry(entry.partition_key.clone()).or_default();
            *count += 1;
            let is_overlap = *count > 1;
            flying.stats.key_overlaps += u64::from(is_overlap);
        }
        let (calls, all_bytes) = (flying.calls, flying.bytes);
        let stats = &mut flying.stats;
        stats.calls += 1;
        stats.first_call_at.get_or_insert_with(SystemTime::now);
        stats.entries_max = stats.entries_max.max(entries.len());
        stats.call_bytes_max = stats.call_bytes_max.max(bytes);
        stats.in_flight_bytes_max = stats.in_flight_bytes_max.max(all_bytes);
        stats.in_flight_calls_max = stats.in_flight_calls_max.max(calls);
        drop(flying);
        shared.calls.send_modify(|calls| *calls += 1);
        Self {
            shared,
            entries,
            bytes,
        }
    }
}

impl Drop for Flight<'_> {
    fn drop(&mut self) {
        let mut flying = locked(&self.shared.stats);
        flying.calls -= 1;
        flying.bytes -= self.bytes;
        for entry in self.entries {
            if let Some(count) = flying.keys.get_mut(&entry.partition_key) {
                *count -= 1;
                if *count == 0 {
                    flying.keys.remove(&entry.partition_key);
                }
            }
        }
    }
}
