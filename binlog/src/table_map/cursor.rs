//! A checked walk over an event's body: every read either has its bytes or names what is missing.

use crate::Error;

#[derive(Debug, Clone, Copy)]
pub(crate) struct Cursor<'a> {
    rest: &'a [u8],
}

impl<'a> Cursor<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    pub(crate) fn rest(&self) -> &'a [u8] {
        self.rest
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    pub(crate) fn bytes(&mut self, count: usize, what: &'static str) -> Result<&'a [u8], Error> {
        let left = self.rest.len();
        let (bytes, rest) = self.rest.split_at_checked(count).ok_or(Error::Short {
            what,
            needed: count,
            left,
        })?;
        self.rest = rest;
        Ok(bytes)
    }

    pub(crate) fn byte(&mut self, what: &'static str) -> Result<u8, Error> {
        let (byte, rest) = self.rest.split_first().ok_or(Error::Short {
            what,
            needed: 1,
            left: 0,
        })?;
        self.rest = rest;
        Ok(*byte)
    }

    /// A little-endian number of `bytes` (at most 8).
    pub(crate) fn number(&mut self, bytes: usize, what: &'static str) -> Result<u64, Error> {
        let bytes = self.bytes(bytes, what)?;
        Ok(bytes
            .iter()
            .rev()
            .fold(0, |value, byte| value << 8 | u64::from(*byte)))
    }

    /// MySQL's packed integer: one byte up to 250, else 252, 253, 254 and 2, 3, 8 bytes.
    pub(crate) fn packed(&mut self, what: &'static str) -> Result<u64, Error> {
        match self.byte(what)? {
            small @ 0..=250 => Ok(u64::from(small)),
            252 => self.number(2, what),
            253 => self.number(3, what),
            254 => self.number(8, what),
            other => Err(Error::malformed(
                what,
                format_args!("packed integer with first byte {other}"),
            )),
        }
    }

    /// A packed length and that many bytes.
    pub(crate) fn packed_bytes(&mut self, what: &'static str) -> Result<&'a [u8], Error> {
        let length = self.packed(what)?;
        self.bytes(usize::try_from(length).unwrap_or(usize::MAX), what)
    }
}
