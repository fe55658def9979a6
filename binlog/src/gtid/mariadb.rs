//! MariaDB's GTIDs: `domain-server-number`, the event that opens a transaction, the list at a file's head.
//!
//! A set holds the last GTID of each domain, as `gtid_binlog_pos` and `@slave_connect_state` do: numbers
//! of a domain rise in the order of the log, whichever server gave them, so one of them stands for all
//! before it. The event is a BEGIN too, unless it is marked as standing alone.
//! Source: sql/log_event.h (`Gtid_log_event`, `Gtid_list_log_event`), sql/rpl_gtid.h.

use std::{fmt, str::FromStr};

use super::{Gtid, GtidEvent, GtidSet};
use crate::{Error, cursor::Cursor};

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct MariaGtid {
    pub domain: u32,
    pub server_id: u32,
    pub number: u64,
}

/// The statement behind the event, with `binlog_alter_two_phase`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AlterPhase {
    /// The ALTER TABLE has begun; the table is still the old one.
    Start,
    /// It is done.
    Commit,
    /// It has failed: the table stays the old one.
    Rollback,
}

/// A MARIADB_GTID event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MariaGtidEvent {
    pub gtid: MariaGtid,
    /// One statement that commits itself follows; else the event is a BEGIN.
    pub is_standalone: bool,
    /// What follows is an XA transaction up to its PREPARE.
    pub is_xa_prepare: bool,
    pub alter_phase: Option<AlterPhase>,
}

const FLAG_STANDALONE: u8 = 0x01;
const FLAG_GROUP_COMMIT_ID: u8 = 0x02;
const FLAG_PREPARED_XA: u8 = 0x40;
const FLAG_COMPLETED_XA: u8 = 0x80;
const EXTRA_START_ALTER: u8 = 0x02;
const EXTRA_COMMIT_ALTER: u8 = 0x04;
const EXTRA_ROLLBACK_ALTER: u8 = 0x08;
/// The high bits of a list's count are flags.
const LIST_COUNT_BITS: u32 = 28;

impl MariaGtidEvent {
    /// Reads the body; the server's id stands in the event's header.
    pub fn parse(body: &[u8], server_id: u32) -> Result<Self, Error> {
        let mut cursor = Cursor::new("MARIADB_GTID event", body);
        let number = cursor.u64()?;
        let domain = cursor.u32()?;
        let flags = cursor.u8()?;
        if flags & FLAG_GROUP_COMMIT_ID != 0 {
            cursor.u64()?;
        }
        if flags & (FLAG_PREPARED_XA | FLAG_COMPLETED_XA) != 0 {
            cursor.u32()?;
            let bytes = usize::from(cursor.u8()?) + usize::from(cursor.u8()?);
            cursor.take(bytes)?;
        }
        // Zero bytes fill up events that are short.
        let extra = if cursor.is_empty() { 0 } else { cursor.u8()? };
        let alter_phase = match extra {
            extra if extra & EXTRA_START_ALTER != 0 => Some(AlterPhase::Start),
            extra if extra & EXTRA_COMMIT_ALTER != 0 => Some(AlterPhase::Commit),
            extra if extra & EXTRA_ROLLBACK_ALTER != 0 => Some(AlterPhase::Rollback),
            _ => None,
        };
        Ok(Self {
            gtid: MariaGtid {
                domain,
                server_id,
                number,
            },
            is_standalone: flags & FLAG_STANDALONE != 0,
            is_xa_prepare: flags & FLAG_PREPARED_XA != 0,
            alter_phase,
        })
    }

    /// The same in the terms of MySQL's event; MariaDB logs no commit times, and nothing in front of a transaction
    /// says that it will not be rolled back.
    pub fn event(&self) -> GtidEvent {
        GtidEvent {
            gtid: Some(Gtid::MariaDb(self.gtid)),
            may_have_statements: true,
            ..GtidEvent::default()
        }
    }
}

impl GtidSet {
    /// A GTID_LIST body: everything in the log before this file.
    pub fn parse_gtid_list(body: &[u8]) -> Result<Self, Error> {
        let mut cursor = Cursor::new("GTID_LIST event", body);
        let count = cursor.u32()? & ((1 << LIST_COUNT_BITS) - 1);
        let mut set = Self::default();
        for _ in 0..count {
            set.reach(MariaGtid {
                domain: cursor.u32()?,
                server_id: cursor.u32()?,
                number: cursor.u64()?,
            });
        }
        Ok(set)
    }

    pub(super) fn has_reached(&self, gtid: &MariaGtid) -> bool {
        let last = self.domains.get(&gtid.domain);
        last.is_some_and(|last| gtid.number < last.number || gtid == last)
    }

    pub(super) fn reach(&mut self, gtid: MariaGtid) {
        let last = self.domains.get(&gtid.domain);
        if last.is_none_or(|last| last.number < gtid.number) {
            self.domains.insert(gtid.domain, gtid);
        }
    }
}

impl fmt::Display for MariaGtid {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            formatter,
            "{}-{}-{}",
            self.domain, self.server_id, self.number
        )
    }
}

