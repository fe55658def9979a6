//! XA transactions: passed over at their PREPARE, read again at their commit.
//!
//! At XA PREPARE the rows are only passed over, and the table of open transactions learns where they are. At
//! XA COMMIT the assembler wants that part of the log: whoever feeds it asks for [`Assembler::wanted`], says
//! [`Assembler::enter_prepared`] and pushes that log's events until [`Assembler::is_in_prepared`] is false
//! again; their rows are those of the XA COMMIT's transaction, numbered and placed as its own. XA COMMIT ...
//! ONE PHASE says what it is only behind its rows, so it is read twice as well.

use super::{Assembler, Item, Open, StreamKind, places::Place, undone::Fate};
use crate::{
    Error,
    event::{EventHeader, Framing, MAGIC},
    position::Position,
    query::Query,
    xa::{Prepared, XaChange, XaPolicy, XaPrepareEvent, XaTable, Xid},
};

#[derive(Debug, Default)]
pub(super) struct Xa {
    policy: XaPolicy,
    table: XaTable,
    /// The open transaction's rows are passed over.
    pub is_passing: bool,
    /// To be read, with the header of the event that commits it.
    wanted: Option<(Prepared, EventHeader)>,
    /// Being read.
    reading: Option<Box<Reading>>,
    /// What the transaction that ends now does to the table.
    pub change: Option<XaChange>,
    /// The prepared part has just ended.
    pub has_left: bool,
}

/// What waits while the prepared part is read.
#[derive(Debug)]
struct Reading {
    xid: Xid,
    header: EventHeader,
    /// The place behind the commit.
    place: Place,
    /// The commit's, until the prepared part opens.
    open: Option<Open>,
}

impl Xa {
    /// What becomes of XA transactions, and those that are prepared already.
    pub fn new(policy: XaPolicy, table: XaTable) -> Self {
        Self {
            policy,
            table,
            ..Self::default()
        }
    }
}

impl Assembler {
    /// The part of the log that must be read before anything else is pushed.
    pub fn wanted(&self) -> Option<&Prepared> {
        self.xa.wanted.as_ref().map(|(prepared, _)| prepared)
    }

    /// What is pushed from now on is that part, from its begin, with the head of its file in front; it comes by
    /// a stream of this kind.
    pub fn enter_prepared(&mut self, kind: StreamKind) {
        let Some((prepared, header)) = self.xa.wanted.take() else {
            return;
        };
        self.tables.clear();
        let position = prepared
            .position
            .unwrap_or_else(|| Position::new(self.place.file.clone(), MAGIC.len() as u64));
        let part = Place::new(position, Framing::default(), kind);
        self.xa.reading = Some(Box::new(Reading {
            xid: prepared.xid,
            header,
            place: std::mem::replace(&mut self.place, part),
            open: self.open.take(),
        }));
    }

    pub fn is_in_prepared(&self) -> bool {
        self.xa.reading.is_some()
    }

    /// Where the rows in hand count: at the commit's event.
    pub(super) fn counted_offset(&self) -> u64 {
        let reading = self.xa.reading.as_ref();
        reading.map_or(self.place.event_offset, |reading| {
            reading.place.event_offset
        })
    }

    /// The commit's transaction in place of the prepared part's own.
    pub(super) fn open_prepared(&mut self, fate: &Fate) -> Result<bool, Error> {
        let Some(reading) = &mut self.xa.reading else {
            return Ok(false);
        };
        let open = reading.open.take().ok_or_else(|| elsewhere(&reading.xid))?;
        self.open = Some(Open {
            has_begun: false,
            fate: fate.clone(),
            ..open
        });
        Ok(true)
    }

    pub(super) fn ensure_at_commit(&self, what: &'static str) -> Result<(), Error> {
        match self.xa.policy {
            XaPolicy::Halt => Err(Error::Xa(what)),
            XaPolicy::AtCommit => Ok(()),
        }
    }

