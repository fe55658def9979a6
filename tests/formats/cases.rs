//! Every column type with edge values, and what each format must write of it, as SQL.

use crate::compare::{Expect, Form};

pub struct Case {
    pub sql: String,
    pub values: Vec<String>,
    pub maxwell: Expect,
    pub debezium: Expect,
    /// DECIMAL as string, BIGINT UNSIGNED precise, times as ISO text, binary in hexadecimal.
    pub other_modes: Expect,
}

impl Case {
    pub fn is_nullable(&self) -> bool {
        !self.sql.contains("NOT NULL")
    }

    fn other(mut self, sql: &str, form: Form) -> Self {
        self.other_modes = Expect::new(sql, form);
        self
    }

    fn debezium(mut self, sql: &str, form: Form) -> Self {
        self.debezium = Expect::new(sql, form);
        self.other(sql, form)
    }
}

/// The same in all formats, unless the case goes on to say otherwise.
fn case(sql: &str, values: &[&str], expected: &str, form: Form) -> Case {
    let expect = Expect::new(expected, form);
    Case {
        sql: sql.into(),
        values: values.iter().map(|value| (*value).to_owned()).collect(),
        maxwell: expect.clone(),
        debezium: expect.clone(),
        other_modes: expect,
    }
}

pub fn cases() -> Vec<Case> {
    let mut cases = numbers();
    cases.extend(dates());
    cases.extend(times());
    cases.extend(texts());
    cases.extend(others());
    cases
}

fn numbers() -> Vec<Case> {
    let number = |sql: &str, values: &[&str]| case(sql, values, "{} + 0", Form::Raw);
    let decimal = |sql: &str, values: &[&str]| {
        case(sql, values, "{}", Form::Text)
            .debezium("{}", Form::Unscaled)
            .other("{}", Form::Text)
    };
    let mut cases = vec![
        number("TINYINT(1)", &["0", "1", "-128"]),
        number("TINYINT UNSIGNED", &["255"]),
        number("SMALLINT", &["-32768", "32767"]),
        number("MEDIUMINT UNSIGNED", &["16777215"]),
        number("MEDIUMINT", &["-8388608"]),
        number("INT UNSIGNED ZEROFILL", &["42", "4294967295"]),
        number("BIGINT", &["-9223372036854775808", "9223372036854775807"]),
        number(
            "BIGINT UNSIGNED",
            &["0", "9223372036854775808", "18446744073709551615"],
        )
        .debezium("CAST({} AS SIGNED)", Form::Raw)
        .other("{}", Form::Unscaled),
        number("YEAR", &["'0000'", "1901", "2155"]),
        case(
            "FLOAT",
            &["3.4", "-0e0", "1e-45", "1e10", "3.4028234663852886e38"],
            "{} * 1e0",
            Form::Float,
        ),
        case(
            "DOUBLE",
            &["0.1e0", "-0e0", "5e-324", "1e300", "1e15"],
            "{} * 1e0",
            Form::Double,
        ),
        decimal(
            "DECIMAL(5,2)",
            &["123.45", "-1.00", "0", "-999.99", "1.28", "2.55"],
        ),
        decimal(
            "DECIMAL(65,30)",
            &[
                "99999999999999999999999999999999999.999999999999999999999999999999",
                "-0.000000000000000000000000000001",
            ],
        ),
        decimal(
            "DECIMAL(20,0)",
            &["18446744073709551615", "-32768", "127", "128", "-129"],
        ),
        number("BIT(1)", &["b'1'", "b'0'"])
            .debezium("IF({} IS NULL, NULL, IF({}, 'true', 'false'))", Form::Raw),
    ];
    for decimal in cases
        .iter_mut()
        .filter(|case| case.sql.starts_with("DECIMAL"))
    {
        decimal.maxwell = Expect::new("{}", Form::Digits);
    }
    for (bits, values) in [
        (9, ["b'100000101'", "0"]),
        (32, ["2147483648", "1"]),
        (64, ["18446744073709551615", "1"]),
    ] {
        let bytes = format!(
            "REVERSE(UNHEX(LPAD(HEX({{}} + 0), {}, '0')))",
            2 * u32::div_ceil(bits, 8)
        );
        cases.push(
            number(&format!("BIT({bits})"), &values)
                .debezium(&format!("TO_BASE64({bytes})"), Form::Base64)
                .other(&format!("LOWER(HEX({bytes}))"), Form::Text),
        );
    }
    cases
}

