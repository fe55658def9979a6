//! MySQL's binary JSON, walked in place and written as JSON text.
//!
//! The bytes are a tree of offsets (`sql-common/json_binary.h`). Nothing is built: each value is found by
//! its offset and written at once, so an object's keys keep the order in which the server stored them.
//! Numbers keep their kind (a double is `1.0`, not `1`), opaque values print as `SELECT` prints them.
//! Offsets may point anywhere and, after partial updates, in any order, so a crafted value could make a
//! few bytes stand for gigabytes. Therefore every byte is paid for: all bytes visited together may not
//! exceed the value's length, which holds for every value whose parts do not overlap.

mod diff;
mod from_text;
mod opaque;
mod path;
mod text;
mod tree;

pub use diff::apply as apply_diffs;
pub(crate) use from_text::Documents;
pub use text::{escape_json, write_json_string};

use crate::Error;

/// MySQL's own limit (`JSON_DOCUMENT_MAX_DEPTH`).
const DEPTH_MAX: usize = 100;

/// Appends the value as compact JSON. Empty bytes are `null`: MySQL's default for a NOT NULL column.
pub fn write(bytes: &[u8], out: &mut Vec<u8>) -> Result<(), Error> {
    let Some((kind, data)) = bytes.split_first() else {
        out.extend_from_slice(b"null");
        return Ok(());
    };
    let mut walk = Walk {
        unpaid: bytes.len() - 1,
        out,
    };
    walk.value(*kind, data, 1)
}

struct Walk<'o> {
    /// Bytes of the value that may still be visited.
    unpaid: usize,
    out: &'o mut Vec<u8>,
}

/// Offsets are two bytes in small containers, four in large ones.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Size {
    Small,
    Large,
}

impl Walk<'_> {
    fn pay(&mut self, bytes: usize) -> Result<(), Error> {
        self.unpaid = self
            .unpaid
            .checked_sub(bytes)
            .ok_or_else(|| malformed("parts overlap"))?;
        Ok(())
    }

    fn value(&mut self, kind: u8, data: &[u8], depth: usize) -> Result<(), Error> {
        match kind {
            0x00 => self.object(Size::Small, data, depth),
            0x01 => self.object(Size::Large, data, depth),
            0x02 => self.array(Size::Small, data, depth),
            0x03 => self.array(Size::Large, data, depth),
            0x0c => {
                let (string, used) = measured(data)?;
                self.pay(used)?;
                let string =
                    std::str::from_utf8(string).map_err(|_| malformed("a string is not UTF-8"))?;
                write_json_string(string, self.out);
                Ok(())
            }
            0x0f => {
                let (field_type, rest) = data
                    .split_first()
                    .ok_or_else(|| malformed("no opaque type"))?;
                let (opaque, used) = measured(rest)?;
                self.pay(used + 1)?;
                opaque::write(*field_type, opaque, self.out)
            }
            _ => {
                let used = scalar(kind, data, self.out)?;
                self.pay(used)
            }
        }
    }

    fn object(&mut self, size: Size, data: &[u8], depth: usize) -> Result<(), Error> {
        let container = Container::open(size, data, depth)?;
        let key_bytes = size.bytes() + 2;
        let (keys, entries) = container.entries(key_bytes)?;
        self.pay(container.header_bytes() + keys.len() + entries.len())?;
        self.out.push(b'{');
        let mut separator: &[u8] = b"";
        for (key, entry) in keys
            .chunks_exact(key_bytes)
            .zip(entries.chunks_exact(1 + size.bytes()))
        {
            self.out.extend_from_slice(separator);
            separator = b",";
            let (offset, length) = key.split_at(size.bytes());
            let (offset, length) = (number(offset), number(length));
            let key = container
                .bytes
                .get(offset..offset.saturating_add(length))
                .ok_or_else(|| malformed("a key lies outside its object"))?;
            self.pay(length)?;
            let key = std::str::from_utf8(key).map_err(|_| malformed("a key is not UTF-8"))?;
            write_json_string(key, self.out);
            self.out.push(b':');
            self.entry(&container, entry, depth)?;
        }
        self.out.push(b'}');
        Ok(())
    }

    fn array(&mut self, size: Size, data: &[u8], depth: usize) -> Result<(), Error> {
        let container = Container::open(size, data, depth)?;
        let (_, entries) = container.entries(0)?;
        self.pay(container.header_bytes() + entries.len())?;
        self.out.push(b'[');
        let mut separator: &[u8] = b"";
        for entry in entries.chunks_exact(1 + size.bytes()) {
            self.out.extend_from_slice(separator);
            separator = b",";
            self.entry(&container, entry, depth)?;
        }
        self.out.push(b']');
        Ok(())
    }

    /// A type and either the value itself or its offset.
    fn entry(
        &mut self,
        container: &Container<'_>,
        entry: &[u8],
        depth: usize,
    ) -> Result<(), Error> {
        let (kind, place) = entry
            .split_first()
            .ok_or_else(|| malformed("no value entry"))?;
        if is_inlined(*kind, container.size) {
            // Paid for with the entry.
            return scalar(*kind, place, self.out).map(|_| ());
        }
        let value = container
            .bytes
            .get(number(place)..)
            .ok_or_else(|| malformed("a value lies outside its container"))?;
        // The type byte of the entry stands in for the one that the value does not have.
        self.value(*kind, value, depth + 1)
    }
}

