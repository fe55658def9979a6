//! What the server and the driver say, as a [`Failure`] with a hint.
//!
//! The server's own words are kept: they hold names of accounts and variables, never values or passwords.
//! Unknown errors are transient: the supervisor bounds how often they are tried.
//! Codes: <https://dev.mysql.com/doc/mysql-errors/9.0/en/server-error-reference.html>

use std::{error::Error as StdError, io};

use headwater_actors::failure::{Class, Code, Failure, causes};
use mysql_async::{DriverError, Error, IoError, TlsError};
use mysql_common::proto::codec::error::PacketCodecError;

/// Error codes that a caller acts on.
pub mod code {
    pub const ACCESS_DENIED: u16 = 1045;
    pub const DUPLICATE_KEY: u16 = 1062;
    pub const FATAL_ERROR_READING_BINLOG: u16 = 1236;
    pub const SPECIFIC_ACCESS_DENIED: u16 = 1227;
    /// MariaDB's word to a dump that it ends for a newer one of the same `server_id`.
    pub const REPLACED_BY_SAME_ID: u16 = 4052;
}

/// What a server says in an error packet.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the server says {number} ({state}): {message}")]
pub struct ServerError {
    pub number: u16,
    pub state: String,
    pub message: String,
}

impl ServerError {
    /// Transient, until somebody knows more of the number.
    pub fn failure(self, doing: &str) -> Failure {
        let code = Code::MySql {
            number: self.number,
            state: self.state.clone(),
        };
        Failure::transient(doing).with_code(code).because(self)
    }
}

