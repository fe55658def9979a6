//! A binary JSON document that can be changed and written again.
//!
//! Only the containers on a change's way are opened into lists; everything else stays the bytes that it is,
//! since offsets count from their own container and a value can be copied as a whole. Written, a container
//! is small (two-byte offsets) where it fits and large where not, each for itself, as the server does
//! (`json_binary.cc`, `serialize_json_object`). What a container lists may not be more than its bytes, so
//! parts that overlap cannot make a small document stand for a large one.

use std::{borrow::Cow, cmp::Ordering};

use super::{Container, Size, is_inlined, malformed, measured, number};
use crate::Error;

const OBJECT: u8 = 0x00;
const ARRAY: u8 = 0x02;
const LITERAL: u8 = 0x04;
const INT16: u8 = 0x05;
const UINT16: u8 = 0x06;
const INT32: u8 = 0x07;
const UINT32: u8 = 0x08;

#[derive(Debug, Clone)]
pub(super) enum Node<'a> {
    /// A value as it stands, without its type byte.
    Whole {
        kind: u8,
        bytes: &'a [u8],
    },
    Opened(Box<Opened<'a>>),
}

/// A container as lists.
#[derive(Debug, Clone)]
pub(super) struct Opened<'a> {
    /// Of an object, in MySQL's order; an array has none.
    keys: Option<Vec<Cow<'a, [u8]>>>,
    values: Vec<Node<'a>>,
    /// Both as [`Node::measure`] left them.
    size: Size,
    bytes: usize,
}

/// One step of a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Leg<'a> {
    Member(Cow<'a, [u8]>),
    Cell(usize),
    /// Counted from the last element, which is 0.
    CellFromEnd(usize),
}

impl<'a> Node<'a> {
    /// From a value with its type byte; what stands behind it does not belong to it.
    pub fn new(value: &'a [u8]) -> Result<Self, Error> {
        let (kind, data) = value.split_first().ok_or_else(|| malformed("no value"))?;
        let bytes = data.get(..extent(*kind, data)?).unwrap_or_default();
        Ok(Self::Whole { kind: *kind, bytes })
    }

    /// The place below that a step leads to, if there is one.
    pub fn child(&mut self, leg: &Leg<'_>) -> Result<Option<&mut Self>, Error> {
        let Some(opened) = self.open()? else {
            return Ok(None);
        };
        let found = opened.find(leg);
        Ok(found.and_then(|index| opened.values.get_mut(index)))
    }

    /// Whether there was something to take away.
    pub fn remove(&mut self, leg: &Leg<'_>) -> Result<bool, Error> {
        let Some(opened) = self.open()? else {
            return Ok(false);
        };
        let Some(index) = opened.find(leg) else {
            return Ok(false);
        };
        opened.values.remove(index);
        if let Some(keys) = &mut opened.keys {
            keys.remove(index);
        }
        Ok(true)
    }

    /// Puts a new member, or an element in front of the one that the step leads to, behind the last where it
    /// leads past it. Whether that was possible.
    pub fn insert(&mut self, leg: Leg<'a>, value: Node<'a>) -> Result<bool, Error> {
        let Some(opened) = self.open()? else {
            return Ok(false);
        };
        let count = opened.values.len();
        let index = match (leg, &mut opened.keys) {
            (Leg::Cell(index), None) => index.min(count),
            (Leg::CellFromEnd(index), None) => count.saturating_sub(index.saturating_add(1)),
            (Leg::Member(key), Some(keys)) => match search(keys, &key) {
                Ok(_) => return Ok(false),
                Err(index) => {
                    keys.insert(index, key);
                    index
                }
            },
            _ => return Ok(false),
        };
        opened.values.insert(index, value);
        Ok(true)
    }

