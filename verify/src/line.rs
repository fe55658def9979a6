//! A native line, reduced to what the audit keeps of it: names, `seq`, and hashes of the images.
//!
//! An image's hash is the sum of its columns' hashes, so the image before an update is the one after it with the
//! columns of `old` exchanged. Hashes have 64 bits: of ten million keys two share one with a chance of three in
//! a million. No message here holds a value of a row.

use std::hash::{DefaultHasher, Hash, Hasher};

use serde_json::{Map, Value};

use crate::{
    raw::{Prefix, Raw, Unreadable},
    seq::Seq,
};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Insert,
    Update,
    Delete,
    Snapshot,
    SnapshotEnd,
    Ddl,
    Truncate,
}

impl Kind {
    pub fn name(self) -> &'static str {
        match self {
            Self::Insert => "insert",
            Self::Update => "update",
            Self::Delete => "delete",
            Self::Snapshot => "snapshot",
            Self::SnapshotEnd => "snapshot_end",
            Self::Ddl => "ddl",
            Self::Truncate => "truncate",
        }
    }

    /// A change of a row.
    pub fn is_row(self) -> bool {
        matches!(self, Self::Insert | Self::Update | Self::Delete)
    }

    fn is_of_snapshot(self) -> bool {
        matches!(self, Self::Snapshot | Self::SnapshotEnd)
    }
}

/// Columns and their values.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Image {
    pub hash: u64,
    /// Of the names alone.
    pub columns: u64,
}

/// What a row's line says about its key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Row {
    pub key: u64,
    /// Where the update moved the row away from.
    pub old_key: Option<u64>,
    pub before: Option<Image>,
    pub after: Option<Image>,
    /// Of `data`.
    pub counter: Option<i64>,
    /// `data` lacks columns of the key: images are partial.
    pub is_partial: bool,
}

/// One line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    pub kind: Kind,
    /// With its database, as `shop.orders`; of a statement about a database `shop.`.
    pub table: String,
    pub id: String,
    pub seq: Seq,
    /// Of all that a repetition says again.
    pub content: u64,
    /// `None` without a key.
    pub row: Option<Row>,
    /// Of a statement: no row comes, goes or moves by it.
    pub keeps_rows: bool,
    pub snapshot: Option<Box<OfSnapshot>>,
}

/// Which snapshot a line belongs to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OfSnapshot {
    pub run: String,
    pub end: Option<EndOfSnapshot>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EndOfSnapshot {
    /// So many came before it.
    pub rows: u64,
    /// Each row of the table has a line at or behind this place.
    pub begin: Option<Seq>,
}

/// What a line is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Parsed {
    Change(Line),
    Heartbeat(Heartbeat),
}

/// Says up to where its lane is complete.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Heartbeat {
    pub table: String,
    pub seq: Option<Seq>,
    /// The table has other lanes too.
    pub is_of_part: bool,
}

impl Raw {
    fn heartbeat(self) -> Result<Heartbeat, Unreadable> {
        let seq = |text: String| Seq::parse(&text).ok_or(Unreadable::Seq);
        Ok(Heartbeat {
            table: format!("{}.{}", self.database, self.table),
            seq: self.seq.map(seq).transpose()?,
            is_of_part: self.lanes.is_some_and(|lanes| 1 < lanes),
        })
    }
}

impl Line {
    /// `counter`: the column that is read as one. `prefix`: that of flat lines.
    ///
    /// # Errors
    /// When it is no native event; a change needs `id` and `seq`.
    pub fn parse(
        bytes: &[u8],
        counter: Option<&str>,
        prefix: &Prefix,
    ) -> Result<Parsed, Unreadable> {
        let raw = prefix.read(bytes)?;
        let kind = match raw.kind.as_deref().ok_or(Unreadable::Lacks("type"))? {
            "insert" => Kind::Insert,
            "update" => Kind::Update,
            "delete" => Kind::Delete,
            "snapshot" => Kind::Snapshot,
            "snapshot_end" => Kind::SnapshotEnd,
            "ddl" => Kind::Ddl,
            "truncate" => Kind::Truncate,
            "heartbeat" => return Ok(Parsed::Heartbeat(raw.heartbeat()?)),
            other => return Err(Unreadable::Kind(other.chars().take(32).collect())),
        };
        let id = raw.id.ok_or(Unreadable::Lacks("id"))?;
        let seq = Seq::parse(&raw.seq.ok_or(Unreadable::Lacks("seq"))?).ok_or(Unreadable::Seq)?;
        if seq.attempt().is_some() != kind.is_of_snapshot() {
            return Err(Unreadable::Seq);
        }
        if kind == Kind::SnapshotEnd && raw.rows.is_none() {
            return Err(Unreadable::Lacks("rows"));
        }
        let table = format!("{}.{}", raw.database, raw.table);
        let (key, old) = (raw.key.unwrap_or_default(), raw.old.unwrap_or_default());
        let data = raw.data.unwrap_or_default();
        let mut content = DefaultHasher::new();
        (kind.name(), &table, raw.statement.as_deref(), raw.rows).hash(&mut content);
        for columns in [&key, &data, &old] {
            Image::of(columns).hash.hash(&mut content);
        }
        let begin = raw
            .begin_seq
            .map(|text| Seq::parse(&text).ok_or(Unreadable::Seq));
        let begin = begin.transpose()?;
        let end = raw.rows.map(|rows| EndOfSnapshot { rows, begin });
        let end = end.filter(|_| kind == Kind::SnapshotEnd);
        let is_row = kind.is_row() || kind == Kind::Snapshot;
        Ok(Parsed::Change(Self {
            kind,
            row: (is_row && !key.is_empty())
                .then(|| row(kind, &table, [&key, &data, &old], counter)),
            keeps_rows: kind == Kind::Ddl && raw.statement.as_deref().is_some_and(keeps_rows),
            table,
            snapshot: kind
                .is_of_snapshot()
                .then(|| Box::new(OfSnapshot { run: run(&id), end })),
            id,
            seq,
            content: content.finish(),
        }))
    }
}

