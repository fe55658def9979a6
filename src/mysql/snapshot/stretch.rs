//! Rows of a run with a condition, looked for stretch by stretch.
//!
//! Where few rows meet the condition, one SELECT would read on over millions of others, for as long as that takes, with
//! its read view and its metadata lock. So the key of a row some way ahead is asked for first, and the SELECT ends there;
//! then the next stretch, until there are rows enough or the time is up. What was looked at in vain is kept in mind, and
//! the next question goes on behind it. That is right whatever changes there later: a row that comes to meet the
//! condition does so by a change behind the first mark, which the stream has or will have sent.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use headwater_actors::{
    ports::snapshot::{ChunkAsk, ChunkPart, Description},
    snapshot::{Key, KeyRange},
};
use headwater_binlog::{
    rows::{self, ColumnSet},
    snapshot::{KeyReader, split},
};

use super::{
    chunk::{Failed, Rows},
    session::Session,
    sql::{self, Wanted},
};
use crate::mysql::statement::RowsEnd;

/// For one question; an ALTER waits for as long on MariaDB, and elsewhere for one stretch.
const TIME_MAX: Duration = Duration::from_secs(2);
/// Rows of a stretch, for so many rows that are wanted at most.
const ROWS_A_WANTED: usize = 4;
const ROWS_MIN: usize = 10_000;
const ROWS_MAX: usize = 100_000;
/// Ranges that are kept in mind; beyond that all are looked at again.
const KEPT_MAX: usize = 1_000;

/// What was found, and how.
pub(super) struct Found {
    pub rows: Rows,
    /// Nothing of the range is left.
    pub is_end: bool,
    /// The longest SELECT.
    pub took: Duration,
    /// The time was up here.
    pub reached: Option<Key>,
}

impl Session {
    /// The rows of the ask, from behind `reached` on where that is known.
    pub async fn find(
        &mut self,
        ask: &ChunkAsk,
        reached: Option<Key>,
        row_bytes_max: usize,
    ) -> Result<Found, Failed> {
        let begun = Instant::now();
        let mut rows = Rows::default();
        let mut took = Duration::ZERO;
        let mut part = ask.part.clone();
        if let (ChunkPart::Range(range), Some(_)) = (&mut part, &reached) {
            range.after.clone_from(&reached);
        }
        let mut reached = reached;
        loop {
            let ahead = self.key_ahead(ask, &part, row_bytes_max).await?;
            let stretch = match (&part, &ahead) {
                (ChunkPart::Range(range), Some(ahead)) => ChunkPart::Range(KeyRange {
                    after: range.after.clone(),
                    until: Some(ahead.clone()),
                }),
                _ => part.clone(),
            };
            let asked = Instant::now();
            let wanted = Wanted {
                part: &stretch,
                condition: ask.condition.as_deref(),
                rows_max: ask.rows_max.saturating_sub(rows.count as usize),
                skipped: 0,
            };
            let sql =
                sql::chunk(&ask.description, self.dialect(), wanted).map_err(Failed::Place)?;
            let bounds = (ask.bytes_max, row_bytes_max);
            self.select(&sql, &ask.description, bounds, &mut rows)
                .await?;
            took = took.max(asked.elapsed());
            let is_full = (rows.count as usize) >= ask.rows_max && !ask.description.key.is_empty();
            let is_cut = rows.end != RowsEnd::All || rows.images.len() >= ask.bytes_max;
            let is_more = is_full || is_cut && ahead.is_some();
            if is_more || rows.end != RowsEnd::All {
                return Ok(found(rows, false, took, None));
            }
            let Some(ahead) = ahead else {
                return Ok(found(rows, true, took, None));
            };
            reached.replace(ahead);
            if TIME_MAX < begun.elapsed() {
                return Ok(found(rows, false, took, reached));
            }
            if let ChunkPart::Range(range) = &mut part {
                range.after.clone_from(&reached);
            }
        }
    }

    /// The key some way ahead; `None` where the end is nearer, or all that is read is wanted.
    async fn key_ahead(
        &mut self,
        ask: &ChunkAsk,
        part: &ChunkPart,
        row_bytes_max: usize,
    ) -> Result<Option<Key>, Failed> {
        let description = &ask.description;
        let is_range = matches!(part, ChunkPart::Range(_));
        if ask.condition.is_none() || !is_range || description.key.is_empty() {
            return Ok(None);
        }
        let stretch = ask.rows_max.saturating_mul(ROWS_A_WANTED);
        let wanted = Wanted {
            part,
            condition: None,
            rows_max: 1,
            skipped: stretch.clamp(ROWS_MIN, ROWS_MAX) - 1,
        };
        let sql = sql::chunk(description, self.dialect(), wanted).map_err(Failed::Place)?;
        let mut row = Rows::default();
        let bounds = (usize::MAX, row_bytes_max);
        self.select(&sql, description, bounds, &mut row).await?;
        match row.count {
            0 => Ok(None),
            _ => key_of(description, &row.images)
                .map(Some)
                .map_err(Failed::Row),
        }
    }
}

fn found(rows: Rows, is_end: bool, took: Duration, reached: Option<Key>) -> Found {
    Found {
        rows,
        is_end,
        took,
        reached,
    }
}

