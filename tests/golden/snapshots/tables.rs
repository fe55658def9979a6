//! Tables of any types with keys of any shape, and what information_schema lists of them.

use fastrand::Rng;
use headwater_binlog::{columns::ListedColumn, schema::TableName};
use headwater_harness::{
    mysql::Flavour,
    sql::{path, quote, text},
};

use super::Families;
use crate::{
    columns::{Type, families, strings},
    compare::Compare,
    scenario::{ID, Scenario, Wanted},
};

/// A table to be made, and the statements that fill it in the order of their ids.
pub struct Made {
    pub name: TableName,
    pub create: String,
    pub inserts: Vec<String>,
}

const ROWS_PER_INSERT: usize = 20;

/// What the server takes of all types; MariaDB has some of its own.
pub async fn types(flavour: Flavour, scenario: &mut Scenario) -> Families {
    let mut all = families();
    for (_, types) in &mut all {
        types.retain(|column| !has_label_beyond_lists(&column.sql));
    }
    if flavour == Flavour::MySql {
        return all;
    }
    all.push(("own", own()));
    for (_, types) in &mut all {
        let mut taken = Vec::new();
        for column in types.drain(..) {
            let mut column = without_negative_zero(column);
            let create = format!("CREATE TABLE golden.probe (c {})", column.sql);
            scenario.try_run("DROP TABLE IF EXISTS golden.probe").await;
            scenario.try_run(&create).await;
            let mut edges = Vec::new();
            for edge in column.edges {
                scenario
                    .try_run(&format!("INSERT INTO golden.probe VALUES ({edge})"))
                    .await;
                let count: Vec<u64> = count(scenario).await;
                if count == [1] {
                    edges.push(edge);
                }
                scenario.try_run("DELETE FROM golden.probe").await;
            }
            if !edges.is_empty() {
                column.edges = edges;
                taken.push(column);
            }
        }
        *types = taken;
    }
    scenario.run("DROP TABLE IF EXISTS golden.probe").await;
    scenario.log.blocks();
    let count: usize = all.iter().map(|(_, types)| types.len()).sum();
    assert!(count > 60, "{count} types");
    all.retain(|(_, types)| !types.is_empty());
    all
}

/// MariaDB logs what a FLOAT has rounded to as -0, and reads it as 0.
fn without_negative_zero(mut column: Type) -> Type {
    if column.sql.starts_with("FLOAT") || column.sql.starts_with("DOUBLE") {
        let guarded = |value: &str| format!("IF(ABS({value}) < 0.01, ABS({value}), {value})");
        column.edges = column.edges.iter().map(|edge| guarded(edge)).collect();
        let random = column.random;
        column.random = Box::new(move |rng| guarded(&random(rng)));
    }
    column
}

/// information_schema shows a character beyond utf8mb3 in a label as `?`, and so may mean another one by it.
fn has_label_beyond_lists(sql: &str) -> bool {
    let is_beyond = |character: char| character == '?' || u32::from(character) > 0xffff;
    (sql.starts_with("ENUM") || sql.starts_with("SET")) && sql.chars().any(is_beyond)
}

/// None where there is no such table.
async fn count(scenario: &mut Scenario) -> Vec<u64> {
    let sql = "SELECT table_rows FROM information_schema.tables WHERE table_schema = 'golden' AND table_name = 'probe'";
    if scenario.query::<Option<u64>>(sql).await.is_empty() {
        return Vec::new();
    }
    scenario.query("SELECT COUNT(*) FROM golden.probe").await
}

