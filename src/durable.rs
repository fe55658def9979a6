//! What adapters that keep files share: the folder of a path, files beside it, durable names, one owner.
//!
//! A new name survives a crash only after its folder was synced. An owner holds `FILE.lock`, which is never
//! removed: a lock on a removed file guards nothing. Where somebody may remove it all the same, the owner locks the
//! file itself too, each new one before it takes the name. The system lets go of it however the process ends; within one
//! process it is let go of by name, because a child that is being started shares it for a moment. Files hold rows and
//! positions, so a new one is its owner's alone. What an error means is said by the adapter.

use std::{
    fs::{File, OpenOptions, TryLockError},
    io,
    os::unix::fs::{MetadataExt, OpenOptionsExt},
    path::{Path, PathBuf},
};

use rustix::{fs::OFlags, io::Errno};

const OWNER_ONLY: u32 = 0o600;
/// Links to a file that lead to further ones.
const LINKS_MAX: usize = 8;

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

/// Opens as `options` say; a new file is its owner's alone. A FIFO, device or folder is refused instead of waited for.
pub fn open_regular(path: &Path, options: &mut OpenOptions) -> io::Result<File> {
    open_flagged(path, options, OFlags::NONBLOCK)
}

fn open_flagged(path: &Path, options: &mut OpenOptions, flags: OFlags) -> io::Result<File> {
    let flags = flags.bits().cast_signed();
    let file = options.mode(OWNER_ONLY).custom_flags(flags).open(path)?;
    match file.metadata()?.is_file() {
        true => Ok(file),
        false => Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            "it is not a regular file",
        )),
    }
}

/// That lines could be added to `path`, and files renamed beside it; what is there stays as it is.
pub fn ensure_appendable(path: &Path) -> io::Result<()> {
    let probe = beside(path, "probe");
    drop(create_anew(&probe)?);
    std::fs::remove_file(&probe)?;
    for path in [path, &beside(path, "lock")] {
        match open_regular(path, OpenOptions::new().read(true).write(true)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            Ok(_) | Err(_) => (),
        }
    }
    Ok(())
}

/// A new, empty file in the place of what was left under this name, which is never followed or written to.
pub fn create_anew(path: &Path) -> io::Result<File> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => open_regular(path, OpenOptions::new().write(true).create_new(true)),
    }
}

/// The file that `path` stands for: a link is followed, also where it leads to no file yet. A rename would
/// replace the link itself.
pub fn resolved(path: &Path) -> io::Result<PathBuf> {
    let mut path = path.to_owned();
    for _ in 0..LINKS_MAX {
        match std::fs::symlink_metadata(&path) {
            Ok(metadata) if metadata.is_symlink() => {
                path = folder(&path).join(std::fs::read_link(&path)?);
            }
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => return Ok(path),
        }
    }
    Err(io::Error::new(
        io::ErrorKind::InvalidInput,
        "its links lead to too many others",
    ))
}

/// `FILE.lock`, open for reading and writing; empty unless an owner writes into it.
#[derive(Debug)]
pub enum Lock {
    Taken(OwnedLock),
    /// Another process has it, or another owner in this one.
    Held(File),
}

/// A lock file, or a file, that is ours until this is dropped.
#[derive(Debug)]
pub struct OwnedLock(File);

impl OwnedLock {
    /// Of a file that nobody else knows yet.
    pub fn of_new(file: File) -> io::Result<Self> {
        match file.try_lock() {
            Ok(()) => Ok(Self(file)),
            Err(TryLockError::WouldBlock) => Err(io::Error::other("somebody else locked it")),
            Err(TryLockError::Error(error)) => Err(error),
        }
    }

    /// Who owns it may write into it.
    pub fn file(&self) -> &File {
        &self.0
    }
}

impl Drop for OwnedLock {
    fn drop(&mut self) {
        // Closing alone would leave it locked as long as a child between fork and exec has a copy.
        if let Err(error) = self.0.unlock() {
            tracing::debug!(%error, "a lock file was closed without being unlocked");
        }
    }
}

/// Opens or creates `PATH.lock` and tries to lock it, without waiting.
pub fn lock(path: &Path) -> io::Result<Lock> {
    let mut options = OpenOptions::new();
    options.create(true).truncate(false).read(true).write(true);
    let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK;
    let file = open_flagged(&beside(path, "lock"), &mut options, flags).map_err(|error| {
        match Errno::from_io_error(&error) {
            Some(Errno::LOOP) => io::Error::new(io::ErrorKind::InvalidInput, "it is a link"),
            _ => error,
        }
    })?;
    let lock = match try_lock(file)? {
        Lock::Taken(lock) => lock,
        held @ Lock::Held(_) => return Ok(held),
    };
    match is_locked_by(path, &lock)? {
        true => Ok(Lock::Taken(lock)),
        // Removed since it was opened: who comes next locks another file.
        false => Err(io::Error::other("the lock file was replaced meanwhile")),
    }
}

