//! For each type: what a line has, what the warehouse shows for it, and that they are one.

use super::*;

fn line(stored: Stored, json: &str) -> Option<String> {
    let raw: &RawValue = serde_json::from_str(json).expect("JSON");
    of_line(stored, raw).map(Cow::into_owned)
}

fn ensure_same(stored: Stored, json: &str, shown: &str) {
    let found = of_warehouse(stored, shown).map(Cow::into_owned);
    assert!(found.is_some(), "{stored:?} {shown}");
    assert_eq!(line(stored, json), found, "{stored:?} {json}");
}

const NUMERIC: Stored = Stored::Numeric {
    precision: 5,
    scale: 2,
};
const VARCHAR: Stored = Stored::Varchar { bytes_max: 5 };

#[test]
fn what_a_line_has_is_what_the_warehouse_shows() {
    let whole = Stored::Numeric {
        precision: 20,
        scale: 0,
    };
    for (stored, json, shown) in [
        (Stored::SmallInt, "-128", "-128"),
        (Stored::BigInt, "9223372036854775807", "9223372036854775807"),
        (whole, "18446744073709551615", "18446744073709551615"),
        (NUMERIC, r#""-12.50""#, "-12.50"),
        (NUMERIC, r#""-0.00""#, "0.00"),
        (Stored::Real, "3.4", "3.4"),
        (Stored::Real, "3.402823466e38", "3.4028235e+38"),
        (Stored::Double, "-0.0", "0"),
        (Stored::Double, "1e-7", "1e-07"),
        (Stored::Date, r#""2024-02-29""#, "2024-02-29"),
        (
            Stored::Timestamp,
            r#""2024-02-03 04:05:06.120000""#,
            "2024-02-03 04:05:06.12",
        ),
        (
            Stored::Timestamp,
            r#""2024-02-03 04:05:00""#,
            "2024-02-03 04:05:00",
        ),
        (VARCHAR, r#""it\"s""#, "it\"s"),
        (VARCHAR, r#""größe""#, "grö"),
        (Stored::Binary { bytes_max: 2 }, r#""/wA=""#, "ff00"),
        (
            Stored::Document,
            r#"{"b":1.0,"a":"x"}"#,
            r#"{"a": "x", "b": 1.0}"#,
        ),
        (Stored::Document, "1e999", "1e999"),
    ] {
        ensure_same(stored, json, shown);
    }
}

#[test]
fn what_a_column_does_not_hold_is_nothing() {
    for (stored, json) in [
        (Stored::SmallInt, "32768"),
        (Stored::Integer, r#""x""#),
        (NUMERIC, r#""1000.00""#),
        (NUMERIC, r#""1.005""#),
        (VARCHAR, r#""a\u0000b""#),
        (Stored::Binary { bytes_max: 1 }, r#""/wA=""#),
        (Stored::Real, "1e39"),
        (Stored::Date, r#""0000-00-00""#),
        (Stored::Date, r#""2023-02-29""#),
        (Stored::Date, r#""2024-13-01""#),
        (Stored::Timestamp, r#""2024-00-10 00:00:00""#),
        (VARCHAR, r#"{"base64":"Yf8="}"#),
        (Stored::Document, "null"),
        (Stored::BigInt, "null"),
    ] {
        assert_eq!(line(stored, json), None, "{stored:?} {json}");
    }
}

#[test]
fn values_that_differ_are_not_one() {
    assert_ne!(line(Stored::Real, "3.4"), line(Stored::Real, "3.4000003"));
    assert_ne!(line(NUMERIC, r#""0.01""#), line(NUMERIC, r#""0.10""#));
    assert_ne!(
        line(Stored::Document, "1"),
        line(Stored::Document, r#""1""#)
    );
}
