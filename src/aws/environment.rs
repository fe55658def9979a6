//! What the environment says of credentials, where the SDK found none: which half, file or profile is wrong.
//!
//! The SDK passes over what it cannot use and says in the end that nobody gave any. Here the same variables and
//! files are read once more, after a failure only, in the SDK's order. What they mean is decided without I/O.
//! Values of keys and tokens are never kept.

use std::{env, io, path::Path};

use aws_config::profile::{self, ProfileSet};
use aws_runtime::env_config::file::EnvConfigFiles;

/// Profiles that name each other as their source.
const SOURCES_MAX: usize = 8;

/// What is there, without its secrets.
#[derive(Debug, Default)]
pub struct Environment {
    has_key: bool,
    has_secret: bool,
    /// `AWS_PROFILE`, where it is set.
    profile: Option<String>,
    /// The profile in use; `None`: no file has it.
    found: Option<FoundProfile>,
    token: Option<Token>,
}

/// Where a profile, or the last one of those that it names as its source, gets its keys.
#[derive(Debug, PartialEq, Eq)]
struct FoundProfile {
    name: String,
    keys: ProfileKeys,
}

#[derive(Debug, PartialEq, Eq)]
enum ProfileKeys {
    Half {
        has: &'static str,
        lacks: &'static str,
    },
    Process,
    SignIn(&'static str),
    Other,
}

/// Of `AWS_WEB_IDENTITY_TOKEN_FILE`.
#[derive(Debug)]
struct Token {
    path: String,
    has_role: bool,
    /// What the file holds.
    read: Result<TokenText, io::Error>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum TokenText {
    Empty,
    /// White space in it or behind it.
    Spaced,
    Whole,
}

/// The sentence and its remedy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Explanation {
    pub text: String,
    pub hint: String,
    /// Waiting does not help, whatever the SDK says.
    pub is_lasting: bool,
}

impl Environment {
    pub async fn read() -> Self {
        let is_set = |name: &str| env::var(name).is_ok_and(|value| !value.trim().is_empty());
        let profiles = profile::load(
            &Default::default(),
            &Default::default(),
            &EnvConfigFiles::default(),
            None,
        )
        .await;
        Self {
            has_key: is_set("AWS_ACCESS_KEY_ID"),
            has_secret: is_set("AWS_SECRET_ACCESS_KEY") || is_set("SECRET_ACCESS_KEY"),
            profile: env::var("AWS_PROFILE").ok(),
            // A file that cannot be read is in the SDK's own words.
            found: profiles.ok().as_ref().and_then(FoundProfile::of),
            token: env::var("AWS_WEB_IDENTITY_TOKEN_FILE")
                .ok()
                .map(|path| Token {
                    has_role: is_set("AWS_ROLE_ARN"),
                    read: std::fs::read(Path::new(&path)).map(|bytes| TokenText::of(&bytes)),
                    path,
                }),
        }
    }

