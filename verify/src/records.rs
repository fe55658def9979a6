//! From a record's bytes, or a file's, to lines: whatever packing it has, told by its first bytes.
//!
//! gzip members and zstd frames are unpacked, aggregates of the Kinesis Producer Library opened, arrays taken
//! apart; everything else is lines. Objects and arrays may follow each other on one line: Firehose appends records to
//! each other without a line feed (`packing.type = "none"`). What is unpacked has a limit.

use std::io::{self, BufRead, BufReader, Read};

use flate2::bufread::MultiGzDecoder;
use memchr::{memchr, memchr2, memmem};

/// Of one line, and of an unpacked record.
pub const LINE_BYTES_MAX: usize = 256 << 20;

const GZIP: &[u8] = &[0x1f, 0x8b];
const ZSTD: &[u8] = &[0x28, 0xb5, 0x2f, 0xfd];
const AGGREGATE: &[u8] = &[0xf3, 0x89, 0x9a, 0xc2];
/// Its MD5.
const AGGREGATE_TAIL: usize = 16;

#[derive(Debug, thiserror::Error)]
pub enum Malformed {
    #[error("a {0} record cannot be unpacked")]
    Compressed(&'static str, #[source] io::Error),
    #[error("an unpacked record has more than {LINE_BYTES_MAX} bytes")]
    TooLarge,
    #[error("an aggregate does not have its form")]
    Aggregate,
    #[error("an array does not have its form")]
    Array,
}

/// Calls `take` for each line of a record.
///
/// # Errors
/// When the record is none of the known forms.
pub fn lines(record: &[u8], take: &mut dyn FnMut(&[u8])) -> Result<(), Malformed> {
    if record.starts_with(GZIP) {
        let unpacked = unpack("gzip", MultiGzDecoder::new(record))?;
        return text(&unpacked, take);
    }
    if record.starts_with(ZSTD) {
        let failed = |error| Malformed::Compressed("zstd", error);
        let decoder = zstd::stream::read::Decoder::with_buffer(record).map_err(failed)?;
        return text(&unpack("zstd", decoder)?, take);
    }
    match record.strip_prefix(AGGREGATE) {
        Some(rest) => aggregate(rest, take),
        None => text(record, take),
    }
}

/// A file's lines as text: unpacked if its first bytes say so, twice where Firehose compressed compressed records.
///
/// # Errors
/// When it cannot be read.
pub fn reader<'a>(file: impl Read + 'a) -> io::Result<Box<dyn BufRead + 'a>> {
    const LAYERS_MAX: usize = 2;
    let mut file: Box<dyn BufRead + 'a> = Box::new(BufReader::with_capacity(1 << 18, file));
    for _ in 0..LAYERS_MAX {
        let head = file.fill_buf()?;
        file = if head.starts_with(GZIP) {
            Box::new(BufReader::new(MultiGzDecoder::new(file)))
        } else if head.starts_with(ZSTD) {
            let decoder = zstd::stream::read::Decoder::with_buffer(file)?;
            Box::new(BufReader::new(decoder))
        } else {
            break;
        };
    }
    Ok(file)
}

fn unpack(name: &'static str, decoder: impl Read) -> Result<Vec<u8>, Malformed> {
    let mut unpacked = Vec::new();
    let read = decoder
        .take(LINE_BYTES_MAX as u64 + 1)
        .read_to_end(&mut unpacked);
    read.map_err(|error| Malformed::Compressed(name, error))?;
    if unpacked.len() > LINE_BYTES_MAX {
        return Err(Malformed::TooLarge);
    }
    Ok(unpacked)
}

fn text(text: &[u8], take: &mut dyn FnMut(&[u8])) -> Result<(), Malformed> {
    let mut rest = text;
    while !rest.is_empty() {
        let (line, after) = match memchr(b'\n', rest) {
            Some(end) => (&rest[..end], &rest[end + 1..]),
            None => (rest, &rest[rest.len()..]),
        };
        rest = after;
        values(line, take)?;
    }
    Ok(())
}

/// What stands on a line: most often one object.
fn values(mut line: &[u8], take: &mut dyn FnMut(&[u8])) -> Result<(), Malformed> {
    while !line.is_empty() {
        line = match line {
            [b'[', inner @ ..] => match array(inner, take)?.trim_ascii_start() {
                after @ ([] | [b'[' | b'{', ..]) => after,
                _ => return Err(Malformed::Array),
            },
            // Text of a row may hold these two bytes as well.
            [b'{', ..] if memmem::find(line, b"}{").is_some() => {
                let (value, after) = line.split_at(value_end(line));
                take(value);
                after.trim_ascii_start()
            }
            line => {
                take(line);
                &[]
            }
        };
    }
    Ok(())
}

/// The objects of an array, behind its bracket; what follows it.
fn array<'a>(mut rest: &'a [u8], take: &mut dyn FnMut(&[u8])) -> Result<&'a [u8], Malformed> {
    if let [b']', after @ ..] = rest {
        return Ok(after);
    }
    loop {
        let (value, after) = rest.split_at(value_end(rest));
        if value.is_empty() {
            return Err(Malformed::Array);
        }
        take(value);
        match after {
            [b',', after @ ..] => rest = after,
            [b']', after @ ..] => return Ok(after),
            _ => return Err(Malformed::Array),
        }
    }
}

/// Where the value ends that `bytes` begin with.
fn value_end(bytes: &[u8]) -> usize {
    let (mut depth, mut at) = (0_u32, 0);
    while let Some(byte) = bytes.get(at) {
        match byte {
            b'"' => at = string_end(bytes, at),
            b'{' | b'[' => depth += 1,
            b'}' | b']' | b',' if depth == 0 => return at,
            b'}' | b']' if depth == 1 => return at + 1,
            b'}' | b']' => depth -= 1,
            _ => {}
        }
        at += 1;
    }
    bytes.len()
}

