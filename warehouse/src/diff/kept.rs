//! Which ALTERs of a column leave its values as they are. What an ALTER made of the values is in no line.

use crate::table::Column;

/// By size.
const INTEGERS: [&str; 5] = ["tinyint", "smallint", "mediumint", "int", "bigint"];

/// Whether no ALTER from one to the other changes a value.
pub(super) fn keeps_values(was: &Column, now: &Column) -> bool {
    keeps_texts(was.charset.as_deref(), now.charset.as_deref())
        && keeps_type(&was.declared, &now.declared)
}

/// What a character set lacks becomes `?`, and others may hold bytes that are no character.
fn keeps_texts(was: Option<&str>, now: Option<&str>) -> bool {
    was == now || matches!((was, now), (Some("utf8" | "utf8mb3"), Some("utf8mb4")))
}

/// A longer text, a larger integer, or labels behind those that there were.
fn keeps_type(was: &str, now: &str) -> bool {
    let has_more_labels = || {
        let labels = was.strip_suffix(')')?;
        now.strip_prefix(labels)?.strip_prefix(",'")
    };
    let length = |declared: &str, name: &str| -> Option<u64> {
        let digits = declared.strip_prefix(name)?.strip_prefix('(')?;
        digits.strip_suffix(')')?.parse().ok()
    };
    let is_longer = |name: &&str| {
        let lengths = length(was, name).zip(length(now, name));
        lengths.is_some_and(|(before, after)| before <= after)
    };
    let integer = |declared: &str| {
        let name = declared.split(['(', ' ']).next()?;
        let size = INTEGERS.iter().position(|it| *it == name)?;
        Some((size, declared.contains("unsigned")))
    };
    let is_larger = || {
        let ((before, was_unsigned), (after, is_unsigned)) = integer(was).zip(integer(now))?;
        Some(before <= after && was_unsigned == is_unsigned)
    };
    was == now
        || is_larger() == Some(true)
        || has_more_labels().is_some()
        || ["char", "varchar", "varbinary"].iter().any(is_longer)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_longer_text_keeps_its_values_and_bytes_that_are_filled_up_do_not() {
        assert!(keeps_type("varchar(4)", "varchar(16)"));
        assert!(!keeps_type("varchar(16)", "varchar(4)"));
        assert!(!keeps_type("binary(4)", "binary(16)"));
    }
}
