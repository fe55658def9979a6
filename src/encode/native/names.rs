//! The names of the event's own fields, and the text that stands before each one's value.
//!
//! In flat lines the prefix of the settings stands before each of them, so that a column and a field never have
//! one name: a column that begins with the prefix is refused. Names are compared without case, because COPY,
//! Athena and Iceberg do.

use serde::Deserialize;

/// Where the row's columns stand in its line.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LineLayout {
    /// In `data`.
    #[default]
    Nested,
    /// Beside the event's own fields, whose names have a prefix.
    Flat,
}

/// A field of the event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Name {
    Type,
    Deleted,
    Database,
    Table,
    Lane,
    Lanes,
    TsUs,
    Id,
    Seq,
    Gtid,
    Position,
    CompleteSeq,
    CompletePosition,
    Run,
    Query,
    Key,
    Data,
    Old,
    Statement,
    DefaultDatabase,
    SqlMode,
    Charset,
    Tables,
    Rows,
    BeginSeq,
    Last,
}

const NAMES: usize = 26;

impl Name {
    const ALL: [Self; NAMES] = [
        Self::Type,
        Self::Deleted,
        Self::Database,
        Self::Table,
        Self::Lane,
        Self::Lanes,
        Self::TsUs,
        Self::Id,
        Self::Seq,
        Self::Gtid,
        Self::Position,
        Self::CompleteSeq,
        Self::CompletePosition,
        Self::Run,
        Self::Query,
        Self::Key,
        Self::Data,
        Self::Old,
        Self::Statement,
        Self::DefaultDatabase,
        Self::SqlMode,
        Self::Charset,
        Self::Tables,
        Self::Rows,
        Self::BeginSeq,
        Self::Last,
    ];

    fn text(self) -> &'static str {
        match self {
            Self::Type => "type",
            Self::Deleted => "deleted",
            Self::Database => "database",
            Self::Table => "table",
            Self::Lane => "lane",
            Self::Lanes => "lanes",
            Self::TsUs => "ts_us",
            Self::Id => "id",
            Self::Seq => "seq",
            Self::Gtid => "gtid",
            Self::Position => "position",
            Self::CompleteSeq => "complete_seq",
            Self::CompletePosition => "complete_position",
            Self::Run => "run",
            Self::Query => "query",
            Self::Key => "key",
            Self::Data => "data",
            Self::Old => "old",
            Self::Statement => "statement",
            Self::DefaultDatabase => "default_database",
            Self::SqlMode => "sql_mode",
            Self::Charset => "charset",
            Self::Tables => "tables",
            Self::Rows => "rows",
            Self::BeginSeq => "begin_seq",
            Self::Last => "last",
        }
    }

    /// What its value begins with, whatever the value.
    fn opening(self) -> &'static str {
        match self {
            Self::Type
            | Self::Id
            | Self::Seq
            | Self::Gtid
            | Self::Position
            | Self::CompleteSeq
            | Self::BeginSeq
            | Self::CompletePosition
            | Self::SqlMode => "\"",
            Self::Key | Self::Data | Self::Old => "{",
            Self::Tables => "[",
            _ => "",
        }
    }

    fn is_of(self, layout: LineLayout) -> bool {
        match layout {
            LineLayout::Nested => self != Self::Deleted,
            LineLayout::Flat => self != Self::Data,
        }
    }
}

/// Whether the event has a field of that name.
pub(super) fn is_field(name: &str, layout: LineLayout) -> bool {
    let mut fields = Name::ALL.into_iter().filter(|field| field.is_of(layout));
    match layout {
        LineLayout::Nested => fields.any(|field| field.text() == name),
        LineLayout::Flat => fields.any(|field| field.text() == name.to_lowercase()),
    }
}

/// What stands before each field's value: `,"id":"`.
#[derive(Debug, Clone)]
pub(super) struct Labels([Box<[u8]>; NAMES]);

impl Labels {
    pub fn new(prefix: &str) -> Self {
        let label = |name: Name| format!(",\"{prefix}{}\":{}", name.text(), name.opening());
        Self(Name::ALL.map(|name| label(name).into_bytes().into_boxed_slice()))
    }

    #[inline]
    pub fn of(&self, name: Name) -> &[u8] {
        self.0.get(name as usize).map_or(&[], |label| label)
    }
}

/// Whether a column's name does, in whatever case. The prefix has none.
pub(super) fn begins_with(name: &str, prefix: &str) -> bool {
    name.to_lowercase().starts_with(prefix)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_stands_at_its_place() {
        let labels = Labels::new("");
        for (at, name) in Name::ALL.into_iter().enumerate() {
            assert_eq!(name as usize, at, "{name:?}");
            let label = format!(",\"{}\":", name.text());
            assert!(labels.of(name).starts_with(label.as_bytes()), "{name:?}");
        }
    }

    #[test]
    fn a_name_begins_with_the_prefix_in_whatever_case() {
        for (name, is_so) in [
            ("hk_seq", true),
            ("HK_Anything", true),
            // U+212A, the sign of kelvin: its lower case is k.
            ("h\u{212a}_x", true),
            ("hk", false),
            ("_seq", false),
            ("seq", false),
            ("x_hk_seq", false),
        ] {
            assert_eq!(begins_with(name, "hk_"), is_so, "{name}");
        }
    }

    #[test]
    fn a_field_is_one_of_its_layout_and_in_flat_lines_in_whatever_case() {
        let of = |name| [LineLayout::Nested, LineLayout::Flat].map(|layout| is_field(name, layout));
        assert_eq!(of("seq"), [true, true]);
        assert_eq!(of("SEQ"), [false, true]);
        assert_eq!(of("data"), [true, false]);
        assert_eq!(of("deleted"), [false, true]);
        assert_eq!(of("env"), [false, false]);
    }
}
