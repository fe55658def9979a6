//! A statement at which reading halts, behind the end of its transaction: only there a position can be set.

use bytes::Bytes;

use super::Assembler;
use crate::{
    Error,
    error::{Refusal, RefusedStatement},
    event::{EventHeader, EventKind},
    position::Position,
    query::{Control, Query},
};

#[derive(Debug)]
pub(super) struct Refused {
    pub kind: EventKind,
    pub event_offset: u64,
    statement: Box<RefusedStatement>,
}

impl Assembler {
    /// Halts at the end of the transaction, at once where there is no more of it.
    pub(super) fn refuse(&mut self, header: &EventHeader, why: Refusal) -> Result<(), Error> {
        let open = self.opened(header);
        let has_begun = open.has_begun;
        let statement = Box::new(RefusedStatement {
            why,
            gtid: open.transaction.gtid.clone(),
            next: None,
        });
        self.refused = Some(Refused {
            kind: header.kind,
            event_offset: self.place.event_offset,
            statement,
        });
        // Behind a prepared part stands no boundary, and who reads it does not read on.
        if self.is_in_prepared() {
            self.halt(false)
        } else if has_begun {
            Ok(())
        } else {
            self.halt(true)
        }
    }

    /// What comes behind a statement that was refused.
    pub(super) fn pass_refused(&mut self, header: &EventHeader, body: &Bytes) -> Result<(), Error> {
        match header.kind {
            EventKind::Xid | EventKind::XaPrepare => self.halt(true),
            EventKind::Query => {
                let post_header_bytes = self.place.framing.post_header_bytes(EventKind::Query);
                let query = Query::parse(body, post_header_bytes)?;
                match query.control() {
                    Some(Control::Commit | Control::Rollback | Control::XaRollback) => {
                        self.halt(true)
                    }
                    _ => Ok(()),
                }
            }
            // The log was cut off.
            EventKind::Gtid
            | EventKind::GtidTagged
            | EventKind::AnonymousGtid
            | EventKind::MariaGtid
            | EventKind::Rotate
            | EventKind::Stop => self.halt(false),
            _ => Ok(()),
        }
    }

    fn halt(&mut self, is_at_end: bool) -> Result<(), Error> {
        let Some(refused) = &mut self.refused else {
            return Ok(());
        };
        let mut statement = refused.statement.clone();
        statement.next =
            is_at_end.then(|| Position::new(self.place.file.clone(), self.place.offset));
        Err(Error::Statement(statement))
    }
}
