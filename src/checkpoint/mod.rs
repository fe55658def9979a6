//! Where the checkpoint is kept: adapters behind `headwater_actors::ports::store`.

mod body;
mod change;
mod column_lists;
mod dynamodb;
pub mod file;
mod mysql;
mod opening;
mod options;
mod remote;
pub mod requests;
mod resume;
mod snapshots;

use std::path::PathBuf;

use headwater_actors::failure::{Class, Failure};

pub use opening::{
    LeaseEvent, Opened, Standing, Tell, Wait, create, ensure_writable, gate, open, open_gated,
    open_now, peek, place,
};
pub use options::{
    CheckpointOptions, CheckpointPlan, DynamoDbStorePlan, MySqlStorePlan, StorePlan,
};

/// Why a checkpoint cannot be used. None of these ever starts anew by itself.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("checkpoint file \"{path}\" is damaged: {found}")]
    Damaged { path: PathBuf, found: String },
    #[error("checkpoint file \"{path}\" has version {found}, this program knows up to {known}")]
    Newer {
        path: PathBuf,
        found: u64,
        known: u64,
    },
    #[error("checkpoint file \"{path}\" belongs to pipeline \"{found}\", not to \"{wanted}\"")]
    OtherPipeline {
        path: PathBuf,
        found: String,
        wanted: String,
    },
    #[error("checkpoint file \"{path}\" is locked by another process{holder}")]
    Locked { path: PathBuf, holder: String },
    #[error("the lock file of checkpoint file \"{0}\" was removed or replaced")]
    LockLost(PathBuf),
    #[error("checkpoint file \"{path}\" has epoch {stored}, refused to go back to {found}")]
    EpochFell {
        path: PathBuf,
        stored: u32,
        found: u32,
    },
    #[error("checkpoint file \"{path}\": {doing}")]
    Io {
        path: PathBuf,
        doing: &'static str,
        #[source]
        error: std::io::Error,
    },
    /// The write was given up, or panicked.
    #[error("checkpoint file")]
    Interrupted(#[source] tokio::task::JoinError),
}

impl Error {
    fn hint(&self) -> String {
        match self {
            Self::Damaged { path, .. } => format!(
                "restore the file from a copy; or note a position that is surely delivered, remove \"{}\" and \
                 set source.start to it: the epoch starts again, so consumers that compare seq must start again too",
                path.display()
            ),
            Self::Newer { .. } => "run the version that wrote it, or a newer one".to_owned(),
            Self::OtherPipeline { found, .. } => format!(
                "give this pipeline its own checkpoint.file.path, or set name = \"{found}\" if it is the same one"
            ),
            Self::Locked { .. } => {
                "end the other process first; each pipeline needs its own checkpoint.file.path"
                    .to_owned()
            }
            Self::LockLost(_) => "see that no other process has the file, and start again; the lock file stays where it is, also between runs"
                .to_owned(),
            Self::EpochFell { .. } => "this is a defect of the program; report it".to_owned(),
            Self::Io { path, error, .. } => io_hint(path, error),
            Self::Interrupted(_) => "it is tried again".to_owned(),
        }
    }
}

fn io_hint(path: &std::path::Path, error: &std::io::Error) -> String {
    use std::io::ErrorKind;
    match error.kind() {
        ErrorKind::NotFound => {
            "the folder of checkpoint.file.path does not exist: create it, or mount a volume there"
                .to_owned()
        }
        ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem => format!(
            "make the folder of \"{}\" writable for this user, or choose another checkpoint.file.path",
            path.display()
        ),
        ErrorKind::IsADirectory | ErrorKind::NotADirectory | ErrorKind::InvalidInput => {
            "checkpoint.file.path must be a file in an existing folder".to_owned()
        }
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => "make room on the disk".to_owned(),
        _ => "check the disk".to_owned(),
    }
}

/// A full or failing disk may be cured while running; all else needs a human.
impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        use std::io::ErrorKind;
        let hint = error.hint();
        let class = match &error {
            Error::Io { error: cause, .. }
                if !matches!(
                    cause.kind(),
                    ErrorKind::NotFound
                        | ErrorKind::PermissionDenied
                        | ErrorKind::ReadOnlyFilesystem
                        | ErrorKind::IsADirectory
                        | ErrorKind::NotADirectory
                        | ErrorKind::InvalidInput
                ) =>
            {
                Class::Transient
            }
            Error::Interrupted(_) => Class::Transient,
            _ => Class::Definite,
        };
        Self::of(class, error).with_hint(hint)
    }
}

#[cfg(test)]
mod tests;
