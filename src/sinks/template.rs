//! A target's name made from a table's: `cdc-{database}-{table}`.
//!
//! The names of databases and tables go in as they are or not at all: replaced characters would send two
//! tables to one target unnoticed.

use headwater_binlog::schema::TableName;

use crate::options::Error;

/// The setting that names a sink's target; a route may set it too, with placeholders.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TargetSetting {
    pub key: &'static str,
    /// Of the finished name of a stream; a path has no limit and may hold anything beside the placeholders.
    pub name_length_max: Option<usize>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Template {
    target: TargetSetting,
    pieces: Vec<Piece>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Piece {
    Text(String),
    Database,
    Table,
}

/// Why a table has no target.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    #[error("the {what} \"{name}\" has other characters than letters, digits, \"_\", \".\", \"-\"")]
    Characters { what: &'static str, name: String },
    #[error("the {what} begins with a dot")]
    Hidden { what: &'static str },
    #[error("\"{name}\" is longer than the {length_max} characters that AWS takes")]
    Long { name: String, length_max: usize },
    #[error("a statement about a whole database names no table")]
    NoTable,
}

pub(super) fn is_allowed(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"_.-".contains(&byte)
}

impl Template {
    pub fn new(target: TargetSetting, text: &str) -> Result<Self, Error> {
        let template = Self::parse(target, text)?;
        if target.name_length_max.is_some() {
            template.ensure_stream()?;
        }
        Ok(template)
    }

    /// Its text may stand in a stream's name.
    fn ensure_stream(&self) -> Result<(), Error> {
        let key = self.target.key;
        for piece in &self.pieces {
            if let Piece::Text(text) = piece
                && !text.bytes().all(is_allowed)
            {
                return Err(Error::new(
                    key,
                    format!("\"{text}\" cannot stand in a stream name"),
                    "write the name alone, not the ARN: letters, digits, \"_\", \".\", \"-\", {database}, {table}",
                ));
            }
        }
        if let Some(Err(error)) = self.literal().map(|name| self.within_limit(name)) {
            return Err(Error::new(key, error.to_string(), "shorten it"));
        }
        Ok(())
    }

    fn parse(target: TargetSetting, text: &str) -> Result<Self, Error> {
        let key = target.key;
        let wrong = |problem: String| {
            Err(Error::new(
                key,
                problem,
                "the placeholders are {database} and {table}",
            ))
        };
        let mut pieces = Vec::new();
        let mut rest = text;
        while let Some((literal, after)) = rest.split_once('{') {
            if literal.contains('}') {
                return wrong("has a \"}\" without its \"{\"".to_owned());
            }
            let Some((name, after)) = after.split_once('}') else {
                return wrong("has a \"{\" without its \"}\"".to_owned());
            };
            if !literal.is_empty() {
                pieces.push(Piece::Text(literal.to_owned()));
            }
            pieces.push(match name {
                "database" => Piece::Database,
                "table" => Piece::Table,
                _ => return wrong(format!("\"{{{name}}}\" is unknown")),
            });
            rest = after;
        }
        if rest.contains('}') {
            return wrong("has a \"}\" without its \"{\"".to_owned());
        }
        if !rest.is_empty() {
            pieces.push(Piece::Text(rest.to_owned()));
        }
        if pieces.is_empty() {
            return Err(Error::new(
                key,
                "is empty",
                "name a target, or remove the key",
            ));
        }
        Ok(Self { target, pieces })
    }

    /// The setting that it stands in.
    pub fn key(&self) -> &'static str {
        self.target.key
    }

    /// The name, when it is the same for all tables.
    pub fn literal(&self) -> Option<&str> {
        match &self.pieces[..] {
            [Piece::Text(text)] => Some(text),
            _ => None,
        }
    }

    /// Some piece of the name is the table's.
    pub fn names_table(&self) -> bool {
        self.pieces.contains(&Piece::Table)
    }

    pub fn of(&self, table: &TableName) -> Result<String, NameError> {
        let mut name = String::new();
        for piece in &self.pieces {
            match piece {
                Piece::Text(text) => name.push_str(text),
                Piece::Database => name.push_str(self.checked("database", &table.database)?),
                Piece::Table if table.table.is_empty() => return Err(NameError::NoTable),
                Piece::Table => name.push_str(self.checked("table", &table.table)?),
            }
        }
        self.within_limit(&name)?;
        Ok(name)
    }

    fn checked<'a>(&self, what: &'static str, name: &'a str) -> Result<&'a str, NameError> {
        if !name.bytes().all(is_allowed) {
            let name = name.to_owned();
            return Err(NameError::Characters { what, name });
        }
        // In a path, two dots lead elsewhere.
        if self.target.name_length_max.is_none() && name.starts_with('.') {
            return Err(NameError::Hidden { what });
        }
        Ok(name)
    }

    fn within_limit(&self, name: &str) -> Result<(), NameError> {
        match self.target.name_length_max {
            Some(length_max) if name.len() > length_max => Err(NameError::Long {
                name: name.to_owned(),
                length_max,
            }),
            _ => Ok(()),
        }
    }
}

impl std::fmt::Display for Template {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for piece in &self.pieces {
            formatter.write_str(match piece {
                Piece::Text(text) => text,
                Piece::Database => "{database}",
                Piece::Table => "{table}",
            })?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(database: &str, table: &str) -> TableName {
        TableName {
            database: database.into(),
            table: table.into(),
        }
    }

    fn stream(text: &str) -> Result<Template, Error> {
        let target = TargetSetting {
            key: "sink.kinesis.stream",
            name_length_max: Some(128),
        };
        Template::new(target, text)
    }

    #[test]
    fn a_name_is_made_of_database_and_table() {
        let template = stream("cdc-{database}-{table}").unwrap();
        assert_eq!(
            template.of(&table("shop", "orders")).unwrap(),
            "cdc-shop-orders"
        );
        assert_eq!(template.literal(), None);
        assert_eq!(template.to_string(), "cdc-{database}-{table}");
        let literal = stream("orders").unwrap();
        assert_eq!(literal.literal(), Some("orders"));
        assert_eq!(literal.of(&table("a", "b")).unwrap(), "orders");
    }

    #[test]
    fn an_unknown_placeholder_is_refused_with_the_known_ones() {
        for wrong in ["cdc-{schema}", "cdc-{table", "cdc-table}", "{}", "}{table}"] {
            let error = stream(wrong).unwrap_err();
            assert!(
                error
                    .message
                    .ends_with("; the placeholders are {database} and {table}"),
                "{error}"
            );
        }
        assert!(stream("").is_err() && stream("arn:aws:x/{table}").is_err());
        assert!(stream(&"x".repeat(129)).is_err());
    }

    #[test]
    fn a_name_that_a_stream_cannot_have_is_refused_and_never_changed() {
        let template = stream("cdc-{database}-{table}").unwrap();
        for name in ["größe", "a b", "a/b", "a`b", "😀"] {
            let error = template.of(&table("shop", name)).unwrap_err();
            assert!(error.to_string().contains(name), "{error}");
        }
        let long = template.of(&table("shop", &"t".repeat(128))).unwrap_err();
        assert!(matches!(long, NameError::Long { .. }), "{long}");
        assert_eq!(template.of(&table("shop", "")), Err(NameError::NoTable));
    }

    #[test]
    fn a_path_stays_in_its_folder() {
        let target = TargetSetting {
            key: "sink.file.path",
            name_length_max: None,
        };
        let template = Template::new(target, "out dir/{database}/{table}.jsonl").unwrap();
        let path = template.of(&table("shop", "orders")).unwrap();
        assert_eq!(path, "out dir/shop/orders.jsonl");
        for name in ["..", ".hidden", "../x"] {
            assert!(template.of(&table("shop", name)).is_err(), "{name}");
        }
    }
}
