//! A table's columns in a letter: all that the row image rests on, whatever later becomes of the table.
//!
//! Kinds are named as MySQL names the types; a character set is the smallest collation number that has it.

use std::sync::Arc;

use headwater_binlog::{
    charset::Charset,
    schema::{Column, ColumnKind},
};
use serde::{Deserialize, Serialize};

/// Collation numbers are below it.
const COLLATIONS: u64 = 2048;

#[derive(Serialize, Deserialize)]
pub struct ColumnBody {
    name: String,
    #[serde(flatten)]
    kind: KindBody,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    nullable: bool,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    invisible: bool,
}

#[derive(Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum KindBody {
    Tinyint { unsigned: bool },
    Smallint { unsigned: bool },
    Mediumint { unsigned: bool },
    Int { unsigned: bool },
    Bigint { unsigned: bool },
    Float,
    Double,
    Decimal { precision: u8, scale: u8 },
    Bit { bits: u8 },
    Year,
    Date,
    OldTime,
    OldDatetime,
    OldTimestamp,
    Time { fsp: u8 },
    Datetime { fsp: u8 },
    Timestamp { fsp: u8 },
    Text { length_bytes: u8, collation: u64 },
    LongText { length_bytes: u8, collation: u64 },
    Binary { length_bytes: u8, pad_to: u32 },
    Blob { length_bytes: u8 },
    Enum { bytes: u8, labels: Vec<String> },
    Set { bytes: u8, labels: Vec<String> },
    Json { length_bytes: u8 },
    Geometry { length_bytes: u8 },
    Vector { length_bytes: u8 },
}

pub fn body(column: &Column) -> ColumnBody {
    ColumnBody {
        name: column.name.clone(),
        kind: kind_body(&column.kind),
        nullable: column.nullable,
        invisible: !column.visible,
    }
}

pub fn column(body: ColumnBody) -> Column {
    Column {
        name: body.name,
        kind: kind(body.kind),
        nullable: body.nullable,
        visible: !body.invisible,
    }
}

fn collation(charset: Charset) -> u64 {
    if let Charset::Unknown(id) = charset {
        return u64::from(id);
    }
    let mut all = 0..COLLATIONS;
    all.find(|id| Charset::of_collation(*id) == charset)
        .unwrap_or(COLLATIONS)
}

fn kind_body(kind: &ColumnKind) -> KindBody {
    use KindBody as Body;
    match *kind {
        ColumnKind::TinyInt { unsigned } => Body::Tinyint { unsigned },
        ColumnKind::SmallInt { unsigned } => Body::Smallint { unsigned },
        ColumnKind::MediumInt { unsigned } => Body::Mediumint { unsigned },
        ColumnKind::Int { unsigned } => Body::Int { unsigned },
        ColumnKind::BigInt { unsigned } => Body::Bigint { unsigned },
        ColumnKind::Float => Body::Float,
        ColumnKind::Double => Body::Double,
        ColumnKind::Decimal { precision, scale } => Body::Decimal { precision, scale },
        ColumnKind::Bit { bits } => Body::Bit { bits },
        ColumnKind::Year => Body::Year,
        ColumnKind::Date => Body::Date,
        ColumnKind::OldTime => Body::OldTime,
        ColumnKind::OldDateTime => Body::OldDatetime,
        ColumnKind::OldTimestamp => Body::OldTimestamp,
        ColumnKind::Time { fsp } => Body::Time { fsp },
        ColumnKind::DateTime { fsp } => Body::Datetime { fsp },
        ColumnKind::Timestamp { fsp } => Body::Timestamp { fsp },
        ColumnKind::Text {
            length_bytes,
            charset,
        } => Body::Text {
            length_bytes,
            collation: collation(charset),
        },
        ColumnKind::LongText {
            length_bytes,
            charset,
        } => Body::LongText {
            length_bytes,
            collation: collation(charset),
        },
        ColumnKind::Binary {
            length_bytes,
            pad_to,
        } => Body::Binary {
            length_bytes,
            pad_to,
        },
        ColumnKind::Blob { length_bytes } => Body::Blob { length_bytes },
        ColumnKind::Enum { bytes, ref labels } => Body::Enum {
            bytes,
            labels: labels.to_vec(),
        },
        ColumnKind::Set { bytes, ref labels } => Body::Set {
            bytes,
            labels: labels.to_vec(),
        },
        ColumnKind::Json { length_bytes } => Body::Json { length_bytes },
        ColumnKind::Geometry { length_bytes } => Body::Geometry { length_bytes },
        ColumnKind::Vector { length_bytes } => Body::Vector { length_bytes },
    }
}

