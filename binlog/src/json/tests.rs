//! Binary JSON as the server writes it, built here by hand, and as no server would.

use proptest::prelude::*;
use serde_json::{Value as Json, json};

use super::*;
use crate::decimal;

fn text(bytes: &[u8]) -> String {
    let mut out = Vec::new();
    write(bytes, &mut out).unwrap();
    String::from_utf8(out).unwrap()
}

fn refused(bytes: &[u8]) -> String {
    write(bytes, &mut Vec::new()).unwrap_err().to_string()
}

fn opaque(field_type: u8, data: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0x0f, field_type];
    bytes.extend(measure(data.len()));
    bytes.extend_from_slice(data);
    bytes
}

pub(super) fn measure(mut length: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    while length >= 0x80 {
        bytes.push(length as u8 | 0x80);
        length >>= 7;
    }
    bytes.push(length as u8);
    bytes
}

/// MySQL's layout, for round trips.
fn serialize(value: &Json, size: Size) -> (u8, Vec<u8>) {
    match value {
        Json::Null => (0x04, vec![0]),
        Json::Bool(true) => (0x04, vec![1]),
        Json::Bool(false) => (0x04, vec![2]),
        Json::String(string) => {
            let mut bytes = measure(string.len());
            bytes.extend_from_slice(string.as_bytes());
            (0x0c, bytes)
        }
        Json::Number(number) => match (number.as_i64(), number.as_u64()) {
            (Some(small), _) if i16::try_from(small).is_ok() => {
                (0x05, (small as i16).to_le_bytes().to_vec())
            }
            (Some(middle), _) if i32::try_from(middle).is_ok() => {
                (0x07, (middle as i32).to_le_bytes().to_vec())
            }
            (Some(large), _) => (0x09, large.to_le_bytes().to_vec()),
            (None, Some(huge)) => (0x0a, huge.to_le_bytes().to_vec()),
            (None, None) => (0x0b, number.as_f64().unwrap().to_le_bytes().to_vec()),
        },
        Json::Array(elements) => (
            0x02 + (size == Size::Large) as u8,
            container(None, elements.iter(), size),
        ),
        Json::Object(members) => {
            let keys: Vec<&str> = members.keys().map(String::as_str).collect();
            (
                size_type(size),
                container(Some(&keys), members.values(), size),
            )
        }
    }
}

fn size_type(size: Size) -> u8 {
    if size == Size::Large { 0x01 } else { 0x00 }
}

fn container<'a>(
    keys: Option<&[&str]>,
    values: impl ExactSizeIterator<Item = &'a Json>,
    size: Size,
) -> Vec<u8> {
    let width = size.bytes();
    let place = |value: usize| (value as u32).to_le_bytes()[..width].to_vec();
    let count = values.len();
    let mut next =
        2 * width + count * (1 + width) + keys.map_or(0, |keys| keys.len() * (width + 2));
    let (mut key_entries, mut entries, mut body) = (Vec::new(), Vec::new(), Vec::new());
    for key in keys.unwrap_or_default() {
        key_entries.extend(place(next));
        key_entries.extend((key.len() as u16).to_le_bytes());
        body.extend_from_slice(key.as_bytes());
        next += key.len();
    }
    for value in values {
        let (kind, bytes) = serialize(value, size);
        entries.push(kind);
        if matches!(kind, 4..=6) || size == Size::Large && matches!(kind, 7 | 8) {
            let mut inlined = bytes;
            inlined.resize(width, 0);
            entries.extend(inlined);
        } else {
            entries.extend(place(next));
            next += bytes.len();
            body.extend(bytes);
        }
    }
    [place(count), place(next), key_entries, entries, body].concat()
}

fn binary(value: &Json, size: Size) -> Vec<u8> {
    let (kind, data) = serialize(value, size);
    [vec![kind], data].concat()
}

