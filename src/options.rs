//! What a component reads and checks its options with: the error that names key and remedy, choices, ranges.
//!
//! A component owns its options: one struct that serde reads from the settings, and beside it the check that makes
//! of them what its code takes. A closed choice is an enum with `Deserialize`, read by [`read_choice`], which tells
//! what could be chosen (the library that reads the settings tells only what was found). A key is known from where it
//! was read; a check whose options stand in several places names them without the section, which [`Error::under`]
//! adds. Not here: layers and origins (`settings`), what fits together (`plan`).

use std::{ops::RangeInclusive, time::Duration};

use serde::{
    Deserialize, Deserializer, Serialize,
    de::{self, DeserializeOwned, IntoDeserializer, value::StrDeserializer},
};

/// What is wrong with a setting, by itself or beside others.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("setting `{key}`: {message}")]
pub struct Error {
    pub key: String,
    /// What was found; what to do.
    pub message: String,
}

impl Error {
    pub fn new(
        key: impl Into<String>,
        problem: impl std::fmt::Display,
        remedy: impl std::fmt::Display,
    ) -> Self {
        Self {
            key: key.into(),
            message: format!("{problem}; {remedy}"),
        }
    }

    /// The same, of a key in that section.
    #[must_use]
    pub fn under(self, section: &str) -> Self {
        let key = match self.key.as_str() {
            "" => section.to_owned(),
            key => format!("{section}.{key}"),
        };
        Self { key, ..self }
    }
}

/// A name that is none of a closed set, with the nearest one and all.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct UnknownChoice(String);

impl de::Error for UnknownChoice {
    fn custom<T: std::fmt::Display>(problem: T) -> Self {
        Self(problem.to_string())
    }

    fn unknown_variant(found: &str, choices: &'static [&'static str]) -> Self {
        let names: Vec<String> = choices.iter().map(|name| format!("\"{name}\"")).collect();
        let names = names.join(", ");
        let nearest = choices
            .iter()
            .map(|name| (strsim::damerau_levenshtein(found, name), *name))
            .filter(|(distance, name)| *distance < name.len() && *distance <= 1.max(name.len() / 3))
            .min();
        let remedy = match nearest {
            Some((_, name)) => format!("did you mean \"{name}\"? It is one of {names}"),
            None => format!("write one of {names}"),
        };
        Self(format!("\"{found}\" is unknown; {remedy}"))
    }
}

/// One of a closed set of names.
pub fn named<T: DeserializeOwned>(found: &str) -> Result<T, UnknownChoice> {
    let found: StrDeserializer<'_, UnknownChoice> = found.into_deserializer();
    T::deserialize(found)
}

/// The same as the value of a setting.
pub fn choice<T: DeserializeOwned>(key: &str, found: &str) -> Result<T, Error> {
    named(found).map_err(|UnknownChoice(message)| Error {
        key: key.to_owned(),
        message,
    })
}

/// For `deserialize_with`: a field whose type is a closed set of names.
pub fn read_choice<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: DeserializeOwned,
{
    named(&String::deserialize(deserializer)?).map_err(de::Error::custom)
}

/// A choice as the settings write it, in quotes.
pub fn quoted(choice: &impl Serialize) -> String {
    serde_json::to_string(choice).unwrap_or_default()
}

pub fn number<T: TryFrom<u64>>(
    key: &str,
    found: u64,
    range: RangeInclusive<u64>,
) -> Result<T, Error> {
    let wrong = || {
        Error::new(
            key,
            format!("{found} is out of range"),
            format!("write {} to {}", range.start(), range.end()),
        )
    };
    if !range.contains(&found) {
        return Err(wrong());
    }
    T::try_from(found).map_err(|_| wrong())
}

pub fn duration_secs(key: &str, found: u64, range: RangeInclusive<u64>) -> Result<Duration, Error> {
    number(key, found, range).map(Duration::from_secs)
}

/// Empty means not set.
pub fn optional(text: &str) -> Option<&str> {
    Some(text).filter(|text| !text.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, PartialEq, Eq, Deserialize)]
    #[serde(rename_all = "snake_case")]
    enum Colour {
        DarkRed,
        Green,
    }

    #[test]
    fn an_unknown_choice_names_the_nearest_and_all() {
        assert_eq!(choice("c", "dark_red"), Ok(Colour::DarkRed));
        let error = choice::<Colour>("c", "gren").unwrap_err();
        assert_eq!(
            error.to_string(),
            "setting `c`: \"gren\" is unknown; did you mean \"green\"? It is one of \"dark_red\", \"green\""
        );
        let error = choice::<Colour>("c", "").unwrap_err();
        assert_eq!(
            error.message,
            "\"\" is unknown; write one of \"dark_red\", \"green\""
        );
    }

    #[test]
    fn a_key_is_told_with_its_sections() {
        let error = Error::new("region", "p", "r")
            .under("kinesis")
            .under("sink");
        assert_eq!(error.key, "sink.kinesis.region");
        assert_eq!(Error::new("", "p", "r").under("name").key, "name");
    }
}
