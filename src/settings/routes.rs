//! `[[routes]]` of a settings file: keys of the top level that a set of tables has otherwise.
//!
//! A route's key is written as at the top level and has its type; what a route does not set is as there. Only what
//! concerns one table's way out can be routed. Routes stand in the file only: their order matters, and an environment
//! cannot say it well.

use config::{Value, ValueKind};
use toml::de::{DeTable, DeValue};

use super::{
    Problem, join,
    layers::{Layer, Walk, found, tables_of},
    schema::{Kind, Schema},
};
use crate::sinks;

/// Sections that a route may set, beside the sink's target.
const ROUTABLE: [&str; 3] = ["format.", "packing.", "ordering."];

/// Keys, or beginnings of keys, that a route may set.
fn routable() -> impl Iterator<Item = &'static str> {
    sinks::targets().map(|target| target.key).chain(ROUTABLE)
}

/// One route as the file has it.
#[derive(Debug, Clone)]
pub struct Route {
    pub(super) tables: Value,
    /// By the key of the top level.
    pub(super) values: Layer,
}

impl Route {
    /// Which tables it is for, as it has them.
    pub fn tables(&self) -> Vec<String> {
        match &self.tables.kind {
            ValueKind::Array(patterns) => patterns.iter().map(ToString::to_string).collect(),
            _ => Vec::new(),
        }
    }

    /// What the route itself has for a key of the top level.
    pub fn text(&self, key: &str) -> Option<String> {
        self.values.0.get(key).map(ToString::to_string)
    }

    pub(super) fn origin(&self) -> String {
        self.tables.origin().unwrap_or_default().to_owned()
    }

    pub(super) fn get(&self, key: &str) -> Option<&Value> {
        match key {
            "tables" => Some(&self.tables),
            key => self.values.0.get(key),
        }
    }
}

/// The number and the key in `routes[number].key`.
pub(super) fn split(key: &str) -> Option<(usize, &str)> {
    let (number, key) = key.strip_prefix("routes[")?.split_once("].")?;
    Some((number.parse().ok()?, key))
}

fn is_routable(key: &str) -> bool {
    routable().any(|allowed| key == allowed || (allowed.ends_with('.') && key.starts_with(allowed)))
}

/// Some key below it can be routed.
fn leads_to_routable(section: &str) -> bool {
    let section = format!("{section}.");
    routable().any(|allowed| allowed.starts_with(&section) || section.starts_with(allowed))
}

impl Walk<'_> {
    pub(super) fn routes(&mut self, value: &DeValue<'_>, origin: String) {
        let Some(tables) = tables_of(value) else {
            return self.problems.push(Problem::WrongType {
                key: "routes".to_owned(),
                origin,
                found: found(value),
                expected: "[[routes]] sections".to_owned(),
            });
        };
        for (number, (start, table)) in tables.into_iter().enumerate() {
            let mut route = Layer::default();
            self.route(number, "", table, &mut route);
            match route.0.remove("tables") {
                Some(tables) => self.routes.push(Route {
                    tables,
                    values: route,
                }),
                None => {
                    let origin = self.origin(start);
                    let key = format!("routes[{number}].tables");
                    // A key of that name in the wrong type was told already.
                    if !table.iter().any(|(name, _)| name.get_ref() == "tables") {
                        self.problems
                            .push(Problem::RouteWithoutTables { key, origin });
                    }
                }
            }
        }
    }

    fn route(&mut self, number: usize, prefix: &str, table: &DeTable<'_>, route: &mut Layer) {
        for (name, value) in table {
            let key = join(prefix, name.get_ref());
            let full = format!("routes[{number}].{key}");
            let origin = self.origin(name.span().start);
            let kind = match key.as_str() {
                "tables" => Some(Kind::List),
                _ if name.get_ref().contains('.') => None,
                key => self.schema.kind(key),
            };
            match (value.get_ref(), kind) {
                (_, Some(_)) if key != "tables" && !is_routable(&key) => {
                    self.problems
                        .push(Problem::NotRoutable { key: full, origin });
                }
                (value, Some(kind)) => {
                    if let Some(value) = self.converted(full, value, kind, origin) {
                        route.insert(&key, value);
                    }
                }
                (DeValue::Table(inner), None) if leads_to_routable(&key) => {
                    self.route(number, &key, inner, route);
                }
                (_, None) if self.schema.is_section(&key) && !leads_to_routable(&key) => {
                    self.problems
                        .push(Problem::NotRoutable { key: full, origin });
                }
                (value, None) if self.schema.is_section(&key) => {
                    self.problems.push(Problem::WrongType {
                        found: found(value),
                        expected: "a section of keys".to_owned(),
                        key: full,
                        origin,
                    });
                }
                _ => {
                    let suggestion = suggestion(self.schema, number, &key);
                    self.problems.push(Problem::Unknown {
                        key: full,
                        origin,
                        suggestion,
                    });
                }
            }
        }
    }
}

fn suggestion(schema: &Schema, number: usize, key: &str) -> String {
    let spelled = |key: &str| format!("routes[{number}].{key}");
    if strsim::damerau_levenshtein(key, "tables") <= 2 {
        return format!("did you mean `{}`?", spelled("tables"));
    }
    match schema.nearest(key) {
        Some(near) if is_routable(near) || leads_to_routable(near) => {
            format!("did you mean `{}`?", spelled(near))
        }
        _ => format!("a route has tables, {}", names()),
    }
}

/// What a route may set, for messages.
pub(super) fn names() -> String {
    let names: Vec<String> = routable()
        .map(|allowed| match allowed.strip_suffix('.') {
            Some(section) => format!("[{section}]"),
            None => allowed.to_owned(),
        })
        .collect();
    names.join(", ")
}
