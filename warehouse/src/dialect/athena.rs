//! Amazon Athena over files: a line is one text of JSON.
//!
//! A path names a member in brackets, so that a name may have any character. A scalar comes out as the line has it, digit
//! by digit; an object or array is written anew, and a number with a fraction in it is a double on the way.
//! <https://docs.aws.amazon.com/athena/latest/ug/extracting-data-from-JSON.html>

use super::{Member, trino};
use crate::{names::literal, stored::Stored};

pub(super) fn value(member: Member<'_>, stored: Stored) -> String {
    let path = path(member.name);
    match stored {
        Stored::Document => format!("JSON_FORMAT(JSON_EXTRACT({}, {path}))", member.source),
        stored => trino::cast(
            &format!("JSON_EXTRACT_SCALAR({}, {path})", member.source),
            stored,
        ),
    }
}

pub(super) fn is_given(member: Member<'_>) -> String {
    let document = value(member, Stored::Document);
    format!("COALESCE({document}, 'null') <> 'null'")
}

fn path(name: &str) -> String {
    let name = name.replace('\\', "\\\\").replace('"', "\\\"");
    literal(&format!("$[\"{name}\"]"))
}
