//! `[native]`: how the native event is laid out, which fields it carries, which constants, and which lines there
//! are beside rows.

use std::time::Duration;

use serde::Deserialize;

use super::names::{self, LineLayout};
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
    #[serde(deserialize_with = "read_choice")]
    layout: LineLayout,
    prefix: String,
    #[serde(deserialize_with = "read_choice")]
    statements: Statements,
    heartbeat_secs: u64,
}

/// What the native event carries beside `type` and `data`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NativePlan {
    pub fields: Vec<NativeField>,
    /// Name and text.
    pub constants: Vec<(String, String)>,
    pub documents: Documents,
    pub layout: LineLayout,
    /// Of the event's own fields in flat lines.
    pub prefix: String,
    pub statements: Statements,
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

/// What becomes of DDL, TRUNCATE and the ends of snapshots.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Statements {
    /// Lines in their place among the rows.
    #[default]
    InPlace,
    /// No lines: the stream has rows only.
    None,
}

/// Fields that no list can leave out.
const ALWAYS: [&str; 2] = ["type", "data"];
const ALWAYS_FLAT: &str = "deleted";

const FIELDS: &str = "native.fields";
const CONSTANTS: &str = "native.constants";
const PREFIX: &str = "native.prefix";
const STATEMENTS: &str = "native.statements";
const HEARTBEAT: &str = "native.heartbeat_secs";

const PREFIX_BYTES_MAX: usize = 32;
const CONSTANTS_MAX: usize = 32;
const CONSTANT_BYTES_MAX: usize = 1024;

impl NativeOptions {
    pub fn plan(&self) -> Result<NativePlan, Error> {
        let mut fields = Vec::with_capacity(self.fields.len());
        for name in &self.fields {
            let is_flat = self.layout == LineLayout::Flat;
            if ALWAYS.contains(&name.as_str()) || (is_flat && name == ALWAYS_FLAT) {
                return Err(Error::new(
                    FIELDS,
                    format!("\"{name}\" is no choice: it is always written"),
                    "remove it from the list",
                ));
            }
            fields.push(choice(FIELDS, name)?);
        }
        ensure_prefix(&self.prefix).map_err(|problem| {
            Error::new(
                PREFIX,
                problem,
                "write 1 to 32 lower-case letters, digits and \"_\", no digit first, as \"_\" or \"hw_\"",
            )
        })?;
        let heartbeat = duration_secs(HEARTBEAT, self.heartbeat_secs, 0..=3600)?;
        let heartbeat = Some(heartbeat).filter(|every| !every.is_zero());
        if self.statements == Statements::None && heartbeat.is_some() {
            return Err(Error::new(
                STATEMENTS,
                format!(
                    "\"none\" leaves rows only, and {HEARTBEAT} = {} asks for heartbeats",
                    self.heartbeat_secs
                ),
                format!("set {HEARTBEAT} = 0, or {STATEMENTS} = \"in_place\""),
            ));
        }
        Ok(NativePlan {
            fields,
            constants: self.constants()?,
            documents: self.json,
            layout: self.layout,
            prefix: self.prefix.clone(),
            statements: self.statements,
            heartbeat,
        })
    }

    fn constants(&self) -> Result<Vec<(String, String)>, Error> {
        let settings = &self.constants;
        let wrong = |problem: String, remedy: &str| Err(Error::new(CONSTANTS, problem, remedy));
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
            if names::is_field(name, self.layout) {
                return wrong(
                    format!("\"{name}\" is a field of the event"),
                    "choose another name",
                );
            }
            if self.layout == LineLayout::Nested && name.strip_prefix(&self.prefix) == Some("type")
            {
                return wrong(
                    format!("\"{name}\" is the field that flat lines are told by"),
                    "choose another name, or another native.prefix",
                );
            }
            let is_same = |taken: &str| match self.layout {
                LineLayout::Nested => taken == name,
                LineLayout::Flat => taken.to_lowercase() == name.to_lowercase(),
            };
            if constants.iter().any(|(taken, _)| is_same(taken)) {
                return wrong(format!("\"{name}\" stands there twice"), "remove one");
            }
            constants.push((name.to_owned(), value.to_owned()));
        }
        Ok(constants)
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

    /// Whether a column may not have this name: it could be a field's.
    pub fn refuses_column(&self, name: &str) -> bool {
        self.layout == LineLayout::Flat && names::begins_with(name, &self.prefix)
    }

    /// What is allowed but seldom meant.
    pub fn warnings(&self) -> Vec<&'static str> {
        let lacks_order = [NativeField::Id, NativeField::Seq]
            .iter()
            .any(|field| !self.fields.contains(field));
        let lacks_order = lacks_order.then_some(
            "native.fields lacks \"id\" or \"seq\": after a restart consumers cannot tell a line that comes \
             again from a new change",
        );
        let lacks_statements = (self.statements == Statements::None).then_some(
            "native.statements = \"none\": no line tells consumers of a TRUNCATE or a DROP TABLE, so rows that it \
             removes stay with them; nor of an ALTER TABLE, nor of a snapshot's end",
        );
        [lacks_order, lacks_statements]
            .into_iter()
            .flatten()
            .collect()
    }
}

impl Default for NativePlan {
    fn default() -> Self {
        Self {
            fields: NativeField::usual(),
            constants: Vec::new(),
            documents: Documents::Inline,
            layout: LineLayout::Nested,
            prefix: "_".to_owned(),
            statements: Statements::InPlace,
            heartbeat: None,
        }
    }
}

/// Of a prefix that tables in Redshift and Athena can have in their columns' names as it is: both fold names to
/// lower case.
///
/// # Errors
/// What is wrong with it.
pub fn ensure_prefix(prefix: &str) -> Result<(), String> {
    let is_allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
    if prefix.is_empty() {
        return Err(
            "is empty, and the event's own fields would be named as columns are".to_owned(),
        );
    }
    if prefix.len() > PREFIX_BYTES_MAX {
        return Err(format!("has {} bytes", prefix.len()));
    }
    if !prefix.bytes().all(is_allowed) || prefix.starts_with(|first: char| first.is_ascii_digit()) {
        return Err(format!(
            "\"{prefix}\" is no front of a column's name in every warehouse"
        ));
    }
    Ok(())
}
