//! One table's columns on both sides: the digest of a line, and that of a row of the warehouse.

use std::collections::HashMap;

use headwater_actors::failure::Failure;
use headwater_warehouse::{
    audit::{Digest, Stored as Row},
    canon,
    dialect::Dialect,
    names::quoted,
    table::{Column, Target},
};
use serde::Deserialize;
use serde_json::value::RawValue;
use tokio_postgres::SimpleQueryRow;

/// What a line has of a row.
#[derive(Deserialize)]
struct Line<'a> {
    #[serde(borrow)]
    key: HashMap<String, &'a RawValue>,
    #[serde(borrow)]
    data: HashMap<String, &'a RawValue>,
}

/// `_seq`, `_deleted`, whether a value is too long to be shown.
const OURS: usize = 3;

/// Columns in one order: those of the key, then the others.
pub struct Columns<'a> {
    target: &'a Target,
    key: Vec<&'a Column>,
    others: Vec<&'a Column>,
}

/// A row of the warehouse.
pub struct Shown<'r> {
    pub row: Row<'r>,
    /// One of its values is too long to be compared.
    pub is_too_long: bool,
}

impl<'a> Columns<'a> {
    pub fn of(target: &'a Target) -> Self {
        Self {
            target,
            key: target.key_columns(),
            others: target.other_columns().collect(),
        }
    }

    /// All rows of the table in the warehouse, those that are gone too.
    pub fn select(&self, dialect: Dialect) -> String {
        let all = || self.key.iter().chain(&self.others);
        let shown = all().map(|column| dialect.shown(&quoted(&column.identifier), column.stored));
        let long = all()
            .filter_map(|column| dialect.is_too_long(&quoted(&column.identifier), column.stored));
        let long: Vec<String> = long.collect();
        let is_long = if long.is_empty() {
            "FALSE".to_owned()
        } else {
            long.join(" OR ")
        };
        format!(
            "SELECT \"_seq\", \"_deleted\", {is_long}, {} FROM {}",
            shown.collect::<Vec<_>>().join(", "),
            self.target.within_schema(&self.target.rows)
        )
    }

    /// Of the key, and of all columns.
    pub fn of_line(&self, line: &[u8]) -> Result<(Digest, Digest), Failure> {
        let line = parsed(line, self.target)?;
        let mut key = Digest::default();
        for column in &self.key {
            let value = line.key.get(&column.name);
            key.add(
                value
                    .and_then(|value| canon::of_line(column.stored, value))
                    .as_deref(),
            );
        }
        let mut values = Digest::default();
        for column in &self.others {
            let value = line.data.get(&column.name);
            values.add(
                value
                    .and_then(|value| canon::of_line(column.stored, value))
                    .as_deref(),
            );
        }
        Ok((key, values))
    }

    /// The key of a line, for people.
    pub fn key_of_line(&self, line: &[u8]) -> Result<String, Failure> {
        let line = parsed(line, self.target)?;
        let values = self
            .key
            .iter()
            .filter_map(|column| line.key.get(&column.name));
        Ok(values
            .map(|value| value.get().to_owned())
            .collect::<Vec<_>>()
            .join(", "))
    }

    pub fn of_row<'r>(&self, row: &'r SimpleQueryRow) -> Shown<'r> {
        let digest = |columns: &[&Column], from: usize| {
            let mut digest = Digest::default();
            for (place, column) in (from..).zip(columns) {
                let text = row.get(place);
                digest.add(
                    text.and_then(|text| canon::of_warehouse(column.stored, text))
                        .as_deref(),
                );
            }
            digest.finish()
        };
        Shown {
            row: Row {
                key: digest(&self.key, OURS),
                values: digest(&self.others, OURS + self.key.len()),
                seq: row.get(0).unwrap_or_default(),
                is_deleted: row.get(1) == Some("t"),
            },
            is_too_long: row.get(2) == Some("t"),
        }
    }

    /// The key of a row of the warehouse, for people.
    pub fn key_of_row(&self, row: &SimpleQueryRow) -> String {
        let values = (OURS..)
            .zip(&self.key)
            .map(|(place, _)| row.get(place).unwrap_or("NULL"));
        values.collect::<Vec<_>>().join(", ")
    }
}

fn parsed<'l>(line: &'l [u8], target: &Target) -> Result<Line<'l>, Failure> {
    serde_json::from_slice(line)
        .map_err(|error| Failure::definite(format!("a line of {}", target.name())).because(error))
}
