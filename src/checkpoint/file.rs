//! The checkpoint in one file.
//!
//! A save writes `FILE.partial`, flushes it to the disk, renames it over `FILE` and flushes the folder: at
//! every instant `FILE` is the old checkpoint or the new one, whole. A file that is damaged, newer, or of
//! another pipeline is refused; starting anew by itself would skip or repeat without a word. `FILE.lock` and `FILE`
//! are both locked while the store is open, so that a second process is refused as long as one of the two is there; a
//! lock file that was removed is made again at the next save.
//! A save whose future was dropped still runs to its end; a number taken at the call keeps it from
//! overwriting a later one.

use std::{
    fs::{File, OpenOptions},
    io::{self, Read, Seek, Write},
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use headwater_actors::{
    checkpoint::Checkpoint,
    failure::{Class, Failure},
    fault,
    ports::{
        BoxFuture,
        store::{CheckpointStore, LastEnd, Stored},
    },
};

use super::change::Change;
use super::{Error, body};
use crate::{
    clock::now_us,
    durable::{self, Lock, OwnedLock, beside},
};

/// A GTID set of a thousand servers is far below.
const FILE_BYTES_MAX: u64 = 64 * 1024 * 1024;

/// The open, locked store. Its files: `FILE`, `FILE.partial`, `FILE.lock`.
#[derive(Debug)]
pub struct FileStore {
    inner: Arc<Inner>,
    calls: AtomicU64,
}

#[derive(Debug)]
struct Inner {
    path: PathBuf,
    name: String,
    /// Locked until dropped.
    written: Mutex<Written>,
}

/// The newest write, by the order of the calls.
#[derive(Debug)]
struct Written {
    call: u64,
    epoch: u32,
    last_end: Option<LastEnd>,
    /// `FILE.lock`.
    lock: OwnedLock,
    /// `FILE`, once there is one.
    itself: Option<OwnedLock>,
}

impl FileStore {
    /// Locks and verifies the file; blocks for the time of one read. Every refusal is definite.
    pub fn open(path: &Path, name: &str) -> Result<Self, Failure> {
        Ok(Self::try_open(path, name)?)
    }

    /// The same, for who waits for the lock.
    pub(super) fn try_open(path: &Path, name: &str) -> Result<Self, Error> {
        let path = &resolved(path)?;
        let lock = lock(path)?;
        let itself = lock_itself(path)?;
        note_owner(path, &lock)?;
        let stored = read(path, name)?;
        Ok(Self {
            inner: Arc::new(Inner {
                path: path.to_owned(),
                name: name.to_owned(),
                written: Mutex::new(Written {
                    call: 0,
                    epoch: stored.epoch,
                    last_end: stored.last_end,
                    lock,
                    itself,
                }),
            }),
            calls: AtomicU64::new(0),
        })
    }

    fn write(&self, change: Change) -> BoxFuture<'static, Result<(), Failure>> {
        let inner = Arc::clone(&self.inner);
        let call = 1 + self.calls.fetch_add(1, Ordering::Relaxed);
        Box::pin(async move {
            let written = blocking(move || inner.write(call, change)).await;
            written.map_err(curable)
        })
    }
}

impl CheckpointStore for FileStore {
    fn load(&self) -> BoxFuture<'static, Result<Stored, Failure>> {
        let inner = Arc::clone(&self.inner);
        Box::pin(async move { Ok(blocking(move || read(&inner.path, &inner.name)).await?) })
    }

    fn save(&self, checkpoint: Checkpoint) -> BoxFuture<'static, Result<(), Failure>> {
        self.write(Change::Position(Box::new(checkpoint)))
    }

    fn clear(&self) -> BoxFuture<'static, Result<(), Failure>> {
        self.write(Change::NoPosition)
    }

    fn note_end(&self, end: LastEnd) -> BoxFuture<'static, Result<(), Failure>> {
        self.write(Change::End(end))
    }
}

impl Inner {
    fn write(&self, call: u64, change: Change) -> Result<(), Error> {
        let mut written = self.written.lock().unwrap_or_else(PoisonError::into_inner);
        if call < written.call {
            return Ok(());
        }
        let before = match change.keeps_checkpoint() {
            true => read(&self.path, &self.name)?,
            false => Stored {
                epoch: written.epoch,
                last_end: written.last_end.clone(),
                ..Stored::default()
            },
        };
        let stored = change.apply(before, now_us());
        if stored.epoch < written.epoch {
            return Err(Error::EpochFell {
                path: self.path.clone(),
                stored: written.epoch,
                found: stored.epoch,
            });
        }
        self.ensure_owned(&mut written)?;
        let text = body::encode(&self.name, &stored)
            .map_err(|error| io_error(&self.path, "encode", io::Error::other(error)))?;
        let partial = beside(&self.path, "partial");
        let file = write_durably(&partial, text.as_bytes())
            .and_then(OwnedLock::of_new)
            .map_err(|error| io_error(&self.path, "write the partial file", error))?;
        fault::here("checkpoint.partial");
        std::fs::rename(&partial, &self.path)
            .map_err(|error| io_error(&self.path, "rename the partial file", error))?;
        fault::here("checkpoint.renamed");
        // From here on the new one may be what a restart finds.
        written.call = call;
        written.epoch = stored.epoch;
        written.last_end = stored.last_end;
        written.itself = Some(file);
        durable::sync_folder(&self.path)
            .map_err(|error| io_error(&self.path, "flush the folder", error))
    }

