//! Where AWS keeps a text, as settings and arguments write it: a secret, a parameter, an object.
//!
//! A secret is written as ECS writes it, `ARN:json-key:version-stage:version-id`, all behind the ARN may be left
//! out, and instead of the ARN the name is good too; a parameter is `ssm:NAME` or its ARN; an object is
//! `s3://BUCKET/KEY`. An ARN names its region. What a text is never stands in an error. Not here: how it is read
//! ([`super::read`]).

use std::fmt;

use serde_json::Value;

const SECRET_SHAPE: &str =
    "write a secret's name or ARN, with the key in its JSON as ARN:KEY::, or ssm:/NAME";
const OBJECT_SHAPE: &str = "write s3://BUCKET/KEY";
const PARAMETER_SHAPE: &str = "write ssm:/NAME";

/// Where a text is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeptAt {
    Secret(SecretAt),
    Parameter {
        /// Or ARN; with a version or label behind a colon if one is wanted.
        name: String,
        region: Option<String>,
    },
    Object {
        bucket: String,
        key: String,
    },
}

/// A secret, or a value in its JSON.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SecretAt {
    /// Name or ARN.
    pub id: String,
    pub region: Option<String>,
    pub json_key: Option<String>,
    pub stage: Option<String>,
    pub version: Option<String>,
}

/// Why a secret's text is not a password. Without what stands in it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unusable {
    #[error("it is no JSON object, so it has no key \"{0}\"")]
    NotJson(String),
    #[error("its JSON has no key \"{0}\"")]
    NoKey(String),
    #[error("the value of the key \"{0}\" in its JSON is no text")]
    NotText(String),
    #[error("it is a JSON object, of which one key is wanted")]
    Whole,
    #[error("it is empty, or has more than one line")]
    NotOneLine,
    #[error("it is binary")]
    Binary,
}

impl Unusable {
    pub fn hint(&self) -> &'static str {
        match self {
            Self::NotJson(_) => {
                "leave the key out of the setting, or keep JSON with this key in the secret"
            }
            Self::NoKey(_) | Self::NotText(_) => {
                "correct the key in the setting, or keep the password under it in the secret's JSON, as text"
            }
            Self::Whole => "name the key behind the ARN or name, as in ARN:password::",
            Self::NotOneLine => "keep the password alone there, on one line",
            Self::Binary => "keep the password as text, not as binary",
        }
    }
}

impl KeptAt {
    /// An argument that names no file.
    pub fn of_argument(text: &str) -> Option<Result<Self, String>> {
        if let Some(rest) = text.strip_prefix("s3://") {
            return Some(
                object(rest).ok_or_else(|| format!("\"{text}\" is no object; {OBJECT_SHAPE}")),
            );
        }
        let name = text.strip_prefix("ssm:")?;
        Some(
            parameter(name).ok_or_else(|| format!("\"{text}\" is no parameter; {PARAMETER_SHAPE}")),
        )
    }

    /// The value of a setting for a password. A text that is nothing of the kind is not repeated: it may be one.
    pub fn of_password(text: &str) -> Result<Self, String> {
        let found = match text.strip_prefix("ssm:") {
            Some(name) => parameter(name),
            None if text.starts_with("arn:") => arn(text),
            None => secret(text, None).map(Self::Secret),
        };
        found.ok_or_else(|| format!("is no place of a secret; {SECRET_SHAPE}"))
    }

