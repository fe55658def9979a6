//! JSON text, as a server prints its documents, back into MySQL's binary JSON.
//!
//! One pass: values are appended as they come, and when a container ends, its head is put in front of what it holds,
//! small (two-byte offsets) where that fits and large where not, each for itself, as the server does. Text does not
//! tell everything: a date or bytes inside a document come as strings and stay strings, a number is what prints the
//! same (`number`). So the bytes may differ from the log's, and what [`super::write`] prints of them does not.
//! What is kept from one document to the next is lists of what is open at one time.

mod number;
mod string;

use super::{DEPTH_MAX, Size, is_inlined};

const OBJECT: u8 = 0x00;
const ARRAY: u8 = 0x02;
const LITERAL: u8 = 0x04;
const STRING: u8 = 0x0c;
/// Lists that have grown beyond so many entries are not kept.
const ENTRIES_KEPT: usize = 64 << 10;

/// What is wrong with a document's text.
type Wrong = &'static str;

/// Writes documents, and keeps its memory from one to the next.
#[derive(Debug, Default)]
pub(crate) struct Documents {
    /// Of all open containers, the innermost last.
    entries: Vec<Entry>,
    /// The keys of all open objects.
    keys: Vec<u8>,
    /// A container's head, a string without its escapes.
    scratch: Vec<u8>,
}

/// An element of an open container.
#[derive(Debug, Clone, Copy)]
struct Entry {
    kind: u8,
    key_bytes: u16,
    /// The value itself where every container inlines it, else where it begins behind the container's first value.
    data: u32,
}

/// What was made of a value.
#[derive(Clone, Copy)]
enum Made {
    /// Every container inlines it: sign-extended.
    Inline { kind: u8, bits: u32 },
    /// Its data has been appended.
    Data { kind: u8 },
}

impl Documents {
    /// Appends the document with its type byte. After an error `out` may have grown.
    ///
    /// # Errors
    /// Text that is not one JSON value as MySQL prints it, or one above MySQL's limits.
    pub(crate) fn write(&mut self, text: &[u8], out: &mut Vec<u8>) -> Result<(), Wrong> {
        std::str::from_utf8(text).map_err(|_| "a document that is not UTF-8")?;
        self.entries.clear();
        self.keys.clear();
        let mut rest = text;
        let begin = out.len();
        out.push(0);
        let made = self.value(&mut rest, 1, out);
        if self.entries.capacity() > ENTRIES_KEPT {
            *self = Self::default();
        }
        let kind = match made? {
            Made::Data { kind } => kind,
            Made::Inline { kind, bits } => {
                let [low, high, ..] = bits.to_le_bytes();
                out.push(low);
                if kind != LITERAL {
                    out.push(high);
                }
                kind
            }
        };
        if let Some(place) = out.get_mut(begin) {
            *place = kind;
        }
        skip_spaces(&mut rest);
        if rest.is_empty() {
            Ok(())
        } else {
            Err("text behind the document")
        }
    }

    fn value(&mut self, rest: &mut &[u8], depth: usize, out: &mut Vec<u8>) -> Result<Made, Wrong> {
        skip_spaces(rest);
        let literal = |bits| Made::Inline {
            kind: LITERAL,
            bits,
        };
        match *rest {
            [b'{', ..] => self.container(rest, depth, out),
            [b'[', ..] => self.container(rest, depth, out),
            [b'"', ..] => {
                let string = string::take(rest, &mut self.scratch)?;
                put_measured(string, out)?;
                Ok(Made::Data { kind: STRING })
            }
            [b'n', b'u', b'l', b'l', behind @ ..] => {
                *rest = behind;
                Ok(literal(0))
            }
            [b't', b'r', b'u', b'e', behind @ ..] => {
                *rest = behind;
                Ok(literal(1))
            }
            [b'f', b'a', b'l', b's', b'e', behind @ ..] => {
                *rest = behind;
                Ok(literal(2))
            }
            _ => number::take(rest, out),
        }
    }

    fn container(
        &mut self,
        rest: &mut &[u8],
        depth: usize,
        out: &mut Vec<u8>,
    ) -> Result<Made, Wrong> {
        if depth > DEPTH_MAX {
            return Err("a document nested deeper than MySQL's limit of 100");
        }
        let is_object = rest.first() == Some(&b'{');
        let end = if is_object { b'}' } else { b']' };
        *rest = rest.get(1..).unwrap_or_default();
        let open = Open {
            is_object,
            entries: self.entries.len(),
            keys: self.keys.len(),
            values: out.len(),
        };
        let mut last_key = open.keys..open.keys;
        skip_spaces(rest);
        if rest.first() == Some(&end) {
            *rest = rest.get(1..).unwrap_or_default();
            return self.close(&open, out);
        }
        loop {
            let mut key_bytes = 0;
            if is_object {
                skip_spaces(rest);
                let begin = self.keys.len();
                let key = string::take(rest, &mut self.scratch)?;
                key_bytes = u16::try_from(key.len()).map_err(|_| "a key above 64 KiB")?;
                self.keys.extend_from_slice(key);
                let key = begin..self.keys.len();
                let is_first = self.entries.len() == open.entries;
                if !is_first && !self.is_before(&last_key, &key) {
                    return Err("keys in another order than MySQL's");
                }
                last_key = key;
                skip_spaces(rest);
                expect(rest, b':')?;
            }
            let begin = out.len() - open.values;
            let made = self.value(rest, depth + 1, out)?;
            self.entries.push(match made {
                Made::Inline { kind, bits } => Entry {
                    kind,
                    key_bytes,
                    data: bits,
                },
                Made::Data { kind } => Entry {
                    kind,
                    key_bytes,
                    data: u32::try_from(begin).map_err(|_| TOO_LARGE)?,
                },
            });
            skip_spaces(rest);
            match *rest {
                [b',', behind @ ..] => *rest = behind,
                [byte, behind @ ..] if *byte == end => {
                    *rest = behind;
                    return self.close(&open, out);
                }
                _ => return Err("a container without its end"),
            }
        }
    }

