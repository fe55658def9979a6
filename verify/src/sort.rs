//! Lines in the order of their `seq`, however they came: what is sorted in memory, how it is laid aside, how it is merged.
//!
//! An external merge sort without its disk. A [`Batch`] takes lines up to a limit in bytes and gives them back in
//! order; it is laid aside as a run of blocks, each of which says which `seq` it begins with. [`Merge`] says from which
//! run the next line comes. So a block is needed only when its first line is due, and one long line never waits in
//! memory for others. Lines of the same `seq` keep the order in which they came. Not here: where runs are kept.

use std::{cmp::Reverse, collections::BinaryHeap};

use crate::seq::{SEQ_BYTES, Seq};

/// Lines of a block before it is packed; a longer line has a block alone.
pub const BLOCK_BYTES: usize = 64 << 10;
/// What a line costs in memory beside its text.
const ENTRY_BYTES: usize = size_of::<Entry>();
/// Before each line of a block: its `seq`, its length.
const LINE_HEAD_BYTES: usize = SEQ_BYTES + 4;

/// A run as it is kept does not have its form any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("what was laid aside comes back changed")]
pub struct Damaged;

#[derive(Debug, Clone, Copy)]
struct Entry {
    seq: Seq,
    /// Rises with arrival.
    from: usize,
    bytes: u32,
}

/// Lines in memory.
#[derive(Debug)]
pub struct Batch {
    text: Vec<u8>,
    entries: Vec<Entry>,
    bytes_max: usize,
}

impl Batch {
    pub fn new(bytes_max: usize) -> Self {
        Self {
            text: Vec::new(),
            entries: Vec::new(),
            bytes_max,
        }
    }

    /// Whether there is room for a line of that length. One alone always has.
    pub fn has_room(&self, bytes: usize) -> bool {
        let entries = (self.entries.len() + 1) * ENTRY_BYTES;
        self.entries.is_empty() || self.text.len() + bytes + entries <= self.bytes_max
    }

    /// `line` has at most [`crate::LINE_BYTES_MAX`] bytes.
    pub fn push(&mut self, seq: Seq, line: &[u8]) {
        self.entries.push(Entry {
            seq,
            from: self.text.len(),
            bytes: u32::try_from(line.len()).unwrap_or(u32::MAX),
        });
        self.text.extend_from_slice(line);
    }

    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// By `seq`.
    pub fn sorted(&mut self) -> impl Iterator<Item = (Seq, &[u8])> {
        self.entries
            .sort_unstable_by_key(|entry| (entry.seq, entry.from));
        let text = &self.text;
        self.entries.iter().filter_map(move |entry| {
            let line = text.get(entry.from..)?.get(..entry.bytes as usize)?;
            Some((entry.seq, line))
        })
    }

    /// Keeps its memory, but for what one long line took.
    pub fn clear(&mut self) {
        self.text.clear();
        self.text.shrink_to(self.bytes_max);
        self.entries.clear();
    }
}

/// What stands before a block: where it begins in the order, and its length.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BlockHead {
    pub first: Seq,
    pub packed: u32,
    unpacked: u32,
}

impl BlockHead {
    pub const BYTES: usize = SEQ_BYTES + 8;

    pub fn bytes(&self) -> [u8; Self::BYTES] {
        let mut bytes = [0; Self::BYTES];
        let lengths = [self.packed, self.unpacked].map(u32::to_be_bytes);
        bytes[..SEQ_BYTES].copy_from_slice(&self.first.to_bytes());
        bytes[SEQ_BYTES..].copy_from_slice(lengths.as_flattened());
        bytes
    }

    pub fn of(bytes: &[u8; Self::BYTES]) -> Self {
        let mut rest = bytes.as_slice();
        Self {
            first: Seq::from_bytes(take(&mut rest).unwrap_or_default()),
            packed: u32::from_be_bytes(take(&mut rest).unwrap_or_default()),
            unpacked: u32::from_be_bytes(take(&mut rest).unwrap_or_default()),
        }
    }
}

