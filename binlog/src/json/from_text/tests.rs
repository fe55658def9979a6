//! A document's text becomes bytes that print as the same text.

use proptest::prelude::*;
use serde_json::Value;

use super::*;
use crate::json;

fn binary(text: &str) -> Result<Vec<u8>, Wrong> {
    let mut out = vec![7];
    Documents::default().write(text.as_bytes(), &mut out)?;
    assert_eq!(out.remove(0), 7, "what was there stays");
    Ok(out)
}

fn printed(text: &str) -> String {
    let mut out = Vec::new();
    json::write(&binary(text).unwrap(), &mut out).unwrap();
    String::from_utf8(out).unwrap()
}

#[test]
fn documents_have_the_bytes_that_a_server_stores() {
    // Recorded from 9.7: {"a": 1, "bc": [true, -2, 70000, "x"], "d": 1.5} and others.
    assert_eq!(binary("null"), Ok(vec![4, 0]));
    assert_eq!(binary("-1"), Ok(vec![5, 0xff, 0xff]));
    assert_eq!(binary("70000"), Ok(vec![7, 0x70, 0x11, 1, 0]));
    assert_eq!(binary("\"é\""), Ok(vec![12, 2, 0xc3, 0xa9]));
    assert_eq!(binary("{}"), Ok(vec![0, 0, 0, 4, 0]));
    assert_eq!(
        binary(r#"{"a": 1, "bc": [true, 70000]}"#),
        Ok([
            &[0, 2, 0, 35, 0][..],
            &[18, 0, 1, 0, 19, 0, 2, 0],
            &[5, 1, 0, 2, 21, 0],
            b"abc",
            &[2, 0, 14, 0, 4, 1, 0, 7, 10, 0, 0x70, 0x11, 1, 0],
        ]
        .concat())
    );
}

#[test]
fn numbers_keep_what_the_text_tells() {
    for token in [
        "0",
        "-32768",
        "32768",
        "2147483647",
        "-2147483649",
        "9223372036854775807",
        "-9223372036854775808",
        "18446744073709551615",
        "18446744073709551616",
        "-9223372036854775809",
        "12345678901234567890123",
        "0.5",
        "1.10",
        "0.10",
        "-100.00",
        "100.0",
        "1.0",
        "-0.0",
        "0.00000000000000000000001",
        "3.14159265358979323846",
        "100000000000000000000.0",
        "123456789012345.6",
    ] {
        assert_eq!(printed(token), token);
    }
    let kinds = |text: &str| binary(text).unwrap()[0];
    assert_eq!(kinds("0.5"), 0x0b);
    assert_eq!(kinds("1e15"), 0x0b);
    assert_eq!(kinds("1.10"), 0x0f);
    assert_eq!(kinds("18446744073709551615"), 0x0a);
    assert_eq!(kinds("18446744073709551616"), 0x0f);
}

#[test]
fn a_double_prints_as_one_of_the_log_does() {
    // As 9.7 prints them, and as they are printed from the log.
    for (token, double) in [
        ("1e15", 1e15),
        ("1.5e15", 1.5e15),
        ("1e308", 1e308),
        ("5e-324", 5e-324),
        ("100000000000000.0", 1e14),
        ("0.0000000000001", 1e-13),
        ("0.000000000000001", 1e-15),
        ("0.00000000000000125", 1.25e-15),
        ("0.000000000000012345678901234567", 1.2345678901234567e-14),
        ("1234567890123456.5", 1234567890123456.5),
        ("1.2345678901234568e16", 12345678901234567.0),
    ] {
        let expected = [&[0x0b][..], &f64::to_le_bytes(double)].concat();
        assert_eq!(binary(token), Ok(expected), "{token}");
    }
}

#[test]
fn strings_lose_their_escapes_and_nothing_else() {
    let text = r#"{"":"","a":"\"\\\b\f\n\r\t\u0001\/","b":"😀\ud83d\ude00é"}"#;
    let value: Value = serde_json::from_str(text).unwrap();
    let again: Value = serde_json::from_str(&printed(text)).unwrap();
    assert_eq!(value, again);
    let long = format!("\"{}\"", "ä".repeat(100_000));
    assert_eq!(printed(&long), long);
}

#[test]
fn large_containers_take_four_bytes_an_offset_and_integers_in_place() {
    let numbers: Vec<String> = (0..30_000)
        .map(|n| match n % 4 {
            0 => format!("{}", n * 70_000),
            1 => format!("-{n}"),
            2 => format!("\"text {n}\""),
            _ => format!("[{},{n}]", n * 65_536),
        })
        .collect();
    let array = format!("[{}]", numbers.join(","));
    let bytes = binary(&array).unwrap();
    assert_eq!(bytes[0], 0x03);
    assert_eq!(printed(&array), array);
    let object = format!(r#"{{"a":[1,2],"b":70000,"c":{array},"d":"x"}}"#);
    assert_eq!(printed(&object), object);
    // The writer of changed documents lays it out in the same bytes.
    let mut changed = Vec::new();
    json::apply_diffs(&binary(&object).unwrap(), &[], &mut changed).unwrap();
    assert_eq!(changed, binary(&object).unwrap());
}

#[test]
fn documents_deeper_than_mysql_s_limit_are_refused() {
    let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
    assert_eq!(printed(&nested(100)), nested(100));
    assert!(binary(&nested(101)).is_err());
    assert!(binary(&"[".repeat(100_000)).is_err());
}

#[test]
fn what_is_no_document_of_a_server_is_refused() {
    for text in [
        "",
        " ",
        "{",
        "[1",
        "[1,]",
        "[1 2]",
        "nul",
        "tru",
        "{\"a\"}",
        "{\"a\":}",
        "{a:1}",
        "{\"b\":1,\"a\":1}",
        "{\"aa\":1,\"b\":1}",
        "{\"a\":1,\"a\":1}",
        "\"a",
        "\"\\",
        "\"\\x\"",
        "\"\\ud800\"",
        "\"\\ud800\\u0041\"",
        "\"\n\"",
        "1 2",
        "-",
        "--1",
        "1-",
        "1.",
        ".5",
        "1e",
        "1e999",
        "+1",
        "+1e5",
        ".5e1",
        "1.5.5",
    ] {
        assert!(binary(text).is_err(), "{text}");
    }
    assert!(binary(&"9".repeat(200)).is_err());
    assert!(binary(&format!("{{\"{}\":1}}", "k".repeat(70_000))).is_err());
    assert!(
        Documents::default()
            .write(b"\"\xff\"", &mut Vec::new())
            .is_err()
    );
}

/// As a server prints it: keys by length, then by bytes.
fn ordered(value: &Value) -> String {
    match value {
        Value::Array(values) => {
            let values: Vec<String> = values.iter().map(ordered).collect();
            format!("[{}]", values.join(", "))
        }
        Value::Object(members) => {
            let mut members: Vec<_> = members.iter().collect();
            members.sort_by(|one, other| {
                super::super::tree::order(one.0.as_bytes(), other.0.as_bytes())
            });
            let members: Vec<String> = members
                .iter()
                .map(|(key, value)| format!("{}: {}", Value::from(key.as_str()), ordered(value)))
                .collect();
            format!("{{{}}}", members.join(", "))
        }
        scalar => scalar.to_string(),
    }
}

fn any_document() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<i16>().prop_map(Value::from),
        any::<i32>().prop_map(Value::from),
        any::<i32>().prop_map(|eighths| Value::from(f64::from(eighths) / 8.0)),
        ".*".prop_map(Value::from),
    ];
    leaf.prop_recursive(5, 80, 8, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..8).prop_map(Value::from),
            prop::collection::btree_map(".{0,6}", inner, 0..8)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn every_document_comes_back(document in any_document()) {
        let text = ordered(&document);
        let again: Value = serde_json::from_str(&printed(&text)).unwrap();
        prop_assert_eq!(&again, &document);
        let mut changed = Vec::new();
        json::apply_diffs(&binary(&text).unwrap(), &[], &mut changed).unwrap();
        prop_assert_eq!(changed, binary(&text).unwrap());
    }

    #[test]
    fn every_double_prints_as_from_the_log(bits: u64) {
        let value = f64::from_bits(bits);
        prop_assume!(value.is_finite());
        let shown = zmij::Buffer::new().format_finite(value).to_owned();
        prop_assert_eq!(printed(&shown), shown);
    }

    #[test]
    fn any_text_is_a_document_or_refused(text in "[\\[\\]{}:,\"\\\\0-9.eE+\\- a-fu\\n]{0,60}") {
        drop(binary(&text));
    }
}