/// Of `snapshot:RUN:ATTEMPT:FILE:OFFSET/n`: the field `run` may be left out.
fn run(id: &str) -> String {
    let rest = id.strip_prefix("snapshot:").unwrap_or(id);
    let name = rest.rsplitn(4, ':').nth(3).unwrap_or(rest);
    name.to_owned()
}

fn row(
    kind: Kind,
    table: &str,
    [key, data, old]: [&Map<String, Value>; 3],
    counter: Option<&str>,
) -> Row {
    let image = Image::of(data);
    let key_image = Image::of(key);
    let is_moved = kind == Kind::Update && key.keys().any(|name| old.contains_key(name));
    let of_key = |(name, value): (&String, &Value)| (name.clone(), value.clone());
    let old_of_key: Map<_, _> = old
        .iter()
        .filter(|(name, _)| key.contains_key(*name))
        .map(of_key)
        .collect();
    Row {
        key: key_hash(table, key_image),
        old_key: is_moved.then(|| key_hash(table, key_image.before(key, &old_of_key))),
        before: match kind {
            Kind::Update => Some(image.before(data, old)),
            Kind::Delete => Some(image),
            _ => None,
        },
        after: (kind != Kind::Delete).then_some(image),
        counter: counter.and_then(|name| data.get(name)?.as_i64()),
        is_partial: key.keys().any(|name| !data.contains_key(name)),
    }
}

impl Image {
    pub fn of(columns: &Map<String, Value>) -> Self {
        let mut image = Self::default();
        for (name, value) in columns {
            image.add(name, column_hash(name, value));
        }
        image
    }

    /// One column more.
    pub fn add(&mut self, name: &str, column: u64) {
        self.hash = self.hash.wrapping_add(column);
        self.columns = self.columns.wrapping_add(name_hash(name));
    }

    /// With the values of `old` in place of those of `data`, whose image this is.
    fn before(mut self, data: &Map<String, Value>, old: &Map<String, Value>) -> Self {
        for (name, value) in old {
            match data.get(name) {
                Some(after) => {
                    let change = column_hash(name, value).wrapping_sub(column_hash(name, after));
                    self.hash = self.hash.wrapping_add(change);
                }
                None => self.add(name, column_hash(name, value)),
            }
        }
        self
    }
}

/// A key among those of all tables.
pub fn key_hash(table: &str, key: Image) -> u64 {
    let mut hasher = DefaultHasher::new();
    (table, key.hash).hash(&mut hasher);
    hasher.finish()
}

fn name_hash(name: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    name.hash(&mut hasher);
    hasher.finish()
}

/// A column's name with its value.
pub fn column_hash(name: &str, value: &Value) -> u64 {
    let mut hasher = DefaultHasher::new();
    name.hash(&mut hasher);
    hash_value(value, &mut hasher);
    hasher.finish()
}

fn hash_value(value: &Value, hasher: &mut DefaultHasher) {
    match value {
        Value::Null => 0_u8.hash(hasher),
        Value::Bool(is_true) => (1_u8, is_true).hash(hasher),
        Value::Number(number) => match (number.as_u64(), number.as_i64(), number.as_f64()) {
            (Some(number), ..) => (2_u8, number).hash(hasher),
            (_, Some(number), _) => (3_u8, number).hash(hasher),
            (.., number) => (4_u8, number.map(f64::to_bits)).hash(hasher),
        },
        Value::String(text) => (5_u8, text).hash(hasher),
        Value::Array(values) => {
            (6_u8, values.len()).hash(hasher);
            values.iter().for_each(|value| hash_value(value, hasher));
        }
        Value::Object(members) => {
            (7_u8, members.len()).hash(hasher);
            for (name, value) in members {
                name.hash(hasher);
                hash_value(value, hasher);
            }
        }
    }
}

