//! One layer each: a text, the environment, `--set`. What comes out is known and of the right type.

use std::{collections::BTreeMap, ffi::OsString};

use config::{ConfigError, Map, Source, Value, ValueKind};
use toml::de::{DeTable, DeValue};

use super::{
    Document, Problem, is_ours, is_secret, join,
    routes::Route,
    runs::{self, Run},
    schema::{Kind, Schema},
};

pub(super) const ENVIRONMENT_PREFIX: &str = "HEADWATER__";

/// Checked values by their full key.
#[derive(Debug, Clone, Default)]
pub(super) struct Layer(pub(super) BTreeMap<String, Value>);

impl Layer {
    pub(super) fn insert(&mut self, key: &str, value: Value) {
        self.0.insert(key.to_owned(), value);
    }
}

impl Source for Layer {
    fn clone_into_box(&self) -> Box<dyn Source + Send + Sync> {
        Box::new(self.clone())
    }

    fn collect(&self) -> Result<Map<String, Value>, ConfigError> {
        Ok(self.0.clone().into_iter().collect())
    }
}

/// What a text has.
#[derive(Default)]
pub(super) struct Found {
    pub(super) layer: Layer,
    pub(super) routes: Vec<Route>,
    pub(super) runs: Vec<Run>,
}

pub(super) fn document(document: Document, schema: &Schema, problems: &mut Vec<Problem>) -> Found {
    let Document { name, text } = document;
    let text = match text {
        Ok(text) => text,
        Err(error) => {
            problems.push(Problem::Document { name, error });
            return Found::default();
        }
    };
    let mut walk = Walk {
        name,
        text: &text,
        schema,
        problems,
        layer: Layer::default(),
        routes: Vec::new(),
        runs: Vec::new(),
    };
    match DeTable::parse(&text) {
        Ok(table) => walk.table("", table.get_ref()),
        // Never the error's own Display: it quotes the line, and a password may stand there.
        Err(error) => {
            let origin = walk.origin(error.span().map_or(0, |span| span.start));
            walk.problems.push(Problem::Syntax {
                origin,
                message: error.message().to_owned(),
            });
        }
    }
    Found {
        layer: walk.layer,
        routes: walk.routes,
        runs: walk.runs,
    }
}

pub(super) struct Walk<'a> {
    name: String,
    text: &'a str,
    pub(super) schema: &'a Schema,
    pub(super) problems: &'a mut Vec<Problem>,
    layer: Layer,
    pub(super) routes: Vec<Route>,
    pub(super) runs: Vec<Run>,
}

impl Walk<'_> {
    pub(super) fn origin(&self, offset: usize) -> String {
        let before = self.text.as_bytes().iter().take(offset);
        let line = 1 + before.filter(|byte| **byte == b'\n').count();
        format!("{} line {line}", self.name)
    }

    fn table(&mut self, prefix: &str, table: &DeTable<'_>) {
        for (name, value) in table {
            let key = join(prefix, name.get_ref());
            let origin = self.origin(name.span().start);
            let is_path = !name.get_ref().contains('.');
            match (value.get_ref(), self.schema.kind(&key)) {
                (value, _) if key == "routes" => self.routes(value, origin),
                (value, _) if key == runs::KEY => self.runs(value, origin),
                _ if is_secret(&key) => self.problems.push(Problem::Secret { key, origin }),
                (value, Some(kind)) if is_path => {
                    if let Some(value) = self.converted(key.clone(), value, kind, origin) {
                        self.layer.insert(&key, value);
                    }
                }
                (DeValue::Table(table), None) if is_path && self.schema.is_section(&key) => {
                    self.table(&key, table);
                }
                (value, None) if is_path && self.schema.is_section(&key) => {
                    self.problems.push(Problem::WrongType {
                        found: found(value),
                        expected: "a section of keys".to_owned(),
                        key,
                        origin,
                    });
                }
                _ => {
                    let suggestion = self.schema.suggestion(&key, str::to_owned);
                    self.problems.push(Problem::Unknown {
                        key,
                        origin,
                        suggestion,
                    });
                }
            }
        }
    }
}

