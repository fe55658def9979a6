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
    /// MariaDB's word to a dump that it ends for a newer one of the same `server_id`.
    pub const REPLACED_BY_SAME_ID: u16 = 4052;
}

/// What cures missing privileges.
pub fn grant_hint(user: &str) -> String {
    format!("GRANT REPLICATION SLAVE, REPLICATION CLIENT, SELECT ON *.* TO '{user}'@'%'")
}

/// `doing` names the step, e.g. `connect to db1:3306`.
pub fn failure(doing: &str, user: &str, error: &Error) -> Failure {
    match error {
        Error::Server(server) => {
            server_failure(doing, user, server.code, &server.state, &server.message)
        }
        Error::Driver(driver) => driver_failure(doing, driver),
        Error::Io(IoError::Tls(error)) => tls_failure(doing, error),
        Error::Io(IoError::Io(error)) => io_failure(doing, error),
        // A URL is never parsed by the driver here; anything else is its own trouble.
        Error::Other(_) | Error::Url(_) => Failure::transient(format!("{doing}: {error}")),
    }
}

/// What the server says in an error packet.
pub(super) fn server_failure(
    doing: &str,
    user: &str,
    code: u16,
    state: &str,
    message: &str,
) -> Failure {
    let message = format!("{doing}: the server says {code} ({state}): {message}");
    match server_hint(code, user) {
        Some(hint) => Failure::definite(message).with_hint(hint),
        None => Failure::transient(message),
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
        DriverError::NoClientSslFlagFromServer => no_tls(doing),
        DriverError::CleartextPluginDisabled => clear_text(doing),
        DriverError::MysqlOldPasswordDisabled => unknown_plugin(doing, "mysql_old_password"),
        DriverError::UnknownAuthPlugin { name } => unknown_plugin(doing, name),
        DriverError::PacketTooLarge => answer_too_large(doing),
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

/// For a dump that the server has ended in favour of another one.
pub(super) const TAKEN_OVER_HINT: &str = "another process of this pipeline (same name and server_id; on MariaDB any replica of the same server_id) reads from this server and has taken over: stop one of the two, or give this one another `name` or source.server_id";

/// Error 1236 has many causes, told only by its text.
pub(super) fn fatal_hint(message: &str) -> &'static str {
    if message.contains("same server_uuid") || message.contains("same server_id") {
        return TAKEN_OVER_HINT;
    }
    if message.contains("purged") || message.contains("Could not find first log file") {
        return "the server no longer has this part of its log: copy the tables anew and clear the checkpoint, or accept the gap with `headwater position set`; keep the log longer (binlog_expire_logs_seconds)";
    }
    if message.contains("max_allowed_packet") {
        return "SET PERSIST replica_max_allowed_packet = 1073741824 (before 8.0.26: slave_max_allowed_packet); if the position was set by hand, it may not be the start of an event";
    }
    if message.contains("impossible position") {
        return "the file is shorter than the position: the server lost the end of its log, or the position was set by hand";
    }
    "the server cannot read its own log there: check its disk and error log; if the position was set by hand, `headwater position set` verifies it"
}

fn tls_failure(doing: &str, error: &TlsError) -> Failure {
    let message = format!("{doing}: TLS: {}", chain(error));
    if is_certificate(&message) {
        return certificate_failure(message);
    }
    Failure::transient(message)
}

pub(super) fn certificate_failure(message: String) -> Failure {
    Failure::definite(message).with_hint(
        "check source.tls.ca_file (for RDS its region's bundle) and that source.url names the host as the certificate does; \"verify_ca\" does not compare names",
    )
}

/// rustls's texts for what a peer's certificate lacks.
fn is_certificate(message: &str) -> bool {
    message.contains("certificate") || message.contains("BadEncoding")
}

pub(super) fn io_failure(doing: &str, error: &std::io::Error) -> Failure {
    // rustls explains this one at length, with a link.
    if error.kind() == std::io::ErrorKind::UnexpectedEof {
        return Failure::transient(format!("{doing}: the server closed the connection"));
    }
    let text = error.to_string();
    let message = format!("{doing}: {text}");
    // The packet codec and rustls both arrive wrapped in an io::Error.
    if text.contains("acket too large") || text.contains("acket is larger") {
        return answer_too_large(doing);
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
