//! Framing: the 19-byte header, the CRC32 trailer (verified, always), the kinds of event.
//!
//! Whether events carry a checksum stands in the file's FORMAT_DESCRIPTION event. The subtle part is what
//! comes without that knowledge: the artificial ROTATE that opens a dump carries one when the
//! connection negotiated it, so before a FORMAT_DESCRIPTION the trailer is recognised by its own match.
//! Not here: what the bodies mean, except FORMAT_DESCRIPTION's.
//! Source: libs/mysql/binlog/event/binlog_event.h, control_events.cpp.

mod kind;

use crate::{Error, cursor::Cursor, offset::LowOffset, position::FileName};
pub use kind::EventKind;

/// Written by the dump thread, not in the file.
pub const FLAG_ARTIFICIAL: u16 = 0x20;
/// A reader that does not know the event may skip it.
pub const FLAG_IGNORABLE: u16 = 0x80;
/// On FORMAT_DESCRIPTION: the file is open for writing, or the server crashed.
pub const FLAG_IN_USE: u16 = 0x01;

/// Bytes of the common header.
pub const HEADER_BYTES: usize = 19;
/// Bytes of the CRC32 trailer.
pub const CHECKSUM_BYTES: usize = 4;
/// 5.5 knows 27 kinds, 5.6 knows 35.
const KINDS_BEFORE_CHECKSUMS: usize = 30;
/// What every binlog file begins with.
pub const MAGIC: [u8; 4] = [0xfe, b'b', b'i', b'n'];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EventHeader {
    /// Seconds since the epoch: when the statement began.
    pub timestamp: u32,
    pub kind: EventKind,
    pub server_id: u32,
    /// Of the whole event: header, body, checksum.
    pub bytes: u32,
    /// Of the next event; 0 in events that are in no file.
    pub next_offset: LowOffset,
    pub flags: u16,
}

impl EventHeader {
    pub fn parse(bytes: &[u8]) -> Result<Self, Error> {
        let mut cursor = Cursor::new("event header", bytes);
        Ok(Self {
            timestamp: cursor.u32()?,
            kind: EventKind::from_code(cursor.u8()?),
            server_id: cursor.u32()?,
            bytes: cursor.u32()?,
            next_offset: LowOffset(cursor.u32()?),
            flags: cursor.u16()?,
        })
    }

    /// Whether the event stands in the file, so that its bytes move the offset.
    pub fn is_in_file(&self) -> bool {
        self.flags & FLAG_ARTIFICIAL == 0 && self.has_offset() && !self.kind.is_heartbeat()
    }

    /// Whether the event says its place.
    pub fn has_offset(&self) -> bool {
        self.next_offset != LowOffset(0)
    }

    /// Where the event begins.
    pub fn begin(&self) -> LowOffset {
        self.next_offset.minus(self.bytes)
    }

    pub fn is_ignorable(&self) -> bool {
        self.flags & FLAG_IGNORABLE != 0
    }

    pub fn timestamp_us(&self) -> u64 {
        u64::from(self.timestamp) * 1_000_000
    }
}

/// One event, its length and checksum verified.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Event<'a> {
    pub header: EventHeader,
    /// Between header and checksum.
    pub body: &'a [u8],
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Checksum {
    /// No FORMAT_DESCRIPTION seen: a trailer counts when it matches. A ROTATE must have one, or end with the
    /// name of a file.
    #[default]
    Undecided,
    None,
    Crc32,
}

/// Whose log it is, where the same bytes or words mean different things.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Dialect {
    #[default]
    MySql,
    MariaDb,
}

/// How the events of one file are framed; learned from its FORMAT_DESCRIPTION.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Framing {
    checksum: Checksum,
    server_version: String,
    /// Whether the server had just started when it wrote the file.
    is_first: bool,
    mixes_engines: bool,
    /// By type code - 1.
    post_header_bytes: Vec<u8>,
}

impl Framing {
    /// The framing of events inside a TRANSACTION_PAYLOAD: no checksums, the rest as outside.
    pub fn inside_payload(&self) -> Self {
        Self {
            checksum: Checksum::None,
            ..self.clone()
        }
    }

    pub fn checksum(&self) -> Checksum {
        self.checksum
    }

    /// Of the server that wrote the file; empty before its FORMAT_DESCRIPTION.
    pub fn server_version(&self) -> &str {
        &self.server_version
    }

    /// Whether MariaDB wrote the file.
    pub fn is_mariadb(&self) -> bool {
        is_mariadb(&self.server_version)
    }

    /// Whether the server had just started when it wrote the file. A dump that begins in the middle of the file
    /// does not say so.
    pub fn is_first(&self) -> bool {
        self.is_first
    }

