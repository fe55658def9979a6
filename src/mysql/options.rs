//! `[source]`: servers, password, TLS, start, timeouts.

pub mod address;
mod point;

use std::{path::PathBuf, time::Duration};

use headwater_binlog::{schema::NameCase, xa::XaPolicy};
use serde::{Deserialize, Serialize};

pub use self::point::{StartPlan, Target};
use crate::{
    aws::{AwsOptions, AwsPlan},
    options::{Error, duration_secs, number, optional, quoted, read_choice},
    password::{Auth, Password, PasswordKeys, PasswordOptions},
    secret::Secret,
};

const PASSWORD_KEYS: PasswordKeys = PasswordKeys {
    url: "source.url",
    variable: "HEADWATER__SOURCE__PASSWORD",
    file: "source.password_file",
    secret: "source.password_secret",
    auth: "source.auth",
};

/// The largest packet that a server can send.
pub const EVENT_BYTES_MAX: u64 = 1 << 30;

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SourceOptions {
    /// May hold a password.
    url: Secret,
    /// Only from the environment.
    password: Secret,
    hosts: Vec<String>,
    password_file: String,
    password_secret: String,
    #[serde(deserialize_with = "read_choice")]
    auth: Auth,
    tables: Vec<String>,
    start: String,
    server_id: u64,
    event_bytes_max: u64,
    connect_timeout_secs: u64,
    heartbeat_secs: u64,
    read_timeout_secs: u64,
    catch_up_secs: u64,
    #[serde(deserialize_with = "read_choice")]
    lower_case_table_names: NameCaseOption,
    #[serde(deserialize_with = "read_choice")]
    unnamed_columns: UnnamedColumns,
    #[serde(deserialize_with = "read_choice")]
    xa: XaChoice,
    tls: TlsOptions,
    aws: AwsOptions,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct TlsOptions {
    #[serde(deserialize_with = "read_choice")]
    mode: TlsMode,
    ca_file: String,
    cert_file: String,
    key_file: String,
    allow_public_key_retrieval: bool,
}

/// The server's values of the variable.
#[derive(Debug, Clone, Copy, Deserialize)]
enum NameCaseOption {
    #[serde(rename = "ask")]
    Ask,
    #[serde(rename = "0")]
    Zero,
    #[serde(rename = "1")]
    One,
    #[serde(rename = "2")]
    Two,
}

/// As `source.xa` has them.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "snake_case")]
enum XaChoice {
    Halt,
    AtCommit,
}

#[derive(Debug, Clone)]
pub struct SourcePlan {
    /// The server of `source.url` first, then `source.hosts`.
    pub hosts: Vec<Host>,
    pub user: String,
    pub password: Password,
    /// For whom AWS is asked for a password.
    pub aws: AwsPlan,
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
    /// How the server compares names; `None`: to be asked of it.
    pub name_case: Option<NameCase>,
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
    /// What we show of ourselves.
    pub client: Option<ClientCertificate>,
    /// Without TLS: encrypt the password with a key that the server, whoever it is, offers.
    pub allow_public_key_retrieval: bool,
}

/// PEM files: the certificate with those between it and its authority, and its key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientCertificate {
    pub cert_file: PathBuf,
    pub key_file: PathBuf,
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
        let aws = self.aws.plan();
        let aws = aws.map_err(|error| error.under("source.aws"))?;
        let password = PasswordOptions {
            keys: PASSWORD_KEYS,
            in_url: address.password,
            in_environment: &self.password,
            in_file: &self.password_file,
            in_secret: &self.password_secret,
            auth: self.auth,
            aws: &aws,
        };
        let (password, tls) = (password.plan()?, self.tls.plan()?);
        tls.ensure_encrypted("source.auth", &password)?;
        Ok(SourcePlan {
            hosts,
            user: address.user,
            password,
            aws,
            tls,
            start: point::start(&self.start)?,
            server_id: number("source.server_id", self.server_id, 0..=u64::from(u32::MAX))?,
            event_bytes_max: number(
                "source.event_bytes_max",
                self.event_bytes_max,
                1 << 20..=EVENT_BYTES_MAX,
            )?,
            connect_timeout: duration_secs(
                "source.connect_timeout_secs",
                self.connect_timeout_secs,
                1..=600,
            )?,
            heartbeat,
            read_timeout,
            catch_up: duration_secs("source.catch_up_secs", self.catch_up_secs, 0..=86_400)?,
            name_case: match self.lower_case_table_names {
                NameCaseOption::Ask => None,
                NameCaseOption::Zero => Some(NameCase::Sensitive),
                NameCaseOption::One | NameCaseOption::Two => Some(NameCase::Folded),
            },
            unnamed_columns: self.unnamed_columns,
            xa: match self.xa {
                XaChoice::Halt => XaPolicy::Halt,
                XaChoice::AtCommit => XaPolicy::AtCommit,
            },
        })
    }
}

/// What RDS shows is signed by authorities of AWS's own.
const RDS_AUTHORITIES: &str = "source.tls.mode = \"verify_identity\", and source.tls.ca_file to AWS's authorities: https://truststore.pki.rds.amazonaws.com/global/global-bundle.pem";

impl TlsPlan {
    /// A token is good for whoever sees it.
    pub fn ensure_encrypted(&self, key: &str, password: &Password) -> Result<(), Error> {
        if !password.is_token() || !matches!(self.mode, TlsMode::Disabled | TlsMode::Preferred) {
            return Ok(());
        }
        Err(Error::new(
            key,
            format!(
                "is \"rds_iam\", and source.tls.mode = {} allows a connection without TLS, on which no token is sent",
                quoted(&self.mode)
            ),
            format!("set {RDS_AUTHORITIES}"),
        ))
    }
}

impl SourcePlan {
    /// What is allowed but seldom meant.
    pub fn warning(&self) -> Option<String> {
        (self.password.is_token() && self.tls.mode == TlsMode::Required).then(|| {
            format!(
                "source.auth = \"rds_iam\" with source.tls.mode = \"required\": whoever answers in the server's place gets a token that lets in for 15 minutes; set {RDS_AUTHORITIES}"
            )
        })
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
        Ok(TlsPlan {
            mode,
            ca_file,
            client: self.client()?,
            allow_public_key_retrieval: self.allow_public_key_retrieval,
        })
    }

    fn client(&self) -> Result<Option<ClientCertificate>, Error> {
        let files = [&self.cert_file, &self.key_file].map(|file| optional(file));
        let [cert_file, key_file] = match files {
            [None, None] => return Ok(None),
            [Some(cert_file), Some(key_file)] => [cert_file, key_file].map(PathBuf::from),
            [None, _] => return Err(one_alone("source.tls.key_file", "source.tls.cert_file")),
            [_, None] => return Err(one_alone("source.tls.cert_file", "source.tls.key_file")),
        };
        if self.mode == TlsMode::Disabled {
            return Err(Error::new(
                "source.tls.cert_file",
                "has no effect with source.tls.mode = \"disabled\"",
                "set the mode to \"required\" or one that verifies, or remove the files",
            ));
        }
        Ok(Some(ClientCertificate {
            cert_file,
            key_file,
        }))
    }
}

fn one_alone(key: &str, missing: &str) -> Error {
    Error::new(
        key,
        format!("is set without {missing}"),
        "a client certificate has both: set the other one too, or remove this one",
    )
}
