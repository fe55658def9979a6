//! GTIDs in events: GTID and ANONYMOUS_GTID (fixed fields), GTID_TAGGED (numbered fields of
//! libs/mysql/serialization), PREVIOUS_GTIDS (plain and tagged sets, half-open intervals).
//! Source: libs/mysql/binlog/event/control_events.h, sql/rpl_gtid_set.cc.

use super::{Gtid, GtidSet, GtidSource, NUMBER_MAX, Uuid};
use crate::{Error, cursor::Cursor};

/// The event that opens a transaction.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct GtidEvent {
    /// `None` for ANONYMOUS_GTID.
    pub gtid: Option<Gtid>,
    /// Whether statements may stand among its rows. Where none does (since 5.7.19 and 8.0.2 the server says so),
    /// it commits: only what a statement leaves in the log makes the server log a rollback.
    pub may_have_statements: bool,
    /// Commit time on the server where the transaction began, microseconds since the epoch; since 8.0.1.
    pub original_commit_us: Option<u64>,
    /// Commit time on the server whose log this is.
    pub immediate_commit_us: Option<u64>,
}

/// Bytes of a commit timestamp; its top bit says that another one follows.
const COMMIT_TIMESTAMP_BYTES: usize = 7;
const ANOTHER_TIMESTAMP: u64 = 1 << 55;
/// `FLAG_MAY_HAVE_SBR`; always set before the server tells.
const FLAG_MAY_HAVE_STATEMENTS: u8 = 1;
/// In front of last_committed and sequence_number, since 5.7.5.
const LOGICAL_TIMESTAMPS: u8 = 2;

impl GtidEvent {
    /// A GTID body.
    pub fn parse(body: &[u8]) -> Result<Self, Error> {
        let mut event = Self::parse_anonymous(body)?;
        let mut cursor = Cursor::new("GTID event", body);
        cursor.u8()?;
        let source = GtidSource::untagged(Uuid(cursor.array()?));
        event.gtid = Some(gtid(source, cursor.u64()?)?);
        Ok(event)
    }

    /// An ANONYMOUS_GTID body: the same fields, without meaning in UUID and number.
    pub fn parse_anonymous(body: &[u8]) -> Result<Self, Error> {
        let mut cursor = Cursor::new("GTID event", body);
        let flags = cursor.u8()?;
        cursor.take(16 + 8)?;
        let mut event = Self {
            gtid: None,
            may_have_statements: flags & FLAG_MAY_HAVE_STATEMENTS != 0,
            original_commit_us: None,
            immediate_commit_us: None,
        };
        if cursor.rest().first() != Some(&LOGICAL_TIMESTAMPS) {
            return Ok(event);
        }
        cursor.take(1 + 16)?;
        if cursor.left() < COMMIT_TIMESTAMP_BYTES {
            return Ok(event);
        }
        let immediate = cursor.uint(COMMIT_TIMESTAMP_BYTES)?;
        let original = match immediate & ANOTHER_TIMESTAMP {
            0 => immediate,
            _ => cursor.uint(COMMIT_TIMESTAMP_BYTES)?,
        };
        event.immediate_commit_us = known(immediate & !ANOTHER_TIMESTAMP);
        event.original_commit_us = known(original);
        Ok(event)
    }

    /// A GTID_TAGGED body.
    pub fn parse_tagged(body: &[u8]) -> Result<Self, Error> {
        let mut cursor = Cursor::new("tagged GTID event", body);
        // The version is a serialised integer too: version 1 is the byte 2.
        let version = cursor.varlen()?;
        if version != 1 {
            return Err(Error::Unsupported(format!(
                "tagged GTID event, serialization version {version}"
            )));
        }
        let bytes = cursor.varlen()?;
        let last_non_ignorable = cursor.varlen()?;
        let head = body.len() - cursor.left();
        let fields = bytes
            .checked_sub(head as u64)
            .ok_or_else(|| cursor.malformed(format_args!("size {bytes}")))?;
        let fields = cursor.length(fields)?;
        TaggedFields::parse(cursor.take(fields)?, last_non_ignorable)
    }

    /// The best commit time that the event has.
    pub fn commit_us(&self) -> Option<u64> {
        self.original_commit_us.or(self.immediate_commit_us)
    }
}

