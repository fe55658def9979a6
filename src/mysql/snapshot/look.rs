//! Whether the server reads a chunk where it lies, as EXPLAIN tells it.
//!
//! A chunk that the server finds by walking over all rows before it, or by sorting, makes the copy of a large table
//! take time that grows with the square of its rows. That cannot be cured from here, so it is said.
//! <https://dev.mysql.com/doc/refman/8.4/en/explain-output.html>

use std::{
    collections::HashSet,
    sync::{Arc, Mutex, PoisonError},
};

use headwater_actors::ports::snapshot::{ChunkAsk, ChunkPart};

use super::{
    session::{DOING, Session},
    sql::{self, Wanted},
};
use crate::mysql::{facts::text, query::Answer};

/// Tables that are kept in mind; beyond that all are looked at again.
const LOOKED_AT_MAX: usize = 10_000;

/// Whose chunks were looked at: the table, the text of its key, and whether the chunk begins at a cursor.
#[derive(Default)]
pub(super) struct Looks(Mutex<HashSet<(String, Arc<str>, bool)>>);

impl Looks {
    /// Warns once for a table's first chunk, and once for its first with a cursor.
    pub async fn look(&self, session: &mut Session, ask: &ChunkAsk) {
        let description = &ask.description;
        let table = &description.table.name;
        let has_cursor = match &ask.part {
            ChunkPart::Range(range) => range.after.is_some(),
            ChunkPart::Keys(_) => return,
        };
        if description.key.is_empty() {
            return;
        }
        let what = (
            table.to_string(),
            Arc::clone(&description.key_text),
            has_cursor,
        );
        if !self.is_new(what) {
            return;
        }
        let wanted = Wanted {
            part: &ask.part,
            condition: None,
            rows_max: ask.rows_max,
            skipped: 0,
        };
        // One that cannot be written is refused where it is read.
        let Ok(sql) = sql::chunk(description, session.dialect(), wanted) else {
            return;
        };
        let sql = format!("EXPLAIN FORMAT=TRADITIONAL {sql}");
        match session.server.answer_if_told(DOING, &sql).await {
            Ok(answer) => {
                let found = answer.as_ref().and_then(|plan| trouble(plan, has_cursor));
                if let Some(found) = found {
                    tracing::warn!(
                        %table,
                        index = description.index,
                        "the server does not read chunks where they lie in the index: {found}; the copy gets slower with each chunk"
                    );
                }
            }
            Err(failure) => tracing::debug!(%table, "no EXPLAIN of a chunk: {failure}"),
        }
    }

    fn is_new(&self, what: (String, Arc<str>, bool)) -> bool {
        let mut looked_at = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if looked_at.len() >= LOOKED_AT_MAX {
            looked_at.clear();
        }
        looked_at.insert(what)
    }
}

/// How the server reads, where that is not along the index.
pub(super) fn trouble(plan: &Answer, has_cursor: bool) -> Option<String> {
    let column = |name: &str| {
        let mut columns = plan.columns.iter();
        columns.position(|column| column.eq_ignore_ascii_case(name))
    };
    let (kind, extra) = (column("type")?, column("extra")?);
    let row = plan.rows.first()?;
    let extra = text(row, extra).unwrap_or_default();
    // No row can be there.
    let kind = text(row, kind)?;
    let walks = match kind.as_str() {
        "ALL" => true,
        // From its begin on: right for the first chunk.
        "index" => has_cursor,
        _ => false,
    };
    let sorts = extra.contains("filesort") || extra.contains("temporary");
    (walks || sorts).then(|| format!("type {kind}, {extra}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mysql::query::Row;

    fn plan(kind: Option<&str>, extra: &str) -> Answer {
        let value = |text: &str| [&[text.len() as u8], text.as_bytes()].concat();
        let kind = kind.map_or_else(|| vec![0xfb], value);
        let row = [value("1"), kind, value(extra)].concat();
        Answer {
            columns: ["id", "type", "Extra"].map(str::to_owned).into(),
            rows: vec![Row::of(row, 3).expect("a row")],
            changed: 0,
        }
    }

    #[test]
    fn a_walk_from_the_begin_is_right_for_the_first_chunk_only() {
        assert_eq!(trouble(&plan(Some("index"), "Using where"), false), None);
        assert!(trouble(&plan(Some("index"), "Using where"), true).is_some());
        for has_cursor in [false, true] {
            assert_eq!(
                trouble(&plan(Some("range"), "Using where"), has_cursor),
                None
            );
            assert_eq!(trouble(&plan(None, "no matching row"), has_cursor), None);
            assert!(trouble(&plan(Some("ALL"), ""), has_cursor).is_some());
            assert!(trouble(&plan(Some("range"), "Using filesort"), has_cursor).is_some());
        }
        assert_eq!(trouble(&Answer::default(), true), None);
    }
}
