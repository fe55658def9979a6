//! `[errors]`: what becomes of a change that can never be delivered.

use std::path::PathBuf;

use headwater_actors::on_error::OnError;
use serde::Deserialize;

use super::Error;
use crate::{
    encode::shape::InvalidText,
    options::{optional, read_choice},
};

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ErrorsOptions {
    #[serde(deserialize_with = "read_choice")]
    oversize: OnError,
    #[serde(deserialize_with = "read_choice")]
    undecodable: OnError,
    #[serde(deserialize_with = "read_choice")]
    invalid_text: InvalidText,
    dead_letter_path: String,
}

#[derive(Debug, Clone)]
pub struct ErrorsPlan {
    pub oversize: OnError,
    pub undecodable: OnError,
    pub invalid_text: InvalidText,
    /// Set whenever one of the two is `DeadLetter`.
    pub dead_letter_path: Option<PathBuf>,
}

impl ErrorsOptions {
    pub fn plan(&self) -> Result<ErrorsPlan, Error> {
        let (oversize, undecodable) = (self.oversize, self.undecodable);
        let dead_letter_path = optional(&self.dead_letter_path).map(PathBuf::from);
        if [oversize, undecodable].contains(&OnError::DeadLetter) && dead_letter_path.is_none() {
            return Err(Error::new(
                "errors.dead_letter_path",
                "is empty, but errors.oversize or errors.undecodable is \"dead_letter\"",
                "name a file on a disk that outlives the process",
            ));
        }
        Ok(ErrorsPlan {
            oversize,
            undecodable,
            invalid_text: self.invalid_text,
            dead_letter_path,
        })
    }
}
