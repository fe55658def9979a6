//! The savepoints of one transaction, by name: what stood at each.
//!
//! A name that is set again moves, and a rollback to one takes all that were set behind it away. Servers log no
//! release, so a name stays until then or until the transaction ends, within [`BYTES_MAX`]; then the older half is
//! forgotten. Names are compared as servers do, without case. They compare
//! without accents too, by a table that is not here: a name outside ASCII is found only where no other one of the
//! transaction could be meant.

use std::collections::HashMap;

use crate::{event::Dialect, query::Query, tokens::Tokens};

/// Of names and what is kept beside them.
const BYTES_MAX: usize = 1024 * 1024;
const ENTRY_BYTES: usize = 64;

#[derive(Debug, Clone)]
pub(crate) struct Savepoints<T> {
    set: HashMap<String, (u64, T)>,
    /// Rises with every savepoint.
    newest: u64,
    bytes: usize,
    is_ascii: bool,
}

impl<T> Default for Savepoints<T> {
    fn default() -> Self {
        Self {
            set: HashMap::new(),
            newest: 0,
            bytes: 0,
            is_ascii: true,
        }
    }
}

impl<T: Copy> Savepoints<T> {
    pub fn set(&mut self, name: String, mark: T) {
        self.is_ascii &= name.is_ascii();
        self.newest += 1;
        let bytes = name.len() + ENTRY_BYTES;
        if self.set.insert(name, (self.newest, mark)).is_none() {
            self.bytes += bytes;
        }
        if self.bytes > BYTES_MAX {
            self.forget_older_half();
        }
    }

    /// What stood there; `None`: there is no such savepoint, or another one could be meant.
    pub fn roll_back_to(&mut self, name: &str) -> Option<T> {
        let (number, mark) = self.find(name)?;
        self.keep(|other| other <= number);
        Some(mark)
    }

    fn find(&self, name: &str) -> Option<(u64, T)> {
        if self.is_ascii && name.is_ascii() {
            return self.set.get(name).copied();
        }
        let mut found = self.set.iter().filter(|(set, _)| may_be_same(set, name));
        let (_, found_first) = found.next()?;
        found.next().is_none().then_some(*found_first)
    }

    pub fn marks(&self) -> impl Iterator<Item = &T> {
        self.set.values().map(|(_, mark)| mark)
    }

    fn forget_older_half(&mut self) {
        let mut numbers: Vec<_> = self.set.values().map(|(number, _)| *number).collect();
        let middle = numbers.len() / 2;
        let (_, oldest_kept, _) = numbers.select_nth_unstable(middle);
        let oldest_kept = *oldest_kept;
        self.keep(|number| oldest_kept <= number);
    }

    fn keep(&mut self, is_kept: impl Fn(u64) -> bool) {
        let bytes = &mut self.bytes;
        self.set.retain(|name, (number, _)| {
            let is_kept = is_kept(*number);
            if !is_kept {
                *bytes -= name.len() + ENTRY_BYTES;
            }
            is_kept
        });
    }
}

/// Whether a server could take one for the other.
fn may_be_same(one: &str, other: &str) -> bool {
    let same = |(a, b): (char, char)| a == b || !a.is_ascii() || !b.is_ascii();
    one.chars().count() == other.chars().count() && one.chars().zip(other.chars()).all(same)
}

/// The name in which a SAVEPOINT or ROLLBACK TO ends, without case. Servers write it in UTF-8, whatever the
/// client's character set.
pub(crate) fn name(query: &Query<'_>) -> String {
    let text = match std::str::from_utf8(query.statement) {
        Ok(text) => text.to_owned(),
        // Before 5.5.3 as the client typed it: one character a byte keeps names apart.
        Err(_) => query.statement.iter().copied().map(char::from).collect(),
    };
    Tokens::new(&text, query.sql_mode, Dialect::default())
        .last_name()
        .unwrap_or_default()
        .to_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(names: &[&str]) -> Savepoints<usize> {
        let mut savepoints = Savepoints::default();
        for (index, name) in names.iter().enumerate() {
            savepoints.set((*name).to_owned(), index);
        }
        savepoints
    }

    fn named(statement: &str, sql_mode: u64) -> String {
        name(&Query {
            thread_id: 1,
            error_code: 0,
            sql_mode,
            client_collation: Some(8),
            default_database: "",
            statement: statement.as_bytes(),
        })
    }

    #[test]
    fn a_name_is_that_of_the_statement_in_every_spelling_that_servers_log() {
        let ansi_quotes = 1 << 2;
        for (statement, sql_mode, expected) in [
            ("SAVEPOINT `A`", 0, "a"),
            ("ROLLBACK TO `b``x`", 0, "b`x"),
            ("SAVEPOINT \"É\"", ansi_quotes, "é"),
            ("/* why */ rollback work to savepoint Abc", 0, "abc"),
            ("savepoint one /* why */", 0, "one"),
        ] {
            assert_eq!(named(statement, sql_mode), expected, "{statement}");
        }
    }

    #[test]
    fn a_name_set_again_moves_and_an_unknown_one_is_not_found() {
        let mut savepoints = with(&["a", "b", "a"]);
        assert_eq!(savepoints.roll_back_to("a"), Some(2));
        assert_eq!(savepoints.roll_back_to("b"), Some(1));
        assert_eq!(savepoints.roll_back_to("c"), None);
    }

    #[test]
    fn a_rollback_takes_away_what_was_set_behind_its_savepoint_and_keeps_that() {
        let mut savepoints = with(&["a", "b", "c"]);
        assert_eq!(savepoints.roll_back_to("b"), Some(1));
        assert_eq!(savepoints.roll_back_to("c"), None);
        savepoints.set("c".to_owned(), 7);
        assert_eq!(savepoints.roll_back_to("c"), Some(7));
        assert_eq!(savepoints.roll_back_to("a"), Some(0));
        assert_eq!(savepoints.roll_back_to("b"), None);
        assert_eq!(savepoints.bytes, "a".len() + ENTRY_BYTES);
    }

    #[test]
    fn names_outside_ascii_are_found_where_no_other_one_could_be_meant() {
        assert_eq!(with(&["é", "ab"]).roll_back_to("e"), Some(0));
        assert_eq!(with(&["e", "ab"]).roll_back_to("é"), Some(0));
        assert_eq!(
            with(&["é", "e"]).roll_back_to("e"),
            None,
            "the server knows one of them"
        );
        assert_eq!(with(&["точка1", "точка2"]).roll_back_to("точка2"), Some(1));
    }

    #[test]
    fn the_newest_names_stay_when_there_are_too_many() {
        let names: Vec<_> = (0..40_000).map(|number| format!("s{number}")).collect();
        let names: Vec<_> = names.iter().map(String::as_str).collect();
        let mut savepoints = with(&names);
        assert!(savepoints.bytes <= BYTES_MAX);
        assert_eq!(savepoints.roll_back_to("s0"), None);
        assert_eq!(savepoints.roll_back_to("s39999"), Some(39_999));
    }
}
