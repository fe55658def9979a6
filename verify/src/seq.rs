//! `seq`: epoch, file number, offset, row, in hexadecimal of a fixed width, so that it sorts as text; of a line of a
//! snapshot, which stands between two transactions, epoch, file number, offset, attempt, number.

use std::{borrow::Cow, fmt};

use serde::Deserialize;

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

pub const SEQ_BYTES: usize = 24;

/// Where a line stands, without a look at the rest of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    At(Seq),
    /// A JSON object that says nothing about it.
    Nowhere,
    /// No JSON object, or no `seq` of the fixed form.
    Unreadable,
}

impl Standing {
    /// Of a nested line.
    pub fn of(line: &[u8]) -> Self {
        #[derive(Deserialize)]
        struct Placed<'a> {
            #[serde(borrow)]
            seq: Option<Cow<'a, str>>,
        }
        match serde_json::from_slice(line) {
            Err(_) => Self::Unreadable,
            Ok(Placed { seq }) => Self::of_seq(seq.as_deref()),
        }
    }

    pub fn of_seq(seq: Option<&str>) -> Self {
        match seq {
            None => Self::Nowhere,
            Some(text) => Seq::parse(text).map_or(Self::Unreadable, Self::At),
        }
    }
}

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

    /// Of a fixed length, which sort as it does.
    pub fn to_bytes(self) -> [u8; SEQ_BYTES] {
        let parts = [
            u64::from(self.epoch) << 32 | u64::from(self.file),
            self.offset,
            self.tail,
        ];
        let mut bytes = [0; SEQ_BYTES];
        bytes.copy_from_slice(parts.map(u64::to_be_bytes).as_flattened());
        bytes
    }

    pub fn from_bytes(bytes: [u8; SEQ_BYTES]) -> Self {
        let (parts, _) = bytes.as_chunks::<8>();
        let part = |at: usize| parts.get(at).map_or(0, |part| u64::from_be_bytes(*part));
        let short = |number: u64| u32::try_from(number & u64::from(u32::MAX)).unwrap_or_default();
        Self {
            epoch: short(part(0) >> 32),
            file: short(part(0)),
            offset: part(1),
            tail: part(2),
        }
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
        assert!(
            seqs.map(Seq::to_bytes)
                .is_sorted_by(|one, other| one < other)
        );
        assert_eq!(seqs.map(|seq| Seq::from_bytes(seq.to_bytes())), seqs);
        let attempts = seqs.map(Seq::attempt);
        assert_eq!(attempts[1..4], [None, Some(0), Some(1)]);
    }

    #[test]
    fn a_line_is_placed_by_its_seq_alone() {
        let text = "00000001.0000000a.0000000000000a25.00000011";
        let of = |line: String| Standing::of(line.as_bytes());
        let seq = Seq::parse(text).expect("a seq");
        for line in [
            format!(r#"{{"seq":"{text}","type":"unknown"}}"#),
            format!(r#"{{"data":{{"seq":"x"}},"seq":"{text}"}}"#),
            format!("{{\"seq\":\"{text}\"}}\n"),
        ] {
            assert_eq!(of(line), Standing::At(seq));
        }
        for line in [
            "{}",
            r#"{"type":"insert","data":{"seq":"1"}}"#,
            r#"{"seq":null}"#,
        ] {
            assert_eq!(of(line.to_owned()), Standing::Nowhere, "{line}");
        }
        for line in ["", "x", r#"{"seq":"1"}"#, r#"{"seq":1}"#, r#"{"seq":""#] {
            assert_eq!(of(line.to_owned()), Standing::Unreadable, "{line}");
        }
    }
}
