//! What goes wrong on a connection, as a [`Failure`] with a hint: one place for questions, dump and login.
//!
//! Classes hang on types, on the server's numbers and on rustls's own words, never on a text. The server's words are
//! kept: they hold names of accounts and variables, never values or passwords. Unknown errors are transient: the
//! supervisor bounds how often they are tried.
//! Numbers: <https://dev.mysql.com/doc/mysql-errors/9.0/en/server-error-reference.html>

use std::io;

use headwater_actors::failure::{Class, Code, Failure, causes};
use rustls::{AlertDescription as Alert, Error as TlsError};

use super::{
    error::{Error, Link, ServerError, Shown},
    fatal,
};

/// Error codes that a caller acts on.
pub mod code {
    pub const ACCESS_DENIED: u16 = 1045;
    pub const DUPLICATE_KEY: u16 = 1062;
    pub const FATAL_ERROR_READING_BINLOG: u16 = 1236;
    pub const SPECIFIC_ACCESS_DENIED: u16 = 1227;
    /// MariaDB's word to a dump that it ends for a newer one of the same `server_id`.
    pub const REPLACED_BY_SAME_ID: u16 = 4052;
}

/// `doing` names the step, e.g. `connect to db1:3306`.
pub fn failure(doing: &str, user: &str, error: Error) -> Failure {
    match error {
        Error::Io(error) => io_failure(Failure::transient(doing), error),
        Error::Handshake(error) => handshake_failure(doing, error),
        Error::UnknownHost { .. } => Failure::transient(doing)
            .because(error)
            .with_hint("check the host's name in source.url and source.hosts, and DNS"),
        Error::Silent(_) => Failure::transient(doing).with_code(Code::Late).because(error),
        Error::Closed | Error::OutOfOrder { .. } | Error::Unexpected(_) | Error::Torn { .. } => {
            Failure::transient(doing).because(error)
        }
        Error::Server(error) => server_failure(doing, user, error),
        Error::Refused { said, shown } => {
            let is_denied = matches!(said.number, code::ACCESS_DENIED | 1698);
            let failure = server_failure(doing, user, said);
            match is_denied {
                true => failure.with_hint(denied(user, shown)),
                false => failure,
            }
        }
        Error::NoTls => Failure::definite(doing).because(error).with_hint(
            "give the server a certificate (ssl_cert, ssl_key), or set source.tls.mode = \"preferred\" or \"disabled\"",
        ),
        Error::HostName(_) => certificate_failure(Failure::definite(doing).because(error)),
        Error::Tls(_) => Failure::definite(doing)
            .with_code(Code::Certificate)
            .because(error)
            .with_hint("source.tls.ca_file, cert_file and key_file name PEM files that this process must be able to read; a key belongs to its certificate and has no password"),
        Error::Plugin(name) => unknown_plugin(doing, user, &name),
        Error::ClearText => Failure::definite(doing)
            .because(error)
            .with_hint(plugin_hint(user)),
        Error::PasswordAsked => password_asked(doing),
        Error::AnswerTooLarge(_) => Failure::definite(doing)
            .because(error)
            .with_hint("check what answers at source.url and what stands in between; a list of all tables or columns that is so long gets shorter where the account may SELECT from fewer databases"),
        Error::RowTooLarge(bytes_max) => Failure::definite(format!(
            "{doing}: a row is larger than source.event_bytes_max ({bytes_max})"
        ))
        .with_hint("raise source.event_bytes_max above the largest row; memory can grow by three times as much"),
        Error::EventTooLarge { bytes, bytes_max } => Failure::definite(format!(
            "{doing}: an event of {bytes} bytes is larger than source.event_bytes_max ({bytes_max})"
        ))
        .with_hint("raise source.event_bytes_max above the largest event; memory can grow by three times as much"),
    }
}

/// The same where a dump was asked for: some numbers mean more there.
pub fn dump_failure(doing: &str, user: &str, error: Error) -> Failure {
    let Error::Server(error) = error else {
        return failure(doing, user, error);
    };
    let hint = match error.number {
        code::FATAL_ERROR_READING_BINLOG => fatal::hint(&error.message).to_owned(),
        code::REPLACED_BY_SAME_ID => fatal::TAKEN_OVER.to_owned(),
        // COM_REGISTER_REPLICA without REPLICATION SLAVE.
        code::ACCESS_DENIED | code::SPECIFIC_ACCESS_DENIED => grant_hint(user),
        _ => return server_failure(doing, user, error),
    };
    said(doing, error)
        .with_class(Class::Definite)
        .with_hint(hint)
}

