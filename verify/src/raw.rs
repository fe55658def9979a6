//! The fields of a line by their names, whichever layout it has.
//!
//! A line is flat if it has the field `type` with the prefix in front: in a nested line the name can be nothing else,
//! since constants may not have it, and a flat line always has it. Fields of a flat line that begin with the prefix
//! are its own, all others are columns: a column that begins with it is never written.

use memchr::memmem::Finder;
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::seq::Standing;

/// Why a line is no native event.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unreadable {
    #[error("no JSON object of a native event (byte {0} of the line)")]
    Json(usize),
    #[error("the line has no `{0}`")]
    Lacks(&'static str),
    #[error("`seq` does not have its form")]
    Seq,
    #[error("\"{0}\" is no type of a native event")]
    Kind(String),
    #[error("the fields of a flat line do not have their types")]
    Fields,
    #[error("`deleted` of a flat line does not fit its type")]
    Deleted,
    #[error("a flat line that is no row has columns")]
    Columns,
}

#[derive(Debug, Deserialize)]
pub struct Raw {
    #[serde(rename = "type")]
    pub kind: Option<String>,
    #[serde(default)]
    pub database: String,
    #[serde(default)]
    pub table: String,
    pub id: Option<String>,
    pub seq: Option<String>,
    pub key: Option<Map<String, Value>>,
    pub data: Option<Map<String, Value>>,
    pub old: Option<Map<String, Value>>,
    pub statement: Option<String>,
    pub rows: Option<u64>,
    pub begin_seq: Option<String>,
    pub lanes: Option<u32>,
}

/// What the fields of flat lines begin with.
#[derive(Debug, Clone)]
pub struct Prefix {
    prefix: String,
    /// `"_type"`
    quoted: Finder<'static>,
}

impl Prefix {
    /// An empty one makes no line flat.
    pub fn new(prefix: &str) -> Self {
        let quoted = format!("\"{prefix}type\"");
        Self {
            prefix: prefix.to_owned(),
            quoted: Finder::new(quoted.as_bytes()).into_owned(),
        }
    }

    /// # Errors
    /// When it is no JSON object whose own fields have their types.
    pub fn read(&self, line: &[u8]) -> Result<Raw, Unreadable> {
        let json = |error: serde_json::Error| Unreadable::Json(error.column());
        match self.flat(line).map_err(json)? {
            Some(members) => self.of_flat(members),
            None => serde_json::from_slice(line).map_err(json),
        }
    }

    /// Where the line stands.
    pub fn standing(&self, line: &[u8]) -> Standing {
        match self.flat(line) {
            Err(_) => Standing::Unreadable,
            Ok(None) => Standing::of(line),
            Ok(Some(members)) => {
                let seq = members.get(&format!("{}seq", self.prefix));
                match seq {
                    None | Some(Value::Null) => Standing::Nowhere,
                    Some(Value::String(seq)) => Standing::of_seq(Some(seq)),
                    Some(_) => Standing::Unreadable,
                }
            }
        }
    }

    /// `None`: a nested line.
    fn flat(&self, line: &[u8]) -> Result<Option<Map<String, Value>>, serde_json::Error> {
        // Nearly all nested lines are told here.
        if self.prefix.is_empty() || self.quoted.find(line).is_none() {
            return Ok(None);
        }
        let members: Map<String, Value> = serde_json::from_slice(line)?;
        let is_flat = members
            .keys()
            .any(|name| name.strip_prefix(&self.prefix) == Some("type"));
        Ok(is_flat.then_some(members))
    }

    fn of_flat(&self, members: Map<String, Value>) -> Result<Raw, Unreadable> {
        let (mut own, mut columns) = (Map::new(), Map::new());
        for (name, value) in members {
            match name.strip_prefix(&self.prefix) {
                Some(field) => own.insert(field.to_owned(), value),
                None => columns.insert(name, value),
            };
        }
        let deleted = own.remove("deleted");
        // A constant may have this name, which no field has here.
        own.insert("data".to_owned(), Value::Object(columns));
        let raw = Raw::deserialize(Value::Object(own)).map_err(|_| Unreadable::Fields)?;
        let expected = match raw.kind.as_deref() {
            Some("delete") => Some(Value::Bool(true)),
            Some("insert" | "update" | "snapshot") => Some(Value::Bool(false)),
            _ => None,
        };
        if deleted != expected {
            return Err(Unreadable::Deleted);
        }
        if expected.is_none() && raw.data.as_ref().is_some_and(|columns| !columns.is_empty()) {
            return Err(Unreadable::Columns);
        }
        Ok(raw)
    }
}

impl Default for Prefix {
    /// As the product's own.
    fn default() -> Self {
        Self::new("_")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::seq::Seq;

    #[test]
    fn a_flat_line_is_placed_by_its_own_seq_and_not_by_a_column_of_that_name() {
        let text = "00000001.0000000a.0000000000000a25.00000011";
        let at = Standing::At(Seq::parse(text).expect("a seq"));
        let of = |line: String| Prefix::default().standing(line.as_bytes());
        let flat = format!(r#"{{"_type":"insert","seq":7,"_seq":"{text}"}}"#);
        assert_eq!(of(flat), at);
        let nested = format!(r#"{{"type":"insert","seq":"{text}","data":{{"_type":1}}}}"#);
        assert_eq!(of(nested), at);
        for (line, standing) in [
            (r#"{"_type":"insert","seq":7}"#, Standing::Nowhere),
            (r#"{"_type":"insert","_seq":7}"#, Standing::Unreadable),
            (r#"{"_type":"insert","_seq":"x"}"#, Standing::Unreadable),
        ] {
            assert_eq!(of(line.to_owned()), standing, "{line}");
        }
    }
}
