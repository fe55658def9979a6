//! Every type of column as a value of the line.

use super::*;

/// One nullable column with the value whose bytes (length prefix included) are given.
fn value(kind: ColumnKind, bytes: &[u8]) -> Result<String, Error> {
    let table = table(&[("c", kind)], &[]);
    let line = write(
        &block(&table, RowsKind::Insert, &[&[0], bytes].concat()),
        false,
    )?;
    serde_json::from_str::<serde_json::Value>(&line).expect("JSON");
    let (_, value) = line.split_once(r#""data":{"c":"#).expect("data");
    Ok(value.strip_suffix("}}").expect("braces at the end").into())
}

#[test]
fn integers_are_numbers_up_to_the_last() {
    use ColumnKind::*;
    let cases: [(ColumnKind, &[u8], &str); 10] = [
        (TinyInt { unsigned: false }, b"\x80", "-128"),
        (TinyInt { unsigned: true }, b"\xff", "255"),
        (SmallInt { unsigned: false }, b"\0\x80", "-32768"),
        (MediumInt { unsigned: false }, b"\0\0\x80", "-8388608"),
        (MediumInt { unsigned: true }, b"\xff\xff\xff", "16777215"),
        (Int { unsigned: true }, b"\xff\xff\xff\xff", "4294967295"),
        (
            BigInt { unsigned: false },
            &[0, 0, 0, 0, 0, 0, 0, 0x80],
            "-9223372036854775808",
        ),
        (
            BigInt { unsigned: true },
            &[0xff; 8],
            "18446744073709551615",
        ),
        (Bit { bits: 9 }, b"\x01\x05", "261"),
        (Year, b"\0", "0"),
    ];
    for (kind, bytes, expected) in cases {
        assert_eq!(
            value(kind.clone(), bytes).as_deref(),
            Ok(expected),
            "{kind:?}"
        );
    }
    assert_eq!(value(Year, &[124]).as_deref(), Ok("2024"));
}

#[test]
fn floats_read_back_as_the_same_bits() {
    let double = |number: f64| value(ColumnKind::Double, &number.to_le_bytes());
    assert_eq!(double(0.1).as_deref(), Ok("0.1"));
    assert!(double(-0.0).is_ok_and(|text| text == "-0.0"));
    assert!(double(f64::NAN).is_err());
    let float = |number: f32| value(ColumnKind::Float, &number.to_le_bytes());
    assert_eq!(float(3.4).as_deref(), Ok("3.4"));
    for number in [f32::MIN_POSITIVE, f32::MAX, 1e-45, 16_777_216.0] {
        let text = float(number).expect("finite");
        assert_eq!(text.parse().map(f32::to_bits), Ok(number.to_bits()));
    }
}

#[test]
fn decimals_dates_and_times_are_strings_as_select_prints() {
    use ColumnKind::*;
    let decimal = Decimal {
        precision: 10,
        scale: 2,
    };
    let cases: [(ColumnKind, &[u8], &str); 9] = [
        (decimal.clone(), &[0x80, 0, 0, 12, 50], r#""12.50""#),
        (decimal, &[0x7f, 0xff, 0xff, 0xf3, 0xcd], r#""-12.50""#),
        (Date, &[0x43, 0xd0, 0x0f], r#""2024-02-03""#),
        (Date, &[0, 0, 0], r#""0000-00-00""#),
        (Time { fsp: 0 }, &[0x80, 0x41, 0x05], r#""04:04:05""#),
        (Time { fsp: 0 }, &[0x7f, 0xff, 0xff], r#""-00:00:01""#),
        (
            DateTime { fsp: 6 },
            &[0x99, 0xb2, 0x86, 0x41, 0x05, 0, 0, 1],
            r#""2024-02-03 04:04:05.000001""#,
        ),
        (
            Timestamp { fsp: 3 },
            &[0x65, 0xbd, 0xbb, 0x72, 0x04, 0xce],
            r#""2024-02-03 04:05:06.123""#,
        ),
        (
            Timestamp { fsp: 0 },
            &[0, 0, 0, 0],
            r#""0000-00-00 00:00:00""#,
        ),
    ];
    for (kind, bytes, expected) in cases {
        assert_eq!(
            value(kind.clone(), bytes).as_deref(),
            Ok(expected),
            "{kind:?}"
        );
    }
}

#[test]
fn text_enum_and_set_are_strings_in_utf8() {
    let latin1 = ColumnKind::LongText {
        length_bytes: 2,
        charset: Charset::of_collation(8),
    };
    assert_eq!(
        value(latin1, b"\x04\0caf\xe9").as_deref(),
        Ok("\"caf\u{e9}\"")
    );
    assert_eq!(
        value(VARCHAR, "\x05\u{1f600}\"".as_bytes()).as_deref(),
        Ok("\"\u{1f600}\\\"\"")
    );
    let labels: Arc<[String]> = ["new".into(), "in \"use\"".into(), "old".into()].into();
    let label = |bytes| {
        let labels = Arc::clone(&labels);
        value(ColumnKind::Enum { bytes: 1, labels }, bytes)
    };
    assert_eq!(label(b"\x02").as_deref(), Ok(r#""in \"use\"""#));
    assert_eq!(label(b"\0").as_deref(), Ok(r#""""#));
    assert!(label(b"\x04").is_err());
    let members = |bytes| {
        let labels = Arc::clone(&labels);
        value(ColumnKind::Set { bytes: 1, labels }, bytes)
    };
    assert_eq!(members(b"\x07").as_deref(), Ok(r#""new,in \"use\",old""#));
    assert_eq!(members(b"\0").as_deref(), Ok(r#""""#));
}

#[test]
fn binary_geometry_vector_and_json_have_their_forms() {
    let binary = ColumnKind::Binary {
        length_bytes: 1,
        pad_to: 4,
    };
    assert_eq!(
        value(binary, b"\x02\x01\xff").as_deref(),
        Ok(r#""Af8AAA==""#)
    );
    let geometry = ColumnKind::Geometry { length_bytes: 4 };
    assert_eq!(
        value(geometry, b"\x03\0\0\0abc").as_deref(),
        Ok(r#""YWJj""#)
    );
    let blob = ColumnKind::Blob { length_bytes: 1 };
    assert_eq!(value(blob, b"\0").as_deref(), Ok(r#""""#));
    let vector = ColumnKind::Vector { length_bytes: 4 };
    let numbers = [
        &8_u32.to_le_bytes()[..],
        &1.5_f32.to_le_bytes(),
        &(-0.1_f32).to_le_bytes(),
    ];
    assert_eq!(
        value(vector, &numbers.concat()).as_deref(),
        Ok("[1.5,-0.1]")
    );
    let document = b"\0\x01\0\x0c\0\x0b\0\x01\0\x05\x01\0k"; // {"k": 1}
    let json = ColumnKind::Json { length_bytes: 1 };
    let written = value(json, &[&[13][..], document].concat()).expect("JSON");
    assert_eq!(
        serde_json::from_str::<serde_json::Value>(&written).expect("JSON"),
        serde_json::json!({"k": 1})
    );
}

#[test]
fn an_invalid_value_is_an_error_that_names_the_column_and_not_the_value() {
    let error = value(VARCHAR, b"\x07secret\xff").expect_err("not UTF-8");
    assert_eq!(
        error.to_string(),
        "text: column `c` of table `shop.orders`: not valid utf8mb4 at byte 6"
    );
}
