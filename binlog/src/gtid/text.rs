//! GTIDs as text: what MySQL prints in `gtid_executed`, with the white space that clients put around it.
//! Prints without white space, each UUID once, tags in their order: `uuid:1-3:tag_a:1,uuid:7`. MariaDB's
//! stand side by side in the same way: `0-1-100,1-1-7`.

use std::{fmt, str::FromStr};

use super::{Gtid, GtidSet, GtidSource, NUMBER_MAX, Uuid};
use crate::Error;

const TAG_BYTES_MAX: usize = 32;

impl fmt::Display for Uuid {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, byte) in self.0.iter().enumerate() {
            if matches!(index, 4 | 6 | 8 | 10) {
                formatter.write_str("-")?;
            }
            write!(formatter, "{byte:02x}")?;
        }
        Ok(())
    }
}

impl FromStr for Uuid {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let malformed = || Error::malformed("UUID", format_args!("\"{text}\""));
        let has_dashes = match text.len() {
            36 => true,
            32 => false,
            _ => return Err(malformed()),
        };
        let mut bytes = [0; 16];
        let mut digits = 0;
        for (index, character) in text.bytes().enumerate() {
            if has_dashes && matches!(index, 8 | 13 | 18 | 23) {
                if character != b'-' {
                    return Err(malformed());
                }
                continue;
            }
            let digit = char::from(character).to_digit(16).ok_or_else(malformed)?;
            let byte = bytes.get_mut(digits / 2).ok_or_else(malformed)?;
            *byte = (*byte << 4) | u8::try_from(digit).map_err(|_| malformed())?;
            digits += 1;
        }
        Ok(Self(bytes))
    }
}

impl GtidSource {
    pub fn untagged(uuid: Uuid) -> Self {
        Self {
            uuid,
            tag: "".into(),
        }
    }

    /// `tag` may be empty; else 32 letters, digits or `_` at most, no digit in front; made lower case.
    pub fn new(uuid: Uuid, tag: &str) -> Result<Self, Error> {
        let is_tag = tag.len() <= TAG_BYTES_MAX
            && tag
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
            && !tag.starts_with(|first: char| first.is_ascii_digit());
        if !is_tag {
            return Err(Error::malformed("GTID tag", format_args!("\"{tag}\"")));
        }
        Ok(Self {
            uuid,
            tag: tag.to_ascii_lowercase().into(),
        })
    }
}

impl fmt::Display for GtidSource {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}", self.uuid)?;
        if self.tag.is_empty() {
            Ok(())
        } else {
            write!(formatter, ":{}", self.tag)
        }
    }
}

impl fmt::Display for Gtid {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::MySql { source, number } => write!(formatter, "{source}:{number}"),
            Self::MariaDb(gtid) => gtid.fmt(formatter),
        }
    }
}

impl FromStr for Gtid {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let malformed = || {
            Error::malformed(
                "GTID",
                format_args!(
                    "\"{text}\" is not UUID:NUMBER, UUID:TAG:NUMBER or DOMAIN-SERVER-NUMBER"
                ),
            )
        };
        if !text.contains(':') {
            return text.trim().parse().map(Self::MariaDb);
        }
        let (source, digits) = text.trim().rsplit_once(':').ok_or_else(malformed)?;
        let (uuid, tag) = source.split_once(':').unwrap_or((source, ""));
        if source.contains(':') && tag.trim().is_empty() {
            return Err(malformed());
        }
        let source = GtidSource::new(uuid.trim().parse()?, tag.trim())?;
        Ok(Self::new(
            source,
            number(digits.trim()).ok_or_else(malformed)?,
        ))
    }
}

impl fmt::Display for GtidSet {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut previous: Option<Uuid> = None;
        for (source, intervals) in self.intervals() {
            match previous {
                Some(uuid) if uuid == source.uuid => {}
                Some(_) => write!(formatter, ",{}", source.uuid)?,
                None => write!(formatter, "{}", source.uuid)?,
            }
            previous = Some(source.uuid);
            if !source.tag.is_empty() {
                write!(formatter, ":{}", source.tag)?;
            }
            for (first, last) in intervals {
                write!(formatter, ":{first}")?;
                if last > first {
                    write!(formatter, "-{last}")?;
                }
            }
        }
        for (index, gtid) in self.domains().enumerate() {
            let comma = if index > 0 || previous.is_some() {
                ","
            } else {
                ""
            };
            write!(formatter, "{comma}{gtid}")?;
        }
        Ok(())
    }
}

impl FromStr for GtidSet {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let mut set = Self::default();
        for entry in text
            .split(',')
            .map(str::trim)
            .filter(|entry| !entry.is_empty())
        {
            if entry.contains(':') {
                add_entry(&mut set, entry)?;
            } else {
                set.reach(entry.parse()?);
            }
        }
        if !set.intervals.is_empty() && !set.domains.is_empty() {
            return Err(Error::malformed(
                "GTID set",
                "MySQL's and MariaDB's GTIDs in one set",
            ));
        }
        Ok(set)
    }
}

/// One `uuid[:tag][:first[-last]]...`, where a tag holds for the intervals up to the next tag.
fn add_entry(set: &mut GtidSet, entry: &str) -> Result<(), Error> {
    let malformed = || Error::malformed("GTID set", format_args!("\"{entry}\" has no interval"));
    let mut parts = entry.split(':').map(str::trim);
    let uuid = parts.next().ok_or_else(malformed)?.parse()?;
    let mut source = GtidSource::untagged(uuid);
    let mut is_interval_due = true;
    for part in parts {
        if part.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_') {
            if is_interval_due && !source.tag.is_empty() {
                return Err(malformed());
            }
            source = GtidSource::new(uuid, part)?;
            is_interval_due = true;
            continue;
        }
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let bound = |digits: &str| {
            number(digits.trim())
                .ok_or_else(|| Error::malformed("GTID interval", format_args!("\"{part}\"")))
        };
        set.add_range(&source, bound(first)?, bound(last)?)?;
        is_interval_due = false;
    }
    if is_interval_due {
        Err(malformed())
    } else {
        Ok(())
    }
}

fn number(digits: &str) -> Option<u64> {
    if !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    digits
        .parse()
        .ok()
        .filter(|number| (1..=NUMBER_MAX).contains(number))
}
