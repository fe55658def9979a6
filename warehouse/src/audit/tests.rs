//! What is equal, what is wrong, and what says nothing because it has moved on.

use super::*;

const MARK: &str = "00000001.00000001.0000000000000100.00000000";
const BEFORE: &str = "00000001.00000001.00000000000000ff.00000003";
const BEHIND: &str = "00000001.00000001.0000000000000100.00000001";

fn digest(text: &str) -> Digest {
    let mut digest = Digest::default();
    digest.add(Some(text));
    digest
}

fn rows(rows: &[(&str, &str)]) -> Rows {
    let mut found = Rows::default();
    for (key, values) in rows {
        found.push(&digest(key), &digest(values));
    }
    found
}

fn stored<'a>(key: &str, values: &str, seq: &'a str, is_deleted: bool) -> Stored<'a> {
    Stored {
        key: digest(key).finish(),
        values: digest(values).finish(),
        seq,
        is_deleted,
    }
}

#[test]
fn the_same_rows_in_any_order_are_clean() {
    let mut mysql = rows(&[("1", "a"), ("2", "b"), ("3", "c")]);
    let mut reading = mysql.begin(MARK);
    for (key, values) in [("3", "c"), ("1", "a"), ("2", "b")] {
        assert_eq!(reading.take(stored(key, values, BEFORE, false)), None);
    }
    assert_eq!(
        reading.take(stored("4", "", BEFORE, true)),
        None,
        "gone in both"
    );
    let (found, missing) = reading.finish();
    assert_eq!((found.equal, found.is_clean(), missing), (3, true, vec![]));
}

#[test]
fn each_kind_of_difference_is_told() {
    let mut mysql = rows(&[("1", "a"), ("2", "b"), ("3", "c")]);
    let mut reading = mysql.begin(MARK);
    assert_eq!(
        reading.take(stored("1", "x", BEFORE, false)),
        Some(Wrong::Different)
    );
    assert_eq!(
        reading.take(stored("9", "i", BEFORE, false)),
        Some(Wrong::Extra)
    );
    // A delete that never was: the row is missing, and so is the third, which never came.
    assert_eq!(reading.take(stored("2", "", BEFORE, true)), None);
    let (found, missing) = reading.finish();
    let expected = Compared {
        missing: 2,
        extra: 1,
        different: 1,
        ..Compared::default()
    };
    assert_eq!(found, expected);
    let mut keys = [digest("2").finish(), digest("3").finish()];
    keys.sort_unstable();
    assert_eq!(missing, keys);
}

#[test]
fn rows_that_have_moved_on_say_nothing() {
    let mut mysql = rows(&[("1", "a"), ("2", "b")]);
    let mut reading = mysql.begin(MARK);
    assert_eq!(reading.take(stored("1", "newer", BEHIND, false)), None);
    assert_eq!(reading.take(stored("2", "", BEHIND, true)), None);
    assert_eq!(reading.take(stored("3", "new", BEHIND, false)), None);
    let (found, missing) = reading.finish();
    assert_eq!(
        (found.moved_on, found.is_clean(), missing),
        (3, true, vec![])
    );
}

#[test]
fn a_row_at_the_mark_itself_counts() {
    let mut mysql = rows(&[("1", "a")]);
    assert_eq!(
        mysql.begin(MARK).take(stored("1", "b", MARK, false)),
        Some(Wrong::Different)
    );
}

#[test]
fn the_warehouse_may_be_read_again() {
    let mut mysql = rows(&[("1", "a")]);
    assert_eq!(mysql.begin(MARK).finish().1.len(), 1);
    let mut again = mysql.begin(MARK);
    again.take(stored("1", "a", BEFORE, false));
    assert!(again.finish().0.is_clean());
}

#[test]
fn values_do_not_run_into_each_other() {
    let of = |values: &[Option<&str>]| {
        let mut digest = Digest::default();
        values.iter().for_each(|value| digest.add(*value));
        digest.finish()
    };
    assert_ne!(of(&[Some("a"), Some("b")]), of(&[Some("ab"), Some("")]));
    assert_ne!(of(&[None]), of(&[Some("")]));
    assert_ne!(of(&[None, Some("a")]), of(&[Some("a"), None]));
}

#[test]
fn a_row_that_the_warehouse_has_twice_is_extra() {
    for (second, is_deleted) in [(BEFORE, false), (BEHIND, false), (BEHIND, true)] {
        let mut mysql = rows(&[("1", "a")]);
        let mut reading = mysql.begin(MARK);
        assert_eq!(reading.take(stored("1", "a", BEFORE, false)), None);
        assert_eq!(
            reading.take(stored("1", "a", second, is_deleted)),
            Some(Wrong::Extra)
        );
        let (found, missing) = reading.finish();
        assert_eq!((found.extra, missing), (1, vec![]));
    }
}
