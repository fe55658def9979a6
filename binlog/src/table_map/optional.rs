//! The optional fields of a TABLE_MAP event: type, packed length, value.
//!
//! Bit fields run from the highest bit of a byte down. Character sets come in one of two forms: a default
//! with exceptions (index in the class, collation), or one collation per column of the class.

use super::kind::Wire;
use crate::Error;
use crate::cursor::Cursor;

/// Each list has one entry per column of its class, in column order; empty when the field is absent.
#[derive(Debug, Default)]
pub(super) struct Optional<'a> {
    pub(super) unsigned: Vec<bool>,
    pub(super) charsets: Vec<u64>,
    pub(super) label_charsets: Vec<u64>,
    pub(super) names: Option<Vec<&'a [u8]>>,
    pub(super) set_labels: Vec<Vec<&'a [u8]>>,
    pub(super) enum_labels: Vec<Vec<&'a [u8]>>,
    pub(super) primary_key: Vec<usize>,
    pub(super) visible: Vec<bool>,
}

impl<'a> Optional<'a> {
    pub(super) fn read(bytes: &'a [u8], columns: &[Wire]) -> Result<Self, Error> {
        let count =
            |in_class: fn(&Wire) -> bool| columns.iter().filter(|column| in_class(column)).count();
        let numbers = count(|column| matches!(column, Wire::Number(_)));
        let texts = count(|column| matches!(column, Wire::Text(_)));
        let labelled = count(|column| matches!(column, Wire::Enum { .. } | Wire::Set { .. }));
        let mut optional = Self::default();
        let mut fields = Cursor::new("optional metadata", bytes);
        while !fields.is_empty() {
            let field = fields.named("optional metadata").u8()?;
            let value = Cursor::new(
                "optional metadata",
                fields.named("optional metadata").lenenc_bytes()?,
            );
            match field {
                1 => optional.unsigned = bits(value, numbers, "signedness")?,
                2 => optional.charsets = default_charsets(value, texts)?,
                3 => optional.charsets = integers(value, "column character sets")?,
                4 => optional.names = Some(names(value, columns.len())?),
                5 => optional.set_labels = label_lists(value, "SET labels")?,
                6 => optional.enum_labels = label_lists(value, "ENUM labels")?,
                8 => optional.primary_key = key(integers(value, "primary key")?, columns.len())?,
                9 => {
                    // Pairs of column and prefix length: values are logged whole, prefix or not.
                    let pairs = integers(value, "primary key")?;
                    optional.primary_key =
                        key(pairs.into_iter().step_by(2).collect(), columns.len())?;
                }
                10 => optional.label_charsets = default_charsets(value, labelled)?,
                11 => optional.label_charsets = integers(value, "ENUM and SET character sets")?,
                12 => optional.visible = bits(value, columns.len(), "column visibility")?,
                // 7 the geometry types, 13 the vector dimensions: their values say so themselves.
                _ => {}
            }
        }
        Ok(optional)
    }
}

fn bits(mut value: Cursor<'_>, count: usize, what: &'static str) -> Result<Vec<bool>, Error> {
    let bytes = value.named(what).take(count.div_ceil(8))?;
    if !value.is_empty() {
        return Err(Error::malformed(
            what,
            format_args!("{} bytes left over", value.rest().len()),
        ));
    }
    let all = bytes
        .iter()
        .flat_map(|byte| (0..8).map(move |bit| byte << bit & 0x80 != 0));
    Ok(all.take(count).collect())
}

fn integers(mut value: Cursor<'_>, what: &'static str) -> Result<Vec<u64>, Error> {
    let mut integers = Vec::new();
    while !value.is_empty() {
        integers.push(value.named(what).lenenc()?);
    }
    Ok(integers)
}

fn default_charsets(mut value: Cursor<'_>, count: usize) -> Result<Vec<u64>, Error> {
    const WHAT: &str = "default character set";
    let mut charsets = vec![value.named(WHAT).lenenc()?; count];
    while !value.is_empty() {
        let (index, charset) = (value.named(WHAT).lenenc()?, value.named(WHAT).lenenc()?);
        let place = usize::try_from(index)
            .ok()
            .and_then(|index| charsets.get_mut(index));
        *place.ok_or_else(|| {
            Error::malformed(
                WHAT,
                format_args!("an exception for column {index} of {count}"),
            )
        })? = charset;
    }
    Ok(charsets)
}

fn names(mut value: Cursor<'_>, columns: usize) -> Result<Vec<&[u8]>, Error> {
    let mut names = Vec::with_capacity(columns);
    while !value.is_empty() {
        names.push(value.named("column name").lenenc_bytes()?);
    }
    if names.len() != columns {
        return Err(Error::malformed(
            "column names",
            format_args!("{} for {columns} columns", names.len()),
        ));
    }
    Ok(names)
}

fn label_lists<'a>(mut value: Cursor<'a>, what: &'static str) -> Result<Vec<Vec<&'a [u8]>>, Error> {
    let mut lists = Vec::new();
    while !value.is_empty() {
        let mut labels = Vec::new();
        for _ in 0..value.named(what).lenenc()? {
            labels.push(value.named(what).lenenc_bytes()?);
        }
        lists.push(labels);
    }
    Ok(lists)
}

fn key(indexes: Vec<u64>, columns: usize) -> Result<Vec<usize>, Error> {
    let in_table = |index: u64| usize::try_from(index).ok().filter(|index| *index < columns);
    let key: Option<Vec<usize>> = indexes.into_iter().map(in_table).collect();
    key.ok_or_else(|| {
        Error::malformed(
            "primary key",
            format_args!("a column beyond the table's {columns}"),
        )
    })
}
