//! A JSON string off the front of a document's text.

use super::Wrong;
use crate::json::text::clean_bytes;

/// What stands between the quotes, its escapes resolved: borrowed from the text where it has none, else in `scratch`.
#[inline]
pub(super) fn take<'a, 'text: 'a>(
    rest: &mut &'text [u8],
    scratch: &'a mut Vec<u8>,
) -> Result<&'a [u8], Wrong> {
    let [b'"', text @ ..] = *rest else {
        return Err("no string where one is due");
    };
    let (string, behind) = text
        .split_at_checked(clean_bytes(text))
        .unwrap_or((text, &[]));
    if let [b'"', behind @ ..] = behind {
        *rest = behind;
        return Ok(string);
    }
    scratch.clear();
    scratch.extend_from_slice(string);
    *rest = behind;
    resolve(rest, scratch)?;
    Ok(scratch)
}

/// From the first byte that is not clean up to the closing quote.
fn resolve(rest: &mut &[u8], out: &mut Vec<u8>) -> Result<(), Wrong> {
    loop {
        match *rest {
            [b'"', behind @ ..] => {
                *rest = behind;
                return Ok(());
            }
            [b'\\', b'u', behind @ ..] => {
                *rest = behind;
                let character = character(rest).ok_or("an escape that is no character")?;
                let mut bytes = [0; 4];
                out.extend_from_slice(character.encode_utf8(&mut bytes).as_bytes());
            }
            [b'\\', escaped, behind @ ..] => {
                *rest = behind;
                out.push(match escaped {
                    b'"' | b'\\' | b'/' => *escaped,
                    b'b' => 0x08,
                    b'f' => 0x0c,
                    b'n' => b'\n',
                    b'r' => b'\r',
                    b't' => b'\t',
                    _ => return Err("an unknown escape"),
                });
            }
            [0..0x20, ..] | [] | [b'\\'] => return Err("a string without its end"),
            text => {
                let (clean, behind) = text
                    .split_at_checked(clean_bytes(text))
                    .unwrap_or((text, &[]));
                out.extend_from_slice(clean);
                *rest = behind;
            }
        }
    }
}

/// The four digits of an escape, and of a second one for characters beyond the basic plane.
fn character(rest: &mut &[u8]) -> Option<char> {
    let first = unit(rest)?;
    if !(0xd800..0xdc00).contains(&first) {
        return char::from_u32(first);
    }
    let [b'\\', b'u', behind @ ..] = *rest else {
        return None;
    };
    *rest = behind;
    let second = unit(rest).filter(|unit| (0xdc00..0xe000).contains(unit))?;
    char::from_u32(0x1_0000 + ((first - 0xd800) << 10) + (second - 0xdc00))
}

fn unit(rest: &mut &[u8]) -> Option<u32> {
    let (digits, behind) = rest.split_first_chunk::<4>()?;
    *rest = behind;
    let mut unit = 0;
    for digit in digits {
        unit = unit << 4 | char::from(*digit).to_digit(16)?;
    }
    Some(unit)
}
