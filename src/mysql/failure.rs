//! What the server and the driver say, as a [`Failure`] with a hint.
//!
//! The server's own words are kept: they hold names of accounts and variables, never values or passwords.
//! Unknown errors are transient: the supervisor bounds how often they are tried.
//! Codes: <https://dev.mysql.com/doc/mysql-errors/9.0/en/server-error-reference.html>

use headwater_actors::failure::Failure;
use mysql_async::{DriverError, Error, IoError, TlsError};

/// Error codes that a caller acts on.
pub mod code {
    pub const ACCESS_DENIED: u16 = 1045;
    pub const FATAL_ERROR_READING_BINLOG: u16 = 1236;
    pub const SPECIFIC_ACCESS_DENIED: u16 = 1227;
}

/// What cures missing privileges.
pub fn grant_hint(user: &str) -> String {
    format!("GRANT REPLICATION SLAVE, REPLICATION CLIENT, SELECT ON *.* TO '{user}'@'%'")
}

/// `doing` names the step, e.g. `connect to db1:3306`.
pub fn failure(doing: &str, user: &str, error: &Error) -> Failure {
    match error {
        Error::Server(server) => {
            let message = format!(
                "{doing}: the server says {} ({}): {}",
                server.code, server.state, server.message
            );
            match server_hint(server.code, user) {
                Some(hint) => Failure::definite(message).with_hint(hint),
                None => Failure::transient(message),
            }
        }
        Error::Driver(driver) => driver_failure(doing, driver),
        Error::Io(IoError::Tls(error)) => tls_failure(doing, error),
        Error::Io(IoError::Io(error)) => io_failure(doing, error),
        // A URL is never parsed by the driver here; anything else is its own trouble.
        Error::Other(_) | Error::Url(_) => Failure::transient(format!("{doing}: {error}")),
    }
}

/// Definite errors and their cure.
fn server_hint(code: u16, user: &str) -> Option<String> {
    let hint = match code {
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

fn driver_failure(doing: &str, error: &DriverError) -> Failure {
    match error {
        DriverError::NoClientSslFlagFromServer => {
            Failure::definite(format!("{doing}: the server offers no TLS")).with_hint(
                "give the server a certificate (ssl_cert, ssl_key), or set source.tls.mode = \"preferred\" or \"disabled\"",
            )
        }
        DriverError::CleartextPluginDisabled => Failure::definite(format!(
            "{doing}: the account wants its password in clear text"
        ))
        .with_hint("use an account with caching_sha2_password or mysql_native_password"),
        DriverError::MysqlOldPasswordDisabled | DriverError::UnknownAuthPlugin { .. } => {
            Failure::definite(format!("{doing}: {error}"))
                .with_hint("use an account with caching_sha2_password or mysql_native_password")
        }
        DriverError::PacketTooLarge => too_large(doing),
        // The rest may carry packets or values: their names are enough.
        DriverError::ConnectionClosed => {
            Failure::transient(format!("{doing}: the connection is closed"))
        }
        DriverError::UnexpectedPacket { .. } => {
            Failure::transient(format!("{doing}: unexpected packet from the server"))
        }
        DriverError::PacketOutOfOrder => {
            Failure::transient(format!("{doing}: packet out of order"))
        }
        _ => Failure::transient(format!("{doing}: the driver could not go on")),
    }
}

fn too_large(doing: &str) -> Failure {
    Failure::definite(format!(
        "{doing}: a packet is larger than source.event_bytes_max"
    ))
    .with_hint("raise source.event_bytes_max above the largest event (mysqlbinlog shows its size)")
}

fn tls_failure(doing: &str, error: &TlsError) -> Failure {
    let message = format!("{doing}: TLS: {}", chain(error));
    if is_certificate(&message) {
        return certificate_failure(message);
    }
    Failure::transient(message)
}

fn certificate_failure(message: String) -> Failure {
    Failure::definite(message).with_hint(
        "check source.tls.ca_file (for RDS its region's bundle) and that source.url names the host as the certificate does; \"verify_ca\" does not compare names",
    )
}

/// rustls's texts for what a peer's certificate lacks.
fn is_certificate(message: &str) -> bool {
    message.contains("certificate") || message.contains("BadEncoding")
}

fn io_failure(doing: &str, error: &std::io::Error) -> Failure {
    // rustls explains this one at length, with a link.
    if error.kind() == std::io::ErrorKind::UnexpectedEof {
        return Failure::transient(format!("{doing}: the server closed the connection"));
    }
    let text = error.to_string();
    let message = format!("{doing}: {text}");
    // The packet codec and rustls both arrive wrapped in an io::Error.
    if text.contains("acket too large") || text.contains("acket is larger") {
        return too_large(doing);
    }
    if is_certificate(&text) {
        return certificate_failure(message);
    }
    Failure::transient(message)
}

fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        let cause_text = cause.to_string();
        if !text.contains(&cause_text) {
            text.push_str(": ");
            text.push_str(&cause_text);
        }
        next = cause.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use mysql_async::ServerError;

    use super::*;

    fn server(code: u16) -> Error {
        Error::Server(ServerError {
            code,
            message: "no".into(),
            state: "HY000".into(),
        })
    }

    #[test]
    fn a_wrong_password_is_definite_and_names_the_account() {
        let failure = failure("connect to db:3306", "ann", &server(1045));
        assert!(failure.is_definite());
        assert!(failure.hint.is_some_and(|hint| hint.contains("'ann'")));
    }

    #[test]
    fn an_unknown_error_is_transient() {
        assert!(!failure("ask", "ann", &server(1040)).is_definite());
    }

    #[test]
    fn a_connection_that_breaks_off_is_said_in_plain_words() {
        let eof = std::io::Error::new(std::io::ErrorKind::UnexpectedEof, "see https://…");
        let failure = failure("read", "ann", &Error::Io(IoError::Io(eof)));
        assert_eq!(
            failure,
            Failure::transient("read: the server closed the connection")
        );
    }

    #[test]
    fn an_unexpected_packet_is_never_printed() {
        let error = Error::Driver(DriverError::UnexpectedPacket {
            payload: b"secret row".to_vec(),
        });
        let failure = failure("ask", "ann", &error);
        assert!(!failure.message.contains("secret") && !failure.message.contains("115"));
    }
}
