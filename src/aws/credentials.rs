//! Where credentials come from, a role on top of the SDK's default chain, and what trouble with them means.
//!
//! Of a role that may not be assumed the SDK says no more than of a network that is down, and not which role. Here
//! the role is named, and a refusal by STS is told from what may pass by itself; and what the environment shows
//! to be wrong is told with the failure. Not here: keeping credentials until they expire, which the SDK does.

use std::error::Error as StdError;

use aws_config::{SdkConfig, sts::AssumeRoleProvider};
use aws_credential_types::provider::{
    ProvideCredentials, SharedCredentialsProvider, error::CredentialsError, future,
};
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_types::error::ErrorMetadata;
use headwater_actors::failure::causes;

use super::{
    environment::{Environment, Explanation},
    errors::chain,
    refused::Refused,
};

pub const HINT: &str = "give the process credentials: a task role (ECS), a service account with a role (EKS), an instance profile, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY";
const UNREACHED_HINT: &str = "what gives the credentials cannot be reached: check the network path to STS (the VPC endpoint `sts`, or NAT) and to the metadata of the task or instance (169.254.170.2, 169.254.169.254; from a container on EC2 its hop limit must be 2); it is tried again";
const ROLE_HINT: &str = "allow sts:AssumeRole on this role in the IAM policy of the process's own role or user, and name that one in the role's trust policy; or correct `role_arn`";

/// What STS says for ever, unless a policy or the ARN is changed.
/// <https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRole.html#API_AssumeRole_Errors>
const ROLE_REFUSED: [&str; 4] = [
    "AccessDenied",
    "InvalidClientTokenId",
    "RegionDisabledException",
    "ValidationError",
];

/// Takes the place of the default chain's credentials, by which STS is asked at its own address, with the SDK's
/// retries.
pub async fn assume(role_arn: &str, base: &SdkConfig) -> SharedCredentialsProvider {
    let provider = AssumeRoleProvider::builder(role_arn)
        .session_name("headwater")
        .configure(base)
        .build()
        .await;
    SharedCredentialsProvider::new(Role {
        arn: role_arn.to_owned(),
        provider,
    })
}

/// What the default chain gives; a failure is explained by the environment.
pub fn explained(chain: SharedCredentialsProvider) -> SharedCredentialsProvider {
    SharedCredentialsProvider::new(Explained(chain))
}

#[derive(Debug)]
struct Explained(SharedCredentialsProvider);

#[derive(Debug, thiserror::Error)]
#[error("{}", explanation.text)]
struct ExplainedError {
    explanation: Explanation,
    source: CredentialsError,
}

impl ProvideCredentials for Explained {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        future::ProvideCredentials::new(async {
            let source = match self.0.provide_credentials().await {
                Ok(credentials) => return Ok(credentials),
                Err(source) => source,
            };
            Err(match Environment::read().await.explain() {
                None => source,
                Some(explanation) => CredentialsError::provider_error(ExplainedError {
                    explanation,
                    source,
                }),
            })
        })
    }
}

/// Names the role in what fails.
#[derive(Debug)]
struct Role {
    arn: String,
    provider: AssumeRoleProvider,
}

#[derive(Debug, thiserror::Error)]
#[error("assume role \"{arn}\"")]
struct RoleError {
    arn: String,
    source: CredentialsError,
}

impl ProvideCredentials for Role {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        future::ProvideCredentials::new(async {
            let assumed = self.provider.provide_credentials().await;
            assumed.map_err(|source| {
                let arn = self.arn.clone();
                CredentialsError::provider_error(RoleError { arn, source })
            })
        })
    }
}

/// Why there are no credentials.
#[derive(Debug)]
pub struct Trouble {
    pub text: String,
    pub hint: String,
    /// Nobody gave any, they are wrong, or the role is refused.
    pub is_lasting: bool,
}

/// Of an error that is about credentials.
pub fn trouble(error: &(dyn StdError + 'static)) -> Option<Trouble> {
    let found = causes(error).find(|cause| cause.is::<CredentialsError>())?;
    let is_missing = causes(found)
        .filter_map(|cause| cause.downcast_ref())
        .any(|error| {
            matches!(
                error,
                CredentialsError::CredentialsNotLoaded(_)
                    | CredentialsError::InvalidConfiguration(_)
            )
        });
    let code = causes(found)
        .filter_map(|cause| cause.downcast_ref::<ErrorMetadata>())
        .find_map(ErrorMetadata::code);
    let is_refused = causes(found).any(|cause| cause.is::<RoleError>())
        && code.is_some_and(|code| ROLE_REFUSED.contains(&code));
    let is_unreached = causes(found)
        .filter_map(|cause| cause.downcast_ref::<ConnectorError>())
        .any(|error| error.is_io() || error.is_timeout());
    let explanation = causes(found)
        .find_map(|cause| cause.downcast_ref::<ExplainedError>())
        .map(|error| &error.explanation);
    // Without the answer its clock is not known.
    let refused = code.and_then(|code| Refused::of(code, None));
    let is_wrong = explanation.is_some_and(|explanation| explanation.is_lasting)
        || refused.is_some_and(Refused::is_lasting);
    Some(Trouble {
        text: chain(found),
        hint: match (explanation, refused) {
            (Some(explanation), _) => explanation.hint.clone(),
            (None, Some(refused)) => refused.hint().to_owned(),
            (None, None) if is_refused => ROLE_HINT.to_owned(),
            (None, None) if is_unreached && !is_missing => UNREACHED_HINT.to_owned(),
            (None, None) => HINT.to_owned(),
        },
        is_lasting: is_missing || is_refused || is_wrong,
    })
}

#[cfg(test)]
mod tests {
    use std::io;

    use aws_smithy_runtime_api::client::{orchestrator::HttpResponse, result::SdkError};

    use super::*;

    #[test]
    fn a_place_of_credentials_that_cannot_be_reached_is_not_told_as_credentials_that_are_missing() {
        let lost = io::Error::from(io::ErrorKind::ConnectionRefused);
        let lost = ConnectorError::io(lost.into());
        let asked = SdkError::<ErrorMetadata, HttpResponse>::dispatch_failure(lost);
        let role = RoleError {
            arn: "arn:aws:iam::1:role/reader".to_owned(),
            source: CredentialsError::provider_error(asked),
        };
        let found = trouble(&CredentialsError::provider_error(role)).expect("of credentials");
        assert!(!found.is_lasting);
        assert!(
            found.text.contains("arn:aws:iam::1:role/reader"),
            "{}",
            found.text
        );
        assert_eq!(found.hint, UNREACHED_HINT);
        let missing = trouble(&CredentialsError::not_loaded_no_source()).expect("of credentials");
        assert!(missing.is_lasting);
        assert_eq!(missing.hint, HINT);
    }
}
