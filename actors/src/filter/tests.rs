//! Which patterns match which names, and what is refused as a pattern.

use proptest::prelude::*;

use super::*;

fn name(database: &str, table: &str) -> TableName {
    TableName {
        database: database.to_owned(),
        table: table.to_owned(),
    }
}

fn filter(patterns: &[&str]) -> TableFilter {
    let patterns: Vec<String> = patterns.iter().map(ToString::to_string).collect();
    TableFilter::new(&patterns).unwrap()
}

fn refusal(pattern: &str) -> String {
    TableFilter::new(&[pattern.to_owned()])
        .unwrap_err()
        .to_string()
}

#[test]
fn the_last_match_wins() {
    let filter = filter(&["shop.*", "!shop.tmp_*", "shop.tmp_keep"]);
    assert!(filter.includes(&name("shop", "orders")));
    assert!(!filter.includes(&name("shop", "tmp_1")));
    assert!(filter.includes(&name("shop", "tmp_keep")));
    assert!(!filter.includes(&name("other", "orders")));
}

#[test]
fn only_excludes_begin_with_everything() {
    let filter = filter(&["!shop.audit"]);
    assert!(filter.includes(&name("any", "table")));
    assert!(!filter.includes(&name("shop", "audit")));
    assert!(!filter.is_everything());
}

#[test]
fn the_first_dot_outside_backticks_separates() {
    assert!(filter(&["a.b.c"]).includes(&name("a", "b.c")));
    assert!(filter(&["`a.b`.c"]).includes(&name("a.b", "c")));
    assert!(!filter(&["`a.b`.c"]).includes(&name("a", "b.c")));
    assert!(filter(&["`a``b`.`c.d`*"]).includes(&name("a`b", "c.de")));
}

#[test]
fn backticks_make_a_star_literal() {
    let filter = filter(&["shop.`a*?`"]);
    assert!(filter.includes(&name("shop", "a*?")));
    assert!(!filter.includes(&name("shop", "abc")));
}

#[test]
fn names_are_compared_as_the_server_stores_them() {
    assert!(!filter(&["shop.Orders"]).includes(&name("shop", "orders")));
    assert!(filter(&["shop.été?"]).includes(&name("shop", "étés")));
}

#[test]
fn system_schemas_are_never_wanted() {
    for schema in SYSTEM_SCHEMAS {
        assert!(
            !filter(&["*.*"]).includes(&name(schema, "user")),
            "{schema}"
        );
    }
    assert!(!filter(&["my*.rds_*"]).includes(&name("mysql", "rds_heartbeat2")));
    assert!(refusal("mysql.user").contains("never read"));
    assert!(filter(&["!mysql.*"]).includes(&name("shop", "orders")));
}

#[test]
fn everything_is_known_as_such() {
    assert!(filter(&["*.*"]).is_everything());
    assert!(filter(&["!a.b", "*.*"]).is_everything());
    assert!(filter(&["***.**", "shop.*"]).is_everything());
    assert!(TableFilter::default().is_everything());
    assert!(!filter(&["*.*", "!a.b", "a.b"]).is_everything());
    assert!(!filter(&["*.t*"]).is_everything());
}

#[test]
fn a_wrong_pattern_says_what_to_write() {
    assert_eq!(TableFilter::new(&[]).unwrap_err(), FilterError::Empty);
    assert!(refusal("orders").contains("no dot"));
    assert!(refusal("`shop.orders").contains("open backtick"));
    assert!(refusal(".orders").contains("lacks"));
    assert!(refusal("shop.").contains("lacks"));
    assert!(refusal("shop.orders ").contains("space"));
}

/// The definition, slow and plain.
fn matches_by_definition(tokens: &[Token], text: &[char]) -> bool {
    match (tokens.split_first(), text.split_first()) {
        (None, None) => true,
        (None, Some(_)) => false,
        (Some((Token::Run, rest)), _) => {
            (0..=text.len()).any(|from| matches_by_definition(rest, &text[from..]))
        }
        (Some((Token::One, rest)), Some((_, left))) => matches_by_definition(rest, left),
        (Some((Token::Literal(wanted), rest)), Some((found, left))) => {
            wanted == found && matches_by_definition(rest, left)
        }
        (Some(_), None) => false,
    }
}

fn glob_text() -> impl Strategy<Value = String> {
    "[ab*?é]{1,8}"
}

proptest! {
    #[test]
    fn a_glob_matches_as_defined(glob in glob_text(), text in "[abé]{0,10}") {
        let rule = Rule::parse(&format!("x.{glob}")).unwrap();
        let characters: Vec<char> = text.chars().collect();
        prop_assert_eq!(rule.table.matches(&text), matches_by_definition(&rule.table.0, &characters));
    }

    #[test]
    fn a_quoted_name_matches_itself_alone(table in "[a-c`.*?! é]{1,10}", other in "[a-c`.*?! é]{1,10}") {
        let pattern = format!("shop.`{}`", table.replace('`', "``"));
        let filter = TableFilter::new(&[pattern]).unwrap();
        prop_assert!(filter.includes(&name("shop", &table)));
        prop_assert_eq!(filter.includes(&name("shop", &other)), table == other);
    }

    #[test]
    fn what_is_everything_includes_everything(
        patterns in prop::collection::vec(prop_oneof![Just("*.*".to_owned()), "!?[ab*]{1,2}\\.[ab*]{1,2}"], 1..5),
        database in "[ab]{1,3}",
        table in "[ab]{1,3}",
    ) {
        let filter = TableFilter::new(&patterns).unwrap();
        if filter.is_everything() {
            prop_assert!(filter.includes(&name(&database, &table)));
        }
    }

    #[test]
    fn any_text_is_a_filter_or_a_refusal(pattern in "\\PC{0,20}") {
        if let Ok(filter) = TableFilter::new(&[pattern]) {
            prop_assert!(!filter.includes(&name("mysql", "user")));
        }
    }
}

#[test]
fn patterns_that_no_name_in_lower_case_can_match_are_told() {
    let patterns = [
        "!Shop.secret",
        "!shop.`Orders`",
        "!SHOP?.*",
        "!shop.été*",
        "!*.log",
    ];
    let patterns = patterns.map(str::to_owned);
    let filter = TableFilter::new(&patterns).unwrap();
    assert_eq!(
        filter.never_matching(NameCase::Folded),
        ["!Shop.secret", "!shop.`Orders`", "!SHOP?.*"]
    );
    assert!(filter.never_matching(NameCase::Sensitive).is_empty());
    let columns = ["shop.Users.mail".to_owned(), "shop.users.Mail".to_owned()];
    let columns = ColumnFilter::new(&columns).unwrap();
    assert_eq!(
        columns.never_matching(NameCase::Folded),
        ["shop.Users.mail"]
    );
}

#[test]
fn what_patterns_name_is_told_without_what_they_exclude() {
    let filter = |patterns: &[&str]| {
        let patterns: Vec<String> = patterns.iter().map(ToString::to_string).collect();
        TableFilter::new(&patterns).unwrap()
    };
    let named = filter(&["shop.a", "!shop.b", "`my.db`.c", "shop.d*"]);
    let literals: Vec<String> = named.literals().map(|name| name.table).collect();
    assert_eq!(literals, ["a", "c"]);
    let databases = named.databases().unwrap();
    assert_eq!(Vec::from_iter(databases), ["my.db", "shop"]);
    assert_eq!(filter(&["shop.a", "*.b"]).databases(), None);
    assert_eq!(filter(&["!shop.a"]).databases(), None);
}
