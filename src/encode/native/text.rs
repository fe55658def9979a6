//! Column text as JSON strings: checked, escaped, otherwise passed on as it is.
//!
//! Most column text is printable ASCII without quotes and backslashes: one pass over blocks of 16 bytes
//! finds that out, and the text is copied. Only what is left is decoded and searched for what to escape.

use headwater_binlog::{Error, charset::Charset, json::write_json_string};

/// Appends a column's text as a JSON string; bytes that are not text of `charset` are an error.
#[inline]
pub(super) fn write(bytes: &[u8], charset: Charset, out: &mut Vec<u8>) -> Result<(), Error> {
    // In these a byte below 0x80 is the ASCII character, wherever it stands.
    let is_ascii_based = matches!(charset, Charset::Utf8 | Charset::Ascii | Charset::Latin1);
    if is_ascii_based && is_plain(bytes) {
        out.push(b'"');
        out.extend_from_slice(bytes);
        out.push(b'"');
    } else {
        write_json_string(&charset.decode(bytes)?, out);
    }
    Ok(())
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
        write(bytes, Charset::Utf8, &mut out)?;
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