fn kind(body: KindBody) -> ColumnKind {
    use KindBody as Body;
    match body {
        Body::Tinyint { unsigned } => ColumnKind::TinyInt { unsigned },
        Body::Smallint { unsigned } => ColumnKind::SmallInt { unsigned },
        Body::Mediumint { unsigned } => ColumnKind::MediumInt { unsigned },
        Body::Int { unsigned } => ColumnKind::Int { unsigned },
        Body::Bigint { unsigned } => ColumnKind::BigInt { unsigned },
        Body::Float => ColumnKind::Float,
        Body::Double => ColumnKind::Double,
        Body::Decimal { precision, scale } => ColumnKind::Decimal { precision, scale },
        Body::Bit { bits } => ColumnKind::Bit { bits },
        Body::Year => ColumnKind::Year,
        Body::Date => ColumnKind::Date,
        Body::OldTime => ColumnKind::OldTime,
        Body::OldDatetime => ColumnKind::OldDateTime,
        Body::OldTimestamp => ColumnKind::OldTimestamp,
        Body::Time { fsp } => ColumnKind::Time { fsp },
        Body::Datetime { fsp } => ColumnKind::DateTime { fsp },
        Body::Timestamp { fsp } => ColumnKind::Timestamp { fsp },
        Body::Text {
            length_bytes,
            collation,
        } => ColumnKind::Text {
            length_bytes,
            charset: Charset::of_collation(collation),
        },
        Body::LongText {
            length_bytes,
            collation,
        } => ColumnKind::LongText {
            length_bytes,
            charset: Charset::of_collation(collation),
        },
        Body::Binary {
            length_bytes,
            pad_to,
        } => ColumnKind::Binary {
            length_bytes,
            pad_to,
        },
        Body::Blob { length_bytes } => ColumnKind::Blob { length_bytes },
        Body::Enum { bytes, labels } => ColumnKind::Enum {
            bytes,
            labels: Arc::from(labels),
        },
        Body::Set { bytes, labels } => ColumnKind::Set {
            bytes,
            labels: Arc::from(labels),
        },
        Body::Json { length_bytes } => ColumnKind::Json { length_bytes },
        Body::Geometry { length_bytes } => ColumnKind::Geometry { length_bytes },
        Body::Vector { length_bytes } => ColumnKind::Vector { length_bytes },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_and_character_set_survives_its_text() {
        let unsigned = true;
        let labels: Arc<[String]> = Arc::from(["ä".to_owned(), String::new()]);
        let mut kinds = vec![
            ColumnKind::TinyInt { unsigned },
            ColumnKind::SmallInt { unsigned },
            ColumnKind::MediumInt { unsigned: false },
            ColumnKind::Int { unsigned },
            ColumnKind::BigInt { unsigned },
            ColumnKind::Float,
            ColumnKind::Double,
            ColumnKind::Decimal {
                precision: 65,
                scale: 30,
            },
            ColumnKind::Bit { bits: 64 },
            ColumnKind::Year,
            ColumnKind::Date,
            ColumnKind::OldTime,
            ColumnKind::OldDateTime,
            ColumnKind::OldTimestamp,
            ColumnKind::Time { fsp: 6 },
            ColumnKind::DateTime { fsp: 3 },
            ColumnKind::Timestamp { fsp: 0 },
            ColumnKind::Binary {
                length_bytes: 2,
                pad_to: 300,
            },
            ColumnKind::Blob { length_bytes: 4 },
            ColumnKind::Enum {
                bytes: 1,
                labels: Arc::clone(&labels),
            },
            ColumnKind::Set { bytes: 8, labels },
            ColumnKind::Json { length_bytes: 4 },
            ColumnKind::Geometry { length_bytes: 4 },
            ColumnKind::Vector { length_bytes: 4 },
        ];
        for id in 0..COLLATIONS {
            let charset = Charset::of_collation(id);
            kinds.push(ColumnKind::Text {
                length_bytes: 1,
                charset,
            });
            kinds.push(ColumnKind::LongText {
                length_bytes: 3,
                charset,
            });
        }
        for kind in kinds {
            let before = Column {
                name: "c \"1\"".into(),
                kind,
                nullable: true,
                visible: false,
            };
            let text = serde_json::to_string(&body(&before)).expect("text");
            let read: ColumnBody = serde_json::from_str(&text).expect("the same text");
            assert_eq!(column(read), before, "{text}");
        }
    }
}
