//! Which keys there are, of which type, in which order: read from the embedded reference.

use std::collections::{BTreeMap, BTreeSet};

use config::Value;
use toml::de::{DeTable, DeValue};

use super::{DEFAULT_TOML, SECRETS, join, layers::Layer, units};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Text,
    Count,
    Switch,
    List,
}

#[derive(Debug)]
pub(super) struct Schema {
    kinds: BTreeMap<String, Kind>,
    /// Keys as the reference lists them.
    pub(super) order: Vec<String>,
}

impl Kind {
    /// For the key, where that text stands instead.
    pub(super) fn expected(self, key: &str, found: Option<&str>) -> String {
        let expected = match self {
            Self::Text => "a string",
            Self::Count => "a whole number, 0 to 9223372036854775807",
            Self::Switch => "true or false",
            Self::List => "a list of strings",
        };
        match found.and_then(|text| units::number_of(key, text)) {
            Some(number) if self == Self::Count => format!("{expected}; write {number}"),
            _ => expected.to_owned(),
        }
    }
}

impl Schema {
    /// The schema and the layer of defaults.
    pub(super) fn of_defaults() -> (Self, Layer) {
        let mut schema = Self {
            kinds: BTreeMap::new(),
            order: Vec::new(),
        };
        let mut defaults = Layer::default();
        let table = DeTable::parse(DEFAULT_TOML)
            .expect("the embedded reference is TOML: a test reads it")
            .into_inner();
        let mut leaves = Vec::new();
        schema.learn("", &table, &mut leaves, &mut defaults);
        leaves.sort_unstable();
        schema.order = leaves.into_iter().map(|(_, key)| key).collect();
        for (secret, _) in SECRETS {
            schema.kinds.insert(secret.to_owned(), Kind::Text);
            defaults.insert(secret, Value::new(None, ""));
        }
        (schema, defaults)
    }

    fn learn(
        &mut self,
        prefix: &str,
        table: &DeTable<'_>,
        leaves: &mut Vec<(usize, String)>,
        defaults: &mut Layer,
    ) {
        for (name, value) in table {
            let key = join(prefix, name.get_ref());
            let kind = match value.get_ref() {
                DeValue::Table(table) => {
                    self.learn(&key, table, leaves, defaults);
                    continue;
                }
                DeValue::Array(_) => Kind::List,
                DeValue::Boolean(_) => Kind::Switch,
                DeValue::Integer(_) => Kind::Count,
                _ => Kind::Text,
            };
            if let Some(value) = super::layers::convert(value.get_ref(), kind, None) {
                defaults.insert(&key, value);
            }
            leaves.push((name.span().start, key.clone()));
            self.kinds.insert(key, kind);
        }
    }

    pub(super) fn kind(&self, key: &str) -> Option<Kind> {
        self.kinds.get(key).copied()
    }

    pub(super) fn is_section(&self, key: &str) -> bool {
        let prefix = format!("{key}.");
        self.order.iter().any(|known| known.starts_with(&prefix))
    }

    /// The key that a variable of the environment would set if its underscores were right: what else begins with our
    /// name is somebody's own.
    pub(super) fn meant_by(&self, variable: &str) -> Option<&str> {
        let bare = |text: &str| text.replace(['.', '_'], "").to_lowercase();
        let wanted = bare(variable.strip_prefix("HEADWATER_")?);
        let known = self.kinds.keys().find(|key| bare(key) == wanted);
        known.map(String::as_str)
    }

    fn sections(&self) -> BTreeSet<&str> {
        let ancestors = |key| std::iter::successors(Some(split(key).0), |key| Some(split(key).0));
        self.order
            .iter()
            .flat_map(|key| ancestors(key).take_while(|section| !section.is_empty()))
            .collect()
    }

    /// The known key or section nearest to one that is not known, if any is near: a slip of the pen, or the
    /// right name in another section.
    pub(super) fn nearest(&self, unknown: &str) -> Option<&str> {
        let unknown = unknown.to_lowercase();
        let (_, unknown_last) = split(&unknown);
        self.kinds
            .keys()
            .map(String::as_str)
            .chain(self.sections())
            .map(|known| {
                let (_, last) = split(known);
                let whole = strsim::damerau_levenshtein(&unknown, known);
                let elsewhere = 2 + 2 * strsim::damerau_levenshtein(unknown_last, last);
                (whole.min(elsewhere), whole, known)
            })
            .filter(|(distance, _, known)| *distance <= 2.max(known.len() / 4))
            .min()
            .map(|(_, _, known)| known)
    }

    /// What to write instead of an unknown key. `spelled` turns a key into the layer's own spelling.
    pub(super) fn suggestion(&self, unknown: &str, spelled: impl Fn(&str) -> String) -> String {
        if let Some(known) = self.nearest(unknown) {
            return format!("did you mean `{}`?", spelled(known));
        }
        let (section, _) = split(unknown);
        let prefix = if section.is_empty() {
            String::new()
        } else {
            format!("{section}.")
        };
        let names: Vec<String> = self
            .order
            .iter()
            .filter_map(|key| key.strip_prefix(&prefix)?.split('.').next())
            .map(str::to_owned)
            .collect();
        if names.is_empty() {
            return "`headwater config --default` lists all keys".to_owned();
        }
        let mut unique = names;
        unique.dedup();
        let place = if section.is_empty() {
            "the top level has".to_owned()
        } else {
            format!("[{section}] has")
        };
        format!("{place} {}", unique.join(", "))
    }
}

/// Section and name of a key.
pub(super) fn split(key: &str) -> (&str, &str) {
    key.rsplit_once('.').unwrap_or(("", key))
}
