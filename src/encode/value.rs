//! One column's value as JSON, equal to what `SELECT` prints (the table in `docs/event-format.md`).
//!
//! Nothing here allocates, except to decode text that is not UTF-8 and to quote a document. What has no JSON form (text that does
//! not fit its character set, unless a policy says otherwise; a float that is not finite) is an error.

use headwater_binlog::{
    Error,
    charset::Charset,
    json::{self, escape_json, write_json_string},
    schema::ColumnKind,
    value::{self, Value},
};

use super::{shape::InvalidText, text};

/// Appends the value of a column's `bytes`, as [`value::cut`] gave them.
#[inline(never)] // one jump table, shared by key, data and old
pub(super) fn write(
    kind: &ColumnKind,
    bytes: &[u8],
    invalid: InvalidText,
    out: &mut Vec<u8>,
) -> Result<(), Error> {
    write_read(value::read(kind, bytes)?, invalid, out)
}

/// The same with a document as a string that holds its text.
pub(super) fn write_quoted(
    kind: &ColumnKind,
    bytes: &[u8],
    invalid: InvalidText,
    out: &mut Vec<u8>,
) -> Result<(), Error> {
    match value::read(kind, bytes)? {
        Value::Json(document) => write_document_text(document, out),
        other => write_read(other, invalid, out),
    }
}

/// For formats that write most values in this way.
#[inline(always)]
pub(super) fn write_read(
    value: Value<'_>,
    invalid: InvalidText,
    out: &mut Vec<u8>,
) -> Result<(), Error> {
    match value {
        Value::Int(number) => write_integer(number, out),
        Value::UInt(number) | Value::Bit(number) => write_integer(number, out),
        Value::Year(year) => write_integer(year, out),
        Value::Float(number) => write_float(number, number.is_finite(), out)?,
        Value::Double(number) => write_float(number, number.is_finite(), out)?,
        Value::Decimal(decimal) => quoted(out, |out| decimal.write(out)),
        Value::Date(date) => quoted(out, |out| date.write(out)),
        Value::Time(time) => quoted(out, |out| time.write(out)),
        Value::DateTime(time) => quoted(out, |out| time.write(out)),
        Value::Timestamp(time) => quoted(out, |out| time.write(out)),
        Value::Text { bytes, charset } => text::write(bytes, charset, invalid, out)?,
        Value::Binary { bytes, pad } => write_base64(bytes, pad, out),
        Value::Enum(label) => text::write(label.as_bytes(), Charset::Utf8, invalid, out)?,
        Value::Set { bits, labels } => write_set(bits, labels, out),
        Value::Json(document) => json::write(document, out)?,
        Value::Geometry(bytes) => write_base64(bytes, 0, out),
        Value::Vector(bytes) => write_vector(bytes, out)?,
    }
    Ok(())
}

#[inline]
pub(super) fn write_integer(number: impl itoa::Integer, out: &mut Vec<u8>) {
    out.extend_from_slice(itoa::Buffer::new().format(number).as_bytes());
}

#[inline]
pub(super) fn quoted(out: &mut Vec<u8>, write: impl FnOnce(&mut Vec<u8>)) {
    out.push(b'"');
    write(out);
    out.push(b'"');
}

/// The shortest digits that read back as the same bits, at the type's own width.
pub(super) fn write_float(
    number: impl zmij::Float,
    is_finite: bool,
    out: &mut Vec<u8>,
) -> Result<(), Error> {
    if !is_finite {
        return Err(Error::malformed("floating-point number", "not finite"));
    }
    out.extend_from_slice(zmij::Buffer::new().format_finite(number).as_bytes());
    Ok(())
}

/// A JSON document as a string that holds its text.
pub(super) fn write_document_text(document: &[u8], out: &mut Vec<u8>) -> Result<(), Error> {
    let start = out.len();
    json::write(document, out)?;
    let text = String::from_utf8(out.split_off(start))
        .map_err(|_| Error::malformed("JSON", "not written as UTF-8"))?;
    write_json_string(&text, out);
    Ok(())
}

