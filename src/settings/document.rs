//! A text of settings and its name: where it came from, for every complaint about what stands in it.
//!
//! Files, standard input and the variable HEADWATER_CONFIG; each at most 1 MiB. Not here: what the text means, and
//! how a text is had from elsewhere (`cli`).

use std::{
    fs::File,
    io::{self, Read},
    path::Path,
};

/// Settings are written by hand.
const BYTES_MAX: u64 = 1 << 20;
/// Settings where there is no file, as in a task definition of ECS.
const VARIABLE: &str = "HEADWATER_CONFIG";

/// The argument of -c that names no file.
pub fn is_stdin(argument: &Path) -> bool {
    argument == Path::new("-")
}

/// One text, or why it could not be had.
#[derive(Debug)]
pub struct Document {
    /// As in `"headwater.toml"` or `standard input`.
    pub name: String,
    pub text: Result<String, Unreadable>,
}

/// Why a text could not be had, and what to do.
#[derive(Debug, thiserror::Error)]
pub enum Unreadable {
    #[error("{0}; check the path of -c")]
    Io(#[from] io::Error),
    #[error("it is larger than {BYTES_MAX} bytes; give a file of settings")]
    TooLarge,
    #[error("it is not UTF-8; write it as UTF-8")]
    NotUtf8,
    /// Where it was asked for; says all by itself.
    #[error("{0}")]
    Elsewhere(String),
}

impl Document {
    /// What -c names: a file, or standard input.
    pub fn of_argument(argument: &Path) -> Self {
        if is_stdin(argument) {
            return Self {
                name: "standard input".to_owned(),
                text: bounded(io::stdin().lock()),
            };
        }
        Self {
            name: format!("\"{}\"", argument.display()),
            text: File::open(argument)
                .map_err(Unreadable::Io)
                .and_then(bounded),
        }
    }

    /// What was had from elsewhere.
    pub fn of_elsewhere(argument: &str, text: Result<String, String>) -> Self {
        Self {
            name: format!("\"{argument}\""),
            text: text.map_err(Unreadable::Elsewhere),
        }
    }

    /// The variable of the environment, if it is there.
    pub fn of_environment() -> Option<Self> {
        let text = std::env::var_os(VARIABLE)?;
        Some(Self {
            name: format!("environment {VARIABLE}"),
            text: text.into_string().map_err(|_| Unreadable::NotUtf8),
        })
    }
}

fn bounded(from: impl Read) -> Result<String, Unreadable> {
    let mut bytes = Vec::new();
    from.take(BYTES_MAX + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > BYTES_MAX {
        return Err(Unreadable::TooLarge);
    }
    String::from_utf8(bytes).map_err(|_| Unreadable::NotUtf8)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_read_up_to_its_limit_and_must_be_text() {
        assert_eq!(bounded(&b"a = 1"[..]).expect("short"), "a = 1");
        assert!(matches!(bounded(&b"\xff"[..]), Err(Unreadable::NotUtf8)));
        assert!(matches!(
            bounded(io::repeat(b'#')),
            Err(Unreadable::TooLarge)
        ));
    }

    #[test]
    fn a_missing_file_says_what_to_check() {
        let document = Document::of_argument(Path::new("nowhere.toml"));
        assert_eq!(document.name, "\"nowhere.toml\"");
        let error = document.text.expect_err("it is not there").to_string();
        assert!(error.ends_with("check the path of -c"), "{error}");
    }
}