#[test]
fn scalars_print_with_their_kind() {
    assert_eq!(text(&[]), "null");
    assert_eq!(text(&[4, 0]), "null");
    assert_eq!(text(&[4, 1]), "true");
    assert_eq!(text(&[4, 2]), "false");
    assert_eq!(text(&[5, 0xff, 0xff]), "-1");
    assert_eq!(text(&[6, 0xff, 0xff]), "65535");
    assert_eq!(text(&[7, 0, 0, 0, 0x80]), "-2147483648");
    assert_eq!(text(&[8, 0xff, 0xff, 0xff, 0xff]), "4294967295");
    assert_eq!(
        text(&[[9].as_slice(), &i64::MIN.to_le_bytes()].concat()),
        "-9223372036854775808"
    );
    assert_eq!(
        text(&[[10].as_slice(), &u64::MAX.to_le_bytes()].concat()),
        "18446744073709551615"
    );
    assert_eq!(text(b"\x0c\x05a\"\\\n\x01"), r#""a\"\\\n\u0001""#);
}

#[test]
fn doubles_stay_doubles() {
    let double = |value: f64| text(&[[11].as_slice(), &value.to_le_bytes()].concat());
    assert_eq!(double(1.0), "1.0");
    assert_eq!(double(-0.0), "-0.0");
    assert_eq!(double(0.1), "0.1");
    for value in [
        1e20,
        1e15,
        123_456_789.0,
        1.5e-9,
        f64::MAX,
        f64::MIN_POSITIVE,
    ] {
        let printed = double(value);
        assert!(printed.contains(['.', 'e']), "{printed}");
        assert_eq!(printed.parse::<f64>().unwrap().to_bits(), value.to_bits());
    }
    assert!(refused(&[[11].as_slice(), &f64::NAN.to_le_bytes()].concat()).contains("not finite"));
}

#[test]
fn opaque_values_print_as_select_prints_them() {
    let packed = decimal::tests::pack(true, "00150", 2);
    let decimal = [[5, 2].as_slice(), &packed].concat();
    assert_eq!(text(&opaque(246, &decimal)), "-1.50");
    let date = ((2024_u64 * 13 + 2) << 5 | 29) << 17;
    assert_eq!(
        text(&opaque(10, &(date << 24).to_le_bytes())),
        r#""2024-02-29""#
    );
    let moment = (date | 13 << 12 | 14 << 6 | 15) << 24 | 120_000;
    assert_eq!(
        text(&opaque(12, &moment.to_le_bytes())),
        r#""2024-02-29 13:14:15.120000""#
    );
    assert_eq!(
        text(&opaque(7, &moment.to_le_bytes())),
        r#""2024-02-29 13:14:15.120000""#
    );
    let time = (838_i64 << 12 | 59 << 6 | 59) << 24;
    assert_eq!(
        text(&opaque(11, &(-time).to_le_bytes())),
        r#""-838:59:59.000000""#
    );
    assert_eq!(text(&opaque(16, &[5])), r#""base64:type16:BQ==""#);
    assert_eq!(text(&opaque(252, b"abc")), r#""base64:type252:YWJj""#);
    let long = text(&opaque(252, &[0; 60]));
    assert_eq!(
        long,
        format!(r#""base64:type252:{}\nAAAA""#, "A".repeat(76))
    );
}

#[test]
fn a_decimal_in_json_may_have_more_digits_than_a_column() {
    let packed = crate::decimal::tests::pack(false, &format!("0{}", "7".repeat(65)), 30);
    let value = opaque(246, &[&[66, 30], packed.as_slice()].concat());
    assert_eq!(
        text(&value),
        format!("{}.{}", "7".repeat(35), "7".repeat(30))
    );
}

#[test]
fn objects_keep_the_servers_order_and_both_sizes_read_alike() {
    let value = json!({"a": 1, "b": [true, null, "x", 1.5, 70_000, -3], "c": {"d": {}, "e": []}});
    for size in [Size::Small, Size::Large] {
        assert_eq!(text(&binary(&value, size)), value.to_string());
    }
}

#[test]
fn depth_has_mysqls_limit() {
    let nested = |depth: usize| (1..depth).fold(json!([]), |inner, _| json!([inner]));
    assert_eq!(text(&binary(&nested(100), Size::Small)).len(), 200);
    assert!(refused(&binary(&nested(101), Size::Small)).contains("nested deeper"));
}

#[test]
fn crafted_overlaps_cannot_multiply_the_output() {
    // Every element of every level points at the same next array: 30^n values in a few hundred bytes.
    let mut bytes = vec![0x02];
    let level = 4 + 30 * 3;
    for index in 0..20_usize {
        // Offsets count from the container's own start.
        let left = (20 - index) * level;
        bytes.extend(30_u16.to_le_bytes());
        bytes.extend((left as u16).to_le_bytes());
        for _ in 0..30 {
            bytes.push(if index == 19 { 0x04 } else { 0x02 });
            bytes.extend(if index == 19 { 1_u16 } else { level as u16 }.to_le_bytes());
        }
    }
    let mut out = Vec::new();
    let error = write(&bytes, &mut out).unwrap_err().to_string();
    assert_eq!(error, "JSON: parts overlap");
    assert!(out.len() < 8 * bytes.len());
}

#[test]
fn strings_escape_what_json_demands_and_nothing_else() {
    for string in [
        "",
        "plain",
        "exactly8",
        "Größe 🐬 und mehr",
        "a\"b",
        "12345678\\",
        "\u{1}\u{1f} \u{7f}",
        "\t\n\r\u{8}\u{c}",
    ] {
        let mut out = Vec::new();
        write_json_string(string, &mut out);
        assert_eq!(
            String::from_utf8(out).unwrap(),
            serde_json::to_string(string).unwrap()
        );
    }
}

fn any_json() -> impl Strategy<Value = Json> {
    let leaf = prop_oneof![
        Just(Json::Null),
        any::<bool>().prop_map(Json::from),
        any::<i64>().prop_map(Json::from),
        any::<i16>().prop_map(Json::from),
        any::<u64>().prop_map(Json::from),
        (-1e9..1e9).prop_map(Json::from),
        ".{0,12}".prop_map(Json::from),
    ];
    leaf.prop_recursive(4, 40, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Json::from),
            prop::collection::btree_map(".{0,6}", inner, 0..6)
                .prop_map(|members| Json::Object(members.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn every_json_is_written_as_serde_json_writes_it(value in any_json(), large: bool) {
        let size = if large { Size::Large } else { Size::Small };
        // As text: serde_json's own parser is not exact for doubles.
        prop_assert_eq!(text(&binary(&value, size)), value.to_string());
    }

    #[test]
    fn any_string_is_escaped_as_serde_json_does(string: String) {
        let mut out = Vec::new();
        write_json_string(&string, &mut out);
        prop_assert_eq!(String::from_utf8(out).unwrap(), serde_json::to_string(&string).unwrap());
    }

    #[test]
    fn any_bytes_stay_within_a_constant_times_their_length(kind in 0_u8..16, bytes: Vec<u8>) {
        let mut out = Vec::new();
        let bytes = [vec![kind], bytes].concat();
        if write(&bytes, &mut out).is_ok() {
            prop_assert!(serde_json::from_slice::<Json>(&out).is_ok());
        }
        prop_assert!(out.len() <= 64 + 8 * bytes.len());
    }

    #[test]
    fn broken_offsets_never_panic(value in any_json(), at: prop::sample::Index, byte: u8) {
        let mut bytes = binary(&value, Size::Small);
        let at = at.index(bytes.len());
        bytes[at] = byte;
        let mut out = Vec::new();
        let written = write(&bytes, &mut out);
        prop_assert!(out.len() <= 64 + 8 * bytes.len());
        drop(written);
    }
}
