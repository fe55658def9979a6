//! JSON diffs (`binlog_row_value_options = PARTIAL_JSON`): what an update did to a document, by paths.
//!
//! The promise: [`apply`] gives the document that the server has after the update, or an error; a path that
//! leads nowhere means that the diffs are not of this document, and is never passed over. Rules and format
//! are the server's own (`json_diff.cc`): an element past an array's end is put behind its last one, a scalar
//! is never taken for an array, the root is never replaced.

use super::{
    path,
    tree::{Leg, Node},
};
use crate::{Error, cursor::Cursor};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Operation {
    Replace,
    Insert,
    Remove,
}

/// Appends `document` (MySQL's binary JSON, as [`super::write`] takes it) with `diffs` applied in their order.
///
/// Time and memory grow with both, not with their product, but for elements moved within one array.
pub fn apply(document: &[u8], diffs: &[u8], out: &mut Vec<u8>) -> Result<(), Error> {
    if diffs.is_empty() {
        out.extend_from_slice(document);
        return Ok(());
    }
    let mut root = Node::new(document)?;
    let mut cursor = Cursor::new("JSON diff", diffs);
    let mut number = 0_usize;
    while !cursor.is_empty() {
        number += 1;
        let operation = match cursor.u8()? {
            0 => Operation::Replace,
            1 => Operation::Insert,
            2 => Operation::Remove,
            other => return Err(cursor.malformed(format_args!("unknown operation {other}"))),
        };
        let path = std::str::from_utf8(cursor.lenenc_bytes()?)
            .map_err(|_| cursor.malformed("a path that is not UTF-8"))?;
        let mut legs = path::parse(path)?;
        let value = match operation {
            Operation::Remove => None,
            Operation::Replace | Operation::Insert => Some(Node::new(cursor.lenenc_bytes()?)?),
        };
        let Some(last) = legs.pop() else {
            return Err(cursor.malformed("the whole document as its target"));
        };
        if !perform(&mut root, operation, &legs, last, value)? {
            return Err(cursor.malformed(format_args!(
                "{} of diff {number}, {} steps deep, has no place in the before image",
                operation.name(),
                legs.len() + 1
            )));
        }
    }
    root.write(out)
}

fn perform<'a>(
    root: &mut Node<'a>,
    operation: Operation,
    way: &[Leg<'a>],
    last: Leg<'a>,
    value: Option<Node<'a>>,
) -> Result<bool, Error> {
    let mut place = root;
    for leg in way {
        match place.child(leg)? {
            Some(child) => place = child,
            None => return Ok(false),
        }
    }
    match (operation, value) {
        (Operation::Replace, Some(value)) => match place.child(&last)? {
            Some(child) => {
                *child = value;
                Ok(true)
            }
            None => Ok(false),
        },
        (Operation::Insert, Some(value)) => place.insert(last, value),
        (Operation::Remove, _) => place.remove(&last),
        (_, None) => Ok(false),
    }
}

impl Operation {
    fn name(self) -> &'static str {
        match self {
            Self::Replace => "the replacement",
            Self::Insert => "the insertion",
            Self::Remove => "the removal",
        }
    }
}

#[cfg(test)]
mod tests;
