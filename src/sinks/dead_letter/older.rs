//! Letters of older versions, which are only read: they describe the columns one by one in place of the log's
//! TABLE_MAP, and say of a statement nothing but its text.

use std::sync::Arc;

use headwater_binlog::{
    charset::Charset,
    ddl::{self, Context, StatementClass, Subject},
    event::Dialect,
    schema::{Column, ColumnKind, Table, TableName},
};
use serde::{Deserialize, Deserializer};

use super::body::Error;

#[derive(Deserialize)]
pub struct ColumnBody {
    name: String,
    #[serde(flatten, deserialize_with = "KindBody::deserialize")]
    kind: ColumnKind,
    #[serde(default)]
    nullable: bool,
    #[serde(default)]
    invisible: bool,
}

#[derive(Deserialize)]
#[serde(remote = "ColumnKind", tag = "type", rename_all = "lowercase")]
enum KindBody {
    TinyInt {
        unsigned: bool,
    },
    SmallInt {
        unsigned: bool,
    },
    MediumInt {
        unsigned: bool,
    },
    Int {
        unsigned: bool,
    },
    BigInt {
        unsigned: bool,
    },
    Float,
    Double,
    Decimal {
        precision: u8,
        scale: u8,
    },
    Bit {
        bits: u8,
    },
    Year,
    Date,
    #[serde(rename = "old_time")]
    OldTime,
    #[serde(rename = "old_datetime")]
    OldDateTime,
    #[serde(rename = "old_timestamp")]
    OldTimestamp,
    Time {
        fsp: u8,
    },
    DateTime {
        fsp: u8,
    },
    Timestamp {
        fsp: u8,
    },
    Text {
        length_bytes: u8,
        #[serde(rename = "collation", deserialize_with = "charset")]
        charset: Charset,
    },
    #[serde(rename = "long_text")]
    LongText {
        length_bytes: u8,
        #[serde(rename = "collation", deserialize_with = "charset")]
        charset: Charset,
    },
    Binary {
        length_bytes: u8,
        pad_to: u32,
    },
    Blob {
        length_bytes: u8,
    },
    Enum {
        bytes: u8,
        #[serde(deserialize_with = "labels")]
        labels: Arc<[String]>,
    },
    Set {
        bytes: u8,
        #[serde(deserialize_with = "labels")]
        labels: Arc<[String]>,
    },
    Json {
        length_bytes: u8,
    },
    Geometry {
        length_bytes: u8,
    },
    Vector {
        length_bytes: u8,
    },
}

/// The number of a collation that has it.
fn charset<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Charset, D::Error> {
    u64::deserialize(deserializer).map(Charset::of_collation)
}

fn labels<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Arc<[String]>, D::Error> {
    Vec::deserialize(deserializer).map(Arc::from)
}

/// What the statement is about, by its text; whose server ran it is not known.
pub fn subject(text: &str, default_database: &str, sql_mode: u64) -> Result<Subject, Error> {
    let subject = |dialect| {
        let context = Context {
            default_database,
            sql_mode,
            dialect,
            ..Context::default()
        };
        match ddl::classify(text, &context) {
            StatementClass::Published(subject) => Some(subject),
            _ => None,
        }
    };
    subject(Dialect::MySql)
        .or_else(|| subject(Dialect::MariaDb))
        .ok_or(Error::Missing("table or database that the statement names"))
}

pub fn table(
    name: TableName,
    columns: Vec<ColumnBody>,
    primary_key: Vec<usize>,
) -> Result<Table, Error> {
    if primary_key.iter().any(|index| columns.len() <= *index) {
        return Err(Error::Missing("column for its primary key"));
    }
    let column = |body: ColumnBody| Column {
        name: body.name,
        kind: body.kind,
        nullable: body.nullable,
        visible: !body.invisible,
    };
    let columns = columns.into_iter().map(column).collect();
    Ok(Table::new(name, columns, primary_key))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_that_was_written_is_read() {
        let unsigned = true;
        let labels: Arc<[String]> = Arc::from(["ä".to_owned(), String::new()]);
        let kinds = [
            (
                r#"tinyint","unsigned":true"#,
                ColumnKind::TinyInt { unsigned },
            ),
            (
                r#"smallint","unsigned":true"#,
                ColumnKind::SmallInt { unsigned },
            ),
            (
                r#"mediumint","unsigned":true"#,
                ColumnKind::MediumInt { unsigned },
            ),
            (r#"int","unsigned":true"#, ColumnKind::Int { unsigned }),
            (
                r#"bigint","unsigned":true"#,
                ColumnKind::BigInt { unsigned },
            ),
            (r#"float""#, ColumnKind::Float),
            (r#"double""#, ColumnKind::Double),
            (
                r#"decimal","precision":65,"scale":30"#,
                ColumnKind::Decimal {
                    precision: 65,
                    scale: 30,
                },
            ),
            (r#"bit","bits":64"#, ColumnKind::Bit { bits: 64 }),
            (r#"year""#, ColumnKind::Year),
            (r#"date""#, ColumnKind::Date),
            (r#"old_time""#, ColumnKind::OldTime),
            (r#"old_datetime""#, ColumnKind::OldDateTime),
            (r#"old_timestamp""#, ColumnKind::OldTimestamp),
            (r#"time","fsp":6"#, ColumnKind::Time { fsp: 6 }),
            (r#"datetime","fsp":3"#, ColumnKind::DateTime { fsp: 3 }),
            (r#"timestamp","fsp":0"#, ColumnKind::Timestamp { fsp: 0 }),
            (
                r#"text","length_bytes":1,"collation":8"#,
                ColumnKind::Text {
                    length_bytes: 1,
                    charset: Charset::Latin1,
                },
            ),
            (
                r#"long_text","length_bytes":3,"collation":8"#,
                ColumnKind::LongText {
                    length_bytes: 3,
                    charset: Charset::Latin1,
                },
            ),
            (
                r#"binary","length_bytes":2,"pad_to":300"#,
                ColumnKind::Binary {
                    length_bytes: 2,
                    pad_to: 300,
                },
            ),
            (
                r#"blob","length_bytes":4"#,
                ColumnKind::Blob { length_bytes: 4 },
            ),
            (
                r#"enum","bytes":1,"labels":["ä",""]"#,
                ColumnKind::Enum {
                    bytes: 1,
                    labels: Arc::clone(&labels),
                },
            ),
            (
                r#"set","bytes":8,"labels":["ä",""]"#,
                ColumnKind::Set { bytes: 8, labels },
            ),
            (
                r#"json","length_bytes":4"#,
                ColumnKind::Json { length_bytes: 4 },
            ),
            (
                r#"geometry","length_bytes":4"#,
                ColumnKind::Geometry { length_bytes: 4 },
            ),
            (
                r#"vector","length_bytes":4"#,
                ColumnKind::Vector { length_bytes: 4 },
            ),
        ];
        for (text, kind) in kinds {
            let text = format!(r#"{{"name":"c","type":"{text},"nullable":true,"invisible":true}}"#);
            let body: ColumnBody = serde_json::from_str(&text).expect("a column");
            assert_eq!(
                (body.kind, body.nullable, body.invisible),
                (kind, true, true)
            );
        }
    }
}
