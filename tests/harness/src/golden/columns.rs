//! The catalogue: every column type with every option that changes its bytes, its edge values, and a
//! source of random ones. Values are SQL expressions; with an empty `sql_mode` the server takes nearly
//! anything and stores what it makes of it, which is all that counts: `SELECT` says what it stored.

use fastrand::Rng;

use super::{compare::Compare, documents, texts};

type Random = Box<dyn Fn(&mut Rng) -> String>;

pub struct Type {
    pub sql: String,
    pub compare: Compare,
    pub edges: Vec<String>,
    pub random: Random,
    /// The length for a key's prefix; `None`: cannot stand in a key.
    pub key: Option<&'static str>,
    /// Whether the server can make up a value where NULL is not allowed.
    pub has_default: bool,
}

impl Type {
    pub fn new(sql: &str, compare: Compare, edges: Vec<String>, random: Random) -> Self {
        Self {
            sql: sql.into(),
            compare,
            edges,
            random,
            key: None,
            has_default: true,
        }
    }

    pub fn value(&self, rng: &mut Rng) -> String {
        if rng.u8(..4) == 0 {
            self.edges[rng.usize(..self.edges.len())].clone()
        } else {
            (self.random)(rng)
        }
    }
}

pub fn strings(values: &[&str]) -> Vec<String> {
    values.iter().map(|value| (*value).to_owned()).collect()
}

fn quoted(values: &[&str]) -> Vec<String> {
    values.iter().map(|value| format!("'{value}'")).collect()
}

/// All of them, by family.
pub fn families() -> Vec<(&'static str, Vec<Type>)> {
    vec![
        ("integers", integers()),
        ("fractions", fractions()),
        ("bits", bits()),
        ("dates", dates()),
        ("times", times()),
        ("characters", texts::characters()),
        ("labels", texts::labels()),
        ("binaries", binaries()),
        ("documents", documents::documents()),
        ("shapes", documents::shapes()),
    ]
}

fn integers() -> Vec<Type> {
    let mut types = Vec::new();
    for (name, bits) in [
        ("TINYINT", 8),
        ("SMALLINT", 16),
        ("MEDIUMINT", 24),
        ("INT", 32),
        ("BIGINT", 64),
    ] {
        for option in ["", " UNSIGNED", " ZEROFILL"] {
            let mut edges: Vec<String> = Vec::new();
            let widths = (1..8).map(|byte| byte * 8).filter(|width| *width < bits);
            for power in widths.chain([bits - 1, bits]) {
                let power = 1_i128 << power;
                edges.extend([power, power - 1, -power, -power - 1].map(|it| it.to_string()));
            }
            edges.extend(["0", "1", "-1"].map(String::from));
            let random = move |rng: &mut Rng| {
                let number = rng.i64(..) >> rng.u8(..64);
                if option.is_empty() {
                    number.to_string()
                } else {
                    number.cast_unsigned().to_string()
                }
            };
            let mut column = Type::new(
                &format!("{name}{option}"),
                Compare::Number,
                edges,
                Box::new(random),
            );
            column.key = Some("");
            types.push(column);
        }
    }
    types.push(Type::new(
        "TINYINT(1)",
        Compare::Number,
        strings(&["-1", "2", "TRUE"]),
        Box::new(|rng| rng.i8(..).to_string()),
    ));
    types.push(Type::new(
        "YEAR",
        Compare::Number,
        quoted(&["0000", "1901", "2155", "1999", "0", "70", "69"]),
        Box::new(|rng| rng.u16(1901..=2155).to_string()),
    ));
    types
}

