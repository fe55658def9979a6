//! Every type of column under every mode.

use headwater_binlog::schema::Column;

use super::*;

/// One column with the value whose bytes (length prefix included) are given.
fn value_of(options: DebeziumOptions, column: Column, bytes: &[u8]) -> Result<String, Error> {
    let name = table(&[], &[]).name.clone();
    let table = Arc::new(Table::new(name, vec![column], Vec::new()));
    let insert = block(&table, RowsKind::Insert, &[&[0], bytes].concat());
    let line = lines(&encoder(options), &insert)?.remove(0);
    let (_, value) = line.split_once(r#""after":{"c":"#).expect("after");
    let (value, _) = value.split_once(",\"source\":").expect("source");
    Ok(value.strip_suffix('}').expect("a brace").into())
}

fn column(kind: ColumnKind, nullable: bool) -> Column {
    Column {
        name: "c".into(),
        kind,
        nullable,
        visible: true,
    }
}

fn value_with(options: DebeziumOptions, kind: ColumnKind, bytes: &[u8]) -> String {
    value_of(options, column(kind, true), bytes).expect("a value")
}

fn value(kind: ColumnKind, bytes: &[u8]) -> String {
    value_with(options(), kind, bytes)
}

fn not_null(kind: ColumnKind, bytes: &[u8]) -> String {
    value_of(options(), column(kind, false), bytes).expect("a value")
}

#[test]
fn numbers_by_their_modes() {
    use ColumnKind::*;
    assert_eq!(value(TinyInt { unsigned: false }, b"\x01"), "1");
    assert_eq!(value(Int { unsigned: true }, &[0xff; 4]), "4294967295");
    let unsigned = BigInt { unsigned: true };
    assert_eq!(value(unsigned.clone(), &[0xff; 8]), "-1");
    let precise = DebeziumOptions {
        bigint_unsigned: BigintUnsigned::Precise,
        ..options()
    };
    // 00 ff ff ff ff ff ff ff ff
    assert_eq!(
        value_with(precise, unsigned, &[0xff; 8]),
        r#""AP//////////""#
    );
    assert_eq!(value(Float, &3.4_f32.to_le_bytes()), "3.4");
    assert_eq!(value(Double, &0.1_f64.to_le_bytes()), "0.1");
    assert_eq!(value(Year, b"\0"), "0");
    let decimal = Decimal {
        precision: 5,
        scale: 2,
    };
    let by = |decimals, bytes: &[u8]| {
        let options = DebeziumOptions {
            decimals,
            ..options()
        };
        value_with(options, decimal.clone(), bytes)
    };
    let minus_one = &[0x7f, 0xfe, 0xff];
    assert_eq!(by(Decimals::Precise, minus_one), r#""nA==""#);
    assert_eq!(by(Decimals::String, minus_one), r#""-1.00""#);
    assert_eq!(by(Decimals::Double, minus_one), "-1.0");
    assert_eq!(by(Decimals::Double, &[0x80, 0x7b, 0x2d]), "123.45");
    assert_eq!(value(Bit { bits: 1 }, b"\0"), "false");
    assert_eq!(value(Bit { bits: 9 }, b"\x01\x05"), r#""BQE=""#);
}

fn times(times: Times) -> DebeziumOptions {
    DebeziumOptions { times, ..options() }
}

const ALL_TIMES: [Times; 5] = [
    Times::Adaptive,
    Times::Connect,
    Times::Text,
    Times::Microseconds,
    Times::Nanoseconds,
];

#[test]
fn dates_and_times_in_every_precision() {
    use ColumnKind::*;
    let by = |kind: &ColumnKind, bytes: &[u8]| {
        ALL_TIMES.map(|mode| value_with(times(mode), kind.clone(), bytes))
    };
    let iso = r#""2024-02-03Z""#;
    assert_eq!(
        by(&Date, &[0x43, 0xd0, 0x0f]),
        ["19756", "19756", iso, "19756", "19756"]
    );
    // -00:00:01.5
    let time = Time { fsp: 1 };
    assert_eq!(
        by(&time, &[0x7f, 0xff, 0xfe, 0xce]),
        [
            "-1500000",
            "-1500",
            r#""-00:00:01.5Z""#,
            "-1500000",
            "-1500000000"
        ]
    );
    let seconds = &[0x99, 0xb2, 0x86, 0x41, 0x46]; // 2024-02-03 04:05:06
    let iso = r#""2024-02-03T04:05:06Z""#;
    assert_eq!(
        by(&DateTime { fsp: 0 }, seconds),
        [
            "1706933106000",
            "1706933106000",
            iso,
            "1706933106000000",
            "1706933106000000000"
        ]
    );
    let micros = [&seconds[..], &[0x07, 0xa1, 0x20]].concat(); // .5
    assert_eq!(
        by(&DateTime { fsp: 6 }, &micros),
        [
            "1706933106500000",
            "1706933106500",
            r#""2024-02-03T04:05:06.5Z""#,
            "1706933106500000",
            "1706933106500000000"
        ]
    );
    for text in by(&Timestamp { fsp: 3 }, &[0x65, 0xbd, 0xbb, 0x72, 0x04, 0xce]) {
        assert_eq!(text, r#""2024-02-03T04:05:06.123Z""#);
    }
    // 9999-12-31 23:59:59 has more nanoseconds than 64 bits.
    let last = &[0xfe, 0xf3, 0xff, 0x7e, 0xfb];
    let nanoseconds = value_with(times(Times::Nanoseconds), DateTime { fsp: 0 }, last);
    assert_eq!(nanoseconds, "253402300799000000000");
}

#[test]
fn what_is_no_day_is_null_or_the_epoch() {
    use ColumnKind::*;
    let cases: [(ColumnKind, &[u8]); 4] = [
        (Date, &[0, 0, 0]),
        (Date, &[0x00, 0xd0, 0x0f]), // 2024-00-00
        (DateTime { fsp: 0 }, &[0x80, 0, 0, 0, 0]),
        (Timestamp { fsp: 0 }, &[0, 0, 0, 0]),
    ];
    for (kind, bytes) in cases {
        for mode in ALL_TIMES {
            assert_eq!(value_with(times(mode), kind.clone(), bytes), "null");
        }
    }
    assert_eq!(not_null(Date, &[0, 0, 0]), "0");
    assert_eq!(not_null(DateTime { fsp: 0 }, &[0x80, 0, 0, 0, 0]), "0");
    assert_eq!(
        not_null(Timestamp { fsp: 0 }, &[0; 4]),
        r#""1970-01-01T00:00:00Z""#
    );
    let text = |kind, bytes: &[u8]| {
        value_of(times(Times::Text), column(kind, false), bytes).expect("a value")
    };
    assert_eq!(text(Date, &[0, 0, 0]), r#""1970-01-01Z""#);
    assert_eq!(
        text(DateTime { fsp: 0 }, &[0x80, 0, 0, 0, 0]),
        r#""1970-01-01T00:00:00Z""#
    );
    // Year 0 has days.
    assert_eq!(value(Date, &[0x21, 0, 0]), "-719528");
}

#[test]
fn bytes_in_every_mode() {
    let binary = || ColumnKind::Binary {
        length_bytes: 1,
        pad_to: 4,
    };
    let by = |binaries| {
        let options = DebeziumOptions {
            binaries,
            ..options()
        };
        value_with(options, binary(), b"\x02\xfb\xff")
    };
    assert_eq!(by(Binaries::Base64), r#""+/8AAA==""#);
    assert_eq!(by(Binaries::Base64UrlSafe), r#""-_8AAA==""#);
    assert_eq!(by(Binaries::Hex), r#""fbff0000""#);
}

#[test]
fn labels_documents_shapes_and_vectors() {
    let labels: Arc<[String]> = ["new".into(), "in \"use\"".into(), "old".into()].into();
    let label = ColumnKind::Enum {
        bytes: 1,
        labels: Arc::clone(&labels),
    };
    assert_eq!(value(label.clone(), b"\x02"), r#""in \"use\"""#);
    assert_eq!(value(label, b"\0"), r#""""#);
    let members = ColumnKind::Set { bytes: 1, labels };
    assert_eq!(value(members.clone(), b"\x05"), r#""new,old""#);
    assert_eq!(value(members, b"\0"), r#""""#);
    let json = || ColumnKind::Json { length_bytes: 1 };
    let document = b"\x0d\0\x01\0\x0c\0\x0b\0\x01\0\x05\x01\0k";
    assert_eq!(value(json(), document), r#""{\"k\":1}""#);
    assert_eq!(value(json(), b"\0"), "null");
    assert_eq!(not_null(json(), b"\0"), r#""{}""#);
    let shape = |srid: u32, wkb: &[u8]| {
        let length = [(4 + wkb.len()) as u8];
        let geometry = ColumnKind::Geometry { length_bytes: 1 };
        value(geometry, &[&length[..], &srid.to_le_bytes(), wkb].concat())
    };
    let point = [
        &[1, 1, 0, 0, 0][..],
        &1.0_f64.to_le_bytes(),
        &2.0_f64.to_le_bytes(),
    ]
    .concat();
    assert_eq!(
        shape(4326, &point),
        r#"{"x":1.0,"y":2.0,"wkb":"AQEAAAAAAAAAAADwPwAAAAAAAABA","srid":4326}"#
    );
    assert_eq!(
        shape(0, &[1, 7, 0, 0, 0, 0, 0, 0, 0]),
        r#"{"wkb":"AQcAAAAAAAAA","srid":null}"#
    );
    let vector = ColumnKind::Vector { length_bytes: 1 };
    let numbers = [&[8][..], &1.5_f32.to_le_bytes(), &(-0.1_f32).to_le_bytes()];
    assert_eq!(value(vector, &numbers.concat()), "[1.5,-0.1]");
}

#[test]
fn an_invalid_value_is_an_error_that_names_the_column_and_not_the_value() {
    let error = value_of(options(), column(VARCHAR, true), b"\x07secret\xff").expect_err("no text");
    assert!(
        error
            .to_string()
            .contains("column `c` of table `shop.item`")
    );
    assert!(!error.to_string().contains("secret"));
}
