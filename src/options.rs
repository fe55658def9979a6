//! What a component reads and checks its options with: the error that names key and remedy, choices, ranges.
//!
//! A component owns its options: one struct that serde reads from the settings, and beside it the check that makes
//! of them what its code takes. A closed choice is an enum with `Deserialize`; serde hands what was found and what
//! could be chosen to [`Error`], which says it the same way everywhere. A key is known from where it was read; a
//! check whose options stand in several places names them without the section, which [`Error::under`] adds.
//! Not here: layers and origins (`settings`), what fits together (`plan`).

use std::{ops::RangeInclusive, time::Duration};

use serde::{
    Deserialize, Serialize,
    de::{self, IntoDeserializer, value::StrDeserializer},
};

/// What is wrong with a setting, by itself or beside others: key, what was found, what to do.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("setting `{key}`: {problem}; {remedy}")]
pub struct Error {
    pub key: String,
    pub problem: String,
    pub remedy: String,
}

impl Error {
    pub fn new(
        key: impl Into<String>,
        problem: impl Into<String>,
        remedy: impl Into<String>,
    ) -> Self {
        Self {
            key: key.into(),
            problem: problem.into(),
            remedy: remedy.into(),
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

impl de::Error for Error {
    /// Settings have the types of the reference when they are read, so this is about the reference itself.
    fn custom<T: std::fmt::Display>(problem: T) -> Self {
        Self::new("", problem.to_string(), "see config/default.toml")
    }

    fn unknown_variant(found: &str, choices: &'static [&'static str]) -> Self {
        let names: Vec<String> = choices.iter().map(|name| format!("\"{name}\"")).collect();
        let nearest = choices
            .iter()
            .map(|name| (strsim::damerau_levenshtein(found, name), *name))
            .filter(|(distance, name)| *distance < name.len() && *distance <= 1.max(name.len() / 3))
            .min();
        let remedy = match nearest {
            Some((_, name)) => {
                format!("did you mean \"{name}\"? It is one of {}", names.join(", "))
            }
            None => format!("write one of {}", names.join(", ")),
        };
        Self::new("", format!("\"{found}\" is unknown"), remedy)
    }
}

/// One of a closed set of names, where it is not serde that meets it.
pub fn choice<'de, T: Deserialize<'de>>(key: &str, found: &str) -> Result<T, Error> {
    let found: StrDeserializer<'_, Error> = found.into_deserializer();
    T::deserialize(found).map_err(|error| error.under(key))
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
        assert_eq!(error.remedy, "write one of \"dark_red\", \"green\"");
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
