//! A file of lines: durable before acknowledged, rotated by size.
//!
//! What is waiting is written and then synced once. A file that would grow past the limit is closed and
//! renamed to `PATH.000001`, `PATH.000002`, … (the number after the greatest that is there); a record is
//! never spread over two files. After a crash the file ends with a whole line. `PATH.lock` keeps a second writer out
//! as long as something is still to be written; it stays there, empty.

use std::{
    fs::File,
    path::{Path, PathBuf},
};

use headwater_actors::{
    failure::Failure,
    ports::{
        BoxFuture,
        sink::{Delivered, Record, Rejected, Sink},
    },
};

use super::{RECORD_BYTES_UNLIMITED, append::AppendFile, group::Group};
use crate::{
    durable::{self, Lock, beside, folder},
    plan::FilePlan,
};

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
    _lock: File,
}

impl FileSink {
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
            next_number: greatest_number(&plan.path)? + 1,
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

fn lock(path: &Path) -> Result<File, Failure> {
    match durable::lock(path) {
        Ok(Lock::Taken(file)) => Ok(file),
        Ok(Lock::Held(_)) => Err(Failure::definite(format!(
            "output file \"{}\" is being written by another process",
            path.display()
        ))
        .with_hint("end the other process first; each pipeline needs its own sink.file.path")),
        Err(error) => Err(Failure::definite(format!(
            "lock file \"{}.lock\": {error}",
            path.display()
        ))
        .with_hint("the folder must exist and be writable for the process")),
    }
}

/// Of the files `PATH.NUMBER`; 0 when there is none.
fn greatest_number(path: &Path) -> Result<u64, Failure> {
    let folder = folder(path);
    let failed = |error: std::io::Error| {
        Failure::definite(format!("list folder \"{}\": {error}", folder.display()))
    };
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let mut greatest = 0;
    for entry in std::fs::read_dir(folder).map_err(failed)? {
        let other = entry.map_err(failed)?.file_name();
        let number = other
            .to_string_lossy()
            .strip_prefix(&*name)
            .and_then(|rest| rest.strip_prefix('.'))
            .and_then(|digits| digits.parse().ok());
        greatest = greatest.max(number.unwrap_or(0));
    }
    Ok(greatest)
}