/// MariaDB's.
fn own() -> Vec<Type> {
    let random_bytes = |width: usize| {
        move |rng: &mut Rng| -> String {
            let digits: String = (0..width).map(|_| format!("{:02x}", rng.u8(..))).collect();
            format!("x'{digits}'")
        }
    };
    let packed = |sql: &str| {
        Type::new(
            sql,
            Compare::Text,
            strings(&["''", "'a'", "REPEAT('abc', 80)", "x'6162'"]),
            Box::new(|rng| format!("REPEAT('{}', {})", rng.alphanumeric(), rng.u8(..))),
        )
    };
    let bytes = |sql: &str, width, edges: &[&str]| {
        Type::new(
            sql,
            Compare::Base64,
            strings(edges),
            Box::new(random_bytes(width)),
        )
    };
    let uuids = &[
        "'01234567-89ab-1def-8123-456789abcdef'",
        "'01234567-89ab-4def-8123-456789abcd00'",
        "'01234567-89ab-7def-8123-456789abcdef'",
        "'01234567-89ab-0def-0123-456789abcdef'",
        "'00000000-0000-0000-0000-000000000000'",
    ];
    vec![
        bytes("UUID", 16, uuids),
        bytes(
            "INET6",
            16,
            &["'::'", "'::1'", "'1:2::'", "'::ffff:1.2.3.4'"],
        ),
        bytes("INET4", 4, &["'0.0.0.0'", "'1.2.3.0'", "'255.255.255.255'"]),
        packed("VARCHAR(255) COMPRESSED CHARACTER SET latin1"),
        packed("VARBINARY(300) COMPRESSED"),
        packed("TEXT COMPRESSED"),
        packed("BLOB COMPRESSED"),
    ]
}

/// A table per family with all edges of all its types, and one of NULLs.
pub fn edges(families: &Families) -> Vec<Made> {
    let table = |(family, types): &(&'static str, Vec<Type>)| {
        let wanted: Vec<Wanted<'_>> = types
            .iter()
            .enumerate()
            .map(|(at, column)| Wanted {
                name: format!("c{at}"),
                column,
                is_nullable: true,
            })
            .collect();
        let rows = types.iter().map(|column| column.edges.len()).max();
        let row = |at: usize| {
            let values: Vec<&str> = types
                .iter()
                .map(|column| column.edges[at % column.edges.len()].as_str())
                .collect();
            values.join(", ")
        };
        let mut rows: Vec<String> = (0..rows.unwrap_or(0)).map(row).collect();
        rows.push(vec!["NULL"; types.len()].join(", "));
        let definitions = wanted.iter().map(Wanted::definition).collect();
        Made::of(
            family,
            definitions,
            &[format!("PRIMARY KEY ({ID})")],
            &rows,
            1,
        )
    };
    families.iter().map(table).collect()
}

impl Made {
    pub fn random(families: &Families, number: usize, rows: usize, rng: &mut Rng) -> Self {
        let types: Vec<&Type> = families.iter().flat_map(|(_, types)| types).collect();
        let wanted: Vec<Wanted<'_>> = (0..rng.usize(1..=24))
            .map(|at| {
                let column = types[rng.usize(..types.len())];
                Wanted {
                    name: format!(
                        "{at}{}",
                        rng.choice(&["", " c", "`\"\\", "é.日本", "'"]).unwrap()
                    ),
                    column,
                    is_nullable: !column.has_default || rng.bool(),
                }
            })
            .collect();
        let keyed = wanted
            .iter()
            .find(|it| !it.is_nullable && it.column.key.is_some());
        let key = keyed.map(|it| format!("{}{}", quote(&it.name), it.column.key.unwrap()));
        let keys = match (rng.u8(..6), key) {
            (0, _) => Vec::new(),
            (1, Some(key)) => vec![format!("PRIMARY KEY ({key}, {ID})")],
            (2, Some(key)) => vec![format!("PRIMARY KEY ({ID}, {key})")],
            // The server takes the first whole one in place of a primary key.
            (3, key) => {
                let key = key.filter(|key| !key.ends_with(')'));
                let second = key.map(|key| format!("UNIQUE second ({key}, {ID})"));
                second
                    .into_iter()
                    .chain([format!("UNIQUE whole ({ID})")])
                    .collect()
            }
            _ => vec![format!("PRIMARY KEY ({ID})")],
        };
        let row = |_| {
            let values: Vec<String> = wanted.iter().map(|it| it.value(rng)).collect();
            values.join(", ")
        };
        let rows: Vec<String> = (0..rows).map(row).collect();
        let hidden = rng.usize(..wanted.len() * 4);
        let definitions = wanted
            .iter()
            .enumerate()
            .map(|(at, it)| match at == hidden && it.is_nullable {
                true => format!("{} INVISIBLE", it.definition()),
                false => it.definition(),
            })
            .collect();
        Self::of(
            &format!("random {number}"),
            definitions,
            &keys,
            &rows,
            ROWS_PER_INSERT,
        )
    }

