//! The raw settings tree: embedded defaults, then texts (HEADWATER_CONFIG, each -c), the environment, `--set`.
//!
//! `config/default.toml` is the reference and the schema at once: a key that does not stand there is
//! unknown, and its default's type is the type that every layer must give. Each value remembers where it
//! came from, so that a complaint can say so. All problems of all layers are reported together.
//! A password never reaches an error or a printout. Not here: the options of a component, which it has itself and
//! [`Loaded::read`] reads; whether values fit together (`plan`).

mod document;
mod layers;
mod print;
mod routes;
mod runs;
mod schema;
mod units;

use std::{
    collections::HashMap,
    ffi::{OsStr, OsString},
};

use config::{Config, ConfigError, Map, Source, Value, ValueKind};
use serde::Deserialize;

use document::Unreadable;
pub use document::{Document, is_stdin};
use layers::Layer;
pub use routes::Route;
pub use runs::Run;
use schema::Schema;

use crate::options;

/// The reference: every key with its default and comment.
pub const DEFAULT_TOML: &str = include_str!("../../config/default.toml");

/// The keys that only the environment may set, and the key beside each that names a file instead.
const SECRETS: [(&str, &str); 4] = [
    (
        "checkpoint.mysql.password",
        "checkpoint.mysql.password_file",
    ),
    ("source.password", "source.password_file"),
    ("mask.hash_salt", "mask.hash_salt_file"),
    ("warehouse.password", "warehouse.password_file"),
];

/// Where settings come from, beside the defaults.
#[derive(Debug, Default)]
pub struct Layers<'a> {
    /// In order.
    pub documents: Vec<Document>,
    /// All variables of the process; those that begin with `HEADWATER__` count.
    pub environment: Vec<(OsString, OsString)>,
    /// `key=value`, in order.
    pub sets: &'a [String],
}

/// Settings with the origin of each.
pub struct Loaded {
    schema: Schema,
    /// All layers.
    merged: Config,
    /// The same by full key, with origins.
    values: HashMap<String, Value>,
    /// In their text's order.
    pub routes: Vec<Route>,
    /// Of `[[snapshot.runs]]`, likewise.
    pub runs: Vec<Run>,
    /// Some layer is a text.
    pub has_documents: bool,
}

/// As TOML: secrets hidden.
impl std::fmt::Debug for Loaded {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(&self.to_toml())
    }
}

/// One thing that is wrong with a layer.
#[derive(Debug, thiserror::Error)]
pub enum Problem {
    #[error("settings, {name}: cannot be read: {error}")]
    Document { name: String, error: Unreadable },
    #[error("settings, {origin}: not TOML: {message}")]
    Syntax { origin: String, message: String },
    #[error("unknown key `{key}` ({origin}); {suggestion}")]
    Unknown {
        key: String,
        origin: String,
        suggestion: String,
    },
    #[error("key `{key}` ({origin}): found {found}, expected {expected}")]
    WrongType {
        key: String,
        origin: String,
        found: String,
        expected: String,
    },
    #[error("key `routes` ({origin}) is taken from a settings file only; write [[routes]] there")]
    RoutesElsewhere { origin: String },
    #[error(
        "key `routes` ({origin}): there are routes of {first} already; keep all of them in one place, for the first route of a table counts"
    )]
    RoutesTwice { origin: String, first: String },
    #[error(
        "key `snapshot.runs` ({origin}) is taken from a settings file only; write [[snapshot.runs]] there"
    )]
    RunsElsewhere { origin: String },
    #[error(
        "key `snapshot.runs` ({origin}): there are runs of {first} already; keep all of them in one place"
    )]
    RunsTwice { origin: String, first: String },
    #[error(
        "`{key}` ({origin}) is missing; a run has name, tables, and where if not all rows are meant"
    )]
    RunLacks { key: String, origin: String },
    #[error("route `{key}` ({origin}) is missing; say which tables it is for, as [\"db.*\"]")]
    RouteWithoutTables { key: String, origin: String },
    #[error(
        "key `{key}` ({origin}) is the same for all tables; set it at the top level. A route has tables, {names}",
        names = routes::names()
    )]
    NotRoutable { key: String, origin: String },
    #[error(
        "key `{key}` ({origin}) is taken from the environment only; set {}, or {key}_file",
        layers::variable_of(.key)
    )]
    Secret { key: String, origin: String },
    #[error("--set wants key=value, found no \"=\" after \"{key}\"")]
    NotPair { key: String },
    #[error("settings: {0}")]
    Merge(ConfigError),
}

/// Everything that is wrong, one problem a line.
#[derive(Debug, thiserror::Error)]
#[error("{}", self.problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))]
pub struct Error {
    pub problems: Vec<Problem>,
}

