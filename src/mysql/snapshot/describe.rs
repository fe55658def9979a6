//! What a table is: its columns, its key, how large it is about, and whether it can be copied at all.
//!
//! Columns and indexes are asked for one after the other, without a lock. A statement between the two, or after them, is
//! in the log behind what was sent, and the stream drops a description when it meets one. Not here: in which parts the
//! table is read ([`ranges`]), by which key ([`keys`]), and where it ends (`last`).

use std::sync::Arc;

use headwater_actors::{
    failure::Failure,
    ports::snapshot::{DescribeAnswer, DescribeAsk, Described, Description},
    snapshot::KeyRange,
};
use headwater_binlog::{
    columns::ListedColumn,
    schema::{ColumnKind, Table, TableName},
    snapshot::table_map,
    table_map::TableMap,
};

use super::{
    Shared,
    keys::{self, IndexColumn, Keys},
    ranges::{self, ROWS_TO_SPLIT},
    session::{DOING, Session},
    sql::name_of,
};
use crate::mysql::{
    error::Error,
    facts::{number, text},
    query::Answer,
    unnamed::{is_of, list, of_table, quoted},
};

/// What a look at a table has found.
#[derive(Debug)]
pub(super) enum Seen {
    Gone,
    /// The reason as a sentence.
    Refused(String),
    Table(Box<SeenTable>),
}

#[derive(Debug)]
pub(super) struct SeenTable {
    pub description: Description,
    pub rows_estimate: u64,
    pub row_bytes_estimate: u64,
}

/// Its columns and keys.
#[derive(Debug)]
pub(super) struct Shape {
    pub map: TableMap,
    pub described: Table,
    pub columns: Vec<ListedColumn>,
    pub keys: Keys,
}

impl Shared {
    pub(super) async fn describe(&self, ask: DescribeAsk) -> Result<DescribeAnswer, Failure> {
        let (mut session, _permit) = self.pool.take(&self.plan, self.home).await?;
        let visible = session.wait_for(&ask.table, &ask.sent).await?;
        session.done(&visible).await?;
        let answer = match Box::pin(session.look_at(&ask.table)).await? {
            Seen::Gone => DescribeAnswer::Gone,
            Seen::Refused(reason) => DescribeAnswer::Refused(reason),
            Seen::Table(seen) => {
                let ranges = session.ranges(&seen, ask.ranges).await?;
                DescribeAnswer::Described(Described {
                    description: Arc::new(seen.description),
                    ranges,
                    rows_estimate: seen.rows_estimate,
                    row_bytes_estimate: seen.row_bytes_estimate,
                })
            }
        };
        self.pool.give_back(session);
        Ok(answer)
    }
}

/// The columns as the server lists them now; none where there is no such table.
pub(super) async fn columns_of(
    session: &mut Session,
    table: &TableName,
) -> Result<Vec<ListedColumn>, Failure> {
    Ok(list(&mut session.server, table).await?.columns)
}

impl Session {
    /// # Errors
    /// Transient when the account may not read the table, or it changes while it is looked at.
    pub async fn look_at(&mut self, table: &TableName) -> Result<Seen, Failure> {
        let sql = format!(
            "SELECT table_schema, table_name, table_type, engine, table_rows, avg_row_length \
             FROM information_schema.tables WHERE {}",
            is_of(table)
        );
        let rows = of_table(&mut self.server, &sql, table).await?;
        let row = rows.first();
        let column = |index| row.and_then(|row| text(row, index));
        let sizes = [4, 5].map(|index| row.and_then(|row| number(row, index)).unwrap_or(0));
        let is_there = self.may_be_read(table).await?;
        let (Some(_), true) = (row, is_there) else {
            return match is_there {
                false => Ok(Seen::Gone),
                true => Err(changing(table)),
            };
        };
        if let Some(reason) = refused(column(2).as_deref(), column(3).as_deref()) {
            return Ok(Seen::Refused(reason));
        }
        let Shape {
            map,
            described,
            columns,
            keys,
        } = match self.shape_of(table).await? {
            Ok(shape) => shape,
            Err(reason) => return Ok(Seen::Refused(reason)),
        };
        let key_text = self.key_text(table, &columns, &keys).await?;
        let [rows_estimate, row_bytes_estimate] = sizes;
        Ok(Seen::Table(Box::new(SeenTable {
            description: Description {
                table: Arc::new(described),
                map: Arc::new(map),
                columns,
                key: keys.key,
                index: keys.index,
                key_text: key_text.into(),
            },
            rows_estimate,
            row_bytes_estimate,
        })))
    }

