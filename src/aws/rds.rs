//! RDS's IAM authentication: a token in the place of a password, signed here, good for 15 minutes at one host.
//!
//! It is a presigned GET without its scheme, as the AWS SDKs make it; nobody is asked but for credentials. A login
//! needs it once: a connection lasts longer than its token. Not here: how it is sent, which must be inside TLS.
//! Source: <https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/UsingWithRDS.IAMDBAuth.html>

use std::time::{Duration, SystemTime};

use aws_credential_types::{Credentials, provider::ProvideCredentials};
use aws_sigv4::{
    http_request::{SignableBody, SignableRequest, SignatureLocation, SigningSettings, sign},
    sign::v4,
};
use aws_smithy_runtime_api::{box_error::BoxError, client::identity::Identity};
use headwater_actors::failure::{Class, Failure};
use tracing::subscriber::{NoSubscriber, with_default};

use super::{AwsPlan, configure, credentials};
use crate::percent;

const SERVICE: &str = "rds-db";
/// AWS takes no token for longer.
const VALID_FOR: Duration = Duration::from_secs(900);
/// Whoever gives credentials answers within this time.
const CREDENTIALS_TIMEOUT: Duration = Duration::from_secs(10);
const REGION_HINT: &str = "set source.aws.region, or AWS_REGION: the host's name has no region, as NAME.ID.REGION.rds.amazonaws.com has one";

/// Whom a token lets in, and where.
#[derive(Debug, Clone, Copy)]
pub struct Door<'a> {
    pub host: &'a str,
    pub port: u16,
    pub user: &'a str,
}

/// A new token. The plan's region counts before that in the host's name, and that before the environment's.
pub async fn token(door: Door<'_>, plan: &AwsPlan) -> Result<String, Failure> {
    let doing = format!("sign a token of RDS IAM for {}:{}", door.host, door.port);
    let of_host = || region_of(door.host).map(str::to_owned);
    let plan = AwsPlan {
        region: plan.region.clone().or_else(of_host),
        ..plan.clone()
    };
    let config = configure(&plan).await.map_err(|failure| {
        let failure = failure.within(&doing);
        match plan.region {
            None => failure.with_hint(REGION_HINT),
            Some(_) => failure,
        }
    })?;
    let (Some(region), Some(provider)) = (config.region(), config.credentials_provider()) else {
        return Err(Failure::definite(doing).with_hint(credentials::HINT));
    };
    let asked = tokio::time::timeout(CREDENTIALS_TIMEOUT, provider.provide_credentials());
    let Ok(given) = asked.await else {
        return Err(Failure::transient(format!(
            "{doing}: no credentials within {CREDENTIALS_TIMEOUT:?}"
        ))
        .with_hint(credentials::HINT));
    };
    let given = given.map_err(|error| {
        let plain = Failure::transient(&doing);
        match credentials::trouble(&error) {
            None => plain.because(error),
            Some(trouble) => {
                let class = if trouble.is_lasting {
                    Class::Definite
                } else {
                    Class::Transient
                };
                plain
                    .with_class(class)
                    .because(format!("no usable credentials: {}", trouble.text))
                    .with_hint(trouble.hint)
            }
        }
    })?;
    presign(door, region.as_ref(), given, SystemTime::now())
        .map_err(|error| Failure::definite(doing).because(error))
}

/// As in `db.abc123.eu-central-1.rds.amazonaws.com` and `db.abc123.rds.cn-north-1.amazonaws.com.cn`.
pub fn region_of(host: &str) -> Option<&str> {
    let host = host.strip_suffix('.').unwrap_or(host);
    let last = |text: &'_ str| text.rfind('.').map(|at| at + 1);
    if let Some(rest) = host.strip_suffix(".rds.amazonaws.com") {
        return rest.get(last(rest)?..);
    }
    let rest = host.strip_suffix(".amazonaws.com.cn")?;
    let at = last(rest)?;
    rest.get(..at)?.ends_with(".rds.").then(|| rest.get(at..))?
}

