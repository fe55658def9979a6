//! Where a change comes from, as text: `ts_us`, `id`, `seq`, `gtid`, `position`.
//!
//! `seq` sorts as text in source order, so all its numbers have fixed widths, and a number that is wider
//! is an error. `id` names the change on every server that has the transaction, if it has a GTID.

use headwater_binlog::{
    Error,
    gtid::{Gtid, Uuid},
    json::escape_json,
    transaction::Transaction,
};

use super::{super::value, NativeField, layout::Layout};

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
            out.extend_from_slice(b",\"ts_us\":");
            value::write_integer(self.transaction.commit_us, out);
        }
        if self.layout.has(NativeField::Id) {
            out.extend_from_slice(b",\"id\":\"");
            if !self.write_gtid(out) {
                write_uuid(self.server_uuid, out);
                out.push(b':');
                self.write_place(out);
            }
            out.push(b'/');
        }
    }

    /// The id's end, `,"seq":"epoch.file.offset.` up to n.
    pub fn write_seq(&self, out: &mut Vec<u8>) {
        if self.layout.has(NativeField::Id) {
            out.push(b'"');
        }
        if self.layout.has(NativeField::Seq) {
            out.extend_from_slice(b",\"seq\":\"");
            let file_number = self.transaction.file.number;
            write_sorted(self.epoch, file_number, self.event_offset, out);
        }
    }

    /// The seq's end, `,"gtid":"...","position":"FILE:OFFSET"`
    pub fn write_position(&self, out: &mut Vec<u8>) {
        if self.layout.has(NativeField::Seq) {
            out.push(b'"');
        }
        if self.layout.has(NativeField::Gtid) && self.transaction.gtid.is_some() {
            out.extend_from_slice(b",\"gtid\":\"");
            self.write_gtid(out);
            out.push(b'"');
        }
        if self.layout.has(NativeField::Position) {
            out.extend_from_slice(b",\"position\":\"");
            self.write_place(out);
            out.push(b'"');
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

/// Both numbers have 8 digits in `seq`.
pub(super) fn ensure_sortable(file_number: u64, n: u64) -> Result<(), Error> {
    let limit = u64::from(u32::MAX);
    if file_number > limit {
        return Err(Error::Unsupported(format!(
            "binlog file number {file_number}: the most is {limit}; reset the server's binary logs"
        )));
    }
    if n > limit {
        return Err(Error::Unsupported(format!(
            "change {n} of one transaction: the most is {limit}; split the transaction"
        )));
    }
    Ok(())
}

/// Closes the last object of a row and the line.
pub(super) fn end_of_row(is_last: bool) -> &'static [u8] {
    if is_last { b"},\"last\":true}" } else { b"}}" }
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