    /// Shorter keys first, then by bytes.
    fn is_before(&self, one: &std::ops::Range<usize>, other: &std::ops::Range<usize>) -> bool {
        let key = |range: &std::ops::Range<usize>| self.keys.get(range.clone()).unwrap_or_default();
        super::tree::order(key(one), key(other)).is_lt()
    }

    /// Puts the head and the keys in front of the values, and forgets the container.
    fn close(&mut self, open: &Open, out: &mut Vec<u8>) -> Result<Made, Wrong> {
        let count = self.entries.len() - open.entries;
        let keys = self.keys.len() - open.keys;
        let mut values = out.len() - open.values;
        let head_bytes = |size: Size| {
            let width = size.bytes();
            2 * width + count * (if open.is_object { width + 2 } else { 0 } + 1 + width)
        };
        let mut size = Size::Small;
        if u16::try_from(head_bytes(size) + keys + values).is_err() {
            size = Size::Large;
            self.inline_more(open, out);
            values = out.len() - open.values;
        }
        let head = head_bytes(size);
        let total = u32::try_from(head + keys + values).map_err(|_| TOO_LARGE)?;
        self.put_head(open, (size, head, keys, total));
        let front = self.scratch.len();
        out.resize(open.values + front + values, 0);
        out.copy_within(open.values..open.values + values, open.values + front);
        if let Some(place) = out.get_mut(open.values..open.values + front) {
            place.copy_from_slice(&self.scratch);
        }
        self.entries.truncate(open.entries);
        self.keys.truncate(open.keys);
        let kind = if open.is_object { OBJECT } else { ARRAY };
        Ok(Made::Data {
            kind: kind + u8::from(size == Size::Large),
        })
    }

    /// Count, bytes, key entries, value entries, keys: all that stands in front of the values.
    fn put_head(&mut self, open: &Open, (size, head, keys, total): (Size, usize, usize, u32)) {
        match size {
            Size::Small => self.put_entries(open, (size, head, keys, total), |value, front| {
                front.extend_from_slice(&(value as u16).to_le_bytes());
            }),
            Size::Large => self.put_entries(open, (size, head, keys, total), |value, front| {
                front.extend_from_slice(&value.to_le_bytes());
            }),
        }
    }

    /// `put` appends an offset in the width of the container.
    #[inline(always)]
    fn put_entries(
        &mut self,
        open: &Open,
        (size, head, keys, total): (Size, usize, usize, u32),
        put: impl Fn(u32, &mut Vec<u8>),
    ) {
        let entries = self.entries.get(open.entries..).unwrap_or_default();
        let front = &mut self.scratch;
        front.clear();
        front.reserve(head + keys);
        put(entries.len() as u32, front);
        put(total, front);
        if open.is_object {
            let mut offset = head as u32;
            for entry in entries {
                put(offset, front);
                front.extend_from_slice(&entry.key_bytes.to_le_bytes());
                offset += u32::from(entry.key_bytes);
            }
        }
        let first = (head + keys) as u32;
        for entry in entries {
            front.push(entry.kind);
            let base = match is_inlined(entry.kind, size) {
                true => 0,
                false => first,
            };
            put(base.wrapping_add(entry.data), front);
        }
        front.extend_from_slice(self.keys.get(open.keys..).unwrap_or_default());
    }

    /// A large container has integers of four bytes in its entries: they leave the values.
    fn inline_more(&mut self, open: &Open, out: &mut Vec<u8>) {
        let at = |place: u32| open.values + place as usize;
        // Values from `from` on are not moved yet; they go to `to`.
        let (mut from, mut to) = (open.values, open.values);
        let mut removed = 0;
        for entry in self.entries.iter_mut().skip(open.entries) {
            if is_inlined(entry.kind, Size::Small) {
                continue;
            }
            if !is_inlined(entry.kind, Size::Large) {
                entry.data -= removed;
                continue;
            }
            let place = at(entry.data);
            let bits = out
                .get(place..)
                .and_then(|bytes| bytes.first_chunk::<4>())
                .map_or(0, |bytes| u32::from_le_bytes(*bytes));
            out.copy_within(from..place, to);
            to += place - from;
            from = place + 4;
            removed += 4;
            entry.data = bits;
        }
        let end = out.len();
        out.copy_within(from..end, to);
        out.truncate(to + end - from);
    }
}

/// Where an open container's parts begin.
struct Open {
    is_object: bool,
    entries: usize,
    keys: usize,
    values: usize,
}

const TOO_LARGE: Wrong = "a document larger than MySQL's format holds";

#[inline]
fn skip_spaces(rest: &mut &[u8]) {
    while let [b' ' | b'\n' | b'\r' | b'\t', behind @ ..] = *rest {
        *rest = behind;
    }
}

fn expect(rest: &mut &[u8], byte: u8) -> Result<(), Wrong> {
    match *rest {
        [first, behind @ ..] if *first == byte => {
            *rest = behind;
            Ok(())
        }
        _ => Err("a key without its value"),
    }
}

/// A length of seven bits a byte, lowest first, and the bytes.
fn put_measured(bytes: &[u8], out: &mut Vec<u8>) -> Result<(), Wrong> {
    let mut length = u32::try_from(bytes.len()).map_err(|_| TOO_LARGE)?;
    while length > 0x7f {
        out.push(length as u8 | 0x80);
        length >>= 7;
    }
    out.push(length as u8);
    out.extend_from_slice(bytes);
    Ok(())
}

#[cfg(test)]
mod tests;
