//! What MariaDB compresses by itself: row images and statements (`log_bin_compress`), values of columns
//! declared COMPRESSED.
//!
//! All say in front how long they are unpacked. That length is checked against the limit before anything
//! is read, memory grows with what really comes out, and a stream that gives less or more is an error.
//! Source: sql/log_event.cc (`binlog_buf_uncompress`), sql/field_comp.cc.

use std::io::Read;

use flate2::read::{DeflateDecoder, ZlibDecoder};

use crate::{Error, cursor::Cursor};

const COLUMN_RAW: u8 = 0;
const COLUMN_ZLIB: u8 = 8;
/// In a column's first byte: zlib's own header and checksum are left out.
const WITHOUT_ZLIB_HEADER: u8 = 0x08;
const LENGTH_BYTES: u8 = 0x07;

/// Row images or a statement: a byte 0x80 with the algorithm (0: zlib) and the width of the length in
/// its low bits, the length with its highest byte first, the stream.
pub(crate) fn record(bytes: &[u8], bytes_max: usize) -> Result<Vec<u8>, Error> {
    const WHAT: &str = "compressed event";
    let mut cursor = Cursor::new(WHAT, bytes);
    let head = cursor.u8()?;
    if head & 0xf0 != 0x80 {
        return Err(Error::Unsupported(format!("{WHAT}, header {head:#04x}")));
    }
    let length = length(&mut cursor, head, bytes_max, WHAT)?;
    inflate(ZlibDecoder::new(cursor.rest()), length, WHAT)
}

/// A column's value, appended to `out`.
pub(crate) fn column(bytes: &[u8], bytes_max: usize, out: &mut Vec<u8>) -> Result<(), Error> {
    const WHAT: &str = "compressed column";
    let Some((head, rest)) = bytes.split_first() else {
        return Ok(());
    };
    match head >> 4 {
        COLUMN_RAW => out.extend_from_slice(rest),
        COLUMN_ZLIB => {
            let mut cursor = Cursor::new(WHAT, rest);
            let length = length(&mut cursor, *head, bytes_max, WHAT)?;
            let stream = cursor.rest();
            let value = if head & WITHOUT_ZLIB_HEADER == 0 {
                inflate(ZlibDecoder::new(stream), length, WHAT)?
            } else {
                inflate(DeflateDecoder::new(stream), length, WHAT)?
            };
            out.extend_from_slice(&value);
        }
        method => return Err(Error::Unsupported(format!("{WHAT}, method {method}"))),
    }
    Ok(())
}

fn length(
    cursor: &mut Cursor<'_>,
    head: u8,
    bytes_max: usize,
    what: &'static str,
) -> Result<usize, Error> {
    let width = usize::from(head & LENGTH_BYTES);
    if !(1..=4).contains(&width) {
        return Err(cursor.malformed(format_args!("a length of {width} bytes")));
    }
    let bytes = cursor.take(width)?;
    let length = bytes
        .iter()
        .fold(0_u64, |length, byte| length << 8 | u64::from(*byte));
    usize::try_from(length)
        .ok()
        .filter(|length| *length <= bytes_max)
        .ok_or(Error::TooLarge {
            what,
            bytes: length,
            bytes_max: bytes_max as u64,
        })
}

fn inflate(decoder: impl Read, length: usize, what: &'static str) -> Result<Vec<u8>, Error> {
    let mut out = Vec::with_capacity(length.min(64 * 1024));
    let limit = (length as u64).saturating_add(1);
    decoder
        .take(limit)
        .read_to_end(&mut out)
        .map_err(|error| Error::malformed(what, error))?;
    if out.len() == length {
        return Ok(out);
    }
    let found = if out.len() > length { "more" } else { "less" };
    Err(Error::malformed(
        what,
        format_args!("{length} bytes announced, {found} found"),
    ))
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::{Compression, write::ZlibEncoder};
    use proptest::prelude::*;

    use super::*;

    fn packed(bytes: &[u8], announced: u32) -> Vec<u8> {
        let mut encoder = ZlibEncoder::new(vec![0x84], Compression::default());
        encoder.get_mut().extend(announced.to_be_bytes());
        encoder.write_all(bytes).expect("a write to memory");
        encoder.finish().expect("a write to memory")
    }

    #[test]
    fn an_announced_length_that_lies_is_an_error_and_allocates_nothing_of_it() {
        let bytes = vec![b'x'; 5_000];
        assert_eq!(record(&packed(&bytes, 5_000), 5_000), Ok(bytes.clone()));
        assert!(matches!(
            record(&packed(&bytes, 5_001), 4_000_000_000),
            Err(Error::Malformed { .. })
        ));
        assert!(record(&packed(&bytes, 4_999), 5_000).is_err());
        assert!(matches!(
            record(&packed(&bytes, u32::MAX), 5_000),
            Err(Error::TooLarge { .. })
        ));
        let mut cut = packed(&bytes, 5_000);
        cut.truncate(cut.len() / 2);
        assert!(record(&cut, 5_000).is_err());
        assert!(record(&[0x91, 1], 9).is_err(), "an unknown algorithm");
    }

    #[test]
    fn columns_are_unpacked_with_and_without_zlibs_header() {
        let read = |bytes: &[u8]| {
            let mut out = Vec::new();
            column(bytes, 1 << 20, &mut out).map(|()| out)
        };
        assert_eq!(read(&[]), Ok(Vec::new()));
        assert_eq!(read(b"\0short"), Ok(b"short".to_vec()));
        // As MariaDB 10.11 logged REPEAT('x', 200).
        let raw = [0x89, 0xc8, 0xab, 0xa8, 0x18, 0x1e, 0, 0];
        assert_eq!(read(&raw), Ok(vec![b'x'; 200]));
        let text = b"abcabcabcabcabcabcabcabc";
        assert_eq!(read(&packed(text, 24)), Ok(text.to_vec()));
        assert!(read(&[0x10, 1, 2]).is_err(), "an unknown method");
    }

    proptest! {
        #[test]
        fn no_bytes_panic(bytes in prop::collection::vec(any::<u8>(), 0..100)) {
            drop(record(&bytes, 1 << 16));
            drop(column(&bytes, 1 << 16, &mut Vec::new()));
        }
    }
}
