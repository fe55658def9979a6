//! What only MariaDB's logs have: a GTID event that is a BEGIN too, compressed statements, and events
//! without an offset in the middle of a transaction, which may or may not stand in the file.

use bytes::Bytes;

use super::Assembler;
use crate::{
    Error, compressed,
    event::{EventHeader, EventKind, FLAG_ARTIFICIAL},
    gtid::{AlterPhase, MariaGtidEvent},
    query::Query,
};

impl Assembler {
    pub(super) fn open_mariadb(&mut self, header: &EventHeader, body: &[u8]) -> Result<(), Error> {
        let event = MariaGtidEvent::parse(body, header.server_id)?;
        self.open(header, &event.event())?;
        if event.is_xa_prepare {
            return self.xa_begin(header, "XA PREPARE");
        }
        if let Some(open) = &mut self.open {
            open.has_begun = !event.is_standalone;
            open.is_without_effect = matches!(
                event.alter_phase,
                Some(AlterPhase::Start | AlterPhase::Rollback)
            );
        }
        Ok(())
    }

    /// The body of a QUERY event in place of a QUERY_COMPRESSED's.
    pub(super) fn expanded_query(&self, body: &[u8]) -> Result<Bytes, Error> {
        let query = Query::parse(body, self.framing.post_header_bytes(EventKind::Query))?;
        let statement = compressed::record(query.statement, self.event_bytes_max)?;
        let head = body.len() - query.statement.len();
        let head = body.get(..head).unwrap_or_default();
        Ok([head, &statement].concat().into())
    }

    /// An event of an open transaction that says nothing of its place.
    pub(super) fn is_unplaced(&self, header: &EventHeader) -> bool {
        self.framing.is_mariadb()
            && self.open.is_some()
            && header.next_offset == 0
            && header.flags & FLAG_ARTIFICIAL == 0
            && !header.kind.is_heartbeat()
    }

    pub(super) fn count_unplaced_bytes(&mut self, header: &EventHeader) {
        self.event_offset = self.offset;
        self.offset = self.offset.saturating_add(u64::from(header.bytes));
        self.unplaced_bytes = self.unplaced_bytes.saturating_add(header.bytes);
    }

    /// Whether the offset stood `surplus` bytes too far, because of events that are not in the file. The
    /// event in hand has told, so nothing is in doubt any more.
    pub(super) fn take_back_unplaced(&mut self, surplus: u32) -> bool {
        let unplaced = std::mem::take(&mut self.unplaced_bytes);
        let is_explained = (1..=unplaced).contains(&surplus);
        if is_explained {
            self.offset = self.offset.saturating_sub(u64::from(surplus));
        }
        is_explained
    }
}
