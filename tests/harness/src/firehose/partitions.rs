//! Dynamic partitioning: the lines of a record, each in the folder of the value that it has under a key.
//!
//! The pages: docs.aws.amazon.com/firehose/latest/dev/ `dynamic-partitioning` and
//! `dynamic-partitioning-multirecord-deaggergation`. What AWS does with more than its 500 lines of one record is not told;
//! here such a record fails as a whole, so that nobody builds on it.

use std::time::{SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use serde_json::{Value, json};

use super::buffers::Target;

/// Lines of one record.
pub const LINES_MAX: usize = 500;
const FAILED: Target = Target::Failed("metadata-extraction-failed");

/// What of a record goes where; or one line about it for the error prefix.
pub(super) fn split(data: &[u8], key: &str, now: SystemTime) -> Vec<(Target, Bytes)> {
    let lines = data.split_inclusive(|byte| *byte == b'\n');
    let lines: Vec<&[u8]> = lines.filter(|line| !line.trim_ascii().is_empty()).collect();
    if lines.len() > LINES_MAX {
        return failed(data, "too many lines in one record", now);
    }
    let mut parts: Vec<(Target, Vec<u8>)> = Vec::new();
    for line in lines {
        let Ok(document) = serde_json::from_slice::<Value>(line) else {
            return failed(data, "a line is no JSON", now);
        };
        let value = match document.get(key) {
            Some(Value::String(text)) if !text.is_empty() => text.clone(),
            Some(Value::Number(number)) => number.to_string(),
            _ => return failed(data, "partitionKeys values must not be null or empty", now),
        };
        let target = Target::Data(format!("{key}={value}"));
        match parts.iter_mut().find(|(known, _)| *known == target) {
            Some((_, lines)) => lines.extend_from_slice(line),
            None => parts.push((target, line.to_vec())),
        }
    }
    let part = |(target, lines): (Target, Vec<u8>)| (target, lines.into());
    parts.into_iter().map(part).collect()
}

fn failed(data: &[u8], why: &str, now: SystemTime) -> Vec<(Target, Bytes)> {
    let since = now.duration_since(UNIX_EPOCH).unwrap_or_default();
    let at = u64::try_from(since.as_millis()).unwrap_or(u64::MAX);
    let told = json!({
        "attemptsMade": 1,
        "arrivalTimestamp": at,
        "errorCode": "DynamicPartitioning.MetadataExtractionFailed",
        "errorMessage": why,
        "attemptEndingTimestamp": at,
        "rawData": base64_simd::STANDARD.encode_to_string(data),
    });
    vec![(FAILED, format!("{told}\n").into())]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn targets(data: &[u8]) -> Vec<Target> {
        let parts = split(data, "table", UNIX_EPOCH);
        parts.into_iter().map(|(target, _)| target).collect()
    }

    #[test]
    fn lines_go_to_the_folder_of_their_value_in_their_order() {
        let record = b"{\"table\":\"t\",\"n\":1}\n{\"table\":\"u\"}\n{\"table\":\"t\",\"n\":2}\n";
        let parts = split(record, "table", UNIX_EPOCH);
        let of_t = Bytes::from_static(b"{\"table\":\"t\",\"n\":1}\n{\"table\":\"t\",\"n\":2}\n");
        assert_eq!(parts.len(), 2);
        assert_eq!(parts[0], (Target::Data("table=t".into()), of_t));
    }

    #[test]
    fn a_record_without_the_key_or_with_too_many_lines_fails_whole() {
        assert_eq!(targets(b"{\"table\":\"t\"}\n{}\n"), [FAILED]);
        assert_eq!(targets(b"no json"), [FAILED]);
        let line = "{\"table\":\"t\"}\n";
        assert_eq!(targets(line.repeat(LINES_MAX).as_bytes()).len(), 1);
        assert_eq!(targets(line.repeat(LINES_MAX + 1).as_bytes()), [FAILED]);
    }
}
