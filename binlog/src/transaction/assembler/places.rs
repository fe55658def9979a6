//! The steps between transactions: the position moves within the file or to another one.

use super::{Assembler, GAP_BYTES_MAX};
use crate::{
    Error,
    cursor::Cursor,
    event::{EventHeader, EventKind, FLAG_ARTIFICIAL},
    gtid::Gtid,
    position::{FileName, Position},
    transaction::{Boundary, Item},
};

impl Assembler {
    pub(super) fn boundary(&self, gtid: Option<Gtid>, commit_us: u64) -> Boundary {
        Boundary {
            file: self.file.clone(),
            offset: self.offset,
            gtid,
            commit_us,
            xa: None,
        }
    }

    pub(super) fn moved(
        &mut self,
        header: &EventHeader,
        items: &mut Vec<Item>,
    ) -> Result<(), Error> {
        self.ensure_closed()?;
        self.position = Position::new(self.file.clone(), self.offset);
        if !self.is_in_prepared() {
            items.push(Item::Moved(self.boundary(None, header.timestamp_us())));
        }
        Ok(())
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
        let is_here = file == self.file && offset == self.offset;
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
        self.previous_gtids = None;
        self.file = file;
        self.offset = offset;
        self.event_offset = offset;
        self.position = Position::new(self.file.clone(), offset);
        if !self.is_in_prepared() {
            items.push(Item::Moved(self.boundary(None, time_us)));
        }
        Ok(())
    }

    /// `offset` may lack its upper 32 bits.
    pub(super) fn heartbeat(
        &mut self,
        header: &EventHeader,
        file: &FileName,
        offset: u64,
        items: &mut Vec<Item>,
    ) -> Result<(), Error> {
        if self.open.is_some() || *file != self.file {
            return Ok(());
        }
        if header.kind == EventKind::HeartbeatV2 {
            self.offset = self.offset.max(offset);
        } else {
            let low = u32::try_from(self.offset & u64::from(u32::MAX)).unwrap_or_default();
            let gap = header.next_offset.wrapping_sub(low);
            self.offset += if gap < GAP_BYTES_MAX {
                u64::from(gap)
            } else {
                0
            };
        }
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
