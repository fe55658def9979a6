//! `[columns]` and `[mask]`: which columns are written, which are masked and how.

use std::sync::Arc;

use headwater_actors::filter::ColumnFilter;
use headwater_binlog::schema::TableName;

use serde::Deserialize;

use crate::{
    options::{Error, number, optional},
    secret::Secret,
};

const FIXED_TEXT_BYTES_MAX: usize = 1024;

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ColumnsOptions {
    include: Vec<String>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MaskOptions {
    null: Vec<String>,
    fixed: Vec<String>,
    fixed_text: String,
    hash: Vec<String>,
    /// Only from the environment.
    hash_salt: Secret,
    hash_salt_file: String,
    truncate: Vec<String>,
    truncate_chars: u64,
}

/// What becomes of columns; where several masks fit, null, fixed, hash, truncate, in this order.
#[derive(Debug, Clone)]
pub struct ShapePlan {
    /// The columns that are written at all.
    pub include: ColumnFilter,
    pub null: ColumnFilter,
    pub fixed: ColumnFilter,
    pub fixed_text: Arc<str>,
    pub hash: ColumnFilter,
    /// Set whenever `hash` matches anything.
    pub hash_salt: Secret,
    pub truncate: ColumnFilter,
    pub truncate_chars: usize,
}

/// What becomes of bytes that are not text of their column's character set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum InvalidText {
    /// The row cannot be decoded.
    #[default]
    Halt,
    /// U+FFFD stands for them.
    Replace,
    /// `{"base64":"..."}` with all bytes stands for the text.
    Base64Object,
}

impl ShapePlan {
    /// Every list of patterns, by its key.
    pub fn filters(&self) -> [(&'static str, &ColumnFilter); 5] {
        [
            ("columns.include", &self.include),
            ("mask.null", &self.null),
            ("mask.fixed", &self.fixed),
            ("mask.hash", &self.hash),
            ("mask.truncate", &self.truncate),
        ]
    }

    pub fn of(columns: &ColumnsOptions, mask: &MaskOptions) -> Result<Self, Error> {
        if columns.include.is_empty() {
            return Err(Error::new(
                "columns.include",
                "is empty, so no column would be written",
                "write \"*.*.*\" for all columns",
            ));
        }
        if mask.fixed_text.len() > FIXED_TEXT_BYTES_MAX {
            return Err(Error::new(
                "mask.fixed_text",
                format!("has {} bytes", mask.fixed_text.len()),
                "write 1024 bytes at most",
            ));
        }
        let hash = filter("mask.hash", &mask.hash)?;
        let hash_salt = salt(&mask.hash_salt, &mask.hash_salt_file)?;
        if !hash.is_nothing() && hash_salt.is_empty() {
            return Err(Error::new(
                "mask.hash_salt_file",
                "is empty, but mask.hash names columns, and hashes without a salt can be guessed",
                "write 16 or more random characters into a file and name it, or set HEADWATER__MASK__HASH_SALT",
            ));
        }
        Ok(Self {
            include: filter("columns.include", &columns.include)?,
            null: filter("mask.null", &mask.null)?,
            fixed: filter("mask.fixed", &mask.fixed)?,
            fixed_text: mask.fixed_text.as_str().into(),
            hash,
            hash_salt,
            truncate: filter("mask.truncate", &mask.truncate)?,
            truncate_chars: number("mask.truncate_chars", mask.truncate_chars, 0..=1_000_000)?,
        })
    }

    /// Whether lines show something else in place of the column's value.
    pub fn masks(&self, table: &TableName, column: &str) -> bool {
        let masks = [&self.null, &self.fixed, &self.hash, &self.truncate];
        masks.iter().any(|mask| mask.matches(table, column))
    }

    pub fn keeps_everything(&self) -> bool {
        self.include.is_everything()
            && [&self.null, &self.fixed, &self.hash, &self.truncate]
                .iter()
                .all(|filter| filter.is_nothing())
    }
}

fn filter(key: &'static str, patterns: &[String]) -> Result<ColumnFilter, Error> {
    ColumnFilter::new(patterns)
        .map_err(|error| Error::new(key, error.to_string(), "see config/default.toml"))
}

fn salt(in_environment: &Secret, file: &str) -> Result<Secret, Error> {
    match optional(file) {
        None => Ok(in_environment.clone()),
        Some(_) if !in_environment.is_empty() => Err(Error::new(
            "mask.hash_salt_file",
            "is set, and HEADWATER__MASK__HASH_SALT too",
            "keep one of them",
        )),
        Some(path) => Secret::in_file("mask.hash_salt_file", path, "the salt"),
    }
}

impl Default for ShapePlan {
    fn default() -> Self {
        Self {
            include: ColumnFilter::everything(),
            null: ColumnFilter::default(),
            fixed: ColumnFilter::default(),
            fixed_text: "***".into(),
            hash: ColumnFilter::default(),
            hash_salt: Secret::default(),
            truncate: ColumnFilter::default(),
            truncate_chars: 8,
        }
    }
}