impl FromStr for MariaGtid {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let malformed = || {
            Error::malformed(
                "GTID",
                format_args!("\"{text}\" is not DOMAIN-SERVER-NUMBER"),
            )
        };
        if !text
            .bytes()
            .all(|byte| byte.is_ascii_digit() || byte == b'-')
        {
            return Err(malformed());
        }
        let mut parts = text.split('-');
        let mut next = || parts.next().ok_or_else(malformed);
        let (domain, server_id, number) = (next()?, next()?, next()?);
        let gtid = Self {
            domain: domain.parse().map_err(|_| malformed())?,
            server_id: server_id.parse().map_err(|_| malformed())?,
            number: number.parse().map_err(|_| malformed())?,
        };
        match parts.next() {
            None => Ok(gtid),
            Some(_) => Err(malformed()),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn set(text: &str) -> GtidSet {
        text.parse().expect("a set")
    }

    #[test]
    fn a_set_is_the_last_gtid_of_each_domain() {
        let ours = set("1-9-7,0-1-100, 0-2-90");
        assert_eq!(ours.to_string(), "0-1-100,1-9-7");
        assert!(set("0-2-99").is_subset(&ours), "whichever server gave it");
        assert!(
            !set("0-2-100").is_subset(&ours),
            "two servers gave one number"
        );
        assert!(!set("2-1-1").is_subset(&ours));
        let mut ahead = set("0-1-101,1-9-7");
        ahead.subtract(&ours);
        assert_eq!(ahead.to_string(), "0-1-101");
        assert!(set("").is_subset(&ours) && set("").is_empty() && !ours.is_empty());
    }

    #[test]
    fn what_is_no_gtid_of_mariadb_is_refused() {
        for text in [
            "1-5",
            "0-1",
            "0-1-2-3",
            "0--1",
            "-0-1-2",
            "0-1-",
            "4294967296-1-1",
            "a-1-1",
        ] {
            assert!(text.parse::<GtidSet>().is_err(), "{text}");
        }
        let both = "0-1-1,1b8f86dd-e709-11f1-a854-02fc00000001:1";
        assert!(both.parse::<GtidSet>().is_err());
    }

    #[test]
    fn flags_say_what_follows_a_gtid() {
        let read = |tail: &[u8]| {
            let mut body = vec![9, 0, 0, 0, 0, 0, 0, 0, 3, 0, 0, 0];
            body.extend(tail);
            MariaGtidEvent::parse(&body, 7).expect("an event")
        };
        let dml = read(&[0x0c, 0, 0, 0, 0, 0, 0]);
        assert_eq!(dml.gtid.to_string(), "3-7-9");
        assert!(!dml.is_standalone && !dml.is_xa_prepare && dml.alter_phase.is_none());
        assert!(read(&[0x29, 0, 0, 0, 0, 0, 0]).is_standalone);
        assert!(read(&[0x4c, 1, 0, 0, 0, 1, 0, b'x', 1, 255]).is_xa_prepare);
        assert!(!read(&[0x8d, 1, 0, 0, 0, 1, 0, b'x']).is_xa_prepare);
        let phase = |tail| read(tail).alter_phase;
        assert_eq!(phase(&[0x29, 2, 0, 0, 0, 0, 0]), Some(AlterPhase::Start));
        assert_eq!(
            phase(&[0x2b, 1, 2, 3, 4, 5, 6, 7, 8, 4, 9, 0, 0, 0, 0, 0, 0, 0]),
            Some(AlterPhase::Commit)
        );
        assert_eq!(
            phase(&[0x29, 8, 9, 0, 0, 0, 0, 0, 0, 0]),
            Some(AlterPhase::Rollback)
        );
        // A group commit id fills the body of a server that has no extra flags.
        assert_eq!(phase(&[0x0e, 2, 2, 2, 2, 2, 2, 2, 2]), None);
    }

    proptest! {
        #[test]
        fn printed_sets_parse_to_themselves(gtids in prop::collection::vec((0u32..5, any::<u32>(), any::<u64>()), 0..8)) {
            let mut set = GtidSet::default();
            for (domain, server_id, number) in gtids {
                set.add(&Gtid::MariaDb(MariaGtid { domain, server_id, number }));
            }
            prop_assert_eq!(set.to_string().parse::<GtidSet>(), Ok(set));
        }

        #[test]
        fn a_union_holds_both_and_nothing_is_left_when_it_is_taken_away(
            a in prop::collection::vec((0u32..4, 0u64..9), 0..6),
            b in prop::collection::vec((0u32..4, 0u64..9), 0..6),
        ) {
            let set = |gtids: &[(u32, u64)]| {
                let mut set = GtidSet::default();
                for (domain, number) in gtids {
                    set.add(&Gtid::MariaDb(MariaGtid { domain: *domain, server_id: 1, number: *number }));
                }
                set
            };
            let (a, b) = (set(&a), set(&b));
            let mut both = a.clone();
            both.union(&b);
            prop_assert!(a.is_subset(&both) && b.is_subset(&both));
            let mut left = a.clone();
            left.subtract(&both);
            prop_assert!(left.is_empty());
        }

        #[test]
        fn no_bytes_panic(body in prop::collection::vec(any::<u8>(), 0..80)) {
            drop(MariaGtidEvent::parse(&body, 1));
            drop(GtidSet::parse_gtid_list(&body));
        }
    }
}
