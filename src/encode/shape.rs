//! Which columns an event shows, and what stands for a value that must not be seen: the same in all formats.
//!
//! Planned once per table: [`ShapeRules::table`] answers `None` when every column is written as it is, so that
//! an encoder without work to do has none. A mask's text is the value's own text (of a string the string, of
//! everything else what the native event writes), so a hash can be recomputed in SQL:
//! `SHA2(CONCAT(salt, CONVERT(c USING utf8mb4)), 256)`. Whether a column changed, and the lane that it goes
//! to, are judged by the bytes, never by the mask. Not here: where a format writes the columns.

use std::{borrow::Cow, sync::Arc};

use headwater_binlog::{
    Error,
    json::write_json_string,
    schema::{ColumnKind, Table, TableName},
    value::{self, Value},
};

use super::{text, value as json};
use crate::sha256::Sha256;

mod options;

pub use self::options::{ColumnsOptions, InvalidText, MaskOptions, ShapePlan};

/// The rules for all tables. Cheap to clone. The default writes every column as it is and takes no text that
/// is not text.
#[derive(Debug, Clone, Default)]
pub struct ShapeRules {
    plan: Arc<ShapePlan>,
    hash: Option<Salted>,
    invalid_text: InvalidText,
}

/// What to do with each column of one table.
#[derive(Debug)]
pub struct TableShape {
    /// One per column of the table, in its order.
    pub columns: Vec<Treatment>,
}

#[derive(Debug, Clone)]
pub enum Treatment {
    Keep,
    /// The event does not have the column: neither in data nor in key nor in old.
    Drop,
    Mask(Mask),
}

/// What stands for a value. A column that the image lacks stays absent, whatever its mask.
#[derive(Debug, Clone)]
pub enum Mask {
    Null,
    /// This text as a string, for NULL too.
    Fixed(Arc<str>),
    /// SHA-256 over salt and text as a string of 64 hexadecimal digits; NULL stays.
    Hash(Salted),
    /// So many characters of the text as a string; NULL stays.
    Truncate {
        chars: usize,
    },
}

/// SHA-256 that has read the salt.
#[derive(Clone)]
pub struct Salted(Sha256);

impl std::fmt::Debug for Salted {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Salted")
    }
}

impl ShapeRules {
    pub fn new(plan: &ShapePlan, invalid_text: InvalidText) -> Self {
        let hash = (!plan.hash.is_nothing()).then(|| Salted::new(plan.hash_salt.reveal()));
        Self {
            plan: Arc::new(plan.clone()),
            hash,
            invalid_text,
        }
    }

    /// What bytes become that are not text of their column's character set.
    pub fn invalid_text(&self) -> InvalidText {
        self.invalid_text
    }

    /// `None`: every column is written as it is.
    pub fn table(&self, table: &Table) -> Option<Arc<TableShape>> {
        if self.plan.keeps_everything() {
            return None;
        }
        let columns: Vec<Treatment> = table
            .columns
            .iter()
            .map(|column| self.treatment(&table.name, &column.name))
            .collect();
        let is_kept = |treatment: &Treatment| matches!(treatment, Treatment::Keep);
        (!columns.iter().all(is_kept)).then(|| Arc::new(TableShape { columns }))
    }

    /// Where several masks are told for a column, the one that shows least.
    pub fn treatment(&self, name: &TableName, column: &str) -> Treatment {
        let plan = &self.plan;
        if !plan.include.matches(name, column) {
            Treatment::Drop
        } else if plan.null.matches(name, column) {
            Treatment::Mask(Mask::Null)
        } else if plan.fixed.matches(name, column) {
            Treatment::Mask(Mask::Fixed(Arc::clone(&plan.fixed_text)))
        } else if let Some(salted) = &self.hash
            && plan.hash.matches(name, column)
        {
            Treatment::Mask(Mask::Hash(salted.clone()))
        } else if plan.truncate.matches(name, column) {
            Treatment::Mask(Mask::Truncate {
                chars: plan.truncate_chars,
            })
        } else {
            Treatment::Keep
        }
    }
}

impl TableShape {
    /// Of the column at that place in the table.
    pub fn column(&self, column: usize) -> &Treatment {
        self.columns.get(column).unwrap_or(&Treatment::Keep)
    }

    pub fn is_dropped(&self, column: usize) -> bool {
        matches!(self.column(column), Treatment::Drop)
    }
}

impl Mask {
    /// Appends, as JSON, what stands for a value: `bytes` as [`value::cut`] gave them, `None` for NULL.
    ///
    /// Errors: a value that has no text, under `InvalidText::Halt` also bytes that are not text.
    pub fn write(
        &self,
        kind: &ColumnKind,
        bytes: Option<&[u8]>,
        invalid: InvalidText,
        out: &mut Vec<u8>,
    ) -> Result<(), Error> {
        match (self, bytes) {
            (Self::Fixed(text), _) => write_json_string(text, out),
            (Self::Null, _) | (_, None) => out.extend_from_slice(b"null"),
            (Self::Hash(salted), Some(bytes)) => {
                salted.write(&plain_text(kind, bytes, invalid)?, out);
            }
            (Self::Truncate { chars }, Some(bytes)) => {
                let text = plain_text(kind, bytes, invalid)?;
                let end = text.char_indices().nth(*chars).map(|(at, _)| at);
                let front = end.and_then(|end| text.get(..end));
                write_json_string(front.unwrap_or(&text), out);
            }
        }
        Ok(())
    }
}

impl Salted {
    fn new(salt: &str) -> Self {
        Self(Sha256::of(salt.as_bytes()))
    }

    fn write(&self, text: &str, out: &mut Vec<u8>) {
        let digits = self.0.clone().and(text.as_bytes()).hex();
        out.push(b'"');
        out.extend_from_slice(digits.as_bytes());
        out.push(b'"');
    }
}

/// The value as text: what stands in the native event, of a string without quotes and escapes.
pub(super) fn plain_text<'a>(
    kind: &'a ColumnKind,
    bytes: &'a [u8],
    invalid: InvalidText,
) -> Result<Cow<'a, str>, Error> {
    Ok(match value::read(kind, bytes)? {
        Value::Text { bytes, charset } => text::plain(bytes, charset, invalid)?,
        Value::Enum(label) => Cow::Borrowed(label),
        Value::Set { bits, labels } => {
            let is_set = |bit: usize| bits.checked_shr(bit as u32).unwrap_or(0) & 1 == 1;
            let set = labels.iter().enumerate().filter(|(bit, _)| is_set(*bit));
            let set: Vec<&str> = set.map(|(_, label)| label.as_str()).collect();
            Cow::Owned(set.join(","))
        }
        read => {
            let mut written = Vec::new();
            json::write(kind, bytes, invalid, &mut written)?;
            let written = String::from_utf8(written)
                .map_err(|_| Error::malformed("value", "not written as UTF-8"))?;
            let is_document = matches!(read, Value::Json(_));
            // Nothing but documents and what is above can need an escape.
            match written
                .strip_prefix('"')
                .and_then(|it| it.strip_suffix('"'))
            {
                Some(inner) if !is_document => Cow::Owned(inner.to_owned()),
                _ => Cow::Owned(written),
            }
        }
    })
}

#[cfg(test)]
mod tests;
