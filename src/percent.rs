//! Percent-encoding of RFC 3986: what is not unreserved is `%` and two hexadecimal digits.

/// With the ASCII characters of `kept` left as they are too.
pub fn encode(text: &str, kept: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                encoded.push(char::from(byte));
            }
            _ if kept.as_bytes().contains(&byte) => encoded.push(char::from(byte)),
            _ => encoded.push_str(&format!("%{byte:02X}")),
        }
    }
    encoded
}

/// `None`: a `%` without two digits, or no UTF-8.
pub fn decode(text: &str) -> Option<String> {
    let mut decoded = Vec::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        if byte != b'%' {
            decoded.push(byte);
            continue;
        }
        let high = char::from(bytes.next()?).to_digit(16)?;
        let low = char::from(bytes.next()?).to_digit(16)?;
        decoded.push(u8::try_from(high * 16 + low).ok()?);
    }
    String::from_utf8(decoded).ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_is_encoded_wrong_is_nothing() {
        for wrong in ["%", "%4", "%zz", "%+4", "% 4", "%C3", "a%C3b"] {
            assert_eq!(decode(wrong), None, "{wrong}");
        }
        assert_eq!(decode("a%2Fb+c%c3%bc").as_deref(), Some("a/b+cü"));
        assert_eq!(encode("a/b+cü", "/"), "a/b%2Bc%C3%BC");
    }

    proptest! {
        #[test]
        fn what_was_encoded_is_decoded(text in any::<String>()) {
            prop_assert_eq!(decode(&encode(&text, "")), Some(text.clone()));
        }
    }
}