    /// Whether rows of tables that cannot roll back may stand in one transaction with others: MySQL before
    /// 5.5.2. Since then, and in MariaDB, they have transactions of their own, which commit.
    pub fn mixes_engines(&self) -> bool {
        self.mixes_engines
    }

    pub fn dialect(&self) -> Dialect {
        if self.is_mariadb() {
            Dialect::MariaDb
        } else {
            Dialect::MySql
        }
    }

    /// Bytes of the fixed part of a body, where the file says so.
    pub fn post_header_bytes(&self, kind: EventKind) -> Option<u8> {
        let index = usize::from(kind.code()).checked_sub(1)?;
        self.post_header_bytes.get(index).copied()
    }

    pub(crate) fn post_header_bytes_or(&self, kind: EventKind, usual: u8) -> u8 {
        self.post_header_bytes(kind).unwrap_or(usual)
    }

    /// 4 in logs of servers before 5.1.4, else 6.
    pub fn table_id_bytes(&self, kind: EventKind) -> usize {
        if self.post_header_bytes(kind) == Some(6) {
            4
        } else {
            6
        }
    }

    /// Checks the length and the checksum of one whole event.
    pub fn event<'a>(&self, bytes: &'a [u8]) -> Result<Event<'a>, Error> {
        let header = EventHeader::parse(bytes)?;
        if usize::try_from(header.bytes) != Ok(bytes.len()) {
            return Err(Error::malformed(
                "event length",
                format_args!(
                    "the header says {}, the event has {}",
                    header.bytes,
                    bytes.len()
                ),
            ));
        }
        let checksum = match header.kind {
            EventKind::FormatDescription => {
                ensure_at_head(&header)?;
                own_checksum(bytes)?
            }
            _ => self.checksum,
        };
        let covered = match (checksum, header.kind) {
            (Checksum::None, EventKind::FormatDescription) => strip_unused_trailer(bytes)?,
            (Checksum::None, _) => bytes,
            (Checksum::Crc32, kind) => verify(bytes, kind)?,
            (Checksum::Undecided, kind @ EventKind::FormatDescription) => {
                verify(bytes, kind).unwrap_or(bytes)
            }
            (Checksum::Undecided, kind @ EventKind::Rotate) => match verify(bytes, kind) {
                Err(_) if ends_with_file_name(bytes) => bytes,
                verified => verified?,
            },
            (Checksum::Undecided, kind) => {
                let found = format!("{kind} before FORMAT_DESCRIPTION");
                return Err(Error::malformed("event order", found));
            }
        };
        let body = Cursor::new("event header", covered).skip_header()?;
        Ok(Event { header, body })
    }

    /// Takes over what a FORMAT_DESCRIPTION says, whose event came from [`Framing::event`].
    pub fn learn(&mut self, event: &Event<'_>) -> Result<(), Error> {
        let mut cursor = Cursor::new("format description", event.body);
        let binlog_version = cursor.u16()?;
        if binlog_version != 4 {
            return Err(Error::Unsupported(format!(
                "binary log version {binlog_version}"
            )));
        }
        let server_version = server_version(cursor.take(50)?);
        // When the server started; 0 where it had started before.
        self.is_first = cursor.u32()? != 0;
        let header_bytes = cursor.u8()?;
        if usize::from(header_bytes) != HEADER_BYTES {
            return Err(cursor.malformed(format_args!("event headers of {header_bytes} bytes")));
        }
        let mut post_header_bytes = cursor.rest();
        self.checksum = Checksum::None;
        if has_checksum_field(&server_version) {
            let (algorithm, lengths) = post_header_bytes
                .split_last()
                .ok_or_else(|| cursor.malformed("no checksum algorithm"))?;
            self.checksum = checksum_of(*algorithm)?;
            post_header_bytes = lengths;
        }
        self.mixes_engines = !is_mariadb(&server_version) && numbers(&server_version) < (5, 5, 2);
        self.server_version = server_version;
        self.post_header_bytes = post_header_bytes.to_vec();
        Ok(())
    }
}

impl<'a> Cursor<'a> {
    fn skip_header(mut self) -> Result<&'a [u8], Error> {
        self.take(HEADER_BYTES)?;
        Ok(self.rest())
    }
}

/// It follows the magic bytes; so a damaged length shows even without a checksum.
fn ensure_at_head(header: &EventHeader) -> Result<(), Error> {
    if header.begin() == LowOffset(MAGIC.len() as u32) || !header.has_offset() {
        return Ok(());
    }
    Err(Error::malformed(
        "format description",
        format_args!(
            "{} bytes that end at offset {}",
            header.bytes, header.next_offset
        ),
    ))
}