    /// What is wrong with it, in the order in which the SDK looks.
    pub fn explain(&self) -> Option<Explanation> {
        let half = |has: &str, lacks: &str| Explanation {
            text: format!("{has} is set and {lacks} is not"),
            hint: "set both, or neither where a role gives the credentials".to_owned(),
            is_lasting: false,
        };
        match (self.has_key, self.has_secret) {
            (true, true) => return None,
            (true, false) => return Some(half("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")),
            (false, true) => return Some(half("AWS_SECRET_ACCESS_KEY", "AWS_ACCESS_KEY_ID")),
            (false, false) => (),
        }
        let of_profile = match (&self.found, &self.profile) {
            (Some(found), _) => found.explain(),
            (None, Some(profile)) => Some(Explanation {
                text: format!(
                    "AWS_PROFILE names the profile \"{profile}\", which is in neither of AWS's files"
                ),
                hint: "correct AWS_PROFILE, or mount the files and name them by AWS_CONFIG_FILE and AWS_SHARED_CREDENTIALS_FILE".to_owned(),
                is_lasting: false,
            }),
            (None, None) => None,
        };
        of_profile.or_else(|| self.token.as_ref().and_then(Token::explain))
    }
}

impl FoundProfile {
    fn of(profiles: &ProfileSet) -> Option<Self> {
        let mut profile = profiles.get_profile(profiles.selected_profile())?;
        for _ in 0..SOURCES_MAX {
            match profile
                .get("source_profile")
                .and_then(|name| profiles.get_profile(name))
            {
                Some(source) if source.name() != profile.name() => profile = source,
                _ => break,
            }
        }
        let (key, secret) = ("aws_access_key_id", "aws_secret_access_key");
        let has = |name: &str| profile.get(name).is_some();
        let keys = match (has(key), has(secret)) {
            (true, false) => ProfileKeys::Half {
                has: key,
                lacks: secret,
            },
            (false, true) => ProfileKeys::Half {
                has: secret,
                lacks: key,
            },
            (true, true) => ProfileKeys::Other,
            (false, false) if has("sso_session") || has("sso_start_url") => {
                ProfileKeys::SignIn("SSO (IAM Identity Center)")
            }
            (false, false) if has("login_session") => ProfileKeys::SignIn("`aws login`"),
            (false, false) if has("credential_process") => ProfileKeys::Process,
            (false, false) => ProfileKeys::Other,
        };
        Some(Self {
            name: profile.name().to_owned(),
            keys,
        })
    }

    fn explain(&self) -> Option<Explanation> {
        let name = &self.name;
        let text = match &self.keys {
            ProfileKeys::Other => return None,
            ProfileKeys::Half { has, lacks } => {
                return Some(Explanation {
                    text: format!("the profile \"{name}\" has {has} and no {lacks}"),
                    hint: "write both into it".to_owned(),
                    is_lasting: true,
                });
            }
            ProfileKeys::Process => format!(
                "the profile \"{name}\" gets its credentials by credential_process, and this program starts no other"
            ),
            ProfileKeys::SignIn(by) => format!(
                "the profile \"{name}\" gets its credentials by {by}, which this program does not speak"
            ),
        };
        let hint = format!(
            "use a role, or put the credentials into the environment; they expire: eval \"$(aws configure export-credentials --profile {name} --format env)\", and unset AWS_PROFILE"
        );
        Some(Explanation {
            text,
            hint,
            is_lasting: true,
        })
    }
}

impl TokenText {
    fn of(bytes: &[u8]) -> Self {
        match bytes {
            [] => Self::Empty,
            bytes if bytes.iter().any(u8::is_ascii_whitespace) => Self::Spaced,
            _ => Self::Whole,
        }
    }
}

impl Token {
    fn explain(&self) -> Option<Explanation> {
        let variable = "AWS_WEB_IDENTITY_TOKEN_FILE";
        let path = self.path.escape_debug();
        let mount = "mount the service account's token there; on EKS the annotation eks.amazonaws.com/role-arn of the service account does that, for pods that are made after it";
        let (text, hint) = match &self.read {
            _ if !self.has_role => (
                format!("{variable} is set and AWS_ROLE_ARN is not"),
                "set AWS_ROLE_ARN to the role that the token is for",
            ),
            Err(_) if self.path.trim() != self.path => (
                format!("{variable} is \"{path}\": white space around the path"),
                "take the white space or the line end away",
            ),
            Err(error) => (
                format!("{variable} names \"{path}\", which cannot be read: {error}"),
                mount,
            ),
            Ok(TokenText::Empty) => (
                format!("{variable} names \"{path}\", which is empty"),
                mount,
            ),
            Ok(TokenText::Spaced) => (
                format!("the token in \"{path}\" has white space or a line end in it"),
                "write the token alone into the file (printf '%s', not echo)",
            ),
            Ok(TokenText::Whole) => return None,
        };
        Some(Explanation {
            text,
            hint: hint.to_owned(),
            is_lasting: true,
        })
    }
}

#[cfg(test)]
mod tests {
    use aws_runtime::env_config::file::EnvConfigFileKind;

