//! The SELECT of one chunk. Pure.
//!
//! A cursor over several columns is written as `a > x OR (a = x AND b > y)`: a row constructor would be compared row
//! by row, without the index. An ENUM or a small SET beyond a value is a list of the numbers beyond it, since
//! servers read no range of one that is compared with a number. Where nothing is beyond the value of a column, all rows have that value, and
//! the order is that of the columns behind it; servers would sort otherwise. Keys that begin like a bound are on the
//! near side of it: `until` takes them in, `after` passes them over. The condition ends with its line: a comment in it
//! hides nothing of ours.

use headwater_actors::{
    ports::snapshot::{ChunkPart, Description},
    snapshot::{Key, KeyRange},
};
use headwater_binlog::{
    Error, columns::ListedColumn, event::Dialect, schema::ColumnKind, schema::TableName,
    snapshot::selected,
};

use super::literal::{literal, number_of_labels};
use crate::mysql::unnamed::quoted;

/// Numbers of an ENUM or a SET that are listed one by one.
const LISTED_MAX: u64 = 1_023;
const NO_ROW: &str = "1 = 0";

/// What a SELECT is made of, besides the table.
#[derive(Debug, Clone, Copy)]
pub(super) struct Wanted<'a> {
    pub part: &'a ChunkPart,
    pub condition: Option<&'a str>,
    pub rows_max: usize,
    /// Rows that are passed over first.
    pub skipped: usize,
}

/// # Errors
/// A bound is no key of the table.
pub(super) fn chunk(
    description: &Description,
    dialect: Dialect,
    wanted: Wanted<'_>,
) -> Result<String, Error> {
    let mut sql = head(description, dialect);
    let keys = key_columns(description)?;
    if !keys.is_empty() {
        sql.push_str(&format!(" FORCE INDEX ({})", quoted(&description.index)));
    }
    let mut conditions = Vec::new();
    let mut order = keys.as_slice();
    match wanted.part {
        ChunkPart::Range(KeyRange { after, until }) => {
            if let Some(after) = after {
                let (beyond, fixed) = beyond(&keys, after)?;
                conditions.push(format!("({beyond})"));
                order = keys.get(fixed..).unwrap_or_default();
            }
            if let Some(until) = until {
                conditions.push(format!("({})", up_to(&keys, until)?));
            }
        }
        ChunkPart::Keys(wanted) => conditions.push(format!("({})", any_of(&keys, wanted)?)),
    }
    if let Some(condition) = wanted.condition {
        conditions.push(format!("(\n{condition}\n)"));
    }
    if !conditions.is_empty() {
        sql.push_str(&format!(" WHERE {}", conditions.join(" AND ")));
    }
    if let [_, ..] = keys.as_slice() {
        let order: Vec<&str> = order.iter().map(|key| key.name.as_str()).collect();
        if !order.is_empty() {
            sql.push_str(&format!(" ORDER BY {}", order.join(", ")));
        }
        sql.push_str(&format!(" LIMIT {}", wanted.rows_max));
        if wanted.skipped > 0 {
            sql.push_str(&format!(" OFFSET {}", wanted.skipped));
        }
    }
    Ok(sql)
}

/// The row with the last key.
///
/// # Errors
/// The key is none of the table.
pub(super) fn last(description: &Description, dialect: Dialect) -> Result<String, Error> {
    let order: Vec<String> = key_columns(description)?
        .iter()
        .map(|key| format!("{} DESC", key.name))
        .collect();
    Ok(format!(
        "{} FORCE INDEX ({}) ORDER BY {} LIMIT 1",
        head(description, dialect),
        quoted(&description.index),
        order.join(", ")
    ))
}

fn head(description: &Description, dialect: Dialect) -> String {
    let columns: Vec<String> = description
        .columns
        .iter()
        .map(|column| selected(column, dialect))
        .collect();
    format!(
        "SELECT {} FROM {}",
        columns.join(", "),
        name_of(&description.table.name)
    )
}

/// A statement that the server can prepare where it takes the condition.
pub(super) fn with_condition(table: &TableName, condition: &str) -> String {
    format!(
        "SELECT 1 FROM {} WHERE (\n{condition}\n) LIMIT 0",
        name_of(table)
    )
}

pub(super) fn name_of(table: &TableName) -> String {
    format!("{}.{}", quoted(&table.database), quoted(&table.table))
}

struct KeyColumn<'a> {
    name: String,
    kind: &'a ColumnKind,
    listed: &'a ListedColumn,
}

