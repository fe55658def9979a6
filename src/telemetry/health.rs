//! `headwater health`: asks the probe of a running process of the same settings, for orchestrators that run a
//! command inside the container (ECS, Docker, Compose) where the image has no HTTP client.
//!
//! One question to the loopback address, within [`TIMEOUT`]. Whoever listens there answers, so what comes back is
//! bounded and only the status counts. Not here: what alive and ready mean ([`super::http`]).

use std::{
    io::{self, Read, Write},
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream},
    time::{Duration, Instant},
};

use headwater_actors::failure::Failure;

/// Below the 5 s that ECS gives a command by default.
pub const TIMEOUT: Duration = Duration::from_secs(4);
/// A probe answers with a few lines.
const REPLY_BYTES_MAX: usize = 16 << 10;

const NOT_RUNNING_HINT: &str = "check that `headwater run` is running here with the same telemetry.listen, and see its log for why it ended";

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Probe {
    /// The process works, also on standby or while it starts.
    Alive,
    /// It streams.
    Ready,
}

impl Probe {
    fn path(self) -> &'static str {
        match self {
            Self::Alive => "/livez",
            Self::Ready => "/readyz",
        }
    }
}

/// What a probe answered.
#[derive(Debug, PartialEq, Eq)]
pub struct Answer {
    pub is_ok: bool,
    /// Its lines.
    pub text: String,
}

/// # Errors
/// Nobody answers, too late or in another language.
pub fn ask(listen: SocketAddr, probe: Probe) -> Result<Answer, Failure> {
    let address = SocketAddr::new(reachable(listen.ip()), listen.port());
    let asked = format!("ask http://{address}{}", probe.path());
    let reply = exchange(address, probe).map_err(|error| {
        Failure::definite(asked.clone())
            .because(error)
            .with_hint(NOT_RUNNING_HINT)
    })?;
    answer(&reply).ok_or_else(|| {
        Failure::definite(format!("{asked}: the answer is not HTTP"))
            .with_hint("another program listens there; give each its own telemetry.listen")
    })
}

/// A process that listens everywhere listens on the loopback address.
fn reachable(listen: IpAddr) -> IpAddr {
    match listen {
        IpAddr::V4(address) if address.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(address) if address.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        address => address,
    }
}

fn exchange(address: SocketAddr, probe: Probe) -> io::Result<Vec<u8>> {
    let begun = Instant::now();
    let left = || match TIMEOUT.checked_sub(begun.elapsed()) {
        Some(left) if !left.is_zero() => Ok(left),
        _ => Err(io::Error::from(io::ErrorKind::TimedOut)),
    };
    let mut stream = TcpStream::connect_timeout(&address, left()?)?;
    stream.set_write_timeout(Some(left()?))?;
    let path = probe.path();
    let question = format!("GET {path} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n");
    stream.write_all(question.as_bytes())?;
    let mut reply = Vec::new();
    let mut piece = [0; 1 << 10];
    while reply.len() < REPLY_BYTES_MAX {
        stream.set_read_timeout(Some(left()?))?;
        match stream.read(&mut piece)? {
            0 => break,
            length => reply.extend(piece.iter().take(length)),
        }
    }
    Ok(reply)
}

fn answer(reply: &[u8]) -> Option<Answer> {
    let reply = String::from_utf8_lossy(reply);
    let (head, text) = reply.split_once("\r\n\r\n")?;
    let mut words = head.split(' ');
    let is_http = words.next()?.starts_with("HTTP/1.");
    let status: u16 = words.next()?.parse().ok()?;
    is_http.then(|| Answer {
        is_ok: status == 200,
        text: text.trim_end().to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    #[test]
    fn only_200_is_well_and_the_text_says_why_not() {
        let reply = b"HTTP/1.1 503 Service Unavailable\r\ncontent-type: text/plain\r\n\r\nnot ready: standby\n";
        let answered = answer(reply).expect("HTTP");
        assert!(!answered.is_ok);
        assert_eq!(answered.text, "not ready: standby");
        assert!(answer(b"HTTP/1.1 200 OK\r\n\r\n").expect("HTTP").is_ok);
        for other in [&b""[..], b"SSH-2.0-x\r\n\r\n", b"HTTP/1.1 OK\r\n\r\n"] {
            assert_eq!(answer(other), None);
        }
    }

    #[test]
    fn who_listens_everywhere_is_asked_on_the_loopback_address() {
        for (listen, asked) in [
            ("0.0.0.0", "127.0.0.1"),
            ("::", "::1"),
            ("10.0.0.7", "10.0.0.7"),
        ] {
            let listen: IpAddr = listen.parse().expect("an address");
            assert_eq!(reachable(listen).to_string(), asked);
        }
    }

    #[test]
    fn nobody_there_and_somebody_else_there_are_told_apart() {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
        let address = listener.local_addr().expect("bound");
        let other = std::thread::spawn(move || {
            let (mut peer, _) = listener.accept().expect("one comes");
            let read = peer.read(&mut [0; 1 << 10]);
            assert!(read.is_ok_and(|length| length > 0), "it asks");
            peer.write_all(b"220 mail\r\n").expect("it reads");
        });
        let failure = ask(address, Probe::Alive).expect_err("no HTTP");
        assert!(failure.to_string().ends_with("not HTTP"), "{failure}");
        other.join().expect("it ended");
        let failure = ask(address, Probe::Alive).expect_err("nobody listens");
        assert_eq!(failure.hint.as_deref(), Some(NOT_RUNNING_HINT));
    }
}
