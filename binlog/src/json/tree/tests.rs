//! Documents written in MySQL's format and read back, and documents that no server would write.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::json;

/// A document as a tree, for comparison.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::json) enum Doc {
    /// With its type byte.
    Scalar(Vec<u8>),
    Array(Vec<Doc>),
    /// In MySQL's order.
    Object(BTreeMap<(usize, String), Doc>),
}

pub(in crate::json) fn int(value: i64) -> Doc {
    Doc::Scalar(match (i16::try_from(value), i32::try_from(value)) {
        (Ok(small), _) => [&[INT16][..], &small.to_le_bytes()].concat(),
        (_, Ok(middle)) => [&[INT32][..], &middle.to_le_bytes()].concat(),
        _ => [&[0x09][..], &value.to_le_bytes()].concat(),
    })
}

pub(in crate::json) fn string(value: &str) -> Doc {
    let mut bytes = vec![0x0c];
    bytes.extend(json::tests::measure(value.len()));
    bytes.extend_from_slice(value.as_bytes());
    Doc::Scalar(bytes)
}

pub(in crate::json) fn object(members: impl IntoIterator<Item = (String, Doc)>) -> Doc {
    let members = members
        .into_iter()
        .map(|(key, value)| ((key.len(), key), value));
    Doc::Object(members.collect())
}

impl Doc {
    /// As JSON text.
    pub fn text(&self) -> String {
        match self {
            Self::Scalar(bytes) => {
                let mut out = Vec::new();
                json::write(bytes, &mut out).expect("a scalar");
                String::from_utf8(out).expect("UTF-8")
            }
            Self::Array(elements) => {
                let elements: Vec<_> = elements.iter().map(Self::text).collect();
                format!("[{}]", elements.join(","))
            }
            Self::Object(members) => {
                let member = |((_, key), value): (&(usize, String), &Self)| {
                    let mut name = Vec::new();
                    json::write_json_string(key, &mut name);
                    let name = String::from_utf8(name).expect("UTF-8");
                    format!("{name}:{}", value.text())
                };
                let members: Vec<_> = members.iter().map(member).collect();
                format!("{{{}}}", members.join(","))
            }
        }
    }

    /// In MySQL's format, each container written by itself.
    pub fn binary(&self) -> Vec<u8> {
        let (keys, values): (_, Vec<&Doc>) = match self {
            Self::Scalar(bytes) => return bytes.clone(),
            Self::Array(elements) => (None, elements.iter().collect()),
            Self::Object(members) => {
                let keys = members.keys().map(|(_, key)| key.as_bytes().into());
                (Some(keys.collect()), members.values().collect())
            }
        };
        let values: Vec<_> = values.into_iter().map(Self::binary).collect();
        let opened = Opened {
            keys,
            values: values
                .iter()
                .map(|value| Node::new(value).expect("a value"))
                .collect(),
            size: Size::Small,
            bytes: 0,
        };
        written(Node::Opened(Box::new(opened)))
    }
}

fn written(node: Node<'_>) -> Vec<u8> {
    let mut out = Vec::new();
    node.write(&mut out).expect("a document that fits");
    out
}

/// Opens every container.
fn open_all(node: &mut Node<'_>) {
    if let Some(opened) = node.open().expect("a container of our own") {
        opened.values.iter_mut().for_each(open_all);
    }
}

