//! `[warehouse]`: how tables are stored in a warehouse, where what all of them share is, and where it is for the audit.
//!
//! What SQL is made of it stands in the crate `headwater-warehouse`; asking a warehouse in [`target`].

pub mod target;

use std::path::PathBuf;

use headwater_warehouse::stored::{Bytes, Choices, LongText};
use serde::Deserialize;

use self::target::{Target, Tls, address};
use crate::{
    aws::AwsPlan,
    options::{Error, optional, read_choice},
    password::{Auth, PasswordKeys, PasswordOptions},
    secret::Secret,
};

/// Of an identifier of PostgreSQL; Redshift's may be longer.
const SCHEMA_BYTES_MAX: usize = 63;
const PASSWORD_KEYS: PasswordKeys = PasswordKeys {
    url: "warehouse.url",
    variable: "HEADWATER__WAREHOUSE__PASSWORD",
    file: "warehouse.password_file",
    secret: "warehouse.password_secret",
    auth: "warehouse.url",
};

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WarehouseOptions {
    schema: String,
    #[serde(deserialize_with = "read_choice")]
    long_text: LongText,
    #[serde(deserialize_with = "read_choice")]
    bytes: Bytes,
    #[serde(deserialize_with = "read_choice")]
    incoming: IncomingBy,
    stream_role: String,
    url: Secret,
    /// Only from the environment.
    password: Secret,
    password_file: String,
    password_secret: String,
    tls: TlsOptions,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct TlsOptions {
    #[serde(deserialize_with = "read_choice")]
    mode: TlsMode,
    ca_file: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum TlsMode {
    VerifyIdentity,
    Disabled,
}

/// Who brings the lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum IncomingBy {
    Copy,
    Streaming,
}

#[derive(Debug, Clone)]
pub struct WarehousePlan {
    /// Of what all tables share.
    pub schema: String,
    pub choices: Choices,
    /// Of streaming ingestion: `default`, or an ARN; `None`: Firehose's COPY.
    pub stream_role: Option<String>,
    /// For the audit.
    pub target: Option<Target>,
}

impl WarehouseOptions {
    /// AWS is asked for a password as `[source.aws]` says.
    pub fn plan(self, aws: &AwsPlan) -> Result<WarehousePlan, Error> {
        Ok(WarehousePlan {
            choices: Choices {
                long_text: self.long_text,
                bytes: self.bytes,
            },
            target: self.target(aws)?,
            stream_role: match self.incoming {
                IncomingBy::Copy => None,
                IncomingBy::Streaming => Some(role(&self.stream_role)?),
            },
            schema: schema(self.schema)?,
        })
    }

    fn target(&self, aws: &AwsPlan) -> Result<Option<Target>, Error> {
        let Some(url) = optional(self.url.reveal()) else {
            return Ok(None);
        };
        let address = address(url)?;
        let ca_file = optional(&self.tls.ca_file).map(PathBuf::from);
        let tls = match (self.tls.mode, ca_file) {
            (TlsMode::VerifyIdentity, ca_file) => Tls::Verified(ca_file),
            (TlsMode::Disabled, None) => Tls::Disabled,
            (TlsMode::Disabled, Some(_)) => {
                return Err(Error::new(
                    "warehouse.tls.ca_file",
                    "is set, and warehouse.tls.mode = \"disabled\" verifies nothing",
                    "set warehouse.tls.mode = \"verify_identity\", or remove it",
                ));
            }
        };
        let password = PasswordOptions {
            keys: PASSWORD_KEYS,
            in_url: address.password.map(Secret::new),
            in_environment: &self.password,
            in_file: &self.password_file,
            in_secret: &self.password_secret,
            auth: Auth::Password,
            aws,
        };
        Ok(Some(Target {
            host: address.host,
            port: address.port,
            database: address.database,
            user: address.user,
            password: password.plan()?,
            tls,
        }))
    }
}

fn role(role: &str) -> Result<String, Error> {
    if role == "default" || role.starts_with("arn:") {
        return Ok(role.to_owned());
    }
    Err(Error::new(
        "warehouse.stream_role",
        format!("\"{role}\" is no role"),
        "write \"default\", which is the cluster's own, or the ARN of a role that may read the stream",
    ))
}

/// So plain that it is the same quoted and not, in every warehouse.
fn schema(name: String) -> Result<String, Error> {
    let is_plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
    let is_begin = name.starts_with(|first: char| first.is_ascii_lowercase());
    let is_short = name.len() <= SCHEMA_BYTES_MAX;
    if is_begin && is_short && name.bytes().all(is_plain) && !name.starts_with("pg_") {
        return Ok(name);
    }
    Err(Error::new(
        "warehouse.schema",
        format!("\"{name}\" is no name for a schema"),
        "write a letter, then letters, digits and \"_\", in lower case, 63 at most; not \"pg_\" in front",
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_schema_has_a_plain_name() {
        for name in ["headwater", "h", "cdc_2"] {
            assert_eq!(schema(name.into()), Ok(name.into()));
        }
        let long = "x".repeat(64);
        for name in ["", "Headwater", "2cdc", "_x", "pg_x", "a b", "a\"b", &long] {
            let error = schema(name.into()).unwrap_err();
            assert_eq!(error.key, "warehouse.schema");
            assert!(error.message.contains("write a letter"), "{error}");
        }
    }
}