    /// Columns and keys, as the log would describe them; else why it could not.
    pub async fn shape_of(&mut self, table: &TableName) -> Result<Result<Shape, String>, Failure> {
        let columns = columns_of(self, table).await?;
        let sql = format!("SHOW INDEX FROM {}", name_of(table));
        let indexes = self.server.answer_if_told(DOING, &sql).await?;
        let parts = indexes.as_ref().and_then(index_columns);
        let keys = parts.and_then(|parts| keys::choose(&columns, &parts));
        let keys = keys.ok_or_else(|| changing(table))?;
        let map = match table_map(table, &columns, &keys.logged, self.dialect()) {
            Ok(map) => map,
            Err(error) => return Ok(Err(error.to_string())),
        };
        let described = match map.table() {
            Ok(described) => described,
            Err(error) => return Ok(Err(error.to_string())),
        };
        Ok(Ok(Shape {
            map,
            described,
            columns,
            keys,
        }))
    }

    /// False: there is no such table.
    async fn may_be_read(&mut self, table: &TableName) -> Result<bool, Failure> {
        const NO_SUCH: [u16; 2] = [1049, 1146];
        const DENIED: [u16; 3] = [1044, 1142, 1143];
        let sql = format!("SELECT 1 FROM {} LIMIT 0", name_of(table));
        match self.server.conn.query(&sql).await {
            Ok(_) => Ok(true),
            Err(Error::Server(error)) if NO_SUCH.contains(&error.number) => Ok(false),
            Err(Error::Server(error)) if DENIED.contains(&error.number) => {
                Err(self.denied(table, error))
            }
            Err(error) => Err(self.server.failure(&format!("{DOING}, {table}"), error)),
        }
    }

    async fn key_text(
        &mut self,
        table: &TableName,
        columns: &[ListedColumn],
        keys: &Keys,
    ) -> Result<String, Failure> {
        if keys.key.is_empty() {
            return Ok("none".into());
        }
        let sql = format!(
            "SELECT table_schema, table_name, column_name, collation_name \
             FROM information_schema.columns WHERE {} AND collation_name IS NOT NULL",
            is_of(table)
        );
        let collations = of_table(&mut self.server, &sql, table).await?;
        let collation_of = |name: &str| {
            let mut rows = collations.iter();
            let row = rows.find(|row| text(row, 2).as_deref() == Some(name))?;
            text(row, 3)
        };
        let of = |index: &usize| {
            let column = columns.get(*index)?;
            let mut words = vec![quoted(&column.name), column.column_type.clone()];
            words.extend(column.charset.clone());
            words.extend(collation_of(&column.name));
            Some(words.join(" "))
        };
        let columns: Vec<String> = keys.key.iter().filter_map(of).collect();
        Ok(format!("{} ({})", quoted(&keys.index), columns.join(", ")))
    }

