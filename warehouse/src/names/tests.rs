//! No two names alike, none too long, none of ours.

use super::*;

const MAX: usize = 20;

#[test]
fn names_are_folded_and_nothing_else_where_they_are_alone() {
    assert_eq!(
        identifiers(&["Orders", "größe", "a\"b"], &[], MAX),
        ["orders", "größe", "a\"b"]
    );
    assert_eq!(quoted("a\"b"), "\"a\"\"b\"");
    assert_eq!(literal("it's"), "'it''s'");
}

#[test]
fn two_names_that_fold_alike_are_told_apart_and_the_plain_one_keeps_its_own() {
    let both = identifiers(&["Orders", "ORDERS"], &[], MAX);
    let is_told_apart = |name: &String| name.starts_with("orders_") && name.len() == 15;
    assert!(both.iter().all(is_told_apart), "{both:?}");
    assert_ne!(both.first(), both.last());
    let with_plain = identifiers(&["orders", "ORDERS"], &[], MAX);
    assert_eq!(with_plain.first().map(String::as_str), Some("orders"));
    // Which others there are does not matter to a name that is told apart.
    assert_eq!(with_plain.last(), both.last());
}

#[test]
fn a_name_that_is_ours_becomes_another() {
    let names = identifiers(&["_seq", "_SEQ", "x"], &["_seq"], MAX);
    assert!(!names.contains(&"_seq".to_owned()), "{names:?}");
    assert_ne!(names.first(), names.get(1));
}

#[test]
fn a_long_name_is_cut_between_characters_and_stays_within_the_limit() {
    for name in ["x".repeat(21), "ß".repeat(11), "日".repeat(9)] {
        let cut = identifiers(&[&name], &[], MAX).concat();
        assert!(cut.len() <= MAX && cut.len() > MAX - 4, "{cut}");
        let longer = format!("{name}y");
        assert_ne!(identifiers(&[&longer], &[], MAX).concat(), cut);
    }
    let fits = "x".repeat(20);
    assert_eq!(identifiers(&[&fits], &[], MAX), [fits]);
}

#[test]
fn a_plain_name_has_letters_digits_and_underscores_and_stays_apart() {
    let of = |names: &[&str]| plain_identifiers(names, &["_seq"], 40);
    assert_eq!(of(&["Paid at", "größe"]), ["paid_at", "gr__e"]);
    assert_eq!(of(&["a-b", "a_b"])[1], "a_b");
    let alike = of(&["a-b", "a b", "_SEQ"]);
    assert!(alike.iter().all(|name| name.len() > 8), "{alike:?}");
    assert_ne!(alike[0], alike[1]);
}