impl Layers<'_> {
    /// With the variables of this process.
    pub fn of_process() -> Self {
        Self {
            documents: Document::of_environment().into_iter().collect(),
            environment: std::env::vars_os().collect(),
            ..Self::default()
        }
    }

    /// Checks and merges all layers.
    pub fn load(self) -> Result<Loaded, Error> {
        let (schema, defaults) = Schema::of_defaults();
        let mut problems = Vec::new();
        let mut merged = vec![defaults];
        let mut routes: Vec<Route> = Vec::new();
        let mut runs: Vec<Run> = Vec::new();
        let has_documents = !self.documents.is_empty();
        for document in self.documents {
            let found = layers::document(document, &schema, &mut problems);
            merged.push(found.layer);
            if let (Some(first), Some(second)) = (routes.first(), found.routes.first()) {
                problems.push(Problem::RoutesTwice {
                    origin: second.origin(),
                    first: first.origin(),
                });
            }
            routes.extend(found.routes);
            if let (Some(first), Some(second)) = (runs.first(), found.runs.first()) {
                problems.push(Problem::RunsTwice {
                    origin: second.origin(),
                    first: first.origin(),
                });
            }
            runs.extend(found.runs);
        }
        merged.push(layers::environment(
            &self.environment,
            &schema,
            &mut problems,
        ));
        merged.push(layers::sets(self.sets, &schema, &mut problems));
        if !problems.is_empty() {
            return Err(Error { problems });
        }
        let (merged, values) = merge(merged).map_err(|error| Error {
            problems: vec![Problem::Merge(error)],
        })?;
        Ok(Loaded {
            schema,
            merged,
            values,
            routes,
            runs,
            has_documents,
        })
    }
}

fn merge(layers: Vec<Layer>) -> Result<(Config, HashMap<String, Value>), ConfigError> {
    let builder = layers
        .into_iter()
        .fold(Config::builder(), |builder, layer| {
            builder.add_source(layer)
        });
    let merged = builder.build()?;
    let mut values = HashMap::new();
    flatten("", merged.collect()?, &mut values);
    Ok((merged, values))
}

fn flatten(prefix: &str, table: Map<String, Value>, values: &mut HashMap<String, Value>) {
    for (name, value) in table {
        let key = join(prefix, &name);
        match value.kind {
            ValueKind::Table(table) => flatten(&key, table, values),
            _ => {
                values.insert(key, value);
            }
        }
    }
}

/// Values have their types when they are merged, so what is refused is a choice, or the reference lacks a key.
fn refused(error: ConfigError) -> options::Error {
    let (key, message) = match error {
        ConfigError::At { key, error, .. } => (key, error.to_string()),
        ConfigError::NotFound(key) => (Some(key), "is missing".to_owned()),
        ConfigError::Type {
            key,
            unexpected,
            expected,
            ..
        } => (key, format!("found {unexpected}, expected {expected}")),
        other => (None, other.to_string()),
    };
    options::Error {
        key: key.unwrap_or_default(),
        message,
    }
}

fn is_secret(key: &str) -> bool {
    SECRETS.iter().any(|(secret, _)| *secret == key)
}

fn join(prefix: &str, name: &str) -> String {
    if prefix.is_empty() {
        return name.to_owned();
    }
    format!("{prefix}.{name}")
}

impl Loaded {
    /// The top level as the types that components have for their options.
    pub fn read<'a, T: Deserialize<'a>>(&self) -> Result<T, options::Error> {
        self.merged.clone().try_deserialize().map_err(refused)
    }

    /// The same for the tables of a route: what it sets, over the top level.
    pub fn read_route<'a, T: Deserialize<'a>>(&self, route: &Route) -> Result<T, options::Error> {
        Config::builder()
            .add_source(self.merged.clone())
            .add_source(route.values.clone())
            .build()
            .and_then(Config::try_deserialize)
            .map_err(refused)
    }

    /// Where a key's value came from, of a route's or a run's too; `None` for the default and for no such key.
    pub fn origin(&self, key: &str) -> Option<&str> {
        if let Some((number, key)) = runs::split(key) {
            return self.runs.get(number)?.get(key)?.origin();
        }
        let of_route = routes::split(key).and_then(|(number, key)| {
            let route = self.routes.get(number)?;
            Some((key, route.get(key)))
        });
        match of_route {
            Some((_, Some(value))) => value.origin(),
            // What a route does not set comes from the top level.
            Some((key, None)) => self.origin(key),
            None => self.values.get(key).and_then(Value::origin),
        }
    }

    /// The effective settings as TOML, with origins; secrets hidden.
    pub fn to_toml(&self) -> String {
        print::effective(self)
    }
}

fn is_ours(variable: &OsStr) -> bool {
    variable
        .as_encoded_bytes()
        .starts_with(layers::ENVIRONMENT_PREFIX.as_bytes())
}

#[cfg(test)]
mod tests;
