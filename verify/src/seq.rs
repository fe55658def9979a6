//! `seq`: epoch, file number, offset, row, in hexadecimal of a fixed width, so that it sorts as text.

use std::fmt;

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Seq {
    epoch: u32,
    file: u32,
    offset: u64,
    row: u32,
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
        let seq = Self {
            epoch: short(next(8)?)?,
            file: short(next(8)?)?,
            offset: next(16)?,
            row: short(next(8)?)?,
        };
        parts.next().is_none().then_some(seq)
    }

    pub fn epoch(self) -> u32 {
        self.epoch
    }
}

impl fmt::Display for Seq {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            epoch,
            file,
            offset,
            row,
        } = self;
        write!(f, "{epoch:08x}.{file:08x}.{offset:016x}.{row:08x}")
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
        ] {
            assert_eq!(Seq::parse(wrong), None, "{wrong}");
        }
    }
}
