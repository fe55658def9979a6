//! Character sets: MySQL's own tables, and no replacement ever.

use mysql_common::collations::Collation;
use proptest::prelude::*;

use super::*;

fn decode(name: &'static str, bytes: &[u8]) -> String {
    Charset::of_name(name)
        .unwrap()
        .decode(bytes)
        .unwrap()
        .into_owned()
}

#[test]
fn every_collation_id_names_the_same_character_set_as_mysql_common() {
    for id in 1..=400_u16 {
        let collation = Collation::resolve(id.into());
        let expected = match collation.charset() {
            "unknown" => None,
            "utf8" => Some("utf8mb3"),
            name => Some(name),
        };
        let found = collations::charset_name(u64::from(id));
        // Gaps: ids that MySQL reserved and never gave out, or that only test builds have.
        if expected.is_some() {
            assert_eq!(found, expected, "collation {id}");
        }
    }
}

#[test]
fn utf8_is_borrowed_and_checked() {
    let text = "Größe 🐬";
    assert!(
        matches!(Charset::Utf8.decode(text.as_bytes()), Ok(Cow::Borrowed(found)) if found == text)
    );
    let error = Charset::Utf8.decode(b"ab\xff").unwrap_err();
    assert_eq!(error.to_string(), "text: not valid utf8mb4 at byte 2");
}

#[test]
fn latin1_is_windows_1252_with_its_holes_as_controls() {
    assert_eq!(
        decode("latin1", b"\x80 \xe9 \x81\x8d\x8f\x90\x9d \xff"),
        "€ é \u{81}\u{8d}\u{8f}\u{90}\u{9d} ÿ"
    );
}

#[test]
fn ascii_has_no_high_bytes() {
    assert_eq!(decode("ascii", b"plain"), "plain");
    assert!(Charset::Ascii.decode("é".as_bytes()).is_err());
}

#[test]
fn the_utf16_family_decodes_by_hand() {
    assert_eq!(decode("ucs2", &[0x00, 0x41, 0x20, 0xac]), "A€");
    assert_eq!(decode("utf16", &[0xd8, 0x3d, 0xdc, 0x2c]), "🐬");
    assert_eq!(decode("utf16le", &[0x3d, 0xd8, 0x2c, 0xdc]), "🐬");
    assert_eq!(decode("utf32", &[0, 0x01, 0xf4, 0x2c]), "🐬");
    assert!(Charset::Ucs2.decode(&[0xd8, 0x3d, 0xdc, 0x2c]).is_err());
    assert!(Charset::Utf16.decode(&[0xd8, 0x3d]).is_err());
    assert!(Charset::Utf16.decode(&[0x00]).is_err());
    assert!(Charset::Utf32.decode(&[0, 0x11, 0, 0]).is_err());
    assert!(Charset::Utf32.decode(&[0, 0, 0x41]).is_err());
}

#[test]
fn multi_byte_character_sets_follow_mysqls_tables() {
    assert_eq!(decode("gbk", &[0xc4, 0xe3, 0xba, 0xc3]), "你好");
    assert_eq!(
        decode("gb2312", &[0xa1, 0xa4, 0xa1, 0xaa]),
        "\u{30fb}\u{2015}"
    );
    assert_eq!(decode("big5", &[0xa7, 0x41, 0xa6, 0x6e]), "你好");
    assert_eq!(decode("euckr", &[0xc7, 0xd1]), "한");
    assert_eq!(
        decode("cp932", &[0x81, 0x60, 0x81, 0x5f]),
        "\u{ff5e}\u{ff3c}"
    );
    assert_eq!(decode("sjis", &[0x81, 0x60, 0x81, 0x5f]), "\u{301c}\\");
    assert_eq!(decode("eucjpms", &[0xa1, 0xc1]), "\u{ff5e}");
    assert_eq!(decode("ujis", &[0xa1, 0xc1]), "\u{301c}");
    assert_eq!(decode("gb18030", &[0x81, 0x30, 0x81, 0x30]), "\u{80}");
    assert!(Charset::of_name("gbk").unwrap().decode(&[0xc4]).is_err());
}

