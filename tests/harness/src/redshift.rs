//! The end of Firehose's road into Redshift, with PostgreSQL in its place: objects of S3 in, rows of a table out, under
//! the limits that COPY enforces.
//!
//! Each delivery has a manifest and is one transaction, so it is in the table as a whole or not at all. One bad document
//! refuses all of it (MAXERROR 0) and stands in `load_errors`. What was refused is tried again with each call until
//! the retry duration is over; then its manifest lies under `errors/manifests/`, its objects stay where they are, and
//! somebody must load them. A delivery whose commit was not answered is loaded again: rows come at least once.
//!
//! `json` stands for SUPER, and keeps the text as it came. Not here: dates and numbers in forms that only one of the
//! two servers takes, and SUPER's depth of 1,000 (a document deeper than 128 is refused).
//!
//! The pages: docs.aws.amazon.com/redshift/latest/dg/ `copy_json`, `limitations-super`,
//! `r_enable_large_strings_opt_in`, `copy-parameters-data-format`; docs.aws.amazon.com/firehose/latest/dev/ `retry`.

mod copy;
mod documents;
mod fields;

use std::{
    fmt,
    time::{Duration, SystemTime},
};

use anyhow::Context;
use serde_json::json;

use crate::objects::Objects;

/// Of one JSON object, before anything is read of it (page `copy_json`).
pub const OBJECT_BYTES_MAX: usize = 4 << 20;
/// Of one string inside SUPER, and of a VARCHAR (page `limitations-super`).
pub const STRING_BYTES_MAX: usize = 65_535;
/// Of one string inside SUPER, where it was opted for (page `r_enable_large_strings_opt_in`).
pub const LARGE_STRING_BYTES_MAX: usize = 16_000_000;
/// `DurationInSeconds` is 0 to 7,200, 3,600 unless said (API reference, RedshiftRetryOptions).
pub const RETRY_SECS: u64 = 3_600;

/// What COPY makes of a document: `FORMAT JSON '…'`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// `'noshred'`: the whole document is the value of the column `line`.
    Noshred,
    /// `'auto'`: its top-level keys are columns of exactly that name.
    Auto,
    /// `'auto ignorecase'`
    AutoIgnoreCase,
}

/// How the delivery stream is made: its COPY and its retries.
#[derive(Debug, Clone)]
pub struct Settings {
    pub schema: String,
    /// `DataTableName`; it must exist before anything is loaded.
    pub table: String,
    pub shape: Shape,
    /// The COPY option GZIP: of all objects, or of none.
    pub is_gzip: bool,
    /// The parameter `enable_large_strings_opt_in`.
    pub has_large_strings: bool,
    pub retry_secs: u64,
}

impl Settings {
    /// Whole lines into `incoming` of this schema.
    pub fn incoming(schema: &str) -> Self {
        Self {
            schema: schema.to_owned(),
            table: "incoming".to_owned(),
            shape: Shape::Noshred,
            is_gzip: true,
            has_large_strings: false,
            retry_secs: RETRY_SECS,
        }
    }

    /// Flat lines into a table that has a column for each of their keys.
    pub fn flat(schema: &str, table: &str) -> Self {
        Self {
            table: table.to_owned(),
            shape: Shape::AutoIgnoreCase,
            ..Self::incoming(schema)
        }
    }

    fn string_bytes_max(&self) -> usize {
        match self.has_large_strings {
            true => LARGE_STRING_BYTES_MAX,
            false => STRING_BYTES_MAX,
        }
    }
}

/// Why a delivery was refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LoadError {
    /// The key of the object; empty where the server refused and did not say.
    pub file: String,
    /// Of the document's begin, from 1.
    pub line: Option<u64>,
    pub reason: String,
}

impl fmt::Display for LoadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            Some(line) => write!(f, "{}:{line}: {}", self.file, self.reason),
            None => write!(f, "{}: {}", self.file, self.reason),
        }
    }
}

impl std::error::Error for LoadError {}

/// What one call did.
#[derive(Debug, Default)]
pub struct Loaded {
    pub rows: u64,
    /// Manifests that are loaded.
    pub manifests: Vec<String>,
    /// Manifests that were tried in vain, with the reason; they will be tried again, unless they were given up.
    pub refused: Vec<(String, String)>,
    /// Manifests whose retry duration is over, by their keys under `errors/manifests/`.
    pub given_up: Vec<String>,
}

#[derive(Debug)]
struct Waiting {
    manifest: String,
    since: SystemTime,
}

#[derive(Debug)]
pub struct Loader {
    url: String,
    objects: Objects,
    settings: Settings,
    waiting: Vec<Waiting>,
}

impl Loader {
    /// Into the PostgreSQL at `postgres://…`, from objects of this place.
    pub fn new(url: &str, objects: Objects, settings: Settings) -> Self {
        Self {
            url: url.to_owned(),
            objects,
            settings,
            waiting: Vec::new(),
        }
    }

    /// Whether deliveries wait to be tried again.
    pub fn is_waiting(&self) -> bool {
        !self.waiting.is_empty()
    }

    /// Loads these objects as one delivery, if there are any, and tries again what waits.
    ///
    /// # Errors
    /// When S3 does not take a manifest. What the warehouse refuses, and that it cannot be reached, is told in
    /// [`Loaded::refused`].
    pub async fn load(&mut self, keys: &[String], now: SystemTime) -> anyhow::Result<Loaded> {
        if let Some(first) = keys.first() {
            let manifest = format!("manifests/{first}.json");
            let entry = |key: &String| json!({"url": self.objects.url(key), "mandatory": true});
            let entries: Vec<_> = keys.iter().map(entry).collect();
            let text = json!({ "entries": entries }).to_string();
            self.objects.put(&manifest, text.into()).await?;
            self.waiting.push(Waiting {
                manifest,
                since: now,
            });
        }
        let mut loaded = Loaded::default();
        for waiting in std::mem::take(&mut self.waiting) {
            let manifest = waiting.manifest.clone();
            match copy::copy(&self.url, &self.objects, &self.settings, &manifest).await {
                Ok(rows) => {
                    loaded.rows += rows;
                    loaded.manifests.push(manifest);
                    continue;
                }
                Err(error) => loaded.refused.push((manifest, format!("{error:#}"))),
            }
            let tried_for = now.duration_since(waiting.since).unwrap_or_default();
            if tried_for < Duration::from_secs(self.settings.retry_secs) {
                self.waiting.push(waiting);
                continue;
            }
            let text = self.objects.get(&waiting.manifest).await?;
            let key = format!("errors/{}", waiting.manifest);
            self.objects.put(&key, text).await?;
            loaded.given_up.push(key);
        }
        Ok(loaded)
    }

    /// Loads what a manifest names, at once and once, as an operator does with one under `errors/manifests/`.
    ///
    /// # Errors
    /// A [`LoadError`] when the warehouse refuses it; else when it or S3 cannot be reached.
    pub async fn copy(&self, manifest: &str) -> anyhow::Result<u64> {
        let copied = copy::copy(&self.url, &self.objects, &self.settings, manifest).await;
        copied.with_context(|| format!("COPY from {manifest}"))
    }
}