/// FORMAT_DESCRIPTION is its own judge: its algorithm stands in it, five bytes before its end.
fn own_checksum(bytes: &[u8]) -> Result<Checksum, Error> {
    let mut cursor = Cursor::new("format description", bytes);
    cursor.take(HEADER_BYTES + 2)?;
    let server_version = server_version(cursor.take(50)?);
    if !has_checksum_field(&server_version) {
        // Timestamp, header length, one byte a kind: a longer list belies the version.
        return if cursor.left() <= 5 + KINDS_BEFORE_CHECKSUMS {
            Ok(Checksum::Undecided)
        } else {
            Err(cursor.malformed(format_args!(
                "{} bytes of version \"{server_version}\"",
                bytes.len()
            )))
        };
    }
    let [.., algorithm, _, _, _, _] = cursor.rest() else {
        return Err(cursor.malformed("no checksum algorithm"));
    };
    checksum_of(*algorithm)
}

/// With the algorithm "none" the four bytes are still there, and the dump thread does not keep them
/// true. But if they fit an event that says CRC32, then that one byte was damaged.
fn strip_unused_trailer(bytes: &[u8]) -> Result<&[u8], Error> {
    let Some((covered, stored)) = bytes.split_last_chunk::<CHECKSUM_BYTES>() else {
        return Ok(bytes);
    };
    let stored = u32::from_le_bytes(*stored);
    let mut repaired = covered.to_vec();
    if let Some(algorithm) = repaired.last_mut() {
        *algorithm = 1;
    }
    if checksum_without_in_use(&repaired) == stored {
        let computed = checksum_without_in_use(covered);
        return Err(Error::Checksum { stored, computed });
    }
    Ok(covered)
}

fn checksum_of(algorithm: u8) -> Result<Checksum, Error> {
    match algorithm {
        0 | 255 => Ok(Checksum::None),
        1 => Ok(Checksum::Crc32),
        _ => Err(Error::Unsupported(format!(
            "checksum algorithm {algorithm}"
        ))),
    }
}

fn verify(bytes: &[u8], kind: EventKind) -> Result<&[u8], Error> {
    let (covered, stored) = bytes
        .split_last_chunk::<CHECKSUM_BYTES>()
        .ok_or(Error::Short {
            what: "event checksum",
            needed: CHECKSUM_BYTES,
            left: bytes.len(),
        })?;
    if covered.len() < HEADER_BYTES {
        return Err(Error::Short {
            what: "event checksum",
            needed: HEADER_BYTES + CHECKSUM_BYTES,
            left: bytes.len(),
        });
    }
    let stored = u32::from_le_bytes(*stored);
    let computed = match kind {
        EventKind::FormatDescription => checksum_without_in_use(covered),
        _ => crc32fast::hash(covered),
    };
    if stored == computed {
        Ok(covered)
    } else {
        Err(Error::Checksum { stored, computed })
    }
}

/// Whether this ROTATE has no trailer: one would be no part of a name.
fn ends_with_file_name(bytes: &[u8]) -> bool {
    let name = bytes.get(HEADER_BYTES + size_of::<u64>()..);
    let name = name.and_then(|name| std::str::from_utf8(name).ok());
    name.is_some_and(|name| FileName::parse(name).is_ok())
}

/// The server clears "in use" in place when it closes the file, so the checksum leaves that bit out.
fn checksum_without_in_use(covered: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    match covered.split_at_checked(HEADER_BYTES - 2) {
        Some((head, [flags, rest @ ..])) => {
            hasher.update(head);
            hasher.update(&[*flags & !FLAG_IN_USE.to_le_bytes()[0]]);
            hasher.update(rest);
        }
        _ => hasher.update(covered),
    }
    hasher.finalize()
}

fn server_version(field: &[u8]) -> String {
    let text = field.split(|byte| *byte == 0).next().unwrap_or_default();
    String::from_utf8_lossy(text).into_owned()
}

/// Since 5.6.1, and 5.3 of MariaDB, every FORMAT_DESCRIPTION ends in an algorithm and four bytes for its
/// own checksum.
fn has_checksum_field(server_version: &str) -> bool {
    let since = if is_mariadb(server_version) {
        (5, 3, 0)
    } else {
        (5, 6, 1)
    };
    since <= numbers(server_version)
}

fn numbers(server_version: &str) -> (u32, u32, u32) {
    let mut numbers = server_version
        .split(|c: char| !c.is_ascii_digit())
        .map(str::parse::<u32>);
    let mut next = || numbers.next().and_then(Result::ok).unwrap_or(0);
    (next(), next(), next())
}

fn is_mariadb(server_version: &str) -> bool {
    server_version.contains("MariaDB")
}

#[cfg(test)]
mod tests;
