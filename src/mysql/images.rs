//! The rows of tables as the native event writes them: by SELECT, each type by its expression.
//!
//! `docs/event-format.md` has the table of types, expressions and comparisons; this is its second column. A
//! table with a type that is not there is left out, and named; so is one with documents that stand in the
//! lines as text, which would have to be spelled as they are.

use headwater_actors::failure::Failure;
use headwater_binlog::schema::TableName;
use serde_json::{Number, Value};

use super::options::SourcePlan;
use super::{
    connection::Connection,
    error::Error,
    facts::{number, text},
    query::Row,
    session::server,
    unnamed::{is_of, quoted},
};

const DOING: &str = "read the source's tables";

/// One table, and how it is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceTable {
    pub name: TableName,
    columns: Vec<Column>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Column {
    name: String,
    expression: String,
    form: Form,
    is_key: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    Integer,
    Float,
    Double,
    Text,
    Base64,
    Json,
    Vector,
}

/// What a table gave.
#[derive(Debug)]
pub enum TableRead<'a> {
    /// A row: name, value, whether it is part of the primary key.
    Row(&'a TableName, Vec<(&'a str, Value, bool)>),
    /// It has no primary key, or a type that cannot be compared.
    NotCompared(&'a TableName),
    /// It is not on the server.
    Absent(&'a TableName),
}

/// What is done about columns whose JSON the lines may hold as text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum JsonColumns {
    Compared,
    /// A table that has one is not compared.
    PassedOver,
}

