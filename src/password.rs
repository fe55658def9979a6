//! A server's password: the one place that it comes from, asked anew for each connection.
//!
//! So one that was rotated counts from the next connection on, and a token is never older than its connection. What
//! AWS keeps is remembered for a few seconds, for many connections may be opened at once, and forgotten when a server
//! refuses it. While a password is being changed, its place may be unreadable or its server refuse what stands there:
//! once a password of the place has been taken, neither is definite any more, for nothing is lost by waiting. Not
//! here: how a password is sent (`mysql`).

use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use headwater_actors::failure::{Class, Failure};
use serde::Deserialize;

pub use crate::aws::rds::Door;
use crate::{
    aws::{self, AwsPlan, KeptAt},
    options::{Error, optional},
    secret::Secret,
};

/// Many connections at once ask once.
const REMEMBERED_FOR: Duration = Duration::from_secs(10);

/// How an account proves itself, as `source.auth` has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Auth {
    Password,
    RdsIam,
}

/// The settings of a section that are about its password, and the variable.
#[derive(Debug, Clone, Copy)]
pub struct PasswordKeys {
    pub url: &'static str,
    pub variable: &'static str,
    pub file: &'static str,
    pub secret: &'static str,
    pub auth: &'static str,
}

/// What they say.
pub struct PasswordOptions<'a> {
    pub keys: PasswordKeys,
    pub in_url: Option<Secret>,
    pub in_environment: &'a Secret,
    pub in_file: &'a str,
    pub in_secret: &'a str,
    pub auth: Auth,
    pub aws: &'a AwsPlan,
}

/// Cheap to clone; clones know of each other's logins.
#[derive(Debug, Clone)]
pub struct Password {
    /// The setting or variable that it comes from; that of a file where there is none.
    key: &'static str,
    place: Place,
    has_served: Arc<AtomicBool>,
}

#[derive(Debug, Clone)]
enum Place {
    Here(Secret),
    File(String),
    Aws(Arc<Kept>),
    /// A token that is signed for each connection.
    Rds(AwsPlan),
}

#[derive(Debug)]
struct Kept {
    at: KeptAt,
    aws: AwsPlan,
    last: Mutex<Option<(Instant, Secret)>>,
}

impl PasswordOptions<'_> {
    /// It comes from one place: which of two wins would be a guess. A file must be readable; AWS is not asked.
    pub fn plan(self) -> Result<Password, Error> {
        let keys = self.keys;
        let in_environment = Some(self.in_environment).filter(|password| !password.is_empty());
        let (in_file, in_secret) = (optional(self.in_file), optional(self.in_secret));
        let places = [
            self.in_url.as_ref().map(|_| keys.url),
            in_environment.map(|_| keys.variable),
            in_file.map(|_| keys.file),
            in_secret.map(|_| keys.secret),
        ];
        let places: Vec<&str> = places.into_iter().flatten().collect();
        if places.len() > 1 {
            return Err(Error::new(
                keys.url,
                format!("the password comes from {}", places.join(" and from ")),
                "keep one of them",
            ));
        }
        if let (Auth::RdsIam, Some(place)) = (self.auth, places.first()) {
            return Err(Error::new(
                keys.auth,
                format!("is \"rds_iam\", which has no password, and one comes from {place}"),
                "remove the password, or set auth = \"password\"",
            ));
        }
        let (key, place) = match (self.auth, self.in_url, in_environment, in_file, in_secret) {
            (Auth::RdsIam, ..) => (keys.auth, Place::Rds(self.aws.clone())),
            (_, Some(password), ..) => (keys.url, Place::Here(password)),
            (_, _, Some(password), ..) => (keys.variable, Place::Here(password.clone())),
            (_, _, _, Some(path), _) => {
                Secret::in_file(keys.file, path, "the password")?;
                (keys.file, Place::File(path.to_owned()))
            }
            (.., Some(secret)) => {
                let at = KeptAt::of_password(secret).map_err(|message| Error {
                    key: keys.secret.to_owned(),
                    message,
                })?;
                let aws = self.aws.clone();
                let last = Mutex::default();
                (keys.secret, Place::Aws(Arc::new(Kept { at, aws, last })))
            }
            (.., None) => (keys.file, Place::Here(Secret::default())),
        };
        Ok(Password::at(key, place))
    }
}

