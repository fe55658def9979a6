//! Requests in `FILE.requests` beside the checkpoint `FILE`: replaced as a whole, so a reader needs no lock.

use std::{
    fs::OpenOptions,
    io::{self, Read, Write},
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use headwater_actors::failure::{Class, Failure};

use super::document::{BYTES_MAX, Document};
use crate::durable::{self, Lock, OwnedLock, beside};

/// Another command holds it for the time of one write.
const LOCK_WITHIN: Duration = Duration::from_secs(5);
const LOCK_INTERVAL: Duration = Duration::from_millis(20);

/// The one that may write, until it is dropped.
pub(super) async fn lock(checkpoint: PathBuf) -> Result<OwnedLock, Failure> {
    let deadline = Instant::now() + LOCK_WITHIN;
    loop {
        let path = checkpoint.clone();
        let locked = blocking(move || durable::lock(&requests_of(&path)?)).await;
        match locked.map_err(|error| failure(&checkpoint, "lock", error))? {
            Lock::Taken(lock) => return Ok(lock),
            Lock::Held(_) if Instant::now() < deadline => {
                tokio::time::sleep(LOCK_INTERVAL).await;
            }
            Lock::Held(_) => {
                let text = format!(
                    "the requests beside \"{}\" are locked by another command",
                    checkpoint.display()
                );
                return Err(Failure::transient(text).with_hint("say it again"));
            }
        }
    }
}

pub(super) async fn read(checkpoint: PathBuf) -> Result<Document, Failure> {
    let path = checkpoint.clone();
    let bytes = blocking(move || bytes_of(&requests_of(&path)?)).await;
    let bytes = bytes.map_err(|error| failure(&checkpoint, "read", error))?;
    let place = format!("\"{}.requests\"", checkpoint.display());
    Document::of(&place, &bytes)
}

pub(super) async fn write(
    locked: OwnedLock,
    checkpoint: PathBuf,
    text: String,
) -> Result<(), Failure> {
    let path = checkpoint.clone();
    let written = blocking(move || {
        let path = requests_of(&path)?;
        let partial = beside(&path, "partial");
        let mut file = durable::create_anew(&partial)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        std::fs::rename(&partial, &path)?;
        durable::sync_folder(&path)?;
        drop(locked);
        Ok(())
    });
    let written = written.await;
    written.map_err(|error| failure(&checkpoint, "write", error))
}

/// Beside the file that a link stands for, as the checkpoint itself.
fn requests_of(checkpoint: &Path) -> io::Result<PathBuf> {
    Ok(beside(&durable::resolved(checkpoint)?, "requests"))
}

/// None where nothing was ever asked.
fn bytes_of(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    match durable::open_regular(path, OpenOptions::new().read(true)) {
        Ok(file) => file.take(BYTES_MAX as u64 + 1).read_to_end(&mut bytes)?,
        Err(error) if error.kind() == io::ErrorKind::NotFound => 0,
        Err(error) => return Err(error),
    };
    Ok(bytes)
}

fn failure(checkpoint: &Path, doing: &str, error: io::Error) -> Failure {
    let text = format!("{doing} the requests \"{}.requests\"", checkpoint.display());
    // A disk may be cured while the pipeline runs.
    Failure::of(Class::Transient, error).within(text).with_hint(
        "the folder of checkpoint.file.path must be there, and readable and writable for the pipeline's user and for who asks",
    )
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> io::Result<T> {
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => done,
        Err(error) => Err(io::Error::other(error)),
    }
}
