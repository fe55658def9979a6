//! `[warehouse]`: how tables are stored in a warehouse, and where what all of them share is.
//!
//! What SQL is made of it stands in the crate `headwater-warehouse`.

use headwater_warehouse::stored::{Bytes, Choices, LongText};
use serde::Deserialize;

use crate::options::{Error, read_choice};

/// Of an identifier of PostgreSQL; Redshift's may be longer.
const SCHEMA_BYTES_MAX: usize = 63;

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WarehouseOptions {
    schema: String,
    #[serde(deserialize_with = "read_choice")]
    long_text: LongText,
    #[serde(deserialize_with = "read_choice")]
    bytes: Bytes,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WarehousePlan {
    /// Of what all tables share.
    pub schema: String,
    pub choices: Choices,
}

impl WarehouseOptions {
    pub fn plan(self) -> Result<WarehousePlan, Error> {
        Ok(WarehousePlan {
            schema: schema(self.schema)?,
            choices: Choices {
                long_text: self.long_text,
                bytes: self.bytes,
            },
        })
    }
}

/// So plain that it is the same quoted and not, in every warehouse.
fn schema(name: String) -> Result<String, Error> {
    let is_plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
    let is_begin = name.starts_with(|first: char| first.is_ascii_lowercase());
    if is_begin
        && name.len() <= SCHEMA_BYTES_MAX
        && name.bytes().all(is_plain)
        && !name.starts_with("pg_")
    {
        return Ok(name);
    }
    Err(Error::new(
        "warehouse.schema",
        format!("\"{name}\" is no name for a schema"),
        "write a letter, then letters, digits and \"_\", in lower case, 63 at most; not \"pg_\" in front",
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_schema_has_a_plain_name() {
        for name in ["headwater", "h", "cdc_2"] {
            assert_eq!(schema(name.into()), Ok(name.into()));
        }
        for name in [
            "",
            "Headwater",
            "2cdc",
            "_x",
            "pg_x",
            "a b",
            "a\"b",
            &"x".repeat(64),
        ] {
            let error = schema(name.into()).unwrap_err();
            assert_eq!(error.key, "warehouse.schema");
            assert!(error.message.contains("write a letter"), "{error}");
        }
    }
}
