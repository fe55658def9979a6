//! `[source]`: servers, password, TLS, start, timeouts.
//!
//! The password comes from one place: which of two wins would be a guess.

use std::{path::PathBuf, time::Duration};

use headwater_binlog::xa::XaPolicy;
use serde::{Deserialize, Serialize};

use super::{Error, StartPlan, address, point};
use crate::{
    options::{duration_secs, number, optional, quoted},
    secret::Secret,
};

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SourceOptions {
    /// May hold a password.
    url: Secret,
    /// Only from the environment.
    password: Secret,
    hosts: Vec<String>,
    password_file: String,
    tables: Vec<String>,
    start: String,
    server_id: u64,
    event_bytes_max: u64,
    connect_timeout_secs: u64,
    heartbeat_secs: u64,
    read_timeout_secs: u64,
    catch_up_secs: u64,
    unnamed_columns: UnnamedColumns,
    #[serde(with = "XaChoice")]
    xa: XaPolicy,
    tls: TlsOptions,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct TlsOptions {
    mode: TlsMode,
    ca_file: String,
}

/// As `source.xa` has them.
#[derive(Deserialize)]
#[serde(remote = "XaPolicy", rename_all = "snake_case")]
enum XaChoice {
    Halt,
    AtCommit,
}

#[derive(Debug, Clone)]
pub struct SourcePlan {
    /// The server of `source.url` first, then `source.hosts`.
    pub hosts: Vec<Host>,
    pub user: String,
    pub password: Secret,
    pub tls: TlsPlan,
    pub start: StartPlan,
    /// 0: drawn at random once, kept with the checkpoint.
    pub server_id: u32,
    pub event_bytes_max: usize,
    pub connect_timeout: Duration,
    /// The server sends a heartbeat after this much silence.
    pub heartbeat: Duration,
    /// No bytes for this long while reading: the connection is dead.
    pub read_timeout: Duration,
    /// A server that lacks what has been read, but replicates, is waited for.
    pub catch_up: Duration,
    pub unnamed_columns: UnnamedColumns,
    pub xa: XaPolicy,
}

impl SourcePlan {
    /// The first host alone: what is asked of it is answered by no other.
    #[must_use]
    pub fn only_first(&self) -> Self {
        Self {
            hosts: self.hosts.iter().take(1).cloned().collect(),
            ..self.clone()
        }
    }
}

/// What becomes of columns whose names are neither in the log nor to be had from the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum UnnamedColumns {
    Refuse,
    /// All columns that the log does not name are `@1`, `@2`, …
    Positional,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Host {
    pub name: String,
    pub port: u16,
}

#[derive(Debug, Clone)]
pub struct TlsPlan {
    pub mode: TlsMode,
    pub ca_file: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum TlsMode {
    Disabled,
    /// TLS when the server offers it, certificate not verified.
    Preferred,
    Required,
    VerifyCa,
    VerifyIdentity,
}

impl SourceOptions {
    /// Patterns of the tables that are wanted.
    pub fn tables(&self) -> &[String] {
        &self.tables
    }

    pub fn plan(&self) -> Result<SourcePlan, Error> {
        let address = address::url(self.url.reveal())?;
        let mut hosts = vec![address.host];
        hosts.extend(address::hosts(&self.hosts)?);
        let heartbeat = duration_secs("source.heartbeat_secs", self.heartbeat_secs, 1..=3600)?;
        let read_timeout = duration_secs(
            "source.read_timeout_secs",
            self.read_timeout_secs,
            2..=86_400,
        )?;
        if read_timeout <= heartbeat {
            return Err(Error::new(
                "source.read_timeout_secs",
                "is not more than source.heartbeat_secs, so a quiet server would look dead",
                "write at least twice source.heartbeat_secs",
            ));
        }
        Ok(SourcePlan {
            hosts,
            user: address.user,
            password: password(
                &Places {
                    keys: [
                        "source.url",
                        "HEADWATER__SOURCE__PASSWORD",
                        "source.password_file",
                    ],
                    in_environment: &self.password,
                    in_file: &self.password_file,
                },
                address.password,
            )?,
            tls: self.tls.plan()?,
            start: point::start(&self.start)?,
            server_id: number("source.server_id", self.server_id, 0..=u64::from(u32::MAX))?,
            event_bytes_max: number(
                "source.event_bytes_max",
                self.event_bytes_max,
                1 << 20..=1 << 30,
            )?,
            connect_timeout: duration_secs(
                "source.connect_timeout_secs",
                self.connect_timeout_secs,
                1..=600,
            )?,
            heartbeat,
            read_timeout,
            catch_up: duration_secs("source.catch_up_secs", self.catch_up_secs, 0..=86_400)?,
            unnamed_columns: self.unnamed_columns,
            xa: self.xa,
        })
    }
}

/// Where a password may come from, beside its URL.
pub(super) struct Places<'a> {
    /// Of the URL, the environment, the file.
    pub(super) keys: [&'static str; 3],
    pub(super) in_environment: &'a Secret,
    pub(super) in_file: &'a str,
}

pub(super) fn password(places: &Places<'_>, in_url: Option<Secret>) -> Result<Secret, Error> {
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
        (Some(password), _, _) => Ok(password),
        (_, Some(password), _) => Ok(password.clone()),
        (_, _, Some(path)) => Secret::in_file(file_key, path, "the password"),
        (None, None, None) => Ok(Secret::default()),
    }
}

impl TlsOptions {
    fn plan(&self) -> Result<TlsPlan, Error> {
        let mode = self.mode;
        let ca_file = optional(&self.ca_file).map(PathBuf::from);
        if ca_file.is_some() && !matches!(mode, TlsMode::VerifyCa | TlsMode::VerifyIdentity) {
            return Err(Error::new(
                "source.tls.ca_file",
                format!("has no effect with source.tls.mode = {}", quoted(&mode)),
                "set the mode to \"verify_ca\" or \"verify_identity\", or remove the file",
            ));
        }
        Ok(TlsPlan { mode, ca_file })
    }
}