    /// XA START, or MariaDB's GTID event that stands for it.
    pub(super) fn xa_begin(
        &mut self,
        header: &EventHeader,
        what: &'static str,
    ) -> Result<(), Error> {
        self.ensure_at_commit(what)?;
        self.xa.is_passing = self.xa.reading.is_none();
        let open = self.opened(header);
        if open.has_begun {
            return Err(Error::UnfinishedTransaction {
                began: open.transaction.offset,
            });
        }
        open.has_begun = true;
        Ok(())
    }

    pub(super) fn xa_start(
        &mut self,
        header: &EventHeader,
        query: &Query<'_>,
    ) -> Result<(), Error> {
        if let Some(reading) = &self.xa.reading
            && reading.xid != Xid::of_statement(query.statement)?
        {
            return Err(elsewhere(&reading.xid));
        }
        self.xa_begin(header, "XA START")?;
        self.opened(header).ran_in(query.thread_id);
        Ok(())
    }

    pub(super) fn xa_prepare(
        &mut self,
        header: &EventHeader,
        body: &[u8],
        items: &mut Vec<Item>,
    ) -> Result<(), Error> {
        self.ensure_at_commit("XA PREPARE")?;
        let event = XaPrepareEvent::parse(body)?;
        if self.xa.reading.is_some() {
            return self.leave_prepared(&event.xid, items);
        }
        let open = self.open.as_ref().filter(|_| self.xa.is_passing);
        let open =
            open.ok_or_else(|| Error::malformed("event order", "XA PREPARE without START"))?;
        let prepared = Prepared {
            xid: event.xid,
            position: Some(open.transaction.position()),
            gtid: open.transaction.gtid.clone(),
        };
        if event.is_one_phase {
            self.xa.is_passing = false;
            self.xa.wanted = Some((prepared, *header));
            return Ok(());
        }
        self.xa.table.ensure_room()?;
        self.change_table(XaChange::Prepared(prepared));
        self.commit(header, items)
    }

    pub(super) fn xa_commit(
        &mut self,
        header: &EventHeader,
        query: &Query<'_>,
    ) -> Result<(), Error> {
        self.ensure_at_commit("XA COMMIT")?;
        let xid = Xid::of_statement(query.statement)?;
        if let Some(reading) = &self.xa.reading {
            return Err(elsewhere(&reading.xid));
        }
        let prepared = self.xa.table.get(&xid).cloned();
        let prepared = prepared.ok_or_else(|| Error::XaUnknown {
            xid: xid.to_string(),
        })?;
        self.opened(header).ran_in(query.thread_id);
        self.xa.wanted = Some((prepared, *header));
        Ok(())
    }

    /// One that was prepared before our start changes nothing.
    pub(super) fn xa_rollback(
        &mut self,
        header: &EventHeader,
        query: &Query<'_>,
        items: &mut Vec<Item>,
    ) -> Result<(), Error> {
        if let Some(reading) = &self.xa.reading {
            return Err(elsewhere(&reading.xid));
        }
        self.opened(header);
        if self.xa.policy == XaPolicy::AtCommit {
            let xid = Xid::of_statement(query.statement)?;
            if self.xa.table.get(&xid).is_some() {
                self.change_table(XaChange::Finished(xid));
            }
        }
        self.commit(header, items)
    }

    fn change_table(&mut self, change: XaChange) {
        self.xa.table.apply(&change);
        self.xa.change = Some(change);
    }

    /// The prepared part has been read: back behind the commit.
    fn leave_prepared(&mut self, xid: &Xid, items: &mut Vec<Item>) -> Result<(), Error> {
        let open = self.open.as_ref().filter(|open| open.has_begun);
        let is_ours = self.xa.reading.as_ref().is_some_and(|it| it.xid == *xid);
        let Some(reading) = self.xa.reading.take().filter(|_| is_ours && open.is_some()) else {
            return Err(elsewhere(xid));
        };
        self.place = reading.place;
        self.tables.clear();
        self.xa.has_left = true;
        if self.xa.table.get(xid).is_some() {
            self.change_table(XaChange::Finished(xid.clone()));
        }
        self.commit(&reading.header, items)
    }
}

#[cold]
fn elsewhere(xid: &Xid) -> Error {
    Error::malformed(
        "event order",
        format_args!("the rows of XA transaction {xid} are not where it was prepared"),
    )
}
