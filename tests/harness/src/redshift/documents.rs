//! A file's JSON documents under the limits of COPY, each as the text that it came in.

use serde::de::{Deserialize, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};

use super::{OBJECT_BYTES_MAX, Settings};

#[derive(Debug, PartialEq, Eq)]
pub(super) struct Document<'a> {
    /// From 1.
    pub line: u64,
    pub text: &'a str,
}

/// Why a file is refused, and the line at which the document begins.
pub(super) type Refused = (Option<u64>, String);

pub(super) fn read<'a>(file: &'a [u8], settings: &Settings) -> Result<Vec<Document<'a>>, Refused> {
    let text = std::str::from_utf8(file).map_err(|error| {
        let before = file.get(..error.valid_up_to()).unwrap_or_default();
        (
            Some(line_behind(1, before)),
            "bytes that are no UTF-8".into(),
        )
    })?;
    let mut documents = Vec::new();
    let (mut rest, mut line) = (text, 1);
    loop {
        let begin = rest.trim_start_matches([' ', '\t', '\r', '\n']);
        let space = rest.len() - begin.len();
        line = line_behind(line, &rest.as_bytes()[..space]);
        if begin.is_empty() {
            return Ok(documents);
        }
        let mut stream = serde_json::Deserializer::from_str(begin).into_iter::<Checked>();
        let refused = |reason: String| (Some(line), reason);
        let longest = match stream.next() {
            Some(Ok(Checked(longest))) => longest,
            Some(Err(error)) => return Err(refused(format!("invalid JSON: {error}"))),
            None => return Err(refused("invalid JSON".into())),
        };
        let (text, behind) = begin.split_at(stream.byte_offset());
        if text.len() > OBJECT_BYTES_MAX {
            let reason = format!(
                "an object of {} bytes, above {OBJECT_BYTES_MAX}",
                text.len()
            );
            return Err(refused(reason));
        }
        let string_bytes_max = settings.string_bytes_max();
        if longest > string_bytes_max {
            let reason = format!("a string of {longest} bytes, above {string_bytes_max}");
            return Err(refused(reason));
        }
        documents.push(Document { line, text });
        line = line_behind(line, text.as_bytes());
        rest = behind;
    }
}

fn line_behind(line: u64, bytes: &[u8]) -> u64 {
    line + memchr::memchr_iter(b'\n', bytes).count() as u64
}

/// An object that was read to its end, and the bytes of its longest string value.
struct Checked(usize);

impl<'de> Deserialize<'de> for Checked {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(Walk).map(Self)
    }
}

/// The longest string of any value.
struct Longest(usize);

impl<'de> Deserialize<'de> for Longest {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Walk).map(Self)
    }
}

struct Walk;

impl<'de> Visitor<'de> for Walk {
    type Value = usize;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("an object")
    }

    fn visit_unit<E: Error>(self) -> Result<usize, E> {
        Ok(0)
    }

    fn visit_bool<E: Error>(self, _: bool) -> Result<usize, E> {
        Ok(0)
    }

    fn visit_i64<E: Error>(self, _: i64) -> Result<usize, E> {
        Ok(0)
    }

    fn visit_u64<E: Error>(self, _: u64) -> Result<usize, E> {
        Ok(0)
    }

    fn visit_f64<E: Error>(self, _: f64) -> Result<usize, E> {
        Ok(0)
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<usize, E> {
        Ok(text.len())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut values: A) -> Result<usize, A::Error> {
        let mut longest = 0;
        while let Some(Longest(bytes)) = values.next_element()? {
            longest = longest.max(bytes);
        }
        Ok(longest)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<usize, A::Error> {
        let mut longest = 0;
        while let Some((IgnoredAny, Longest(bytes))) = fields.next_entry()? {
            longest = longest.max(bytes);
        }
        Ok(longest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings() -> Settings {
        Settings::incoming("s")
    }

    fn refusal(file: &str, settings: &Settings) -> Refused {
        read(file.as_bytes(), settings).expect_err("it is refused")
    }

    /// A document that is this long.
    fn document_of(bytes: usize) -> String {
        let item = format!("\"{}\",", "x".repeat(1000));
        let mut text = format!("{{\"a\":[{}\"\"]}}", item.repeat(bytes / item.len() - 1));
        let missing = bytes - text.len();
        text.insert_str(text.len() - 3, &"y".repeat(missing));
        text
    }

    #[test]
    fn documents_keep_their_text_and_know_their_line() {
        let file = "{\"n\": 1.10}\n\n{\"n\":\n2}{\"n\":12345678901234567890.123}\n";
        let documents = read(file.as_bytes(), &settings()).expect("it is good");
        let found: Vec<_> = documents.iter().map(|one| (one.line, one.text)).collect();
        assert_eq!(
            found,
            [
                (1, "{\"n\": 1.10}"),
                (3, "{\"n\":\n2}"),
                (4, "{\"n\":12345678901234567890.123}")
            ]
        );
    }

    #[test]
    fn what_is_no_object_refuses_the_file_at_its_line() {
        for bad in [
            "[1]",
            "7",
            "\"text\"",
            "{\"n\":}",
            "{\"n\":1",
            "{}x",
            "{\"n\":\"\u{1}\"}",
        ] {
            let (line, reason) = refusal(&format!("{{}}\n{{}}\n{bad}\n"), &settings());
            assert_eq!(line, Some(3), "{bad}: {reason}");
            assert!(reason.starts_with("invalid JSON"), "{bad}: {reason}");
        }
        let refused = read(b"{}\n{\"n\":\"\xff\"}", &settings()).expect_err("no UTF-8");
        assert_eq!(refused, (Some(2), "bytes that are no UTF-8".into()));
    }

    #[test]
    fn an_object_may_have_4_mib_and_no_byte_more() {
        let (most, more) = (
            document_of(OBJECT_BYTES_MAX),
            document_of(OBJECT_BYTES_MAX + 1),
        );
        assert_eq!(
            read(most.as_bytes(), &settings()).map(|all| all.len()),
            Ok(1)
        );
        let (_, reason) = refusal(&more, &settings());
        assert!(reason.contains("4194305 bytes"), "{reason}");
    }

    #[test]
    fn a_string_may_have_65535_bytes_unless_large_ones_were_opted_for() {
        let of = |text: &str| format!("{{\"data\":{{\"a\":[{{\"b\":\"{text}\"}}]}}}}");
        // Bytes of the value, not of its characters or escapes.
        let most = of(&format!("\\n{}", "é".repeat(32_767)));
        let more = of(&"é".repeat(32_768));
        assert!(read(most.as_bytes(), &settings()).is_ok());
        let (_, reason) = refusal(&more, &settings());
        assert!(reason.contains("65536 bytes"), "{reason}");
        let large = Settings {
            has_large_strings: true,
            ..settings()
        };
        assert!(read(more.as_bytes(), &large).is_ok());
        // The limit of the object stays.
        let (_, reason) = refusal(&of(&"x".repeat(OBJECT_BYTES_MAX)), &large);
        assert!(reason.contains("an object of"), "{reason}");
    }
}
