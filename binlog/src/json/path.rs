//! A path of a JSON diff, as the server prints it: `$.name[1]."any \"text\""[last-2]`.
//!
//! A diff's path has no wildcards and no ranges. Names that are identifiers stand as they are, all others in
//! quotes with JSON's escapes (`Json_path_leg::to_string` in `json_path.cc`).

use std::borrow::Cow;

use super::{DEPTH_MAX, tree::Leg};
use crate::Error;

pub(super) fn parse(path: &str) -> Result<Vec<Leg<'_>>, Error> {
    let mut rest = path
        .strip_prefix('$')
        .ok_or_else(|| malformed("it does not begin with $"))?;
    let mut legs = Vec::new();
    while !rest.is_empty() {
        if legs.len() >= DEPTH_MAX {
            return Err(malformed("deeper than MySQL's limit of 100"));
        }
        let (leg, after) = if let Some(after) = rest.strip_prefix(".\"") {
            let (name, after) = quoted(after)?;
            (Leg::Member(name), after)
        } else if let Some(after) = rest.strip_prefix('.') {
            let end = after.find(['.', '[']).unwrap_or(after.len());
            let (name, after) = after.split_at_checked(end).unwrap_or_default();
            if name.is_empty() {
                return Err(malformed("a step without a name"));
            }
            (Leg::Member(Cow::Borrowed(name.as_bytes())), after)
        } else if let Some(after) = rest.strip_prefix('[') {
            let (cell, after) = after
                .split_once(']')
                .ok_or_else(|| malformed("a bracket that does not close"))?;
            (self::cell(cell)?, after)
        } else {
            return Err(malformed("a step that is neither a name nor a number"));
        };
        legs.push(leg);
        rest = after;
    }
    Ok(legs)
}

fn cell(text: &str) -> Result<Leg<'static>, Error> {
    let number = |digits: &str| {
        if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(malformed("a bracket without a number"));
        }
        digits
            .parse::<u32>()
            .map(|number| number as usize)
            .map_err(|_| malformed("an index above 2^32"))
    };
    match text.strip_prefix("last") {
        None => number(text).map(Leg::Cell),
        Some("") => Ok(Leg::CellFromEnd(0)),
        Some(back) => match back.strip_prefix('-') {
            Some(digits) => number(digits).map(Leg::CellFromEnd),
            None => Err(malformed("a bracket without a number")),
        },
    }
}

/// The name up to the closing quote, and what follows it.
fn quoted(text: &str) -> Result<(Cow<'_, [u8]>, &str), Error> {
    let open_end = || malformed("a quote that does not close");
    let end = text.find(['"', '\\']).ok_or_else(open_end)?;
    let (plain, mut rest) = text.split_at_checked(end).ok_or_else(open_end)?;
    if let Some(after) = rest.strip_prefix('"') {
        return Ok((Cow::Borrowed(plain.as_bytes()), after));
    }
    let mut name = plain.to_owned();
    loop {
        let mut chars = rest.chars();
        match chars.next().ok_or_else(open_end)? {
            '"' => return Ok((Cow::Owned(name.into_bytes()), chars.as_str())),
            '\\' => {
                let (unescaped, after) = escape(chars.as_str())?;
                name.push(unescaped);
                rest = after;
            }
            plain => {
                name.push(plain);
                rest = chars.as_str();
            }
        }
    }
}

/// The character behind a backslash.
fn escape(text: &str) -> Result<(char, &str), Error> {
    let mut chars = text.chars();
    let plain = match chars.next() {
        Some(same @ ('"' | '\\' | '/')) => same,
        Some('b') => '\u{8}',
        Some('f') => '\u{c}',
        Some('n') => '\n',
        Some('r') => '\r',
        Some('t') => '\t',
        Some('u') => return unicode(chars.as_str()),
        _ => return Err(malformed("an unknown escape")),
    };
    Ok((plain, chars.as_str()))
}

/// Four hexadecimal digits, or two times four with `\u` between them.
fn unicode(text: &str) -> Result<(char, &str), Error> {
    let unit = |text: &str| -> Result<u32, Error> {
        let digits = text
            .get(..4)
            .filter(|digits| digits.bytes().all(|byte| byte.is_ascii_hexdigit()));
        digits
            .and_then(|digits| u32::from_str_radix(digits, 16).ok())
            .ok_or_else(|| malformed("an unknown escape"))
    };
    let (high, rest) = (unit(text)?, text.get(4..).unwrap_or_default());
    if let Some(plain) = char::from_u32(high) {
        return Ok((plain, rest));
    }
    let low = unit(rest.strip_prefix("\\u").unwrap_or_default())?;
    let both = match (high, low) {
        (0xd800..0xdc00, 0xdc00..0xe000) => {
            char::from_u32(0x1_0000 + ((high - 0xd800) << 10) + (low - 0xdc00))
        }
        _ => None,
    };
    let both = both.ok_or_else(|| malformed("half a character"))?;
    Ok((both, rest.get(6..).unwrap_or_default()))
}

#[cold]
fn malformed(found: &'static str) -> Error {
    Error::malformed("path of a JSON diff", found)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::json::write_json_string;

    fn member(name: &str) -> Leg<'_> {
        Leg::Member(Cow::Borrowed(name.as_bytes()))
    }

    #[test]
    fn paths_read_as_the_server_prints_them() {
        assert_eq!(parse("$"), Ok(vec![]));
        assert_eq!(
            parse("$.a[0].\"b c\"[last][last-2].été.$_1"),
            Ok(vec![
                member("a"),
                Leg::Cell(0),
                member("b c"),
                Leg::CellFromEnd(0),
                Leg::CellFromEnd(2),
                member("été"),
                member("$_1"),
            ])
        );
        assert_eq!(
            parse(r#"$."a.\"\\[]\n\u001f😀\ud83d\ude00".b"#),
            Ok(vec![member("a.\"\\[]\n\u{1f}😀😀"), member("b")])
        );
    }

    #[test]
    fn what_is_no_path_of_a_diff_is_refused() {
        for path in [
            "",
            "a",
            "$a",
            "$.",
            "$..a",
            "$[",
            "$[]",
            "$[+1]",
            "$[*]",
            "$[4294967296]",
            "$[last+1]",
            "$[last-]",
            "$.\"a",
            "$.\"\\x\"",
            "$.\"\\ud83d\"",
            "$.\"\\ud83d\\u0041\"",
            "$.\"\\u12\"",
            "$ .a",
        ] {
            assert!(parse(path).is_err(), "{path}");
        }
        assert!(parse(&format!("${}", ".a".repeat(100))).is_ok());
        assert!(parse(&format!("${}", ".a".repeat(101))).is_err());
    }

    proptest! {
        #[test]
        fn any_name_in_quotes_is_read_whole(names in prop::collection::vec(any::<String>(), 0..4)) {
            let mut path = b"$".to_vec();
            for name in &names {
                path.push(b'.');
                write_json_string(name, &mut path);
            }
            let path = String::from_utf8(path).unwrap();
            let legs: Vec<_> = names.iter().map(|name| member(name)).collect();
            prop_assert_eq!(parse(&path), Ok(legs));
        }

        #[test]
        fn no_text_panics(text: String, tail in "[$.\\[\\]\"\\\\ula0-9t-]{0,20}") {
            drop(parse(&text));
            drop(parse(&format!("${tail}")));
        }
    }
}