impl Password {
    /// One that does not change.
    pub fn known(key: &'static str, secret: Secret) -> Self {
        Self::at(key, Place::Here(secret))
    }

    fn at(key: &'static str, place: Place) -> Self {
        let has_served = Arc::default();
        Self {
            key,
            place,
            has_served,
        }
    }

    /// Where it comes from, for messages.
    pub fn key(&self) -> &'static str {
        self.key
    }

    /// What it is now.
    ///
    /// # Errors
    /// When its place cannot be read, or holds none; transient once it has held one.
    pub async fn read(&self, door: Door<'_>) -> Result<Secret, Failure> {
        let read = match &self.place {
            Place::Here(secret) => Ok(secret.clone()),
            Place::File(path) => in_file(self.key, path),
            Place::Aws(kept) => kept.read().await,
            Place::Rds(plan) => aws::rds::token(door, plan).await.map(Secret::new),
        };
        read.map_err(|failure| self.in_time(failure))
    }

    /// A server has taken it.
    pub fn taken(&self) {
        self.has_served.store(true, Ordering::Relaxed);
    }

    /// A server has said that it is wrong.
    pub fn refused(&self, failure: Failure, door: Door<'_>) -> Failure {
        let Door { host, user, .. } = door;
        let failure = match &self.place {
            Place::Here(_) => return failure,
            Place::File(_) => failure,
            Place::Aws(kept) => {
                kept.forget();
                let hint = failure.hint.clone().unwrap_or_default();
                failure.with_hint(format!(
                    "{hint}; the {} is read again at the next connect; it must hold the password of '{user}': a rotation that changes users is not followed",
                    kept.at
                ))
            }
            Place::Rds(_) => failure.with_hint(format!(
                "RDS refused the token: the account must be made for IAM (MySQL: CREATE USER '{user}' IDENTIFIED WITH AWSAuthenticationPlugin AS 'RDS'), the instance have IAM authentication switched on, the role have rds-db:connect on arn:aws:rds-db:REGION:ACCOUNT:dbuser:RESOURCE-ID/{user}, \"{host}\" be its own endpoint and no other name of it, source.aws.region its region, and the clock of this machine right"
            )),
        };
        self.in_time(failure)
    }

    fn in_time(&self, failure: Failure) -> Failure {
        match self.has_served.load(Ordering::Relaxed) {
            true => failure.with_class(Class::Transient),
            false => failure,
        }
    }

    /// It is good for whoever has it, for a quarter of an hour: it must go inside TLS.
    pub fn is_token(&self) -> bool {
        matches!(self.place, Place::Rds(_))
    }

    /// What AWS is asked for, for people; `None` where it is not asked.
    pub fn asks_aws(&self, user: &str) -> Option<String> {
        match &self.place {
            Place::Here(_) | Place::File(_) => None,
            Place::Aws(kept) => Some(kept.at.to_string()),
            Place::Rds(_) => Some(format!("a token of RDS IAM for '{user}'")),
        }
    }
}

/// It may be in the middle of being replaced.
fn in_file(key: &str, path: &str) -> Result<Secret, Failure> {
    Secret::in_file(key, path, "the password").map_err(|error| {
        Failure::transient("the password cannot be read")
            .because(error)
            .with_hint("mount the password where the setting says, readable by this user")
    })
}

impl Kept {
    async fn read(&self) -> Result<Secret, Failure> {
        if let Some(secret) = self.remembered() {
            return Ok(secret);
        }
        let text = aws::read(&self.at, &self.aws).await?;
        let password = self.at.password(&text).map_err(|unusable| {
            let hint = unusable.hint();
            Failure::definite(format!("the {} has no password that can be used", self.at))
                .because(unusable)
                .with_hint(hint)
        })?;
        let secret = Secret::new(password);
        *self.last.lock().unwrap_or_else(PoisonError::into_inner) =
            Some((Instant::now(), secret.clone()));
        Ok(secret)
    }

