//! Which tables' changes are delivered: those that the settings include, but for the parked ones, or one of
//! them alone.
//!
//! What a change is called must not depend on it: numbers and ids count what the settings include
//! ([`Selection::includes`]), also where a table is passed over for now ([`Selection::delivers`]).

use std::collections::BTreeSet;

use headwater_binlog::schema::TableName;

use crate::{checkpoint::Parked, filter::TableFilter};

#[derive(Debug, Clone, Default)]
pub struct Selection {
    included: TableFilter,
    parked: BTreeSet<TableName>,
    only: Option<TableName>,
}

impl From<TableFilter> for Selection {
    fn from(included: TableFilter) -> Self {
        Self {
            included,
            ..Self::default()
        }
    }
}

impl Selection {
    /// Nothing but the changes of this table, if it is included.
    pub fn only(included: TableFilter, table: TableName) -> Self {
        Self {
            only: Some(table),
            ..Self::from(included)
        }
    }

    pub fn without(mut self, parked: &[Parked]) -> Self {
        // One table alone is read to be parked no longer.
        if self.only.is_none() {
            let tables = parked.iter().map(|parked| parked.table.clone());
            self.parked.extend(tables);
        }
        self
    }

    pub fn park(&mut self, table: TableName) {
        self.parked.insert(table);
    }

    pub fn is_parked(&self, table: &TableName) -> bool {
        self.parked.contains(table)
    }

    /// Whether changes that the settings include are passed over for now.
    pub fn holds_back(&self) -> bool {
        self.parked.iter().any(|table| self.includes(table))
    }

    /// By the settings.
    pub fn includes(&self, table: &TableName) -> bool {
        self.included.includes(table)
    }

    /// Now.
    pub fn delivers(&self, table: &TableName) -> bool {
        self.only.as_ref().is_none_or(|only| only == table)
            && !self.is_parked(table)
            && self.includes(table)
    }

    /// Whether statements of this database alone are delivered: with its tables, never with one of them.
    pub fn delivers_database(&self, database: &str) -> bool {
        self.only.is_none() && self.included.may_include_database(database)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::name;

    #[test]
    fn a_parked_table_is_included_and_not_delivered() {
        let mut selection = Selection::from(TableFilter::default());
        selection.park(name("a"));
        assert!(selection.includes(&name("a")) && !selection.delivers(&name("a")));
        assert!(selection.delivers(&name("b")) && selection.delivers_database("shop"));
    }

    #[test]
    fn changes_are_held_back_by_a_parked_table_that_the_settings_still_include() {
        let of = |table| {
            let filter = TableFilter::new(&["shop.*".into(), "!shop.b".into()]).unwrap();
            let mut selection = Selection::from(filter);
            assert!(!selection.holds_back());
            selection.park(name(table));
            selection.holds_back()
        };
        assert!(of("a") && !of("b"));
    }

    #[test]
    fn one_table_alone_is_delivered_if_it_is_included() {
        let filter = TableFilter::new(&["shop.*".into(), "!shop.b".into()]).unwrap();
        let selection = Selection::only(filter.clone(), name("a"));
        assert!(selection.delivers(&name("a")) && !selection.delivers(&name("c")));
        assert!(selection.includes(&name("c")) && !selection.delivers_database("shop"));
        assert!(!Selection::only(filter, name("b")).delivers(&name("b")));
    }
}
