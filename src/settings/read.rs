//! Values by key into the types that components have for them, by serde.
//!
//! A section is a struct, its keys are the fields, also those that a component flattens into it. Whatever is refused
//! (a choice that there is not) is told with the whole key. That struct and reference have the same keys is the
//! structs' own rule (`deny_unknown_fields`), so a key that nobody reads fails every test.

use std::collections::BTreeMap;

use serde::{
    Deserialize, Deserializer,
    de::{
        DeserializeSeed, IntoDeserializer, MapAccess, Visitor,
        value::{BorrowedStrDeserializer, SeqDeserializer},
    },
    forward_to_deserialize_any,
};

use super::value::{Layer, Literal, Value};
use crate::options::Error;

enum Node<'a> {
    Leaf(&'a Literal),
    Section(BTreeMap<&'a str, Node<'a>>),
}

pub(super) fn read<'a, T: Deserialize<'a>>(values: &'a Layer) -> Result<T, Error> {
    let mut root = BTreeMap::new();
    for (key, value) in values {
        insert(&mut root, key, value);
    }
    T::deserialize(Node::Section(root))
}

fn insert<'a>(section: &mut BTreeMap<&'a str, Node<'a>>, key: &'a str, value: &'a Value) {
    let Some((name, rest)) = key.split_once('.') else {
        section.insert(key, Node::Leaf(&value.literal));
        return;
    };
    let inner = section.entry(name);
    // A section and a value never have one name: the reference could not be written so.
    if let Node::Section(inner) = inner.or_insert_with(|| Node::Section(BTreeMap::new())) {
        insert(inner, rest, value);
    }
}

impl<'de> Deserializer<'de> for Node<'de> {
    type Error = Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self {
            Self::Leaf(Literal::Text(text)) => visitor.visit_borrowed_str(text),
            Self::Leaf(Literal::Count(number)) => visitor.visit_u64(*number),
            Self::Leaf(Literal::Switch(switch)) => visitor.visit_bool(*switch),
            Self::Leaf(Literal::List(items)) => {
                visitor.visit_seq(SeqDeserializer::new(items.iter().map(String::as_str)))
            }
            Self::Section(section) => visitor.visit_map(Fields {
                rest: section.into_iter(),
                next: None,
            }),
        }
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        match self {
            Self::Leaf(Literal::Text(text)) => {
                let text: BorrowedStrDeserializer<'_, Error> = BorrowedStrDeserializer::new(text);
                text.deserialize_enum(name, variants, visitor)
            }
            other => other.deserialize_any(visitor),
        }
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option unit
        unit_struct newtype_struct seq tuple tuple_struct map struct identifier ignored_any
    }
}

struct Fields<'de> {
    rest: std::collections::btree_map::IntoIter<&'de str, Node<'de>>,
    next: Option<(&'de str, Node<'de>)>,
}

impl<'de> MapAccess<'de> for Fields<'de> {
    type Error = Error;

    fn next_key_seed<K: DeserializeSeed<'de>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, Error> {
        self.next = self.rest.next();
        let name = self.next.as_ref().map(|(name, _)| *name);
        name.map(|name| seed.deserialize(name.into_deserializer()))
            .transpose()
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Error> {
        let (name, node) = self.next.take().expect("a value follows its key");
        seed.deserialize(node).map_err(|error| error.under(name))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Top {
        section: Section,
    }

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Section {
        own: u64,
        #[serde(flatten)]
        shared: Shared,
    }

    #[derive(Debug, Deserialize)]
    struct Shared {
        switch: bool,
        list: Vec<String>,
    }

    fn values(keys: &[(&str, Literal)]) -> Layer {
        let values = keys
            .iter()
            .map(|(key, literal)| ((*key).to_owned(), Value::new(literal.clone(), None)));
        values.collect()
    }

    #[test]
    fn a_section_shares_keys_and_one_that_nobody_reads_or_gives_is_refused() {
        let mut keys = vec![
            ("section.own", Literal::Count(1)),
            ("section.switch", Literal::Switch(true)),
            ("section.list", Literal::List(vec!["a".to_owned()])),
        ];
        let whole = values(&keys);
        let Top { section } = read(&whole).unwrap();
        assert_eq!((section.own, section.shared.switch), (1, true));
        assert_eq!(section.shared.list, ["a"]);
        keys.push(("section.other", Literal::Text(String::new())));
        let error = read::<Top>(&values(&keys)).unwrap_err();
        assert!(error.problem.contains("unknown field `other`"), "{error}");
        keys.truncate(2);
        let error = read::<Top>(&values(&keys)).unwrap_err();
        assert_eq!(error.key, "section");
        assert!(error.problem.contains("missing field `list`"), "{error}");
    }
}
