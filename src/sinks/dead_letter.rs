//! The dead-letter file: one line of JSON per change that could not be delivered, synced before it counts.
//!
//! A letter holds what a replay needs: `lane`, `reason`, `position`, `gtid`, `n`, and the change itself as
//! `line` (text, as it would have been sent) or `raw` (base64 of the log's row image). The file only grows; whoever
//! has dealt with it removes it while the program is stopped.

use std::path::Path;

use headwater_actors::{
    failure::Failure,
    ports::{
        BoxFuture,
        dead_letters::{DeadLetter, DeadLetters},
    },
};

use super::{append::AppendFile, group::Group};

pub struct DeadLetterFile {
    group: Group<DeadLetter>,
}

#[derive(serde::Serialize)]
struct Line<'a> {
    lane: String,
    reason: &'a str,
    position: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    gtid: Option<&'a str>,
    n: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    line: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    raw: Option<String>,
}

impl DeadLetterFile {
    /// Opens or creates the file; what cannot be opened is definite.
    pub fn open(path: &Path) -> Result<Self, Failure> {
        let mut file = AppendFile::open(path)?;
        let group = Group::start("dead-letters", move |letters: &[DeadLetter]| {
            let mut lines = Vec::new();
            for letter in letters {
                write(letter, &mut lines)?;
            }
            file.write(&lines)?;
            file.sync()
        })?;
        Ok(Self { group })
    }
}

impl DeadLetters for DeadLetterFile {
    fn bury(&self, letter: DeadLetter) -> BoxFuture<'static, Result<(), Failure>> {
        self.group.submit(letter)
    }
}

fn write(letter: &DeadLetter, lines: &mut Vec<u8>) -> Result<(), Failure> {
    let line = std::str::from_utf8(&letter.line).ok();
    // A line that is no text is kept all the same.
    let raw = match line {
        None => &letter.line,
        Some(_) => &letter.raw,
    };
    let line = Line {
        lane: letter.lane.to_string(),
        reason: &letter.reason,
        position: &letter.position,
        gtid: letter.gtid.as_deref(),
        n: letter.n,
        line: line.filter(|line| !line.is_empty()),
        raw: (!raw.is_empty()).then(|| base64_simd::STANDARD.encode_to_string(raw)),
    };
    serde_json::to_writer(&mut *lines, &line)
        .map_err(|error| Failure::definite(format!("encode a dead letter: {error}")))?;
    lines.push(b'\n');
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use headwater_actors::lane::Lane;
    use headwater_binlog::schema::TableName;

    use super::*;

    fn letter(line: &'static [u8], raw: &'static [u8]) -> DeadLetter {
        let lane = Lane {
            table: TableName {
                database: "shop".into(),
                table: "orders".into(),
            },
            index: 1,
            count: 4,
        };
        DeadLetter {
            lane: Arc::new(lane),
            reason: "row has 2000000 bytes".to_owned(),
            position: "binlog.000001:157".to_owned(),
            n: 3,
            gtid: None,
            line: line.into(),
            raw: raw.into(),
        }
    }

    #[tokio::test]
    async fn a_buried_letter_holds_what_a_replay_needs() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("letters");
        let file = DeadLetterFile::open(&path).expect("opens");
        file.bury(letter(b"{\"id\":\"1\"}", b""))
            .await
            .expect("synced");
        file.bury(letter(b"", b"\xff\x00")).await.expect("synced");
        let text = std::fs::read_to_string(&path).expect("readable");
        let lines: Vec<serde_json::Value> = text
            .lines()
            .map(|line| serde_json::from_str(line).expect("JSON"))
            .collect();
        assert_eq!(
            lines,
            [
                serde_json::json!({"lane": "shop.orders/1", "reason": "row has 2000000 bytes", "position": "binlog.000001:157", "n": 3, "line": "{\"id\":\"1\"}"}),
                serde_json::json!({"lane": "shop.orders/1", "reason": "row has 2000000 bytes", "position": "binlog.000001:157", "n": 3, "raw": "/wA="}),
            ]
        );
    }
}
