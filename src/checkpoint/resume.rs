//! A place to go on from, in the checkpoint's text: the same members for the pipeline's own and for a parked
//! table's. What is empty is not there, so that a checkpoint without it reads as it always did.

use headwater_actors::progress::{Mark, Resume};
use headwater_binlog::{
    Error,
    fingerprint::LogFingerprint,
    gtid::GtidSet,
    position::FileName,
    xa::{Prepared, XaTable},
};
use serde::{Deserialize, Serialize};

use super::{
    column_lists::{self, KnownBody},
    snapshots::SnapshotsBody,
};

/// Flattened into what holds it, which refuses unknown members.
#[derive(Serialize, Deserialize)]
pub(super) struct ResumeBody {
    position: String,
    rows_done: u64,
    gtid_set: String,
    /// Of them, what may come again from this log.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    may_repeat: String,
    commit_us: u64,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    columns: Vec<KnownBody>,
    /// The log file that was read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    log: Option<LogBody>,
    /// Prepared XA transactions.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    xa: Vec<PreparedBody>,
    /// Copies of tables.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    snapshots: Option<SnapshotsBody>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct LogBody {
    file: String,
    created_secs: u32,
    server_id: u32,
    version: String,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct PreparedBody {
    xid: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    position: Option<String>,
    /// A set of one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    gtid: Option<String>,
}

impl ResumeBody {
    pub(super) fn of(resume: &Resume) -> Self {
        Self {
            position: resume.mark.position.to_string(),
            rows_done: resume.mark.rows_done,
            gtid_set: resume.gtid_set.to_string(),
            may_repeat: resume.may_repeat.to_string(),
            commit_us: resume.commit_us,
            columns: column_lists::bodies(&resume.columns),
            log: resume.log.as_ref().map(LogBody::of),
            xa: resume.xa.open().iter().map(PreparedBody::of).collect(),
            snapshots: SnapshotsBody::of(&resume.snapshots),
        }
    }

    pub(super) fn resume(self) -> Result<Resume, Error> {
        let open: Result<_, _> = self.xa.into_iter().map(PreparedBody::prepared).collect();
        Ok(Resume {
            mark: Mark {
                position: self.position.parse()?,
                rows_done: self.rows_done,
            },
            gtid_set: self.gtid_set.parse()?,
            may_repeat: self.may_repeat.parse()?,
            xa: XaTable::new(open?),
            commit_us: self.commit_us,
            columns: column_lists::known(self.columns)?,
            log: self.log.map(LogBody::log).transpose()?,
            snapshots: self
                .snapshots
                .map(SnapshotsBody::snapshots)
                .transpose()?
                .unwrap_or_default(),
        })
    }
}

impl LogBody {
    fn of(log: &LogFingerprint) -> Self {
        Self {
            file: log.file.to_string(),
            created_secs: log.created_secs,
            server_id: log.server_id,
            version: log.version.clone(),
        }
    }

    fn log(self) -> Result<LogFingerprint, Error> {
        Ok(LogFingerprint {
            file: FileName::parse(&self.file)?,
            created_secs: self.created_secs,
            server_id: self.server_id,
            version: self.version,
        })
    }
}

impl PreparedBody {
    fn of(prepared: &Prepared) -> Self {
        let set = prepared.gtid.as_ref().map(|gtid| {
            let mut set = GtidSet::default();
            set.add(gtid);
            set.to_string()
        });
        Self {
            xid: prepared.xid.to_string(),
            position: prepared.position.as_ref().map(ToString::to_string),
            gtid: set,
        }
    }

    fn prepared(self) -> Result<Prepared, Error> {
        let gtid =
            match self.gtid {
                Some(text) => Some(text.parse::<GtidSet>()?.only().ok_or_else(|| {
                    Error::malformed("GTID of an XA transaction", "not one GTID")
                })?),
                None => None,
            };
        Ok(Prepared {
            xid: self.xid.parse()?,
            position: self.position.map(|text| text.parse()).transpose()?,
            gtid,
        })
    }
}
