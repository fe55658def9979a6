//! Flat lines: of every row and statement that the golden tests read, the flat line has the members of the nested
//! one, in its order and with its bytes.

use headwater::encode::native::{LineLayout, NativeEncoder, NativePlan};

use crate::line::{member, members};

/// With which no column of these tests begins.
const PREFIX: &str = "flat_";

/// The encoder that writes the same as flat lines.
pub fn twin(nested: &NativeEncoder, plan: &NativePlan) -> NativeEncoder {
    nested.clone().with_fields(&NativePlan {
        layout: LineLayout::Flat,
        prefix: PREFIX.to_owned(),
        ..plan.clone()
    })
}

/// Panics unless both lines say the same.
pub fn ensure_same(nested: &str, flat: &str) {
    let is_row = member(&members(nested), "data").is_some();
    let mut expected = Vec::new();
    for (name, value) in members(nested) {
        if name == "data" {
            expected.extend(members(value));
            continue;
        }
        let is_deleted = value == "\"delete\"";
        let is_type = name == "type";
        expected.push((format!("{PREFIX}{name}"), value));
        if is_type && is_row {
            let deleted = if is_deleted { "true" } else { "false" };
            expected.push((format!("{PREFIX}deleted"), deleted));
        }
    }
    assert_eq!(members(flat), expected, "{nested}");
}
