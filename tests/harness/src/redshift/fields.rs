//! A document as a row of PostgreSQL's COPY in its text format: whole, or key by key into columns.

use std::collections::BTreeMap;

use serde_json::value::RawValue;

use super::{Shape, documents::Document};

#[derive(Debug, PartialEq, Eq)]
pub(super) struct Column {
    pub name: String,
    pub kind: Kind,
}

#[derive(Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// SUPER.
    Json,
    /// VARCHAR(n) and CHAR(n), n in bytes, as Redshift counts.
    Text {
        bytes_max: usize,
    },
    Other,
}

/// The document as the one value of a row.
pub(super) fn whole(document: &Document<'_>, rows: &mut Vec<u8>) {
    escape(document.text, rows);
    rows.push(b'\n');
}

/// Its keys as the values of these columns: a missing one is NULL, one without a column is left out.
pub(super) fn by_key(
    document: &Document<'_>,
    columns: &[Column],
    shape: Shape,
    rows: &mut Vec<u8>,
) -> Result<(), String> {
    let parsed: Result<BTreeMap<String, &RawValue>, _> = serde_json::from_str(document.text);
    let fields = parsed.map_err(|error| format!("invalid JSON: {error}"))?;
    let mut fields: BTreeMap<String, &RawValue> = match shape {
        Shape::AutoIgnoreCase => fields
            .into_iter()
            .map(|(key, value)| (key.to_lowercase(), value))
            .collect(),
        Shape::Auto | Shape::Noshred => fields,
    };
    for (at, column) in columns.iter().enumerate() {
        if at > 0 {
            rows.push(b'\t');
        }
        let value = match shape {
            Shape::AutoIgnoreCase => fields.remove(&column.name.to_lowercase()),
            Shape::Auto | Shape::Noshred => fields.remove(&column.name),
        };
        write(column, value.map(RawValue::get), rows)
            .map_err(|reason| format!("column \"{}\": {reason}", column.name))?;
    }
    rows.push(b'\n');
    Ok(())
}

fn write(column: &Column, value: Option<&str>, rows: &mut Vec<u8>) -> Result<(), String> {
    let Some(value) = value.filter(|value| *value != "null") else {
        rows.extend_from_slice(b"\\N");
        return Ok(());
    };
    if column.kind == Kind::Json {
        escape(value, rows);
        return Ok(());
    }
    if value.starts_with(['{', '[']) {
        return Err("nested data needs a SUPER column".into());
    }
    let text = match value.starts_with('"') {
        true => serde_json::from_str(value).map_err(|error| error.to_string())?,
        false => value.to_owned(),
    };
    match column.kind {
        Kind::Text { bytes_max } if text.len() > bytes_max => Err(format!(
            "a value of {} bytes exceeds the column's {bytes_max}",
            text.len()
        )),
        _ => {
            escape(&text, rows);
            Ok(())
        }
    }
}

fn escape(text: &str, rows: &mut Vec<u8>) {
    for byte in text.bytes() {
        match byte {
            b'\\' => rows.extend_from_slice(b"\\\\"),
            b'\n' => rows.extend_from_slice(b"\\n"),
            b'\r' => rows.extend_from_slice(b"\\r"),
            b'\t' => rows.extend_from_slice(b"\\t"),
            byte => rows.push(byte),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(text: &str, shape: Shape) -> Result<String, String> {
        let column = |name: &str, kind| Column {
            name: name.into(),
            kind,
        };
        let columns = [
            column("id", Kind::Other),
            column("name", Kind::Text { bytes_max: 4 }),
            column("more", Kind::Json),
        ];
        let mut rows = Vec::new();
        by_key(&Document { line: 1, text }, &columns, shape, &mut rows)?;
        Ok(String::from_utf8_lossy(&rows).into_owned())
    }

    #[test]
    fn keys_are_columns_and_what_is_missing_is_null() {
        let text =
            r#"{"more":{"a":[1.10]},"extra":1,"ID":7,"id":12345678901234567890,"name":"a\tb"}"#;
        assert_eq!(
            row(text, Shape::Auto),
            Ok("12345678901234567890\ta\\tb\t{\"a\":[1.10]}\n".into())
        );
        assert_eq!(row("{\"Id\":7}", Shape::Auto), Ok("\\N\t\\N\t\\N\n".into()));
        assert_eq!(
            row("{\"Id\":7,\"more\":null}", Shape::AutoIgnoreCase),
            Ok("7\t\\N\t\\N\n".into())
        );
    }

    #[test]
    fn what_does_not_fit_its_column_is_an_error_that_names_it() {
        let long = row("{\"name\":\"ééé\"}", Shape::Auto);
        let said = "column \"name\": a value of 6 bytes exceeds the column's 4";
        assert_eq!(long, Err(said.into()));
        let nested = row("{\"id\":[1]}", Shape::Auto);
        let said = "column \"id\": nested data needs a SUPER column";
        assert_eq!(nested, Err(said.into()));
    }
}
