//! A table as its server describes it now, and rows as `SELECT` prints them: read again after every
//! statement that may change either, so that nothing rests on what the generator believes.

use std::{
    collections::{BTreeMap, HashMap},
    fmt::Write as _,
    sync::Arc,
};

use anyhow::{Context, bail};
use mysql_async::{Conn, Row, Value, prelude::Queryable};

pub use crate::sql::{path, quote, shortened, text};

use crate::golden::compare::Compare;

/// The column that finds a row again; every table has it, not always as its key.
pub const ID: &str = "id";

/// A value as `SELECT` prints it.
pub type Printed = Option<Vec<u8>>;
/// Rows by id: each column in the table's order.
pub type Rows = BTreeMap<i64, Arc<Vec<Printed>>>;

#[derive(Debug, Clone)]
pub struct Column {
    pub name: String,
    pub compare: Compare,
    pub data_type: String,
    /// As in `ENUM('a','b')`.
    pub column_type: String,
    pub collation: Option<String>,
    pub is_nullable: bool,
    pub is_generated: bool,
    /// ON UPDATE CURRENT_TIMESTAMP
    pub is_touched: bool,
}

#[derive(Debug, Clone)]
pub struct Table {
    pub database: String,
    pub name: String,
    pub columns: Vec<Column>,
    /// Of each column, by name.
    places: HashMap<String, usize>,
    /// The primary key's columns, in key order.
    pub key: Vec<String>,
}

impl Column {
    pub fn has_labels(&self) -> bool {
        matches!(self.data_type.as_str(), "enum" | "set")
    }
}

impl Table {
    /// The table as the server knows it; `None` when there is none. `documents` is how lines show those.
    ///
    /// # Errors
    /// When the server does not answer.
    pub async fn read(
        conn: &mut Conn,
        documents: Compare,
        database: &str,
        name: &str,
    ) -> anyhow::Result<Option<Self>> {
        let place = format!(
            "TABLE_SCHEMA = {} AND TABLE_NAME = {}",
            text(database),
            text(name)
        );
        let columns = strings(
            conn,
            &format!(
                "SELECT COLUMN_NAME, DATA_TYPE, COLUMN_TYPE, COLLATION_NAME, IS_NULLABLE, EXTRA \
                 FROM information_schema.COLUMNS WHERE {place} ORDER BY ORDINAL_POSITION"
            ),
        )
        .await?;
        if columns.is_empty() {
            return Ok(None);
        }
        let key = strings(
            conn,
            &format!(
                "SELECT COLUMN_NAME FROM information_schema.STATISTICS WHERE {place} \
                 AND INDEX_NAME = 'PRIMARY' ORDER BY SEQ_IN_INDEX"
            ),
        )
        .await?;
        let mut key: Vec<String> = key.into_iter().flatten().flatten().collect();
        if key.is_empty() {
            // The server takes a unique key without NULL for the primary key, and logs it as such.
            let promoted = format!(
                "SELECT COLUMN_NAME FROM information_schema.COLUMNS WHERE {place} AND COLUMN_KEY = 'PRI'"
            );
            let promoted = strings(conn, &promoted).await?;
            key.extend(promoted.into_iter().flatten().flatten());
        }
        let columns: Vec<Column> = columns
            .into_iter()
            .map(|fields| column(fields, documents))
            .collect::<anyhow::Result<_>>()?;
        let names = columns.iter().enumerate();
        Ok(Some(Self {
            database: database.to_owned(),
            name: name.to_owned(),
            places: names.map(|(at, it)| (it.name.clone(), at)).collect(),
            columns,
            key,
        }))
    }

    pub fn path(&self) -> String {
        path(&self.database, &self.name)
    }

    pub fn place(&self, name: &str) -> Option<usize> {
        self.places.get(name).copied()
    }

    pub fn column(&self, name: &str) -> Option<&Column> {
        self.columns.get(self.place(name)?)
    }

    pub fn has_id_in_key(&self) -> bool {
        self.key.iter().any(|name| name == ID)
    }

    /// The rows with these ids, or all, as `SELECT` prints them now.
    ///
    /// # Errors
    /// When the server does not answer.
    pub async fn select(&self, conn: &mut Conn, ids: Option<&[i64]>) -> anyhow::Result<Rows> {
        let mut sql = format!("SELECT {ID}");
        for column in &self.columns {
            write!(sql, ", {}", column.compare.expression(&quote(&column.name)))?;
        }
        write!(sql, " FROM {}", self.path())?;
        if let Some(ids) = ids {
            if ids.is_empty() {
                return Ok(Rows::new());
            }
            write!(sql, " WHERE {ID} IN ({})", list(ids))?;
        }
        let mut rows = Rows::new();
        for mut values in printed(conn, &sql).await? {
            let id = values.remove(0).context("a row has an id")?;
            let id = std::str::from_utf8(&id)?.parse().context("read an id")?;
            rows.insert(id, Arc::new(values));
        }
        Ok(rows)
    }

