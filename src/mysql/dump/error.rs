//! What can go wrong on a dump connection, and what kind of [`Failure`] it is.
//!
//! The server's own words are kept; bytes of packets, which may hold rows or passwords, never are.

use std::{io, time::Duration};

use headwater_actors::failure::Failure;

use crate::mysql::failure::{
    TAKEN_OVER_HINT, certificate_failure, clear_text, code, event_too_large, fatal_hint,
    grant_hint, io_failure, no_tls, server_failure, unknown_plugin,
};

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error(transparent)]
    Io(#[from] io::Error),
    #[error("the server closed the connection")]
    Closed,
    #[error("nothing came within {} s", .0.as_secs_f32())]
    Silent(Duration),
    #[error("packet {found} instead of {expected}")]
    OutOfOrder { expected: u8, found: u8 },
    /// What was being read.
    #[error("the server's {0} cannot be read")]
    Unexpected(&'static str),
    #[error("{code} ({state}): {message}")]
    Server {
        code: u16,
        state: String,
        message: String,
    },
    #[error("the server offers no TLS")]
    NoTls,
    #[error("TLS: {0}")]
    Tls(String),
    #[error("unknown authentication plugin \"{0}\"")]
    Plugin(String),
    #[error("the account wants its password in clear text")]
    ClearText,
    #[error("an event of {bytes} bytes")]
    EventTooLarge { bytes: usize, bytes_max: usize },
    #[error("an event of {claimed} bytes, of which its packets hold {found}")]
    Torn { claimed: usize, found: usize },
}

impl Error {
    /// `doing` names the step, e.g. `connect to db1:3306`.
    pub fn failure(&self, doing: &str, user: &str) -> Failure {
        match self {
            Self::Io(error) => io_failure(doing, error),
            Self::Silent(_) => Failure::transient(format!("{doing}: {self}, not even a heartbeat")),
            Self::Closed | Self::OutOfOrder { .. } | Self::Unexpected(_) | Self::Torn { .. } => {
                Failure::transient(format!("{doing}: {self}"))
            }
            Self::Server {
                code,
                state,
                message,
            } => server_failure(doing, user, *code, state, message),
            Self::NoTls => no_tls(doing),
            Self::Tls(_) => certificate_failure(format!("{doing}: {self}")),
            Self::Plugin(name) => unknown_plugin(doing, name),
            Self::ClearText => clear_text(doing),
            Self::EventTooLarge { bytes, bytes_max } => event_too_large(doing, *bytes, *bytes_max),
        }
    }

    /// The same where a dump was asked for: some codes mean more there.
    pub fn dump_failure(&self, doing: &str, user: &str) -> Failure {
        let Self::Server { code, message, .. } = self else {
            return self.failure(doing, user);
        };
        let said = format!("{doing}: the server says {code}: {message}");
        match *code {
            code::FATAL_ERROR_READING_BINLOG => {
                Failure::definite(said).with_hint(fatal_hint(message))
            }
            code::REPLACED_BY_SAME_ID => Failure::definite(said).with_hint(TAKEN_OVER_HINT),
            // COM_REGISTER_REPLICA without REPLICATION SLAVE.
            code::ACCESS_DENIED | code::SPECIFIC_ACCESS_DENIED => {
                Failure::definite(said).with_hint(grant_hint(user))
            }
            _ => self.failure(doing, user),
        }
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
    Error::Server {
        code: u16::from_le_bytes(*code),
        state: String::from_utf8_lossy(state).into_owned(),
        message: String::from_utf8_lossy(message).into_owned(),
    }
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
        assert!(failure.is_definite());
        assert!(failure.message.contains("1236"), "{failure}");
        assert!(failure.hint.is_some_and(|hint| hint.contains("taken over")));
    }

    #[test]
    fn an_error_before_the_handshake_has_no_state_and_a_short_one_is_no_error_packet() {
        let error = server_error(b"\xff\x10\x04Too many connections");
        let failure = error.failure("connect to db:3306", "ann");
        assert!(!failure.is_definite());
        assert_eq!(
            failure.message,
            "connect to db:3306: the server says 1040 (HY000): Too many connections"
        );
        for cut in [&b"\xff"[..], b"\xff\x10"] {
            assert!(matches!(server_error(cut), Error::Unexpected(_)));
        }
    }
}
