//! What the SQL of a lake needs of the settings: lines of a form that Athena or Firehose reads, and places in S3.
//!
//! Athena takes a line as one text, in either layout. Firehose makes a column of each top-level key for Iceberg, and a
//! column has one type. What SQL is written stands in the crate `headwater-warehouse`.

use headwater_warehouse::{dialect::Dialect, generate::Lines};

use super::warehouse::{ensure_inline, ensure_mergeable, ensure_told_whole};
use crate::{
    encode::{
        native::{Documents, LineLayout, NativeField},
        shape::InvalidText,
    },
    plan::Plan,
};

/// Whether SQL can be written for the lines of these settings; the text says what to do.
pub fn ensure_generated(plan: &Plan, dialect: Dialect) -> Result<(), String> {
    let lake = &plan.warehouse.lake;
    match dialect {
        Dialect::Redshift | Dialect::Postgres => return ensure_mergeable(plan),
        Dialect::Athena => {
            ensure_told_whole(plan)?;
            ensure_inline(plan)?;
            ensure_set(
                "athena.location",
                &lake.log,
                "the place that Firehose writes lines to",
            )?;
            ensure_set(
                "athena.since",
                &lake.since,
                "the day of the first line there",
            )?;
        }
        Dialect::Iceberg => {
            ensure_told_whole(plan)?;
            ensure_columns(plan)?;
            ensure_set("iceberg.location", &lake.tables, "a place for the tables")?;
        }
    }
    if !plan.native.fields.contains(&NativeField::TsUs) {
        return Err("native.fields lacks \"ts_us\", which the SQL shows; add it".to_owned());
    }
    Ok(())
}

fn ensure_columns(plan: &Plan) -> Result<(), String> {
    if plan.native.layout != LineLayout::Flat {
        return Err(
            "native.layout = \"nested\" has the row inside `data`, and Firehose makes a column of each top-level key; \
             set it to \"flat\""
                .to_owned(),
        );
    }
    if plan.native.documents != Documents::String {
        return Err(
            "native.json = \"inline\" gives documents of any form, and a column of Iceberg has one type; \
             set it to \"string\""
                .to_owned(),
        );
    }
    if plan.errors.invalid_text == InvalidText::Base64Object {
        return Err(
            "errors.invalid_text = \"base64_object\" makes an object of a text, and a column of Iceberg has one type; \
             set it to \"halt\" or \"replace\""
                .to_owned(),
        );
    }
    Ok(())
}

fn ensure_set(key: &str, value: &str, what: &str) -> Result<(), String> {
    match value.is_empty() {
        true => Err(format!("warehouse.{key} is not set; name {what}")),
        false => Ok(()),
    }
}

pub(super) fn lines(plan: &Plan) -> Lines {
    match plan.native.layout {
        LineLayout::Nested => Lines::Nested,
        LineLayout::Flat => Lines::Flat {
            prefix: plan.native.prefix.clone(),
        },
    }
}
