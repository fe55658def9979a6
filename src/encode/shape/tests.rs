//! Which treatment a column gets, and what each mask writes.

use headwater_actors::filter::ColumnFilter;
use headwater_binlog::{
    charset::Charset,
    schema::{Column, TableName},
};

use super::*;
use crate::secret::Secret;

const INT: ColumnKind = ColumnKind::Int { unsigned: false };
const VARCHAR: ColumnKind = ColumnKind::Text {
    length_bytes: 1,
    charset: Charset::Utf8,
};

fn filter(patterns: &[&str]) -> ColumnFilter {
    let patterns: Vec<String> = patterns.iter().map(ToString::to_string).collect();
    ColumnFilter::new(&patterns).unwrap()
}

fn users() -> Table {
    let column = |name: &str| Column {
        name: name.into(),
        kind: VARCHAR,
        nullable: true,
        visible: true,
    };
    let name = TableName {
        database: "shop".into(),
        table: "users".into(),
    };
    Table::new(name, ["id", "email", "note"].map(column).into(), vec![0])
}

fn shape(plan: ShapePlan) -> Option<String> {
    let rules = ShapeRules::new(&plan, InvalidText::Halt);
    let shape = rules.table(&users())?;
    Some(format!("{:?}", shape.columns))
}

fn masked(mask: &Mask, kind: &ColumnKind, bytes: Option<&[u8]>) -> String {
    let mut out = Vec::new();
    mask.write(kind, bytes, InvalidText::Halt, &mut out)
        .unwrap();
    String::from_utf8(out).unwrap()
}

fn salted() -> Mask {
    Mask::Hash(Salted::new("pepper"))
}

#[test]
fn a_table_that_no_rule_touches_has_no_shape() {
    assert_eq!(shape(ShapePlan::default()), None);
    let other = ShapePlan {
        null: filter(&["shop.orders.*"]),
        include: filter(&["!other.*.*"]),
        ..ShapePlan::default()
    };
    assert_eq!(shape(other), None);
}

#[test]
fn of_several_masks_the_one_that_shows_least_counts() {
    let plan = ShapePlan {
        include: filter(&["!*.*.note"]),
        null: filter(&["*.*.note"]),
        fixed: filter(&["*.users.email"]),
        fixed_text: "x".into(),
        hash: filter(&["*.users.*"]),
        hash_salt: Secret::new("pepper"),
        truncate: filter(&["*.*.*"]),
        ..ShapePlan::default()
    };
    assert_eq!(
        shape(plan).as_deref(),
        Some("[Mask(Hash(Salted)), Mask(Fixed(\"x\")), Drop]")
    );
}

#[test]
fn a_hash_is_sha_256_over_salt_and_text() {
    // printf 'pepper%s' TEXT | sha256sum
    let ana = "\"88532c1dad0b4c889d8976a689ca5e89c9a525f5aa3d6ff98010a91f3e1458d0\"";
    assert_eq!(masked(&salted(), &VARCHAR, Some(b"ana")), ana);
    let latin1 = ColumnKind::Text {
        length_bytes: 1,
        charset: Charset::Latin1,
    };
    assert_eq!(masked(&salted(), &latin1, Some(b"ana")), ana);
    assert_eq!(
        masked(&salted(), &INT, Some(&[42, 0, 0, 0])),
        "\"93ca73bec2907ec825519db1f7ee28cb033d71c83d14b76ef78b0c4e64566e6e\""
    );
    assert_eq!(masked(&salted(), &VARCHAR, None), "null");
}

#[test]
fn a_mask_takes_a_values_text_without_quotes_and_escapes() {
    let cut = Mask::Truncate { chars: 4 };
    let cut_of = |kind: &ColumnKind, bytes: &[u8]| masked(&cut, kind, Some(bytes));
    assert_eq!(
        cut_of(&VARCHAR, "a\"\u{1f600}é\n".as_bytes()),
        "\"a\\\"\u{1f600}é\""
    );
    assert_eq!(cut_of(&VARCHAR, b"abc"), "\"abc\"");
    assert_eq!(cut_of(&INT, &(-12345_i32).to_le_bytes()), "\"-123\"");
    assert_eq!(cut_of(&ColumnKind::Date, &[0x43, 0xd0, 0x0f]), "\"2024\"");
    let blob = ColumnKind::Blob { length_bytes: 1 };
    assert_eq!(cut_of(&blob, b"abcdef"), "\"YWJj\"");
    let json = ColumnKind::Json { length_bytes: 4 };
    assert_eq!(cut_of(&json, b"\x0c\x05hello"), "\"\\\"hel\"");
    let labels: Arc<[String]> = ["a\"b".into(), "cd".into()].into();
    let set = ColumnKind::Set {
        bytes: 1,
        labels: Arc::clone(&labels),
    };
    assert_eq!(cut_of(&set, &[3]), "\"a\\\"b,\"");
    let label = ColumnKind::Enum { bytes: 1, labels };
    assert_eq!(cut_of(&label, &[2]), "\"cd\"");
    assert_eq!(masked(&cut, &VARCHAR, None), "null");
    assert_eq!(
        masked(&Mask::Truncate { chars: 0 }, &VARCHAR, Some(b"abc")),
        "\"\""
    );
}

#[test]
fn null_and_fixed_show_nothing_not_even_null() {
    let fixed = Mask::Fixed("\"*\"".into());
    for bytes in [None, Some(&b"\xff"[..])] {
        assert_eq!(masked(&fixed, &VARCHAR, bytes), r#""\"*\"""#);
        assert_eq!(masked(&Mask::Null, &VARCHAR, bytes), "null");
    }
}

#[test]
fn text_that_is_none_follows_the_policy_under_a_mask_too() {
    let written = |mask: &Mask, invalid| {
        let mut out = Vec::new();
        mask.write(&VARCHAR, Some(b"a\xff"), invalid, &mut out)
            .map(|()| String::from_utf8(out).unwrap())
    };
    let cut = Mask::Truncate { chars: 3 };
    assert!(written(&cut, InvalidText::Halt).is_err());
    assert!(written(&salted(), InvalidText::Halt).is_err());
    assert_eq!(
        written(&cut, InvalidText::Replace).as_deref(),
        Ok("\"a\u{fffd}\"")
    );
    assert_eq!(
        written(&cut, InvalidText::Base64Object).as_deref(),
        Ok("\"Yf8\"")
    );
}