/// Tries to lock the file itself, without waiting. `None`: there is none.
pub fn lock_itself(path: &Path) -> io::Result<Option<Lock>> {
    for _ in 0..REPLACED_MAX {
        let file = match open_regular(path, OpenOptions::new().read(true).write(true)) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound && folder(path).is_dir() => {
                return Ok(None);
            }
            Err(error) => return Err(error),
        };
        match try_lock(file)? {
            // A new one has taken the name since it was opened: its owner has that one.
            Lock::Taken(lock) if !is_at(path, &lock)? => (),
            lock => return Ok(Some(lock)),
        }
    }
    Err(io::Error::other("it is being replaced all the time"))
}

/// How often a file may be replaced between two looks at it.
const REPLACED_MAX: usize = 100;

fn try_lock(file: File) -> io::Result<Lock> {
    match file.try_lock() {
        Ok(()) => Ok(Lock::Taken(OwnedLock(file))),
        Err(TryLockError::WouldBlock) => Ok(Lock::Held(file)),
        Err(TryLockError::Error(error)) => Err(error),
    }
}

/// Whether `lock` is still the lock file that another owner would meet.
pub fn is_locked_by(path: &Path, lock: &OwnedLock) -> io::Result<bool> {
    is_at(&beside(path, "lock"), lock)
}

/// Whether what is ours is still what has the name.
pub fn is_at(path: &Path, lock: &OwnedLock) -> io::Result<bool> {
    let ours = lock.0.metadata()?;
    match std::fs::symlink_metadata(path) {
        Ok(theirs) => Ok((ours.dev(), ours.ino()) == (theirs.dev(), theirs.ino())),
        // A folder that is gone, as when a volume is, may come back with it.
        Err(error) if error.kind() == io::ErrorKind::NotFound && folder(path).is_dir() => Ok(false),
        Err(error) => Err(error),
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

    #[test]
    fn a_file_that_is_replaced_is_never_without_its_owner() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let (path, next) = (folder.path().join("out"), folder.path().join("next"));
        assert!(matches!(lock_itself(&path), Ok(None)));
        let first = OwnedLock::of_new(create_anew(&path).expect("made")).expect("new");
        assert!(matches!(lock_itself(&path), Ok(Some(Lock::Held(_)))));
        let second = OwnedLock::of_new(create_anew(&next).expect("made")).expect("new");
        std::fs::rename(&next, &path).expect("renamed");
        assert!(!is_at(&path, &first).expect("a readable folder"));
        drop(first);
        assert!(matches!(lock_itself(&path), Ok(Some(Lock::Held(_)))));
        drop(second);
        assert!(matches!(lock_itself(&path), Ok(Some(Lock::Taken(_)))));
    }

    #[test]
    fn a_lock_ends_with_its_owner_although_a_child_that_is_being_started_has_it_open() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("out");
        let Ok(Lock::Taken(first)) = lock(&path) else {
            panic!("nobody else has it");
        };
        let of_the_child = first.0.try_clone().expect("a second descriptor");
        drop(first);
        assert!(matches!(lock(&path), Ok(Lock::Taken(_))));
        drop(of_the_child);
    }

    #[test]
    fn what_was_left_under_a_name_is_replaced_and_never_written_through() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let (target, link) = (folder.path().join("target"), folder.path().join("link"));
        std::fs::write(&target, "theirs").expect("writable");
        std::os::unix::fs::symlink(&target, &link).expect("linked");
        let made = create_anew(&link)
            .expect("made")
            .metadata()
            .expect("a file");
        assert_eq!(made.mode() & 0o777, OWNER_ONLY);
        assert_eq!(std::fs::read(&target).expect("kept"), b"theirs");
        std::os::unix::fs::symlink(&target, beside(&target, "lock")).expect("linked");
        assert!(lock(&target).is_err(), "a lock file is no link");
        assert_eq!(std::fs::read(&target).expect("kept"), b"theirs");
    }

    #[test]
    fn a_link_stands_for_the_file_behind_it_also_before_that_is_made() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = |name: &str| folder.path().join(name);
        std::os::unix::fs::symlink("second", path("first")).expect("linked");
        std::os::unix::fs::symlink("file", path("second")).expect("linked");
        assert_eq!(resolved(&path("first")).expect("resolved"), path("file"));
        assert_eq!(resolved(&path("file")).expect("resolved"), path("file"));
        std::os::unix::fs::symlink("round", path("round")).expect("linked");
        assert!(resolved(&path("round")).is_err());
    }

    #[test]
    fn a_fifo_is_refused_and_not_waited_for() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("fifo");
        let made = std::process::Command::new("mkfifo").arg(&path).status();
        assert!(made.expect("mkfifo").success());
        for options in [
            OpenOptions::new().read(true),
            OpenOptions::new().read(true).write(true),
        ] {
            assert!(open_regular(&path, options).is_err());
        }
    }

    #[test]
    fn an_owner_sees_that_its_lock_file_was_removed_or_replaced() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("out");
        let Ok(Lock::Taken(first)) = lock(&path) else {
            panic!("nobody else has it");
        };
        assert!(is_locked_by(&path, &first).expect("a readable folder"));
        std::fs::remove_file(beside(&path, "lock")).expect("removed");
        assert!(!is_locked_by(&path, &first).expect("a readable folder"));
        let second = lock(&path);
        assert!(matches!(second, Ok(Lock::Taken(_))));
        assert!(!is_locked_by(&path, &first).expect("a readable folder"));
    }
}