/// Statements that leave every row where it is, as far as that can be told without parsing them.
fn keeps_rows(statement: &str) -> bool {
    let text = statement.to_uppercase();
    let words: Vec<&str> = text.split_whitespace().collect();
    let has = |word: &str| text.contains(word);
    // Of a column or an index it renames no table.
    let renames = |(index, word): (usize, &&str)| {
        let what = words.get(index + 1).copied().unwrap_or_default();
        let is_part = word.ends_with("RENAME") && ["COLUMN", "INDEX", "KEY"].contains(&what);
        word.contains("RENAME") && !is_part
    };
    match words.first().copied().unwrap_or_default() {
        "ALTER" => !words.iter().enumerate().any(renames) && !has("PARTITION"),
        "CREATE" | "DROP" => has(" INDEX ") && !has("TABLE"),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(line: &str) -> Row {
        let line = line.replace(
            "{\"type\"",
            "{\"database\":\"d\",\"table\":\"t\",\"id\":\"u:1/0\",\"seq\":\"00000001.00000001.0000000000000004.00000000\",\"type\"",
        );
        match Line::parse(line.as_bytes(), Some("n"), &Prefix::default()).unwrap() {
            Parsed::Change(line) => line.row.unwrap(),
            Parsed::Heartbeat(_) => panic!("a heartbeat"),
        }
    }

    #[test]
    fn the_image_before_an_update_is_the_one_that_the_last_change_left() {
        let insert = row(r#"{"type":"insert","key":{"id":1},"data":{"id":1,"a":"x","n":1}}"#);
        let update = row(
            r#"{"type":"update","key":{"id":1},"data":{"id":1,"a":"y","n":2},"old":{"a":"x","n":1}}"#,
        );
        let delete = row(r#"{"type":"delete","key":{"id":1},"data":{"id":1,"a":"y","n":2}}"#);
        assert_eq!((insert.key, update.key), (update.key, delete.key));
        assert_eq!(insert.after, update.before);
        assert_eq!(update.after, delete.before);
        assert_ne!(insert.after, update.after);
        assert_eq!((update.counter, delete.after), (Some(2), None));
    }

    #[test]
    fn a_line_of_a_snapshot_has_its_run_and_a_seq_of_its_own_form() {
        let line = |kind: &str, seq: &str, rest: &str| {
            let line = format!(
                r#"{{"type":"{kind}","database":"d","table":"t","id":"snapshot:a:b:3:binlog.000001:4/0","seq":"00000001.00000001.0000000000000004.{seq}"{rest}}}"#
            );
            Line::parse(line.as_bytes(), None, &Prefix::default())
        };
        let (long, short) = ("00000003.0000000000000000", "00000000");
        for (kind, rest) in [
            ("snapshot", r#","key":{"id":1},"data":{"id":1}"#),
            ("snapshot_end", r#","rows":7"#),
        ] {
            let Ok(Parsed::Change(read)) = line(kind, long, rest) else {
                panic!("{kind}");
            };
            assert_eq!(read.snapshot.expect("a snapshot").run, "a:b");
            assert_eq!(line(kind, short, rest), Err(Unreadable::Seq));
            assert_eq!(line("insert", long, rest), Err(Unreadable::Seq));
        }
        assert_eq!(
            line("snapshot_end", long, ""),
            Err(Unreadable::Lacks("rows"))
        );
    }

    #[test]
    fn a_moved_row_is_found_under_its_old_key() {
        let insert = row(r#"{"type":"insert","key":{"a":1,"b":2},"data":{"a":1,"b":2}}"#);
        let update =
            row(r#"{"type":"update","key":{"a":1,"b":3},"data":{"a":1,"b":3},"old":{"b":2}}"#);
        assert_eq!(update.old_key, Some(insert.key));
        assert_eq!(update.before, insert.after);
        assert_ne!(update.key, insert.key);
    }

    #[test]
    fn numbers_differ_by_kind_and_null_from_nothing() {
        let of = |text: &str| column_hash("c", &serde_json::from_str(text).unwrap());
        assert_ne!(of("1"), of("1.0"));
        assert_ne!(of("18446744073709551615"), of("-1"));
        assert_ne!(of("null"), of("\"\""));
    }

    #[test]
    fn a_statement_that_moves_rows_is_told_from_one_that_does_not() {
        assert!(keeps_rows("alter table t add c int"));
        assert!(keeps_rows("CREATE INDEX i ON t (a)"));
        assert!(keeps_rows(
            "alter table t add c int,rename column a to b, rename index i to j"
        ));
        for statement in [
            "ALTER TABLE t RENAME COLUMN a TO b, RENAME u",
            "ALTER TABLE t RENAME",
            "ALTER TABLE t ADD c INT,RENAME AS u",
            "ALTER TABLE t RENAME TO u",
            "DROP TABLE t",
            "CREATE TABLE t (a INT)",
        ] {
            assert!(!keeps_rows(statement), "{statement}");
        }
    }

    #[test]
    fn a_message_about_a_line_holds_nothing_of_it() {
        for line in [
            r#"{"type":"insert","id":"secret","key":"secret"}"#,
            r#"{"_type":"insert","_id":"secret","_deleted":false,"_key":"secret"}"#,
        ] {
            let error = Line::parse(line.as_bytes(), None, &Prefix::default());
            assert!(!error.unwrap_err().to_string().contains("secret"));
        }
    }
}
