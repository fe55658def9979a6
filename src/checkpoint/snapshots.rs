//! Copies of tables, in the checkpoint's text. Keys stand there in base64: they are bytes of row images.

use std::sync::Arc;

use headwater_actors::snapshot::{CopyId, CopyState, Key, KeyRange, Snapshots, TableCopy};
use headwater_binlog::{Error, schema::TableName};
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SnapshotsBody {
    attempt: u32,
    #[serde(default, skip_serializing_if = "is_zero")]
    lines_here: u64,
    #[serde(default, skip_serializing_if = "is_zero")]
    request: u64,
    copies: Vec<CopyBody>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct CopyBody {
    run: String,
    database: String,
    table: String,
    #[serde(with = "CopyStateBody")]
    state: CopyState,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    note: Option<Arc<str>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    condition: Option<Arc<str>>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    is_apart: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    key: Option<Arc<str>>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    ranges: Vec<RangeBody>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    again: Vec<KeyBody>,
    #[serde(default, skip_serializing_if = "is_zero")]
    rows: u64,
    #[serde(default, skip_serializing_if = "is_zero")]
    rows_estimate: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    begun: Option<String>,
    #[serde(default, skip_serializing_if = "is_zero")]
    begun_us: u64,
    #[serde(default, skip_serializing_if = "is_zero")]
    ended_us: u64,
}

#[derive(Serialize, Deserialize)]
#[serde(remote = "CopyState", rename_all = "snake_case")]
enum CopyStateBody {
    Active,
    Paused,
    Complete,
    Cancelled,
    Gone,
    Refused,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct RangeBody {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    after: Option<KeyBody>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    until: Option<KeyBody>,
}

/// A value each.
type KeyBody = Vec<String>;

impl SnapshotsBody {
    /// None where nothing was ever asked for.
    pub(super) fn of(snapshots: &Snapshots) -> Option<Self> {
        if *snapshots == Snapshots::default() {
            return None;
        }
        Some(Self {
            attempt: snapshots.attempt,
            lines_here: snapshots.lines_here,
            request: snapshots.request,
            copies: snapshots.copies.iter().map(CopyBody::of).collect(),
        })
    }

    pub(super) fn snapshots(self) -> Result<Snapshots, Error> {
        let copies: Result<_, _> = self.copies.into_iter().map(CopyBody::copy).collect();
        Ok(Snapshots {
            attempt: self.attempt,
            lines_here: self.lines_here,
            request: self.request,
            copies: Arc::new(copies?),
        })
    }
}

impl CopyBody {
    fn of((id, copy): (&CopyId, &TableCopy)) -> Self {
        Self {
            run: id.run.to_string(),
            database: id.table.database.clone(),
            table: id.table.table.clone(),
            state: copy.state,
            note: copy.note.clone(),
            condition: copy.condition.clone(),
            is_apart: copy.is_apart,
            key: copy.key.clone(),
            ranges: copy.ranges.iter().map(RangeBody::of).collect(),
            again: copy.again.iter().map(key_body).collect(),
            rows: copy.rows,
            rows_estimate: copy.rows_estimate,
            begun: copy.begun.map(|it| it.to_string()),
            begun_us: copy.begun_us,
            ended_us: copy.ended_us,
        }
    }

    fn copy(self) -> Result<(CopyId, TableCopy), Error> {
        let id = CopyId {
            run: self.run.into(),
            table: TableName {
                database: self.database,
                table: self.table,
            },
        };
        let ranges: Result<_, _> = self.ranges.into_iter().map(RangeBody::range).collect();
        let again: Result<_, _> = self.again.into_iter().map(key).collect();
        let copy = TableCopy {
            state: self.state,
            note: self.note,
            condition: self.condition,
            is_apart: self.is_apart,
            key: self.key,
            ranges: ranges?,
            again: again?,
            rows: self.rows,
            rows_estimate: self.rows_estimate,
            begun: self.begun.map(|it| it.parse()).transpose()?,
            begun_us: self.begun_us,
            ended_us: self.ended_us,
        };
        Ok((id, copy))
    }
}

impl RangeBody {
    fn of(range: &KeyRange) -> Self {
        Self {
            after: range.after.as_ref().map(key_body),
            until: range.until.as_ref().map(key_body),
        }
    }

    fn range(self) -> Result<KeyRange, Error> {
        Ok(KeyRange {
            after: self.after.map(key).transpose()?,
            until: self.until.map(key).transpose()?,
        })
    }
}

fn key_body(key: &Key) -> KeyBody {
    let values = key.0.iter();
    values
        .map(|value| base64_simd::STANDARD.encode_to_string(value))
        .collect()
}

fn key(body: KeyBody) -> Result<Key, Error> {
    let value = |text: &String| {
        let bytes = base64_simd::STANDARD.decode_to_vec(text);
        bytes.map(Vec::into_boxed_slice)
    };
    let values: Result<_, _> = body.iter().map(value).collect();
    values
        .map(Key)
        .map_err(|_| Error::malformed("key of a snapshot", "no base64"))
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks so")]
fn is_zero(number: &u64) -> bool {
    *number == 0
}

#[cfg(test)]
mod tests;