pub(super) fn write_set(bits: u64, labels: &[String], out: &mut Vec<u8>) {
    out.push(b'"');
    let mut is_first = true;
    for (bit, label) in labels.iter().enumerate() {
        if bits.checked_shr(bit as u32).unwrap_or(0) & 1 == 1 {
            if !is_first {
                out.push(b',');
            }
            is_first = false;
            escape_json(label, out);
        }
    }
    out.push(b'"');
}

/// Standard alphabet, padded, of `bytes` and then `zeros` zero bytes.
pub(super) fn write_base64(bytes: &[u8], zeros: usize, out: &mut Vec<u8>) {
    write_base64_in(&base64_simd::STANDARD, bytes, zeros, out);
}

/// The same in another alphabet.
pub(super) fn write_base64_in(
    base64: &base64_simd::Base64,
    bytes: &[u8],
    zeros: usize,
    out: &mut Vec<u8>,
) {
    const BLOCK: usize = 255; // whole groups of three
    out.reserve(base64.encoded_length(bytes.len() + zeros) + 2);
    out.push(b'"');
    if zeros == 0 {
        base64.encode_append(bytes, out);
    } else {
        let (whole, rest) = bytes.split_at(bytes.len() / 3 * 3);
        base64.encode_append(whole, out);
        let mut block = [0; BLOCK];
        for (to, from) in block.iter_mut().zip(rest) {
            *to = *from;
        }
        let mut left = rest.len() + zeros;
        while left > 0 {
            let part = block.get(..left).unwrap_or(&block);
            base64.encode_append(part, out);
            left -= part.len();
            block = [0; BLOCK];
        }
    }
    out.push(b'"');
}

pub(super) fn write_vector(bytes: &[u8], out: &mut Vec<u8>) -> Result<(), Error> {
    let (numbers, rest) = bytes.as_chunks::<4>();
    if !rest.is_empty() {
        return Err(Error::malformed(
            "vector",
            format_args!("{} bytes, not a multiple of 4", bytes.len()),
        ));
    }
    out.push(b'[');
    for (index, number) in numbers.iter().enumerate() {
        if index > 0 {
            out.push(b',');
        }
        let number = f32::from_le_bytes(*number);
        write_float(number, number.is_finite(), out)?;
    }
    out.push(b']');
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn base64(bytes: &[u8], zeros: usize) -> String {
        let mut out = Vec::new();
        write_base64(bytes, zeros, &mut out);
        String::from_utf8(out).expect("base64 is ASCII")
    }

    #[test]
    fn binary_is_encoded_with_the_zeros_that_the_log_strips() {
        for length in 0..6 {
            for zeros in [0, 1, 2, 3, 4, 254, 255, 256, 257, 600] {
                let bytes = vec![0xfb; length];
                let mut padded = bytes.clone();
                padded.resize(length + zeros, 0);
                let whole = base64_simd::STANDARD.encode_to_string(&padded);
                assert_eq!(base64(&bytes, zeros), format!("\"{whole}\""));
            }
        }
    }

    #[test]
    fn a_set_of_64_labels_shows_its_last() {
        let labels: Vec<String> = (0..64).map(|label| format!("l{label}")).collect();
        let mut out = Vec::new();
        write_set(1 << 63 | 1, &labels, &mut out);
        assert_eq!(out, b"\"l0,l63\"");
    }

    #[test]
    fn a_number_that_json_has_no_text_for_is_an_error() {
        let mut out = Vec::new();
        for number in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
            assert!(write_float(number, number.is_finite(), &mut out).is_err());
        }
        assert!(write_vector(&f32::NAN.to_le_bytes(), &mut out).is_err());
        assert!(write_vector(&[0; 5], &mut out).is_err());
    }
}
