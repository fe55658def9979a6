//! A file of lines that only grows, and in which every acknowledged line is whole.
//!
//! What was written and not synced is taken back on an error: the file is cut to its last durable length, so a
//! repetition never follows half a line. (After a failed sync the kernel may drop the pages and call the
//! next sync a success; writing them anew is the only safe repetition.) A crash can leave an unfinished last
//! line, which nobody was told of: opening cuts it off.

use std::{
    fs::{File, OpenOptions},
    io,
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
};

use headwater_actors::failure::{Class, Failure};

use crate::durable::{ensure_appendable, open_regular, sync_folder};

const TAIL_STEP_BYTES: u64 = 64 << 10;

pub struct AppendFile {
    path: PathBuf,
    file: File,
    durable_bytes: u64,
    written_bytes: u64,
    /// A failed write may have left bytes behind the durable ones.
    has_leftover: bool,
}

impl AppendFile {
    /// Opens or creates; an unfinished last line is cut off. What cannot be opened is definite.
    pub fn open(path: &Path) -> Result<Self, Failure> {
        let failed = |error| unopened(path, error);
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false);
        let file = open_regular(path, &mut options).map_err(failed)?;
        let metadata = file.metadata().map_err(failed)?;
        let durable_bytes = whole_lines(&file, metadata.len()).map_err(failed)?;
        if durable_bytes < metadata.len() {
            let cut_bytes = metadata.len() - durable_bytes;
            tracing::warn!(path = %path.display(), cut_bytes, "the last line was unfinished and never acknowledged: cut off");
            file.set_len(durable_bytes).map_err(failed)?;
        }
        file.sync_all().map_err(failed)?;
        sync_folder(path).map_err(failed)?;
        Ok(Self {
            path: path.to_owned(),
            file,
            durable_bytes,
            written_bytes: durable_bytes,
            has_leftover: false,
        })
    }

    /// That [`AppendFile::open`] would open it; what is there stays as it is.
    pub fn ensure(path: &Path) -> Result<(), Failure> {
        ensure_appendable(path).map_err(|error| unopened(path, error))
    }

    /// Bytes written so far, durable or not.
    pub fn bytes(&self) -> u64 {
        self.written_bytes
    }

    /// Writes whole lines behind what is there. On an error nothing since the last sync counts.
    pub fn write(&mut self, lines: &[u8]) -> Result<(), Failure> {
        self.cut_leftover()
            .and_then(|()| self.file.write_all_at(lines, self.written_bytes))
            .map_err(|error| self.take_back(error))?;
        self.written_bytes += lines.len() as u64;
        Ok(())
    }

    /// Makes durable what was written. On an error nothing since the last sync counts.
    pub fn sync(&mut self) -> Result<(), Failure> {
        if self.written_bytes > self.durable_bytes {
            self.file
                .sync_data()
                .map_err(|error| self.take_back(error))?;
            self.durable_bytes = self.written_bytes;
        }
        Ok(())
    }

    fn cut_leftover(&mut self) -> io::Result<()> {
        if self.has_leftover {
            self.file.set_len(self.durable_bytes)?;
            self.has_leftover = false;
        }
        Ok(())
    }

    fn take_back(&mut self, error: io::Error) -> Failure {
        self.written_bytes = self.durable_bytes;
        self.has_leftover = self.file.set_len(self.durable_bytes).is_err();
        let hint = match error.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
                "make room on the volume; delivery goes on by itself"
            }
            _ => "look at the volume and the kernel's log; delivery goes on by itself",
        };
        Failure::transient(format!("write to file \"{}\"", self.path.display()))
            .because(error)
            .with_hint(hint)
    }

    /// Syncs, renames the file to `closed` and begins an empty one under the old name.
    pub fn rotate(&mut self, closed: &Path) -> Result<(), Failure> {
        self.sync()?;
        self.cut_leftover().map_err(|error| self.take_back(error))?;
        std::fs::rename(&self.path, closed).map_err(|error| {
            Failure::transient(format!("rename file \"{}\"", self.path.display())).because(error)
        })?;
        let path = std::mem::take(&mut self.path);
        match Self::open(&path) {
            Ok(fresh) => {
                // As it was opened to its readers.
                if let Ok(metadata) = self.file.metadata()
                    && let Err(error) = fresh.file.set_permissions(metadata.permissions())
                {
                    tracing::warn!(path = %path.display(), %error, "the new file has other permissions than the one before");
                }
                *self = fresh;
            }
            Err(failure) => {
                // Go on in the old file: it is taken back under its name, or is left under the new one.
                let back = std::fs::rename(closed, &path);
                self.path = path;
                return Err(match back {
                    Ok(()) => failure.with_class(Class::Transient),
                    Err(error) => {
                        Failure::transient(format!("{failure}; rename it back")).because(error)
                    }
                });
            }
        }
        Ok(())
    }
}

