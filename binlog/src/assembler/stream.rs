//! How events come, which says what may be missing between them.

/// What was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum StreamKind {
    /// Files, in whatever order.
    #[default]
    Files,
    /// All that a server's log has from a place on.
    ByPosition,
    /// What a server's log has and a GTID set has not: it begins in the file that holds the first of it, and what
    /// is in the set is left out.
    ByGtid,
}
