//! Collation ids to character set names: every id of MySQL 5.6 to 9.x and of MariaDB up to 11
//! (`information_schema.collations`), which differ but never contradict each other.

/// The lowest collation id of a character set.
pub fn collation_of(charset: &str) -> Option<u64> {
    (1..512).find(|id| charset_name(*id) == Some(charset))
}

/// The character set to which a collation belongs. `None` for ids that neither has.
pub fn charset_name(collation: u64) -> Option<&'static str> {
    Some(match collation {
        45 | 46 | 224..=247 | 255..=323 => "utf8mb4",
        33 | 76 | 83 | 192..=215 | 223 => "utf8mb3",
        63 => "binary",
        11 | 65 => "ascii",
        5 | 8 | 15 | 31 | 47..=49 | 94 => "latin1",
        1 | 84 => "big5",
        2 | 9 | 21 | 27 | 77 => "latin2",
        3 | 69 => "dec8",
        4 | 80 => "cp850",
        6 | 72 => "hp8",
        7 | 74 => "koi8r",
        10 | 82 => "swe7",
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
        35 | 90 | 128..=151 | 159 => "ucs2",
        36 | 68 => "cp866",
        37 | 73 => "keybcs2",
        38 | 43 => "macce",
        39 | 53 => "macroman",
        40 | 81 => "cp852",
        54 | 55 | 101..=124 => "utf16",
        56 | 62 => "utf16le",
        57 | 67 => "cp1256",
        60 | 61 | 160..=183 => "utf32",
        92 | 93 => "geostd8",
        95 | 96 => "cp932",
        97 | 98 => "eucjpms",
        248..=250 => "gb18030",
        _ => return mariadb_charset_name(collation),
    })
}

/// MariaDB's own: Croatian of MySQL 5.6, UCA 14.0.0 by ranges, and every other one without padding as its
/// id and 1024.
fn mariadb_charset_name(collation: u64) -> Option<&'static str> {
    match collation {
        576..=578 | 2048..=2303 => Some("utf8mb3"),
        608..=610 | 2304..=2559 => Some("utf8mb4"),
        640..=642 | 2560..=2815 => Some("ucs2"),
        672..=674 | 2816..=3071 => Some("utf16"),
        736..=738 | 3072..=3327 => Some("utf32"),
        1024..=1535 => charset_name(collation - 1024),
        _ => None,
    }
}
