//! Tables of random shape: columns of any types in any order, with defaults, invisible and generated ones,
//! keys of any shape, names that have to be quoted.

use std::collections::HashMap;

use fastrand::Rng;

use super::schema::{ID, path, quote};
use crate::golden::{
    columns::{Type, families},
    compare::Compare,
};

pub const DATABASES: [&str; 2] = ["golden", "g\"o.l`d é"];

/// Odd parts of names; MySQL's names end where the basic plane does.
const ODD: [&str; 12] = [
    "",
    " c",
    "`\"\\",
    "é.日本",
    "'",
    "☃❤",
    "\n",
    "{}",
    ":/",
    "\t",
    "--",
    "%s",
];

/// Every type, by family, so that one with many types is not drawn more often.
pub struct Catalogue(Vec<Vec<Type>>);

/// A type's place in the catalogue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    family: usize,
    at: usize,
}

/// Where the values of a column come from; one without any is left to the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    Type(Place),
    /// The ids of another table.
    Parent(usize),
}

/// FLOAT and DOUBLE with digits: the server rounds what a statement writes and not what it copies from
/// another column, so that the value of a line cannot be written again.
fn is_rounded(sql: &str) -> bool {
    let sql = sql.to_ascii_uppercase();
    (sql.starts_with("FLOAT(") || sql.starts_with("DOUBLE(")) && sql.contains(',')
}

impl Catalogue {
    pub fn new() -> Self {
        let kept = |types: Vec<Type>| {
            types
                .into_iter()
                .filter(|it| !is_rounded(&it.sql))
                .collect()
        };
        Self(
            families()
                .into_iter()
                .map(|(_, types)| kept(types))
                .collect(),
        )
    }

    /// The same, but PostgreSQL has no NUL in a text, so values have none.
    pub fn without_nul() -> Self {
        let Self(families) = Self::new();
        let kept = |types: Vec<Type>| types.into_iter().map(without_nul).collect();
        Self(families.into_iter().map(kept).collect())
    }

    pub fn any(&self, rng: &mut Rng) -> Place {
        let family = rng.usize(..self.0.len());
        let at = rng.usize(..self.0[family].len());
        Place { family, at }
    }

    /// Another type of the same family, which the server can nearly always convert to.
    pub fn sibling(&self, place: Place, rng: &mut Rng) -> Place {
        let at = rng.usize(..self.0[place.family].len());
        Place { at, ..place }
    }

    pub fn get(&self, place: Place) -> &Type {
        &self.0[place.family][place.at]
    }
}

fn without_nul(mut column: Type) -> Type {
    if !matches!(column.compare, Compare::Text | Compare::Json) {
        return column;
    }
    column.edges.retain(|value| !has_nul(value));
    let random = column.random;
    column.random = Box::new(move |rng| {
        loop {
            let value = random(rng);
            if !has_nul(&value) {
                return value;
            }
        }
    });
    column
}

/// In a text that is written in hexadecimal digits, itself or as JSON writes it.
fn has_nul(value: &str) -> bool {
    let digits = value.split_once("x'").map_or("", |(_, digits)| digits);
    let (pairs, _) = digits.as_bytes().as_chunks::<2>();
    let text: Vec<&[u8; 2]> = pairs
        .iter()
        .take_while(|pair| !pair.contains(&b'\''))
        .collect();
    // `\u0000`
    let escaped = [b"5c", b"75", b"30", b"30", b"30", b"30"];
    text.contains(&b"00") || text.windows(6).any(|six| six == escaped)
}

/// What makes a table special.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Special {
    None,
    Partitioned,
    /// Up to this many columns.
    Wide(usize),
    /// A parent of the table made next, or the child of another.
    Parent,
    Child(usize),
}

/// What is asked of a table to be made.
pub struct Request<'a> {
    pub number: u64,
    pub special: Special,
    /// The path of the table whose child it is.
    pub parent: Option<&'a str>,
    pub columns_max: usize,
    /// Whether lines must find a row without holding all of its columns.
    pub needs_id_in_key: bool,
}

/// A table to be made.
pub struct Shape {
    pub database: &'static str,
    pub name: String,
    pub sql: String,
    pub sources: HashMap<String, Source>,
}

pub fn odd(rng: &mut Rng) -> &'static str {
    ODD[rng.usize(..ODD.len())]
}

/// `name TYPE NULL DEFAULT …`
pub fn definition(
    catalogue: &Catalogue,
    name: &str,
    place: Place,
    is_nullable: bool,
    rng: &mut Rng,
) -> String {
    let column = catalogue.get(place);
    let null = if is_nullable { "NULL" } else { "NOT NULL" };
    let default = match rng.u8(..5) {
        0 => format!(" DEFAULT ({})", column.value(rng)),
        1 if is_nullable => " DEFAULT NULL".into(),
        _ => String::new(),
    };
    let invisible = if rng.u8(..12) == 0 { " INVISIBLE" } else { "" };
    format!("{} {} {null}{default}{invisible}", quote(name), column.sql)
}

