//! Flat lines: all that the audit knows of a line is what it knows of the nested one that says the same.

use serde_json::{Map, Value, json};

use super::*;

/// The same as a flat line.
fn flat(nested: &str, prefix: &str) -> String {
    let nested: Map<String, Value> = serde_json::from_str(nested).unwrap();
    let mut flat = Map::new();
    let kind = nested["type"].as_str().unwrap();
    if ["insert", "update", "delete", "snapshot"].contains(&kind) {
        flat.insert(format!("{prefix}deleted"), json!(kind == "delete"));
    }
    for (name, value) in &nested {
        match value {
            Value::Object(columns) if name == "data" => flat.extend(columns.clone()),
            value => {
                flat.insert(format!("{prefix}{name}"), value.clone());
            }
        }
    }
    Value::Object(flat).to_string()
}

fn ensure_same(nested: &str) {
    let prefix = Prefix::new("hw_");
    let parse = |line: &str| Line::parse(line.as_bytes(), Some("v"), &prefix);
    let said = parse(&flat(nested, "hw_"));
    assert!(said.is_ok(), "{said:?}: {nested}");
    assert_eq!(said, parse(nested), "{nested}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn changes_say_the_same((changes, ..) in scenario()) {
        for change in changes {
            ensure_same(&change.line());
        }
    }
}

#[test]
fn lines_of_snapshots_statements_and_heartbeats_say_the_same() {
    let place = format!(r#""database":"d","table":"t","id":"u:1/0","seq":"{SEQ}""#);
    let copied = r#""database":"d","table":"t","id":"snapshot:fix:1:f:4/0","run":"fix","seq":"00000001.00000001.0000000000000004.00000001.0000000000000000""#;
    for line in [
        format!(r#"{{"type":"snapshot",{copied},"key":{{"id":1}},"data":{{"id":1,"v":7}}}}"#),
        format!(r#"{{"type":"snapshot_end",{copied},"rows":9}}"#),
        format!(r#"{{"type":"ddl",{place},"statement":"ALTER TABLE t ADD c INT","tables":[]}}"#),
        format!(r#"{{"type":"truncate",{place},"statement":"TRUNCATE t","tables":[]}}"#),
        format!(
            r#"{{"type":"heartbeat","database":"d","table":"t","lane":0,"lanes":4,"seq":"{SEQ}"}}"#
        ),
        format!(r#"{{"type":"insert",{place},"data":{{"id":1}}}}"#),
        format!(
            r#"{{"type":"update",{place},"key":{{"id":2}},"data":{{"a":1}},"old":{{"id":1}}}}"#
        ),
    ] {
        ensure_same(&line);
    }
}

const SEQ: &str = "00000001.00000001.0000000000000004.00000000";

fn parsed(line: &Value) -> Result<Parsed, Unreadable> {
    Line::parse(line.to_string().as_bytes(), None, &Prefix::default())
}

#[test]
fn a_nested_line_of_a_table_with_such_a_column_is_no_flat_one() {
    let data = json!({"_type": "x", "_seq": 1, "id": 1});
    let nested = json!({"type": "insert", "database": "d", "table": "t", "id": "u:1/0", "seq": SEQ,
        "key": {"id": 1}, "data": data});
    let Ok(Parsed::Change(line)) = parsed(&nested) else {
        panic!("a change");
    };
    assert_eq!((line.id.as_str(), line.table.as_str()), ("u:1/0", "d.t"));
    assert!(line.row.unwrap().after.is_some());
}

/// A table that holds lines of a stream, as columns.
#[test]
fn columns_with_the_names_of_nested_fields_are_columns_of_a_flat_line() {
    let flat = json!({"_type": "insert", "_deleted": false, "_database": "d", "_table": "t", "_id": "u:1/0",
        "_seq": SEQ, "_key": {"id": "u:9/9"}, "_env": "prod", "type": "delete", "id": "u:9/9", "seq": SEQ,
        "data": 7, "key": null, "database": "other"});
    let Ok(Parsed::Change(line)) = parsed(&flat) else {
        panic!("a change: {:?}", parsed(&flat));
    };
    assert_eq!((line.id.as_str(), line.table.as_str()), ("u:1/0", "d.t"));
    let columns = json!({"type": "delete", "id": "u:9/9", "seq": SEQ, "data": 7, "key": null, "database": "other"});
    let image = crate::Image::of(columns.as_object().unwrap());
    assert_eq!(
        line.row.unwrap().after,
        Some(image),
        "no constant is a column"
    );
}

#[test]
fn a_flat_line_that_contradicts_itself_is_unreadable() {
    let line = |kind: &str, more: Value| {
        let mut line = json!({"_type": kind, "_database": "d", "_table": "t", "_id": "u:1/0", "_seq": SEQ,
            "_statement": "x"});
        let fields = more.as_object().unwrap().clone();
        line.as_object_mut().unwrap().extend(fields);
        parsed(&line)
    };
    for (kind, deleted) in [
        ("insert", true),
        ("update", true),
        ("delete", false),
        ("ddl", false),
    ] {
        let wrong = line(kind, json!({"_deleted": deleted}));
        assert_eq!(wrong, Err(Unreadable::Deleted), "{kind}");
    }
    assert_eq!(line("delete", json!({})), Err(Unreadable::Deleted));
    assert_eq!(
        line("delete", json!({"_deleted": 1})),
        Err(Unreadable::Deleted)
    );
    assert_eq!(line("ddl", json!({"id": 1})), Err(Unreadable::Columns));
    assert_eq!(line("ddl", json!({"_key": 1})), Err(Unreadable::Fields));
    assert!(line("ddl", json!({})).is_ok());
    assert!(line("delete", json!({"_deleted": true, "id": 1})).is_ok());
}
