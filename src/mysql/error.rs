//! What can go wrong on a connection to a server. What kind of failure it is stands in [`super::failure`].
//!
//! The server's own words are kept; bytes of packets, which may hold rows or passwords, never are.

use std::{io, time::Duration};

use crate::certificates;

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error(transparent)]
    Io(#[from] io::Error),
    #[error("unknown host \"{name}\"")]
    UnknownHost {
        name: String,
        /// None: it has no address.
        source: Option<io::Error>,
    },
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
    /// The same, while logging in.
    #[error("{said}")]
    Refused { said: ServerError, shown: Shown },
    #[error("the server offers no TLS")]
    NoTls,
    #[error("TLS: certificates cannot name the host \"{0}\"")]
    HostName(String),
    /// What of ours cannot be used.
    #[error("TLS")]
    Tls(#[from] certificates::Error),
    #[error("TLS: {0}")]
    Handshake(#[source] io::Error),
    #[error("unknown authentication plugin \"{0}\"")]
    Plugin(String),
    #[error("the account wants its password in clear text")]
    ClearText,
    #[error("without TLS, the server asks for the password itself")]
    PasswordAsked,
    #[error("an answer of more than {0} bytes")]
    AnswerTooLarge(usize),
    #[error("a row of more than {0} bytes")]
    RowTooLarge(usize),
    #[error("an event of {bytes} bytes")]
    EventTooLarge { bytes: usize, bytes_max: usize },
    #[error("an event of {claimed} bytes, of which its packets hold {found}")]
    Torn { claimed: usize, found: usize },
}

/// What a server says in an error packet.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the server says {number} ({state}): {message}")]
pub struct ServerError {
    pub number: u16,
    pub state: String,
    pub message: String,
}

/// What a login had to show. Accounts may want more than a password, and the server does not say what.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shown {
    /// False: there was none.
    pub has_password: bool,
    /// The setting that the password comes from, or could.
    pub password_key: &'static str,
    pub link: Link,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Link {
    Plain,
    Tls,
    /// TLS, and a certificate if the server asks for one.
    Certificate,
}

/// Servers say up to 512.
const MESSAGE_BYTES_MAX: usize = 4096;

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
    let message = message.get(..MESSAGE_BYTES_MAX).unwrap_or(message);
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
    fn an_error_before_the_handshake_has_no_state_a_long_one_is_cut_and_a_short_one_is_none() {
        let error = server_error(b"\xff\x10\x04Too many connections");
        assert_eq!(
            error.to_string(),
            "the server says 1040 (HY000): Too many connections"
        );
        let long = [&b"\xff\x10\x04"[..], &[b'x'; 1 << 20]].concat();
        assert!(server_error(&long).to_string().len() < 2 * MESSAGE_BYTES_MAX);
        for cut in [&b"\xff"[..], b"\xff\x10"] {
            assert!(matches!(server_error(cut), Error::Unexpected(_)));
        }
    }
}