/// The expression, and NULL where the value is no day.
fn of_day(expression: &str) -> String {
    format!("IF(MONTH({{}}) = 0 OR DAYOFMONTH({{}}) = 0, NULL, {expression})")
}

fn dates() -> Vec<Case> {
    const TRIMMED: &str = "TRIM(TRAILING '.' FROM TRIM(TRAILING '0' FROM {}))";
    let dates = [
        "'2024-02-03'",
        "'0000-00-00'",
        "'2024-00-00'",
        "'1969-12-31'",
        "'9999-12-31'",
        "'0001-01-01'",
    ];
    let times = [
        "'2024-02-03 04:05:06.123456'",
        "'0000-00-00 00:00:00'",
        "'2024-02-00 01:02:03'",
        "'1970-01-01 00:00:00.5'",
        "'9999-12-31 23:59:59'",
        "'1969-12-31 23:59:59.25'",
    ];
    let stamps = [
        "'2024-02-03 04:05:06.120000'",
        "'0000-00-00 00:00:00'",
        "'1970-01-01 00:00:01'",
        "'2038-01-19 03:14:07'",
    ];
    let days = of_day("DATEDIFF({}, '1970-01-01')");
    let mut cases = vec![
        case("DATE", &dates, "{}", Form::Text)
            .debezium(&days, Form::Raw)
            .other(&of_day("CONCAT({}, 'Z')"), Form::Text),
        case("DATE NOT NULL", &dates, "{}", Form::Text)
            .debezium(&format!("COALESCE({days}, 0)"), Form::Raw)
            .other(
                &format!("COALESCE({}, '1970-01-01Z')", of_day("CONCAT({}, 'Z')")),
                Form::Text,
            ),
    ];
    for fsp in [0, 1, 3, 4, 6] {
        let micros = "TIMESTAMPDIFF(MICROSECOND, '1970-01-01 00:00:00', {})";
        let number = if fsp > 3 {
            micros.to_owned()
        } else {
            format!("FLOOR({micros} / 1000)")
        };
        let shown = if fsp == 0 { "{}" } else { TRIMMED };
        let iso = of_day(&format!("CONCAT(REPLACE({shown}, ' ', 'T'), 'Z')"));
        cases.push(
            case(&format!("DATETIME({fsp})"), &times, "{}", Form::Text)
                .debezium(&of_day(&number), Form::Raw)
                .other(&iso, Form::Text),
        );
        let zoned = of_day("CONCAT(REPLACE({}, ' ', 'T'), 'Z')");
        cases.push(
            case(&format!("TIMESTAMP({fsp}) NULL"), &stamps, "{}", Form::Text)
                .debezium(&zoned, Form::Text),
        );
    }
    cases
}

fn times() -> Vec<Case> {
    let values = [
        "'04:05:06.789012'",
        "'-838:59:59'",
        "'838:59:59'",
        "'-00:00:00.5'",
        "'00:00:00'",
        "'-101:02:03.25'",
    ];
    let micros = "TIMESTAMPDIFF(MICROSECOND, '2000-01-01 00:00:00', \
         ADDTIME(CAST('2000-01-01 00:00:00' AS DATETIME(6)), {}))";
    let time = |fsp: u8| {
        let iso = match fsp {
            0 => "CONCAT({}, 'Z')",
            _ => "CONCAT(TRIM(TRAILING '.' FROM TRIM(TRAILING '0' FROM {})), 'Z')",
        };
        case(&format!("TIME({fsp})"), &values, "{}", Form::Text)
            .debezium(micros, Form::Raw)
            .other(iso, Form::Text)
    };
    [0, 1, 3, 6].map(time).into()
}

