//! The expressions of one table's merge, and those of the fields that every line has.

use std::collections::BTreeMap;

use serde::Serialize;

use super::Lines;
use crate::{
    dialect::{Dialect, Member},
    names::{in_comment, literal, quoted},
    stored::Stored,
    table::{Column, Target},
};

/// Lines of rows.
const ROW_TYPES: [&str; 4] = ["insert", "update", "delete", "snapshot"];
/// All that a merge knows.
const TYPES: [&str; 8] = [
    "insert",
    "update",
    "delete",
    "snapshot",
    "ddl",
    "truncate",
    "snapshot_end",
    "heartbeat",
];
/// Lines that stand among a table's changes, in the order of the log. Copies may have a stream of their own.
const ORDERED_TYPES: [&str; 6] = ["insert", "update", "delete", "ddl", "truncate", "heartbeat"];

/// What a line may have at its top, and what it is taken out as.
const FIELDS: [(&str, &str, Stored); 16] = [
    (
        "database_name",
        "database",
        Stored::Varchar { bytes_max: 256 },
    ),
    ("table_name", "table", Stored::Varchar { bytes_max: 256 }),
    ("type", "type", Stored::Varchar { bytes_max: 16 }),
    ("seq", "seq", Stored::Varchar { bytes_max: 64 }),
    ("id", "id", Stored::Varchar { bytes_max: 1024 }),
    ("ts_us", "ts_us", Stored::BigInt),
    ("position", "position", Stored::Varchar { bytes_max: 512 }),
    ("gtid", "gtid", Stored::Varchar { bytes_max: 512 }),
    ("run", "run", Stored::Varchar { bytes_max: 256 }),
    ("lane", "lane", Stored::Integer),
    ("lanes", "lanes", Stored::Integer),
    ("rows", "rows", Stored::BigInt),
    ("begin_seq", "begin_seq", Stored::Varchar { bytes_max: 64 }),
    (
        "statement",
        "statement",
        Stored::Varchar { bytes_max: 65_535 },
    ),
    (
        "complete_seq",
        "complete_seq",
        Stored::Varchar { bytes_max: 64 },
    ),
    (
        "complete_position",
        "complete_position",
        Stored::Varchar { bytes_max: 512 },
    ),
];
const DOCUMENTS: [&str; 3] = ["key", "data", "old"];

/// Where what a merge works on has the parts of a line.
struct Parts {
    kind: &'static str,
    key: &'static str,
    data: &'static str,
    old: &'static str,
}

const BATCH: Parts = Parts {
    kind: "b.type",
    key: "b.line_key",
    data: "b.line_data",
    old: "b.line_old",
};
/// Names of the lake are such that no column has them.
const ATHENA: Parts = Parts {
    kind: "b.headwater_type",
    key: "b.headwater_key",
    data: "b.headwater_data",
    old: "b.headwater_old",
};
/// The row's columns are columns there.
const ICEBERG: Parts = Parts {
    key: "b",
    data: "b",
    ..ATHENA
};

impl Parts {
    fn of(dialect: Dialect) -> Self {
        match dialect {
            Dialect::Redshift | Dialect::Postgres => BATCH,
            Dialect::Athena => ATHENA,
            Dialect::Iceberg => ICEBERG,
        }
    }
}

/// The fields of a line that stands in column `line` of `alias`, by name.
pub(super) fn line(dialect: Dialect, lines: &Lines, alias: &str) -> BTreeMap<&'static str, String> {
    let source = format!("{alias}.line");
    let of = |name, stored| {
        let (source, name) = (source.as_str(), &lines.field(name));
        dialect.value(Member { source, name }, stored)
    };
    let fields = FIELDS.map(|(key, name, stored)| (key, of(name, stored)));
    let documents = DOCUMENTS.map(|name| match (name, lines) {
        ("data", Lines::Flat { .. }) => (name, source.clone()),
        _ => (name, of(name, Stored::Document)),
    });
    fields.into_iter().chain(documents).collect()
}

/// All types of lines, as a list of texts.
pub(super) fn types() -> String {
    list(&TYPES)
}

/// A table, as the templates take it.
#[derive(Debug, Serialize)]
pub(super) struct TableValues {
    source: String,
    database_literal: String,
    table_literal: String,
    schema: String,
    pub view: String,
    pub rows: String,
    /// Without its schema.
    rows_name: String,
    pub merge: String,
    attributes: String,
    indexes: Vec<String>,
    columns: Vec<ColumnValues>,
    row_types: String,
    ordered_types: String,
    is_refused: String,
    is_moved: String,
    partition: String,
    /// Behind the name of a table with the columns: what of it equals f.
    join: Vec<String>,
    lost: String,
}

#[derive(Debug, Serialize)]
struct ColumnValues {
    identifier: String,
    #[serde(rename = "type")]
    kind: String,
    comment: String,
    is_key: bool,
    value: String,
    /// Of the key that an update moved its row away from.
    moved_from: String,
}