    /// As AWS calls its kind.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Secret(_) => "secret",
            Self::Parameter { .. } => "parameter",
            Self::Object { .. } => "object",
        }
    }

    /// That an ARN names.
    pub fn region(&self) -> Option<&str> {
        match self {
            Self::Secret(secret) => secret.region.as_deref(),
            Self::Parameter { region, .. } => region.as_deref(),
            Self::Object { .. } => None,
        }
    }

    pub fn name(&self) -> String {
        match self {
            Self::Secret(secret) => secret.id.clone(),
            Self::Parameter { name, .. } => name.clone(),
            Self::Object { bucket, key } => format!("{bucket}/{key}"),
        }
    }

    /// The password in the text that is kept there.
    pub fn password(&self, text: &str) -> Result<String, Unusable> {
        let json: Option<serde_json::Map<String, Value>> = serde_json::from_str(text).ok();
        let wanted = match self {
            Self::Secret(secret) => secret.json_key.as_ref(),
            Self::Parameter { .. } | Self::Object { .. } => None,
        };
        match (wanted, json) {
            (None, Some(_)) => Err(Unusable::Whole),
            (None, None) => one_line(text),
            (Some(key), None) => Err(Unusable::NotJson(key.clone())),
            (Some(key), Some(json)) => match json.get(key) {
                None => Err(Unusable::NoKey(key.clone())),
                Some(Value::String(password)) => one_line(password),
                Some(Value::Number(number)) => Ok(number.to_string()),
                Some(_) => Err(Unusable::NotText(key.clone())),
            },
        }
    }
}

impl fmt::Display for KeptAt {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} \"{}\"", self.kind(), self.name())?;
        match self {
            Self::Secret(SecretAt {
                json_key: Some(key),
                ..
            }) => write!(formatter, ", key \"{key}\""),
            _ => Ok(()),
        }
    }
}

/// One line end after it is ignored, as behind a password in a file.
fn one_line(text: &str) -> Result<String, Unusable> {
    let line = text.strip_suffix('\n').unwrap_or(text);
    let line = line.strip_suffix('\r').unwrap_or(line);
    match line.is_empty() || line.contains('\n') {
        true => Err(Unusable::NotOneLine),
        false => Ok(line.to_owned()),
    }
}

fn arn(text: &str) -> Option<KeptAt> {
    let mut parts = text.splitn(6, ':').skip(2);
    let (service, region, _account) = (parts.next()?, parts.next()?, parts.next()?);
    let resource = parts.next()?;
    if region.is_empty() {
        return None;
    }
    match service {
        "secretsmanager" => {
            let name = resource.strip_prefix("secret:")?;
            let head = text.strip_suffix(name)?;
            secret(name, Some((head, region))).map(KeptAt::Secret)
        }
        "ssm" => parameter(text),
        _ => None,
    }
}

/// `arn` is what stands before the name, and the region there.
fn secret(text: &str, arn: Option<(&str, &str)>) -> Option<SecretAt> {
    let parts: Vec<&str> = text.split(':').collect();
    let (name, more) = parts.split_first()?;
    let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"/_+=.@-".contains(&byte);
    if !(1..=512).contains(&name.len()) || !name.bytes().all(is_allowed) || more.len() > 3 {
        return None;
    }
    let part = |at: usize| {
        let found = more.get(at).filter(|part| !part.is_empty());
        found.map(|part| (*part).to_owned())
    };
    let (head, region) = arn.unzip();
    Some(SecretAt {
        id: format!("{}{name}", head.unwrap_or_default()),
        region: region.map(str::to_owned),
        json_key: part(0),
        stage: part(1),
        version: part(2),
    })
}

fn parameter(name: &str) -> Option<KeptAt> {
    let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"/_.:-".contains(&byte);
    if !(1..=2048).contains(&name.len()) || !name.bytes().all(is_allowed) {
        return None;
    }
    let region = name
        .strip_prefix("arn:")
        .and_then(|rest| rest.split(':').nth(2));
    Some(KeptAt::Parameter {
        name: name.to_owned(),
        region: region
            .filter(|region| !region.is_empty())
            .map(str::to_owned),
    })
}

