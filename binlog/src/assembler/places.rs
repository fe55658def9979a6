//! Where the log is read, and the steps between transactions, which move that within the file or to another one.
//!
//! The offset is counted in 64 bits from the events' lengths and checked against the 32 bits that the
//! header has. A gap is accepted only between transactions, where a dump by GTID skips what we have.

use super::{Assembler, Item, parts::PayloadParts};
use crate::{
    Error,
    cursor::Cursor,
    event::{EventHeader, EventKind, FLAG_ARTIFICIAL, Framing, MAGIC},
    fingerprint::LogFingerprint,
    gtid::{Gtid, GtidSet},
    payload::Payload,
    position::{FileName, Position},
    transaction::Boundary,
};

/// A place in the log, with what the log has said of it so far. Another part of the log is read from another one.
#[derive(Debug)]
pub(super) struct Place {
    pub file: FileName,
    /// Where the next event begins.
    pub offset: u64,
    /// Where the event in hand begins.
    pub event_offset: u64,
    /// Bytes of events without an offset, counted as if they stood in the file: the next one tells.
    pub unplaced_bytes: u32,
    /// The last boundary.
    pub position: Position,
    pub framing: Framing,
    pub previous_gtids: Option<GtidSet>,
    pub payload: Option<Payload>,
    /// The payload's event, while its last part has not come.
    pub parts: Option<PayloadParts>,
}

impl Place {
    pub fn new(position: Position, framing: Framing) -> Self {
        Self {
            file: position.file.clone(),
            offset: position.offset,
            event_offset: position.offset,
            unplaced_bytes: 0,
            position,
            framing,
            previous_gtids: None,
            payload: None,
            parts: None,
        }
    }
}

impl Assembler {
    pub(super) fn boundary(&self, gtid: Option<Gtid>, commit_us: u64) -> Boundary {
        Boundary {
            file: self.place.file.clone(),
            offset: self.place.offset,
            gtid,
            commit_us,
            xa: None,
            log: None,
        }
    }

    /// The head of a file is sent again to readers that begin in its middle.
    pub(super) fn is_counted(&self, header: &EventHeader) -> bool {
        let is_head_again =
            header.kind == EventKind::FormatDescription && self.place.offset != MAGIC.len() as u64;
        header.is_in_file() && !is_head_again
    }

    /// Whether the FORMAT_DESCRIPTION in hand is the one that has just moved the offset.
    pub(super) fn is_counted_now(&self, header: &EventHeader) -> bool {
        header.is_in_file()
            && self.place.event_offset == MAGIC.len() as u64
            && self.place.offset > self.place.event_offset
    }

    pub(super) fn count_bytes(&mut self, header: &EventHeader) -> Result<(), Error> {
        let expected = self.place.offset.saturating_add(u64::from(header.bytes));
        let end = self
            .end_without_unplaced(header.next_offset, expected)
            .or_else(|| header.next_offset.at_or_after(expected));
        let Some(end) = end.filter(|end| *end <= expected || self.open.is_none()) else {
            return Err(Error::malformed(
                "event offset",
                format_args!(
                    "{} in the event, {} expected (modulo 4 GiB)",
                    header.begin(),
                    self.place.offset
                ),
            ));
        };
        self.place.event_offset = end.saturating_sub(u64::from(header.bytes));
        self.place.offset = end;
        Ok(())
    }

    pub(super) fn moved(
        &mut self,
        header: &EventHeader,
        items: &mut Vec<Item>,
    ) -> Result<(), Error> {
        self.moved_in(None, header, items)
    }

    fn moved_in(
        &mut self,
        log: Option<Box<LogFingerprint>>,
        header: &EventHeader,
        items: &mut Vec<Item>,
    ) -> Result<(), Error> {
        self.ensure_closed()?;
        self.place.position = Position::new(self.place.file.clone(), self.place.offset);
        if !self.is_in_prepared() {
            items.push(Item::Moved(Boundary {
                log,
                ..self.boundary(None, header.timestamp_us())
            }));
        }
        Ok(())
    }

    /// The file says what it is; that it is another one than before is found here.
    pub(super) fn format_description(
        &mut self,
        header: &EventHeader,
        items: &mut Vec<Item>,
    ) -> Result<(), Error> {
        let found = LogFingerprint::of(&self.place.file, header, &self.place.framing);
        let known = self.log.as_ref().filter(|log| log.file == found.file);
        let is_new = known.is_none();
        if let Some(known) = known
            && *known != found
        {
            return Err(Error::OtherLog(Box::new([known.clone(), found])));
        }
        if !is_new && !self.is_counted_now(header) {
            return Ok(());
        }
        self.moved_in(is_new.then(|| Box::new(found)), header, items)
    }

    pub(super) fn rotate(
        &mut self,
        header: &EventHeader,
        body: &[u8],
        items: &mut Vec<Item>,
    ) -> Result<(), Error> {
        let mut cursor = Cursor::new("ROTATE event", body);
        let offset = cursor.u64()?;
        let file = FileName::from_bytes(cursor.rest())?;
        let is_here = file == self.place.file && offset == self.place.offset;
        if is_here && header.flags & FLAG_ARTIFICIAL != 0 {
            return Ok(());
        }
        self.enter(file, offset, header.timestamp_us(), items)
    }

    pub(super) fn enter(
        &mut self,
        file: FileName,
        offset: u64,
        time_us: u64,
        items: &mut Vec<Item>,
    ) -> Result<(), Error> {
        self.ensure_closed()?;
        self.tables.clear();
        self.place.previous_gtids = None;
        self.place.file = file;
        self.place.offset = offset;
        self.place.event_offset = offset;
        self.place.position = Position::new(self.place.file.clone(), offset);
        if !self.is_in_prepared() {
            items.push(Item::Moved(self.boundary(None, time_us)));
        }
        Ok(())
    }

    /// `offset` is the full one, where the event has it.
    pub(super) fn heartbeat(
        &mut self,
        header: &EventHeader,
        file: &FileName,
        offset: Option<u64>,
        items: &mut Vec<Item>,
    ) -> Result<(), Error> {
        if self.open.is_some() || *file != self.place.file {
            return Ok(());
        }
        let offset = offset.or_else(|| header.next_offset.at_or_after(self.place.offset));
        self.place.offset = self.place.offset.max(offset.unwrap_or_default());
        self.moved(header, items)
    }
}

/// File and offset of a HEARTBEAT_V2: numbered fields, 0 ends them.
pub(super) fn heartbeat_fields(body: &[u8]) -> Result<(FileName, u64), Error> {
    let mut cursor = Cursor::new("HEARTBEAT_V2 event", body);
    let (mut file, mut offset) = (None, None);
    loop {
        let field = cursor.lenenc()?;
        if field == 0 {
            break;
        }
        let length = cursor.lenenc()?;
        let length = cursor.length(length)?;
        let value = cursor.take(length)?;
        match field {
            1 => file = Some(FileName::from_bytes(value)?),
            2 => offset = Some(Cursor::new("HEARTBEAT_V2 event", value).lenenc()?),
            _ => {}
        }
    }
    file.zip(offset)
        .ok_or_else(|| cursor.malformed("no file or no offset"))
}