    /// The lists of a container; `None` for a scalar.
    fn open(&mut self) -> Result<Option<&mut Opened<'a>>, Error> {
        if let Self::Whole { kind, bytes } = *self {
            let (size, is_object) = match kind {
                0x00 => (Size::Small, true),
                0x01 => (Size::Large, true),
                0x02 => (Size::Small, false),
                0x03 => (Size::Large, false),
                _ => return Ok(None),
            };
            *self = Self::Opened(Box::new(Opened::read(size, is_object, bytes)?));
        }
        match self {
            Self::Opened(opened) => Ok(Some(opened)),
            Self::Whole { .. } => Ok(None),
        }
    }

    /// Decides the size of every opened container, from the inside out; gives the bytes without type byte.
    fn measure(&mut self) -> Result<usize, Error> {
        match self {
            Self::Whole { bytes, .. } => Ok(bytes.len()),
            Self::Opened(opened) => opened.measure(),
        }
    }

    fn kind(&self) -> u8 {
        match self {
            Self::Whole { kind, .. } => *kind,
            Self::Opened(opened) => {
                let kind = if opened.keys.is_some() { OBJECT } else { ARRAY };
                kind + u8::from(opened.size == Size::Large)
            }
        }
    }

    /// After [`Node::measure`].
    fn bytes(&self) -> usize {
        match self {
            Self::Whole { bytes, .. } => bytes.len(),
            Self::Opened(opened) => opened.bytes,
        }
    }

    fn is_inlined(&self, size: Size) -> bool {
        match self {
            Self::Whole { kind, .. } => is_inlined(*kind, size),
            Self::Opened(_) => false,
        }
    }

    /// Appends the document with its type byte.
    pub fn write(mut self, out: &mut Vec<u8>) -> Result<(), Error> {
        let bytes = self.measure()?;
        out.reserve(bytes.saturating_add(1));
        out.push(self.kind());
        self.write_data(out);
        Ok(())
    }

    fn write_data(&self, out: &mut Vec<u8>) {
        match self {
            Self::Whole { bytes, .. } => out.extend_from_slice(bytes),
            Self::Opened(opened) => opened.write(out),
        }
    }
}

impl<'a> Opened<'a> {
    fn read(size: Size, is_object: bool, data: &'a [u8]) -> Result<Self, Error> {
        let container = Container::open(size, data, 1)?;
        let key_bytes = size.bytes() + 2;
        let (keys, entries) = container.entries(if is_object { key_bytes } else { 0 })?;
        let mut unpaid =
            container.bytes.len() - container.header_bytes() - keys.len() - entries.len();
        let mut pay = |bytes: usize| -> Result<(), Error> {
            unpaid = unpaid
                .checked_sub(bytes)
                .ok_or_else(|| malformed("parts overlap"))?;
            Ok(())
        };
        let mut names: Vec<Cow<'a, [u8]>> = Vec::with_capacity(keys.len() / key_bytes);
        for key in keys.chunks_exact(key_bytes) {
            let (offset, length) = key.split_at(size.bytes());
            let (offset, length) = (number(offset), number(length));
            let key = container
                .bytes
                .get(offset..offset.saturating_add(length))
                .ok_or_else(|| malformed("a key lies outside its object"))?;
            pay(length)?;
            if names
                .last()
                .is_some_and(|last| order(last, key) != Ordering::Less)
            {
                return Err(malformed("keys out of order"));
            }
            names.push(Cow::Borrowed(key));
        }
        let entry_bytes = 1 + size.bytes();
        let mut values = Vec::with_capacity(entries.len() / entry_bytes);
        for entry in entries.chunks_exact(entry_bytes) {
            let (kind, place) = entry
                .split_first()
                .ok_or_else(|| malformed("no value entry"))?;
            let inlined = is_inlined(*kind, size);
            let value = if inlined {
                place
            } else {
                container
                    .bytes
                    .get(number(place)..)
                    .ok_or_else(|| malformed("a value lies outside its container"))?
            };
            let used = extent(*kind, value)?;
            if !inlined {
                pay(used)?;
            }
            let bytes = value.get(..used).unwrap_or_default();
            values.push(Node::Whole { kind: *kind, bytes });
        }
        Ok(Self {
            keys: is_object.then_some(names),
            values,
            size,
            bytes: container.bytes.len(),
        })
    }

