//! Column text as JSON strings: checked, escaped, otherwise passed on as it is; what is not text by policy,
//! and counted.
//!
//! Most column text is printable ASCII without quotes and backslashes: one pass over blocks of 16 bytes
//! finds that out, and the text is copied. Only what is left is decoded and searched for what to escape.

use std::borrow::Cow;

use headwater_actors::metrics::INVALID_TEXT_TOTAL;
use headwater_binlog::{Error, charset::Charset, json::write_json_string};

use super::shape::InvalidText;

/// Appends a column's text as a JSON string; bytes that are not text of `charset` as `invalid` says.
#[inline]
pub(super) fn write(
    bytes: &[u8],
    charset: Charset,
    invalid: InvalidText,
    out: &mut Vec<u8>,
) -> Result<(), Error> {
    // In these a byte below 0x80 is the ASCII character, wherever it stands.
    let is_ascii_based = matches!(charset, Charset::Utf8 | Charset::Ascii | Charset::Latin1);
    if is_ascii_based && is_plain(bytes) {
        out.push(b'"');
        out.extend_from_slice(bytes);
        out.push(b'"');
        return Ok(());
    }
    write_decoded(bytes, charset, invalid, out)
}

fn write_decoded(
    bytes: &[u8],
    charset: Charset,
    invalid: InvalidText,
    out: &mut Vec<u8>,
) -> Result<(), Error> {
    match charset.decode(bytes) {
        Ok(text) => write_json_string(&text, out),
        Err(error) => match replaced(bytes, charset, invalid, error)? {
            Replaced::Text(text) => write_json_string(&text, out),
            Replaced::Base64(text) => {
                out.extend_from_slice(b"{\"base64\":\"");
                out.extend_from_slice(text.as_bytes());
                out.extend_from_slice(b"\"}");
            }
        },
    }
    Ok(())
}

/// A column's text itself, for those who look into it; of `"base64_object"` the base64.
pub(super) fn plain(
    bytes: &[u8],
    charset: Charset,
    invalid: InvalidText,
) -> Result<Cow<'_, str>, Error> {
    charset.decode(bytes).or_else(|error| {
        Ok(match replaced(bytes, charset, invalid, error)? {
            Replaced::Text(text) => text,
            Replaced::Base64(text) => Cow::Owned(text),
        })
    })
}

enum Replaced<'a> {
    Text(Cow<'a, str>),
    Base64(String),
}

/// What stands for bytes that are not text. Of a character set that is not known nothing can be said.
#[cold]
fn replaced(
    bytes: &[u8],
    charset: Charset,
    invalid: InvalidText,
    error: Error,
) -> Result<Replaced<'_>, Error> {
    let replaced = match (invalid, &error) {
        (InvalidText::Halt, _) | (_, Error::Unsupported(_)) => return Err(error),
        (InvalidText::Replace, _) => Replaced::Text(charset.decode_lossy(bytes)?),
        (InvalidText::Base64Object, _) => {
            Replaced::Base64(base64_simd::STANDARD.encode_to_string(bytes))
        }
    };
    metrics::counter!(INVALID_TEXT_TOTAL).increment(1);
    Ok(replaced)
}

/// ASCII that needs no escape. The last block overlaps the one before, so there is no slow tail.
#[inline]
fn is_plain(bytes: &[u8]) -> bool {
    match bytes.len() {
        0..4 => is_plain_block(bytes),
        4..8 => ends_are_plain::<4>(bytes),
        8..16 => ends_are_plain::<8>(bytes),
        _ => {
            bytes
                .as_chunks::<16>()
                .0
                .iter()
                .all(|block| is_plain_block(block))
                && ends_are_plain::<16>(bytes)
        }
    }
}

#[inline]
fn ends_are_plain<const WIDTH: usize>(bytes: &[u8]) -> bool {
    match (bytes.first_chunk::<WIDTH>(), bytes.last_chunk::<WIDTH>()) {
        (Some(first), Some(last)) => is_plain_block(first) & is_plain_block(last),
        _ => false,
    }
}

/// Without a branch inside, so that a block of known width becomes a few vector instructions.
#[inline(always)]
fn is_plain_block(block: &[u8]) -> bool {
    block.iter().fold(true, |plain, &byte| {
        plain & !((byte < 0x20) | (byte == b'"') | (byte == b'\\') | (byte >= 0x80))
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn written(bytes: &[u8]) -> Result<String, Error> {
        let mut out = Vec::new();
        write(bytes, Charset::Utf8, InvalidText::Halt, &mut out)?;
        Ok(String::from_utf8(out).expect("valid text in gives valid text out"))
    }

    #[test]
    fn only_what_json_demands_is_escaped() {
        let text = "say \"hi\" \\ \u{8}\u{c}\n\r\t\u{0}\u{1f}\u{7f} caf\u{e9} \u{1f600} \u{2028}";
        assert_eq!(
            written(text.as_bytes()).as_deref(),
            Ok(
                "\"say \\\"hi\\\" \\\\ \\b\\f\\n\\r\\t\\u0000\\u001f\u{7f} caf\u{e9} \u{1f600} \u{2028}\""
            )
        );
    }

    #[test]
    fn bytes_that_are_not_utf8_are_an_error_that_shows_no_value() {
        let error = written(b"secret \xff").expect_err("0xff is never UTF-8");
        assert!(!error.to_string().contains("secret"), "{error}");
    }

    #[test]
    fn bytes_that_are_not_text_are_replaced_or_wrapped_where_that_is_asked_for() {
        let as_told = |bytes: &[u8], charset, invalid| {
            let mut out = Vec::new();
            write(bytes, charset, invalid, &mut out).map(|()| String::from_utf8(out).unwrap())
        };
        let (replace, base64) = (InvalidText::Replace, InvalidText::Base64Object);
        let bytes = b"\"a\xff";
        assert_eq!(
            as_told(bytes, Charset::Utf8, replace).as_deref(),
            Ok("\"\\\"a\u{fffd}\"")
        );
        assert_eq!(
            as_told(bytes, Charset::Utf8, base64).as_deref(),
            Ok(r#"{"base64":"ImH/"}"#)
        );
        assert_eq!(plain(bytes, Charset::Utf8, base64).as_deref(), Ok("ImH/"));
        assert_eq!(
            as_told(b"\xe9", Charset::Ascii, replace).as_deref(),
            Ok("\"\u{fffd}\"")
        );
        for invalid in [replace, base64] {
            assert_eq!(
                as_told(b"ok", Charset::Utf8, invalid).as_deref(),
                Ok("\"ok\"")
            );
            assert!(as_told(b"\x80", Charset::Unknown(9_999), invalid).is_err());
        }
    }

    #[test]
    fn a_special_byte_is_found_at_every_place_of_every_length() {
        for length in 0..70 {
            assert!(is_plain(&vec![b'a'; length]));
            for place in 0..length {
                for special in [b'"', b'\\', 0, 0x1f, 0x80, 0xff] {
                    let mut bytes = vec![b'a'; length];
                    bytes[place] = special;
                    assert!(!is_plain(&bytes), "{special} at {place} of {length}");
                }
            }
        }
    }

    proptest! {
        #[test]
        fn every_string_reads_back(text in "[\\x00-\\x7f\u{80}-\u{ffff}\u{1f600}]{0,80}") {
            let line = written(text.as_bytes()).expect("a string is UTF-8");
            let read: String = serde_json::from_str(&line).expect("JSON");
            prop_assert_eq!(read, text);
        }
    }
}