    /// `id` is the first column; rows that a statement cannot store are not there.
    fn of(
        name: &str,
        definitions: Vec<String>,
        keys: &[String],
        rows: &[String],
        per_insert: usize,
    ) -> Self {
        let name = TableName {
            database: "golden".into(),
            table: name.into(),
        };
        let path = path(&name.database, &name.table);
        let names: Vec<&str> = definitions
            .iter()
            .map(|definition| definition.rsplit_once("` ").map_or("", |(name, _)| name))
            .collect();
        let columns: Vec<String> = names.iter().map(|name| format!("{name}`")).collect();
        let all: Vec<String> = [format!("{ID} BIGINT NOT NULL")]
            .into_iter()
            .chain(definitions.clone())
            .chain(keys.iter().cloned())
            .collect();
        let rows: Vec<String> = rows
            .iter()
            .enumerate()
            .map(|(id, row)| format!("({id}, {row})"))
            .collect();
        let insert = |rows: &[String]| {
            format!(
                "INSERT INTO {path} ({ID}, {}) VALUES {}",
                columns.join(", "),
                rows.join(", ")
            )
        };
        Self {
            create: format!("CREATE TABLE {path} ({})", all.join(", ")),
            inserts: rows.chunks(per_insert).map(insert).collect(),
            name,
        }
    }
}

/// What information_schema says of the columns, and the indexes of those that the log gives as the key.
pub async fn listed(scenario: &mut Scenario, table: &TableName) -> (Vec<ListedColumn>, Vec<usize>) {
    let is_of_it = format!(
        "table_schema = {} AND table_name = {}",
        text(&table.database),
        text(&table.table)
    );
    type Row = (String, String, Option<u64>, Option<String>, String, String);
    let sql = format!(
        "SELECT column_name, column_type, character_octet_length, character_set_name, is_nullable, extra \
         FROM information_schema.columns WHERE {is_of_it} ORDER BY ordinal_position"
    );
    let rows: Vec<Row> = scenario.query(&sql).await;
    let columns: Vec<ListedColumn> = rows
        .into_iter()
        .map(
            |(name, column_type, octets, charset, nullable, extra)| ListedColumn {
                name,
                column_type,
                octets,
                charset,
                nullable: nullable == "YES",
                visible: !extra
                    .split_ascii_whitespace()
                    .any(|word| word == "INVISIBLE"),
            },
        )
        .collect();
    // In the server's own order: the primary key, then UNIQUE ones.
    let sql = format!(
        "SELECT index_name, column_name FROM information_schema.statistics \
         WHERE {is_of_it} AND non_unique = 0 ORDER BY index_name <> 'PRIMARY', seq_in_index"
    );
    let parts: Vec<(String, String)> = scenario.query(&sql).await;
    let index = parts.first().map(|(index, _)| index.clone());
    let index = if parts.iter().any(|(index, _)| index == "second") {
        Some("second".to_owned())
    } else {
        index
    };
    let key = parts
        .iter()
        .filter(|(name, _)| Some(name) == index.as_ref())
        .map(|(_, column)| {
            let found = columns.iter().position(|it| it.name == *column);
            found.expect("a column of the table")
        })
        .collect();
    (columns, key)
}