    async fn ranges(&mut self, seen: &SeenTable, ranges: usize) -> Result<Vec<KeyRange>, Failure> {
        let Description {
            table, key, index, ..
        } = &seen.description;
        let first = key.first().and_then(|first| table.columns.get(*first));
        if first.is_none() {
            return Ok(vec![KeyRange::default()]);
        }
        // Rows behind it come with the stream, so a table may grow faster than it is read.
        let Some(last) = self.last_key(&seen.description).await? else {
            return Ok(Vec::new());
        };
        let whole = KeyRange {
            after: None,
            until: Some(last),
        };
        let Some(column) = first.filter(|column| {
            ranges > 1 && seen.rows_estimate >= ROWS_TO_SPLIT && is_integer(&column.kind)
        }) else {
            return Ok(vec![whole]);
        };
        let sql = format!(
            "SELECT MIN({0}), MAX({0}) FROM {1} FORCE INDEX ({2})",
            quoted(&column.name),
            name_of(&table.name),
            quoted(index)
        );
        // What has changed meanwhile is found out with the first chunk.
        let rows = match self.server.answer_if_told(DOING, &sql).await? {
            Some(answer) => answer.rows,
            None => Vec::new(),
        };
        let of = |index| rows.first().and_then(|row| text(row, index)?.parse().ok());
        let until = whole.until;
        Ok(ranges::split(&column.kind, (of(0), of(1)), ranges, until))
    }
}

/// Why a table of this type and engine cannot be copied.
fn refused(table_type: Option<&str>, engine: Option<&str>) -> Option<String> {
    match (table_type, engine) {
        (Some("BASE TABLE"), Some(engine)) if engine.eq_ignore_ascii_case("innodb") => None,
        (Some("BASE TABLE"), Some(engine)) => Some(format!(
            "engine {engine} has no consistent read that is known here; ALTER TABLE … ENGINE = InnoDB"
        )),
        (Some("BASE TABLE"), None) => Some("the server cannot open it".into()),
        (Some("VIEW" | "SYSTEM VIEW"), _) => {
            Some("it is a view; its rows are in the tables behind it".into())
        }
        (Some("SYSTEM VERSIONED"), _) => Some(
            "it is system-versioned: the log has its past rows too, a copy of its present ones would lack them".into(),
        ),
        (Some("SEQUENCE"), _) => Some("it is a sequence, whose one row is not logged as a row".into()),
        (other, _) => Some(format!("it is no table but a {}", other.unwrap_or("thing without a type"))),
    }
}

fn is_integer(kind: &ColumnKind) -> bool {
    matches!(
        kind,
        ColumnKind::TinyInt { .. }
            | ColumnKind::SmallInt { .. }
            | ColumnKind::MediumInt { .. }
            | ColumnKind::Int { .. }
            | ColumnKind::BigInt { .. }
    )
}

/// `None` where the answer lacks a column that every server has.
/// <https://dev.mysql.com/doc/refman/9.0/en/show-index.html>
fn index_columns(answer: &Answer) -> Option<Vec<IndexColumn>> {
    let place = |name: &str| {
        let mut columns = answer.columns.iter();
        columns.position(|column| column.eq_ignore_ascii_case(name))
    };
    let (index, non_unique) = (place("Key_name")?, place("Non_unique")?);
    let (column, prefix) = (place("Column_name")?, place("Sub_part")?);
    let (nullable, kind) = (place("Null")?, place("Index_type")?);
    let direction = place("Collation")?;
    // MySQL 8.0 and MariaDB 10.6.
    let (visible, ignored) = (place("Visible"), place("Ignored"));
    let part = |row| {
        let is = |place: Option<usize>, word: &str| {
            place
                .and_then(|place| text(row, place))
                .is_some_and(|found| found == word)
        };
        Some(IndexColumn {
            index: text(row, index)?,
            is_unique: number(row, non_unique) == Some(0),
            column: text(row, column),
            is_prefix: text(row, prefix).is_some(),
            is_nullable: is(Some(nullable), "YES"),
            is_descending: is(Some(direction), "D"),
            is_usable: is(Some(kind), "BTREE") && !is(visible, "NO") && !is(ignored, "YES"),
        })
    };
    answer.rows.iter().map(part).collect()
}

pub(super) fn changing(table: &TableName) -> Failure {
    Failure::transient(format!(
        "{DOING}, {table}: it changes while it is looked at"
    ))
}