impl Walk<'_> {
    /// The value of a key; one of another type is a problem.
    pub(super) fn converted(
        &mut self,
        key: String,
        value: &DeValue<'_>,
        kind: Kind,
        origin: String,
    ) -> Option<Value> {
        let converted = convert(value, kind, Some(&origin));
        if converted.is_none() {
            self.problems.push(Problem::WrongType {
                found: found(value),
                expected: kind.expected(&key, value.as_str()),
                key,
                origin,
            });
        }
        converted
    }
}

/// The sections of `[[…]]`, each with its place; `None` where it is something else.
pub(super) fn tables_of<'a>(value: &'a DeValue<'a>) -> Option<Vec<(usize, &'a DeTable<'a>)>> {
    let DeValue::Array(items) = value else {
        return None;
    };
    let sections = items
        .iter()
        .map(|item| Some((item.span().start, item.get_ref().as_table()?)));
    sections.collect()
}

/// A TOML value as the kind wants it; `None` when it is of another type.
pub(super) fn convert(value: &DeValue<'_>, kind: Kind, origin: Option<&String>) -> Option<Value> {
    let converted = match (kind, value) {
        (Kind::Text, DeValue::String(text)) => ValueKind::from(text.as_ref()),
        (Kind::Switch, DeValue::Boolean(switch)) => ValueKind::from(*switch),
        (Kind::Count, DeValue::Integer(number)) => {
            let number = i64::from_str_radix(number.as_str(), number.radix()).ok()?;
            ValueKind::I64(Some(number).filter(|number| *number >= 0)?)
        }
        (Kind::List, DeValue::Array(items)) => {
            let texts: Option<Vec<Value>> = items
                .iter()
                .map(|item| Some(Value::new(origin, item.get_ref().as_str()?)))
                .collect();
            ValueKind::Array(texts?)
        }
        _ => return None,
    };
    Some(Value::new(origin, converted))
}

/// What stands there, without text that could be secret.
pub(super) fn found(value: &DeValue<'_>) -> String {
    match value {
        DeValue::String(_) => "a string".to_owned(),
        DeValue::Integer(number) => format!("the number {number}"),
        DeValue::Float(number) => format!("the number {number}"),
        DeValue::Boolean(switch) => format!("{switch}"),
        DeValue::Datetime(_) => "a date".to_owned(),
        DeValue::Array(items) => match items.iter().find(|item| !item.get_ref().is_str()) {
            Some(item) => format!("a list with {}", found(item.get_ref())),
            None => "a list".to_owned(),
        },
        DeValue::Table(_) => "a section".to_owned(),
    }
}

pub(super) fn environment(
    variables: &[(OsString, OsString)],
    schema: &Schema,
    problems: &mut Vec<Problem>,
) -> Layer {
    let mut layer = Layer::default();
    for (variable, value) in variables {
        let name = variable.to_string_lossy();
        let origin = format!("environment {name}");
        if !is_ours(variable) {
            if let Some(key) = schema.meant_by(&name) {
                problems.push(Problem::Unknown {
                    key: name.to_string(),
                    origin,
                    suggestion: format!("did you mean `{}`?", variable_of(key)),
                });
            }
            continue;
        }
        let key = name.strip_prefix(ENVIRONMENT_PREFIX).unwrap_or_default();
        let key = key.to_lowercase().replace("__", ".");
        let text = Text {
            key: &key,
            value: value.to_str(),
            origin,
        };
        text.settle(schema, variable_of, &mut layer, problems);
    }
    layer
}

/// A key as a variable of the environment.
pub(super) fn variable_of(key: &str) -> String {
    format!(
        "{ENVIRONMENT_PREFIX}{}",
        key.to_uppercase().replace('.', "__")
    )
}

pub(super) fn sets(sets: &[String], schema: &Schema, problems: &mut Vec<Problem>) -> Layer {
    let mut layer = Layer::default();
    for set in sets {
        let Some((key, value)) = set.split_once('=') else {
            let key = set.clone();
            problems.push(Problem::NotPair { key });
            continue;
        };
        let origin = "--set".to_owned();
        if is_secret(key.trim()) {
            let key = key.trim().to_owned();
            problems.push(Problem::Secret { key, origin });
            continue;
        }
        let text = Text {
            key: key.trim(),
            value: Some(value),
            origin,
        };
        text.settle(schema, str::to_owned, &mut layer, problems);
    }
    layer
}

