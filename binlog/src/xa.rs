//! XA transactions: their names, and the table of those that are prepared and neither committed nor rolled
//! back.
//!
//! The log holds an XA transaction's rows at its PREPARE, which may be rolled back days later; so its rows
//! count only at XA COMMIT, which has none. The table says where they are.

use std::{fmt, str::FromStr};

use crate::{Error, cursor::Cursor, gtid::Gtid, position::Position};

/// More transactions than that, prepared at the same time, are refused.
pub const OPEN_MAX: usize = 10_000;
/// MySQL's limit of each part (`MAXGTRIDSIZE`, `MAXBQUALSIZE`).
const PART_BYTES_MAX: usize = 64;

/// Prints and parses as the server logs it: `X'67747269',X'',1`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Xid {
    pub gtrid: Vec<u8>,
    pub bqual: Vec<u8>,
    pub format_id: u32,
}

/// A prepared transaction, and where its rows are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Prepared {
    pub xid: Xid,
    /// Where its first event begins; none on another server than the one that told it.
    pub position: Option<Position>,
    /// Of its PREPARE.
    pub gtid: Option<Gtid>,
}

/// What the end of a transaction does to the table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum XaChange {
    Prepared(Prepared),
    /// Committed or rolled back.
    Finished(Xid),
}

/// Those that are prepared, oldest first.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct XaTable {
    open: Vec<Prepared>,
}

/// What becomes of XA transactions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum XaPolicy {
    #[default]
    Halt,
    /// Their rows are read again at XA COMMIT.
    AtCommit,
}

/// A XA_PREPARE event's body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct XaPrepareEvent {
    /// XA COMMIT ... ONE PHASE: prepared and committed at once.
    pub is_one_phase: bool,
    pub xid: Xid,
}

impl XaPrepareEvent {
    pub fn parse(body: &[u8]) -> Result<Self, Error> {
        let mut cursor = Cursor::new("XA_PREPARE event", body);
        let is_one_phase = cursor.u8()? != 0;
        let format_id = cursor.u32()?;
        let (gtrid, bqual) = (cursor.u32()?, cursor.u32()?);
        let mut part = |bytes: u32| {
            let bytes = cursor.length(u64::from(bytes))?;
            Ok::<_, Error>(cursor.take(bytes)?.to_vec())
        };
        let xid = Xid {
            gtrid: part(gtrid)?,
            bqual: part(bqual)?,
            format_id,
        };
        xid.ensure_short()?;
        Ok(Self { is_one_phase, xid })
    }
}

impl Xid {
    /// Of `XA COMMIT X'...',X'...',1` and its like.
    pub(crate) fn of_statement(statement: &[u8]) -> Result<Self, Error> {
        let begin = statement
            .windows(2)
            .position(|two| matches!(two, [b'X' | b'x', b'\'']));
        let text = begin.and_then(|begin| statement.get(begin..));
        let text = text.and_then(|text| std::str::from_utf8(text).ok());
        text.ok_or_else(malformed)?.parse()
    }

    fn ensure_short(&self) -> Result<(), Error> {
        if self.gtrid.len().max(self.bqual.len()) > PART_BYTES_MAX {
            return Err(Error::malformed("XID", "a part of more than 64 bytes"));
        }
        Ok(())
    }
}

fn malformed() -> Error {
    Error::malformed("XID", "not X'gtrid',X'bqual',format")
}

impl FromStr for Xid {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let mut parts = text.trim().splitn(3, ',').map(str::trim);
        let mut next = || parts.next().ok_or_else(malformed);
        let (gtrid, bqual, format_id) = (next()?, next()?, next()?);
        let format_id: i64 = format_id.parse().map_err(|_| malformed())?;
        let xid = Self {
            gtrid: unhex(gtrid)?,
            bqual: unhex(bqual)?,
            // The event has 32 bits of it.
            format_id: (format_id & i64::from(u32::MAX)) as u32,
        };
        xid.ensure_short()?;
        Ok(xid)
    }
}

fn unhex(literal: &str) -> Result<Vec<u8>, Error> {
    let digits = literal
        .strip_prefix(['X', 'x'])
        .and_then(|rest| rest.strip_prefix('\'')?.strip_suffix('\''))
        .ok_or_else(malformed)?;
    let (pairs, odd) = digits.as_bytes().as_chunks::<2>();
    if !odd.is_empty() {
        return Err(malformed());
    }
    let digit = |byte: u8| char::from(byte).to_digit(16).ok_or_else(malformed);
    pairs
        .iter()
        .map(|[high, low]| Ok((digit(*high)? << 4 | digit(*low)?) as u8))
        .collect()
}

