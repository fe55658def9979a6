//! `[native]`: which fields the native event carries, which constants, and how often heartbeats.

use std::time::Duration;

use serde::Deserialize;

use crate::{
    encode::shape::ShapePlan,
    options::{Error, choice, duration_secs, read_choice},
};

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NativeOptions {
    fields: Vec<String>,
    constants: Vec<String>,
    #[serde(deserialize_with = "read_choice")]
    json: Documents,
    heartbeat_secs: u64,
}

/// What the native event carries beside `type` and `data`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NativePlan {
    pub fields: Vec<NativeField>,
    /// Name and text.
    pub constants: Vec<(String, String)>,
    pub documents: Documents,
    /// How often a lane at rest says up to where it is complete.
    pub heartbeat: Option<Duration>,
}

/// A field that the event may go without.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NativeField {
    Database,
    Table,
    TsUs,
    Id,
    Seq,
    Gtid,
    Position,
    Run,
    Query,
    Key,
    Old,
    Last,
}

impl NativeField {
    /// In the order of the event.
    pub const ALL: [Self; 12] = [
        Self::Database,
        Self::Table,
        Self::TsUs,
        Self::Id,
        Self::Seq,
        Self::Gtid,
        Self::Position,
        Self::Run,
        Self::Query,
        Self::Key,
        Self::Old,
        Self::Last,
    ];

    /// Those that are carried unless the settings say otherwise.
    pub fn usual() -> Vec<Self> {
        let usual = Self::ALL.into_iter();
        usual.filter(|field| *field != Self::Query).collect()
    }

    pub fn name(self) -> &'static str {
        match self {
            Self::Database => "database",
            Self::Table => "table",
            Self::TsUs => "ts_us",
            Self::Id => "id",
            Self::Seq => "seq",
            Self::Gtid => "gtid",
            Self::Position => "position",
            Self::Run => "run",
            Self::Query => "query",
            Self::Key => "key",
            Self::Old => "old",
            Self::Last => "last",
        }
    }
}

/// How the native event shows the value of a JSON column.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Documents {
    #[default]
    Inline,
    /// As a string that holds the document's text: the document `null` is not SQL's NULL there.
    String,
}

/// Names of the event's other fields, in rows, statements, ends of snapshots and heartbeats.
const ALWAYS: [&str; 2] = ["type", "data"];
const OF_STATEMENTS: [&str; 5] = [
    "statement",
    "default_database",
    "sql_mode",
    "charset",
    "tables",
];

const FIELDS: &str = "native.fields";
const HEARTBEAT: &str = "native.heartbeat_secs";
const OF_HEARTBEATS: [&str; 2] = ["lane", "lanes"];
const OF_SNAPSHOTS: [&str; 1] = ["rows"];

const CONSTANTS_MAX: usize = 32;
const CONSTANT_BYTES_MAX: usize = 1024;

impl NativeOptions {
    pub fn plan(&self) -> Result<NativePlan, Error> {
        let mut fields = Vec::with_capacity(self.fields.len());
        for name in &self.fields {
            if ALWAYS.contains(&name.as_str()) {
                return Err(Error::new(
                    FIELDS,
                    format!("\"{name}\" is no choice: it is always written"),
                    "remove it from the list",
                ));
            }
            fields.push(choice(FIELDS, name)?);
        }
        Ok(NativePlan {
            fields,
            constants: constants(&self.constants)?,
            documents: self.json,
            heartbeat: match duration_secs(HEARTBEAT, self.heartbeat_secs, 0..=3600)? {
                Duration::ZERO => None,
                every => Some(every),
            },
        })
    }
}

impl NativePlan {
    /// The event carries the statement that changed the row.
    pub fn shows_query(&self) -> bool {
        self.fields.contains(&NativeField::Query)
    }

    /// The statement's text has all its values.
    pub fn ensure_query_shows_nothing_hidden(&self, shape: &ShapePlan) -> Result<(), Error> {
        if self.shows_query() && !shape.keeps_everything() {
            return Err(Error::new(
                FIELDS,
                "\"query\" would show what [mask] and columns.include hide",
                "remove it from the list, or write and mask no column",
            ));
        }
        Ok(())
    }

    /// What is allowed but seldom meant.
    pub fn warning(&self) -> Option<&'static str> {
        let lacks_order = [NativeField::Id, NativeField::Seq]
            .iter()
            .any(|field| !self.fields.contains(field));
        lacks_order.then_some(
            "native.fields lacks \"id\" or \"seq\": after a restart consumers cannot tell a line that comes \
             again from a new change",
        )
    }
}

impl Default for NativePlan {
    fn default() -> Self {
        Self {
            fields: NativeField::usual(),
            constants: Vec::new(),
            documents: Documents::Inline,
            heartbeat: None,
        }
    }
}

fn constants(settings: &[String]) -> Result<Vec<(String, String)>, Error> {
    let wrong =
        |problem: String, remedy: &str| Err(Error::new("native.constants", problem, remedy));
    if settings.len() > CONSTANTS_MAX {
        return wrong(
            format!("has {} constants", settings.len()),
            "write 32 at most",
        );
    }
    let mut constants: Vec<(String, String)> = Vec::with_capacity(settings.len());
    for constant in settings {
        let Some((name, value)) = constant
            .split_once('=')
            .filter(|(name, _)| !name.is_empty())
        else {
            return wrong(
                format!("\"{constant}\" has no name before a \"=\""),
                "write NAME=VALUE, as \"env=prod\"",
            );
        };
        if constant.len() > CONSTANT_BYTES_MAX {
            return wrong(
                format!("\"{name}\" has {} bytes", constant.len()),
                "write 1024 bytes at most: they stand in every event",
            );
        }
        let is_field = NativeField::ALL.iter().any(|field| field.name() == name)
            || ALWAYS.contains(&name)
            || OF_STATEMENTS.contains(&name)
            || OF_HEARTBEATS.contains(&name)
            || OF_SNAPSHOTS.contains(&name);
        if is_field {
            return wrong(
                format!("\"{name}\" is a field of the event"),
                "choose another name",
            );
        }
        if constants.iter().any(|(taken, _)| taken == name) {
            return wrong(format!("\"{name}\" stands there twice"), "remove one");
        }
        constants.push((name.to_owned(), value.to_owned()));
    }
    Ok(constants)
}