/// What several hosts have said, transient; one alone keeps its code and cause.
pub(super) fn joined(mut failures: Vec<Failure>) -> Failure {
    if failures.len() == 1
        && let Some(only) = failures.pop()
    {
        return only.with_class(Class::Transient);
    }
    let lines: Vec<_> = failures.iter().map(Failure::to_string).collect();
    Failure::transient(lines.join("; "))
}

/// What cures missing privileges.
pub fn grant_hint(user: &str) -> String {
    format!("GRANT REPLICATION SLAVE, REPLICATION CLIENT, SELECT ON *.* TO '{user}'@'%'")
}

fn server_failure(doing: &str, user: &str, error: ServerError) -> Failure {
    let known = meaning(error.number, user);
    let failure = said(doing, error);
    match known {
        Some((class, hint)) => failure.with_class(class).with_hint(hint),
        None => failure,
    }
}

/// Transient, until somebody knows more of the number.
fn said(doing: &str, error: ServerError) -> Failure {
    let code = Code::MySql {
        number: error.number,
        state: error.state.clone(),
    };
    Failure::transient(doing).with_code(code).because(error)
}

/// What is known of a number: whether it passes, and what cures it.
fn meaning(number: u16, user: &str) -> Option<(Class, String)> {
    use Class::{Definite, Transient};
    let (class, hint) = match number {
        1044 | 1142 | 1143 | 1370 | code::SPECIFIC_ACCESS_DENIED => (Definite, grant_hint(user)),
        code::ACCESS_DENIED | 1698 => (
            Definite,
            format!("check the user '{user}', its password, and from which hosts the account may come"),
        ),
        1130 => (
            Definite,
            format!("create the account '{user}' for the host that this program runs on"),
        ),
        1129 => (
            Definite,
            "run FLUSH HOSTS on the server; too many connections from here were broken off".into(),
        ),
        1251 | 1524 => (Definite, plugin_hint(user)),
        1820 | 1862 => (
            Definite,
            format!("ALTER USER '{user}' IDENTIFIED BY '…': its password has expired"),
        ),
        3118 | 3955 | 4151 => (Definite, format!("ALTER USER '{user}' ACCOUNT UNLOCK")),
        3159 => (
            Definite,
            "set source.tls.mode = \"required\": the server takes no plain connections".into(),
        ),
        1047 | 1235 => (
            Definite,
            "a proxy stands before the server that does not pass on what replicas ask (RDS Proxy, ProxySQL, MaxScale's routers): let source.url name the server itself".into(),
        ),
        1040 => (
            Transient,
            "the server has no connection left: raise max_connections, or end idle clients".into(),
        ),
        1203 | 1226 => (
            Transient,
            format!("the account has used up what it may: ALTER USER '{user}' WITH MAX_USER_CONNECTIONS 0 MAX_CONNECTIONS_PER_HOUR 0 MAX_QUERIES_PER_HOUR 0"),
        ),
        1184 => (
            Transient,
            format!("the server's init_connect fails for this account (SELECT @@init_connect; the server's error log says why): cure it, or GRANT CONNECTION_ADMIN ON *.* TO '{user}', which passes it over"),
        ),
        3032 => (
            Transient,
            "the server is in offline mode: SET GLOBAL offline_mode = OFF, when it is to serve again".into(),
        ),
        _ => return None,
    };
    Some((class, hint))
}

/// "Access denied" is also what a server says where the account wants more than a password.
fn denied(user: &str, shown: Shown) -> String {
    let key = shown.password_key;
    let origin = match shown.has_password {
        true => format!("from {key}"),
        false => format!("none is set; {key} can name a file that holds it"),
    };
    let lacked = lacked(shown.link);
    format!(
        "check the user '{user}', its password ({origin}), and from which hosts the account may come; {lacked}"
    )
}

fn lacked(link: Link) -> &'static str {
    match link {
        Link::Plain => {
            "this connection had no TLS: where SHOW CREATE USER says REQUIRE SSL or X509, set source.tls.mode = \"required\""
        }
        Link::Tls => {
            "this connection had TLS and no client certificate: where SHOW CREATE USER says REQUIRE X509, SUBJECT or ISSUER, set source.tls.cert_file and source.tls.key_file"
        }
        Link::Certificate => {
            "this connection had source.tls.cert_file to show: where SHOW CREATE USER says REQUIRE SUBJECT or ISSUER, compare them with it; a server without ssl_ca asks for no certificate"
        }
    }
}

