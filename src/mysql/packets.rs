//! MySQL's packets over one buffered connection: a length of three bytes, a sequence number, the rest.
//!
//! What is small passes through a buffer of our own, so that one read of the socket brings many events; the
//! body of a large packet goes from the socket straight to where it is wanted. A wait for bytes is limited,
//! and only while somebody waits. Sequence numbers are checked: a slip would read rows as lengths. What is as
//! long as a packet can be, or longer, goes over several.
//! Source: <https://dev.mysql.com/doc/dev/mysql-server/latest/page_protocol_basic_packets.html>

use std::time::Duration;

use bytes::{BufMut, BytesMut};
use futures_util::FutureExt;
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    time::timeout,
};

use super::error::{Error, server_error};

/// One read of the socket brings up to so much.
pub const BUFFER_BYTES: usize = 128 * 1024;
/// Larger bodies do not pass through the buffer.
const DIRECT_BYTES: usize = 32 * 1024;
/// A packet of this length goes on in the next one.
pub const PACKET_BYTES_MAX: usize = 0xff_ffff;
/// The packets of a login, and those that begin an answer, are small.
const SMALL_BYTES_MAX: usize = 1 << 20;
pub const HEAD_BYTES: usize = 4;

/// TCP, with or without TLS.
pub trait Wire: AsyncRead + AsyncWrite + Unpin + Send {}

impl<T: AsyncRead + AsyncWrite + Unpin + Send> Wire for T {}

pub struct Packets {
    wire: Box<dyn Wire>,
    buffer: Vec<u8>,
    /// What is unread of the buffer.
    begin: usize,
    end: usize,
    /// Of the next packet, whoever sends it.
    sequence: u8,
    /// How long a read may wait for bytes.
    wait_max: Duration,
}

impl Packets {
    pub fn over(wire: Box<dyn Wire>, wait_max: Duration) -> Self {
        Self {
            wire,
            buffer: vec![0; BUFFER_BYTES],
            begin: 0,
            end: 0,
            sequence: 0,
            wait_max,
        }
    }

    pub fn set_wait_max(&mut self, wait_max: Duration) {
        self.wait_max = wait_max;
    }

    /// Gives up the connection, for TLS to take over. What the server has said too early would be read
    /// as if it had come under TLS, so it is refused.
    pub fn into_wire(self) -> Result<Box<dyn Wire>, Error> {
        if self.buffered().is_empty() {
            Ok(self.wire)
        } else {
            Err(Error::Unexpected("answer before TLS"))
        }
    }

    /// Goes on over another wire with the next sequence number.
    pub fn resume(wire: Box<dyn Wire>, wait_max: Duration, sequence: u8) -> Self {
        Self {
            sequence,
            ..Self::over(wire, wait_max)
        }
    }

    pub fn sequence(&self) -> u8 {
        self.sequence
    }

    pub fn buffered(&self) -> &[u8] {
        self.buffer.get(self.begin..self.end).unwrap_or_default()
    }

    /// Sends a command: a new exchange begins.
    pub async fn command(&mut self, payload: &[u8]) -> Result<(), Error> {
        self.sequence = 0;
        self.write(payload).await
    }

    /// Sends one payload.
    pub async fn write(&mut self, payload: &[u8]) -> Result<(), Error> {
        let mut bytes = Vec::with_capacity(HEAD_BYTES + payload.len());
        let mut rest = payload;
        // One that ends with a full packet is followed by an empty one.
        loop {
            let (part, behind) = rest.split_at(rest.len().min(PACKET_BYTES_MAX));
            let [low, middle, high, ..] = part.len().to_le_bytes();
            bytes.extend([low, middle, high, self.sequence]);
            bytes.extend(part);
            self.sequence = self.sequence.wrapping_add(1);
            rest = behind;
            if part.len() < PACKET_BYTES_MAX {
                break;
            }
        }
        let write = async {
            self.wire.write_all(&bytes).await?;
            self.wire.flush().await
        };
        match timeout(self.wait_max, write).await {
            Ok(outcome) => Ok(outcome?),
            Err(_) => Err(Error::Silent(self.wait_max)),
        }
    }

    /// Ends the connection from our side.
    pub async fn shut(mut self) -> Result<(), Error> {
        Ok(self.wire.shutdown().await?)
    }

    /// One small payload; an ERR packet is an error.
    pub async fn answer(&mut self, what: &'static str) -> Result<Vec<u8>, Error> {
        let payload = self.payload(SMALL_BYTES_MAX).await?;
        payload
            .filter(|payload| !payload.is_empty())
            .ok_or(Error::Unexpected(what))
    }

