//! Which fields the event carries beside `type` and `data`, and the constants of the settings.
//!
//! Each piece is written with its comma in front, for `type` always precedes it.

use headwater_binlog::json::write_json_string;

use super::{Documents, NativeField, NativePlan};

#[derive(Debug, Clone)]
pub(super) struct Layout {
    /// A bit per field.
    carried: u16,
    /// `,"env":"prod"`
    constants: Vec<u8>,
    documents: Documents,
}

impl Layout {
    pub fn new(plan: &NativePlan) -> Self {
        let mut constants = Vec::new();
        for (name, value) in &plan.constants {
            constants.push(b',');
            write_json_string(name, &mut constants);
            constants.push(b':');
            write_json_string(value, &mut constants);
        }
        Self {
            carried: plan.fields.iter().fold(0, |bits, field| bits | bit(*field)),
            constants,
            documents: plan.documents,
        }
    }

    pub fn documents(&self) -> Documents {
        self.documents
    }

    pub fn has(&self, field: NativeField) -> bool {
        self.carried & bit(field) != 0
    }

    /// `,"database":"...","table":"..."` and the constants.
    pub fn write_names(&self, database: &str, table: &str, out: &mut Vec<u8>) {
        if self.has(NativeField::Database) {
            out.extend_from_slice(b",\"database\":");
            write_json_string(database, out);
        }
        if self.has(NativeField::Table) {
            out.extend_from_slice(b",\"table\":");
            write_json_string(table, out);
        }
        out.extend_from_slice(&self.constants);
    }
}

impl Default for Layout {
    fn default() -> Self {
        Self::new(&NativePlan::default())
    }
}

fn bit(field: NativeField) -> u16 {
    1 << field as u16
}
