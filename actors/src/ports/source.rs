//! Where raw binlog events come from: a server or files.

use std::{cmp::Ordering, time::Duration};

use bytes::BytesMut;
use headwater_binlog::{
    assembler::StreamKind,
    columns::{Answer, Question},
    gtid::{GtidSet, Uuid},
    position::{FileName, Position},
    xa::Prepared,
};

use super::BoxFuture;
use crate::{failure::Failure, progress::Resume};

/// Opens streams of events. One stream at a time is open, and one beside it.
pub trait Source: Send + Sync {
    /// Asks for all events from `from` on. The first events may be the log's own (ROTATE,
    /// FORMAT_DESCRIPTION); rows of the first transaction before `from.mark.rows_done` are included:
    /// the caller skips them. A server that is not the one of the checkpoint, or that no longer has
    /// the position, is a definite failure.
    fn open(&self, from: Resume) -> BoxFuture<'static, Result<Box<dyn EventStream>, Failure>>;

    /// Asks for all events from a transaction's begin on, beside the stream that is open: the head of the file,
    /// then its events, and whatever follows them.
    fn open_beside(
        &self,
        begin: Position,
    ) -> BoxFuture<'static, Result<Box<dyn EventStream>, Failure>>;

    /// Asks for the part of the log that holds a prepared XA transaction, beside the stream that is open:
    /// the head of its file, then its events, and whatever follows them. A server or a set of files that no
    /// longer has them is a definite failure.
    fn open_prepared(
        &self,
        prepared: Prepared,
    ) -> BoxFuture<'static, Result<Box<dyn EventStream>, Failure>>;

    /// Whether the log may end inside any transaction.
    fn may_be_cut(&self) -> bool {
        false
    }

    /// The source's log as it is now.
    fn head(&self) -> BoxFuture<'static, Result<Head, Failure>>;

    /// Whether the log still has these places, each of the server beside it, and for how long. A source that
    /// cannot tell says nothing.
    fn kept(&self, _places: Vec<(Uuid, Resume)>) -> BoxFuture<'static, Result<Vec<Kept>, Failure>> {
        Box::pin(std::future::ready(Ok(Vec::new())))
    }

    /// The columns of a table that is logged without names, as they were at the question's place. Asked
    /// while a stream is open; nothing is read until the answer is there. What is not certain is a definite
    /// failure, never an answer.
    fn columns(&self, question: Question) -> BoxFuture<'static, Result<Answer, Failure>>;
}

/// The end of a log, and the files that the source still has of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Head {
    pub position: Position,
    /// In the log's order; never empty.
    pub files: Vec<LogFile>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogFile {
    pub name: FileName,
    /// As far as it is written.
    pub bytes: u64,
}

impl Head {
    /// A log only grows: one that ends before a place that was read is another one.
    ///
    /// # Errors
    /// Transient when it ends before `read`.
    pub fn ensure_reaches(&self, read: &Position) -> Result<(), Failure> {
        if self.position.partial_cmp(read) != Some(Ordering::Less) {
            return Ok(());
        }
        Err(Failure::transient(format!(
            "the server's log ends at {}, before {read}, up to which it was read",
            self.position
        )))
    }
}

/// Bytes of log between two places, of what the source still has.
pub fn bytes_between(files: &[LogFile], from: &Position, to: &Position) -> u64 {
    let numbers = from.file.number..=to.file.number;
    let between = files
        .iter()
        .filter(|file| numbers.contains(&file.name.number));
    let bytes = between.map(|file| {
        let end = match file.name == to.file {
            true => to.offset,
            false => file.bytes,
        };
        let begin = match file.name == from.file {
            true => from.offset,
            false => 0,
        };
        end.saturating_sub(begin)
    });
    bytes.sum()
}

/// What a source says of a place in its log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Kept {
    /// A stream can go on there.
    pub is_kept: bool,
    /// Between the place and the end of the log, where that can be told.
    pub bytes_ahead: Option<u64>,
    /// What was committed so long ago may be purged; `None`: nothing expires, or it is not known.
    pub expires_after: Option<Duration>,
}

/// How a stream was opened: what its reader knows before the first event.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Opening {
    pub kind: StreamKind,
    /// Transactions that it cannot bring, because they stand in files before its place, or in none.
    pub had: GtidSet,
}

pub trait EventStream: Send {
    /// How it was asked for.
    fn opening(&self) -> Opening {
        Opening::default()
    }

    /// Waits for one event, then appends whole events (header, body, checksum) to `chunk` until the
    /// source would block or `chunk` holds `bytes_soft_max` or more. A source that has ended for good
    /// (a file) says so once nothing is left. A TRANSACTION_PAYLOAD that is too large to be held may be
    /// given in parts, each in a read of its own ([`Read::Part`]). Not cancel-safe: drop the stream with the future.
    fn read<'a>(
        &'a mut self,
        chunk: &'a mut BytesMut,
        bytes_soft_max: usize,
    ) -> BoxFuture<'a, Result<Read, Failure>>;
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Read {
    /// `chunk` has events.
    Events,
    /// `chunk` has the next part of a TRANSACTION_PAYLOAD, the first one with its header, header and fields
    /// whole. Nothing else comes before its last part.
    Part,
    /// Nothing will ever follow.
    Ended,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_that_ends_before_what_was_read_is_another_one() {
        let place = |text: &str| text.parse::<Position>().expect("a position");
        let head = Head {
            position: place("binlog.000008:500"),
            files: Vec::new(),
        };
        for (read, reaches) in [
            ("binlog.000008:500", true),
            ("binlog.000007:900", true),
            ("binlog.000008:501", false),
            ("binlog.000009:4", false),
            // A server with another name for its log was started anew, and its streams have ended.
            ("other.000009:4", true),
        ] {
            let outcome = head.ensure_reaches(&place(read));
            assert_eq!(outcome.is_ok(), reaches, "{read}");
            assert!(outcome.err().is_none_or(|failure| !failure.is_definite()));
        }
    }

    #[test]
    fn the_bytes_between_are_the_rest_of_a_file_and_all_later_ones_up_to_the_place() {
        let place = |text: &str| text.parse::<Position>().expect("a position");
        let file = |text: &str, bytes| LogFile {
            name: place(text).file,
            bytes,
        };
        let files = [file("binlog.000007:4", 900), file("binlog.000008:4", 500)];
        let head = place("binlog.000008:500");
        let ahead = |from| bytes_between(&files, &place(from), &head);
        assert_eq!(ahead("binlog.000007:100"), 800 + 500);
        assert_eq!(ahead("binlog.000008:500"), 0);
        assert_eq!(ahead("binlog.000001:4"), 1400);
    }
}
