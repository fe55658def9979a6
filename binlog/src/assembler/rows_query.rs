//! The text of the statement that changed rows: ROWS_QUERY (`binlog_rows_query_log_events`), MariaDB's
//! ANNOTATE_ROWS. It precedes the statement's table maps and counts up to the statement's last rows event.
//!
//! The event does not say its character set: a text that is not UTF-8 is none.

use std::sync::Arc;

use super::Assembler;
use crate::event::EventKind;

impl Assembler {
    pub(super) fn rows_query(&mut self, kind: EventKind, body: &[u8]) {
        // ROWS_QUERY begins with a length of one byte, which is wrong for a longer text: the event's counts.
        let text = match kind {
            EventKind::RowsQuery => body.get(1..).unwrap_or_default(),
            _ => body,
        };
        self.query = std::str::from_utf8(text).ok().map(Arc::from);
    }
}