    /// One payload of any length; `None` where it is longer than `bytes_max`. An ERR packet is an error.
    pub async fn payload(&mut self, bytes_max: usize) -> Result<Option<Vec<u8>>, Error> {
        let mut payload = BytesMut::new();
        loop {
            let length = self.head().await?;
            let wanted = payload.len() + length;
            if bytes_max < wanted {
                return Ok(None);
            }
            payload.reserve(length);
            while payload.len() < wanted {
                let missing = wanted - payload.len();
                self.take_some(&mut payload, missing).await?;
            }
            if length < PACKET_BYTES_MAX {
                break;
            }
        }
        match payload.first() {
            Some(0xff) => Err(server_error(&payload)),
            _ => Ok(Some(payload.into())),
        }
    }

    /// Takes the next payload, if all of it is in the buffer. What is as long as a packet can be never is.
    pub fn ready(&mut self) -> Result<Option<&[u8]>, Error> {
        let Some((length, sequence)) = self.peek_head() else {
            return Ok(None);
        };
        if self.buffered().len() < HEAD_BYTES + length {
            return Ok(None);
        }
        self.check(sequence)?;
        let begin = self.begin + HEAD_BYTES;
        self.begin = begin + length;
        Ok(self.buffer.get(begin..self.begin))
    }

    /// Whether the head of the next packet is here, and the buffer has no room for the rest.
    pub fn is_next_large(&self) -> bool {
        self.peek_head()
            .is_some_and(|(length, _)| HEAD_BYTES + length > BUFFER_BYTES)
    }

    /// Waits for the head of a packet and takes it; gives the body's length.
    pub async fn head(&mut self) -> Result<usize, Error> {
        loop {
            if let Some((length, sequence)) = self.peek_head() {
                self.check(sequence)?;
                self.consume(HEAD_BYTES);
                return Ok(length);
            }
            self.fill().await?;
        }
    }

    /// Length and sequence number of the next packet, if its head is here.
    pub fn peek_head(&self) -> Option<(usize, u8)> {
        let [low, middle, high, sequence] = *self.buffered().first_chunk::<HEAD_BYTES>()?;
        let length = u32::from_le_bytes([low, middle, high, 0]);
        Some((length as usize, sequence))
    }

    /// The packet must be the next one.
    pub fn check(&mut self, found: u8) -> Result<(), Error> {
        let expected = self.sequence;
        if found != expected {
            return Err(Error::OutOfOrder { expected, found });
        }
        self.sequence = self.sequence.wrapping_add(1);
        Ok(())
    }

    pub fn consume(&mut self, bytes: usize) {
        self.begin = self.end.min(self.begin.saturating_add(bytes));
    }

    /// Appends up to `bytes_max` (not 0) bytes of a body, at least one.
    pub async fn take_some(
        &mut self,
        target: &mut BytesMut,
        bytes_max: usize,
    ) -> Result<usize, Error> {
        if self.buffered().is_empty() && bytes_max >= DIRECT_BYTES {
            let mut room = target.limit(bytes_max);
            let read = timeout(self.wait_max, self.wire.read_buf(&mut room)).await;
            return arrived(read.map_err(|_| Error::Silent(self.wait_max))?);
        }
        if self.buffered().is_empty() {
            self.fill().await?;
        }
        let here = self.buffered();
        let some = here.get(..bytes_max).unwrap_or(here);
        target.extend_from_slice(some);
        let taken = some.len();
        self.consume(taken);
        Ok(taken)
    }

    /// Waits until more is in the buffer.
    pub async fn fill(&mut self) -> Result<(), Error> {
        self.make_room();
        let room = self.buffer.get_mut(self.end..).unwrap_or_default();
        let read = timeout(self.wait_max, self.wire.read(room)).await;
        self.end += arrived(read.map_err(|_| Error::Silent(self.wait_max))?)?;
        Ok(())
    }

    /// The same with what the socket has already; `None` when that is nothing. Also when this task has used
    /// up its share of reads: the caller's own limit counts.
    pub fn fill_at_once(&mut self) -> Option<Result<(), Error>> {
        self.make_room();
        let room = self.buffer.get_mut(self.end..).unwrap_or_default();
        let read = tokio::task::unconstrained(self.wire.read(room)).now_or_never()?;
        Some(arrived(read).map(|bytes| self.end += bytes))
    }

    fn make_room(&mut self) {
        if self.begin == self.end {
            (self.begin, self.end) = (0, 0);
        } else if self.end == self.buffer.len() {
            self.buffer.copy_within(self.begin..self.end, 0);
            (self.begin, self.end) = (0, self.end - self.begin);
        }
    }
}

fn arrived(read: std::io::Result<usize>) -> Result<usize, Error> {
    match read? {
        0 => Err(Error::Closed),
        bytes => Ok(bytes),
    }
}
