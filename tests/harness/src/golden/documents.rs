//! JSON documents, geometries, vectors.

use fastrand::Rng;

use super::{
    columns::{Type, hex, strings},
    compare::Compare,
    texts::literal,
};

/// A JSON text as the document it describes.
fn document(text: &str) -> String {
    format!("CAST({} AS JSON)", literal(text))
}

pub fn documents() -> Vec<Type> {
    let texts = [
        "null",
        "true",
        "false",
        "0",
        "-1",
        "32767",
        "32768",
        "65535",
        "65536",
        "-32768",
        "-32769",
        "2147483647",
        "2147483648",
        "-2147483648",
        "-2147483649",
        "4294967295",
        "4294967296",
        "9223372036854775807",
        "-9223372036854775808",
        "9223372036854775808",
        "18446744073709551615",
        "18446744073709551616",
        "1.0",
        "-0.0",
        "0.1",
        "1e20",
        "1e-7",
        "1e15",
        "1.5e300",
        "5e-324",
        "1.7976931348623157e308",
        "123456789012345678901234567890",
        "\"\"",
        "\"say \\\"hi\\\" \\\\ \\n\\t\\u0000\\u001f\\u007f\\/ é 😀 \\u2028\"",
        "{}",
        "[]",
        "{\"\":\"\"}",
        "{\"b\":1,\"aa\":2,\"a\":3,\"c\":{\"z\":null,\"y\":[true,false]}}",
        "[1,1.0,\"1\",[2,[3,{\"k\":[]}]]]",
        "{\"k\\\"ey\\n\":{\"é\":\"😀\"},\"日本\":0.30000000000000004}",
    ];
    let mut edges: Vec<String> = texts.iter().map(|text| document(text)).collect();
    edges.extend(strings(&[
        "JSON_ARRAY(CAST(1.50 AS DECIMAL(10,2)), CAST(-0.05 AS DECIMAL(65,30)), CAST(0 AS DECIMAL))",
        "JSON_ARRAY(CAST('12345678901234567890123456789012345.678901234567890123456789012345' AS DECIMAL(65,30)))",
        "JSON_ARRAY(0.1234567890123456789012345678901234567890, 1.5 / 3, -0.0, 1e0, 1.10)",
        "JSON_ARRAY(12345678901234567890123456789012345678901234567890123456789012345678901234567890123)",
        "JSON_ARRAY(CAST(REPEAT('9', 65) AS DECIMAL(65)), CAST(CONCAT('-0.', REPEAT('1', 30)) AS DECIMAL(30,30)))",
        "JSON_OBJECT('d', CAST('2024-02-29' AS DATE), 'z', CAST('0000-00-00' AS DATE))",
        "JSON_ARRAY(CAST('-838:59:59' AS TIME(6)), CAST('-00:00:00.5' AS TIME(1)), CAST('12:34:56.789' AS TIME(3)))",
        "JSON_ARRAY(TIMESTAMP'2024-02-03 04:05:06.000001', CAST('9999-12-31 23:59:59.999999' AS DATETIME(6)))",
        "JSON_ARRAY(CAST('0000-00-00 00:00:00' AS DATETIME), CAST('2024-00-00' AS DATE))",
        "JSON_ARRAY(b'101', x'0102ff', CAST('bin' AS BINARY(5)), CAST('' AS BINARY))",
        "JSON_ARRAY(REPEAT(CAST('0123456789' AS BINARY), 30))",
        "JSON_ARRAY(REPEAT(CAST('x' AS BINARY), 57), REPEAT(CAST('y' AS BINARY), 58))",
        "JSON_ARRAY(ST_GeomFromText('POINT(1 2)'), CAST(2024 AS YEAR), 1e0 / 3, -1e0)",
        "CAST(CAST('2024-02-03' AS DATE) AS JSON)",
        "CAST(CAST(12.50 AS DECIMAL(10,2)) AS JSON)",
        "CAST(x'cafe' AS JSON)",
        "CAST(18446744073709551615 AS JSON)",
        "CAST(CONCAT(REPEAT('[', 100), REPEAT(']', 100)) AS JSON)",
        "CAST(CONCAT(REPEAT('{\"a\":', 99), '1', REPEAT('}', 99)) AS JSON)",
        "CAST(CONCAT('[\"', REPEAT('x', 127), '\",\"', REPEAT('y', 128), '\"]') AS JSON)",
        "CAST(CONCAT('[\"', REPEAT('x', 16383), '\",\"', REPEAT('y', 16384), '\"]') AS JSON)",
        "CAST(CONCAT('[\"', REPEAT('x', 70000), '\",1,-70000,{\"k\":[1.5,null]}]') AS JSON)",
        "CAST(CONCAT('[1', REPEAT(',2', 40000), ']') AS JSON)",
    ]));
    edges.push(document(&large_object()));
    let random = |rng: &mut Rng| document(&random_document(rng, 4));
    let mut column = Type::new("JSON", Compare::Json, edges, Box::new(random));
    column.has_default = false;
    vec![column]
}

