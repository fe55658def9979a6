//! One setting's value as a layer gave it, of the type that the reference has, and where it came from.

use std::collections::BTreeMap;

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Value {
    pub(super) literal: Literal,
    /// `None`: the default.
    pub(super) origin: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Literal {
    Text(String),
    Count(u64),
    Switch(bool),
    List(Vec<String>),
}

/// Checked values by their full key; of two layers the later wins.
pub(super) type Layer = BTreeMap<String, Value>;

impl Value {
    pub(super) fn new(literal: Literal, origin: Option<&str>) -> Self {
        Self {
            literal,
            origin: origin.map(str::to_owned),
        }
    }

    pub(super) fn origin(&self) -> Option<&str> {
        self.origin.as_deref()
    }
}
