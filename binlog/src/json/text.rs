//! Text as a JSON string: the one escaper of every writer.
//!
//! Only what JSON demands is escaped: the quote, the backslash, bytes below 0x20. Clean runs are found
//! eight bytes at a time and copied whole.

/// Appends `text` with its quotes.
#[inline]
pub fn write_json_string(text: &str, out: &mut Vec<u8>) {
    out.reserve(text.len() + 2);
    out.push(b'"');
    escape_json(text, out);
    out.push(b'"');
}

/// Appends what stands between the quotes of a JSON string.
pub fn escape_json(text: &str, out: &mut Vec<u8>) {
    let mut rest = text.as_bytes();
    loop {
        let (clean, dirty) = rest
            .split_at_checked(clean_bytes(rest))
            .unwrap_or((rest, &[]));
        out.extend_from_slice(clean);
        let Some((byte, after)) = dirty.split_first() else {
            break;
        };
        escape(*byte, out);
        rest = after;
    }
}

/// Bytes in front that need no escape.
#[inline]
pub(super) fn clean_bytes(bytes: &[u8]) -> usize {
    const ONES: u64 = 0x0101_0101_0101_0101;
    const TOPS: u64 = 0x8080_8080_8080_8080;
    let (words, tail) = bytes.as_chunks::<8>();
    for (index, word) in words.iter().enumerate() {
        let word = u64::from_le_bytes(*word);
        // A byte's top bit in `found` says that it is one; a borrow can only mark bytes above a true one.
        let quote = word ^ (ONES * u64::from(b'"'));
        let backslash = word ^ (ONES * u64::from(b'\\'));
        let found = (word.wrapping_sub(ONES * 0x20) & !word)
            | (quote.wrapping_sub(ONES) & !quote)
            | (backslash.wrapping_sub(ONES) & !backslash);
        let found = found & TOPS;
        if found != 0 {
            return index * 8 + found.trailing_zeros() as usize / 8;
        }
    }
    let clean = tail
        .iter()
        .position(|byte| matches!(byte, b'"' | b'\\' | 0..0x20));
    words.len() * 8 + clean.unwrap_or(tail.len())
}

#[cold]
fn escape(byte: u8, out: &mut Vec<u8>) {
    let short = match byte {
        b'"' => b'"',
        b'\\' => b'\\',
        0x08 => b'b',
        0x0c => b'f',
        b'\n' => b'n',
        b'\r' => b'r',
        b'\t' => b't',
        _ => {
            let digit = |value: u8| {
                if value < 10 {
                    b'0' + value
                } else {
                    b'a' + value - 10
                }
            };
            out.extend_from_slice(&[b'\\', b'u', b'0', b'0', digit(byte >> 4), digit(byte & 15)]);
            return;
        }
    };
    out.extend_from_slice(&[b'\\', short]);
}
