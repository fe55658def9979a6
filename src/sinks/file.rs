//! A file of lines: durable before acknowledged, rotated by size.
//!
//! What is waiting is written and then synced once. A file that would grow past the limit is closed and
//! renamed to `PATH.000001`, `PATH.000002`, … (the number after the greatest that is there); a record is
//! never spread over two files. After a crash the file ends with a whole line. `PATH.lock` keeps a second writer out
//! as long as something is still to be written; it stays there, empty.

use std::path::{Path, PathBuf};

use headwater_actors::{
    failure::Failure,
    ports::{
        BoxFuture,
        sink::{Delivered, Record, Rejected, Sink},
    },
};

use serde::Deserialize;

use super::{
    RECORD_BYTES_UNLIMITED, append::AppendFile, group::Group, kinds::Facts, template::TargetSetting,
};
use crate::{
    durable::{self, Lock, OwnedLock, beside, folder},
    options::{Error, number, optional},
};

pub const FACTS: Facts = Facts {
    name: "file",
    target: Some(TargetSetting {
        key: "sink.file.path",
        name_length_max: None,
    }),
    record_bytes_max: None,
    opens_aggregates: false,
    needs_line_ends: true,
};

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FileOptions {
    path: String,
    rotate_bytes: u64,
}

#[derive(Debug, Clone)]
pub struct FilePlan {
    pub path: PathBuf,
    /// The file is closed and a new one begun at this size.
    pub rotate_bytes: u64,
}

impl FileOptions {
    pub fn plan(&self) -> Result<FilePlan, Error> {
        let path = optional(&self.path).ok_or_else(|| {
            Error::new(
                "sink.file.path",
                "is empty",
                "name the file to write to, or choose another sink.type",
            )
        })?;
        Ok(FilePlan {
            path: PathBuf::from(path),
            rotate_bytes: number("sink.file.rotate_bytes", self.rotate_bytes, 1024..=1 << 40)?,
        })
    }
}

/// Small records are written together, larger ones as they are.
const BUFFER_BYTES: usize = 64 << 10;

pub struct FileSink {
    group: Group<Record>,
}

struct RotatingFile {
    path: PathBuf,
    rotate_bytes: u64,
    file: AppendFile,
    next_number: u64,
    buffer: Vec<u8>,
    /// Locked until dropped.
    _lock: OwnedLock,
}

impl FileSink {
    /// That it could be opened, also while another process has it.
    pub fn ensure_writable(plan: &FilePlan) -> Result<(), Failure> {
        AppendFile::ensure(&plan.path)
    }

    /// Opens or creates the file; what cannot be opened, or another process writes to, is definite.
    pub fn open(plan: &FilePlan) -> Result<Self, Failure> {
        let mut file = RotatingFile::open(plan)?;
        let group = Group::start("file-sink", move |records| file.commit(records))?;
        Ok(Self { group })
    }
}

impl Sink for FileSink {
    fn deliver(&self, record: Record) -> BoxFuture<'static, Result<Delivered, Rejected>> {
        self.group.deliver(record)
    }

    fn record_bytes_max(&self) -> usize {
        RECORD_BYTES_UNLIMITED
    }
}

impl RotatingFile {
    fn open(plan: &FilePlan) -> Result<Self, Failure> {
        // Before the file is opened: that cuts off what may be another's line in the making.
        let lock = lock(&plan.path)?;
        Ok(Self {
            file: AppendFile::open(&plan.path)?,
            next_number: closed(&plan.path)?.last().map_or(0, |(number, _)| *number) + 1,
            path: plan.path.clone(),
            rotate_bytes: plan.rotate_bytes,
            buffer: Vec::new(),
            _lock: lock,
        })
    }

    fn commit(&mut self, records: &[Record]) -> Result<(), Failure> {
        self.buffer.clear();
        for record in records {
            let bytes = self.file.bytes() + self.buffer.len() as u64;
            if bytes > 0 && bytes + record.bytes.len() as u64 > self.rotate_bytes {
                self.flush()?;
                self.rotate()?;
            }
            self.put(&record.bytes)?;
            if record.lacks_line_end() {
                self.put(b"\n")?;
            }
        }
        self.flush()?;
        self.file.sync()
    }

    fn put(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        if self.buffer.len() + bytes.len() > BUFFER_BYTES {
            self.flush()?;
        }
        if bytes.len() > BUFFER_BYTES {
            return self.file.write(bytes);
        }
        self.buffer.extend_from_slice(bytes);
        Ok(())
    }

    fn flush(&mut self) -> Result<(), Failure> {
        if !self.buffer.is_empty() {
            self.file.write(&self.buffer)?;
            self.buffer.clear();
        }
        Ok(())
    }

    fn rotate(&mut self) -> Result<(), Failure> {
        let closed = beside(&self.path, &format!("{:06}", self.next_number));
        self.file.rotate(&closed)?;
        self.next_number += 1;
        tracing::info!(path = %closed.display(), "output file closed");
        Ok(())
    }
}

fn lock(path: &Path) -> Result<OwnedLock, Failure> {
    match durable::lock(path) {
        Ok(Lock::Taken(lock)) => Ok(lock),
        Ok(Lock::Held(_)) => Err(Failure::definite(format!(
            "output file \"{}\" is being written by another process",
            path.display()
        ))
        .with_hint("end the other process first; each pipeline needs its own sink.file.path")),
        Err(error) => Err(
            Failure::definite(format!("lock file \"{}.lock\"", path.display()))
                .because(error)
                .with_hint("the folder must exist and be writable for the process"),
        ),
    }
}

/// The files that were written to `path`, the oldest first.
pub fn rotated(path: &Path) -> Result<Vec<PathBuf>, Failure> {
    let closed = closed(path)?.into_iter().map(|(_, path)| path);
    Ok(closed.chain([path.to_owned()]).collect())
}

/// The files `PATH.NUMBER` by their number.
fn closed(path: &Path) -> Result<Vec<(u64, PathBuf)>, Failure> {
    let folder = folder(path);
    let failed = |error: std::io::Error| {
        Failure::definite(format!("list folder \"{}\"", folder.display())).because(error)
    };
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let mut closed = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        let other = entry.file_name();
        let number = other
            .to_string_lossy()
            .strip_prefix(&*name)
            .and_then(|rest| rest.strip_prefix('.')?.parse().ok());
        closed.extend(number.map(|number| (number, entry.path())));
    }
    closed.sort_unstable();
    Ok(closed)
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
            std::fs::write(path(name), name).unwrap();
        }
        let files = rotated(&path("out")).unwrap();
        assert_eq!(files, [path("out.000002"), path("out.000010"), path("out")]);
    }
}