    /// All rows, every column as text that tells its bytes, sorted: two servers are compared by it.
    ///
    /// # Errors
    /// When the server does not answer.
    pub async fn content(&self, conn: &mut Conn) -> anyhow::Result<Vec<Vec<Printed>>> {
        let expression = |column: &Column| {
            let name = quote(&column.name);
            match column.compare {
                Compare::Text | Compare::Base64 | Compare::Vector => format!("HEX({name})"),
                // What a document in a line has no type for (decimals, dates) is read back as a number or a
                // string. Inline, a document of NULL and NULL look the same too.
                Compare::Json => format!("NULLIF({}, 'null')", read_back(&name)),
                Compare::JsonText => read_back(&name),
                other => other.expression(&name),
            }
        };
        let expressions: Vec<String> = self.columns.iter().map(expression).collect();
        let sql = format!("SELECT {} FROM {}", expressions.join(", "), self.path());
        let mut rows = printed(conn, &sql).await?;
        rows.sort();
        Ok(rows)
    }
}

fn read_back(document: &str) -> String {
    format!("CAST(CAST(CAST({document} AS CHAR) AS JSON) AS CHAR)")
}

/// `1, 2, 3`
pub fn list(ids: &[i64]) -> String {
    let ids: Vec<String> = ids.iter().map(i64::to_string).collect();
    ids.join(", ")
}

fn column(fields: Vec<Option<String>>, documents: Compare) -> anyhow::Result<Column> {
    let [name, data_type, column_type, collation, nullable, extra] = fields.as_slice() else {
        bail!("information_schema gave {} fields", fields.len());
    };
    let field = |field: &Option<String>| field.clone().context("information_schema gave NULL");
    let data_type = field(data_type)?;
    let extra = field(extra)?;
    Ok(Column {
        name: field(name)?,
        compare: compare(&data_type, documents)?,
        data_type,
        column_type: field(column_type)?,
        collation: collation.clone(),
        is_nullable: field(nullable)? == "YES",
        is_generated: extra.contains("VIRTUAL GENERATED") || extra.contains("STORED GENERATED"),
        is_touched: extra.contains("on update"),
    })
}

fn compare(data_type: &str, documents: Compare) -> anyhow::Result<Compare> {
    Ok(match data_type {
        "tinyint" | "smallint" | "mediumint" | "int" | "bigint" | "bit" | "year" => Compare::Number,
        "float" => Compare::Float,
        "double" => Compare::Double,
        "decimal" => Compare::Decimal,
        "date" | "time" | "datetime" | "timestamp" => Compare::Plain,
        "char" | "varchar" | "tinytext" | "text" | "mediumtext" | "longtext" | "enum" | "set" => {
            Compare::Text
        }
        "binary" | "varbinary" | "tinyblob" | "blob" | "mediumblob" | "longblob" | "geometry"
        | "point" | "linestring" | "polygon" | "multipoint" | "multilinestring"
        | "multipolygon" | "geomcollection" => Compare::Base64,
        "json" => documents,
        "vector" => Compare::Vector,
        other => bail!("the column type `{other}` is not known here"),
    })
}

/// Rows as the text protocol gives them.
///
/// # Errors
/// When the query fails.
pub async fn printed(conn: &mut Conn, sql: &str) -> anyhow::Result<Vec<Vec<Printed>>> {
    let rows: Vec<Row> = conn
        .query(sql)
        .await
        .with_context(|| format!("run `{}`", shortened(sql)))?;
    let bytes = |value| match value {
        Value::NULL => Ok(None),
        Value::Bytes(bytes) => Ok(Some(bytes)),
        other => bail!("the text protocol gives text, not {other:?}"),
    };
    rows.into_iter()
        .map(|row| row.unwrap().into_iter().map(bytes).collect())
        .collect()
}

/// The same as UTF-8.
///
/// # Errors
/// When the query fails.
pub async fn strings(conn: &mut Conn, sql: &str) -> anyhow::Result<Vec<Vec<Option<String>>>> {
    let text = |value: Printed| value.map(|it| String::from_utf8_lossy(&it).into_owned());
    let rows = printed(conn, sql).await?;
    Ok(rows
        .into_iter()
        .map(|row| row.into_iter().map(text).collect())
        .collect())
}
