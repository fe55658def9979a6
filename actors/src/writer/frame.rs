//! How lines become the bytes of a record: what stands around and between them, and what is done to the full record.
//!
//! A `Frame` is the state of one open record: it encloses each line as it is appended and closes the record
//! when it leaves. What it will still append is counted from the beginning (`tail_bytes`), so a record that
//! fits while it is open fits when it is closed. Pure.
//! Not here: when a record is full, and which key it gets (`buffer`, `keys`).

pub(super) mod aggregate;

pub(super) use self::aggregate::{Aggregate, hash_key};

/// What surrounds the lines of the open record.
#[derive(Debug)]
pub(super) enum Frame {
    Lines,
    Single,
    Array,
    Aggregate(Box<Aggregate>),
}

impl Frame {
    /// Whether the lines are parts of one text.
    pub(super) fn joins_lines(&self) -> bool {
        matches!(self, Self::Lines | Self::Array)
    }

    /// What [`close`](Self::close) appends.
    pub(super) fn tail_bytes(&self) -> usize {
        match self {
            Self::Lines | Self::Single => 0,
            Self::Array => 1,
            Self::Aggregate(_) => Aggregate::TAIL_BYTES,
        }
    }

    /// Before a line is written at the end of `out`.
    pub(super) fn open_line(&mut self, out: &mut Vec<u8>) {
        match self {
            Self::Lines | Self::Single => (),
            Self::Array if out.is_empty() => out.push(b'['),
            Self::Array => out.push(b','),
            Self::Aggregate(aggregate) => aggregate.open_record(out),
        }
    }

    /// After the line was written at `out[start..]`. An empty `key` is the lane's.
    pub(super) fn close_line(&mut self, out: &mut Vec<u8>, start: usize, key: &str) {
        match self {
            Self::Lines => out.push(b'\n'),
            Self::Single | Self::Array => (),
            Self::Aggregate(aggregate) => aggregate.close_record(out, start, key),
        }
    }

    /// Ends the record.
    pub(super) fn close(&self, out: &mut Vec<u8>) {
        match self {
            Self::Lines | Self::Single => (),
            Self::Array => out.push(b']'),
            Self::Aggregate(_) => Aggregate::close(out),
        }
    }

    /// The line of a record that is not closed and holds one.
    pub(super) fn line_of<'a>(&self, bytes: &'a [u8]) -> &'a [u8] {
        match self {
            Self::Lines => bytes.strip_suffix(b"\n").unwrap_or(bytes),
            Self::Single => bytes,
            Self::Array => bytes.strip_prefix(b"[").unwrap_or(bytes),
            Self::Aggregate(aggregate) => aggregate.last_line_of(bytes),
        }
    }
}