/// The peer may be anyone: the key that it would offer proves nothing.
fn password_asked(doing: &str) -> Failure {
    Failure::definite(format!(
        "{doing}: the connection has no TLS, and the server asks for the password itself"
    ))
    .with_hint("give the server a certificate and set source.tls.mode = \"verify_identity\" (at least \"required\"); or, where nobody else can answer at its address, source.tls.allow_public_key_retrieval = true; MySQL may ask so for an account that does not exist, too")
}

fn unknown_plugin(doing: &str, user: &str, name: &str) -> Failure {
    let failure = Failure::definite(format!(
        "{doing}: the account wants the authentication plugin \"{name}\", which is not known here"
    ));
    // MariaDB's own, and the sentence in its words.
    if matches!(name, "client_ed25519" | "parsec") {
        return failure.with_hint(format!(
            "CREATE USER or ALTER USER '{user}'@'%' IDENTIFIED VIA mysql_native_password USING PASSWORD('…')"
        ));
    }
    failure.with_hint(plugin_hint(user))
}

fn plugin_hint(user: &str) -> String {
    format!(
        "ALTER USER '{user}' IDENTIFIED WITH caching_sha2_password BY '…' (on old servers and MariaDB mysql_native_password): for an account of RDS IAM set source.auth = \"rds_iam\"; for one of a directory or PAM create one with a password of its own"
    )
}

/// While TLS is agreed on.
fn handshake_failure(doing: &str, error: io::Error) -> Failure {
    let failure = io_failure(Failure::transient(format!("{doing}: TLS")), error);
    if failure.hint.is_some() {
        return failure;
    }
    failure.with_hint(format!("the server's error log may say why; {TLS_SPOKEN}"))
}

const TLS_SPOKEN: &str = "this program speaks TLS 1.2 (with ECDHE) and 1.3: upgrade a server that has only older ones, or widen its tls_version and ssl_cipher; where nobody can listen on the way, source.tls.mode = \"disabled\" reads without TLS";

fn certificate_failure(failure: Failure) -> Failure {
    failure
        .with_class(Class::Definite)
        .with_code(Code::Certificate)
        .with_hint("check source.tls.ca_file (for RDS its region's bundle) and that source.url names the host as the certificate does; \"verify_ca\" does not compare names")
}

/// What rustls says arrives wrapped in an io::Error; an alert about a certificate of ours may come behind the handshake.
fn io_failure(failure: Failure, error: io::Error) -> Failure {
    // rustls explains this one at length, with a link.
    if error.kind() == io::ErrorKind::UnexpectedEof {
        return failure
            .because(Error::Closed)
            .with_code(Code::Io(error.kind()));
    }
    let told = causes(&error).find_map(|cause| cause.downcast_ref::<TlsError>());
    let kind = told.and_then(TlsTrouble::of);
    let failure = failure.because(error);
    match kind {
        None => failure,
        Some(TlsTrouble::Theirs) => certificate_failure(failure),
        Some(TlsTrouble::Ours) => failure
            .with_class(Class::Definite)
            .with_code(Code::Certificate)
            .with_hint("the server does not take the client certificate: check that source.tls.cert_file is valid and signed by the server's ssl_ca"),
        Some(TlsTrouble::NothingInCommon) => {
            failure.with_class(Class::Definite).with_hint(TLS_SPOKEN)
        }
    }
}

/// What of TLS does not pass by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum TlsTrouble {
    /// The server's certificate is not trusted.
    Theirs,
    /// The server does not trust ours.
    Ours,
    /// Neither a version nor a way to agree on keys.
    NothingInCommon,
}

impl TlsTrouble {
    fn of(error: &TlsError) -> Option<Self> {
        match error {
            TlsError::InvalidCertificate(_) | TlsError::NoCertificatesPresented => {
                Some(Self::Theirs)
            }
            TlsError::AlertReceived(
                Alert::AccessDenied
                | Alert::BadCertificate
                | Alert::CertificateExpired
                | Alert::CertificateRequired
                | Alert::CertificateRevoked
                | Alert::CertificateUnknown
                | Alert::NoCertificate
                | Alert::UnknownCA
                | Alert::UnsupportedCertificate,
            ) => Some(Self::Ours),
            TlsError::PeerIncompatible(_)
            | TlsError::AlertReceived(
                Alert::HandshakeFailure | Alert::InsufficientSecurity | Alert::ProtocolVersion,
            ) => Some(Self::NothingInCommon),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests;