    /// Without its lock file it goes on while the checkpoint itself is ours: nobody else can have got in.
    fn ensure_owned(&self, written: &mut Written) -> Result<(), Error> {
        let look = |error| io_error(&self.path, "look for the lock file", error);
        if durable::is_locked_by(&self.path, &written.lock).map_err(look)? {
            return Ok(());
        }
        let is_ours = match &written.itself {
            Some(itself) => durable::is_at(&self.path, itself).map_err(look)?,
            None => false,
        };
        if !is_ours {
            return Err(Error::LockLost(self.path.clone()));
        }
        tracing::warn!(path = %self.path.display(), "the lock file was removed; it is made again");
        // Held: by one that is about to find the checkpoint locked. The next save tries again.
        if let Lock::Taken(lock) = durable::lock(&self.path).map_err(look)? {
            note_owner(&self.path, &lock)?;
            written.lock = lock;
        }
        Ok(())
    }
}

/// What is stored, without a lock: a rename is atomic, so a running pipeline can be looked at.
pub fn peek(path: &Path, name: &str) -> Result<Stored, Failure> {
    Ok(read(path, name)?)
}

/// Writes and removes `FILE.probe`: saves will be possible. Needs no lock.
pub fn ensure_writable(path: &Path) -> Result<(), Failure> {
    let path = &resolved(path)?;
    let probe = beside(path, "probe");
    write_durably(&probe, b"{}\n")
        .and_then(|_| std::fs::remove_file(&probe))
        .map_err(|error| Failure::from(io_error(path, "try to write", error)))
}

/// What could be written at the start may be cured while running: a disk that is full, read-only, gone.
/// Only an epoch that falls and a lost lock are not.
fn curable(error: Error) -> Failure {
    let is_io = matches!(error, Error::Io { .. });
    let failure = Failure::from(error);
    match is_io {
        true => failure.with_class(Class::Transient),
        false => failure,
    }
}

fn read(path: &Path, name: &str) -> Result<Stored, Error> {
    let mut bytes = Vec::new();
    let opened = match durable::open_regular(path, OpenOptions::new().read(true)) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound && durable::folder(path).is_dir() => {
            return Ok(Stored::default());
        }
        Err(error) => return Err(io_error(path, "open", error)),
    };
    opened
        .take(FILE_BYTES_MAX + 1)
        .read_to_end(&mut bytes)
        .map_err(|error| io_error(path, "read", error))?;
    if bytes.len() as u64 > FILE_BYTES_MAX {
        return Err(Error::Damaged {
            path: path.to_owned(),
            found: format!("it is larger than {FILE_BYTES_MAX} bytes"),
        });
    }
    body::decode(&bytes, path, name)
}

fn resolved(path: &Path) -> Result<PathBuf, Error> {
    durable::resolved(path).map_err(|error| io_error(path, "follow the link", error))
}

fn lock(path: &Path) -> Result<OwnedLock, Error> {
    match durable::lock(path)
        .map_err(|error| io_error(path, "open and lock the lock file", error))?
    {
        Lock::Taken(lock) => Ok(lock),
        Lock::Held(file) => {
            let mut holder = String::new();
            // Only a number is repeated; a file that cannot be read names nobody.
            let pid = match file.take(32).read_to_string(&mut holder) {
                Ok(_) => holder.trim().parse::<u32>().ok(),
                Err(_) => None,
            };
            Err(Error::Locked {
                path: path.to_owned(),
                holder: pid.map_or_else(String::new, |pid| format!(" (id {pid})")),
            })
        }
    }
}

/// Another process has it although the lock file is ours: that one was removed.
fn lock_itself(path: &Path) -> Result<Option<OwnedLock>, Error> {
    match durable::lock_itself(path).map_err(|error| io_error(path, "open and lock it", error))? {
        None => Ok(None),
        Some(Lock::Taken(lock)) => Ok(Some(lock)),
        Some(Lock::Held(_)) => Err(Error::Locked {
            path: path.to_owned(),
            holder: ", whose lock file was removed".to_owned(),
        }),
    }
}

/// Who holds it, for the message that the next one prints.
fn note_owner(path: &Path, lock: &OwnedLock) -> Result<(), Error> {
    let note = |mut file: &File| {
        file.set_len(0)?;
        file.rewind()?;
        writeln!(file, "{}", std::process::id())
    };
    note(lock.file()).map_err(|error| io_error(path, "write the lock file", error))
}

fn write_durably(path: &Path, bytes: &[u8]) -> io::Result<File> {
    let mut file = durable::create_anew(path)?;
    fault::here("checkpoint.created");
    file.write_all(bytes)?;
    file.sync_all()?;
    Ok(file)
}

fn io_error(path: &Path, doing: &'static str, error: io::Error) -> Error {
    Error::Io {
        path: path.to_owned(),
        doing,
        error,
    }
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Error> + Send + 'static,
) -> Result<T, Error> {
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => done,
        Err(error) => Err(Error::Interrupted(error)),
    }
}

#[cfg(test)]
mod tests;