fn texts() -> Vec<Case> {
    let values = ["''", "'say \"hi\" \\\\ \\n'", "'caf\u{e9}'"];
    let text = |sql| case(sql, &values, "CONVERT({} USING utf8mb4)", Form::Text);
    let binary = |sql| {
        case(
            sql,
            &["x'00'", "x'01ff00'", "REPEAT(x'ab', 200)", "''"],
            "TO_BASE64({})",
            Form::Base64,
        )
        .other("LOWER(HEX({}))", Form::Text)
    };
    vec![
        text("CHAR(20)"),
        text("VARCHAR(300) CHARACTER SET latin1"),
        text("TEXT CHARACTER SET utf16"),
        text("VARCHAR(20) CHARACTER SET gb18030"),
        case(
            "MEDIUMTEXT",
            &["'\u{1f600}'", "REPEAT('x', 70000)"],
            "{}",
            Form::Text,
        ),
        binary("BINARY(8)").values_of(&["x'00'", "x'01ff00'", "''"]),
        binary("VARBINARY(300)"),
        binary("TINYBLOB"),
        binary("LONGBLOB"),
        case(
            "ENUM('new', 'in \"use\"', 'old')",
            &["'new'", "'in \"use\"'", "'none'"],
            "IF({} + 0 = 0, NULL, {})",
            Form::Text,
        )
        .debezium("{}", Form::Text),
        case(
            "SET('a', 'b\"', 'c')",
            &["'a,c'", "''", "'a,b\",c'"],
            "{}",
            Form::Labels,
        )
        .debezium("{}", Form::Text),
    ]
}

impl Case {
    fn values_of(mut self, values: &[&str]) -> Self {
        self.values = values.iter().map(|value| (*value).to_owned()).collect();
        self
    }
}

fn others() -> Vec<Case> {
    let documents = [
        "'{\"k\": [1, 1.5, null, \"a\\\\\"b\"], \"\u{e9}\": {\"x\": true}}'",
        "'null'",
        "'\"text\"'",
        "'18446744073709551615'",
        "JSON_OBJECT('d', CAST('2024-02-29' AS DATE), 'b', CAST(x'01' AS BINARY))",
    ];
    let shapes = [
        "ST_GeomFromText('POINT(1 2)')",
        "ST_GeomFromText('POINT(10 20.5)', 4326, 'axis-order=long-lat')",
        "ST_GeomFromText('LINESTRING(0 0, 1.5 -1)')",
        "ST_GeomFromText('POLYGON((0 0, 4 0, 4 4, 0 0), (1 1, 2 1, 2 2, 1 1))')",
        "ST_GeomFromText('MULTIPOINT((1 2), (3 4))')",
        "ST_GeomFromText('MULTILINESTRING((0 0, 1 1), (2 2, 3 3))')",
        "ST_GeomFromText('MULTIPOLYGON(((0 0, 4 0, 4 4, 0 0)))')",
        "ST_GeomFromText('GEOMETRYCOLLECTION(POINT(1 2), LINESTRING(0 0, 1 1))')",
        "ST_GeomFromText('GEOMETRYCOLLECTION EMPTY')",
    ];
    let wkb = "CONCAT(TO_BASE64(ST_AsWKB({}, 'axis-order=long-lat')), ' ', \
         IF(ST_SRID({}) = 0, 'null', ST_SRID({})))";
    vec![
        case("JSON", &documents, "{}", Form::Json).debezium("{}", Form::JsonText),
        case(
            "GEOMETRY",
            &shapes,
            "ST_AsText({}, 'axis-order=long-lat')",
            Form::Wkt,
        )
        .debezium(wkb, Form::Wkb),
        case(
            "VECTOR(3)",
            &["TO_VECTOR('[1.5,-0.1,3e38]')", "TO_VECTOR('[0,-1,1e-7]')"],
            "HEX({})",
            Form::Vector,
        ),
    ]
}
