//! Where a change comes from, as text: `ts_us`, `id`, `seq`, `gtid`, `position`.
//!
//! `seq` sorts as text in source order, so all its numbers have fixed widths, and a number that is wider
//! is an error. `id` names the change on every server that has the transaction, if it has a GTID.
//! A snapshot's row stands at a place between two transactions, of which no event has the offset. Its `seq` goes on
//! with the attempt, so that what is read again after a crash sorts behind what was sent before it, and with a
//! number of 16 digits: while the source stands still, all rows of all tables stand at one place.

use headwater_binlog::{
    Error,
    gtid::{Gtid, Uuid},
    json::{escape_json, write_json_string},
    position::SeqPlace,
    transaction::{SnapshotOrigin, Transaction},
};

use super::{super::value, NativeField, layout::Layout, names::Name};

pub(super) struct Origin<'a> {
    pub transaction: &'a Transaction,
    pub layout: &'a Layout,
    pub server_uuid: Uuid,
    pub epoch: u32,
    pub event_offset: u64,
}

impl Origin<'_> {
    /// `,"ts_us":1,"id":"GTID/` up to n.
    pub fn write_time_and_id(&self, out: &mut Vec<u8>) {
        if self.layout.has(NativeField::TsUs) {
            self.layout.write_label(Name::TsUs, out);
            value::write_integer(self.transaction.commit_us, out);
        }
        if self.layout.has(NativeField::Id) {
            self.layout.write_label(Name::Id, out);
            if let Some(SnapshotOrigin { run, attempt, .. }) = &self.transaction.snapshot {
                out.extend_from_slice(b"snapshot:");
                escape_json(run, out);
                out.push(b':');
                value::write_integer(*attempt, out);
                out.push(b':');
                self.write_place(out);
            } else if !self.write_gtid(out) {
                write_uuid(self.server_uuid, out);
                out.push(b':');
                self.write_place(out);
            }
            out.push(b'/');
        }
    }

    /// The id's end, `,"seq":"epoch.file.offset.` up to n; of a snapshot with the attempt.
    pub fn write_seq(&self, out: &mut Vec<u8>) {
        if self.layout.has(NativeField::Id) {
            out.push(b'"');
        }
        if self.layout.has(NativeField::Seq) {
            self.layout.write_label(Name::Seq, out);
            let file_number = self.transaction.file.number;
            write_sorted(self.epoch, file_number, self.event_offset, out);
            if let Some(snapshot) = &self.transaction.snapshot {
                out.extend_from_slice(&hex::<8>(u64::from(snapshot.attempt)));
                out.push(b'.');
            }
        }
    }

    /// The seq's end, `,"gtid":"...","position":"FILE:OFFSET"`, of a snapshot with its run.
    pub fn write_position(&self, out: &mut Vec<u8>) {
        if self.layout.has(NativeField::Seq) {
            out.push(b'"');
        }
        if self.layout.has(NativeField::Gtid) && self.transaction.gtid.is_some() {
            self.layout.write_label(Name::Gtid, out);
            self.write_gtid(out);
            out.push(b'"');
        }
        if self.layout.has(NativeField::Position) {
            self.layout.write_label(Name::Position, out);
            self.write_place(out);
            out.push(b'"');
        }
        if let Some(snapshot) = &self.transaction.snapshot
            && self.layout.has(NativeField::Run)
        {
            self.layout.write_label(Name::Run, out);
            write_json_string(&snapshot.run, out);
        }
    }

    /// Whether there is one.
    fn write_gtid(&self, out: &mut Vec<u8>) -> bool {
        match &self.transaction.gtid {
            None => return false,
            Some(Gtid::MySql { source, number }) => {
                write_uuid(source.uuid, out);
                out.push(b':');
                if !source.tag.is_empty() {
                    escape_json(&source.tag, out);
                    out.push(b':');
                }
                value::write_integer(*number, out);
            }
            Some(Gtid::MariaDb(gtid)) => {
                value::write_integer(gtid.domain, out);
                out.push(b'-');
                value::write_integer(gtid.server_id, out);
                out.push(b'-');
                value::write_integer(gtid.number, out);
            }
        }
        true
    }

    fn write_place(&self, out: &mut Vec<u8>) {
        escape_json(&self.transaction.file.name, out);
        out.push(b':');
        value::write_integer(self.transaction.offset, out);
    }
}

/// `epoch.file.offset.`, as `seq` begins.
pub(super) fn write_sorted(epoch: u32, file_number: u64, offset: u64, out: &mut Vec<u8>) {
    out.extend_from_slice(&hex::<8>(u64::from(epoch)));
    out.push(b'.');
    out.extend_from_slice(&hex::<8>(file_number));
    out.push(b'.');
    out.extend_from_slice(&hex::<16>(offset));
    out.push(b'.');
}

/// A field with the `seq` of a place between two transactions, where lines have `seq`.
pub(super) fn write_place_seq(layout: &Layout, name: Name, place: SeqPlace, out: &mut Vec<u8>) {
    if layout.has(NativeField::Seq) {
        layout.write_label(name, out);
        write_sorted(place.epoch, place.file_number, place.offset, out);
        out.extend_from_slice(&hex::<8>(0));
        out.push(b'"');
    }
}

/// The `seq` of a place between two transactions, as a heartbeat has it: all before it is smaller.
pub fn sorted_seq(place: SeqPlace) -> String {
    format!("{place}.{:08x}", 0)
}

/// How many digits n has in `seq`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum Numbering {
    /// 8.
    #[default]
    Transaction,
    /// 16.
    Snapshot,
}

impl Numbering {
    pub fn of(transaction: &Transaction) -> Self {
        match transaction.snapshot {
            None => Self::Transaction,
            Some(_) => Self::Snapshot,
        }
    }

    /// The file's number has 8 digits in `seq`, too.
    #[inline]
    pub fn ensure_sortable(self, file_number: u64, n: u64) -> Result<(), Error> {
        let limit = u64::from(u32::MAX);
        if file_number > limit {
            return Err(Error::Unsupported(format!(
                "binlog file number {file_number}: the most is {limit}; reset the server's binary logs"
            )));
        }
        if n > limit && self == Self::Transaction {
            return Err(Error::Unsupported(format!(
                "change {n} of one transaction: the most is {limit}; split the transaction"
            )));
        }
        Ok(())
    }

    #[inline]
    pub fn write(self, n: u64, out: &mut Vec<u8>) {
        match self {
            Self::Transaction => out.extend_from_slice(&hex::<8>(n)),
            Self::Snapshot => out.extend_from_slice(&hex::<16>(n)),
        }
    }
}

/// The lowest `DIGITS` digits, lower case.
#[inline]
pub(super) fn hex<const DIGITS: usize>(value: u64) -> [u8; DIGITS] {
    let mut text = [0; DIGITS];
    let mut rest = value;
    for digit in text.iter_mut().rev() {
        *digit = hex_digit((rest & 15) as u8);
        rest >>= 4;
    }
    text
}

fn hex_digit(nibble: u8) -> u8 {
    if nibble < 10 {
        b'0' + nibble
    } else {
        b'a' - 10 + nibble
    }
}

fn write_uuid(uuid: Uuid, out: &mut Vec<u8>) {
    for (index, byte) in uuid.0.iter().enumerate() {
        if matches!(index, 4 | 6 | 8 | 10) {
            out.push(b'-');
        }
        out.extend_from_slice(&[hex_digit(byte >> 4), hex_digit(byte & 15)]);
    }
}
