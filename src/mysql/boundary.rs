//! Where transactions of one binlog file begin and end: a walk from the file's head up to a point.
//!
//! Says whether the point is a boundary, which boundaries are nearest, and which GTIDs are done there. A
//! GTID event always begins a transaction, whatever went before; in logs without them (before 5.6) BEGIN,
//! XID and COMMIT decide; MariaDB's GTID event is a BEGIN too. Pure: events come in as bytes.

use headwater_binlog::{
    Error,
    event::{Event, EventHeader, EventKind, Framing},
    gtid::{Gtid, GtidEvent, GtidSet, MariaGtidEvent},
    query::{Control, Query},
};

/// What a point of the log is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// No transaction is open there; the GTIDs done up to it.
    Boundary(GtidSet),
    /// The nearest boundaries; no `after` when the log ends before one.
    Between { before: u64, after: Option<u64> },
    /// The file ends before it.
    Beyond { end: u64 },
}

/// The walk itself. Feed it a file's events in order until it gives a verdict.
#[derive(Debug)]
pub struct Walk {
    target: u64,
    framing: Framing,
    /// Where the next event begins.
    offset: u64,
    /// The last boundary at or before the target.
    before: u64,
    gtids: GtidSet,
    current: Option<Gtid>,
    state: State,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Outside,
    /// After a GTID event: one statement, or BEGIN.
    Announced,
    /// After BEGIN or XA START.
    Begun,
}

/// Every file begins with four magic bytes.
const FIRST_OFFSET: u64 = 4;

impl Walk {
    pub fn to(target: u64) -> Self {
        Self {
            target,
            framing: Framing::default(),
            offset: FIRST_OFFSET,
            before: FIRST_OFFSET,
            gtids: GtidSet::default(),
            current: None,
            state: State::Outside,
        }
    }

    /// Takes one whole event; a verdict as soon as there is one.
    pub fn take(&mut self, bytes: &[u8]) -> Result<Option<Verdict>, Error> {
        let framing = self.framing.clone();
        let event = framing.event(bytes)?;
        if event.header.kind == EventKind::FormatDescription {
            self.framing.learn(&event)?;
        }
        self.take_verified(&event)
    }

    /// Takes the head of an event whose body is too large to hold and means nothing here.
    pub fn take_head(&mut self, bytes: &[u8]) -> Result<Option<Verdict>, Error> {
        let header = EventHeader::parse(bytes)?;
        self.take_verified(&Event { header, body: &[] })
    }

    fn take_verified(&mut self, event: &Event<'_>) -> Result<Option<Verdict>, Error> {
        if !event.header.is_in_file() {
            return Ok(None);
        }
        if starts_transaction(event.header.kind) {
            self.end_transaction();
        }
        if let Some(verdict) = self.judge() {
            return Ok(Some(verdict));
        }
        self.follow(event)?;
        self.offset += u64::from(event.header.bytes);
        Ok(None)
    }

    /// The log has no more events.
    pub fn end(mut self) -> Verdict {
        if let Some(verdict) = self.judge() {
            return verdict;
        }
        if self.target > self.offset {
            return Verdict::Beyond { end: self.offset };
        }
        Verdict::Between {
            before: self.before,
            after: None,
        }
    }

    /// Judges the point before the next event.
    fn judge(&mut self) -> Option<Verdict> {
        if self.state != State::Outside {
            return None;
        }
        if self.offset > self.target {
            return Some(Verdict::Between {
                before: self.before,
                after: Some(self.offset),
            });
        }
        self.before = self.offset;
        (self.offset == self.target).then(|| Verdict::Boundary(std::mem::take(&mut self.gtids)))
    }

    fn follow(&mut self, event: &Event<'_>) -> Result<(), Error> {
        match event.header.kind {
            EventKind::PreviousGtids => {
                self.gtids = GtidSet::parse_previous_gtids(event.body)?;
            }
            EventKind::Gtid => self.begin(GtidEvent::parse(event.body)?.gtid),
            EventKind::GtidTagged => self.begin(GtidEvent::parse_tagged(event.body)?.gtid),
            EventKind::AnonymousGtid => self.begin(None),
            EventKind::MariaGtidList => self.gtids = GtidSet::parse_gtid_list(event.body)?,
            EventKind::MariaGtid => {
                let gtid = MariaGtidEvent::parse(event.body, event.header.server_id)?;
                self.begin(gtid.event().gtid);
                if !gtid.is_standalone {
                    self.state = State::Begun;
                }
            }
            EventKind::Xid | EventKind::TransactionPayload | EventKind::XaPrepare => {
                self.end_transaction();
            }
            // Compressed, it is a statement too long to steer a transaction.
            EventKind::MariaQueryCompressed if self.state != State::Begun => self.end_transaction(),
            EventKind::Query => {
                let post_header_bytes = self.framing.post_header_bytes(EventKind::Query);
                match Query::parse(event.body, post_header_bytes)?.control() {
                    Some(Control::Begin | Control::XaStart) => self.state = State::Begun,
                    Some(Control::Commit | Control::Rollback) => self.end_transaction(),
                    Some(Control::XaCommit | Control::XaRollback | Control::XaPrepare) => {
                        self.end_transaction();
                    }
                    Some(_) => (),
                    // A statement on its own, unless a transaction is open: CREATE TABLE … SELECT.
                    None if self.state != State::Begun => self.end_transaction(),
                    None => (),
                }
            }
            _ => (),
        }
        Ok(())
    }

