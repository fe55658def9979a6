//! A relay before the driver on connections without TLS: a login that asks for the password itself ends there.
//!
//! The driver (mysql_async 0.37) would encrypt the password with any key that the peer offers, and has no setting
//! against it. The relay listens on the loopback address for one connection, passes the server's packets on one by one
//! until the login is done, then bytes. It knows no password: who else connects gets no further than at the server.
//! The dump's own connection decides the same in [`super::dump`]'s login.

use std::{
    io,
    net::{Ipv4Addr, SocketAddr},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader, copy},
    net::{TcpListener, TcpStream},
};

use super::options::Host;

/// Packets of a login are small.
const PACKET_BYTES_MAX: usize = 1 << 16;

/// Where the driver is to connect instead of to the server.
pub struct Guard {
    pub address: SocketAddr,
    has_asked: Arc<AtomicBool>,
}

impl Guard {
    /// Connects to the server, and passes on what the first to connect here and the server say.
    pub async fn before(host: &Host) -> io::Result<Self> {
        let server = TcpStream::connect((host.name.as_str(), host.port)).await?;
        server.set_nodelay(true)?;
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let guard = Self {
            address: listener.local_addr()?,
            has_asked: Arc::default(),
        };
        let has_asked = Arc::clone(&guard.has_asked);
        tokio::spawn(async move {
            // Both ends see a connection that broke off.
            if let Err(error) = relay(listener, server, &has_asked).await {
                tracing::debug!(%error, "a connection to the source ended");
            }
        });
        Ok(guard)
    }

    /// The server asked for the password itself, and did not get it.
    pub fn has_asked(&self) -> bool {
        self.has_asked.load(Ordering::Acquire)
    }
}

async fn relay(
    listener: TcpListener,
    mut server: TcpStream,
    has_asked: &AtomicBool,
) -> io::Result<()> {
    let (mut driver, _) = listener.accept().await?;
    drop(listener);
    driver.set_nodelay(true)?;
    let (from_server, mut to_server) = server.split();
    let (mut from_driver, mut to_driver) = driver.split();
    let mut from_server = BufReader::new(from_server);
    let up = async {
        copy(&mut from_driver, &mut to_server).await?;
        to_server.shutdown().await
    };
    let down = async {
        pass_login(&mut from_server, &mut to_driver, has_asked).await?;
        copy(&mut from_server, &mut to_driver).await?;
        to_driver.shutdown().await
    };
    tokio::try_join!(up, down).map(drop)
}

/// Passes the server's packets on up to its verdict.
async fn pass_login(
    from: &mut (impl AsyncRead + Unpin),
    to: &mut (impl AsyncWrite + Unpin),
    has_asked: &AtomicBool,
) -> io::Result<()> {
    let mut is_greeting = true;
    loop {
        let mut packet = vec![0; 4];
        from.read_exact(&mut packet).await?;
        let length =
            usize::from(packet[0]) | usize::from(packet[1]) << 8 | usize::from(packet[2]) << 16;
        if length > PACKET_BYTES_MAX {
            return Err(io::ErrorKind::InvalidData.into());
        }
        packet.resize(4 + length, 0);
        from.read_exact(&mut packet[4..]).await?;
        let next = step(&packet[4..], is_greeting);
        if next == Step::Refuse {
            has_asked.store(true, Ordering::Release);
            return Err(io::ErrorKind::PermissionDenied.into());
        }
        to.write_all(&packet).await?;
        if next == Step::Done {
            return Ok(());
        }
        is_greeting = false;
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    Pass,
    Done,
    Refuse,
}

/// What becomes of a packet of the server. Of the answers that begin with 1, only "the hash was known" (3) may reach
/// the driver.
fn step(packet: &[u8], is_greeting: bool) -> Step {
    match packet {
        [0xff, ..] => Step::Done,
        [0, ..] if !is_greeting => Step::Done,
        [1, 3] => Step::Pass,
        [1, ..] => Step::Refuse,
        _ => Step::Pass,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packet(sequence: u8, body: &[u8]) -> Vec<u8> {
        [&[body.len() as u8, 0, 0, sequence], body].concat()
    }

    async fn passed(said: &[u8]) -> (io::Result<()>, Vec<u8>, bool) {
        let (mut from, mut to, has_asked) = (said, Vec::new(), AtomicBool::new(false));
        let outcome = pass_login(&mut from, &mut to, &has_asked).await;
        (outcome, to, has_asked.into_inner())
    }

    #[tokio::test]
    async fn a_peer_without_tls_that_asks_for_the_password_never_reaches_the_driver() {
        let greeting = packet(0, b"\x0a8.0.36\0");
        let switch = packet(2, b"\xfecaching_sha2_password\0");
        for asked in [&b"\x01\x04"[..], b"\x01", b"\x01\x04x", b"\x01\x02"] {
            for before in [
                greeting.clone(),
                [greeting.clone(), switch.clone()].concat(),
            ] {
                let said = [before.clone(), packet(4, asked)].concat();
                let (outcome, passed, has_asked) = passed(&said).await;
                assert!(outcome.is_err() && has_asked);
                assert_eq!(passed, before);
            }
        }
    }

    #[tokio::test]
    async fn a_login_by_hash_is_passed_on_whole_up_to_the_verdict() {
        let greeting = packet(0, b"\x0a8.0.36\0");
        for verdict in [&b"\0\0\0\x02\0\0\0"[..], b"\xff\x15\x04#28000no"] {
            let said = [greeting.clone(), packet(2, b"\x01\x03"), packet(3, verdict)].concat();
            let (outcome, passed, has_asked) = passed(&said).await;
            assert!(outcome.is_ok() && !has_asked);
            assert_eq!(passed, said);
        }
    }
}
