//! Reading little-endian fields off the front of a byte slice; every short read is an [`Error::Short`]
//! that names what was being read. Not here: anything that knows an event.

use crate::Error;

#[derive(Debug, Clone, Copy)]
pub(crate) struct Cursor<'a> {
    rest: &'a [u8],
    what: &'static str,
}

impl<'a> Cursor<'a> {
    pub fn new(what: &'static str, bytes: &'a [u8]) -> Self {
        Self { rest: bytes, what }
    }

    pub fn rest(&self) -> &'a [u8] {
        self.rest
    }

    pub fn left(&self) -> usize {
        self.rest.len()
    }

    pub fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    pub fn malformed(&self, found: impl std::fmt::Display) -> Error {
        Error::malformed(self.what, found)
    }

    /// The same bytes, of which the next field is `what`.
    pub fn named(&mut self, what: &'static str) -> &mut Self {
        self.what = what;
        self
    }

    pub fn take(&mut self, bytes: usize) -> Result<&'a [u8], Error> {
        let (head, rest) = self.rest.split_at_checked(bytes).ok_or(Error::Short {
            what: self.what,
            needed: bytes,
            left: self.rest.len(),
        })?;
        self.rest = rest;
        Ok(head)
    }

    pub fn array<const N: usize>(&mut self) -> Result<[u8; N], Error> {
        let (head, rest) = self.rest.split_first_chunk::<N>().ok_or(Error::Short {
            what: self.what,
            needed: N,
            left: self.rest.len(),
        })?;
        self.rest = rest;
        Ok(*head)
    }

    pub fn u8(&mut self) -> Result<u8, Error> {
        self.array::<1>().map(|[byte]| byte)
    }

    pub fn u16(&mut self) -> Result<u16, Error> {
        self.array().map(u16::from_le_bytes)
    }

    pub fn u32(&mut self) -> Result<u32, Error> {
        self.array().map(u32::from_le_bytes)
    }

    pub fn u64(&mut self) -> Result<u64, Error> {
        self.array().map(u64::from_le_bytes)
    }

    /// An unsigned integer of `bytes` bytes, 8 at most.
    pub fn uint(&mut self, bytes: usize) -> Result<u64, Error> {
        let head = self.take(bytes)?;
        Ok(head
            .iter()
            .rev()
            .fold(0, |value, byte| (value << 8) | u64::from(*byte)))
    }

    /// MySQL's length-encoded integer (`net_field_length`).
    pub fn lenenc(&mut self) -> Result<u64, Error> {
        match self.u8()? {
            0xfc => self.uint(2),
            0xfd => self.uint(3),
            0xfe => self.u64(),
            byte @ (0xfb | 0xff) => Err(self.malformed(format_args!("length prefix {byte:#04x}"))),
            byte => Ok(u64::from(byte)),
        }
    }

    /// An unsigned integer of libs/mysql/serialization: as many bytes follow as the first has low ones.
    pub fn varlen(&mut self) -> Result<u64, Error> {
        let first = self.u8()?;
        let more = first.trailing_ones() as usize;
        match more {
            8 => self.u64(),
            7 => self.uint(7),
            _ => Ok((self.uint(more)? << (7 - more)) | u64::from(first >> (more + 1))),
        }
    }

    /// The signed form: zigzag.
    pub fn varlen_signed(&mut self) -> Result<i64, Error> {
        let raw = self.varlen()?;
        let magnitude = (raw >> 1).cast_signed();
        Ok(if raw & 1 == 0 {
            magnitude
        } else {
            -magnitude - 1
        })
    }

    /// A length-encoded length and that many bytes.
    pub fn lenenc_bytes(&mut self) -> Result<&'a [u8], Error> {
        let length = self.lenenc()?;
        self.take(usize::try_from(length).unwrap_or(usize::MAX))
    }

    /// A length that must fit what is left.
    pub fn length(&self, bytes: u64) -> Result<usize, Error> {
        usize::try_from(bytes)
            .ok()
            .filter(|bytes| *bytes <= self.rest.len())
            .ok_or(Error::Short {
                what: self.what,
                needed: usize::try_from(bytes).unwrap_or(usize::MAX),
                left: self.rest.len(),
            })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn serialized_integers_read_as_mysql_writes_them() {
        let read = |bytes: &[u8]| Cursor::new("test", bytes).varlen();
        assert_eq!(read(&[0b0000_0000]), Ok(0));
        assert_eq!(read(&[0b1111_1110]), Ok(127));
        // 65535 takes three bytes: two low ones, a zero, 21 bits of value.
        assert_eq!(read(&[0b1111_1011, 0xff, 0x07]), Ok(65535));
        assert_eq!(
            read(&[0xff, 1, 2, 3, 4, 5, 6, 7, 8]),
            Ok(0x0807_0605_0403_0201)
        );
        assert_eq!(read(&[0x7f, 1, 0, 0, 0, 0, 0, 0]), Ok(1));
        assert!(read(&[0b0000_0011, 0]).is_err());
        assert_eq!(Cursor::new("test", &[0b0000_0110]).varlen_signed(), Ok(-2));
    }

    #[test]
    fn length_encoded_integers_read_in_every_width() {
        let read = |bytes: &[u8]| Cursor::new("test", bytes).lenenc();
        assert_eq!(read(&[250]), Ok(250));
        assert_eq!(read(&[0xfc, 1, 2]), Ok(0x0201));
        assert_eq!(read(&[0xfd, 1, 2, 3]), Ok(0x03_0201));
        assert_eq!(
            read(&[0xfe, 1, 0, 0, 0, 0, 0, 0, 1]),
            Ok(0x0100_0000_0000_0001)
        );
        assert!(read(&[0xfb]).is_err());
        assert!(read(&[0xfc, 1]).is_err());
    }
}