    fn remembered(&self) -> Option<Secret> {
        let last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        let (read, secret) = last.as_ref()?;
        (read.elapsed() < REMEMBERED_FOR).then(|| secret.clone())
    }

    fn forget(&self) {
        *self.last.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }
}

#[cfg(test)]
impl Password {
    /// Where nobody needs to be asked.
    pub fn at_hand(&self) -> Result<Secret, Failure> {
        use futures_util::FutureExt;
        let door = Door {
            host: "db",
            port: 3306,
            user: "ann",
        };
        self.read(door).now_or_never().expect("nobody is asked")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DOOR: Door<'static> = Door {
        host: "db",
        port: 3306,
        user: "ann",
    };

    fn options<'a>(in_file: &'a str, in_secret: &'a str, auth: Auth) -> Result<Password, Error> {
        PasswordOptions {
            keys: PasswordKeys {
                url: "url",
                variable: "PASSWORD",
                file: "password_file",
                secret: "password_secret",
                auth: "auth",
            },
            in_url: None,
            in_environment: &Secret::default(),
            in_file,
            in_secret,
            auth,
            aws: &AwsPlan::default(),
        }
        .plan()
    }

    fn refused(password: &Password) -> Failure {
        password.refused(Failure::definite("no"), DOOR)
    }

    #[test]
    fn a_password_comes_from_one_place_and_a_token_needs_none() {
        let error = options("p", "db:password::", Auth::Password).expect_err("two places");
        assert_eq!(error.key, "url");
        assert!(
            error
                .message
                .contains("from password_file and from password_secret"),
            "{error}"
        );
        let error = options("", "db", Auth::RdsIam).expect_err("a password beside a token");
        assert_eq!(error.key, "auth");
        let error = options("", "hunter 2", Auth::Password).expect_err("no place");
        assert_eq!(error.key, "password_secret");
        assert!(!error.message.contains("hunter"), "{error}");
        let token = options("", "", Auth::RdsIam).expect("a plan");
        assert!(token.is_token());
    }

    #[test]
    fn a_file_is_read_anew_and_a_refusal_is_definite_until_it_has_served() {
        let file = tempfile::NamedTempFile::new().expect("a file");
        std::fs::write(file.path(), "one\n").expect("written");
        let path = file.path().to_str().expect("a path");
        let password = options(path, "", Auth::Password).expect("a plan");
        let read = || password.at_hand().expect("a password");
        assert_eq!(read().reveal(), "one");
        assert!(refused(&password).is_definite());
        password.clone().taken();
        std::fs::write(file.path(), "two\n").expect("written");
        assert_eq!(read().reveal(), "two");
        assert!(!refused(&password).is_definite());
    }

    #[test]
    fn a_password_of_the_settings_stays_wrong() {
        let password = Password::known("url", Secret::new("one"));
        password.taken();
        assert!(refused(&password).is_definite());
    }

    #[test]
    fn what_aws_keeps_is_remembered_until_a_server_refuses_it_and_never_shown() {
        let password = options("", "prod/db:password::", Auth::Password).expect("a plan");
        let Place::Aws(kept) = &password.place else {
            panic!("{password:?}");
        };
        *kept.last.lock().expect("a lock") = Some((Instant::now(), Secret::new("hunter2")));
        let read = password.at_hand().expect("AWS is not asked");
        assert_eq!(read.reveal(), "hunter2");
        assert!(!format!("{password:?}").contains("hunter2"));
        let hint = refused(&password).hint.expect("a hint");
        assert!(
            hint.contains("the secret \"prod/db\", key \"password\" is read again"),
            "{hint}"
        );
        assert!(kept.remembered().is_none());
    }
}