/// Of the one row that there is.
pub(super) fn key_of(
    description: &Description,
    image: &[u8],
) -> Result<Key, headwater_binlog::Error> {
    let table = &description.table;
    let present = ColumnSet::all(table.columns.len());
    let row = rows::Rows::inserted(table, &present, image).next_row()?;
    let mut bytes = Vec::new();
    let has_key = match row.and_then(|row| row.after) {
        Some(image) => KeyReader::new(table, &description.key)?.read(&image, &mut bytes)?,
        None => false,
    };
    match has_key {
        true => Ok(Key(split(&bytes).map(Box::from).collect())),
        false => Err(headwater_binlog::Error::Unsupported(format!(
            "a row of table `{}` without its key",
            table.name
        ))),
    }
}

/// Where questions go on that found nothing behind a key.
#[derive(Default)]
pub(super) struct Reached(Mutex<HashMap<Stretch, Place>>);

/// One range of one copy, by its end: ranges of a copy have different ones.
#[derive(PartialEq, Eq, Hash)]
struct Stretch {
    table: String,
    condition: Arc<str>,
    until: Option<Key>,
}

struct Place {
    description: Arc<Description>,
    /// The question that it is kept for begins here.
    after: Option<Key>,
    reached: Key,
}

impl Reached {
    /// Behind which key the ask may begin.
    pub fn of(&self, ask: &ChunkAsk) -> Option<Key> {
        let (stretch, range) = stretch(ask)?;
        let places = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let place = places.get(&stretch)?;
        let is_it = place.after == range.after && Arc::ptr_eq(&place.description, &ask.description);
        is_it.then(|| place.reached.clone())
    }

    /// Nothing up to here meets the condition; `None`: the next ask begins elsewhere.
    pub fn keep(&self, ask: &ChunkAsk, reached: Option<Key>) {
        let Some((stretch, range)) = stretch(ask) else {
            return;
        };
        let mut places = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(reached) = reached else {
            places.remove(&stretch);
            return;
        };
        if places.len() >= KEPT_MAX {
            places.clear();
        }
        let place = Place {
            description: Arc::clone(&ask.description),
            after: range.after.clone(),
            reached,
        };
        places.insert(stretch, place);
    }
}

fn stretch(ask: &ChunkAsk) -> Option<(Stretch, &KeyRange)> {
    let ChunkPart::Range(range) = &ask.part else {
        return None;
    };
    let stretch = Stretch {
        table: ask.description.table.name.to_string(),
        condition: ask.condition.clone()?,
        until: range.until.clone(),
    };
    Some((stretch, range))
}

#[cfg(test)]
mod tests {
    use headwater_binlog::{
        event::Dialect, gtid::GtidSet, schema::ColumnKind, schema::Table, schema::TableName,
        table_map::TableMap,
    };

    use super::*;

    fn ask(after: Option<u8>, until: Option<u8>) -> ChunkAsk {
        let key = |byte| Key([Box::from([byte])].into());
        let name = TableName {
            database: "d".into(),
            table: "t".into(),
        };
        ChunkAsk {
            description: Arc::new(Description {
                table: Arc::new(Table::new(name, Vec::new(), Vec::new())),
                map: Arc::new(TableMap {
                    body: Default::default(),
                    dialect: Dialect::MySql,
                    post_header_bytes: 8,
                    answer: None,
                }),
                columns: Vec::new(),
                key: vec![0],
                index: "PRIMARY".into(),
                key_text: "k".into(),
            }),
            part: ChunkPart::Range(KeyRange {
                after: after.map(key),
                until: until.map(key),
            }),
            condition: Some("x".into()),
            sent: headwater_actors::ports::snapshot::Sent {
                position: "binlog.000001:4".parse().expect("a position"),
                gtids: GtidSet::default(),
            },
            rows_max: 1,
            bytes_max: 1,
        }
    }

    #[test]
    fn what_was_looked_at_is_passed_over_by_the_same_question_alone() {
        let reached = Reached::default();
        let place = Key([Box::from([7])].into());
        let first = ask(Some(1), Some(9));
        reached.keep(&first, Some(place.clone()));
        assert_eq!(reached.of(&first), Some(place.clone()));
        let of = |change: fn(&mut ChunkAsk)| {
            let mut other = first.clone();
            change(&mut other);
            reached.of(&other)
        };
        assert_eq!(of(|ask| ask.rows_max = 5), Some(place));
        assert_eq!(of(|ask| ask.condition = Some("y".into())), None);
        assert_eq!(of(|ask| ask.condition = None), None);
        assert_eq!(of(|ask| ask.part = ChunkPart::Keys(Vec::new())), None);
        assert_eq!(of(|ask| ask.part = self::ask(Some(2), Some(9)).part), None);
        assert_eq!(of(|ask| ask.part = self::ask(Some(1), None).part), None);
        // After a statement on the table it is described anew.
        assert_eq!(reached.of(&ask(Some(1), Some(9))), None);
        reached.keep(&first, None);
        assert_eq!(reached.of(&first), None);
    }

    #[test]
    fn a_key_is_taken_out_of_the_one_row() {
        let column = |name: &str| headwater_binlog::schema::Column {
            name: name.into(),
            kind: ColumnKind::SmallInt { unsigned: false },
            nullable: false,
            visible: true,
        };
        let mut description = ask(None, None);
        let description = Arc::get_mut(&mut description.description).expect("the only one");
        let columns = vec![column("a"), column("b")];
        let name = description.table.name.clone();
        description.table = Arc::new(Table::new(name, columns, Vec::new()));
        description.key = vec![1, 0];
        let key = key_of(description, &[0, 1, 2, 3, 4]).expect("a key");
        assert_eq!(key, Key([Box::from([3, 4]), Box::from([1, 2])].into()));
        assert!(key_of(description, &[1, 1, 2]).is_err());
        assert!(key_of(description, &[]).is_err());
    }
}
