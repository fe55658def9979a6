//! One value of the settings into its range, with what it may be in the error.

use std::{ops::RangeInclusive, time::Duration};

use super::Error;

/// One of a closed set of names.
pub(super) fn choose<T: Clone>(
    key: &'static str,
    found: &str,
    choices: &[(&str, T)],
) -> Result<T, Error> {
    if let Some((_, choice)) = choices.iter().find(|(name, _)| *name == found) {
        return Ok(choice.clone());
    }
    let names: Vec<String> = choices
        .iter()
        .map(|(name, _)| format!("\"{name}\""))
        .collect();
    let nearest = choices
        .iter()
        .map(|(name, _)| (strsim::damerau_levenshtein(found, name), *name))
        .filter(|(distance, name)| *distance <= 1.max(name.len() / 3))
        .min();
    let remedy = match nearest {
        Some((_, name)) => format!("did you mean \"{name}\"? It is one of {}", names.join(", ")),
        None => format!("write one of {}", names.join(", ")),
    };
    Err(Error::new(key, format!("\"{found}\" is unknown"), remedy))
}

pub(super) fn number<T: TryFrom<u64>>(
    key: &'static str,
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

pub(super) fn duration_secs(
    key: &'static str,
    found: u64,
    range: RangeInclusive<u64>,
) -> Result<Duration, Error> {
    number(key, found, range).map(Duration::from_secs)
}

/// Empty means not set.
pub(super) fn optional(text: &str) -> Option<&str> {
    Some(text).filter(|text| !text.is_empty())
}