fn fractions() -> Vec<Type> {
    let floats = || {
        strings(&[
            "0",
            "-0e0",
            "1",
            "1.5",
            "-3.4",
            "0.1e0",
            "0.1e0 + 0.2e0",
            "16777217",
            "8388608.5e0",
            "3.4028234663852886e38",
            "-3.4028234663852886e38",
            "1.17549435e-38",
            "1.401298464324817e-45",
            "1e-45",
            "1e10",
            "123456.789e0",
            "1e308",
            "1.7976931348623157e308",
            "-1.7976931348623157e308",
            "2.2250738585072014e-308",
            "5e-324",
            "9007199254740993",
            "1e15",
            "1e16",
            "1e21",
            "1e-5",
            "1e-7",
        ])
    };
    let random = || -> Random {
        Box::new(|rng| {
            let number = if rng.bool() {
                f64::from_bits(rng.u64(..))
            } else {
                f64::from(f32::from_bits(rng.u32(..)))
            };
            let number = if number.is_finite() { number } else { 1.25 };
            format!("{number:e}")
        })
    };
    let mut types = Vec::new();
    for sql in ["FLOAT", "FLOAT UNSIGNED", "FLOAT(7,3)", "FLOAT(24)"] {
        types.push(Type::new(sql, Compare::Float, floats(), random()));
    }
    for sql in [
        "DOUBLE",
        "DOUBLE ZEROFILL",
        "DOUBLE(12,4)",
        "FLOAT(53)",
        "REAL",
    ] {
        types.push(Type::new(sql, Compare::Double, floats(), random()));
    }
    let shapes: [(usize, usize, &str); 16] = [
        (1, 0, ""),
        (1, 1, ""),
        (5, 5, ""),
        (9, 0, ""),
        (9, 9, ""),
        (10, 2, ""),
        (10, 2, " UNSIGNED"),
        (12, 3, " ZEROFILL"),
        (18, 9, ""),
        (19, 9, ""),
        (20, 10, ""),
        (30, 30, ""),
        (38, 10, ""),
        (65, 0, ""),
        (65, 30, ""),
        (64, 29, ""),
    ];
    for (precision, scale, option) in shapes {
        types.push(decimal(precision, scale, option));
    }
    types
}

fn decimal(precision: usize, scale: usize, option: &str) -> Type {
    let whole = "9".repeat(precision - scale);
    let part = "9".repeat(scale);
    let edges = vec![
        "0".into(),
        "-0.0".into(),
        format!("{whole}.{part}"),
        format!("-{whole}.{part}"),
        format!("0.{}1", "0".repeat(scale.saturating_sub(1))),
        format!("-0.{}1", "0".repeat(scale.saturating_sub(1))),
        "1".into(),
        "-0.5".into(),
        "100000000.000000001".into(),
        "1000000000".into(),
    ];
    let random = move |rng: &mut Rng| {
        let digits = |rng: &mut Rng, most: usize| -> String {
            let count = rng.usize(..=most);
            (0..count).map(|_| rng.digit(10)).collect()
        };
        let sign = if rng.bool() { "-" } else { "" };
        let whole = digits(rng, precision - scale);
        format!("{sign}0{whole}.{}", digits(rng, scale))
    };
    let sql = format!("DECIMAL({precision},{scale}){option}");
    let mut column = Type::new(&sql, Compare::Decimal, edges, Box::new(random));
    column.key = Some("");
    column
}

fn bits() -> Vec<Type> {
    let bits = |width: u32| {
        let all = u64::MAX >> (64 - width);
        let edges = vec![
            "0".into(),
            "1".into(),
            all.to_string(),
            (1_u64 << (width - 1)).to_string(),
            (all / 3).to_string(),
        ];
        let random = move |rng: &mut Rng| (rng.u64(..) & all).to_string();
        Type::new(
            &format!("BIT({width})"),
            Compare::Number,
            edges,
            Box::new(random),
        )
    };
    let mut types: Vec<Type> = (1..=64).map(bits).collect();
    types.push(Type::new(
        "BIT",
        Compare::Number,
        strings(&["b'1'", "b'0'"]),
        Box::new(|rng| rng.u8(..2).to_string()),
    ));
    types
}

/// Up to six digits and, more often than chance has it, some that the column rounds.
fn fraction(rng: &mut Rng) -> String {
    match rng.u8(..4) {
        0 => String::new(),
        1 => ".9999995".into(),
        _ => format!(".{:06}", rng.u32(..1_000_000)),
    }
}

