//! Columns with a character set: text of every length and character set, ENUM and SET labels.

use fastrand::Rng;

use super::{
    columns::{Type, hex, strings},
    compare::Compare,
};

/// Every character set of MySQL 9 but `binary`.
pub const CHARSETS: [&str; 40] = [
    "armscii8", "ascii", "big5", "cp1250", "cp1251", "cp1256", "cp1257", "cp850", "cp852", "cp866",
    "cp932", "dec8", "eucjpms", "euckr", "gb18030", "gb2312", "gbk", "geostd8", "greek", "hebrew",
    "hp8", "keybcs2", "koi8r", "koi8u", "latin1", "latin2", "latin5", "latin7", "macce",
    "macroman", "sjis", "swe7", "tis620", "ucs2", "ujis", "utf16", "utf16le", "utf32", "utf8mb3",
    "utf8mb4",
];

/// A literal in UTF-8, which the server converts to the column's character set.
pub fn literal(text: &str) -> String {
    format!("_utf8mb4 {}", hex(text.bytes()))
}

fn random_text(rng: &mut Rng) -> String {
    let length = rng.usize(..12);
    let text: String = (0..length)
        .map(|_| match rng.u8(..10) {
            0 => rng.char('\0'..' '),
            1 => *rng
                .choice(&['"', '\\', '\'', '/', '\u{7f}', '%'])
                .expect("one"),
            2 => rng.char('\u{a0}'..'\u{180}'),
            3 => rng.char('\u{391}'..'\u{460}'),
            4 => rng.char('\u{3041}'..'\u{30ff}'),
            5 => rng.char('\u{4e00}'..'\u{9fff}'),
            6 => rng.char('\u{ac00}'..'\u{d7a3}'),
            7 => rng.char('\u{1f300}'..'\u{1f600}'),
            _ => rng.char(' '..'~'),
        })
        .collect();
    literal(&text)
}

fn edges() -> Vec<String> {
    let mut edges = strings(&["''", "' '", "'a '", "REPEAT('x', 255)", "REPEAT('x', 256)"]);
    let texts = [
        "say \"hi\" 😀",
        "\0\u{1}\u{1f}\u{7f}",
        "back\\slash\n\r\t",
        "Größe, naïve, €, Œ",
        "Привет Ёё",
        "日本語 表ソ能 ～‖−¢£¬",
        "中文 裏 碁 恒 粧",
        "한국어 뷁",
        "ไทย עברית Ωμέγα",
        "\u{2028}\u{feff}\u{ffff}",
        "null",
    ];
    edges.extend(texts.map(literal));
    edges
}

pub fn characters() -> Vec<Type> {
    let mut types = Vec::new();
    for charset in CHARSETS {
        let declared = format!("VARCHAR(40) CHARACTER SET {charset}");
        types.push(text(&declared, "(5)"));
    }
    let lengths = [
        ("CHAR(0)", None),
        ("CHAR(1)", Some("")),
        ("CHAR(63)", Some("(3)")),
        ("CHAR(64)", Some("(3)")),
        ("CHAR(255)", Some("(1)")),
        ("VARCHAR(63)", Some("")),
        ("VARCHAR(64)", Some("")),
        ("VARCHAR(255) CHARACTER SET latin1", Some("(4)")),
        ("VARCHAR(256) CHARACTER SET latin1", Some("(4)")),
        ("VARCHAR(2000)", Some("(4)")),
        ("CHAR(255) CHARACTER SET utf16", Some("(2)")),
        ("CHAR(100) CHARACTER SET utf8mb3", Some("(2)")),
        ("TINYTEXT", Some("(6)")),
        ("TEXT", Some("(6)")),
        ("MEDIUMTEXT", Some("(6)")),
        ("LONGTEXT", Some("(6)")),
        ("TEXT CHARACTER SET sjis", Some("(1)")),
        ("VARCHAR(9) COLLATE utf8mb4_bin", Some("")),
        ("VARCHAR(9) COLLATE utf8mb4_0900_as_cs", Some("")),
        ("NATIONAL VARCHAR(9)", Some("")),
    ];
    for (sql, key) in lengths {
        let mut column = text(sql, "");
        column.key = key;
        types.push(column);
    }
    types
}

fn text(sql: &str, key: &'static str) -> Type {
    let mut column = Type::new(sql, Compare::Text, edges(), Box::new(random_text));
    column.key = Some(key);
    column
}

pub fn labels() -> Vec<Type> {
    let many: Vec<String> = (0..300).map(|label| format!("'label {label}'")).collect();
    let many = format!("ENUM({})", many.join(","));
    let all: Vec<String> = (0..64).map(|label| format!("'s{label}'")).collect();
    let all = format!("SET({})", all.join(","));
    let odd = "('it''s','','a(b)','\\\"q\\\"','back\\\\slash','new\\nline','é','😀','  lead')";
    let comma = "ENUM('one,two','three',')')";
    let mut types = Vec::new();
    for (sql, labels) in [
        ("ENUM('new','paid','shipped')".to_owned(), 3),
        (many, 300),
        (format!("ENUM{odd}"), 9),
        (comma.to_owned(), 3),
        ("ENUM('é','ß','ø') CHARACTER SET latin1".to_owned(), 3),
        ("ENUM('ソ','表','能') CHARACTER SET sjis".to_owned(), 3),
        ("ENUM('中','文') CHARACTER SET gbk".to_owned(), 2),
        ("ENUM('щ','ю') CHARACTER SET koi8r".to_owned(), 2),
        ("ENUM('a','é€') CHARACTER SET utf16".to_owned(), 2),
        ("ENUM('a','é€') CHARACTER SET ucs2".to_owned(), 2),
        ("ENUM('a','é😀') CHARACTER SET utf32".to_owned(), 2),
        ("ENUM('a','b') CHARACTER SET binary".to_owned(), 2),
        ("ENUM('A','a') COLLATE utf8mb4_bin".to_owned(), 2),
    ] {
        let edges: Vec<String> = [0, 1, labels, labels - 1, labels.min(256), labels.min(255)]
            .iter()
            .map(u32::to_string)
            .chain(["'no such label'".into()])
            .collect();
        let random = move |rng: &mut Rng| rng.u32(1..=labels).to_string();
        types.push(Type::new(&sql, Compare::Text, edges, Box::new(random)));
    }
    for (sql, labels) in [
        ("SET('a','b','c')".to_owned(), 3),
        (all, 64),
        ("SET('1','2','3','4','5','6','7','8')".to_owned(), 8),
        ("SET('1','2','3','4','5','6','7','8','9')".to_owned(), 9),
        ("SET('é','ß') CHARACTER SET latin1".to_owned(), 2),
        ("SET('ソ','表') CHARACTER SET cp932".to_owned(), 2),
        (
            "SET('it''s','\\\"q\\\"','b\\\\s') CHARACTER SET ucs2".to_owned(),
            3,
        ),
        ("SET('x','y') CHARACTER SET binary".to_owned(), 2),
    ] {
        let all = u64::MAX >> (64 - labels);
        let edges = [0, 1, all, 1 << (labels - 1), all / 3];
        let edges = edges.iter().map(u64::to_string).collect();
        let random = move |rng: &mut Rng| (rng.u64(..) & all).to_string();
        types.push(Type::new(&sql, Compare::Text, edges, Box::new(random)));
    }
    types
}
