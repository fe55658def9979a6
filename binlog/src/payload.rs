//! TRANSACTION_PAYLOAD: the events of a compressed transaction, decompressed in a window.
//!
//! A payload of a few megabytes can unfold to gigabytes, so the reader holds the compressed bytes, the
//! decompressor's window and one inner event, never the whole. A payload that ends early, late or is
//! damaged is an error; nothing of it can vanish. Inner events carry no checksum.
//! Source: libs/mysql/binlog/event/codecs/binary.cpp.

use std::{fmt, io::Read};

use bytes::{Buf, Bytes, buf::Reader};
use zstd::stream::read::Decoder;

use crate::{
    Error,
    cursor::Cursor,
    event::{EventHeader, HEADER_BYTES},
};

/// Windows above 2^27 bytes are refused; MySQL's highest level asks for no more.
const WINDOW_LOG_MAX: u32 = 27;

/// Gives the inner events one by one.
pub struct Payload {
    source: Source,
    /// What the payload announces; not written for uncompressed ones.
    bytes_announced: Option<u64>,
    bytes_read: u64,
    event_bytes_max: usize,
}

enum Source {
    Plain(Bytes),
    Zstd(Box<Decoder<'static, Reader<Bytes>>>),
}

impl fmt::Debug for Payload {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Payload")
            .field("bytes_announced", &self.bytes_announced)
            .field("bytes_read", &self.bytes_read)
            .finish_non_exhaustive()
    }
}

const WHAT: &str = "transaction payload";

#[derive(Default)]
struct Fields {
    bytes: Option<u64>,
    compression: Option<u64>,
    uncompressed_bytes: Option<u64>,
}

impl Fields {
    fn parse(cursor: &mut Cursor<'_>) -> Result<Self, Error> {
        let mut fields = Self::default();
        loop {
            let field = cursor.lenenc()?;
            if field == 0 {
                return Ok(fields);
            }
            let length = cursor.lenenc()?;
            let length = cursor.length(length)?;
            let mut value = Cursor::new(WHAT, cursor.take(length)?);
            match field {
                1 => fields.bytes = Some(value.lenenc()?),
                2 => fields.compression = Some(value.lenenc()?),
                3 => fields.uncompressed_bytes = Some(value.lenenc()?),
                _ => {}
            }
        }
    }
}

impl Payload {
    /// `body` of the event; inner events above `event_bytes_max` are refused before they are allocated.
    pub fn parse(body: Bytes, event_bytes_max: usize) -> Result<Self, Error> {
        let mut cursor = Cursor::new(WHAT, &body);
        let fields = Fields::parse(&mut cursor)?;
        let missing = |what| Error::malformed(WHAT, format_args!("no {what}"));
        let bytes = cursor.length(fields.bytes.ok_or_else(|| missing("size"))?)?;
        if bytes != cursor.left() {
            return Err(cursor.malformed(format_args!(
                "size {bytes}, {} bytes are here",
                cursor.left()
            )));
        }
        let compressed = body.slice_ref(cursor.rest());
        let source = match fields
            .compression
            .ok_or_else(|| missing("compression type"))?
        {
            0 => Source::Zstd(Box::new(
                decoder(compressed).map_err(|error| Error::malformed(WHAT, error))?,
            )),
            255 => Source::Plain(compressed),
            other => {
                return Err(Error::Unsupported(format!(
                    "{WHAT}, compression type {other}"
                )));
            }
        };
        Ok(Self {
            source,
            bytes_announced: fields.uncompressed_bytes,
            bytes_read: 0,
            event_bytes_max,
        })
    }

    /// The next inner event, header and body; `None` after the last one.
    pub fn next_event(&mut self) -> Result<Option<Bytes>, Error> {
        let mut head = [0; HEADER_BYTES];
        let read = self.fill(&mut head)?;
        if read == 0 {
            return self.finish().map(|()| None);
        }
        if read < HEADER_BYTES {
            return Err(Error::Short {
                what: WHAT,
                needed: HEADER_BYTES,
                left: read,
            });
        }
        let header = EventHeader::parse(&head)?;
        let bytes = usize::try_from(header.bytes).unwrap_or(usize::MAX);
        if bytes < HEADER_BYTES {
            return Err(Error::malformed(
                WHAT,
                format_args!("inner event of {bytes} bytes"),
            ));
        }
        if bytes > self.event_bytes_max {
            return Err(Error::TooLarge {
                what: "event in a transaction payload",
                bytes: u64::from(header.bytes),
                bytes_max: self.event_bytes_max as u64,
            });
        }
        let event = self.read_event(&head, bytes)?;
        self.bytes_read += u64::from(header.bytes);
        Ok(Some(event))
    }

    fn fill(&mut self, target: &mut [u8; HEADER_BYTES]) -> Result<usize, Error> {
        match &mut self.source {
            Source::Plain(rest) => {
                let read = rest.len().min(HEADER_BYTES);
                for (byte, from) in target.iter_mut().zip(rest.iter()) {
                    *byte = *from;
                }
                Ok(read)
            }
            Source::Zstd(decoder) => {
                let mut read = 0;
                while let Some(free) = target.get_mut(read..).filter(|free| !free.is_empty()) {
                    match decoder
                        .read(free)
                        .map_err(|error| Error::malformed(WHAT, error))?
                    {
                        0 => break,
                        more => read += more,
                    }
                }
                Ok(read)
            }
        }
    }

    /// The whole event of `bytes` bytes, whose header has been read into `head`.
    fn read_event(&mut self, head: &[u8], bytes: usize) -> Result<Bytes, Error> {
        match &mut self.source {
            Source::Plain(rest) => {
                if rest.len() < bytes {
                    return Err(Error::Short {
                        what: WHAT,
                        needed: bytes,
                        left: rest.len(),
                    });
                }
                Ok(rest.split_to(bytes))
            }
            Source::Zstd(decoder) => {
                // Not more than is announced: a lying header must not allocate.
                let left = self
                    .bytes_announced
                    .map_or(u64::MAX, |all| all.saturating_sub(self.bytes_read));
                if bytes as u64 > left {
                    return Err(Error::malformed(
                        WHAT,
                        "more events than the announced size holds",
                    ));
                }
                let mut event = Vec::with_capacity(bytes);
                event.extend_from_slice(head);
                let body = bytes - HEADER_BYTES;
                decoder
                    .by_ref()
                    .take(body as u64)
                    .read_to_end(&mut event)
                    .map_err(|error| Error::malformed(WHAT, error))?;
                if event.len() != bytes {
                    return Err(Error::Short {
                        what: WHAT,
                        needed: bytes,
                        left: event.len(),
                    });
                }
                Ok(Bytes::from(event))
            }
        }
    }

    fn finish(&self) -> Result<(), Error> {
        match self.bytes_announced {
            Some(announced) if announced != self.bytes_read => Err(Error::malformed(
                WHAT,
                format_args!("{announced} bytes announced, {} found", self.bytes_read),
            )),
            _ => Ok(()),
        }
    }
}

fn decoder(compressed: Bytes) -> std::io::Result<Decoder<'static, Reader<Bytes>>> {
    let mut decoder = Decoder::with_buffer(compressed.reader())?;
    decoder.window_log_max(WINDOW_LOG_MAX)?;
    Ok(decoder)
}

#[cfg(test)]
mod tests;
