//! `[[routes]]` of the settings file: keys of the top level that a set of tables has otherwise.
//!
//! A route's key is written as at the top level and has its type; what a route does not set is as there. Only what
//! concerns one table's way out can be routed. Routes stand in the file only: their order matters, and an environment
//! cannot say it well.

use std::collections::BTreeMap;

use config::Value;
use toml::de::{DeTable, DeValue};

use super::{
    Problem, join,
    layers::{FileWalk, Layer, convert, found},
    schema::{Kind, Schema},
};

/// Keys, or beginnings of keys, that a route may set.
const ROUTABLE: &[&str] = &[
    "sink.kinesis.stream",
    "sink.firehose.delivery_stream",
    "sink.file.path",
    "format.",
    "packing.",
    "ordering.",
];

/// One route as the file has it.
#[derive(Debug, Clone)]
pub(super) struct Route {
    pub(super) tables: Value,
    /// By the key of the top level.
    pub(super) values: BTreeMap<String, Value>,
}

impl Route {
    pub(super) fn layer(&self) -> Layer {
        let mut layer = Layer::default();
        for (key, value) in &self.values {
            layer.insert(key, value.clone());
        }
        layer
    }
}

fn is_routable(key: &str) -> bool {
    ROUTABLE
        .iter()
        .any(|allowed| key == *allowed || (allowed.ends_with('.') && key.starts_with(allowed)))
}

/// Some key below it can be routed.
fn leads_to_routable(section: &str) -> bool {
    let section = format!("{section}.");
    ROUTABLE
        .iter()
        .any(|allowed| allowed.starts_with(&section) || section.starts_with(allowed))
}

impl FileWalk<'_> {
    pub(super) fn routes(&mut self, value: &DeValue<'_>, origin: String) {
        let tables: Option<Vec<_>> = match value {
            DeValue::Array(items) => items
                .iter()
                .map(|item| {
                    item.get_ref()
                        .as_table()
                        .map(|table| (item.span().start, table))
                })
                .collect(),
            _ => None,
        };
        let Some(tables) = tables else {
            return self.problems.push(Problem::WrongType {
                key: "routes".to_owned(),
                origin,
                found: found(value),
                expected: "[[routes]] sections",
            });
        };
        for (number, (start, table)) in tables.into_iter().enumerate() {
            let mut route = BTreeMap::new();
            self.route(number, "", table, &mut route);
            match route.remove("tables") {
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

    fn route(
        &mut self,
        number: usize,
        prefix: &str,
        table: &DeTable<'_>,
        route: &mut BTreeMap<String, Value>,
    ) {
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
                (value, Some(kind)) => match convert(value, kind, Some(&origin)) {
                    Some(value) => {
                        route.insert(key, value);
                    }
                    None => self.problems.push(Problem::WrongType {
                        key: full,
                        origin,
                        found: found(value),
                        expected: kind.expected(),
                    }),
                },
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
                        expected: "a section of keys",
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
    let names: Vec<String> = ROUTABLE
        .iter()
        .map(|allowed| match allowed.strip_suffix('.') {
            Some(section) => format!("[{section}]"),
            None => (*allowed).to_owned(),
        })
        .collect();
    names.join(", ")
}
