//! Column text to UTF-8.
//!
//! A table map names a collation per column; [`Charset::of_collation`] says how its bytes are decoded:
//! UTF-8 is checked and borrowed, the UTF-16 family and latin1 (MySQL's is Windows-1252 with the five
//! holes as C1 controls) are decoded here, the rest by `encoding_rs` with the few characters in which
//! MySQL's tables differ from the web's put right, or by a table of our own where it has none. Bytes that
//! the character set does not have are an error, never a replacement character ([`Charset::decode_lossy`]
//! is for who asks for one). A collation that is not known is an error when a value is read, not before:
//! an excluded table may use it.

mod codes;
mod collations;
mod lossy;
mod single;

use std::borrow::Cow;

use encoding_rs::Encoding;

use crate::Error;

pub use collations::{charset_name, collation_of};
pub use single::Single;

/// A character set, by what decoding needs; resolved from the collation id of the table map.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Charset {
    /// utf8mb3, utf8mb4: passed on as they are, checked.
    Utf8,
    Binary,
    Ascii,
    Latin1,
    /// Big-endian, without surrogates.
    Ucs2,
    /// Big-endian.
    Utf16,
    Utf16Le,
    /// Big-endian.
    Utf32,
    /// By the library's table, then each first character of `differences` becomes the second.
    Other {
        name: &'static str,
        encoding: &'static Encoding,
        differences: &'static [(char, char)],
    },
    /// One byte a character, by a table of our own.
    Single(Single),
    /// A collation id that MySQL 5.6 to 9.x do not have.
    Unknown(u32),
}

impl Charset {
    /// The character set of a MySQL collation id (`information_schema.collations`).
    pub fn of_collation(id: u64) -> Self {
        charset_name(id)
            .and_then(Self::of_name)
            .unwrap_or(Self::Unknown(u32::try_from(id).unwrap_or(u32::MAX)))
    }

    fn of_name(name: &'static str) -> Option<Self> {
        use encoding_rs as table;
        let other = |encoding, differences| Self::Other {
            name,
            encoding,
            differences,
        };
        Some(match name {
            "utf8mb4" | "utf8mb3" => Self::Utf8,
            "binary" => Self::Binary,
            "ascii" => Self::Ascii,
            "latin1" => Self::Latin1,
            "ucs2" => Self::Ucs2,
            "utf16" => Self::Utf16,
            "utf16le" => Self::Utf16Le,
            "utf32" => Self::Utf32,
            "big5" => other(table::BIG5, &[]),
            "cp1250" => other(table::WINDOWS_1250, &[]),
            "cp1251" => other(table::WINDOWS_1251, &[]),
            "cp1256" => other(table::WINDOWS_1256, &[]),
            "cp1257" => other(table::WINDOWS_1257, &[]),
            "cp866" => other(table::IBM866, &CP866),
            "cp932" => other(table::SHIFT_JIS, &[]),
            "eucjpms" => other(table::EUC_JP, &[]),
            "euckr" => other(table::EUC_KR, &[]),
            "gb18030" => other(table::GB18030, &[]),
            "gb2312" => other(table::GBK, &GB2312),
            "gbk" => other(table::GBK, &[]),
            "greek" => other(table::ISO_8859_7, &GREEK),
            "hebrew" => other(table::ISO_8859_8, &HEBREW),
            "koi8r" => other(table::KOI8_R, &[]),
            "koi8u" => other(table::KOI8_U, &KOI8U),
            "latin2" => other(table::ISO_8859_2, &[]),
            "latin5" => other(table::WINDOWS_1254, &LATIN5),
            "latin7" => other(table::ISO_8859_13, &[]),
            "macroman" => other(table::MACINTOSH, &[]),
            "sjis" => other(table::SHIFT_JIS, &SJIS),
            "tis620" => other(table::WINDOWS_874, &TIS620),
            "ujis" => other(table::EUC_JP, &UJIS),
            name => return Single::of(name).map(Self::Single),
        })
    }