    fn begin(&mut self, gtid: Option<Gtid>) {
        self.current = gtid;
        self.state = State::Announced;
    }

    fn end_transaction(&mut self) {
        if let Some(gtid) = self.current.take() {
            self.gtids.add(&gtid);
        }
        self.state = State::Outside;
    }
}

/// Events that stand between transactions only.
fn starts_transaction(kind: EventKind) -> bool {
    matches!(
        kind,
        EventKind::Gtid
            | EventKind::GtidTagged
            | EventKind::AnonymousGtid
            | EventKind::MariaGtid
            | EventKind::Rotate
            | EventKind::Stop
    )
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const GTID: u8 = 33;
    const QUERY: u8 = 2;
    const XID: u8 = 16;
    const TABLE_MAP: u8 = 19;
    const HEARTBEAT: u8 = 27;
    const SERVER: [u8; 16] = [7; 16];

    /// A log without checksums, as bytes of its events from offset 4 on.
    struct Log(Vec<Vec<u8>>);

    impl Log {
        /// With the head that a 5.5 server writes.
        fn new() -> Self {
            let mut log = Self(Vec::new());
            let mut version = [0; 50];
            version[..5].copy_from_slice(b"5.5.9");
            let mut body = vec![4, 0];
            body.extend(version);
            body.extend([0; 4]);
            body.push(19);
            body.extend([13; 27]);
            log.event(15, &body);
            log
        }

        fn event(&mut self, kind: u8, body: &[u8]) {
            let length = 19 + body.len();
            let end = 4 + self.0.iter().map(Vec::len).sum::<usize>() + length;
            let in_file = kind != HEARTBEAT;
            let mut bytes = vec![0; 4];
            bytes.push(kind);
            bytes.extend([1, 0, 0, 0]);
            bytes.extend((length as u32).to_le_bytes());
            bytes.extend(if in_file {
                (end as u32).to_le_bytes()
            } else {
                [0; 4]
            });
            bytes.extend([0, 0]);
            bytes.extend(body);
            if in_file {
                self.0.push(bytes);
            }
        }

        fn gtid(&mut self, number: u64) {
            let mut body = vec![1];
            body.extend(SERVER);
            body.extend(number.to_le_bytes());
            self.event(GTID, &body);
        }

        fn query(&mut self, text: &str) {
            let mut body = vec![0; 13];
            body.push(0);
            body.extend(text.as_bytes());
            self.event(QUERY, &body);
        }

        fn transaction(&mut self, number: u64) {
            self.gtid(number);
            self.query("BEGIN");
            self.event(TABLE_MAP, b"whatever");
            self.event(XID, &[0; 8]);
        }

        fn end(&self) -> u64 {
            4 + self.0.iter().map(|event| event.len() as u64).sum::<u64>()
        }

        fn walk(&self, target: u64) -> Verdict {
            let mut walk = Walk::to(target);
            for event in &self.0 {
                if let Some(verdict) = walk.take(event).expect("events of our own") {
                    return verdict;
                }
            }
            walk.end()
        }
    }

    fn boundary(text: &str) -> Verdict {
        Verdict::Boundary(text.parse().expect("a set"))
    }

    #[test]
    fn a_point_inside_a_transaction_names_the_boundaries_around_it() {
        let mut log = Log::new();
        log.transaction(1);
        let first_end = log.end();
        log.gtid(2);
        let inside = log.end();
        log.query("BEGIN");
        log.event(XID, &[0; 8]);
        let second_end = log.end();
        log.gtid(3);
        log.query("CREATE TABLE t (a int)");
        assert_eq!(
            log.walk(inside),
            Verdict::Between {
                before: first_end,
                after: Some(second_end)
            }
        );
        assert_eq!(
            log.walk(log.end() - 1),
            Verdict::Between {
                before: second_end,
                after: Some(log.end())
            }
        );
        assert_eq!(
            log.walk(second_end),
            boundary("07070707-0707-0707-0707-070707070707:1-2")
        );
        assert_eq!(log.walk(log.end() + 1), Verdict::Beyond { end: log.end() });
    }

    #[test]
    fn a_log_without_gtids_has_boundaries_at_commits_and_statements() {
        let mut log = Log::new();
        let begin = log.end();
        log.query("BEGIN");
        let inside = log.end();
        log.event(TABLE_MAP, b"rows");
        log.query("COMMIT");
        let end = log.end();
        log.query("DROP TABLE t");
        assert_eq!(log.walk(end), boundary(""));
        assert_eq!(log.walk(log.end()), boundary(""));
        assert_eq!(
            log.walk(inside),
            Verdict::Between {
                before: begin,
                after: Some(end)
            }
        );
    }

    proptest! {
        #[test]
        fn exactly_the_ends_of_transactions_are_boundaries(count in 0u64..5, offset in 4u64..800) {
            let mut log = Log::new();
            let mut ends = vec![4, log.end()];
            for number in 1..=count {
                log.transaction(number);
                ends.push(log.end());
            }
            let verdict = log.walk(offset);
            prop_assert_eq!(matches!(verdict, Verdict::Boundary(_)), ends.contains(&offset));
            prop_assert_eq!(matches!(verdict, Verdict::Beyond { .. }), offset > log.end());
        }
    }
}