/// Whether the value stands in its container's entry instead of its offset.
fn is_inlined(kind: u8, size: Size) -> bool {
    match kind {
        0x04..=0x06 => true,
        0x07 | 0x08 => size == Size::Large,
        _ => false,
    }
}

impl Size {
    fn bytes(self) -> usize {
        match self {
            Self::Small => 2,
            Self::Large => 4,
        }
    }
}

struct Container<'a> {
    size: Size,
    count: usize,
    /// All of it, from the element count on: what offsets count from.
    bytes: &'a [u8],
}

impl<'a> Container<'a> {
    fn open(size: Size, data: &'a [u8], depth: usize) -> Result<Self, Error> {
        if depth > DEPTH_MAX {
            return Err(malformed("nested deeper than MySQL's limit of 100"));
        }
        let width = size.bytes();
        let header = data
            .get(..2 * width)
            .ok_or_else(|| malformed("no container header"))?;
        let (count, length) = header.split_at(width);
        let bytes = data
            .get(..number(length))
            .ok_or_else(|| malformed("a container longer than its place"))?;
        Ok(Self {
            size,
            count: number(count),
            bytes,
        })
    }

    fn header_bytes(&self) -> usize {
        2 * self.size.bytes()
    }

    /// The key entries, `key_bytes` each, and the value entries.
    fn entries(&self, key_bytes: usize) -> Result<(&'a [u8], &'a [u8]), Error> {
        let rest = self.bytes.get(self.header_bytes()..);
        let keys = self.count.checked_mul(key_bytes);
        let values = self.count.checked_mul(1 + self.size.bytes());
        let split = || {
            let (keys, rest) = rest?.split_at_checked(keys?)?;
            Some((keys, rest.get(..values?)?))
        };
        split().ok_or_else(|| malformed("more elements than its container holds"))
    }
}

/// Writes a literal or a number; gives the bytes that it takes.
fn scalar(kind: u8, data: &[u8], out: &mut Vec<u8>) -> Result<usize, Error> {
    let mut integer = itoa::Buffer::new();
    let (text, used) = match (kind, data) {
        (0x04, [0, ..]) => ("null", 1),
        (0x04, [1, ..]) => ("true", 1),
        (0x04, [2, ..]) => ("false", 1),
        (0x05, [a, b, ..]) => (integer.format(i16::from_le_bytes([*a, *b])), 2),
        (0x06, [a, b, ..]) => (integer.format(u16::from_le_bytes([*a, *b])), 2),
        (0x07, [a, b, c, d, ..]) => (integer.format(i32::from_le_bytes([*a, *b, *c, *d])), 4),
        (0x08, [a, b, c, d, ..]) => (integer.format(u32::from_le_bytes([*a, *b, *c, *d])), 4),
        (0x09..=0x0b, _) => {
            let eight = *data
                .first_chunk::<8>()
                .ok_or_else(|| malformed("a number without its bytes"))?;
            match kind {
                0x09 => (integer.format(i64::from_le_bytes(eight)), 8),
                0x0a => (integer.format(u64::from_le_bytes(eight)), 8),
                _ => {
                    let double = f64::from_le_bytes(eight);
                    if !double.is_finite() {
                        return Err(malformed("a double that is not finite"));
                    }
                    out.extend_from_slice(zmij::Buffer::new().format_finite(double).as_bytes());
                    return Ok(8);
                }
            }
        }
        (0x04, [_, ..]) => return Err(malformed("an unknown literal")),
        (0x04..=0x08, _) => return Err(malformed("a number without its bytes")),
        _ => return Err(malformed(format_args!("unknown type 0x{kind:02x}"))),
    };
    out.extend_from_slice(text.as_bytes());
    Ok(used)
}

/// Little-endian, two or four bytes.
fn number(bytes: &[u8]) -> usize {
    bytes
        .iter()
        .rev()
        .fold(0, |value, byte| value << 8 | usize::from(*byte))
}

/// A length of seven bits a byte, lowest first, and that many bytes; with the bytes of both.
fn measured(data: &[u8]) -> Result<(&[u8], usize), Error> {
    let mut length = 0_u64;
    for (index, byte) in data.iter().take(5).enumerate() {
        length |= u64::from(byte & 0x7f) << (7 * index);
        if byte & 0x80 == 0 {
            let start = index + 1;
            let end = usize::try_from(length)
                .ok()
                .and_then(|length| start.checked_add(length));
            let bytes = end.and_then(|end| Some((data.get(start..end)?, end)));
            return bytes.ok_or_else(|| malformed("a string longer than its place"));
        }
    }
    Err(malformed("a length that does not end"))
}

#[cold]
fn malformed(found: impl std::fmt::Display) -> Error {
    Error::malformed("JSON", found)
}

#[cfg(test)]
mod tests;