    /// MySQL's name of it, for messages.
    pub fn name(&self) -> &'static str {
        match *self {
            Self::Utf8 => "utf8mb4",
            Self::Binary => "binary",
            Self::Ascii => "ascii",
            Self::Latin1 => "latin1",
            Self::Ucs2 => "ucs2",
            Self::Utf16 => "utf16",
            Self::Utf16Le => "utf16le",
            Self::Utf32 => "utf32",
            Self::Other { name, .. } | Self::Single(Single { name, .. }) => name,
            Self::Unknown(_) => "unknown",
        }
    }

    /// `bytes` as UTF-8; borrowed when they are UTF-8 already.
    ///
    /// Errors: bytes that are not text of this character set; a character set that is not supported.
    #[inline]
    pub fn decode<'a>(&self, bytes: &'a [u8]) -> Result<Cow<'a, str>, Error> {
        match self {
            Self::Utf8 => match std::str::from_utf8(bytes) {
                Ok(text) => Ok(Cow::Borrowed(text)),
                Err(error) => Err(self.invalid(error.valid_up_to())),
            },
            _ => self.decode_other(bytes),
        }
    }

    fn decode_other<'a>(&self, bytes: &'a [u8]) -> Result<Cow<'a, str>, Error> {
        match *self {
            Self::Utf8 | Self::Binary => Charset::Utf8.decode(bytes),
            Self::Ascii => match bytes.iter().position(|byte| !byte.is_ascii()) {
                None => Charset::Utf8.decode(bytes),
                Some(offset) => Err(self.invalid(offset)),
            },
            Self::Latin1 => Ok(encoding_rs::WINDOWS_1252
                .decode_without_bom_handling(bytes)
                .0),
            Self::Ucs2 | Self::Utf16 => self.decode_utf16(bytes, u16::from_be_bytes),
            Self::Utf16Le => self.decode_utf16(bytes, u16::from_le_bytes),
            Self::Utf32 => self.decode_utf32(bytes),
            Self::Other {
                name,
                encoding,
                differences,
            } => {
                let text = match codes::Codes::of(name) {
                    Some(codes) if !bytes.is_ascii() => {
                        codes.decode(encoding, bytes).map(Cow::Owned)
                    }
                    _ => encoding.decode_without_bom_handling_and_without_replacement(bytes),
                };
                let text = text.ok_or_else(|| self.invalid_somewhere())?;
                Ok(match (differences, &text) {
                    // What the library borrows is ASCII, and there is no difference in ASCII.
                    ([], _) | (_, Cow::Borrowed(_)) => text,
                    (_, Cow::Owned(text)) => Cow::Owned(put_right(text, differences)),
                })
            }
            Self::Single(single) => single.decode(bytes).map_err(|offset| self.invalid(offset)),
            Self::Unknown(id) => Err(Error::Unsupported(format!(
                "text with collation id {id}, which MySQL 5.6 to 9 do not have"
            ))),
        }
    }

    fn decode_utf16(
        &self,
        bytes: &[u8],
        unit: fn([u8; 2]) -> u16,
    ) -> Result<Cow<'static, str>, Error> {
        let (units, rest) = bytes.as_chunks::<2>();
        let mut text = String::with_capacity(bytes.len());
        for decoded in char::decode_utf16(units.iter().map(|bytes| unit(*bytes))) {
            match decoded {
                Ok(character) if *self != Self::Ucs2 || character <= '\u{ffff}' => {
                    text.push(character)
                }
                _ => return Err(self.invalid_somewhere()),
            }
        }
        if rest.is_empty() {
            Ok(Cow::Owned(text))
        } else {
            Err(self.invalid(bytes.len() - rest.len()))
        }
    }

    fn decode_utf32(&self, bytes: &[u8]) -> Result<Cow<'static, str>, Error> {
        let (units, rest) = bytes.as_chunks::<4>();
        let mut text = String::with_capacity(bytes.len());
        for (index, unit) in units.iter().enumerate() {
            text.push(
                char::from_u32(u32::from_be_bytes(*unit)).ok_or_else(|| self.invalid(index * 4))?,
            );
        }
        if rest.is_empty() {
            Ok(Cow::Owned(text))
        } else {
            Err(self.invalid(bytes.len() - rest.len()))
        }
    }

    #[cold]
    fn invalid(&self, offset: usize) -> Error {
        Error::malformed(
            "text",
            format_args!("not valid {} at byte {offset}", self.name()),
        )
    }

    #[cold]
    fn invalid_somewhere(&self) -> Error {
        Error::malformed("text", format_args!("not valid {}", self.name()))
    }
}

