//! A value of a line back as SQL, and as the condition that finds it: what a consumer has to write who
//! rebuilds a table from its events.

use anyhow::Context;

use super::schema::{Column, quote};
use crate::golden::{columns::hex, compare::Compare, line::string};

/// The value as a literal that gives the column the same bytes.
///
/// # Errors
/// When the line's value is not what the column's type prints.
pub fn literal(column: &Column, raw: &str) -> anyhow::Result<String> {
    if raw == "null" {
        // In a column that takes no NULL it is the document.
        let is_document = column.compare == Compare::Json && !column.is_nullable;
        return Ok(if is_document {
            "CAST('null' AS JSON)"
        } else {
            "NULL"
        }
        .to_owned());
    }
    Ok(match column.compare {
        Compare::Number => raw.to_owned(),
        // As a double: a decimal would lose the sign of zero.
        Compare::Float => format!("{:e}", f64::from(raw.parse::<f32>()?)),
        Compare::Double => format!("{:e}", raw.parse::<f64>()?),
        Compare::Decimal => unquoted(raw)?.to_owned(),
        Compare::Plain => format!("'{}'", unquoted(raw)?),
        Compare::Text => match index(column, raw) {
            Some(index) => index.to_string(),
            None => format!("_utf8mb4 {}", hex(string(raw).bytes())),
        },
        Compare::Base64 => hex(binary(raw)?),
        Compare::Json => document(raw),
        Compare::JsonText => document(&string(raw)),
        // No number at all: what a column without a default gets, and no literal gives.
        Compare::Vector if raw == "[]" => "DEFAULT".into(),
        Compare::Vector => hex(vector(raw)?),
    })
}

fn document(text: &str) -> String {
    format!("CAST(_utf8mb4 {} AS JSON)", hex(text.bytes()))
}

/// An ENUM's label by its number, where the collation cannot tell it from another: `ENUM('A','a')`.
fn index(column: &Column, raw: &str) -> Option<usize> {
    if column.data_type != "enum" {
        return None;
    }
    let wanted = format!("'{}'", unquoted(raw).ok()?);
    let (_, labels) = labels(&column.column_type)?;
    let alike = labels.iter().filter(|it| it.eq_ignore_ascii_case(&wanted));
    let place = labels.iter().position(|label| *label == wanted)?;
    (alike.count() > 1).then_some(place + 1)
}

/// `column = value`, for a column of the primary key.
///
/// # Errors
/// As [`literal`].
pub fn equals(column: &Column, raw: &str) -> anyhow::Result<String> {
    Ok(format!(
        "{} = {}",
        quote(&column.name),
        literal(column, raw)?
    ))
}

/// The condition that holds for exactly these bytes, for a table without a key.
///
/// # Errors
/// As [`literal`].
pub fn is_exactly(column: &Column, raw: &str) -> anyhow::Result<String> {
    let name = quote(&column.name);
    if raw == "null" && column.compare != Compare::Json {
        return Ok(format!("{name} IS NULL"));
    }
    Ok(match column.compare {
        Compare::Number | Compare::Decimal => format!("{name} <=> {}", literal(column, raw)?),
        Compare::Float | Compare::Double => format!("{name} * 1e0 <=> {}", literal(column, raw)?),
        Compare::Plain => format!("CAST({name} AS CHAR) <=> {}", literal(column, raw)?),
        Compare::Text => format!(
            "CAST(CONVERT({name} USING utf8mb4) AS BINARY) <=> {}",
            hex(string(raw).bytes())
        ),
        Compare::Base64 => format!("UNHEX(HEX({name})) <=> {}", hex(binary(raw)?)),
        Compare::Vector => format!("UNHEX(HEX({name})) <=> {}", hex(vector(raw)?)),
        Compare::Json if raw == "null" => {
            format!("NULLIF(CAST({name} AS CHAR), 'null') IS NULL")
        }
        Compare::Json | Compare::JsonText => format!(
            "CAST({name} AS CHAR) <=> CAST({} AS CHAR)",
            literal(column, raw)?
        ),
    })
}

fn unquoted(raw: &str) -> anyhow::Result<&str> {
    raw.strip_prefix('"')
        .and_then(|raw| raw.strip_suffix('"'))
        .filter(|inner| !inner.contains(['"', '\\', '\'']))
        .context("a plain string was expected")
}

fn binary(raw: &str) -> anyhow::Result<Vec<u8>> {
    base64_simd::STANDARD
        .decode_to_vec(unquoted(raw)?)
        .context("read base64")
}

fn vector(raw: &str) -> anyhow::Result<Vec<u8>> {
    let numbers = raw
        .strip_prefix('[')
        .and_then(|raw| raw.strip_suffix(']'))
        .context("an array was expected")?;
    let mut bytes = Vec::new();
    for number in numbers.split(',').filter(|number| !number.is_empty()) {
        bytes.extend(number.parse::<f32>()?.to_le_bytes());
    }
    Ok(bytes)
}

/// `enum` and `'a'`, `'b'` of `enum('a','b')`, each label as it is written there.
pub fn labels(column_type: &str) -> Option<(&str, Vec<String>)> {
    let (kind, rest) = column_type.split_once('(')?;
    let inner = rest.strip_suffix(')')?;
    let mut labels = Vec::new();
    let mut label = String::new();
    let mut is_open = false;
    for character in inner.chars() {
        match character {
            '\'' => {
                is_open = !is_open;
                label.push(character);
            }
            ',' if !is_open => labels.push(std::mem::take(&mut label)),
            other => label.push(other),
        }
    }
    labels.push(label);
    Some((kind, labels))
}

#[test]
fn labels_are_cut_at_their_commas() {
    let (kind, found) = labels("set('a,b','it''s','')").expect("labels");
    assert_eq!(
        (kind, found),
        ("set", vec!["'a,b'".into(), "'it''s'".into(), "''".into()])
    );
}
