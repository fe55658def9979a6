//! How a line is laid out: which fields it carries beside `type` and the columns, what stands before each, the
//! constants of the settings.
//!
//! Each piece is written with its comma in front, for `type` always precedes it.

use headwater_binlog::json::write_json_string;

use super::{
    Documents, LineLayout, NativeField, NativePlan, Statements,
    names::{Labels, Name},
};

#[derive(Debug, Clone)]
pub(super) struct Layout {
    /// A bit per field.
    carried: u16,
    labels: Labels,
    /// `,"env":"prod"`
    constants: Vec<u8>,
    plan: NativePlan,
}

impl Layout {
    pub fn new(plan: &NativePlan) -> Self {
        let prefix = match plan.layout {
            LineLayout::Nested => "",
            LineLayout::Flat => &plan.prefix,
        };
        let mut constants = Vec::new();
        for (name, value) in &plan.constants {
            constants.push(b',');
            write_json_string(&format!("{prefix}{name}"), &mut constants);
            constants.push(b':');
            write_json_string(value, &mut constants);
        }
        Self {
            carried: plan.fields.iter().fold(0, |bits, field| bits | bit(*field)),
            labels: Labels::new(prefix),
            constants,
            plan: plan.clone(),
        }
    }

    pub fn documents(&self) -> Documents {
        self.plan.documents
    }

    pub fn is_flat(&self) -> bool {
        self.plan.layout == LineLayout::Flat
    }

    pub fn shows_statements(&self) -> bool {
        self.plan.statements == Statements::InPlace
    }

    /// The prefix, where a column of that name cannot be told from a field.
    pub fn refuses_column(&self, name: &str) -> Option<&str> {
        let is_refused = self.plan.refuses_column(name);
        is_refused.then_some(&*self.plan.prefix)
    }

    pub fn has(&self, field: NativeField) -> bool {
        self.carried & bit(field) != 0
    }

    /// What stands before the field's value.
    #[inline]
    pub fn label(&self, name: Name) -> &[u8] {
        self.labels.of(name)
    }

    #[inline]
    pub fn write_label(&self, name: Name, out: &mut Vec<u8>) {
        out.extend_from_slice(self.labels.of(name));
    }

    /// The line's beginning: `{"type":"ddl"`.
    pub fn write_type(&self, kind: &str, out: &mut Vec<u8>) {
        let label = self.label(Name::Type);
        out.push(b'{');
        out.extend_from_slice(label.get(1..).unwrap_or_default());
        out.extend_from_slice(kind.as_bytes());
        out.push(b'"');
    }

    /// The same of a row. A flat line has no other sign of a delete that every reader of tables could use.
    pub fn write_type_of_row(&self, kind: &str, is_deleted: bool, out: &mut Vec<u8>) {
        self.write_type(kind, out);
        if self.is_flat() {
            self.write_label(Name::Deleted, out);
            out.extend_from_slice(if is_deleted { b"true" } else { b"false" });
        }
    }

    /// `,"database":"...","table":"..."` and the constants.
    pub fn write_names(&self, database: &str, table: &str, out: &mut Vec<u8>) {
        if self.has(NativeField::Database) {
            self.write_label(Name::Database, out);
            write_json_string(database, out);
        }
        if self.has(NativeField::Table) {
            self.write_label(Name::Table, out);
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
