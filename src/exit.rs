//! How the process ends, as a number that an orchestrator can act on.

use std::process::ExitCode;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// The command has done all that it was asked to. Of a pipeline: it drained, everything delivered is stored and
    /// the next start repeats nothing.
    Success = 0,
    /// Halted: a human must act; the reason and a hint are in the log.
    Halted = 1,
    /// Wrong usage or settings; nothing was started.
    Usage = 2,
    /// The grace time was over before all lanes had delivered; what was durable is stored.
    GraceOver = 3,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}
