//! Diffs against a model: any changes of any document give what the same changes give of a tree.

use proptest::{prelude::*, sample::Index};

use super::*;
use crate::json::{
    self,
    tree::tests::{Doc, docs, int, object, string},
};

fn lenenc(length: usize) -> Vec<u8> {
    crate::fixture::lenenc(length as u64)
}

fn diff(operation: u8, path: &str, value: Option<&Doc>) -> Vec<u8> {
    let mut bytes = vec![operation];
    bytes.extend(lenenc(path.len()));
    bytes.extend_from_slice(path.as_bytes());
    if let Some(value) = value {
        let value = value.binary();
        bytes.extend(lenenc(value.len()));
        bytes.extend(value);
    }
    bytes
}

fn applied(document: &Doc, diffs: &[Vec<u8>]) -> Result<String, Error> {
    let mut whole = Vec::new();
    apply(&document.binary(), &diffs.concat(), &mut whole)?;
    let mut text = Vec::new();
    json::write(&whole, &mut text)?;
    Ok(String::from_utf8(text).unwrap())
}

fn sample() -> Doc {
    object([
        (
            "a".to_owned(),
            Doc::Array(vec![int(1), string("two"), object([])]),
        ),
        ("b c".to_owned(), object([("d".to_owned(), int(-4))])),
    ])
}