pub(super) fn table(
    dialect: Dialect,
    control: &str,
    is_by_key: bool,
    target: &Target,
) -> TableValues {
    let key = target.key_columns();
    let parts = Parts::of(dialect);
    let rows = target.within_schema(&target.rows);
    let ordered: &[&str] = if is_by_key {
        &["heartbeat"]
    } else {
        &ORDERED_TYPES
    };
    TableValues {
        source: in_comment(&target.name().to_string()),
        database_literal: dialect.literal(&target.database),
        table_literal: dialect.literal(&target.table),
        schema: quoted(&target.schema),
        view: target.within_schema(&target.view),
        rows_name: quoted(&target.rows),
        merge: format!("{control}.{}", quoted(&target.merge)),
        attributes: dialect.table_attributes(&sort_key(&key)),
        indexes: dialect.indexes(&rows, &key),
        rows,
        columns: target
            .columns
            .iter()
            .map(|column| column_values(dialect, &parts, target, column))
            .collect(),
        row_types: list(&ROW_TYPES),
        ordered_types: list(ordered),
        is_refused: match dialect {
            Dialect::Redshift | Dialect::Postgres => is_refused_line(dialect, &key),
            Dialect::Athena | Dialect::Iceberg => is_refused(dialect, &parts, &key),
        },
        is_moved: each(&key, " OR ", |column| {
            dialect.is_given(member(parts.old, column))
        }),
        partition: partition(&key),
        join: key.iter().flat_map(|column| equal(column)).collect(),
        lost: lost(dialect, &parts, target),
    }
}

fn column_values(
    dialect: Dialect,
    parts: &Parts,
    target: &Target,
    column: &Column,
) -> ColumnValues {
    let is_key = target.is_key(column);
    let of = |source| dialect.taken(member(source, column), column);
    ColumnValues {
        identifier: quoted(&column.identifier),
        kind: dialect.column_type(column.stored),
        comment: dialect.comment(&format!("{}: {}", column.name, column.declared)),
        is_key,
        value: of(if is_key { parts.key } else { parts.data }),
        moved_from: match is_key {
            false => "NULL".into(),
            true => format!(
                "CASE WHEN {} THEN {} ELSE {} END",
                dialect.is_given(member(parts.old, column)),
                of(parts.old),
                of(parts.key)
            ),
        },
    }
}

fn member<'a>(source: &'a str, column: &'a Column) -> Member<'a> {
    Member {
        source,
        name: &column.name,
    }
}

fn each(columns: &[&Column], between: &str, of: impl Fn(&Column) -> String) -> String {
    let parts: Vec<String> = columns.iter().map(|column| of(column)).collect();
    parts.join(between)
}

fn list(words: &[&str]) -> String {
    let words: Vec<String> = words.iter().map(|word| literal(word)).collect();
    words.join(", ")
}

/// Of an unknown type; or of a row whose key cannot be told. Asked of a line before its parts are taken out.
fn is_refused_line(dialect: Dialect, key: &[&Column]) -> String {
    let in_line = |name| {
        let source = "l.line";
        dialect.value(Member { source, name }, Stored::Document)
    };
    let is_untold = is_untold(dialect, "l.type", (&in_line("key"), &in_line("old")), key);
    format!("l.type NOT IN ({}) OR {is_untold}", list(&TYPES))
}

fn is_refused(dialect: Dialect, parts: &Parts, key: &[&Column]) -> String {
    is_untold(dialect, parts.kind, (parts.key, parts.old), key)
}

/// Of a row, without a key that its columns hold whole.
fn is_untold(
    dialect: Dialect,
    kind: &str,
    (line_key, old): (&str, &str),
    key: &[&Column],
) -> String {
    let is_lost = |source, column: &Column| match dialect.can_lose(column.stored) {
        true => dialect.is_lost(member(source, column), column.stored),
        false => "FALSE".into(),
    };
    let lacks = each(key, " OR ", |column| {
        let is_given = dialect.is_given(member(line_key, column));
        format!("NOT ({is_given}) OR {}", is_lost(line_key, column))
    });
    let lost_old = each(key, " OR ", |column| is_lost(old, column));
    format!(
        "({kind} IN ({}) AND ({lacks})) OR ({kind} = 'update' AND ({lost_old}))",
        list(&ROW_TYPES)
    )
}

/// Redshift takes two texts for equal that differ in blanks at their end.
fn equal(column: &Column) -> Vec<String> {
    let name = quoted(&column.identifier);
    let mut parts = vec![format!("{name} = f.{name}")];
    if column.stored.is_text() {
        parts.push(format!("{name} || '.' = f.{name} || '.'"));
    }
    parts
}

fn partition(key: &[&Column]) -> String {
    each(key, ", ", |column| {
        let name = quoted(&column.identifier);
        match column.stored.is_text() {
            true => format!("f.{name} || '.'"),
            false => format!("f.{name}"),
        }
    })
}

fn lost(dialect: Dialect, parts: &Parts, target: &Target) -> String {
    let parts = target
        .other_columns()
        .filter(|column| dialect.can_lose(column.stored))
        .map(|column| {
            let is_lost = dialect.is_lost(member(parts.data, column), column.stored);
            format!("CASE WHEN {is_lost} THEN 1 ELSE 0 END")
        });
    let parts: Vec<String> = parts.collect();
    match parts.is_empty() {
        true => "0".into(),
        false => parts.join("\n        + "),
    }
}

fn sort_key(key: &[&Column]) -> Vec<String> {
    let sortable = key.iter().take_while(|column| column.stored.is_sortable());
    sortable.map(|column| quoted(&column.identifier)).collect()
}
