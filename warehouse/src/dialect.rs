//! What a warehouse says in its own way: the names of types, and how a value is taken out of a line.
//!
//! A line is one JSON value. What it holds is taken out by name, as a type; what does not fit the type is NULL, never an
//! error that would stop a merge. Each value is so asked for three things: whether it is there, what it is, and whether
//! it was lost on the way into its column. Not here: the merge, which is the same for all.

mod athena;
mod iceberg;
mod postgres;
mod redshift;
mod trino;

use serde::{Deserialize, Serialize};

pub use self::iceberg::{field, log_type};
use crate::{
    names::{identifiers, literal, plain_identifiers},
    stored::{Choices, LongText, Stored},
    table::Column,
};

/// A warehouse that SQL can be written for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Dialect {
    Redshift,
    /// PostgreSQL 15: what the merge is tested on, and a way to try it out.
    Postgres,
    /// Views over the log in S3.
    Athena,
    /// Tables of Iceberg, merged by Athena out of the logs that Firehose writes.
    Iceberg,
}

/// A value in a line: `source` is an expression of a JSON object, `name` a member of it.
#[derive(Debug, Clone, Copy)]
pub struct Member<'a> {
    pub source: &'a str,
    pub name: &'a str,
}

impl Dialect {
    pub fn name(self) -> &'static str {
        match self {
            Self::Redshift => "redshift",
            Self::Postgres => "postgres",
            Self::Athena => "athena",
            Self::Iceberg => "iceberg",
        }
    }

    /// A text of SQL, as an expression.
    pub fn literal(self, text: &str) -> String {
        match self {
            Self::Redshift => redshift::literal(text),
            Self::Postgres | Self::Athena | Self::Iceberg => literal(text),
        }
    }

    /// A text of SQL where no expression may stand.
    pub fn comment(self, text: &str) -> String {
        match self {
            Self::Redshift => literal(&text.replace('\\', "\\\\")),
            Self::Postgres | Self::Athena | Self::Iceberg => literal(text),
        }
    }

    pub fn identifier_bytes_max(self) -> usize {
        match self {
            Self::Redshift => redshift::IDENTIFIER_BYTES_MAX,
            Self::Postgres => postgres::IDENTIFIER_BYTES_MAX,
            Self::Athena | Self::Iceberg => trino::IDENTIFIER_BYTES_MAX,
        }
    }

    /// Whether it reads files in S3, so that nothing is loaded and no procedure merges.
    pub fn is_lake(self) -> bool {
        matches!(self, Self::Athena | Self::Iceberg)
    }

    /// What of a person's choices it heeds: text of a lake has no limit, so it needs no document.
    pub fn choices(self, chosen: Choices) -> Choices {
        match self.is_lake() {
            true => Choices {
                long_text: LongText::Varchar,
                ..chosen
            },
            false => chosen,
        }
    }

    /// What `names` are called; `taken` are ours already, in lower case.
    pub fn identifiers(self, names: &[&str], taken: &[&str]) -> Vec<String> {
        let bytes_max = self.identifier_bytes_max();
        match self.is_lake() {
            true => plain_identifiers(names, taken, bytes_max),
            false => identifiers(names, taken, bytes_max),
        }
    }

    /// Of the name of a column in MySQL, by which its value is taken out of a line.
    pub fn member_bytes_max(self) -> usize {
        match self {
            // It is navigated to by an identifier.
            Self::Redshift => redshift::IDENTIFIER_BYTES_MAX,
            Self::Postgres | Self::Athena | Self::Iceberg => usize::MAX,
        }
    }

    pub fn column_type(self, stored: Stored) -> String {
        match self {
            Self::Redshift => redshift::column_type(stored),
            Self::Postgres => postgres::column_type(stored),
            Self::Athena => trino::column_type(stored),
            Self::Iceberg => iceberg::column_type(stored),
        }
    }

    /// The value as its column holds it; NULL where it does not fit.
    pub fn value(self, member: Member<'_>, stored: Stored) -> String {
        match self {
            Self::Redshift => redshift::value(member, stored),
            Self::Postgres => postgres::value(member, stored),
            Self::Athena => athena::value(member, stored),
            Self::Iceberg => iceberg::value(member, stored),
        }
    }

    /// The value as a table shows it: JSON's null is SQL's.
    pub fn taken(self, member: Member<'_>, column: &Column) -> String {
        let value = match self {
            Self::Iceberg => return iceberg::taken(member, column),
            _ => self.value(member, column.stored),
        };
        match column.stored {
            Stored::Document => format!("CASE WHEN {} THEN {value} END", self.is_given(member)),
            _ => value,
        }
    }

    /// Whether the member is there, and not JSON's null.
    pub fn is_given(self, member: Member<'_>) -> String {
        match self {
            Self::Redshift => redshift::is_given(member),
            Self::Postgres => postgres::is_given(member),
            Self::Athena => athena::is_given(member),
            Self::Iceberg => iceberg::is_given(member),
        }
    }

    /// Whether a value that is there may not be in the column. (A document is asked by nobody: it is as it came.)
    pub fn can_lose(self, stored: Stored) -> bool {
        match self {
            Self::Iceberg => iceberg::is_cast(stored),
            _ => stored != Stored::Document,
        }
    }

    /// Whether the column lacks something of a value that is there.
    pub fn is_lost(self, member: Member<'_>, stored: Stored) -> String {
        let is_given = self.is_given(member);
        let value = self.value(member, stored);
        let is_null = format!("({is_given} AND {value} IS NULL)");
        let Stored::Varchar { bytes_max } = stored else {
            return is_null;
        };
        // Of a column with a declared length too: what replaces a bad byte is longer than it.
        let is_cut = match self {
            Self::Redshift => redshift::is_cut(member, bytes_max),
            Self::Postgres => postgres::is_cut(member, bytes_max),
            // Text has no limit there.
            Self::Athena | Self::Iceberg => return is_null,
        };
        format!("({is_null} OR {is_cut})")
    }

    /// Of a table whose rows are looked up by these columns, behind its list of columns.
    pub fn table_attributes(self, key: &[String]) -> String {
        match self {
            Self::Redshift => redshift::table_attributes(key),
            Self::Postgres | Self::Athena | Self::Iceberg => String::new(),
        }
    }

    /// Of a table whose rows are looked up by these columns, beside it.
    pub fn indexes(self, table: &str, key: &[&Column]) -> Vec<String> {
        match self {
            Self::Redshift | Self::Athena | Self::Iceberg => Vec::new(),
            Self::Postgres => postgres::indexes(table, key),
        }
    }

    /// Behind the body of each procedure.
    pub fn procedure_settings(self) -> &'static str {
        match self {
            Self::Redshift => " SET enable_case_sensitive_super_attribute TO true",
            Self::Postgres | Self::Athena | Self::Iceberg => "",
        }
    }

    /// UTC.
    pub fn now(self) -> &'static str {
        match self {
            Self::Redshift => "SYSDATE",
            Self::Postgres => "(CLOCK_TIMESTAMP() AT TIME ZONE 'UTC')",
            Self::Athena | Self::Iceberg => {
                "CAST(CURRENT_TIMESTAMP AT TIME ZONE 'UTC' AS TIMESTAMP(6))"
            }
        }
    }

    /// Of microseconds since 1970.
    pub fn time_of(self, microseconds: &str) -> String {
        match self {
            Self::Redshift => redshift::time_of(microseconds),
            Self::Postgres => postgres::time_of(microseconds),
            Self::Athena | Self::Iceberg => trino::time_of(microseconds),
        }
    }

    /// The column as text, for [`crate::canon::of_warehouse`].
    pub fn shown(self, column: &str, stored: Stored) -> String {
        match (self, stored) {
            (Self::Redshift, Stored::Binary { .. }) => format!("FROM_VARBYTE({column}, 'hex')"),
            (Self::Postgres, Stored::Binary { .. }) => format!("ENCODE({column}, 'hex')"),
            (Self::Redshift, Stored::Document) => redshift::document_text(column),
            (_, Stored::Varchar { .. }) => column.to_owned(),
            _ => format!("{column}::VARCHAR"),
        }
    }

    /// Whether the column can be shown whole.
    pub fn is_too_long(self, column: &str, stored: Stored) -> Option<String> {
        match (self, stored) {
            (Self::Redshift, Stored::Document) => Some(redshift::is_long(column)),
            _ => None,
        }
    }

    /// What a session is told first.
    pub fn session(self) -> &'static str {
        "SET extra_float_digits TO 2; SET datestyle TO 'ISO, YMD'"
    }
}
