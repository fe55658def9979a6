//! What can go wrong on a dump connection, and what kind of [`Failure`] it is.
//!
//! The server's own words are kept; bytes of packets, which may hold rows or passwords, never are.

use std::{error::Error as StdError, io, time::Duration};

use headwater_actors::failure::{Class, Code, Failure};

use crate::mysql::{
    failure::{
        ServerError, certificate_failure, clear_text, code, event_too_large, grant_hint,
        io_failure, no_tls, password_asked, server_failure, unknown_plugin,
    },
    fatal,
};

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error(transparent)]
    Io(#[from] io::Error),
    #[error("the server closed the connection")]
    Closed,
    #[error("nothing came within {} s, not even a heartbeat", .0.as_secs_f32())]
    Silent(Duration),
    #[error("packet {found} instead of {expected}")]
    OutOfOrder { expected: u8, found: u8 },
    /// What was being read.
    #[error("the server's {0} cannot be read")]
    Unexpected(&'static str),
    #[error(transparent)]
    Server(#[from] ServerError),
    #[error("the server offers no TLS")]
    NoTls,
    #[error("TLS: certificates cannot name the host \"{0}\"")]
    HostName(String),
    /// What of ours cannot be used.
    #[error("TLS: {what}")]
    Tls {
        what: String,
        source: Box<dyn StdError + Send + Sync>,
    },
    #[error("unknown authentication plugin \"{0}\"")]
    Plugin(String),
    #[error("the account wants its password in clear text")]
    ClearText,
    #[error("without TLS, the server asks for the password itself")]
    PasswordAsked,
    #[error("an event of {bytes} bytes")]
    EventTooLarge { bytes: usize, bytes_max: usize },
    #[error("an event of {claimed} bytes, of which its packets hold {found}")]
    Torn { claimed: usize, found: usize },
}

impl Error {
    /// `doing` names the step, e.g. `connect to db1:3306`.
    pub fn failure(self, doing: &str, user: &str) -> Failure {
        match self {
            Self::Io(error) => io_failure(doing, error),
            Self::Silent(_) => Failure::transient(doing)
                .with_code(Code::Late)
                .because(self),
            Self::Closed | Self::OutOfOrder { .. } | Self::Unexpected(_) | Self::Torn { .. } => {
                Failure::transient(doing).because(self)
            }
            Self::Server(error) => server_failure(doing, user, error),
            Self::NoTls => no_tls(doing),
            Self::HostName(_) | Self::Tls { .. } => {
                certificate_failure(Failure::definite(doing).because(self))
            }
            Self::Plugin(name) => unknown_plugin(doing, &name),
            Self::PasswordAsked => password_asked(doing),
            Self::ClearText => clear_text(doing),
            Self::EventTooLarge { bytes, bytes_max } => event_too_large(doing, bytes, bytes_max),
        }
    }

    /// The same where a dump was asked for: some codes mean more there.
    pub fn dump_failure(self, doing: &str, user: &str) -> Failure {
        let Self::Server(error) = self else {
            return self.failure(doing, user);
        };
        let hint = match error.number {
            code::FATAL_ERROR_READING_BINLOG => fatal::hint(&error.message).to_owned(),
            code::REPLACED_BY_SAME_ID => fatal::TAKEN_OVER.to_owned(),
            // COM_REGISTER_REPLICA without REPLICATION SLAVE.
            code::ACCESS_DENIED | code::SPECIFIC_ACCESS_DENIED => grant_hint(user),
            _ => return server_failure(doing, user, error),
        };
        let failure = error.failure(doing).with_class(Class::Definite);
        failure.with_hint(hint)
    }
}

/// An ERR packet, whose first byte has been seen. Before the handshake it carries no state.
/// <https://dev.mysql.com/doc/dev/mysql-server/latest/page_protocol_basic_err_packet.html>
pub fn server_error(packet: &[u8]) -> Error {
    let Some((code, rest)) = packet
        .get(1..)
        .and_then(|rest| rest.split_first_chunk::<2>())
    else {
        return Error::Unexpected("error packet");
    };
    let (state, message) = match rest {
        [b'#', rest @ ..] => rest.split_at_checked(5).unwrap_or((b"HY000", rest)),
        _ => (&b"HY000"[..], rest),
    };
    Error::Server(ServerError {
        number: u16::from_le_bytes(*code),
        state: String::from_utf8_lossy(state).into_owned(),
        message: String::from_utf8_lossy(message).into_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_process_of_the_pipeline_is_told_as_such() {
        let error = server_error(
            b"\xff\xd4\x04#HY000A replica with the same server_uuid/server_id as this replica has connected to the source",
        );
        let failure = error.dump_failure("read", "ann");
        assert!(failure.is_definite() && failure.is_mysql(1236));
        assert!(failure.to_string().contains("1236"), "{failure}");
        assert!(failure.hint.is_some_and(|hint| hint.contains("taken over")));
    }

    #[test]
    fn an_error_before_the_handshake_has_no_state_and_a_short_one_is_no_error_packet() {
        let error = server_error(b"\xff\x10\x04Too many connections");
        let failure = error.failure("connect to db:3306", "ann");
        assert!(!failure.is_definite());
        assert_eq!(
            failure.to_string(),
            "connect to db:3306: the server says 1040 (HY000): Too many connections"
        );
        for cut in [&b"\xff"[..], b"\xff\x10"] {
            assert!(matches!(server_error(cut), Error::Unexpected(_)));
        }
    }
}