/// Makes blocks of a batch's lines; `put` gets a head and then a packed block, each time.
///
/// # Errors
/// Those of `put`, and when a block cannot be packed.
pub fn write_blocks<'a, E: From<std::io::Error>>(
    lines: impl Iterator<Item = (Seq, &'a [u8])>,
    mut put: impl FnMut(&[u8]) -> Result<(), E>,
) -> Result<(), E> {
    let mut packer = zstd::bulk::Compressor::new(1)?;
    let mut block = Vec::with_capacity(BLOCK_BYTES);
    let mut first = None;
    let mut close = |first: Option<Seq>, block: &mut Vec<u8>| {
        let Some(first) = first else {
            return Ok(());
        };
        let packed = packer.compress(block)?;
        let length = |bytes: usize| u32::try_from(bytes).map_err(std::io::Error::other);
        let head = BlockHead {
            first,
            packed: length(packed.len())?,
            unpacked: length(block.len())?,
        };
        put(&head.bytes())?;
        put(&packed)?;
        block.clear();
        block.shrink_to(BLOCK_BYTES);
        Ok::<(), E>(())
    };
    for (seq, line) in lines {
        if block.len() + LINE_HEAD_BYTES + line.len() > BLOCK_BYTES {
            close(first.take(), &mut block)?;
        }
        first.get_or_insert(seq);
        block.extend_from_slice(&seq.to_bytes());
        block.extend_from_slice(&u32::try_from(line.len()).unwrap_or(u32::MAX).to_be_bytes());
        block.extend_from_slice(line);
    }
    close(first, &mut block)
}

/// A block's lines, one after the other.
#[derive(Debug, Default)]
pub struct Block {
    bytes: Vec<u8>,
    at: usize,
}

impl Block {
    /// # Errors
    /// When it is not what was packed.
    pub fn unpack(head: &BlockHead, packed: &[u8]) -> Result<Self, Damaged> {
        let bytes = zstd::bulk::decompress(packed, head.unpacked as usize);
        let bytes = bytes.map_err(|_| Damaged)?;
        (bytes.len() == head.unpacked as usize)
            .then_some(Self { bytes, at: 0 })
            .ok_or(Damaged)
    }

    /// Of the line that comes next; `None` at the end.
    pub fn next_seq(&self) -> Option<Seq> {
        let mut rest = self.bytes.get(self.at..)?;
        take(&mut rest).map(Seq::from_bytes)
    }

    /// # Errors
    /// When it has ended, or does not have its form.
    pub fn next_line(&mut self) -> Result<&[u8], Damaged> {
        let mut rest = self.bytes.get(self.at + SEQ_BYTES..).ok_or(Damaged)?;
        let bytes = take(&mut rest).map(u32::from_be_bytes).ok_or(Damaged)? as usize;
        self.at += LINE_HEAD_BYTES + bytes;
        rest.get(..bytes).ok_or(Damaged)
    }
}

fn take<const N: usize>(rest: &mut &[u8]) -> Option<[u8; N]> {
    let (bytes, after) = rest.split_first_chunk()?;
    *rest = after;
    Some(*bytes)
}

/// Which run has the next line.
#[derive(Debug, Default)]
pub struct Merge {
    heap: BinaryHeap<Reverse<(Seq, usize)>>,
}

impl Merge {
    /// The run's next line has that `seq`. Runs are numbered in the order in which they were laid aside.
    pub fn offer(&mut self, run: usize, seq: Seq) {
        self.heap.push(Reverse((seq, run)));
    }

    /// Offers are taken once.
    pub fn next_run(&mut self) -> Option<usize> {
        let Reverse((_, run)) = self.heap.pop()?;
        Some(run)
    }
}

#[cfg(test)]
mod tests;
