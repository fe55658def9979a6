//! What `headwater verify` reads back of a sink: its stream (`kinesis::reading`), or files of lines.
//!
//! Files (and objects) are as the file sink or Firehose wrote them: plain, gzip or zstd, told by their first bytes. What is judged
//! stands in the crate `headwater-verify`.

use std::{
    fs::File,
    io::{self, BufRead, Read},
    path::{Path, PathBuf},
};

use headwater_actors::failure::Failure;
use headwater_verify::LINE_BYTES_MAX;

use super::stream::StreamPlan;

/// Where a sink's output is read back.
#[derive(Debug, Clone)]
pub enum ReadBack {
    /// Of Kinesis.
    Stream(StreamPlan),
    /// This file, and before it those that were closed.
    Rotated(PathBuf),
}

/// Calls `take` for every line of a file, or of what is read like one; `name` is for errors.
///
/// # Errors
/// Those of `take`, a [`Failure`] inside the error of a read, and what else cannot be read.
pub fn read_lines(
    name: &str,
    file: impl Read,
    take: &mut dyn FnMut(&[u8]) -> Result<(), Failure>,
) -> Result<(), Failure> {
    let failed = |error: io::Error| match error.downcast::<Failure>() {
        Ok(failure) => failure,
        Err(error) => {
            let hint = match error.kind() {
                io::ErrorKind::UnexpectedEof => {
                    "what was compressed has no end: it was cut, or is still being written"
                }
                _ => HINT,
            };
            Failure::definite(format!("read {name}"))
                .because(error)
                .with_hint(hint)
        }
    };
    let mut file = headwater_verify::reader(file).map_err(failed)?;
    let mut line = Vec::new();
    loop {
        line.clear();
        let mut limited = file.by_ref().take(LINE_BYTES_MAX as u64);
        if limited.read_until(b'\n', &mut line).map_err(failed)? == 0 {
            return Ok(());
        }
        if line.len() == LINE_BYTES_MAX && !line.ends_with(b"\n") {
            return Err(Failure::definite(format!(
                "read {name}: a line has more than {LINE_BYTES_MAX} bytes"
            ))
            .with_hint(HINT));
        }
        take(&line)?;
    }
}

/// The same of a file.
pub fn read_file(
    path: &Path,
    take: &mut dyn FnMut(&[u8]) -> Result<(), Failure>,
) -> Result<(), Failure> {
    let name = format!("file \"{}\"", path.display());
    let file = File::open(path).map_err(|error| {
        Failure::definite(format!("read {name}"))
            .because(error)
            .with_hint(HINT)
    })?;
    read_lines(&name, file, take)
}

const HINT: &str = "name files of lines as the file sink or Firehose wrote them";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_read_fails_with_is_told_as_it_is() {
        struct Broken;
        impl Read for Broken {
            fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
                Err(io::Error::other(
                    Failure::definite("gone").with_hint("look"),
                ))
            }
        }
        let failure = read_lines("it", Broken, &mut |_| Ok(())).unwrap_err();
        assert_eq!(failure, Failure::definite("gone").with_hint("look"));
        // A gzip member that is cut.
        let cut: &[u8] = b"\x1f\x8b\x08\0\0\0\0\0\0\0";
        let failure = read_lines("it", cut, &mut |_| Ok(())).unwrap_err();
        let hint = failure.hint.unwrap_or_default();
        assert!(hint.contains("it was cut"), "{hint}");
    }

    #[test]
    fn every_line_of_a_file_comes_also_a_last_one_without_its_end() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "one\nlast").unwrap();
        let mut lines = Vec::new();
        let mut take = |line: &[u8]| {
            lines.push(String::from_utf8_lossy(line).into_owned());
            Ok(())
        };
        read_file(file.path(), &mut take).unwrap();
        assert_eq!(lines, ["one\n", "last"]);
    }
}