/// More keys than the small format holds.
fn large_object() -> String {
    let member = |key: u32| {
        format!(
            "\"key {key}\":{}",
            ["1", "-70000", "1.5", "\"s\"", "{}"][key as usize % 5]
        )
    };
    let members: Vec<String> = (0..9000).map(member).collect();
    format!("{{{}}}", members.join(","))
}

pub fn random_document(rng: &mut Rng, depth: u8) -> String {
    match rng.u8(..if depth == 0 { 7 } else { 10 }) {
        0 => (*rng.choice(&["null", "true", "false"]).expect("one")).to_owned(),
        1 => (rng.i64(..) >> rng.u8(..64)).to_string(),
        2 => (rng.u64(..) >> rng.u8(..64)).to_string(),
        3 => {
            let number = f64::from_bits(rng.u64(..));
            format!("{:e}", if number.is_finite() { number } else { 0.5 })
        }
        4 => format!("{}.{}", rng.i16(..), rng.u32(..)),
        5 | 6 => random_string(rng),
        7 | 8 => {
            let count = rng.usize(..6);
            let members: Vec<String> = (0..count)
                .map(|_| format!("{}:{}", random_string(rng), random_document(rng, depth - 1)))
                .collect();
            format!("{{{}}}", members.join(","))
        }
        _ => {
            let count = rng.usize(..6);
            let elements: Vec<String> = (0..count)
                .map(|_| random_document(rng, depth - 1))
                .collect();
            format!("[{}]", elements.join(","))
        }
    }
}

pub fn random_string(rng: &mut Rng) -> String {
    let length = rng.usize(..10);
    let text: String = (0..length)
        .map(|_| match rng.u8(..6) {
            0 => rng.char('\0'..' '),
            1 => *rng
                .choice(&['"', '\\', '/', '\u{7f}', 'é', '日'])
                .expect("one"),
            2 => rng.char('\u{1f300}'..'\u{1f600}'),
            _ => rng.char(' '..'~'),
        })
        .collect();
    serde_json::to_string(&text).expect("text is JSON")
}

pub fn shapes() -> Vec<Type> {
    let wkts = [
        ("POINT", "POINT(1 2)"),
        ("LINESTRING", "LINESTRING(0 0,1 1,2 0.5)"),
        (
            "POLYGON",
            "POLYGON((0 0,4 0,4 4,0 4,0 0),(1 1,2 1,2 2,1 1))",
        ),
        ("MULTIPOINT", "MULTIPOINT((0 0),(1e300 -1e-300))"),
        (
            "MULTILINESTRING",
            "MULTILINESTRING((0 0,1 1),(2 2,3 3,4 5))",
        ),
        (
            "MULTIPOLYGON",
            "MULTIPOLYGON(((0 0,1 0,1 1,0 0)),((5 5,6 5,6 6,5 5)))",
        ),
        (
            "GEOMETRYCOLLECTION",
            "GEOMETRYCOLLECTION(POINT(1 2),LINESTRING(0 0,1 1))",
        ),
    ];
    let mut types = Vec::new();
    let mut any = strings(&["ST_GeomFromText('GEOMETRYCOLLECTION EMPTY')"]);
    for (name, wkt) in wkts {
        let edges = vec![
            format!("ST_GeomFromText('{wkt}')"),
            format!("ST_GeomFromText('{wkt}', 3857)"),
        ];
        any.extend(edges.iter().cloned());
        let same = edges.clone();
        let random = move |rng: &mut Rng| same[rng.usize(..same.len())].clone();
        types.push(Type::new(name, Compare::Base64, edges, Box::new(random)));
    }
    let point = |rng: &mut Rng| {
        let (x, y) = (rng.f64() * 90.0, rng.f64() * 90.0);
        format!("ST_GeomFromText('POINT({x} {y})', 4326)")
    };
    types.push(Type::new("GEOMETRY", Compare::Base64, any, Box::new(point)));
    let here = vec!["ST_GeomFromText('POINT(48.2 16.4)', 4326)".into()];
    types.push(Type::new(
        "POINT SRID 4326",
        Compare::Base64,
        here,
        Box::new(point),
    ));
    for (sql, most) in [("VECTOR(3)", 3), ("VECTOR", 2048), ("VECTOR(16383)", 16383)] {
        let vector = move |count: usize, rng: &mut Rng| {
            let float = |rng: &mut Rng| {
                let number = f32::from_bits(rng.u32(..));
                if number.is_finite() { number } else { -0.0 }
            };
            hex((0..count).flat_map(|_| float(rng).to_le_bytes()))
        };
        let edges = vec![
            "STRING_TO_VECTOR('[1.5,-0.1]')".into(),
            "STRING_TO_VECTOR('[16777217]')".into(),
            hex([0_f32, -0.0, f32::MIN_POSITIVE]
                .iter()
                .flat_map(|it| it.to_le_bytes())),
            hex([f32::MAX, f32::MIN, 1e-45]
                .iter()
                .flat_map(|it| it.to_le_bytes())),
            vector(most, &mut Rng::with_seed(1)),
        ];
        let random = move |rng: &mut Rng| vector(rng.usize(1..=most.min(40)), rng);
        types.push(Type::new(sql, Compare::Vector, edges, Box::new(random)));
    }
    for column in &mut types {
        column.has_default = false;
    }
    types
}
