//! A statement's character set: its name by collation id, and its text as UTF-8 or an error.

use std::borrow::Cow;

use encoding_rs::Encoding;

use crate::Error;

/// The character set to which a collation id belongs, by the name that 8.0 and later use.
/// Source: `SELECT id, character_set_name FROM information_schema.collations`.
pub fn charset_name(collation: u16) -> Option<&'static str> {
    Some(match collation {
        1 | 84 => "big5",
        2 | 9 | 21 | 27 | 77 => "latin2",
        3 | 69 => "dec8",
        4 | 80 => "cp850",
        5 | 8 | 15 | 31 | 47..=49 | 94 => "latin1",
        6 | 72 => "hp8",
        7 | 74 => "koi8r",
        10 | 82 => "swe7",
        11 | 65 => "ascii",
        12 | 91 => "ujis",
        13 | 88 => "sjis",
        14 | 23 | 50..=52 => "cp1251",
        16 | 71 => "hebrew",
        18 | 89 => "tis620",
        19 | 85 => "euckr",
        20 | 41 | 42 | 79 => "latin7",
        22 | 75 => "koi8u",
        24 | 86 => "gb2312",
        25 | 70 => "greek",
        26 | 34 | 44 | 66 | 99 => "cp1250",
        28 | 87 => "gbk",
        29 | 58 | 59 => "cp1257",
        30 | 78 => "latin5",
        32 | 64 => "armscii8",
        33 | 76 | 83 | 192..=215 | 223 => "utf8mb3",
        35 | 90 | 128..=151 | 159 => "ucs2",
        36 | 68 => "cp866",
        37 | 73 => "keybcs2",
        38 | 43 => "macce",
        39 | 53 => "macroman",
        40 | 81 => "cp852",
        45 | 46 | 224..=247 | 255..=323 => "utf8mb4",
        54 | 55 | 101..=124 => "utf16",
        56 | 62 => "utf16le",
        57 | 67 => "cp1256",
        60 | 61 | 160..=183 => "utf32",
        63 => "binary",
        92 | 93 => "geostd8",
        95 | 96 => "cp932",
        97 | 98 => "eucjpms",
        248..=250 => "gb18030",
        _ => return None,
    })
}

/// Tables that agree with MySQL's on every byte sequence that both read; its `latin1` is cp1252.
fn encoding(charset: &str) -> Option<&'static Encoding> {
    Some(match charset {
        "latin1" => encoding_rs::WINDOWS_1252,
        "latin2" => encoding_rs::ISO_8859_2,
        "cp1250" => encoding_rs::WINDOWS_1250,
        "cp1251" => encoding_rs::WINDOWS_1251,
        "cp1256" => encoding_rs::WINDOWS_1256,
        "cp1257" => encoding_rs::WINDOWS_1257,
        "cp866" => encoding_rs::IBM866,
        "koi8r" => encoding_rs::KOI8_R,
        "koi8u" => encoding_rs::KOI8_U,
        "gbk" | "gb2312" => encoding_rs::GBK,
        "gb18030" => encoding_rs::GB18030,
        "big5" => encoding_rs::BIG5,
        "euckr" => encoding_rs::EUC_KR,
        "cp932" => encoding_rs::SHIFT_JIS,
        _ => return None,
    })
}

pub(super) fn decode<'a>(charset: &'static str, bytes: &'a [u8]) -> Result<Cow<'a, str>, Error> {
    let unsupported = || Error::Unsupported(format!("statement that is not readable as {charset}"));
    // No client speaks UTF-16, UTF-32 or UCS-2, and ASCII is the same in all others but swe7.
    let is_ascii_based = !matches!(charset, "ucs2" | "utf16" | "utf16le" | "utf32" | "swe7");
    match charset {
        "utf8mb4" | "utf8mb3" | "ascii" | "binary" => std::str::from_utf8(bytes)
            .map(Cow::Borrowed)
            .map_err(|_| unsupported()),
        _ if is_ascii_based && bytes.is_ascii() => std::str::from_utf8(bytes)
            .map(Cow::Borrowed)
            .map_err(|_| unsupported()),
        _ => encoding(charset)
            .and_then(|encoding| {
                encoding.decode_without_bom_handling_and_without_replacement(bytes)
            })
            .ok_or_else(unsupported),
    }
}
