//! The source's part of the plan: servers, password, TLS, start, timeouts.
//!
//! The password comes from one place: which of two wins would be a guess.

use std::{fs::File, io::Read, path::PathBuf};

use headwater_binlog::xa::XaPolicy;

use super::{
    Error, SourcePlan, TlsMode, TlsPlan, UnnamedColumns, address, point,
    values::{choose, duration_secs, number, optional},
};
use crate::{
    secret::Secret,
    settings::{SourceSettings, TlsSettings},
};

const SECRET_FILE_BYTES_MAX: u64 = 4096;

pub(super) fn source(settings: &SourceSettings) -> Result<SourcePlan, Error> {
    let address = address::url(settings.url.reveal())?;
    let mut hosts = vec![address.host];
    hosts.extend(address::hosts(&settings.hosts)?);
    let heartbeat = duration_secs("source.heartbeat_secs", settings.heartbeat_secs, 1..=3600)?;
    let read_timeout = duration_secs(
        "source.read_timeout_secs",
        settings.read_timeout_secs,
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
                in_environment: &settings.password,
                in_file: &settings.password_file,
            },
            address.password,
        )?,
        tls: tls(&settings.tls)?,
        start: point::start(&settings.start)?,
        server_id: number(
            "source.server_id",
            settings.server_id,
            0..=u64::from(u32::MAX),
        )?,
        event_bytes_max: number(
            "source.event_bytes_max",
            settings.event_bytes_max,
            1 << 20..=1 << 30,
        )?,
        connect_timeout: duration_secs(
            "source.connect_timeout_secs",
            settings.connect_timeout_secs,
            1..=600,
        )?,
        heartbeat,
        read_timeout,
        catch_up: duration_secs("source.catch_up_secs", settings.catch_up_secs, 0..=86_400)?,
        unnamed_columns: choose(
            "source.unnamed_columns",
            &settings.unnamed_columns,
            &[
                ("refuse", UnnamedColumns::Refuse),
                ("positional", UnnamedColumns::Positional),
            ],
        )?,
        xa: choose(
            "source.xa",
            &settings.xa,
            &[("halt", XaPolicy::Halt), ("at_commit", XaPolicy::AtCommit)],
        )?,
    })
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
        (_, _, Some(path)) => secret_in(file_key, path, "the password"),
        (None, None, None) => Ok(Secret::default()),
    }
}

/// The one line of a file; `what` it is, for the message.
pub(super) fn secret_in(key: &'static str, path: &str, what: &str) -> Result<Secret, Error> {
    let wrong = |problem: String, remedy: &str| {
        Err(Error::new(
            key,
            format!("file \"{path}\" {problem}"),
            remedy,
        ))
    };
    let mut text = String::new();
    let read = File::open(path).and_then(|file| {
        file.take(SECRET_FILE_BYTES_MAX + 1)
            .read_to_string(&mut text)
    });
    if let Err(error) = read {
        return wrong(
            format!("cannot be read: {error}"),
            "mount the secret there, readable by this user",
        );
    }
    let secret = text.strip_suffix('\n').unwrap_or(&text);
    let secret = secret.strip_suffix('\r').unwrap_or(secret);
    if secret.is_empty() || secret.contains('\n') || text.len() as u64 > SECRET_FILE_BYTES_MAX {
        return wrong(
            "does not hold one line".to_owned(),
            &format!("write {what} into it and nothing else"),
        );
    }
    Ok(Secret::new(secret))
}

fn tls(settings: &TlsSettings) -> Result<TlsPlan, Error> {
    let modes = [
        ("disabled", TlsMode::Disabled),
        ("preferred", TlsMode::Preferred),
        ("required", TlsMode::Required),
        ("verify_ca", TlsMode::VerifyCa),
        ("verify_identity", TlsMode::VerifyIdentity),
    ];
    let mode = choose("source.tls.mode", &settings.mode, &modes)?;
    let ca_file = optional(&settings.ca_file).map(PathBuf::from);
    if ca_file.is_some() && !matches!(mode, TlsMode::VerifyCa | TlsMode::VerifyIdentity) {
        return Err(Error::new(
            "source.tls.ca_file",
            format!("has no effect with source.tls.mode = \"{}\"", settings.mode),
            "set the mode to \"verify_ca\" or \"verify_identity\", or remove the file",
        ));
    }
    Ok(TlsPlan { mode, ca_file })
}
