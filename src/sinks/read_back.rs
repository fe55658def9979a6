//! What `headwater verify` reads back of a sink: its stream (`kinesis::reading`), or files of lines.
//!
//! Files are as the file sink or Firehose wrote them: plain, gzip or zstd, told by their first bytes. What is judged
//! stands in the crate `headwater-verify`.

use std::{
    fs::File,
    io::{BufRead, Read},
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

/// Calls `take` for every line of the file.
pub fn read_lines(
    path: &Path,
    take: &mut dyn FnMut(&[u8]) -> Result<(), Failure>,
) -> Result<(), Failure> {
    let failed = |error: std::io::Error| {
        Failure::definite(format!("read file \"{}\"", path.display()))
            .because(error)
            .with_hint("name files of lines as the file sink or Firehose wrote them")
    };
    let file = File::open(path).map_err(failed)?;
    let mut file = headwater_verify::reader(file).map_err(failed)?;
    let mut line = Vec::new();
    loop {
        line.clear();
        let mut limited = file.by_ref().take(LINE_BYTES_MAX as u64);
        if limited.read_until(b'\n', &mut line).map_err(failed)? == 0 {
            return Ok(());
        }
        take(&line)?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_of_a_file_comes_also_a_last_one_without_its_end() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "one\nlast").unwrap();
        let mut lines = Vec::new();
        let mut take = |line: &[u8]| {
            lines.push(String::from_utf8_lossy(line).into_owned());
            Ok(())
        };
        read_lines(file.path(), &mut take).unwrap();
        assert_eq!(lines, ["one\n", "last"]);
    }
}
