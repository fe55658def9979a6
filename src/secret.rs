//! A value that cannot be printed, and the places that it may come from.
//!
//! A password of a file is read anew for each connection: one that was rotated counts from the next one on.

use std::{fs::File, io::Read};

use serde::{Deserialize, Deserializer};

use crate::options::{Error, optional};

const FILE_BYTES_MAX: u64 = 4096;

/// Wraps a password: `Debug` shows that one is there, nothing shows which.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Secret(String);

/// Where a password may come from, beside its URL.
pub struct Places<'a> {
    /// Of the URL, the environment, the file.
    pub keys: [&'static str; 3],
    pub in_environment: &'a Secret,
    pub in_file: &'a str,
}

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

/// A password, or where it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Password {
    /// The setting or variable that it comes from; that of a file where there is none.
    key: &'static str,
    place: PasswordPlace,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum PasswordPlace {
    Here(Secret),
    InFile(String),
}

impl Password {
    /// One that does not change.
    pub fn known(key: &'static str, secret: Secret) -> Self {
        let place = PasswordPlace::Here(secret);
        Self { key, place }
    }

    /// Where it comes from, for messages.
    pub fn key(&self) -> &'static str {
        self.key
    }

    /// What it is now.
    ///
    /// # Errors
    /// When its file cannot be read or does not hold one line.
    pub fn read(&self) -> Result<Secret, Error> {
        match &self.place {
            PasswordPlace::Here(secret) => Ok(secret.clone()),
            PasswordPlace::InFile(path) => Secret::in_file(self.key, path, "the password"),
        }
    }

    /// It comes from one place: which of two wins would be a guess. A file must be readable.
    pub fn in_one_place(places: &Places<'_>, in_url: Option<Secret>) -> Result<Self, Error> {
        let in_environment = Some(places.in_environment).filter(|password| !password.is_empty());
        let in_file = optional(places.in_file);
        let [url_key, environment_key, file_key] = places.keys;
        let places = [
            in_url.as_ref().map(|_| url_key),
            in_environment.map(|_| environment_key),
            in_file.map(|_| file_key),
        ];
        let places: Vec<&str> = places.into_iter().flatten().collect();
        if places.len() > 1 {
            return Err(Error::new(
                url_key,
                format!("the password comes from {}", places.join(" and from ")),
                "keep one of them",
            ));
        }
        match (in_url, in_environment, in_file) {
            (Some(password), _, _) => Ok(Self::known(url_key, password)),
            (_, Some(password), _) => Ok(Self::known(environment_key, password.clone())),
            (_, _, Some(path)) => {
                let password = Self {
                    key: file_key,
                    place: PasswordPlace::InFile(path.to_owned()),
                };
                password.read()?;
                Ok(password)
            }
            (None, None, None) => Ok(Self::known(file_key, Secret::default())),
        }
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