fn key_columns(description: &Description) -> Result<Vec<KeyColumn<'_>>, Error> {
    let column = |index: &usize| {
        let listed = description.columns.get(*index);
        let column = description.table.columns.get(*index);
        match (listed, column) {
            (Some(listed), Some(column)) => Ok(KeyColumn {
                name: quoted(&listed.name),
                kind: &column.kind,
                listed,
            }),
            _ => Err(Error::Unsupported(format!(
                "a key with column {index} of table `{}`",
                description.table.name
            ))),
        }
    };
    description.key.iter().map(column).collect()
}

impl KeyColumn<'_> {
    fn literal(&self, bytes: &[u8]) -> Result<String, Error> {
        literal(self.kind, self.listed, bytes)
    }

    /// `None` where no value is greater.
    fn greater_than(&self, bytes: &[u8]) -> Result<Option<String>, Error> {
        let name = &self.name;
        if let (Some(highest), Some(number)) =
            (highest(self.kind), number_of_labels(self.kind, bytes))
            && highest <= LISTED_MAX
        {
            let greater: Vec<String> = (number + 1..=highest)
                .map(|number| number.to_string())
                .collect();
            return Ok((!greater.is_empty()).then(|| format!("{name} IN ({})", greater.join(", "))));
        }
        Ok(Some(format!("{name} > {}", self.literal(bytes)?)))
    }
}

/// The greatest number of an ENUM or a SET.
fn highest(kind: &ColumnKind) -> Option<u64> {
    match kind {
        ColumnKind::Enum { labels, .. } => Some(labels.len() as u64),
        ColumnKind::Set { labels, .. } if labels.len() < 64 => Some((1 << labels.len()) - 1),
        _ => None,
    }
}

/// Pairs of columns and values; a key may be only the begin of one.
fn bound<'a>(
    keys: &'a [KeyColumn<'a>],
    key: &'a Key,
) -> Result<Vec<(&'a KeyColumn<'a>, &'a [u8])>, Error> {
    if key.0.is_empty() || keys.len() < key.0.len() {
        return Err(Error::Unsupported(format!(
            "a bound of {} values for a key of {} columns",
            key.0.len(),
            keys.len()
        )));
    }
    let values = key.0.iter().map(|value| &**value);
    Ok(keys.iter().zip(values).collect())
}

/// Rows behind the key, and how many of the first columns have one value in all of them.
fn beyond(keys: &[KeyColumn<'_>], after: &Key) -> Result<(String, usize), Error> {
    let mut condition: Option<String> = None;
    let mut fixed = 0;
    for (column, value) in bound(keys, after)?.into_iter().rev() {
        let equal = format!("{} = {}", column.name, column.literal(value)?);
        let inner = condition.map(|inner| match inner.contains(" OR ") {
            true => format!("{equal} AND ({inner})"),
            false => format!("{equal} AND {inner}"),
        });
        condition = match (column.greater_than(value)?, inner) {
            (Some(greater), Some(inner)) => {
                fixed = 0;
                Some(format!("{greater} OR ({inner})"))
            }
            (Some(greater), None) => Some(greater),
            (None, Some(inner)) => {
                fixed += 1;
                Some(inner)
            }
            (None, None) => None,
        };
    }
    Ok((condition.unwrap_or_else(|| NO_ROW.to_owned()), fixed))
}

/// Rows before the key, and those that begin like it.
fn up_to(keys: &[KeyColumn<'_>], until: &Key) -> Result<String, Error> {
    let mut condition: Option<String> = None;
    for (column, value) in bound(keys, until)?.into_iter().rev() {
        let (name, value) = (&column.name, column.literal(value)?);
        condition = Some(match condition {
            None => format!("{name} <= {value}"),
            Some(inner) => format!("{name} < {value} OR ({name} = {value} AND ({inner}))"),
        });
    }
    Ok(condition.unwrap_or_else(|| NO_ROW.to_owned()))
}

fn any_of(keys: &[KeyColumn<'_>], wanted: &[Key]) -> Result<String, Error> {
    let equal = |key: &Key| -> Result<String, Error> {
        let parts: Result<Vec<String>, Error> = bound(keys, key)?
            .into_iter()
            .map(|(column, value)| Ok(format!("{} = {}", column.name, column.literal(value)?)))
            .collect();
        Ok(format!("({})", parts?.join(" AND ")))
    };
    let keys: Vec<String> = wanted.iter().map(equal).collect::<Result<_, _>>()?;
    Ok(match keys.is_empty() {
        true => NO_ROW.to_owned(),
        false => keys.join(" OR "),
    })
}

#[cfg(test)]
mod tests;
