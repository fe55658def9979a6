//! A value that cannot be printed, and the file that it may stand in.

use std::{fs::File, io::Read};

use serde::{Deserialize, Deserializer};

use crate::options::Error;

const FILE_BYTES_MAX: u64 = 4096;

/// Wraps a password: `Debug` shows that one is there, nothing shows which.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    pub fn new(value: impl Into<String>) -> Self {
        Self(value.into())
    }

    /// The one line of a file that the setting names; `what` it is, for the message.
    pub fn in_file(key: &str, path: &str, what: &str) -> Result<Self, Error> {
        let wrong = |problem: String, remedy: &str| {
            Err(Error::new(
                key,
                format!("file \"{path}\" {problem}"),
                remedy,
            ))
        };
        let mut text = String::new();
        let read = File::open(path)
            .and_then(|file| file.take(FILE_BYTES_MAX + 1).read_to_string(&mut text));
        if let Err(error) = read {
            return wrong(
                format!("cannot be read: {error}"),
                "mount the secret there, readable by this user",
            );
        }
        let secret = text.strip_suffix('\n').unwrap_or(&text);
        let secret = secret.strip_suffix('\r').unwrap_or(secret);
        if secret.is_empty() || secret.contains('\n') || text.len() as u64 > FILE_BYTES_MAX {
            return wrong(
                "does not hold one line".to_owned(),
                &format!("write {what} into it and nothing else"),
            );
        }
        Ok(Self::new(secret))
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The value itself, for the one place that sends it.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl<'de> Deserialize<'de> for Secret {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(Self)
    }
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(if self.0.is_empty() {
            "(none)"
        } else {
            "(hidden)"
        })
    }
}
