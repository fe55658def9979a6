//! `[[snapshot.runs]]` of a settings file: copies of tables that are asked for by name.
//!
//! They stand in a text only, as routes do, and in one of them: what a name means must not hang on the order of layers.

use config::{ConfigError, Map, Source, Value};
use serde::Deserialize;
use toml::de::{DeTable, DeValue};

use super::{
    Problem, join,
    layers::{Layer, Walk, found, tables_of},
    schema::Kind,
};
use crate::{options, sinks};

pub(super) const KEY: &str = "snapshot.runs";

/// The keys of a run, in the order in which they are shown: its own, and where its rows go.
pub(super) fn keys() -> impl Iterator<Item = (&'static str, Kind)> {
    let own = [
        ("name", Kind::Text),
        ("tables", Kind::List),
        ("where", Kind::Text),
    ];
    let targets = sinks::targets().map(|target| (target.key, Kind::Text));
    own.into_iter().chain(targets)
}

/// One run as the file has it.
#[derive(Debug, Clone, Default)]
pub struct Run {
    pub(super) values: Layer,
    origin: String,
}

impl Run {
    /// As the type that its component has for it.
    pub fn read<'a, T: Deserialize<'a>>(&self) -> Result<T, options::Error> {
        let merged = config::Config::builder().add_source(self.clone()).build();
        let read = merged.and_then(config::Config::try_deserialize);
        read.map_err(super::refused)
    }

    /// What the run has for a key, its own or one of the top level.
    pub fn text(&self, key: &str) -> Option<String> {
        self.get(key).map(ToString::to_string)
    }

    pub(super) fn get(&self, key: &str) -> Option<&Value> {
        self.values.0.get(key)
    }

    pub(super) fn origin(&self) -> String {
        self.origin.clone()
    }
}

impl Source for Run {
    fn clone_into_box(&self) -> Box<dyn Source + Send + Sync> {
        Box::new(self.clone())
    }

    fn collect(&self) -> Result<Map<String, Value>, ConfigError> {
        self.values.collect()
    }
}

/// The number and the key in `snapshot.runs[number].key`.
pub(super) fn split(key: &str) -> Option<(usize, &str)> {
    let (number, key) = key.strip_prefix(KEY)?.strip_prefix('[')?.split_once("].")?;
    Some((number.parse().ok()?, key))
}

impl Walk<'_> {
    pub(super) fn runs(&mut self, value: &DeValue<'_>, origin: String) {
        let Some(tables) = tables_of(value) else {
            return self.problems.push(Problem::WrongType {
                key: KEY.to_owned(),
                origin,
                found: found(value),
                expected: "[[snapshot.runs]] sections".to_owned(),
            });
        };
        for (number, (start, table)) in tables.into_iter().enumerate() {
            let mut run = Run {
                origin: self.origin(start),
                ..Run::default()
            };
            self.run(number, "", table, &mut run.values);
            for required in ["name", "tables"] {
                if !table.iter().any(|(name, _)| name.get_ref() == required) {
                    self.problems.push(Problem::RunLacks {
                        key: format!("{KEY}[{number}].{required}"),
                        origin: run.origin(),
                    });
                }
            }
            self.runs.push(run);
        }
    }

    fn run(&mut self, number: usize, prefix: &str, table: &DeTable<'_>, run: &mut Layer) {
        for (name, value) in table {
            let origin = self.origin(name.span().start);
            let name = join(prefix, name.get_ref());
            let key = format!("{KEY}[{number}].{name}");
            if let DeValue::Table(inner) = value.get_ref()
                && keys().any(|(known, _)| known.starts_with(&format!("{name}.")))
            {
                self.run(number, &name, inner, run);
                continue;
            }
            let Some((_, kind)) = keys().find(|(known, _)| *known == name) else {
                let names: Vec<&str> = keys().map(|(name, _)| name).collect();
                let suggestion = format!("a run has {}", names.join(", "));
                self.problems.push(Problem::Unknown {
                    key,
                    origin,
                    suggestion,
                });
                continue;
            };
            if let Some(value) = self.converted(key, value.get_ref(), kind, origin) {
                run.insert(&name, value);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Document, Layers, Loaded};
    use super::*;

    fn loaded(text: &str, sets: &[&str]) -> Result<Loaded, String> {
        let sets: Vec<String> = sets.iter().map(ToString::to_string).collect();
        let layers = Layers {
            documents: vec![Document {
                name: "h.toml".to_owned(),
                text: Ok(text.to_owned()),
            }],
            sets: &sets,
            ..Layers::default()
        };
        layers.load().map_err(|error| error.to_string())
    }

    #[derive(Debug, PartialEq, Deserialize)]
    struct Read {
        name: String,
        tables: Vec<String>,
        #[serde(rename = "where")]
        condition: Option<String>,
    }

    const TWO: &str = "[[snapshot.runs]]\nname = \"a\"\ntables = [\"shop.*\"]\n\
        [[snapshot.runs]]\nname = \"b\"\ntables = []\nwhere = \"id > 7\"\nsink.file.path = \"b\"\n";

    #[test]
    fn runs_are_read_in_their_order_and_each_value_knows_its_line() {
        let loaded = loaded(TWO, &[]).unwrap();
        let runs: Vec<Read> = loaded.runs.iter().map(|run| run.read().unwrap()).collect();
        assert_eq!(runs[0].tables, ["shop.*"]);
        assert_eq!((runs[0].condition.as_deref(), runs.len()), (None, 2));
        assert_eq!(runs[1].condition.as_deref(), Some("id > 7"));
        assert_eq!(
            loaded.origin("snapshot.runs[1].where"),
            Some("h.toml line 7")
        );
    }

    #[test]
    fn what_is_printed_can_be_read_again() {
        let printed = loaded(TWO, &[]).unwrap().to_toml();
        let again = loaded(&printed, &[]).unwrap();
        let runs: Vec<Read> = again.runs.iter().map(|run| run.read().unwrap()).collect();
        assert_eq!(
            (runs[0].name.as_str(), runs[1].name.as_str()),
            ("a", "b"),
            "{printed}"
        );
        let path = |loaded: &Loaded| loaded.runs[1].text("sink.file.path");
        assert_eq!(path(&again).as_deref(), Some("b"), "{printed}");
    }

    #[test]
    fn what_is_no_run_is_told_with_its_number() {
        for (text, told) in [
            ("[snapshot]\nruns = 3\n", "`snapshot.runs` (h.toml line 2)"),
            (
                "[[snapshot.runs]]\nname = \"a\"\n",
                "`snapshot.runs[0].tables`",
            ),
            (
                "[[snapshot.runs]]\nname = 3\ntables = []\n",
                "`snapshot.runs[0].name` (h.toml line 2): found the number 3",
            ),
            (
                "[[snapshot.runs]]\nname = \"a\"\ntables = []\nsink = \"x\"\n",
                "a run has name, tables, where, sink.",
            ),
        ] {
            let error = loaded(text, &[]).unwrap_err();
            assert!(error.contains(told), "{error}");
        }
        let error = loaded("", &["snapshot.runs=a"]).unwrap_err();
        assert!(error.contains("from a settings file only"), "{error}");
    }
}