impl From<mysql_async::ServerError> for ServerError {
    fn from(error: mysql_async::ServerError) -> Self {
        Self {
            number: error.code,
            state: error.state,
            message: error.message,
        }
    }
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

/// `doing` names the step, e.g. `connect to db1:3306`.
pub fn failure(doing: &str, user: &str, error: Error) -> Failure {
    match error {
        Error::Server(error) => server_failure(doing, user, error.into()),
        Error::Driver(error) => driver_failure(doing, &error),
        Error::Io(IoError::Tls(error)) => tls_failure(doing, error),
        Error::Io(IoError::Io(error)) => io_failure(doing, error),
        // A URL is never parsed by the driver here; anything else is its own trouble.
        Error::Other(error) => Failure::transient(doing).because(error),
        Error::Url(error) => Failure::transient(doing).because(error),
    }
}

pub(super) fn server_failure(doing: &str, user: &str, error: ServerError) -> Failure {
    let hint = server_hint(error.number, user);
    let failure = error.failure(doing);
    match hint {
        Some(hint) => failure.with_class(Class::Definite).with_hint(hint),
        None => failure,
    }
}

/// Definite errors and their cure.
fn server_hint(number: u16, user: &str) -> Option<String> {
    let hint = match number {
        1044 | 1142 | 1143 | 1370 | code::SPECIFIC_ACCESS_DENIED => grant_hint(user),
        code::ACCESS_DENIED | 1698 => format!(
            "check the user '{user}', source.password_file (or HEADWATER__SOURCE__PASSWORD) and from which hosts the account may come"
        ),
        1130 => format!("create the account '{user}' for the host that this program runs on"),
        1129 => {
            "run FLUSH HOSTS on the server; too many connections from here were broken off".into()
        }
        1251 | 1524 => format!("ALTER USER '{user}' IDENTIFIED WITH caching_sha2_password BY '…'"),
        1820 | 1862 => format!("ALTER USER '{user}' IDENTIFIED BY '…': its password has expired"),
        3118 | 3955 => format!("ALTER USER '{user}' ACCOUNT UNLOCK"),
        3159 => "set source.tls.mode = \"required\": the server takes no plain connections".into(),
        _ => return None,
    };
    Some(hint)
}

/// Not as a cause: the driver's errors may carry packets or values.
fn driver_failure(doing: &str, error: &DriverError) -> Failure {
    let plain = |what: &str| Failure::transient(format!("{doing}: {what}"));
    match error {
        DriverError::NoClientSslFlagFromServer => no_tls(doing),
        DriverError::CleartextPluginDisabled => clear_text(doing),
        DriverError::MysqlOldPasswordDisabled => unknown_plugin(doing, "mysql_old_password"),
        DriverError::UnknownAuthPlugin { name } => unknown_plugin(doing, name),
        DriverError::PacketTooLarge => answer_too_large(doing),
        DriverError::ConnectionClosed => plain("the connection is closed"),
        DriverError::UnexpectedPacket { .. } => plain("unexpected packet from the server"),
        DriverError::PacketOutOfOrder => plain("packet out of order"),
        _ => plain("the driver could not go on"),
    }
}

pub(super) fn no_tls(doing: &str) -> Failure {
    Failure::definite(format!("{doing}: the server offers no TLS")).with_hint(
        "give the server a certificate (ssl_cert, ssl_key), or set source.tls.mode = \"preferred\" or \"disabled\"",
    )
}

pub(super) fn clear_text(doing: &str) -> Failure {
    Failure::definite(format!(
        "{doing}: the account wants its password in clear text"
    ))
    .with_hint(PLUGIN_HINT)
}

/// The peer may be anyone: the key that it would offer proves nothing.
pub(super) fn password_asked(doing: &str) -> Failure {
    Failure::definite(format!(
        "{doing}: the connection has no TLS, and the server asks for the password itself"
    ))
    .with_hint("give the server a certificate and set source.tls.mode = \"verify_identity\" (at least \"required\"); or, where nobody else can answer at its address, source.tls.allow_public_key_retrieval = true")
}

pub(super) fn unknown_plugin(doing: &str, name: &str) -> Failure {
    Failure::definite(format!(
        "{doing}: the account wants the authentication plugin \"{name}\", which is not known here"
    ))
    .with_hint(PLUGIN_HINT)
}

const PLUGIN_HINT: &str = "use an account with caching_sha2_password or mysql_native_password";

pub(super) fn event_too_large(doing: &str, bytes: usize, bytes_max: usize) -> Failure {
    Failure::definite(format!(
        "{doing}: an event of {bytes} bytes is larger than source.event_bytes_max ({bytes_max})"
    ))
    .with_hint("raise source.event_bytes_max above the largest event; memory can grow by three times as much")
}

fn answer_too_large(doing: &str) -> Failure {
    Failure::definite(format!(
        "{doing}: the server's answer is larger than any that is expected"
    ))
}

fn tls_failure(doing: &str, error: TlsError) -> Failure {
    let is_certificate = match &error {
        TlsError::Tls(error) => is_about_certificates(error),
        // What is trusted, or whom: files and names of the settings.
        TlsError::InvalidDnsName(_) | TlsError::Pem(_) | TlsError::VerifierBuilderError(_) => true,
    };
    let failure = Failure::transient(format!("{doing}: TLS")).because(error);
    match is_certificate {
        true => certificate_failure(failure),
        false => failure,
    }
}

pub(super) fn certificate_failure(failure: Failure) -> Failure {
    failure
        .with_class(Class::Definite)
        .with_code(Code::Certificate)
        .with_hint("check source.tls.ca_file (for RDS its region's bundle) and that source.url names the host as the certificate does; \"verify_ca\" does not compare names")
}

fn is_about_certificates(error: &rustls::Error) -> bool {
    matches!(
        error,
        rustls::Error::InvalidCertificate(_) | rustls::Error::NoCertificatesPresented
    )
}

pub(super) fn io_failure(doing: &str, error: io::Error) -> Failure {
    // rustls explains this one at length, with a link.
    if error.kind() == io::ErrorKind::UnexpectedEof {
        return Failure::transient(format!("{doing}: the server closed the connection"))
            .with_code(Code::Io(error.kind()));
    }
    // The packet codec and rustls both arrive wrapped in an io::Error.
    if let Some(PacketCodecError::PacketTooLarge) = cause(&error) {
        return answer_too_large(doing);
    }
    let is_certificate = cause(&error).is_some_and(is_about_certificates);
    let failure = Failure::transient(doing).because(error);
    match is_certificate {
        true => certificate_failure(failure),
        false => failure,
    }
}

/// The first cause of a type.
fn cause<'a, T: StdError + 'static>(error: &'a (dyn StdError + 'static)) -> Option<&'a T> {
    causes(error).find_map(|cause| cause.downcast_ref())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn server(code: u16) -> Error {
        Error::Server(mysql_async::ServerError {
            code,
            message: "no".into(),
            state: "HY000".into(),
        })
    }

    #[test]
    fn a_wrong_password_is_definite_and_names_the_account() {
        let failure = failure("connect to db:3306", "ann", server(1045));
        assert!(failure.is_definite() && failure.is_mysql(1045));
        assert_eq!(
            failure.to_string(),
            "connect to db:3306: the server says 1045 (HY000): no"
        );
        assert!(failure.hint.is_some_and(|hint| hint.contains("'ann'")));
    }

    #[test]
    fn an_unknown_error_is_transient() {
        assert!(!failure("ask", "ann", server(1040)).is_definite());
    }

    #[test]
    fn a_connection_that_breaks_off_is_said_in_plain_words() {
        let eof = io::Error::new(io::ErrorKind::UnexpectedEof, "see https://…");
        let failure = failure("read", "ann", Error::Io(IoError::Io(eof)));
        assert!(!failure.is_definite());
        assert_eq!(
            failure.to_string(),
            "read: the server closed the connection"
        );
    }

    #[test]
    fn an_unexpected_packet_is_never_printed() {
        let error = Error::Driver(DriverError::UnexpectedPacket {
            payload: b"secret row".to_vec(),
        });
        let failure = failure("ask", "ann", error);
        let said = format!("{failure} {failure:?}");
        assert!(!said.contains("secret") && !said.contains("115"), "{said}");
    }

    #[test]
    fn certificates_and_large_packets_are_known_by_type_inside_an_io_error() {
        let io = |error| failure("connect", "ann", Error::Io(IoError::Io(error)));
        for (error, is_certificate) in [
            (rustls::CertificateError::UnknownIssuer.into(), true),
            (rustls::Error::NoCertificatesPresented, true),
            (rustls::Error::HandshakeNotComplete, false),
            (rustls::Error::General("certificate".into()), false),
        ] {
            let failure = io(io::Error::new(io::ErrorKind::InvalidData, error));
            assert_eq!(failure.is_definite(), is_certificate, "{failure}");
            assert_eq!(
                failure.code == Some(Code::Certificate),
                is_certificate,
                "{failure}"
            );
        }
        assert!(io(io::Error::other(PacketCodecError::PacketTooLarge)).is_definite());
        assert!(!io(io::Error::other("Packet too large")).is_definite());
    }
}
