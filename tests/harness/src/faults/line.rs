//! A connection of the proxy: plain or over TLS, and reset at its end where a fault wants it so.

use std::{
    io,
    net::Ipv4Addr,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    task::{Context, Poll},
};

use anyhow::Context as _;
use rcgen::{CertifiedKey, generate_simple_self_signed};
use rustls::{ServerConfig, crypto::aws_lc_rs::default_provider, pki_types::PrivatePkcs8KeyDer};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
};
use tokio_rustls::{TlsAcceptor, server::TlsStream};

/// A certificate for 127.0.0.1, signed by itself.
pub struct Tls {
    acceptor: TlsAcceptor,
    certificate: String,
}

impl Tls {
    pub fn new() -> anyhow::Result<Self> {
        let names = vec![Ipv4Addr::LOCALHOST.to_string()];
        let CertifiedKey { cert, signing_key } =
            generate_simple_self_signed(names).context("make a certificate")?;
        let key = PrivatePkcs8KeyDer::from(signing_key.serialize_der());
        let config = ServerConfig::builder_with_provider(Arc::new(default_provider()))
            .with_safe_default_protocol_versions()
            .and_then(|builder| {
                builder
                    .with_no_client_auth()
                    .with_single_cert(vec![cert.der().clone()], key.into())
            })
            .context("set TLS up")?;
        Ok(Self {
            acceptor: Arc::new(config).into(),
            certificate: cert.pem(),
        })
    }

    pub fn certificate(&self) -> &str {
        &self.certificate
    }
}

/// How a connection ends.
#[derive(Debug)]
pub struct Ending {
    is_reset: AtomicBool,
    /// What may still be written.
    bytes_left: AtomicUsize,
}

impl Default for Ending {
    fn default() -> Self {
        Self {
            is_reset: AtomicBool::new(false),
            bytes_left: AtomicUsize::new(usize::MAX),
        }
    }
}

impl Ending {
    /// By RST instead of FIN, whenever it ends.
    pub fn reset(&self) {
        self.is_reset.store(true, Ordering::Relaxed);
    }

    /// By RST behind so many bytes of what is written from now on.
    pub fn reset_within(&self, bytes: usize) {
        self.bytes_left.store(bytes, Ordering::Relaxed);
        self.reset();
    }
}

pub struct Line {
    wire: Wire,
    ending: Arc<Ending>,
}

enum Wire {
    Plain(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
}

impl Line {
    pub async fn open(tcp: TcpStream, tls: Option<&Tls>, ending: Arc<Ending>) -> io::Result<Self> {
        let wire = match tls {
            None => Wire::Plain(tcp),
            Some(tls) => Wire::Tls(Box::new(tls.acceptor.accept(tcp).await?)),
        };
        Ok(Self { wire, ending })
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        if self.ending.is_reset.load(Ordering::Relaxed) {
            match &self.wire {
                Wire::Plain(tcp) => reset(tcp),
                Wire::Tls(tls) => reset(tls.get_ref().0),
            }
        }
    }
}

/// It is reset when it is dropped.
pub fn reset(tcp: &TcpStream) {
    // A socket that is gone already needs no reset.
    drop(tcp.set_zero_linger());
}

impl AsyncRead for Line {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match &mut self.wire {
            Wire::Plain(tcp) => Pin::new(tcp).poll_read(context, buffer),
            Wire::Tls(tls) => Pin::new(tls).poll_read(context, buffer),
        }
    }
}

impl AsyncWrite for Line {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let left = self.ending.bytes_left.load(Ordering::Relaxed);
        if left == 0 {
            return Poll::Ready(Err(io::ErrorKind::ConnectionReset.into()));
        }
        let some = bytes.get(..left).unwrap_or(bytes);
        let outcome = match &mut self.wire {
            Wire::Plain(tcp) => Pin::new(tcp).poll_write(context, some),
            Wire::Tls(tls) => Pin::new(tls).poll_write(context, some),
        };
        if let Poll::Ready(Ok(written)) = outcome
            && left != usize::MAX
        {
            let left = left.saturating_sub(written);
            self.ending.bytes_left.store(left, Ordering::Relaxed);
        }
        outcome
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.wire {
            Wire::Plain(tcp) => Pin::new(tcp).poll_flush(context),
            Wire::Tls(tls) => Pin::new(tls).poll_flush(context),
        }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.wire {
            Wire::Plain(tcp) => Pin::new(tcp).poll_shutdown(context),
            Wire::Tls(tls) => Pin::new(tls).poll_shutdown(context),
        }
    }
}
