//! One request and one answer a connection: as much of HTTP/1.1 as probes and scrapes need.
//!
//! A head is read up to a limit of bytes and looked at for its first line alone; there is no body, nothing behind
//! the request is read as another one, and the connection ends with the answer.

use std::time::Duration;

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

const HEAD_BYTES_MAX: usize = 8 << 10;

/// Bytes behind the request that are taken, so that closing does not reset an answer on its way.
const REST_BYTES_MAX: usize = 64 << 10;
const REST_TIMEOUT: Duration = Duration::from_secs(1);

/// The first line of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    pub path: String,
    /// HEAD: the answer's body stays away.
    pub is_head: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    pub status: Status,
    pub content_type: &'static str,
    pub body: Vec<u8>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    Ok,
    BadRequest,
    NotFound,
    Unavailable,
}

impl Status {
    fn line(self) -> &'static str {
        match self {
            Self::Ok => "200 OK",
            Self::BadRequest => "400 Bad Request",
            Self::NotFound => "404 Not Found",
            Self::Unavailable => "503 Service Unavailable",
        }
    }
}

impl Request {
    /// Of a whole head; `None`: no GET or HEAD of HTTP/1.
    fn parse(head: &[u8]) -> Option<Self> {
        let line = head.split(|byte| *byte == b'\r').next()?;
        let mut words = std::str::from_utf8(line).ok()?.split(' ');
        let (method, target, version) = (words.next()?, words.next()?, words.next()?);
        if !version.starts_with("HTTP/1.") || words.next().is_some() {
            return None;
        }
        let is_head = match method {
            "GET" => false,
            "HEAD" => true,
            _ => return None,
        };
        let path = target.split('?').next()?.to_owned();
        Some(Self { path, is_head })
    }
}

/// Waits for a request; `None`: it is none.
pub async fn read_request(stream: &mut TcpStream) -> std::io::Result<Option<Request>> {
    let mut head = Vec::with_capacity(512);
    loop {
        let before = head.len().saturating_sub(3);
        let room = HEAD_BYTES_MAX.saturating_sub(head.len()) as u64;
        if (&mut *stream).take(room).read_buf(&mut head).await? == 0 {
            return Ok(None);
        }
        let new = head.get(before..).unwrap_or_default();
        if new.windows(4).any(|end| end == b"\r\n\r\n") {
            return Ok(Request::parse(&head));
        }
    }
}

/// Sends the answer whole and ends the connection.
pub async fn write_reply(
    stream: &mut TcpStream,
    reply: &Reply,
    is_head: bool,
) -> std::io::Result<()> {
    let mut head = format!(
        "HTTP/1.1 {}\r\nContent-Type: {}\r\nContent-Length: {}\r\nCache-Control: no-store\r\nConnection: close\r\n\r\n",
        reply.status.line(),
        reply.content_type,
        reply.body.len(),
    )
    .into_bytes();
    // A short answer goes in one packet.
    let is_short = reply.body.len() <= HEAD_BYTES_MAX;
    if is_short && !is_head {
        head.extend_from_slice(&reply.body);
    }
    stream.write_all(&head).await?;
    if !is_short && !is_head {
        stream.write_all(&reply.body).await?;
    }
    stream.shutdown().await?;
    let mut rest = stream.take(REST_BYTES_MAX as u64);
    let mut sink = tokio::io::sink();
    match timeout(REST_TIMEOUT, tokio::io::copy(&mut rest, &mut sink)).await {
        Ok(copied) => copied.map(|_| ()),
        // The answer is sent; who does not close is closed.
        Err(_) => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(head: &str) -> Option<(String, bool)> {
        let request = Request::parse(head.as_bytes())?;
        Some((request.path, request.is_head))
    }

    #[test]
    fn a_request_is_its_first_line() {
        let livez = Some(("/livez".to_owned(), false));
        assert_eq!(parsed("GET /livez HTTP/1.1\r\nHost: a\r\n\r\n"), livez);
        assert_eq!(parsed("GET /livez?verbose=1 HTTP/1.0\r\n\r\n"), livez);
        let head = Some(("/".to_owned(), true));
        assert_eq!(parsed("HEAD / HTTP/1.1\r\n\r\n"), head);
        for none in [
            "POST /livez HTTP/1.1\r\n\r\n",
            "GET /livez HTTP/2\r\n\r\n",
            "GET /li vez HTTP/1.1\r\n\r\n",
            "GET /livez\r\n\r\n",
            "\r\n\r\n",
        ] {
            assert_eq!(parsed(none), None, "{none:?}");
        }
        assert_eq!(Request::parse(b"GET /\xff HTTP/1.1\r\n\r\n"), None);
    }
}