/// A column that the server computes; from the id, so that nothing else is in its way.
pub fn generated(name: &str, rng: &mut Rng) -> String {
    let expressions = [
        "BIGINT AS (id DIV 3)",
        "VARCHAR(40) CHARACTER SET utf8mb4 AS (CONCAT('ü', id))",
        "DECIMAL(24,2) AS (id / 7)",
        "VARBINARY(40) AS (UNHEX(SHA2(id, 256)))",
        "CHAR(30) CHARACTER SET utf16 AS (HEX(id))",
        "DOUBLE AS (id / 3e0)",
        "JSON AS (JSON_OBJECT('id', id, 'k', JSON_ARRAY(id % 7 = 0)))",
        "TIME(3) AS (SEC_TO_TIME(id % 3000000))",
    ];
    let stored = ["VIRTUAL", "STORED"][rng.usize(..2)];
    let expression = expressions[rng.usize(..expressions.len())];
    format!("{} {expression} {stored}", quote(name))
}

impl Shape {
    /// A table called `t<number>` and something odd.
    pub fn random(catalogue: &Catalogue, rng: &mut Rng, request: &Request<'_>) -> Self {
        let Request {
            number,
            special,
            parent,
            columns_max,
            needs_id_in_key,
        } = *request;
        let database = DATABASES[usize::from(rng.u8(..4) == 0)];
        let name = format!("t{number}{}", odd(rng).trim_end());
        if let Special::Wide(columns) = special {
            return Self::wide(database, name, columns, rng);
        }
        let mut sources = HashMap::new();
        let mut columns = Vec::new();
        let mut keyed = None;
        for at in 0..rng.usize(1..=columns_max) {
            let place = catalogue.any(rng);
            let column = catalogue.get(place);
            let name = format!("{at}{}", odd(rng)).trim_end().to_owned();
            let is_nullable = !column.has_default || rng.bool();
            columns.push(definition(catalogue, &name, place, is_nullable, rng));
            if let (false, Some(prefix), None) = (is_nullable, column.key, &keyed) {
                keyed = Some(format!("{}{prefix}", quote(&name)));
            }
            sources.insert(name, Source::Type(place));
        }
        if rng.u8(..6) == 0 {
            columns.push(
                "`at` TIMESTAMP(6) NULL DEFAULT CURRENT_TIMESTAMP(6) ON UPDATE CURRENT_TIMESTAMP(6)"
                    .into(),
            );
        }
        for at in 0..rng.usize(..3) {
            columns.push(generated(&format!("made {at}"), rng));
        }
        columns.push(format!("{ID} BIGINT NOT NULL"));
        rng.shuffle(&mut columns);
        if let Special::Child(of) = special {
            columns.push("parent BIGINT NULL".into());
            sources.insert("parent".into(), Source::Parent(of));
        }

        let key = match (special, rng.u8(..12), &keyed) {
            (Special::Parent | Special::Child(_), ..) => format!("PRIMARY KEY ({ID})"),
            (Special::None, 0..=2, _) if !needs_id_in_key => String::new(),
            (_, 3 | 4, Some(keyed)) => format!("PRIMARY KEY ({keyed}, {ID})"),
            (_, 5 | 6, Some(keyed)) => format!("PRIMARY KEY ({ID}, {keyed})"),
            (Special::None, 7 | 8, Some(keyed)) if !needs_id_in_key => {
                format!("PRIMARY KEY ({keyed})")
            }
            (_, 9, Some(keyed)) => format!("PRIMARY KEY ({ID}), KEY ({keyed})"),
            (Special::None, 10, Some(keyed)) if !needs_id_in_key => {
                format!("PRIMARY KEY ({ID}), UNIQUE KEY ({keyed})")
            }
            _ => format!("PRIMARY KEY ({ID})"),
        };
        columns.extend(Some(key).filter(|key| !key.is_empty()));
        if let Some(parent) = parent {
            let action = |rng: &mut Rng| ["CASCADE", "SET NULL"][rng.usize(..2)];
            columns.push(format!(
                "FOREIGN KEY (parent) REFERENCES {parent} ({ID}) ON DELETE {} ON UPDATE {}",
                action(rng),
                action(rng)
            ));
        }
        let partitions = match special {
            Special::Partitioned => format!(
                " PARTITION BY RANGE ({ID}) (PARTITION p0 VALUES LESS THAN ({}), PARTITION p1 VALUES LESS THAN MAXVALUE)",
                rng.u32(..2000)
            ),
            _ => String::new(),
        };
        let sql = format!(
            "CREATE TABLE {} ({}){partitions}",
            path(database, &name),
            columns.join(", ")
        );
        Self {
            database,
            name,
            sql,
            sources,
        }
    }

    /// Only MyISAM takes more than 1,017 columns.
    fn wide(database: &'static str, name: String, columns: usize, rng: &mut Rng) -> Self {
        let types = ["TINYINT", "BIT(3)", "YEAR", "CHAR(1) CHARACTER SET latin1"];
        let column = |at: usize, rng: &mut Rng| {
            let null = ["NULL", "NOT NULL"][rng.usize(..2)];
            let default = if rng.bool() { " DEFAULT 1" } else { "" };
            format!("c{at} {} {null}{default}", types[rng.usize(..types.len())])
        };
        let definitions: Vec<String> = (1..columns).map(|at| column(at, rng)).collect();
        let engine = if columns > 1000 { "MyISAM" } else { "InnoDB" };
        let sql = format!(
            "CREATE TABLE {} ({ID} BIGINT PRIMARY KEY, {}) ENGINE = {engine}",
            path(database, &name),
            definitions.join(", ")
        );
        Self {
            database,
            name,
            sql,
            sources: HashMap::new(),
        }
    }
}
