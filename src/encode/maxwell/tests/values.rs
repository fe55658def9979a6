//! Every type of column, as Maxwell writes it or as it should.

use headwater_binlog::charset::Charset;

use super::*;

/// One nullable column with the value whose bytes (length prefix included) are given.
fn value_with(options: MaxwellOptions, kind: ColumnKind, bytes: &[u8]) -> Result<String, Error> {
    let table = table(&[("c", kind)], &[]);
    let insert = block(&table, RowsKind::Insert, &[&[0], bytes].concat());
    let line = lines(&encoder(options), &insert)?.remove(0);
    let (_, value) = line.split_once(r#""data":{"c":"#).expect("data");
    Ok(value.strip_suffix("}}").expect("braces at the end").into())
}

fn value(kind: ColumnKind, bytes: &[u8]) -> String {
    value_with(options(), kind, bytes).expect("a value")
}

fn labels() -> Arc<[String]> {
    ["new".into(), "in \"use\"".into(), "old".into()].into()
}

#[test]
fn numbers_are_numbers_and_right_where_maxwell_is_not() {
    use ColumnKind::*;
    let decimal = Decimal {
        precision: 20,
        scale: 10,
    };
    let cases: [(ColumnKind, &[u8], &str); 11] = [
        (TinyInt { unsigned: false }, b"\x01", "1"),
        (TinyInt { unsigned: true }, b"\xff", "255"),
        (
            BigInt { unsigned: true },
            &[0xff; 8],
            "18446744073709551615",
        ),
        (Bit { bits: 1 }, b"\x01", "1"),
        (Bit { bits: 32 }, b"\x80\0\0\0", "2147483648"),
        (Bit { bits: 64 }, &[0xff; 8], "18446744073709551615"),
        (Year, b"\0", "0"),
        (Year, &[124], "2024"),
        (Float, &3.4_f32.to_le_bytes(), "3.4"),
        (Double, &0.1_f64.to_le_bytes(), "0.1"),
        (decimal, &[0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0], "0.0000000000"),
    ];
    for (kind, bytes, expected) in cases {
        assert_eq!(value(kind.clone(), bytes), expected, "{kind:?}");
    }
}

#[test]
fn dates_and_times_are_as_select_prints_them() {
    use ColumnKind::*;
    let cases: [(ColumnKind, &[u8], &str); 6] = [
        (Date, &[0x43, 0xd0, 0x0f], r#""2024-02-03""#),
        (Date, &[0, 0, 0], r#""0000-00-00""#),
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
            Timestamp { fsp: 3 },
            &[0, 0, 0, 0, 0, 0],
            r#""0000-00-00 00:00:00.000""#,
        ),
    ];
    for (kind, bytes, expected) in cases {
        assert_eq!(value(kind.clone(), bytes), expected, "{kind:?}");
    }
}

#[test]
fn zero_dates_are_null_where_that_is_wanted_and_partial_ones_stay() {
    use ColumnKind::*;
    let options = || MaxwellOptions {
        output_null_zerodates: true,
        ..options()
    };
    let value = |kind, bytes: &[u8]| value_with(options(), kind, bytes).expect("a value");
    assert_eq!(value(Date, &[0, 0, 0]), "null");
    assert_eq!(value(Date, &[0x00, 0xd0, 0x0f]), r#""2024-00-00""#);
    assert_eq!(value(DateTime { fsp: 0 }, &[0x80, 0, 0, 0, 0]), "null");
    assert_eq!(value(Timestamp { fsp: 0 }, &[0, 0, 0, 0]), "null");
    let lean = MaxwellOptions {
        output_nulls: false,
        ..options()
    };
    let table = table(&[("c", Date)], &[]);
    let insert = block(&table, RowsKind::Insert, &[0, 0, 0, 0]);
    assert!(line(lean, &insert).ends_with(r#""data":{}}"#));
}

#[test]
fn labels_text_and_bytes_have_maxwells_forms() {
    let label = |bytes: &[u8]| {
        value(
            ColumnKind::Enum {
                bytes: 1,
                labels: labels(),
            },
            bytes,
        )
    };
    assert_eq!(label(b"\x02"), r#""in \"use\"""#);
    assert_eq!(label(b"\0"), "null");
    let members = |bytes: &[u8]| {
        value(
            ColumnKind::Set {
                bytes: 1,
                labels: labels(),
            },
            bytes,
        )
    };
    assert_eq!(members(b"\x07"), r#"["new","in \"use\"","old"]"#);
    assert_eq!(members(b"\0"), "[]");
    let latin1 = ColumnKind::LongText {
        length_bytes: 2,
        charset: Charset::of_collation(8),
    };
    assert_eq!(value(latin1, b"\x04\0caf\xe9"), "\"caf\u{e9}\"");
    let binary = ColumnKind::Binary {
        length_bytes: 1,
        pad_to: 4,
    };
    assert_eq!(value(binary, b"\x02\x01\xff"), r#""Af8AAA==""#);
    assert!(value_with(options(), VARCHAR, b"\x01\xff").is_err());
}

#[test]
fn documents_shapes_and_vectors() {
    let json = |bytes: &[u8]| value(ColumnKind::Json { length_bytes: 1 }, bytes);
    assert_eq!(
        json(b"\x0d\0\x01\0\x0c\0\x0b\0\x01\0\x05\x01\0k"),
        r#"{"k":1}"#
    );
    assert_eq!(json(b"\0"), "null");
    let mut point = vec![25, 0, 0, 0, 0, 1, 1, 0, 0, 0];
    point.extend(1.0_f64.to_le_bytes());
    point.extend(2.0_f64.to_le_bytes());
    let geometry = ColumnKind::Geometry { length_bytes: 1 };
    assert_eq!(value(geometry, &point), r#""POINT (1 2)""#);
    let vector = ColumnKind::Vector { length_bytes: 1 };
    let numbers = [&[8][..], &1.5_f32.to_le_bytes(), &(-0.1_f32).to_le_bytes()];
    assert_eq!(value(vector, &numbers.concat()), "[1.5,-0.1]");
}