    use super::*;

    fn text_of(environment: Environment) -> Option<String> {
        environment.explain().map(|explanation| {
            assert!(!explanation.hint.is_empty());
            explanation.text
        })
    }

    async fn found(config: &str) -> Option<FoundProfile> {
        let files = EnvConfigFiles::builder()
            .with_contents(EnvConfigFileKind::Config, config)
            .build();
        let name = Some("ours".into());
        let profiles = profile::load(&Default::default(), &Default::default(), &files, name).await;
        FoundProfile::of(&profiles.expect("a config"))
    }

    #[test]
    fn half_a_key_pair_is_named_and_a_whole_one_is_not_doubted() {
        let pair = |has_key, has_secret| {
            text_of(Environment {
                has_key,
                has_secret,
                profile: Some("gone".to_owned()),
                ..Environment::default()
            })
        };
        let text = pair(true, false).expect("half");
        assert_eq!(
            text,
            "AWS_ACCESS_KEY_ID is set and AWS_SECRET_ACCESS_KEY is not"
        );
        let text = pair(false, true).expect("half");
        assert_eq!(
            text,
            "AWS_SECRET_ACCESS_KEY is set and AWS_ACCESS_KEY_ID is not"
        );
        assert_eq!(pair(true, true), None);
        let text = pair(false, false).expect("a profile that is nowhere");
        assert!(text.contains("\"gone\""), "{text}");
    }

    #[tokio::test]
    async fn a_profile_says_how_its_credentials_are_got() {
        for (config, wanted) in [
            (
                "[profile ours]\ncredential_process = /bin/keys\n",
                "credential_process",
            ),
            (
                "[profile ours]\nsso_session = a\nsso_account_id = 1\n",
                "SSO",
            ),
            ("[profile ours]\nsso_start_url = https://a\n", "SSO"),
            (
                "[profile ours]\nlogin_session = arn:aws:iam::1:user/a\n",
                "`aws login`",
            ),
            (
                "[profile ours]\naws_access_key_id = A\n",
                "no aws_secret_access_key",
            ),
            (
                "[profile ours]\nrole_arn = r\nsource_profile = base\n[profile base]\nsso_start_url = https://a\n",
                "\"base\"",
            ),
        ] {
            let found = found(config).await;
            let text = text_of(Environment {
                found,
                ..Environment::default()
            });
            assert!(
                text.as_ref().is_some_and(|text| text.contains(wanted)),
                "{config}: {text:?}"
            );
        }
        let whole = "[profile ours]\naws_access_key_id = A\naws_secret_access_key = S\n";
        assert_eq!(
            found(whole).await.map(|found| found.keys),
            Some(ProfileKeys::Other)
        );
        let round =
            "[profile ours]\nsource_profile = base\n[profile base]\nsource_profile = ours\n";
        let keys = found(round).await.map(|found| found.keys);
        assert_eq!(keys, Some(ProfileKeys::Other), "the SDK's words say it");
        assert_eq!(found("[profile other]\nregion = x\n").await, None);
    }

    #[test]
    fn a_token_file_is_looked_into() {
        let token = |path: &str, read| {
            text_of(Environment {
                token: Some(Token {
                    path: path.to_owned(),
                    has_role: true,
                    read,
                }),
                ..Environment::default()
            })
        };
        let missing = || Err(io::Error::from(io::ErrorKind::NotFound));
        let text = token("/run/token", missing()).expect("told");
        assert!(
            text.contains("\"/run/token\", which cannot be read"),
            "{text}"
        );
        let text = token("/run/token\n", missing()).expect("told");
        assert!(text.contains("\"/run/token\\n\": white space"), "{text}");
        for bytes in ["", "token\n", "to ken"] {
            assert!(token("/run/token", Ok(TokenText::of(bytes.as_bytes()))).is_some());
        }
        assert_eq!(token("/run/token", Ok(TokenText::of(b"eyJ.e30.x"))), None);
    }
}
