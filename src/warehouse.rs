//! `[warehouse]`: how tables are stored in a warehouse, where what all of them share is, and where it is for the audit.
//!
//! What SQL is made of it stands in the crate `headwater-warehouse`; asking a warehouse in [`target`].

pub mod target;

use std::path::PathBuf;

use headwater_warehouse::{
    generate::Lake,
    stored::{Bytes, Choices, LongText},
};
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
    athena: AthenaOptions,
    iceberg: IcebergOptions,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct AthenaOptions {
    location: String,
    since: String,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct IcebergOptions {
    location: String,
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
    /// Empty where it is not set.
    pub lake: Lake,
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
            lake: Lake {
                log: location("warehouse.athena.location", self.athena.location)?,
                since: since(&self.athena.since)?,
                tables: location("warehouse.iceberg.location", self.iceberg.location)?,
            },
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

/// So plain that it stands in SQL as it is.
fn location(key: &str, url: String) -> Result<String, Error> {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_./=".contains(&byte);
    let path = url
        .strip_prefix("s3://")
        .and_then(|path| path.strip_suffix('/'));
    let is_place =
        |path: &str| !path.starts_with('/') && !path.ends_with('/') && !path.contains("//");
    let is_good = |path: &str| !path.is_empty() && path.bytes().all(is_plain) && is_place(path);
    if url.is_empty() || path.is_some_and(is_good) {
        return Ok(url);
    }
    Err(Error::new(
        key,
        format!("\"{url}\" is no place in S3"),
        "write s3://BUCKET/PREFIX/, with \"/\" at its end, of letters, digits and \"-_./=\"",
    ))
}

/// The first hour of the day, as Firehose names its folders.
fn since(day: &str) -> Result<String, Error> {
    let parts: Vec<&str> = day.split('-').collect();
    let is_within = |text: &str, digits: usize, most: u32| {
        let is_number = text.len() == digits && text.bytes().all(|byte| byte.is_ascii_digit());
        is_number
            && text
                .parse()
                .is_ok_and(|number| (1..=most).contains(&number))
    };
    match parts.as_slice() {
        [""] => Ok(String::new()),
        [year, month, day]
            if is_within(year, 4, 9999) && is_within(month, 2, 12) && is_within(day, 2, 31) =>
        {
            Ok(format!("{year}/{month}/{day}/00"))
        }
        _ => Err(Error::new(
            "warehouse.athena.since",
            format!("\"{day}\" is no day"),
            "write it as 2026-03-01",
        )),
    }
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

    #[test]
    fn a_place_in_s3_is_plain_and_ends_in_a_slash() {
        for url in ["", "s3://lake/", "s3://lake/changes/a=b/"] {
            assert_eq!(location("warehouse.x", url.into()), Ok(url.into()));
        }
        for url in [
            "s3://",
            "s3:///",
            "s3:///x/",
            "s3://lake",
            "s3://lake//",
            "s3://lake/it's/",
            "https://lake/",
        ] {
            let error = location("warehouse.x", url.into()).unwrap_err();
            assert_eq!(error.key, "warehouse.x");
            assert!(error.message.contains("write s3://"), "{error}");
        }
    }

    #[test]
    fn a_day_is_the_first_hour_of_its_folders() {
        assert_eq!(since(""), Ok(String::new()));
        assert_eq!(since("2026-03-01"), Ok("2026/03/01/00".into()));
        for day in [
            "2026-3-1",
            "2026-13-01",
            "2026-00-01",
            "2026/03/01",
            "x",
            "2026-03-32",
        ] {
            let error = since(day).unwrap_err();
            assert!(error.message.contains("write it as"), "{error}");
        }
    }
}