fn presign(
    door: Door<'_>,
    region: &str,
    credentials: Credentials,
    now: SystemTime,
) -> Result<String, BoxError> {
    const SCHEME: &str = "https://";
    let mut settings = SigningSettings::default();
    settings.expires_in = Some(VALID_FOR);
    settings.signature_location = SignatureLocation::QueryParams;
    let identity = Identity::from(credentials);
    let params = v4::SigningParams::builder()
        .identity(&identity)
        .region(region)
        .name(SERVICE)
        .time(now)
        .settings(settings)
        .build()?
        .into();
    let Door { host, port, user } = door;
    // The server knows itself by small letters.
    let host = host.to_ascii_lowercase();
    let mut url = format!(
        "{SCHEME}{host}:{port}/?Action=connect&DBUser={}",
        percent::encode(user, "")
    );
    let none = std::iter::empty();
    let request = SignableRequest::new("GET", &url, none, SignableBody::Bytes(&[]))?;
    // The signer writes what it signs into the finest log, the session token too.
    let signed = with_default(NoSubscriber::default(), || sign(request, &params));
    let (instructions, _) = signed?.into_parts();
    for (name, value) in instructions.params() {
        url.push_str(&format!("&{name}={}", percent::encode(value, "")));
    }
    Ok(url.split_off(SCHEME.len()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn presigned(user: &str, session: Option<&str>, secs: u64) -> String {
        let door = Door {
            host: "prod-instance.us-east-1.rds.amazonaws.com",
            port: 3306,
            user,
        };
        let credentials =
            Credentials::new("akid", "secret", session.map(str::to_owned), None, "test");
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(secs);
        presign(door, "us-east-1", credentials, now).expect("a token")
    }

    /// The test vector of the AWS SDK for Rust.
    #[test]
    fn a_token_is_the_one_that_the_sdk_makes() {
        assert_eq!(
            presigned("peccy", None, 1_724_709_600),
            "prod-instance.us-east-1.rds.amazonaws.com:3306/?Action=connect&DBUser=peccy&X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=akid%2F20240826%2Fus-east-1%2Frds-db%2Faws4_request&X-Amz-Date=20240826T220000Z&X-Amz-Expires=900&X-Amz-SignedHeaders=host&X-Amz-Signature=dd0cba843009474347af724090233265628ace491ea17ce3eb3da098b983ad89"
        );
    }

    #[test]
    fn a_token_of_temporary_credentials_has_their_session_and_any_user_is_encoded() {
        let token = presigned("a b+ü", Some("to/k=en"), 1_724_709_600);
        assert!(token.contains("DBUser=a%20b%2B%C3%BC&"), "{token}");
        assert!(
            token.contains("X-Amz-Security-Token=to%2Fk%3Den"),
            "{token}"
        );
        // botocore's, of the same.
        let signature = "4effc2d83394c7c77d81f82844ede3cef7d4c76e10e34f5800f903fe2474c891";
        assert!(
            token.contains(&format!("X-Amz-Signature={signature}")),
            "{token}"
        );
    }

    #[test]
    fn a_region_is_read_from_the_host_of_an_instance_a_cluster_and_in_china() {
        for (host, region) in [
            (
                "db.abc123.eu-central-1.rds.amazonaws.com",
                Some("eu-central-1"),
            ),
            (
                "c.cluster-abc.us-gov-west-1.rds.amazonaws.com.",
                Some("us-gov-west-1"),
            ),
            (
                "db.abc123.rds.cn-north-1.amazonaws.com.cn",
                Some("cn-north-1"),
            ),
            ("db.example.com", None),
            ("rds.amazonaws.com", None),
            ("ec2-1-2-3-4.cn-north-1.compute.amazonaws.com.cn", None),
            ("127.0.0.1", None),
        ] {
            assert_eq!(region_of(host), region, "{host}");
        }
    }
}