#[test]
fn each_operation_changes_what_its_path_names() {
    let changes = [
        (
            diff(0, "$.a[1]", Some(&int(2))),
            r#"{"a":[1,2,{}],"b c":{"d":-4}}"#,
        ),
        (
            diff(0, "$.\"b c\"", Some(&string(""))),
            r#"{"a":[1,"two",{}],"b c":""}"#,
        ),
        (
            diff(1, "$.a[2].k", Some(&int(70_000))),
            r#"{"a":[1,"two",{"k":70000}],"b c":{"d":-4}}"#,
        ),
        (
            diff(1, "$.a[0]", Some(&int(0))),
            r#"{"a":[0,1,"two",{}],"b c":{"d":-4}}"#,
        ),
        (
            diff(1, "$.a[99]", Some(&int(9))),
            r#"{"a":[1,"two",{},9],"b c":{"d":-4}}"#,
        ),
        (
            diff(1, "$.a[last]", Some(&int(9))),
            r#"{"a":[1,"two",9,{}],"b c":{"d":-4}}"#,
        ),
        (
            diff(1, "$.aa", Some(&int(5))),
            r#"{"a":[1,"two",{}],"aa":5,"b c":{"d":-4}}"#,
        ),
        (diff(2, "$.a", None), r#"{"b c":{"d":-4}}"#),
        (
            diff(2, "$.a[last-1]", None),
            r#"{"a":[1,{}],"b c":{"d":-4}}"#,
        ),
        (
            diff(2, "$.\"b c\".d", None),
            r#"{"a":[1,"two",{}],"b c":{}}"#,
        ),
    ];
    for (diff, expected) in changes {
        assert_eq!(applied(&sample(), &[diff]).as_deref(), Ok(expected));
    }
}

#[test]
fn diffs_are_applied_in_their_order_and_none_leave_the_document_as_it_is() {
    let diffs = [
        diff(1, "$.new", Some(&object([("x".to_owned(), int(1))]))),
        diff(0, "$.new.x", Some(&Doc::Array(vec![int(1)]))),
        diff(1, "$.new.x[1]", Some(&int(2))),
        diff(2, "$.a", None),
        diff(2, "$.\"b c\"", None),
    ];
    assert_eq!(
        applied(&sample(), &diffs).as_deref(),
        Ok(r#"{"new":{"x":[1,2]}}"#)
    );
    assert_eq!(applied(&sample(), &[]), Ok(sample().text()));
    let mut whole = Vec::new();
    apply(&[], &[], &mut whole).unwrap();
    assert!(whole.is_empty());
}

#[test]
fn a_path_that_leads_nowhere_is_an_error() {
    for diff in [
        diff(0, "$.z", Some(&int(1))),
        diff(0, "$.a[3]", Some(&int(1))),
        diff(0, "$.a.x", Some(&int(1))),
        diff(0, "$.a[1][0]", Some(&int(1))),
        diff(0, "$", Some(&int(1))),
        diff(1, "$.a", Some(&int(1))),
        diff(1, "$.a[1].x", Some(&int(1))),
        diff(1, "$.\"b c\"[0]", Some(&int(1))),
        diff(1, "$.z.z", Some(&int(1))),
        diff(2, "$.z", None),
        diff(2, "$.a[last-3]", None),
        diff(3, "$.a", None),
        diff(0, "$.a", None),
        vec![0],
        vec![2, 200],
    ] {
        applied(&sample(), std::slice::from_ref(&diff)).expect_err(&format!("{diff:?}"));
    }
    let error = applied(&sample(), &[diff(2, "$.a", None), diff(2, "$.a", None)]).unwrap_err();
    assert!(error.to_string().contains("diff 2, 1 steps"), "{error}");
}

/// One change, not yet bound to a document.
#[derive(Debug, Clone)]
struct Change {
    operation: u8,
    steps: Vec<Index>,
    key: String,
    value: Doc,
}

fn changes() -> impl Strategy<Value = Vec<Change>> {
    let change = (
        0_u8..3,
        prop::collection::vec(any::<Index>(), 1..5),
        any::<String>(),
        docs(),
    );
    let change = change.prop_map(|(operation, steps, key, value)| Change {
        operation,
        steps,
        key,
        value,
    });
    prop::collection::vec(change, 0..6)
}

/// Performs the change on the model; its diff, unless it would change nothing.
fn perform_on_model(doc: &mut Doc, change: &Change) -> Option<Vec<u8>> {
    let (mut place, mut path) = (doc, "$".to_owned());
    let quoted = |key: &str| {
        let mut name = b".".to_vec();
        json::write_json_string(key, &mut name);
        String::from_utf8(name).unwrap()
    };
    let (last, way) = change.steps.split_last()?;
    for step in way {
        match place {
            Doc::Array(elements) if !elements.is_empty() => {
                let index = step.index(elements.len());
                path.push_str(&format!("[{index}]"));
                place = elements.get_mut(index)?;
            }
            Doc::Object(members) if !members.is_empty() => {
                let key = members.keys().nth(step.index(members.len()))?.clone();
                path.push_str(&quoted(&key.1));
                place = members.get_mut(&key)?;
            }
            _ => return None,
        }
    }
    let value = Some(&change.value);
    match (place, change.operation) {
        (Doc::Array(elements), 1) => {
            let index = last.index(elements.len() + 1);
            path.push_str(&format!("[{index}]"));
            elements.insert(index, change.value.clone());
            Some(diff(1, &path, value))
        }
        (Doc::Object(members), 1) => {
            let key = (change.key.len(), change.key.clone());
            if members.contains_key(&key) {
                return None;
            }
            path.push_str(&quoted(&change.key));
            members.insert(key, change.value.clone());
            Some(diff(1, &path, value))
        }
        (Doc::Array(elements), operation) if !elements.is_empty() => {
            let index = last.index(elements.len());
            path.push_str(&format!("[{index}]"));
            if operation == 2 {
                elements.remove(index);
                return Some(diff(2, &path, None));
            }
            *elements.get_mut(index)? = change.value.clone();
            Some(diff(0, &path, value))
        }
        (Doc::Object(members), operation) if !members.is_empty() => {
            let key = members.keys().nth(last.index(members.len()))?.clone();
            path.push_str(&quoted(&key.1));
            if operation == 2 {
                members.remove(&key);
                return Some(diff(2, &path, None));
            }
            members.insert(key, change.value.clone());
            Some(diff(0, &path, value))
        }
        _ => None,
    }
}

proptest! {
    #[test]
    fn any_changes_give_what_they_give_of_a_tree(doc in docs(), changes in changes()) {
        let mut model = doc.clone();
        let diffs: Vec<_> = changes
            .iter()
            .filter_map(|change| perform_on_model(&mut model, change))
            .collect();
        prop_assert_eq!(applied(&doc, &diffs), Ok(model.text()));
    }

    #[test]
    fn no_diffs_panic(
        doc in docs(),
        bytes in prop::collection::vec(prop_oneof![any::<u8>(), 0_u8..4, prop::sample::select(b"$.a[0]\"".to_vec())], 0..60),
    ) {
        drop(apply(&doc.binary(), &bytes, &mut Vec::new()));
        drop(apply(&bytes, &diff(2, "$.a", None), &mut Vec::new()));
    }
}