fn object(text: &str) -> Option<KeptAt> {
    let (bucket, key) = text.split_once('/')?;
    let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
    if !(3..=255).contains(&bucket.len()) || !bucket.bytes().all(is_allowed) {
        return None;
    }
    (1..=1024).contains(&key.len()).then(|| KeptAt::Object {
        bucket: bucket.to_owned(),
        key: key.to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(text: &str) -> KeptAt {
        KeptAt::of_password(text).expect(text)
    }

    fn secret_at(text: &str) -> SecretAt {
        match place(text) {
            KeptAt::Secret(secret) => secret,
            other => panic!("{other:?}"),
        }
    }

    const ARN: &str = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:prod/db-AbCdEf";

    #[test]
    fn a_secret_is_written_as_ecs_writes_it_or_by_its_name() {
        let whole = secret_at(ARN);
        assert_eq!((whole.id.as_str(), whole.json_key), (ARN, None));
        assert_eq!(whole.region.as_deref(), Some("eu-central-1"));
        let keyed = secret_at(&format!("{ARN}:password::"));
        assert_eq!(
            (keyed.id.as_str(), keyed.json_key.as_deref()),
            (ARN, Some("password"))
        );
        assert_eq!((keyed.stage, keyed.version), (None, None));
        let pinned = secret_at("prod/db:pw:AWSPREVIOUS:v1");
        assert_eq!((pinned.id.as_str(), pinned.region), ("prod/db", None));
        assert_eq!(pinned.stage.as_deref(), Some("AWSPREVIOUS"));
        assert_eq!(pinned.version.as_deref(), Some("v1"));
    }

    #[test]
    fn a_parameter_is_written_with_its_scheme_or_as_an_arn() {
        let arn = "arn:aws:ssm:eu-west-1:123456789012:parameter/db/password";
        for (text, region) in [("ssm:/db/password", None), (arn, Some("eu-west-1"))] {
            let found = place(text);
            assert!(matches!(found, KeptAt::Parameter { .. }), "{found:?}");
            assert_eq!(found.region(), region);
        }
    }

    #[test]
    fn what_is_no_place_is_refused_without_being_repeated() {
        for text in [
            "hunter 2!",
            "",
            "arn:aws:s3:::bucket",
            "arn:aws:secretsmanager::1:secret:a",
            "arn:aws:secretsmanager:eu-central-1:1:other:a",
            "name:key:stage:version:more",
            "ssm:a b",
        ] {
            let error = KeptAt::of_password(text).expect_err(text);
            assert!(text.is_empty() || !error.contains(text), "{error}");
        }
    }

    #[test]
    fn an_argument_is_an_object_a_parameter_or_a_file() {
        let object = KeptAt::of_argument("s3://my-bucket/a/b.toml");
        assert_eq!(
            object,
            Some(Ok(KeptAt::Object {
                bucket: "my-bucket".to_owned(),
                key: "a/b.toml".to_owned()
            }))
        );
        assert!(matches!(
            KeptAt::of_argument("ssm:/headwater/orders"),
            Some(Ok(KeptAt::Parameter { .. }))
        ));
        assert_eq!(KeptAt::of_argument("headwater.toml"), None);
        for wrong in ["s3://bucket", "s3://bucket/", "s3:///key", "ssm:"] {
            let error = KeptAt::of_argument(wrong).expect("not a file").unwrap_err();
            assert!(error.contains(wrong), "{error}");
        }
    }

    #[test]
    fn a_password_is_the_whole_text_or_the_value_of_its_key_and_an_error_never_shows_it() {
        let whole = place("db");
        assert_eq!(whole.password("hunter2\n"), Ok("hunter2".to_owned()));
        assert_eq!(
            whole.password("{\"password\":\"hunter2\"}"),
            Err(Unusable::Whole)
        );
        assert_eq!(whole.password(""), Err(Unusable::NotOneLine));
        assert_eq!(
            whole.password("hunter2\nhunter3"),
            Err(Unusable::NotOneLine)
        );
        let keyed = place("db:password::");
        let json = "{\"username\":\"u\",\"password\":\"hunter2\",\"port\":{}}";
        assert_eq!(keyed.password(json), Ok("hunter2".to_owned()));
        assert_eq!(keyed.password("{\"password\":42}"), Ok("42".to_owned()));
        for (text, place) in [
            ("hunter2", &keyed),
            (json, &place("db:pw::")),
            (json, &place("db:port::")),
        ] {
            let error = place.password(text).expect_err("unusable");
            assert!(
                !format!("{error} {}", error.hint()).contains("hunter2"),
                "{error}"
            );
        }
    }
}