    fn find(&self, leg: &Leg<'_>) -> Option<usize> {
        match (leg, &self.keys) {
            (Leg::Member(key), Some(keys)) => search(keys, key).ok(),
            (Leg::Cell(index), None) => (*index < self.values.len()).then_some(*index),
            (Leg::CellFromEnd(index), None) => self.values.len().checked_sub(index.checked_add(1)?),
            _ => None,
        }
    }

    fn measure(&mut self) -> Result<usize, Error> {
        for value in &mut self.values {
            value.measure()?;
        }
        let keys = self.keys.iter().flatten();
        let keys = keys.fold(0_usize, |sum, key| sum.saturating_add(key.len()));
        let total = |size: Size| {
            let outside = self.values.iter().filter(|value| !value.is_inlined(size));
            outside.fold(self.head_bytes(size).saturating_add(keys), |sum, value| {
                sum.saturating_add(value.bytes())
            })
        };
        let small = total(Size::Small);
        (self.size, self.bytes) = if u16::try_from(small).is_ok() {
            (Size::Small, small)
        } else {
            (Size::Large, total(Size::Large))
        };
        let has_long_key = self
            .keys
            .iter()
            .flatten()
            .any(|key| u16::try_from(key.len()).is_err());
        if has_long_key || u32::try_from(self.bytes).is_err() {
            return Err(malformed("larger than MySQL's format holds"));
        }
        Ok(self.bytes)
    }

    /// Header, key entries, value entries.
    fn head_bytes(&self, size: Size) -> usize {
        let width = size.bytes();
        let key = if self.keys.is_some() { width + 2 } else { 0 };
        2 * width + self.values.len() * (key + 1 + width)
    }

    /// In the order count, bytes, key entries, value entries, keys, values.
    fn write(&self, out: &mut Vec<u8>) {
        let width = self.size.bytes();
        let put = |value: usize, out: &mut Vec<u8>| {
            out.extend_from_slice(value.to_le_bytes().get(..width).unwrap_or_default());
        };
        put(self.values.len(), out);
        put(self.bytes, out);
        let mut offset = self.head_bytes(self.size);
        for key in self.keys.iter().flatten() {
            put(offset, out);
            out.extend_from_slice(&(key.len() as u16).to_le_bytes());
            offset += key.len();
        }
        for value in &self.values {
            out.push(value.kind());
            match value {
                Node::Whole { kind, bytes } if is_inlined(*kind, self.size) => {
                    let sign = bytes.last().is_some_and(|last| last & 0x80 != 0);
                    let filler = if *kind == INT16 && sign { 0xff } else { 0 };
                    out.extend_from_slice(bytes);
                    out.resize(out.len() + width - bytes.len().min(width), filler);
                }
                _ => {
                    put(offset, out);
                    offset += value.bytes();
                }
            }
        }
        for key in self.keys.iter().flatten() {
            out.extend_from_slice(key);
        }
        for value in &self.values {
            if !value.is_inlined(self.size) {
                value.write_data(out);
            }
        }
    }
}

/// Shorter keys first, then by bytes.
pub(super) fn order(a: &[u8], b: &[u8]) -> Ordering {
    a.len().cmp(&b.len()).then_with(|| a.cmp(b))
}

fn search(keys: &[Cow<'_, [u8]>], key: &[u8]) -> Result<usize, usize> {
    keys.binary_search_by(|found| order(found, key))
}

/// Bytes of `data` that the value at its front takes.
fn extent(kind: u8, data: &[u8]) -> Result<usize, Error> {
    let bytes = match kind {
        0x00 | 0x02 => Container::open(Size::Small, data, 1)?.bytes.len(),
        0x01 | 0x03 => Container::open(Size::Large, data, 1)?.bytes.len(),
        LITERAL => 1,
        INT16 | UINT16 => 2,
        INT32 | UINT32 => 4,
        0x09..=0x0b => 8,
        0x0c => measured(data)?.1,
        0x0f => 1 + measured(data.get(1..).unwrap_or_default())?.1,
        _ => return Err(malformed(format_args!("unknown type 0x{kind:02x}"))),
    };
    if bytes > data.len() {
        return Err(malformed("a value longer than its place"));
    }
    Ok(bytes)
}

#[cfg(test)]
pub(super) mod tests;