/// A value given as text, to be read as its key's type.
struct Text<'a> {
    key: &'a str,
    /// `None` when it is not UTF-8.
    value: Option<&'a str>,
    origin: String,
}

impl Text<'_> {
    fn settle(
        self,
        schema: &Schema,
        spelled: impl Fn(&str) -> String,
        layer: &mut Layer,
        problems: &mut Vec<Problem>,
    ) {
        let (key, origin) = (self.key.to_owned(), self.origin);
        if key == "routes" || key.starts_with("routes.") || key.starts_with("routes[") {
            problems.push(Problem::RoutesElsewhere { origin });
            return;
        }
        if key.starts_with(runs::KEY) {
            problems.push(Problem::RunsElsewhere { origin });
            return;
        }
        let Some(kind) = schema.kind(&key) else {
            let suggestion = if schema.is_section(&key) {
                "it is a section; set one of its keys".to_owned()
            } else {
                schema.suggestion(&key, spelled)
            };
            problems.push(Problem::Unknown {
                key,
                origin,
                suggestion,
            });
            return;
        };
        match self.value.and_then(|value| parse(value, kind, &origin)) {
            Some(value) => layer.insert(&key, value),
            None => problems.push(Problem::WrongType {
                found: match (kind, self.value) {
                    (_, None) => "text that is not UTF-8".to_owned(),
                    (Kind::Text, Some(_)) => "a string".to_owned(),
                    (_, Some(value)) => format!("\"{value}\""),
                },
                expected: kind.expected(&key, self.value),
                key,
                origin,
            }),
        }
    }
}

fn parse(value: &str, kind: Kind, origin: &String) -> Option<Value> {
    let parsed = match kind {
        Kind::Text => ValueKind::from(value),
        Kind::Switch => ValueKind::from(value.trim().parse::<bool>().ok()?),
        Kind::Count => {
            let number = value.trim().replace('_', "").parse::<i64>().ok()?;
            ValueKind::I64(Some(number).filter(|number| *number >= 0)?)
        }
        // A list with commas in its items is written as in TOML.
        Kind::List if value.trim_start().starts_with('[') => {
            let list = DeValue::parse(value.trim()).ok()?;
            return convert(list.get_ref(), kind, Some(origin));
        }
        Kind::List => ValueKind::Array(
            value
                .split(',')
                .map(str::trim)
                .filter(|item| !item.is_empty())
                .map(|item| Value::new(Some(origin), item))
                .collect(),
        ),
    };
    Some(Value::new(Some(origin), parsed))
}

#[cfg(test)]
mod tests {
    use super::super::{Layers, Loaded};
    use super::*;

    fn of_texts(texts: &[(&str, &str)]) -> Result<Loaded, String> {
        let documents = texts.iter().map(|(name, text)| Document {
            name: (*name).to_owned(),
            text: Ok((*text).to_owned()),
        });
        let layers = Layers {
            documents: documents.collect(),
            ..Layers::default()
        };
        layers.load().map_err(|error| error.to_string())
    }

    #[test]
    fn of_several_texts_the_later_one_wins_key_by_key_and_each_value_names_its_own() {
        let base = "[source]\nstart = \"now\"\n[workers]\nthreads = 3\n";
        let own = "[source]\nstart = \"earliest\"\n";
        let loaded = of_texts(&[("base", base), ("own", own)]).unwrap();
        assert_eq!(
            loaded.merged.get::<String>("source.start").unwrap(),
            "earliest"
        );
        assert_eq!(loaded.origin("source.start"), Some("own line 2"));
        assert_eq!(loaded.merged.get::<i64>("workers.threads").unwrap(), 3);
        assert_eq!(loaded.origin("workers.threads"), Some("base line 4"));
    }

    #[test]
    fn routes_stand_in_one_text_and_all_texts_that_are_wrong_are_told() {
        let routes = "[[routes]]\ntables = [\"a.*\"]\n";
        let error = of_texts(&[("base", routes), ("own", routes)]).unwrap_err();
        assert!(
            error.contains("`routes` (own line 2): there are routes of base line 2"),
            "{error}"
        );
        let error = of_texts(&[("base", "x = 1"), ("own", "= 1")]).unwrap_err();
        assert!(
            error.contains("base line 1") && error.contains("own line 1"),
            "{error}"
        );
    }
}
