//! What tells one log file from another of the same name.
//!
//! A log that was reset, or restored from a backup, has files of the same names again, where the same offsets may
//! be transaction boundaries too. A file's FORMAT_DESCRIPTION opens every dump, also one that begins in the middle of
//! the file: there the server changes only its offset and the `created` of its body; the header's timestamp, which is
//! when the file was created, stays. It has whole seconds, so two files created in one second look the same.

use std::fmt;

use crate::{
    event::{EventHeader, Framing},
    position::FileName,
    time::utc,
};

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogFingerprint {
    pub file: FileName,
    /// Seconds since 1970.
    pub created_secs: u32,
    /// Of the server that wrote the file.
    pub server_id: u32,
    /// Of that server, e.g. "8.4.3".
    pub version: String,
}

impl LogFingerprint {
    /// Of `file`, whose FORMAT_DESCRIPTION has this header and taught this framing.
    pub fn of(file: &FileName, header: &EventHeader, framing: &Framing) -> Self {
        Self {
            file: file.clone(),
            created_secs: header.timestamp,
            server_id: header.server_id,
            version: framing.server_version().to_owned(),
        }
    }
}

impl fmt::Display for LogFingerprint {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let created = utc(u64::from(self.created_secs));
        write!(
            formatter,
            "{} created {created} by server_id {}, version {}",
            self.file, self.server_id, self.version
        )
    }
}
