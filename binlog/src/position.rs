//! Places in a binary log. Files of one log are ordered by their number, as numbers; files of different
//! logs (another base name) have no order.

use std::{cmp::Ordering, fmt, str::FromStr, sync::Arc};

use crate::Error;

/// A binlog file's name with its parts: `mysql-bin.000123` has base `mysql-bin` and number 123.
/// Ordered by number, never as text: 1,000,000 follows 999,999.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct FileName {
    pub name: Arc<str>,
    pub number: u64,
}

/// A point between two events: `offset` bytes into `file`. Prints and parses as `FILE:OFFSET`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Position {
    pub file: FileName,
    pub offset: u64,
}

/// A position as `seq` begins with it: of any two it is known which comes first, also over changes of the server and of
/// the log's numbering. Prints and parses as `EPOCH.FILE.OFFSET`, in hexadecimal of 8, 8 and 16 digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct SeqPlace {
    /// Rises with every such change.
    pub epoch: u32,
    pub file_number: u64,
    pub offset: u64,
}

impl SeqPlace {
    pub fn new(epoch: u32, position: &Position) -> Self {
        Self {
            epoch,
            file_number: position.file.number,
            offset: position.offset,
        }
    }
}

impl fmt::Display for SeqPlace {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (epoch, file, offset) = (self.epoch, self.file_number, self.offset);
        write!(formatter, "{epoch:08x}.{file:08x}.{offset:016x}")
    }
}

impl FromStr for SeqPlace {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let parts: Vec<&str> = text.split('.').collect();
        let place = match parts.as_slice() {
            [epoch, file, offset] => u32::from_str_radix(epoch, 16)
                .and_then(|epoch| {
                    Ok(Self {
                        epoch,
                        file_number: u64::from_str_radix(file, 16)?,
                        offset: u64::from_str_radix(offset, 16)?,
                    })
                })
                .ok(),
            _ => None,
        };
        place.ok_or_else(|| {
            Error::malformed(
                "place of a seq",
                format_args!("\"{text}\" is not EPOCH.FILE.OFFSET in hexadecimal"),
            )
        })
    }
}

impl FileName {
    /// `BASE.NUMBER`, without a folder.
    pub fn parse(name: &str) -> Result<Self, Error> {
        let malformed = || {
            Error::malformed(
                "binlog file name",
                format_args!("\"{name}\" is not BASE.NUMBER"),
            )
        };
        let (base, digits) = name.rsplit_once('.').ok_or_else(malformed)?;
        if base.is_empty() || digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit())
        {
            return Err(malformed());
        }
        let number = digits.parse().map_err(|_| malformed())?;
        Ok(Self {
            name: name.into(),
            number,
        })
    }

    /// From bytes of an event; MySQL's file names are UTF-8 here or refused.
    pub(crate) fn from_bytes(name: &[u8]) -> Result<Self, Error> {
        let name = name.split(|byte| *byte == 0).next().unwrap_or_default();
        match std::str::from_utf8(name) {
            Ok(name) => Self::parse(name),
            Err(_) => Err(Error::malformed("binlog file name", "not UTF-8")),
        }
    }

    /// The name without its number: the same for all files of one log.
    pub fn base(&self) -> &str {
        self.name
            .rsplit_once('.')
            .map_or(&*self.name, |(base, _)| base)
    }
}

impl fmt::Display for FileName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.name)
    }
}

impl PartialOrd for FileName {
    /// `None` for files of different logs.
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        if self == other {
            return Some(Ordering::Equal);
        }
        (self.base() == other.base()).then(|| {
            self.number
                .cmp(&other.number)
                .then_with(|| self.name.cmp(&other.name))
        })
    }
}

impl Position {
    pub fn new(file: FileName, offset: u64) -> Self {
        Self { file, offset }
    }
}

impl fmt::Display for Position {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}:{}", self.file, self.offset)
    }
}

impl FromStr for Position {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let malformed =
            || Error::malformed("position", format_args!("\"{text}\" is not FILE:OFFSET"));
        let (file, offset) = text.rsplit_once(':').ok_or_else(malformed)?;
        if !offset.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(malformed());
        }
        Ok(Self {
            file: FileName::parse(file)?,
            offset: offset.parse().map_err(|_| malformed())?,
        })
    }
}

impl PartialOrd for Position {
    /// `None` for positions in different logs.
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(
            self.file
                .partial_cmp(&other.file)?
                .then_with(|| self.offset.cmp(&other.offset)),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn position(text: &str) -> Position {
        text.parse().expect("a position")
    }

    #[test]
    fn a_place_of_a_seq_prints_and_parses_and_sorts_as_its_text() {
        let place = |epoch, file_number, offset| SeqPlace {
            epoch,
            file_number,
            offset,
        };
        let places = [
            place(1, 16, 9),
            place(1, 16, 10),
            place(1, 17, 4),
            place(2, 1, 1 << 40),
        ];
        let texts = places.map(|place| place.to_string());
        assert_eq!(texts[1], "00000001.00000010.000000000000000a");
        assert!(places.is_sorted() && texts.is_sorted());
        assert_eq!(texts.map(|text| text.parse().ok()), places.map(Some));
        for text in ["", "1.2", "1.2.3.4", "1.2.x", "100000000.1.1"] {
            assert!(text.parse::<SeqPlace>().is_err(), "{text}");
        }
    }

    #[test]
    fn positions_are_ordered_by_number_and_never_as_text() {
        assert!(position("binlog.1000000:4") > position("binlog.999999:9000"));
        assert!(position("binlog.000001:10") > position("binlog.000001:9"));
        assert_eq!(
            position("a.000001:4").partial_cmp(&position("b.000002:4")),
            None
        );
        assert_eq!(position("my.bin.000007:4").file.base(), "my.bin");
    }

    #[test]
    fn what_is_no_position_is_refused() {
        for text in [
            "",
            "binlog.000001",
            "binlog:4",
            "binlog.:4",
            ".000001:4",
            "binlog.000001:",
            "binlog.000001:+4",
            "b.x1:4",
            "b.1:99999999999999999999",
        ] {
            assert!(text.parse::<Position>().is_err(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn printed_positions_parse_to_themselves(base in "[a-z.:-]{1,12}", number in 0u64..9_999_999, offset: u64) {
            let text = format!("{base}.{number:06}:{offset}");
            let parsed = position(&text);
            prop_assert_eq!(parsed.file.number, number);
            prop_assert_eq!(parsed.to_string(), text);
        }

        #[test]
        fn no_text_panics(text: String) {
            drop(text.parse::<Position>());
        }
    }
}