#[test]
fn single_byte_character_sets_follow_mysqls_tables() {
    assert_eq!(decode("cp1251", &[0xcf, 0xf0]), "Пр");
    assert_eq!(decode("koi8r", &[0xf0, 0xd2]), "Пр");
    assert_eq!(decode("koi8u", &[0xf0, 0xae, 0xbe]), "П\u{255d}\u{256c}");
    assert_eq!(decode("greek", &[0xe1, 0xa1]), "α\u{2bd}");
    assert_eq!(decode("hebrew", &[0xe0]), "א");
    assert_eq!(decode("latin2", &[0xb1]), "ą");
    assert_eq!(decode("latin5", &[0xfd, 0x80]), "ı\u{80}");
    assert_eq!(decode("latin7", &[0xe0]), "ą");
    assert_eq!(decode("cp866", &[0x8f]), "П");
    assert_eq!(decode("tis620", &[0xa1]), "ก");
    assert_eq!(decode("macroman", &[0x8e]), "é");
}

#[test]
fn codes_that_the_webs_table_has_otherwise_are_mysqls() {
    assert_eq!(
        decode("big5", b"a\xc6\xa5\xc7\xf3\xa4\xa4\xa1\x45"),
        "aぁ⑴中•"
    );
    assert_eq!(
        decode("eucjpms", b"\xf5\xa1\x8f\xf3\xf3\xa4\xa2\x8f\xfe\xfe"),
        "\u{e000}ⅰあ\u{e757}"
    );
    assert_eq!(decode("ujis", b"\xf9\xa1\xa1\xc0"), "\u{e178}\\");
    assert_eq!(
        decode("gb18030", b"\xa6\xd9\xd6\xd0\x81\x30\x81\x30"),
        "\u{e78d}中\u{80}"
    );
    assert_eq!(decode("cp866", b"\xfc\xfd"), "ⁿ²");
    assert_eq!(decode("hebrew", b"\xaf"), "‾");
    assert_eq!(decode("koi8u", b"\x95"), "•");
    assert_eq!(decode("tis620", b"\x80\xa1"), "\u{80}ก");
}

#[test]
fn character_sets_that_no_library_has_follow_mysqls_tables() {
    assert_eq!(decode("armscii8", b"\xb2\xa7"), "Ա«");
    assert_eq!(decode("cp850", b"\x84\xd5"), "äı");
    assert_eq!(decode("cp852", b"\x84\x88"), "äł");
    assert_eq!(decode("dec8", b"\xd7\xfd"), "Œÿ");
    assert_eq!(decode("geostd8", b"\xc0"), "ა");
    assert_eq!(decode("hp8", b"\xcc"), "ä");
    assert_eq!(decode("keybcs2", b"\x80"), "Č");
    assert_eq!(decode("macce", b"\x81"), "Ā");
    assert_eq!(decode("swe7", b"[\\]A"), "ÄÖÅA");
    for (name, bytes) in [("dec8", b"a\xff"), ("hp8", b"a\xff"), ("swe7", b"a\xe9")] {
        let error = Charset::of_name(name).unwrap().decode(bytes).unwrap_err();
        assert_eq!(
            error.to_string(),
            format!("text: not valid {name} at byte 1")
        );
    }
}

#[test]
fn every_collation_of_mysql_can_be_decoded() {
    for id in 1..=400 {
        if collations::charset_name(id).is_some() {
            let charset = Charset::of_collation(id);
            assert!(charset.decode(b"").is_ok(), "collation {id}");
        }
    }
    let error = Charset::of_collation(9_999)
        .decode(b"a")
        .unwrap_err()
        .to_string();
    assert!(error.contains("collation id 9999"), "{error}");
}

proptest! {
    #[test]
    fn any_bytes_decode_or_are_refused_without_replacement(id in 0_u64..330, bytes: Vec<u8>) {
        if let Ok(text) = Charset::of_collation(id).decode(&bytes) {
            let replaced = text.contains(char::REPLACEMENT_CHARACTER);
            // Only the UTF family can hold the character itself.
            prop_assert!(!replaced || bytes.len() >= 2);
        }
    }
}