/// Where the string that begins at `start` has its closing quote.
fn string_end(bytes: &[u8], start: usize) -> usize {
    let mut at = start + 1;
    while let Some(found) = bytes.get(at..).and_then(|rest| memchr2(b'"', b'\\', rest)) {
        at += found;
        if bytes.get(at) == Some(&b'"') {
            return at;
        }
        at += 2;
    }
    bytes.len()
}

/// The data of an aggregate's user records.
/// <https://github.com/awslabs/amazon-kinesis-producer/blob/master/aggregation-format.md>
fn aggregate(rest: &[u8], take: &mut dyn FnMut(&[u8])) -> Result<(), Malformed> {
    const RECORDS: u64 = 3;
    const DATA: u64 = 3;
    let end = rest.len().checked_sub(AGGREGATE_TAIL);
    let mut message = end
        .and_then(|end| rest.get(..end))
        .ok_or(Malformed::Aggregate)?;
    while let Some((field, value)) = field(&mut message)? {
        let (RECORDS, Some(mut record)) = (field, value) else {
            continue;
        };
        while let Some((field, value)) = self::field(&mut record)? {
            if let (DATA, Some(data)) = (field, value) {
                text(data, take)?;
            }
        }
    }
    Ok(())
}

/// A field's number, and its bytes if it has any.
type Field<'a> = (u64, Option<&'a [u8]>);

/// The next protobuf field.
fn field<'a>(message: &mut &'a [u8]) -> Result<Option<Field<'a>>, Malformed> {
    if message.is_empty() {
        return Ok(None);
    }
    let head = number(message)?;
    let length = number(message)?;
    match head & 7 {
        0 => Ok(Some((head >> 3, None))),
        2 => {
            let length = usize::try_from(length).map_err(|_| Malformed::Aggregate)?;
            let (value, rest) = message
                .split_at_checked(length)
                .ok_or(Malformed::Aggregate)?;
            *message = rest;
            Ok(Some((head >> 3, Some(value))))
        }
        _ => Err(Malformed::Aggregate),
    }
}

fn number(message: &mut &[u8]) -> Result<u64, Malformed> {
    let mut number = 0;
    for shift in (0..64).step_by(7) {
        let (byte, rest) = message.split_first().ok_or(Malformed::Aggregate)?;
        *message = rest;
        number |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Ok(number);
        }
    }
    Err(Malformed::Aggregate)
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use proptest::prelude::*;

    use super::*;

    fn of(record: &[u8]) -> Vec<String> {
        let mut found = Vec::new();
        let outcome = lines(record, &mut |line| {
            found.push(String::from_utf8_lossy(line).into_owned());
        });
        outcome.expect("a known form");
        found
    }

    const LINES: [&str; 2] = [r#"{"a":["]",{"b":"\"}"}]}"#, r#"{"c":1}"#];

    #[test]
    fn lines_and_arrays_are_taken_apart() {
        let [one, two] = LINES;
        assert_eq!(of(format!("{one}\n{two}\n").as_bytes()), LINES);
        assert_eq!(of(format!("[{one},{two}]").as_bytes()), LINES);
        assert_eq!(of(format!("[{one}]\n[{two}]\n").as_bytes()), LINES);
        assert_eq!(of(one.as_bytes()), [one]);
        for wrong in ["[{}", "[{},]", "[{}]x", "[", "[,]"] {
            assert!(lines(wrong.as_bytes(), &mut |_| ()).is_err(), "{wrong}");
        }
    }

    #[test]
    fn what_follows_without_a_line_feed_is_taken_apart() {
        let [one, two] = LINES;
        let text = r#"{"t":"}{"}"#;
        assert_eq!(of(format!("{one}{two}{text}").as_bytes()), [one, two, text]);
        assert_eq!(of(format!("{text}\n{text}").as_bytes()), [text, text]);
        assert_eq!(
            of(format!("[{one},{two}][{two}]").as_bytes()),
            [one, two, two]
        );
        assert_eq!(of(format!("{one}{{\"cut").as_bytes()), [one, "{\"cut"]);
        assert_eq!(of(format!("{text}\r\n[{one}]\r\n").as_bytes()), [text, one]);
    }

    #[test]
    fn members_and_frames_that_follow_each_other_are_unpacked() {
        let gzip = |line: &str| {
            let mut encoder =
                flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
            encoder.write_all(format!("{line}\n").as_bytes()).unwrap();
            encoder.finish().unwrap()
        };
        let zstd = |line: &str| zstd::encode_all(format!("{line}\n").as_bytes(), 1).unwrap();
        assert_eq!(of(&LINES.map(gzip).concat()), LINES);
        assert_eq!(of(&LINES.map(zstd).concat()), LINES);
        let of_firehose = {
            let mut encoder =
                flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
            encoder.write_all(&LINES.map(zstd).concat()).unwrap();
            encoder.finish().unwrap()
        };
        for bytes in [
            LINES.map(gzip).concat(),
            LINES.map(zstd).concat(),
            of_firehose,
        ] {
            let mut text = String::new();
            let file = io::Cursor::new(bytes);
            reader(file).unwrap().read_to_string(&mut text).unwrap();
            assert_eq!(text, format!("{}\n", LINES.join("\n")));
        }
    }

    proptest! {
        #[test]
        fn any_bytes_end_in_lines_or_an_error(head in 0..5_usize, bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let head: &[u8] = [b"".as_slice(), GZIP, ZSTD, AGGREGATE, b"["][head];
            let mut count = 0;
            drop(lines(&[head, &bytes].concat(), &mut |_| count += 1));
            prop_assert!(count <= bytes.len() + 1);
        }
    }
}
