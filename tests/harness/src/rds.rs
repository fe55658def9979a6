//! RDS with IAM authentication, in front of a real server: TLS, then a token in clear text, or no way in.
//!
//! It speaks the connection phase itself, in the words of the server behind it: its greeting with TLS, the switch to
//! mysql_clear_password, and the answer. Then it logs in behind itself, as an account without a password, and passes
//! everything on. What stands in the token is for the test to judge.
//! Source: <https://dev.mysql.com/doc/dev/mysql-server/latest/page_protocol_connection_phase.html>

use std::{
    net::Ipv4Addr,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

use anyhow::{Context, ensure};
use rcgen::{CertifiedKey, generate_simple_self_signed};
use rustls::{ServerConfig, crypto::aws_lc_rs::default_provider, pki_types::PrivatePkcs8KeyDer};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, copy_bidirectional},
    net::{TcpListener, TcpStream},
    task::{JoinHandle, JoinSet},
};
use tokio_rustls::TlsAcceptor;

use crate::ports::Port;

/// The capability of a client or server that speaks TLS.
const SSL: u32 = 1 << 11;
/// Of a packet: length and sequence number.
const HEAD_BYTES: usize = 4;

/// The server; it and its connections end when dropped.
#[derive(Debug)]
pub struct Rds {
    shared: Arc<Shared>,
    server: JoinHandle<()>,
}

struct Shared {
    port: Port,
    target: u16,
    /// An account of the server behind, without a password.
    user: String,
    acceptor: TlsAcceptor,
    certificate_pem: String,
    tokens: Mutex<Vec<String>>,
    is_refusing: AtomicBool,
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Shared")
            .field("port", &self.port)
            .finish_non_exhaustive()
    }
}

impl Drop for Rds {
    fn drop(&mut self) {
        self.server.abort();
    }
}

impl Rds {
    /// In front of the server on this port of 127.0.0.1, whose account `user` has no password.
    ///
    /// # Errors
    /// When no port is free.
    pub async fn before(target: u16, user: &str) -> anyhow::Result<Self> {
        let CertifiedKey { cert, signing_key } =
            generate_simple_self_signed(["127.0.0.1".to_owned()])?;
        let key = PrivatePkcs8KeyDer::from(signing_key.serialize_der());
        let config = ServerConfig::builder_with_provider(Arc::new(default_provider()))
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_single_cert(vec![cert.der().clone()], key.into())?;
        let shared = Arc::new(Shared {
            port: Port::claim()?,
            target,
            user: user.to_owned(),
            acceptor: TlsAcceptor::from(Arc::new(config)),
            certificate_pem: cert.pem(),
            tokens: Mutex::default(),
            is_refusing: AtomicBool::default(),
        });
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, shared.port.number())).await?;
        let server = tokio::spawn(accept(listener, Arc::clone(&shared)));
        Ok(Self { shared, server })
    }

    /// On 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.shared.port.number()
    }

    /// That a client must trust.
    pub fn certificate_pem(&self) -> &str {
        &self.shared.certificate_pem
    }

    /// Every token so far, taken or refused.
    pub fn tokens(&self) -> Vec<String> {
        let tokens = self.shared.tokens.lock();
        tokens.unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Whether tokens are refused from now on.
    pub fn refuse(&self, is_refusing: bool) {
        self.shared.is_refusing.store(is_refusing, Ordering::SeqCst);
    }
}

async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    let mut connections = JoinSet::new();
    while let Ok((client, _)) = listener.accept().await {
        let shared = Arc::clone(&shared);
        // A connection that fails is one that the client sees closed.
        connections.spawn(async move { serve(client, &shared).await.is_ok() });
    }
}

async fn serve(mut client: TcpStream, shared: &Shared) -> anyhow::Result<()> {
    let mut server = TcpStream::connect((Ipv4Addr::LOCALHOST, shared.target)).await?;
    let (_, greeting) = read(&mut server).await?;
    write(&mut client, 0, &greeting).await?;
    let (sequence, request) = read(&mut client).await?;
    let flags = request
        .first_chunk()
        .map(|flags| u32::from_le_bytes(*flags));
    let flags = flags.context("read the client's flags")?;
    ensure!(flags & SSL != 0, "the client speaks no TLS");
    let mut client = shared.acceptor.accept(client).await?;
    let (sequence, _) = read_after(&mut client, sequence).await?;
    write(&mut client, sequence + 1, b"\xfemysql_clear_password\0").await?;
    let (sequence, token) = read_after(&mut client, sequence + 1).await?;
    let token = token
        .strip_suffix(b"\0")
        .context("the token ends with a zero")?;
    let token = String::from_utf8(token.to_vec())?;
    shared
        .tokens
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .push(token);
    if shared.is_refusing.load(Ordering::SeqCst) {
        let said = format!("#28000Access denied for user '{}'@'localhost'", shared.user);
        // 1045.
        let packet = [b"\xff\x15\x04", said.as_bytes()].concat();
        return write(&mut client, sequence + 1, &packet).await;
    }
    write(
        &mut server,
        1,
        &without_password(flags & !SSL, &shared.user),
    )
    .await?;
    let (_, answer) = read(&mut server).await?;
    write(&mut client, sequence + 1, &answer).await?;
    copy_bidirectional(&mut client, &mut server).await?;
    Ok(())
}

/// A HandshakeResponse41.
fn without_password(flags: u32, user: &str) -> Vec<u8> {
    const UTF8MB4: u8 = 45;
    let mut packet = flags.to_le_bytes().to_vec();
    packet.extend((1_u32 << 30).to_le_bytes());
    packet.push(UTF8MB4);
    packet.extend([0; 23]);
    packet.extend(user.as_bytes());
    // The name's end, and a password of no bytes.
    packet.extend([0, 0]);
    packet.extend(b"caching_sha2_password\0");
    packet
}

async fn read(stream: &mut (impl AsyncRead + Unpin)) -> anyhow::Result<(u8, Vec<u8>)> {
    let mut head = [0; HEAD_BYTES];
    stream.read_exact(&mut head).await?;
    let [low, middle, high, sequence] = head;
    let mut packet = vec![0; u32::from_le_bytes([low, middle, high, 0]) as usize];
    stream.read_exact(&mut packet).await?;
    Ok((sequence, packet))
}

async fn read_after(
    stream: &mut (impl AsyncRead + Unpin),
    sequence: u8,
) -> anyhow::Result<(u8, Vec<u8>)> {
    let (found, packet) = read(stream).await?;
    ensure!(found == sequence + 1, "packet {found} behind {sequence}");
    Ok((found, packet))
}

async fn write(
    stream: &mut (impl AsyncWrite + Unpin),
    sequence: u8,
    packet: &[u8],
) -> anyhow::Result<()> {
    let mut bytes = (packet.len() as u32).to_le_bytes();
    bytes[HEAD_BYTES - 1] = sequence;
    stream.write_all(&[&bytes, packet].concat()).await?;
    Ok(stream.flush().await?)
}