fn put_right(text: &str, differences: &[(char, char)]) -> String {
    let right = |character: char| {
        differences
            .iter()
            .find(|(from, _)| *from == character)
            .map_or(character, |(_, to)| *to)
    };
    text.chars().map(right).collect()
}

// Where MySQL's table differs from the web's of the same family, as (web's, MySQL's): the JIS ones are
// the manual's table "cp932 and sjis conversion differences", the rest `share/charsets/*.xml`.
const SJIS: [(char, char); 7] = [
    ('\u{ff3c}', '\\'),
    ('\u{ff5e}', '\u{301c}'),
    ('\u{2225}', '\u{2016}'),
    ('\u{ff0d}', '\u{2212}'),
    ('\u{ffe0}', '\u{a2}'),
    ('\u{ffe1}', '\u{a3}'),
    ('\u{ffe2}', '\u{ac}'),
];
const UJIS: [(char, char); 7] = SJIS;
const GB2312: [(char, char); 2] = [('\u{b7}', '\u{30fb}'), ('\u{2014}', '\u{2015}')];
const GREEK: [(char, char); 2] = [('\u{2018}', '\u{2bd}'), ('\u{2019}', '\u{2bc}')];
const HEBREW: [(char, char); 1] = [('\u{af}', '\u{203e}')];
const CP866: [(char, char); 2] = [('\u{2116}', '\u{207f}'), ('\u{a4}', '\u{b2}')];
// Windows-874 has punctuation where tis620 has C1 controls.
const TIS620: [(char, char); 9] = [
    ('\u{20ac}', '\u{80}'),
    ('\u{2026}', '\u{85}'),
    ('\u{2018}', '\u{91}'),
    ('\u{2019}', '\u{92}'),
    ('\u{201c}', '\u{93}'),
    ('\u{201d}', '\u{94}'),
    ('\u{2022}', '\u{95}'),
    ('\u{2013}', '\u{96}'),
    ('\u{2014}', '\u{97}'),
];
const KOI8U: [(char, char); 3] = [
    ('\u{2219}', '\u{2022}'),
    ('\u{45e}', '\u{255d}'),
    ('\u{40e}', '\u{256c}'),
];
// Windows-1254 has letters and quotes where latin5 (ISO 8859-9) has C1 controls.
const LATIN5: [(char, char); 25] = [
    ('\u{20ac}', '\u{80}'),
    ('\u{201a}', '\u{82}'),
    ('\u{192}', '\u{83}'),
    ('\u{201e}', '\u{84}'),
    ('\u{2026}', '\u{85}'),
    ('\u{2020}', '\u{86}'),
    ('\u{2021}', '\u{87}'),
    ('\u{2c6}', '\u{88}'),
    ('\u{2030}', '\u{89}'),
    ('\u{160}', '\u{8a}'),
    ('\u{2039}', '\u{8b}'),
    ('\u{152}', '\u{8c}'),
    ('\u{2018}', '\u{91}'),
    ('\u{2019}', '\u{92}'),
    ('\u{201c}', '\u{93}'),
    ('\u{201d}', '\u{94}'),
    ('\u{2022}', '\u{95}'),
    ('\u{2013}', '\u{96}'),
    ('\u{2014}', '\u{97}'),
    ('\u{2dc}', '\u{98}'),
    ('\u{2122}', '\u{99}'),
    ('\u{161}', '\u{9a}'),
    ('\u{203a}', '\u{9b}'),
    ('\u{153}', '\u{9c}'),
    ('\u{178}', '\u{9f}'),
];

#[cfg(test)]
mod tests;