pub(in crate::json) fn docs() -> impl Strategy<Value = Doc> {
    let scalar = prop_oneof![
        4 => (0_u8..3).prop_map(|literal| Doc::Scalar(vec![LITERAL, literal])),
        4 => (any::<i64>(), 0_u32..64).prop_map(|(value, shift)| int(value >> shift)),
        4 => any::<u16>().prop_map(|value| Doc::Scalar([&[UINT16][..], &value.to_le_bytes()].concat())),
        4 => any::<u32>().prop_map(|value| Doc::Scalar([&[UINT32][..], &value.to_le_bytes()].concat())),
        4 => any::<u64>().prop_map(|value| Doc::Scalar([&[0x0a][..], &value.to_le_bytes()].concat())),
        4 => (-1e300..1e300).prop_map(|value: f64| {
            Doc::Scalar([&[0x0b][..], &value.to_le_bytes()].concat())
        }),
        4 => prop::collection::vec(any::<u8>(), 0..200).prop_map(|data| {
            let mut bytes = vec![0x0f, 252];
            bytes.extend(json::tests::measure(data.len()));
            bytes.extend(data);
            Doc::Scalar(bytes)
        }),
        8 => any::<String>().prop_map(|text| string(&text)),
        1 => (60_000_usize..70_000).prop_map(|length| string(&"x".repeat(length))),
    ];
    scalar.prop_recursive(5, 40, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Doc::Array),
            prop::collection::vec((any::<String>(), inner), 0..6).prop_map(object),
        ]
    })
}

proptest! {
    #[test]
    fn a_document_that_was_written_reads_as_the_same_text(doc in docs()) {
        let binary = doc.binary();
        let mut text = Vec::new();
        json::write(&binary, &mut text).unwrap();
        prop_assert_eq!(String::from_utf8(text).unwrap(), doc.text());
        let mut node = Node::new(&binary).unwrap();
        open_all(&mut node);
        prop_assert_eq!(written(node), binary);
    }

    #[test]
    fn no_bytes_panic_and_none_become_more_than_a_few_times_themselves(
        bytes in prop::collection::vec(prop_oneof![any::<u8>(), 0_u8..16], 0..400),
    ) {
        let Ok(mut node) = Node::new(&bytes) else { return Ok(()) };
        let mut out = Vec::new();
        if let Ok(Some(opened)) = node.open() {
            for value in &mut opened.values {
                drop(value.open());
            }
        }
        if node.write(&mut out).is_ok() {
            prop_assert!(out.len() <= 3 * bytes.len() + 16, "{} of {}", out.len(), bytes.len());
        }
    }
}

#[test]
fn a_small_container_becomes_large_where_it_must_and_small_again_where_it_can() {
    let long = string(&"x".repeat(65_000)).binary();
    let doc = object([
        ("n".to_owned(), int(-7)),
        ("m".to_owned(), int(70_000)),
        ("a".to_owned(), Doc::Array(vec![int(1)])),
    ]);
    let small = doc.binary();
    assert_eq!(small[0], 0x00);
    let mut node = Node::new(&small).unwrap();
    for key in ["x", "y"] {
        let leg = Leg::Member(key.as_bytes().into());
        assert!(node.insert(leg, Node::new(&long).unwrap()).unwrap());
    }
    let large = written(node);
    assert_eq!(large[0], 0x01);
    let mut node = Node::new(&large).unwrap();
    for key in ["x", "y"] {
        assert!(node.remove(&Leg::Member(key.as_bytes().into())).unwrap());
    }
    assert_eq!(written(node), small);
}

#[test]
fn parts_that_overlap_and_keys_out_of_order_are_refused() {
    // An array of two strings that are the same seven bytes.
    let string = [6, b'x', b'x', b'x', b'x', b'x', b'x'];
    let bytes = [&[2, 2, 0, 17, 0, 12, 10, 0, 12, 10, 0][..], &string].concat();
    let mut node = Node::new(&bytes).unwrap();
    let error = node.child(&Leg::Cell(0)).unwrap_err().to_string();
    assert!(error.contains("overlap"), "{error}");

    let mut swapped = object([("a".into(), int(1)), ("b".into(), int(2))]).binary();
    let at = swapped.len() - 2;
    swapped[at..].copy_from_slice(b"ba");
    let mut node = Node::new(&swapped).unwrap();
    let error = node.child(&Leg::Cell(0)).unwrap_err().to_string();
    assert!(error.contains("order"), "{error}");
}
