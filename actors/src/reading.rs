//! How the log is read, and where reading ends by itself.

use headwater_binlog::{gtid::GtidSet, position::Position, schema::NameCase, xa::XaPolicy};

use crate::progress::{Advance, Mark, Resume};

/// How the log is read.
#[derive(Debug, Clone)]
pub struct ReadRules {
    /// The limit of one event inside a compressed transaction.
    pub event_bytes_max: usize,
    /// Blocks carry the text of their statement, where the log has it.
    pub keeps_queries: bool,
    pub xa: XaPolicy,
    /// How the server compares names.
    pub name_case: NameCase,
    /// The epoch of the stream that is read.
    pub epoch: u32,
    /// The log may end inside any transaction, as files do that were copied while they were written.
    pub may_be_cut: bool,
}

impl Default for ReadRules {
    fn default() -> Self {
        Self {
            event_bytes_max: 1 << 30,
            keeps_queries: false,
            xa: XaPolicy::Halt,
            name_case: NameCase::default(),
            epoch: 0,
            may_be_cut: false,
        }
    }
}

/// Where reading ends by itself.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Until {
    #[default]
    Never,
    /// The first boundary at or after it.
    Position(Position),
    /// All of these are done.
    Gtids(GtidSet),
    /// Exactly there, also inside a transaction.
    Mark(Mark),
}

impl Until {
    /// Whether the boundary at which `ended` ends, behind `sent`, is at or past the end.
    pub fn is_reached(&self, sent: &Resume, ended: &Advance) -> bool {
        let mark = ended.mark();
        match self {
            Self::Never => false,
            Self::Position(end) => mark.rows_done == 0 && mark.position >= *end,
            Self::Gtids(end) => {
                let mut missing = end.clone();
                missing.subtract(&sent.gtid_set);
                missing.subtract(&ended.gtids);
                missing.subtract(&ended.had);
                missing.is_empty()
            }
            Self::Mark(end) => mark.has_passed(end),
        }
    }
}
