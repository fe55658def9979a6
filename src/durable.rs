//! What adapters that keep files share: the folder of a path, files beside it, durable names, one owner.
//!
//! A new name survives a crash only after its folder was synced. An owner holds `FILE.lock`, which is never
//! removed: a lock on a removed file guards nothing. The system lets go of it however the process ends. What an
//! error means is said by the adapter.

use std::{
    fs::{File, OpenOptions, TryLockError},
    io,
    path::{Path, PathBuf},
};

/// The folder that `path` is in; `.` for a bare name.
pub fn folder(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}

/// `PATH.EXTENSION`.
pub fn beside(path: &Path, extension: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".");
    name.push(extension);
    name.into()
}

/// Makes durable which names are in the folder of `path`.
pub fn sync_folder(path: &Path) -> io::Result<()> {
    File::open(folder(path))?.sync_all()
}

/// `FILE.lock`, open for reading and writing; empty unless an owner writes into it.
#[derive(Debug)]
pub enum Lock {
    /// Ours until the file is dropped.
    Taken(File),
    /// Another process has it, or another owner in this one.
    Held(File),
}

/// Opens or creates `PATH.lock` and tries to lock it, without waiting.
pub fn lock(path: &Path) -> io::Result<Lock> {
    let file = OpenOptions::new()
        .create(true)
        .truncate(false)
        .read(true)
        .write(true)
        .open(beside(path, "lock"))?;
    match file.try_lock() {
        Ok(()) => Ok(Lock::Taken(file)),
        Err(TryLockError::WouldBlock) => Ok(Lock::Held(file)),
        Err(TryLockError::Error(error)) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bare_name_is_in_the_working_folder() {
        assert_eq!(folder(Path::new("out")), Path::new("."));
        assert_eq!(folder(Path::new("a/out")), Path::new("a"));
        assert_eq!(folder(Path::new("/out")), Path::new("/"));
        assert_eq!(beside(Path::new("a/out.x"), "y"), Path::new("a/out.x.y"));
    }

    #[test]
    fn a_lock_has_one_owner_at_a_time() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("out");
        let first = lock(&path).expect("a writable folder");
        assert!(matches!(first, Lock::Taken(_)));
        assert!(matches!(lock(&path), Ok(Lock::Held(_))));
        drop(first);
        assert!(matches!(lock(&path), Ok(Lock::Taken(_))));
    }
}
