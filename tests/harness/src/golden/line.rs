//! A line as text: its members in their order, each value as it is written, and JSON as a list of
//! tokens. A parser into a tree would lose what the tests compare: order, digits, the kind of a number.

use memchr::memchr2;

/// The members of a JSON object, names decoded, values as they are written.
pub fn members(object: &str) -> Vec<(String, &str)> {
    let mut rest = object.strip_prefix('{').expect("an object");
    let mut members = Vec::new();
    while !rest.starts_with('}') {
        let (name, after) = rest.split_at(value_end(rest));
        let after = after.strip_prefix(':').expect("a colon");
        let (value, after) = after.split_at(value_end(after));
        members.push((string(name), value));
        rest = after.strip_prefix(',').unwrap_or(after);
    }
    assert_eq!(rest, "}", "an object ends where its line ends");
    members
}

/// The value of a member.
pub fn member<'a>(members: &[(String, &'a str)], name: &str) -> Option<&'a str> {
    let found = members.iter().find(|(member, _)| member == name);
    found.map(|(_, value)| *value)
}

/// A JSON string's text.
pub fn string(raw: &str) -> String {
    serde_json::from_str(raw).expect("a JSON string")
}

fn value_end(text: &str) -> usize {
    let bytes = text.as_bytes();
    let (mut depth, mut at) = (0_u32, 0);
    while let Some(byte) = bytes.get(at) {
        match byte {
            b'"' => at = string_end(bytes, at),
            b'{' | b'[' => depth += 1,
            b'}' | b']' | b',' | b':' if depth == 0 => return at,
            b'}' | b']' => depth -= 1,
            _ => {}
        }
        at += 1;
    }
    text.len()
}

/// Where the string that begins at `start` has its closing quote.
fn string_end(bytes: &[u8], start: usize) -> usize {
    let mut at = start + 1;
    while let Some(found) = bytes.get(at..).and_then(|rest| memchr2(b'"', b'\\', rest)) {
        at += found;
        if bytes[at] == b'"' {
            return at;
        }
        at += 2;
    }
    bytes.len()
}

#[derive(Debug, PartialEq)]
pub enum Token {
    Mark(char),
    Text(String),
    /// `null`, `true`, `false`, integers.
    Word(String),
    /// A number with a point or an exponent: its digits count where a double cannot hold them.
    Floating {
        bits: u64,
        digits: Option<String>,
    },
}

/// The tokens of a JSON text.
pub fn tokens(text: &str) -> Vec<Token> {
    let mut tokens = Vec::new();
    let mut rest = text.trim_start();
    while let Some(first) = rest.chars().next() {
        let end = match first {
            '{' | '}' | '[' | ']' | ',' | ':' => {
                tokens.push(Token::Mark(first));
                1
            }
            '"' => {
                let end = value_end(rest);
                tokens.push(Token::Text(string(&rest[..end])));
                end
            }
            _ => {
                let end = rest.find([',', ']', '}', ' ']).unwrap_or(rest.len());
                tokens.push(number_or_word(&rest[..end]));
                end
            }
        };
        rest = rest[end..].trim_start();
    }
    tokens
}

fn number_or_word(text: &str) -> Token {
    if !text.contains(['.', 'e', 'E']) || !text.contains(|digit: char| digit.is_ascii_digit()) {
        return Token::Word(text.to_owned());
    }
    let number: f64 = text.parse().expect("a number");
    let front = text.split(['e', 'E']).next().unwrap_or_default();
    let digits: String = front.chars().filter(char::is_ascii_digit).collect();
    let significant = digits.trim_start_matches('0').len();
    Token::Floating {
        bits: number.to_bits(),
        digits: (significant > 17).then(|| text.to_owned()),
    }
}

#[test]
fn a_line_is_cut_where_its_values_end() {
    let line = r#"{"a":{"x":[1,"}"]},"b\"":"\\","c":-1.5e3,"d":null}"#;
    let members = members(line);
    let names: Vec<_> = members.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["a", "b\"", "c", "d"]);
    assert_eq!(member(&members, "a"), Some(r#"{"x":[1,"}"]}"#));
    assert_eq!(member(&members, "c"), Some("-1.5e3"));
}

#[test]
fn documents_differ_by_order_and_by_the_kind_of_a_number() {
    assert_eq!(
        tokens(r#"{"a": 1, "b": [1e1]}"#),
        tokens(r#"{"a":1,"b":[10.0]}"#)
    );
    assert_ne!(tokens(r#"{"a":1,"b":2}"#), tokens(r#"{"b":2,"a":1}"#));
    assert_ne!(tokens("1"), tokens("1.0"));
    assert_ne!(tokens("0.0"), tokens("-0.0"));
    assert_eq!(
        tokens("0.00032402899869996964"),
        tokens("3.2402899869996964e-4")
    );
    assert_ne!(
        tokens("1.000000000000000001"),
        tokens("1.000000000000000002")
    );
}