fn known(timestamp: u64) -> Option<u64> {
    (timestamp != 0).then_some(timestamp)
}

fn gtid(source: GtidSource, number: u64) -> Result<Gtid, Error> {
    if (1..=NUMBER_MAX).contains(&number) {
        Ok(Gtid::new(source, number))
    } else {
        Err(Error::malformed("GTID", format_args!("number {number}")))
    }
}

#[derive(Default)]
struct TaggedFields {
    flags: u64,
    uuid: Option<Uuid>,
    number: Option<i64>,
    tag: String,
    immediate: u64,
    original: Option<u64>,
}

impl TaggedFields {
    fn parse(bytes: &[u8], last_non_ignorable: u64) -> Result<GtidEvent, Error> {
        let mut cursor = Cursor::new("tagged GTID event", bytes);
        let mut fields = Self::default();
        while !cursor.is_empty() {
            match cursor.varlen()? {
                0 => fields.flags = cursor.varlen()?,
                8..=11 => drop(cursor.varlen()?),
                1 => fields.uuid = Some(uuid(&mut cursor)?),
                2 => fields.number = Some(cursor.varlen_signed()?),
                3 => fields.tag = tag(&mut cursor)?.to_owned(),
                4 | 5 => drop(cursor.varlen_signed()?),
                6 => fields.immediate = cursor.varlen()?,
                7 => fields.original = Some(cursor.varlen()?),
                field if field <= last_non_ignorable => {
                    return Err(Error::Unsupported(format!(
                        "tagged GTID event, field {field}"
                    )));
                }
                // Newer, and said to be ignorable; its length is unknown, so are the fields behind it.
                _ => break,
            }
        }
        let missing = |what| Error::malformed("tagged GTID event", format_args!("no {what}"));
        let source = GtidSource::new(fields.uuid.ok_or_else(|| missing("UUID"))?, &fields.tag)?;
        let number = fields.number.ok_or_else(|| missing("number"))?;
        Ok(GtidEvent {
            gtid: Some(gtid(source, u64::try_from(number).unwrap_or(0))?),
            may_have_statements: fields.flags & u64::from(FLAG_MAY_HAVE_STATEMENTS) != 0,
            original_commit_us: known(fields.original.unwrap_or(fields.immediate)),
            immediate_commit_us: known(fields.immediate),
        })
    }
}

/// Sixteen serialised integers, one a byte.
fn uuid(cursor: &mut Cursor<'_>) -> Result<Uuid, Error> {
    let mut uuid = [0; 16];
    for byte in &mut uuid {
        let value = cursor.varlen()?;
        *byte =
            u8::try_from(value).map_err(|_| cursor.malformed(format_args!("UUID byte {value}")))?;
    }
    Ok(Uuid(uuid))
}

fn tag<'a>(cursor: &mut Cursor<'a>) -> Result<&'a str, Error> {
    let bytes = cursor.varlen()?;
    let bytes = cursor.length(bytes)?;
    let tag = cursor.take(bytes)?;
    std::str::from_utf8(tag).map_err(|_| cursor.malformed("tag is not UTF-8"))
}

impl GtidSet {
    /// A PREVIOUS_GTIDS body: everything in the log before this file.
    pub fn parse_previous_gtids(body: &[u8]) -> Result<Self, Error> {
        let mut cursor = Cursor::new("previous GTIDs event", body);
        // The top byte is the format: 0 plain, 1 tagged, which keeps the count in the six bytes between.
        let head = cursor.u64()?;
        let (is_tagged, sources) = match head >> 56 {
            0 => (false, head),
            1 => (true, (head & 0x00ff_ffff_ffff_ff00) >> 8),
            format => {
                return Err(Error::Unsupported(format!(
                    "previous GTIDs event, format {format}"
                )));
            }
        };
        let mut set = Self::default();
        for _ in 0..sources {
            let uuid = Uuid(cursor.array()?);
            let tag = if is_tagged { tag(&mut cursor)? } else { "" };
            let source = GtidSource::new(uuid, tag)?;
            for _ in 0..cursor.u64()? {
                let (first, end) = (cursor.u64()?, cursor.u64()?);
                set.add_range(&source, first, end.saturating_sub(1))?;
            }
        }
        Ok(set)
    }
}
