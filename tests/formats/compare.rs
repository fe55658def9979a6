//! A value of a line against what the server prints for it.

use serde_json::Value;

/// What to select of a column (`{}` stands for its name), and how the value stands in the line.
#[derive(Debug, Clone)]
pub struct Expect {
    sql: String,
    form: Form,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// The JSON text itself: numbers, `true`.
    Raw,
    /// The JSON text as the line has it: what a parser would make of it has fewer digits.
    Digits,
    /// A string.
    Text,
    /// A string in which the server's line breaks are missing.
    Base64,
    Float,
    Double,
    Json,
    /// A string that holds a document.
    JsonText,
    /// An array of strings against a list with commas.
    Labels,
    /// Well-known text, spelled as JTS does.
    Wkt,
    /// Base64 of a number without its point.
    Unscaled,
    /// An object of base64 and SRID.
    Wkb,
    /// An array of numbers against 32-bit floats in hexadecimal.
    Vector,
}

impl Expect {
    pub fn new(sql: &str, form: Form) -> Self {
        Self {
            sql: sql.into(),
            form,
        }
    }

    pub fn expression(&self, column: &str) -> String {
        self.sql.replace("{}", column)
    }

    /// `raw` is the value as the line has it, if it is a number.
    pub fn is_same(&self, found: &Value, raw: &str, selected: Option<&str>) -> bool {
        let Some(selected) = selected else {
            return found.is_null();
        };
        let text = || found.as_str().unwrap_or_default();
        match self.form {
            Form::Raw => {
                let printed = found.to_string();
                printed == selected
            }
            Form::Digits => found.is_number() && raw == selected,
            Form::Text => found.is_string() && text() == selected,
            Form::Base64 => found.is_string() && text() == selected.replace('\n', ""),
            Form::Float => {
                let expected = selected.parse::<f64>().expect("a number") as f32;
                let is_same = |found: f64| (found as f32).to_bits() == expected.to_bits();
                found.as_f64().is_some_and(is_same)
            }
            Form::Double => {
                let expected = selected.parse::<f64>().expect("a number");
                let is_same = |found: f64| found.to_bits() == expected.to_bits();
                found.as_f64().is_some_and(is_same)
            }
            Form::Json => *found == document(selected),
            Form::JsonText => found.is_string() && document(text()) == document(selected),
            Form::Labels => {
                let labels = selected.split(',').filter(|label| !label.is_empty());
                *found == labels.map(Value::from).collect::<Value>()
            }
            Form::Wkt => text().replace(", ", ",").replace(" (", "(") == selected,
            Form::Unscaled => {
                let bytes = base64_simd::STANDARD.decode_to_vec(text()).expect("base64");
                decimal(&bytes) == whole(selected)
            }
            Form::Wkb => {
                let wkb = found["wkb"].as_str().unwrap_or_default();
                format!("{wkb} {}", found["srid"]) == selected.replace('\n', "")
            }
            Form::Vector => {
                let numbers = found.as_array().expect("an array").iter();
                let hex = |number: &Value| {
                    let number = number.as_f64().expect("a number") as f32;
                    let bytes = number.to_le_bytes().map(|byte| format!("{byte:02X}"));
                    bytes.concat()
                };
                numbers.map(hex).collect::<String>() == selected
            }
        }
    }
}

fn document(text: &str) -> Value {
    serde_json::from_str(text).expect("a document")
}

/// Without point and zeros in front.
fn whole(text: &str) -> String {
    let sign = if text.starts_with('-') { "-" } else { "" };
    let digits: String = text.chars().filter(char::is_ascii_digit).collect();
    match digits.trim_start_matches('0') {
        "" => "0".into(),
        digits => format!("{sign}{digits}"),
    }
}

/// A big-endian two's complement in decimal, by schoolbook.
fn decimal(bytes: &[u8]) -> String {
    let is_negative = bytes[0] & 0x80 != 0;
    let mut size = bytes.to_vec();
    if is_negative {
        let mut carry = true;
        for byte in size.iter_mut().rev() {
            let (negated, overflows) = (!*byte).overflowing_add(u8::from(carry));
            (*byte, carry) = (negated, overflows);
        }
    }
    let mut digits = Vec::new();
    while size.iter().any(|byte| *byte != 0) {
        let mut rest = 0_u16;
        for byte in &mut size {
            rest = rest << 8 | u16::from(*byte);
            *byte = (rest / 10) as u8;
            rest %= 10;
        }
        digits.push(b'0' + rest as u8);
    }
    digits.reverse();
    let digits = String::from_utf8(digits).expect("digits");
    let sign = if is_negative { "-" } else { "" };
    if digits.is_empty() {
        "0".into()
    } else {
        sign.to_owned() + &digits
    }
}
