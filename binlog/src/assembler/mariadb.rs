//! What only MariaDB's logs have: a GTID event that is a BEGIN too, compressed statements, and events
//! without an offset in the middle of a transaction, which may or may not stand in the file.

use bytes::Bytes;

use super::Assembler;
use crate::{
    Error,
    event::{EventHeader, EventKind, FLAG_ARTIFICIAL},
    gtid::{AlterPhase, MariaGtidEvent},
    offset::LowOffset,
    query::Query,
};

/// Header, scheme, key version, nonce; with a checksum or without.
const START_ENCRYPTION_BYTES: [u64; 2] = [36, 40];

impl Assembler {
    /// MariaDB 10.1 keeps this event to itself. No transaction is that short.
    pub(super) fn is_start_encryption(&self, gap: u64) -> bool {
        self.place.framing.is_mariadb() && START_ENCRYPTION_BYTES.contains(&gap)
    }

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
        let post_header_bytes = self.place.framing.post_header_bytes(EventKind::Query);
        Query::expanded(body, post_header_bytes, self.event_bytes_max)
    }

    /// An event of an open transaction that says nothing of its place.
    pub(super) fn is_unplaced(&self, header: &EventHeader) -> bool {
        self.place.framing.is_mariadb()
            && self.open.is_some()
            && !header.has_offset()
            && header.flags & FLAG_ARTIFICIAL == 0
            && !header.kind.is_heartbeat()
    }

    pub(super) fn count_unplaced_bytes(&mut self, header: &EventHeader) {
        self.place.event_offset = self.place.offset;
        self.place.offset = self.place.offset.saturating_add(u64::from(header.bytes));
        self.place.unplaced_bytes = self.place.unplaced_bytes.saturating_add(header.bytes);
    }

    /// Where the event in hand ends, if it ends before `expected` because unplaced events are not in the file.
    /// It says its place, so all events before it have theirs.
    pub(super) fn end_without_unplaced(&mut self, end: LowOffset, expected: u64) -> Option<u64> {
        let unplaced = u64::from(std::mem::take(&mut self.place.unplaced_bytes));
        let end = end.at_or_before(expected)?;
        (expected - end <= unplaced).then_some(end)
    }
}