/// The length up to and with the last line end.
fn whole_lines(file: &File, length: u64) -> io::Result<u64> {
    let mut end = length;
    let mut buffer = Vec::new();
    while end > 0 {
        let start = end.saturating_sub(TAIL_STEP_BYTES);
        buffer.resize((end - start) as usize, 0);
        file.read_exact_at(&mut buffer, start)?;
        if let Some(at) = memchr::memrchr(b'\n', &buffer) {
            return Ok(start + at as u64 + 1);
        }
        end = start;
    }
    Ok(0)
}

fn unopened(path: &Path, error: io::Error) -> Failure {
    Failure::definite(format!("open file \"{}\"", path.display()))
        .because(error)
        .with_hint("the folder must exist and be writable for the process")
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn an_unfinished_last_line_is_cut_off_and_whole_lines_are_kept() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("lines");
        let long = "x".repeat(3 * TAIL_STEP_BYTES as usize);
        for (before, after) in [
            ("", ""),
            ("torn", ""),
            ("one\n", "one\n"),
            ("one\ntwo\nto", "one\ntwo\n"),
            (&format!("one\n{long}"), "one\n"),
        ] {
            std::fs::write(&path, before).expect("a writable folder");
            let mut file = AppendFile::open(&path).expect("opens");
            assert_eq!(file.bytes(), after.len() as u64);
            file.write(b"next\n").expect("writes");
            let text = std::fs::read_to_string(&path).expect("readable");
            assert_eq!(text, format!("{after}next\n"));
        }
    }

    #[test]
    fn a_failed_write_is_transient_and_its_repetition_follows_whole_lines() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("lines");
        let mut file = AppendFile::open(&path).expect("opens");
        file.write(b"one\n").expect("writes");
        file.sync().expect("syncs");
        let read_only = File::open(&path).expect("readable");
        let writable = std::mem::replace(&mut file.file, read_only);
        let failure = file.write(b"two\n").expect_err("not writable");
        assert!(!failure.is_definite());
        writable.write_all_at(b"tw", 4).expect("writable");
        file.file = writable;
        file.write(b"2\n").expect("writes");
        let text = std::fs::read_to_string(&path).expect("readable");
        assert_eq!(text, "one\n2\n");
    }

    #[test]
    fn a_new_file_is_its_owners_alone_until_somebody_opens_it_to_others() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("lines");
        let mode = |path: &Path| {
            let metadata = std::fs::metadata(path).expect("a file");
            metadata.permissions().mode() & 0o777
        };
        let mut file = AppendFile::open(&path).expect("opens");
        assert_eq!(mode(&path), 0o600);
        let opened = std::fs::Permissions::from_mode(0o640);
        std::fs::set_permissions(&path, opened).expect("ours");
        file.rotate(&folder.path().join("lines.1"))
            .expect("renamed");
        assert_eq!(mode(&path), 0o640);
    }

    #[test]
    fn a_missing_folder_is_definite() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("no/such");
        let opened = AppendFile::open(&path).err();
        assert!(opened.as_ref().is_some_and(Failure::is_definite));
        assert_eq!(
            AppendFile::ensure(&path).err(),
            opened,
            "said before it is met"
        );
    }

    #[test]
    fn trying_a_file_changes_nothing() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("lines");
        AppendFile::ensure(&path).expect("a writable folder");
        assert_eq!(
            std::fs::read_dir(folder.path()).expect("a folder").count(),
            0
        );
        std::fs::write(&path, "one\nunfinished").expect("writable");
        AppendFile::ensure(&path).expect("a writable file");
        let text = std::fs::read_to_string(&path).expect("readable");
        assert_eq!(text, "one\nunfinished");
        std::fs::remove_file(&path).expect("ours");
        std::fs::create_dir(&path).expect("a folder in its place");
        assert!(AppendFile::ensure(&path).is_err());
    }
}