/// Reads the tables, row by row, in one connection.
///
/// # Errors
/// When the server does not answer, or refuses.
pub async fn read_tables(
    plan: &SourcePlan,
    json: JsonColumns,
    tables: &[TableName],
    take: &mut dyn FnMut(TableRead<'_>) -> Result<(), Failure>,
) -> Result<(), Failure> {
    let mut server = server(plan).await?;
    server.execute(DOING, "SET time_zone = '+00:00'").await?;
    for name in tables {
        match describe(&mut server, json, name).await? {
            None => take(TableRead::Absent(name))?,
            Some(Err(())) => take(TableRead::NotCompared(name))?,
            Some(Ok(table)) => {
                let read = rows(&mut server.conn, &table, take).await;
                read.map_err(|error| match error {
                    Failed::Sql(error) => server.failure(DOING, error),
                    Failed::Value => Failure::definite(format!(
                        "{DOING}: {name} has a value that has no native form"
                    )),
                    Failed::Taker(failure) => failure,
                })?;
            }
        }
    }
    server.leave().await;
    Ok(())
}

/// `Err`: it cannot be compared.
async fn describe(
    server: &mut super::facts::Server,
    json: JsonColumns,
    name: &TableName,
) -> Result<Option<Result<SourceTable, ()>>, Failure> {
    let is_of_it = is_of(name);
    let sql = format!(
        "SELECT column_name, data_type, column_type, \
        EXISTS(SELECT 1 FROM information_schema.key_column_usage k WHERE k.table_schema = c.table_schema \
        AND k.table_name = c.table_name AND k.column_name = c.column_name AND k.constraint_name = 'PRIMARY') \
        FROM information_schema.columns c WHERE {is_of_it} ORDER BY ordinal_position"
    );
    let rows = server.rows(DOING, &sql).await?;
    if rows.is_empty() {
        return Ok(None);
    }
    let columns: Option<Vec<Column>> = rows.iter().map(column).collect();
    let table = columns.map(|columns| SourceTable {
        name: name.clone(),
        columns,
    });
    let is_comparable =
        |column: &Column| column.form != Form::Json || json == JsonColumns::Compared;
    let table = table.filter(|table| {
        table.columns.iter().any(|column| column.is_key) && table.columns.iter().all(is_comparable)
    });
    Ok(Some(table.ok_or(())))
}

fn column(row: &Row) -> Option<Column> {
    let (name, kind) = (text(row, 0)?, text(row, 1)?.to_lowercase());
    let is_zerofill = text(row, 2)?.to_lowercase().contains("zerofill");
    let c = quoted(&name);
    let (form, expression) = match kind.as_str() {
        "tinyint" | "smallint" | "mediumint" | "int" | "bigint" if !is_zerofill => {
            (Form::Integer, c)
        }
        "tinyint" | "smallint" | "mediumint" | "int" | "bigint" | "bit" | "year" => {
            (Form::Integer, format!("{c} + 0"))
        }
        "float" => (Form::Float, format!("{c} * 1e0")),
        "double" if is_zerofill => (Form::Double, format!("{c} * 1e0")),
        "double" => (Form::Double, c),
        "decimal" if is_zerofill => (Form::Text, format!("{c} + 0")),
        "decimal" | "date" | "time" | "datetime" | "timestamp" => (Form::Text, c),
        "char" | "varchar" | "tinytext" | "text" | "mediumtext" | "longtext" | "enum" | "set" => {
            (Form::Text, format!("CONVERT({c} USING utf8mb4)"))
        }
        "binary" | "varbinary" | "tinyblob" | "blob" | "mediumblob" | "longblob" | "geometry"
        | "point" | "linestring" | "polygon" | "multipoint" | "multilinestring"
        | "multipolygon" | "geomcollection" | "geometrycollection" => (Form::Base64, c),
        "json" => (Form::Json, c),
        "vector" => (Form::Vector, c),
        _ => return None,
    };
    Some(Column {
        name,
        expression,
        form,
        is_key: number(row, 3)? != 0,
    })
}

enum Failed {
    Sql(Error),
    Value,
    Taker(Failure),
}

impl From<Error> for Failed {
    fn from(error: Error) -> Self {
        Self::Sql(error)
    }
}

async fn rows(
    conn: &mut Connection,
    table: &SourceTable,
    take: &mut dyn FnMut(TableRead<'_>) -> Result<(), Failure>,
) -> Result<(), Failed> {
    let expressions: Vec<&str> = table
        .columns
        .iter()
        .map(|column| column.expression.as_str())
        .collect();
    let sql = format!(
        "SELECT {} FROM {}.{}",
        expressions.join(", "),
        quoted(&table.name.database),
        quoted(&table.name.table)
    );
    conn.each(&sql, |row| {
        let mut values = Vec::with_capacity(table.columns.len());
        for (column, value) in table.columns.iter().zip(row.values()) {
            let value = match value {
                None => Value::Null,
                Some(bytes) => render(column.form, bytes).ok_or(Failed::Value)?,
            };
            values.push((column.name.as_str(), value, column.is_key));
        }
        take(TableRead::Row(&table.name, values)).map_err(Failed::Taker)
    })
    .await
}

/// What SELECT printed, as the native event writes it.
fn render(form: Form, bytes: &[u8]) -> Option<Value> {
    if form == Form::Base64 {
        return Some(base64_simd::STANDARD.encode_to_string(bytes).into());
    }
    if form == Form::Vector {
        let parts = bytes.chunks_exact(4).map(|part| part.try_into().ok());
        let floats = parts.map(|part| single(f32::from_le_bytes(part?)));
        return floats.collect::<Option<Vec<_>>>().map(Value::Array);
    }
    let text = str::from_utf8(bytes).ok()?;
    match form {
        Form::Integer => match text.parse::<u64>() {
            Ok(number) => Some(number.into()),
            Err(_) => Some(text.parse::<i64>().ok()?.into()),
        },
        Form::Float => single(text.parse::<f64>().ok()? as f32),
        Form::Double => Number::from_f64(text.parse().ok()?).map(Value::Number),
        Form::Json => serde_json::from_str(text).ok(),
        _ => Some(text.into()),
    }
}

/// The double that the shortest text of a float reads back as.
fn single(float: f32) -> Option<Value> {
    let number = float.to_string().parse().ok()?;
    Number::from_f64(number).map(Value::Number)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn values_come_out_as_the_native_event_writes_them() {
        let of = |form, text: &str| render(form, text.as_bytes());
        assert_eq!(
            of(Form::Integer, "18446744073709551615"),
            Some(json!(u64::MAX))
        );
        assert_eq!(of(Form::Integer, "-3"), Some(json!(-3)));
        assert_eq!(of(Form::Float, "3.4000000953674316"), Some(json!(3.4)));
        assert_eq!(of(Form::Double, "1"), Some(json!(1.0)));
        assert_eq!(of(Form::Text, "12.50"), Some(json!("12.50")));
        assert_eq!(of(Form::Json, r#"{"k": 1.0}"#), Some(json!({"k": 1.0})));
        let bytes = [1.5_f32, -0.1].map(f32::to_le_bytes).concat();
        assert_eq!(render(Form::Vector, &bytes), Some(json!([1.5, -0.1])));
        assert_eq!(render(Form::Base64, &[0]), Some(json!("AA==")));
    }
}