impl fmt::Display for Xid {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for part in [&self.gtrid, &self.bqual] {
            formatter.write_str("X'")?;
            for byte in part {
                write!(formatter, "{byte:02x}")?;
            }
            formatter.write_str("',")?;
        }
        write!(formatter, "{}", self.format_id)
    }
}

impl XaTable {
    pub fn new(open: Vec<Prepared>) -> Self {
        Self { open }
    }

    /// Oldest first.
    pub fn open(&self) -> &[Prepared] {
        &self.open
    }

    pub fn is_empty(&self) -> bool {
        self.open.is_empty()
    }

    pub fn get(&self, xid: &Xid) -> Option<&Prepared> {
        self.open.iter().find(|prepared| prepared.xid == *xid)
    }

    /// The latest word about an XID counts.
    pub fn apply(&mut self, change: &XaChange) {
        match change {
            XaChange::Prepared(prepared) => {
                self.open.retain(|open| open.xid != prepared.xid);
                self.open.push(prepared.clone());
            }
            XaChange::Finished(xid) => self.open.retain(|open| open.xid != *xid),
        }
    }

    pub(crate) fn ensure_room(&self) -> Result<(), Error> {
        if self.open.len() >= OPEN_MAX {
            return Err(Error::Refused(format!(
                "more than {OPEN_MAX} XA transactions are prepared and not finished: finish them (XA RECOVER)"
            )));
        }
        Ok(())
    }

    /// On another server positions mean nothing.
    pub fn without_positions(&self) -> Self {
        let open = self.open.iter().cloned().map(|prepared| Prepared {
            position: None,
            ..prepared
        });
        Self {
            open: open.collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn names_are_those_of_the_statement_and_of_the_event() {
        let xid = Xid::of_statement(b"XA COMMIT X'00ff',X'62',7").unwrap();
        assert_eq!(xid.to_string(), "X'00ff',X'62',7");
        let body = [
            &[0, 7, 0, 0, 0, 2, 0, 0, 0, 1, 0, 0, 0, 0, 0xff, b'b'][..],
            b"",
        ]
        .concat();
        let event = XaPrepareEvent::parse(&body).unwrap();
        assert_eq!((event.is_one_phase, event.xid), (false, xid));
        for text in [
            "",
            "X'1',X'',1",
            "X'00'",
            "'00',X'',1",
            "X'zz',X'',1",
            "X'00',X'',x",
        ] {
            assert!(text.parse::<Xid>().is_err(), "{text}");
        }
        let long = format!("X'{}',X'',1", "00".repeat(65));
        assert!(long.parse::<Xid>().is_err());
        assert!(XaPrepareEvent::parse(&[0, 7, 0, 0, 0, 255, 0, 0, 0, 0, 0, 0, 0]).is_err());
    }

    #[test]
    fn the_table_has_what_is_neither_committed_nor_rolled_back() {
        let prepared = |name: u8, offset: u64| Prepared {
            xid: Xid {
                gtrid: vec![name],
                bqual: Vec::new(),
                format_id: 1,
            },
            position: format!("binlog.000001:{offset}").parse().ok(),
            gtid: None,
        };
        let mut table = XaTable::default();
        for change in [
            XaChange::Prepared(prepared(1, 4)),
            XaChange::Prepared(prepared(2, 5)),
            XaChange::Finished(prepared(1, 4).xid),
            XaChange::Prepared(prepared(2, 9)),
            XaChange::Finished(prepared(3, 4).xid),
        ] {
            table.apply(&change);
        }
        assert_eq!(table.open(), [prepared(2, 9)]);
        assert_eq!(table.without_positions().open()[0].position, None);
    }

    proptest! {
        #[test]
        fn printed_names_parse_to_themselves(
            gtrid in prop::collection::vec(any::<u8>(), 0..=64),
            bqual in prop::collection::vec(any::<u8>(), 0..=64),
            format_id: u32,
        ) {
            let xid = Xid { gtrid, bqual, format_id };
            prop_assert_eq!(xid.to_string().parse::<Xid>(), Ok(xid.clone()));
            prop_assert_eq!(Xid::of_statement(format!("XA ROLLBACK {xid}").as_bytes()), Ok(xid));
        }

        #[test]
        fn no_bytes_panic(bytes: Vec<u8>, text: String) {
            drop(XaPrepareEvent::parse(&bytes));
            drop(Xid::of_statement(&bytes));
            drop(text.parse::<Xid>());
        }
    }
}
