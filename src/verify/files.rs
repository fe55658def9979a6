//! Files of lines, as the file sink or Firehose wrote them: plain, gzip or zstd, told by their first bytes.

use std::{
    fs::File,
    io::{BufRead, Read},
    path::{Path, PathBuf},
};

use headwater_actors::failure::Failure;
use headwater_verify::LINE_BYTES_MAX;

/// The files that a file sink has written to `path`, the oldest first.
pub fn rotated(path: &Path) -> Result<Vec<PathBuf>, Failure> {
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    let failed = |error: std::io::Error| {
        Failure::definite(format!("list folder \"{}\": {error}", folder.display()))
    };
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let mut closed = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        let found = entry.file_name().to_string_lossy().into_owned();
        let number = found
            .strip_prefix(&*name)
            .and_then(|rest| rest.strip_prefix('.')?.parse::<u64>().ok());
        closed.extend(number.map(|number| (number, entry.path())));
    }
    closed.sort();
    let closed = closed.into_iter().map(|(_, path)| path);
    Ok(closed.chain([path.to_owned()]).collect())
}

/// Calls `take` for every line of the file.
pub fn read(
    path: &Path,
    take: &mut dyn FnMut(&[u8]) -> Result<(), Failure>,
) -> Result<(), Failure> {
    let failed = |error: std::io::Error| {
        Failure::definite(format!("read file \"{}\": {error}", path.display()))
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
    fn rotated_files_come_in_the_order_in_which_they_were_closed() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        for name in [
            "out",
            "out.000002",
            "out.000010",
            "out.lock",
            "other.000001",
        ] {
            std::fs::write(path(name), format!("{name}\nlast")).unwrap();
        }
        let files = rotated(&path("out")).unwrap();
        assert_eq!(files, [path("out.000002"), path("out.000010"), path("out")]);
        let mut lines = Vec::new();
        let mut take = |line: &[u8]| {
            lines.push(String::from_utf8_lossy(line).into_owned());
            Ok(())
        };
        read(&path("out"), &mut take).unwrap();
        assert_eq!(lines, ["out\n", "last"]);
    }
}
