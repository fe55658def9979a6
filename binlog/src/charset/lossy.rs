//! Text whose bytes are not all of its character set, with U+FFFD for what is not.
//!
//! Only for readers who asked for it; [`Charset::decode`] is strict. How many U+FFFD stand for a run of wrong
//! bytes is the library's choice (the WHATWG's, for what it decodes) and no promise.

use std::borrow::Cow;

use super::{Charset, codes, put_right};
use crate::Error;

impl Charset {
    /// `bytes` as UTF-8, with U+FFFD where they are not text of this character set.
    ///
    /// Errors: a collation that is not known, since then nothing is known of the bytes.
    pub fn decode_lossy<'a>(&self, bytes: &'a [u8]) -> Result<Cow<'a, str>, Error> {
        let wrong = char::REPLACEMENT_CHARACTER;
        Ok(match *self {
            Self::Utf8 | Self::Binary => String::from_utf8_lossy(bytes),
            Self::Ascii => {
                let character = |byte: &u8| {
                    if byte.is_ascii() {
                        *byte as char
                    } else {
                        wrong
                    }
                };
                Cow::Owned(bytes.iter().map(character).collect())
            }
            Self::Ucs2 | Self::Utf16 => Cow::Owned(self.utf16_lossy(bytes, u16::from_be_bytes)),
            Self::Utf16Le => Cow::Owned(self.utf16_lossy(bytes, u16::from_le_bytes)),
            Self::Utf32 => {
                let (units, rest) = bytes.as_chunks::<4>();
                let character =
                    |unit: &[u8; 4]| char::from_u32(u32::from_be_bytes(*unit)).unwrap_or(wrong);
                let mut text: String = units.iter().map(character).collect();
                text.extend((!rest.is_empty()).then_some(wrong));
                Cow::Owned(text)
            }
            Self::Other {
                name,
                encoding,
                differences,
            } => {
                let text = match codes::Codes::of(name) {
                    Some(codes) => Cow::Owned(codes.decode_lossy(encoding, bytes)),
                    None => encoding.decode_without_bom_handling(bytes).0,
                };
                Cow::Owned(put_right(&text, differences))
            }
            Self::Single(single) => Cow::Owned(single.decode_lossy(bytes)),
            Self::Latin1 | Self::Unknown(_) => return self.decode(bytes),
        })
    }

    fn utf16_lossy(&self, bytes: &[u8], unit: fn([u8; 2]) -> u16) -> String {
        let wrong = char::REPLACEMENT_CHARACTER;
        let (units, rest) = bytes.as_chunks::<2>();
        let mut text = String::with_capacity(bytes.len());
        for decoded in char::decode_utf16(units.iter().map(|bytes| unit(*bytes))) {
            match decoded {
                // What UCS-2 has in place of a pair is two lone surrogates.
                Ok(pair) if *self == Self::Ucs2 && pair > '\u{ffff}' => text.extend([wrong, wrong]),
                decoded => text.push(decoded.unwrap_or(wrong)),
            }
        }
        text.extend((!rest.is_empty()).then_some(wrong));
        text
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn lossy(name: &'static str, bytes: &[u8]) -> String {
        Charset::of_name(name)
            .expect("a character set")
            .decode_lossy(bytes)
            .unwrap()
            .into_owned()
    }

    #[test]
    fn only_what_is_wrong_is_replaced() {
        assert_eq!(lossy("utf8mb4", b"a\xff\xc3\xa9"), "a\u{fffd}é");
        assert_eq!(lossy("ascii", b"a\xe9b"), "a\u{fffd}b");
        assert_eq!(
            lossy("utf16", &[0, 0x41, 0xd8, 0x3d, 0, 0x42, 0]),
            "A\u{fffd}B\u{fffd}"
        );
        assert_eq!(lossy("utf16le", &[0x41, 0, 0x3d]), "A\u{fffd}");
        assert_eq!(lossy("ucs2", &[0xd8, 0x3d, 0xdc, 0x2c]), "\u{fffd}\u{fffd}");
        assert_eq!(
            lossy("utf32", &[0, 0x11, 0, 0, 0, 0, 0, 0x41, 0]),
            "\u{fffd}A\u{fffd}"
        );
        assert_eq!(lossy("gbk", &[0xc4, 0xe3, 0xff]), "你\u{fffd}");
        assert_eq!(lossy("big5", b"a\xc6\xa5\xff"), "aぁ\u{fffd}");
        assert_eq!(lossy("ujis", b"\x8f\xf5"), "\u{fffd}");
        assert_eq!(lossy("sjis", &[0x81, 0x60, 0xfd]), "\u{301c}\u{fffd}");
        assert_eq!(lossy("dec8", b"a\xa4\xe9"), "a\u{fffd}é");
        assert!(Charset::of_collation(9_999).decode_lossy(b"a").is_err());
    }

    proptest! {
        #[test]
        fn text_that_is_right_stays_as_it_is(id in 0_u64..330, bytes: Vec<u8>) {
            let charset = Charset::of_collation(id);
            let (strict, lossy) = (charset.decode(&bytes), charset.decode_lossy(&bytes));
            match (strict, lossy) {
                (Ok(strict), lossy) => prop_assert_eq!(lossy, Ok(strict)),
                (Err(Error::Malformed { .. }), lossy) => {
                    prop_assert!(lossy.is_ok_and(|text| text.contains(char::REPLACEMENT_CHARACTER)));
                }
                (Err(_), lossy) => prop_assert!(lossy.is_err()),
            }
        }
    }
}
