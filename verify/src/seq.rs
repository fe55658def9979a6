//! `seq`: epoch, file number, offset, row, in hexadecimal of a fixed width, so that it sorts as text; of a line of a
//! snapshot, which stands between two transactions, epoch, file number, offset, attempt, number.

use std::fmt;

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Seq {
    epoch: u32,
    file: u32,
    offset: u64,
    /// The row; of a snapshot's line its attempt, counted from 1, above its number. No event begins where snapshot
    /// lines stand, so only a heartbeat, row 0, is ever compared with them.
    tail: u64,
}

/// Of a snapshot's line.
const NUMBER_BITS: u32 = 40;

impl Seq {
    /// `None`: not the fixed form.
    pub fn parse(text: &str) -> Option<Self> {
        let mut parts = text.split('.');
        let mut next = |digits: usize| {
            let part = parts.next().filter(|part| part.len() == digits)?;
            let is_hex = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
            part.bytes().all(is_hex).then_some(())?;
            u64::from_str_radix(part, 16).ok()
        };
        let short = |number: u64| u32::try_from(number).ok();
        let (epoch, file) = (short(next(8)?)?, short(next(8)?)?);
        let (offset, row) = (next(16)?, next(8)?);
        let tail = match next(16) {
            None => row,
            Some(number) if number >> NUMBER_BITS == 0 => {
                (row + 1).checked_mul(1 << NUMBER_BITS)? | number
            }
            Some(_) => return None,
        };
        let parts = text.split('.').count();
        let seq = Self {
            epoch,
            file,
            offset,
            tail,
        };
        (parts == if seq.attempt().is_some() { 5 } else { 4 }).then_some(seq)
    }

    pub fn epoch(self) -> u32 {
        self.epoch
    }

    /// Of a snapshot's line.
    pub fn attempt(self) -> Option<u64> {
        (self.tail >> NUMBER_BITS).checked_sub(1)
    }
}

impl fmt::Display for Seq {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            epoch,
            file,
            offset,
            tail,
        } = self;
        write!(f, "{epoch:08x}.{file:08x}.{offset:016x}.")?;
        match self.attempt() {
            None => write!(f, "{tail:08x}"),
            Some(attempt) => {
                let number = tail & ((1 << NUMBER_BITS) - 1);
                write!(f, "{attempt:08x}.{number:016x}")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_fixed_form_is_a_seq() {
        let text = "00000001.0000000a.0000000000000a25.00000011";
        assert_eq!(
            Seq::parse(text).map(|seq| seq.to_string()).as_deref(),
            Some(text)
        );
        for wrong in [
            "1.2.3.4",
            "00000001.0000000A.0000000000000a25.00000011",
            "00000001.0000000a.0000000000000a25.+0000011",
            "00000001.0000000a.0000000000000a25.00000011.",
            "00000001.0000000a.0000000000000a25.00000011.00000011",
            "00000001.0000000a.0000000000000a25.00000011.0000000000000011.0000000000000011",
            "00000001.0000000a.0000000000000a25.00000011.ffffffffffffffff",
        ] {
            assert_eq!(Seq::parse(wrong), None, "{wrong}");
        }
    }
    #[test]
    fn a_snapshots_lines_sort_behind_a_heartbeat_by_attempt_and_number() {
        let texts = [
            "00000001.0000000a.0000000000000a24.00000011",
            "00000001.0000000a.0000000000000a25.00000000",
            "00000001.0000000a.0000000000000a25.00000000.0000000000000000",
            "00000001.0000000a.0000000000000a25.00000001.0000000000000000",
            "00000001.0000000a.0000000000000a25.00000001.000000ffffffffff",
            "00000001.0000000a.0000000000000a25.00000002.0000000000000000",
            "00000001.0000000a.0000000000000a25.00fffffe.0000000000000000",
            "00000001.0000000a.0000000000000a26.00000000",
        ];
        let seqs = texts.map(|text| Seq::parse(text).expect("a seq"));
        assert!(seqs.is_sorted_by(|one, other| one < other));
        assert_eq!(seqs.map(|seq| seq.to_string()), texts);
        let attempts = seqs.map(Seq::attempt);
        assert_eq!(attempts[1..4], [None, Some(0), Some(1)]);
    }
}