fn dates() -> Vec<Type> {
    let date = |rng: &mut Rng, first_year: u16, last_year: u16| {
        let (year, month, day) = (
            rng.u16(first_year..=last_year),
            rng.u8(1..=12),
            rng.u8(1..=28),
        );
        format!("{year:04}-{month:02}-{day:02}")
    };
    let clock = |rng: &mut Rng| {
        let (hours, minutes, seconds) = (rng.u8(..24), rng.u8(..60), rng.u8(..60));
        format!("{hours:02}:{minutes:02}:{seconds:02}{}", fraction(rng))
    };
    let mut types = vec![Type::new(
        "DATE",
        Compare::Plain,
        quoted(&[
            "0000-00-00",
            "2024-00-00",
            "2024-02-00",
            "0000-01-01",
            "0001-01-01",
            "0999-12-31",
            "1000-01-01",
            "2024-02-29",
            "9999-12-31",
            "2024-02-30",
            "70-1-2",
        ]),
        Box::new(move |rng| format!("'{}'", date(rng, 0, 9999))),
    )];
    for fsp in 0..=6 {
        types.push(Type::new(
            &format!("DATETIME({fsp})"),
            Compare::Plain,
            quoted(&[
                "0000-00-00 00:00:00",
                "0000-00-00 00:00:00.000001",
                "2024-00-00 01:02:03.4",
                "2024-02-00 23:59:59.999999",
                "0000-01-01 00:00:00",
                "1000-01-01 00:00:00.1",
                "9999-12-31 23:59:59.999999",
                "9999-12-31 23:59:59.4",
                "2024-02-29 12:00:00.5",
                "1969-12-31 23:59:59.9",
            ]),
            Box::new(move |rng| format!("'{} {}'", date(rng, 0, 9998), clock(rng))),
        ));
        types.push(Type::new(
            &format!("TIMESTAMP({fsp})"),
            Compare::Plain,
            quoted(&[
                "0000-00-00 00:00:00",
                "1970-01-01 00:00:01",
                "1970-01-01 00:00:01.000001",
                "2038-01-19 03:14:07.999999",
                "2038-01-19 03:14:07",
                "2024-03-31 02:30:00.1",
                "2000-02-29 23:59:59.99",
                "2024-10-27 02:30:00",
            ]),
            Box::new(move |rng| format!("'{} {}'", date(rng, 1971, 2037), clock(rng))),
        ));
    }
    types
}

fn times() -> Vec<Type> {
    let time = |fsp: u8| {
        let random = |rng: &mut Rng| {
            let sign = if rng.bool() { "-" } else { "" };
            let (hours, minutes, seconds) = (rng.u16(..=838), rng.u8(..60), rng.u8(..59));
            format!("'{sign}{hours}:{minutes:02}:{seconds:02}{}'", fraction(rng))
        };
        Type::new(
            &format!("TIME({fsp})"),
            Compare::Plain,
            quoted(&[
                "-838:59:59.999999",
                "838:59:59",
                "838:59:58.999999",
                "-838:59:58.9",
                "00:00:00",
                "-00:00:00.000001",
                "-00:00:00.1",
                "-00:00:00.99",
                "-00:00:01",
                "-00:00:01.000001",
                "-00:01:00.5",
                "-01:00:00.9999",
                "-23:59:59.99",
                "100:00:00.01",
                "00:00:00.000001",
                "23:59:59.999999",
                "-256:00:00.256",
            ]),
            Box::new(random),
        )
    };
    (0..=6).map(time).collect()
}

fn binaries() -> Vec<Type> {
    let bytes = |most: usize| -> Random {
        Box::new(move |rng| {
            let count = rng.usize(..=most);
            let bytes = (0..count).map(|_| rng.u8(..) & rng.u8(..));
            hex(bytes)
        })
    };
    let edges = || {
        strings(&[
            "''",
            "x'00'",
            "x'0000'",
            "x'01ff00'",
            "x'000001'",
            "x'20'",
            "x'2000'",
            "x'5c27220a0d'",
            "REPEAT(x'00', 255)",
            "REPEAT(x'fe', 255)",
            "REPEAT(x'ab00', 128)",
            "REPEAT(x'cd', 65535)",
            "REPEAT(x'ef', 65536)",
        ])
    };
    let mut types = Vec::new();
    let keyed = [
        ("BINARY(1)", ""),
        ("BINARY(4)", ""),
        ("BINARY(16)", "(3)"),
        ("BINARY(255)", "(9)"),
        ("VARBINARY(1)", ""),
        ("VARBINARY(255)", "(20)"),
        ("VARBINARY(256)", "(2)"),
        ("VARBINARY(9000)", "(7)"),
        ("TINYBLOB", "(4)"),
        ("BLOB", "(8)"),
        ("MEDIUMBLOB", "(1)"),
        ("LONGBLOB", "(2)"),
        ("CHAR(9) CHARACTER SET binary", ""),
        ("TEXT CHARACTER SET binary", "(3)"),
    ];
    for (sql, key) in keyed {
        let mut column = Type::new(sql, Compare::Base64, edges(), bytes(60));
        column.key = Some(key);
        types.push(column);
    }
    types
}

/// `x'...'`
pub fn hex(bytes: impl IntoIterator<Item = u8>) -> String {
    const DIGITS: [u8; 16] = *b"0123456789abcdef";
    let bytes = bytes.into_iter();
    let mut text = Vec::with_capacity(bytes.size_hint().0 * 2 + 3);
    text.extend_from_slice(b"x'");
    for byte in bytes {
        text.push(DIGITS[usize::from(byte >> 4)]);
        text.push(DIGITS[usize::from(byte & 15)]);
    }
    text.push(b'\'');
    String::from_utf8(text).expect("digits are ASCII")
}
