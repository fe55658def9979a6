//! What can be wrong with binlog bytes. Every error names the thing, says what was found; where the
//! operator can do something, [`Error::hint`] says what. No row value ever stands in a message.

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    #[error("{what}: {needed} bytes needed, {left} left")]
    Short {
        what: &'static str,
        needed: usize,
        left: usize,
    },
    #[error("{what}: {found}")]
    Malformed { what: &'static str, found: String },
    #[error("event checksum {stored:08x} does not match its bytes ({computed:08x})")]
    Checksum { stored: u32, computed: u32 },
    #[error("unsupported: {0}")]
    Unsupported(String),
    #[error("{0}")]
    Refused(String),
    /// The table map carries no column names: `binlog_row_metadata` was not FULL.
    #[error("table `{table}` is logged without column names")]
    NoColumnNames { table: String },
}

impl Error {
    pub fn malformed(what: &'static str, found: impl std::fmt::Display) -> Self {
        Self::Malformed {
            what,
            found: found.to_string(),
        }
    }

    /// The same with its place in front, e.g. "column `note` of table `shop.orders`".
    pub fn at(self, place: impl std::fmt::Display) -> Self {
        match self {
            Self::Unsupported(what) => Self::Unsupported(format!("{place}: {what}")),
            Self::Malformed { what, found } => Self::Malformed {
                what,
                found: format!("{place}: {found}"),
            },
            other => other,
        }
    }

    /// What the operator can do about it.
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            Self::NoColumnNames { .. } => Some(
                "SET PERSIST binlog_row_metadata = 'FULL' (on RDS and Aurora the parameter \
                 binlog_row_metadata of the parameter group), then start after this position",
            ),
            _ => None,
        }
    }
}
