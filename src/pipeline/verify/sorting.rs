//! The disk of the external sort: runs in one temporary file, read back block by block.
//!
//! The file has no name, so the system removes it however the process ends. What fits into memory never reaches it. In
//! memory stand one batch while lines come, and one block of each run while they are merged, both within the limit; so
//! the number of runs has one as well. What a run is, and which line comes next, stands in `headwater_verify::sort`.

use std::{
    fs::File,
    io::{self, BufWriter, Write},
    ops::Range,
    os::unix::fs::FileExt,
    path::PathBuf,
};

use headwater_actors::failure::Failure;
use headwater_verify::{
    Seq,
    sort::{BLOCK_BYTES, Batch, Block, BlockHead, Merge, write_blocks},
};

/// How lines that come in any order are put in order.
#[derive(Debug, Clone)]
pub struct SortMode {
    /// Of memory.
    pub mib: u32,
    /// `None`: the system's own.
    pub folder: Option<PathBuf>,
}

pub struct Sorting {
    batch: Batch,
    folder: PathBuf,
    /// From the first run on.
    file: Option<File>,
    /// Where each lies in the file, in the order in which they were laid aside.
    runs: Vec<Range<u64>>,
    runs_max: usize,
}

impl Sorting {
    pub fn new(mode: SortMode) -> Self {
        let folder = mode.folder.unwrap_or_else(std::env::temp_dir);
        Self::within(mode.mib as usize * (1 << 20), folder)
    }

    fn within(bytes_max: usize, folder: PathBuf) -> Self {
        Self {
            batch: Batch::new(bytes_max),
            folder,
            file: None,
            runs: Vec::new(),
            runs_max: (bytes_max / BLOCK_BYTES).max(1),
        }
    }

    pub fn push(&mut self, seq: Seq, line: &[u8]) -> Result<(), Failure> {
        if !self.batch.has_room(line.len()) {
            self.lay_aside()?;
        }
        self.batch.push(seq, line);
        Ok(())
    }

    /// All lines, in order.
    pub fn finish(
        mut self,
        take: &mut dyn FnMut(&[u8]) -> Result<(), Failure>,
    ) -> Result<(), Failure> {
        if self.runs.is_empty() {
            return self.batch.sorted().try_for_each(|(_, line)| take(line));
        }
        self.lay_aside()?;
        let Self {
            file: Some(file),
            runs,
            folder,
            batch,
            ..
        } = self
        else {
            return Ok(());
        };
        drop(batch);
        let failed = |error| trouble("read", &folder, error);
        let mut merge = Merge::default();
        let mut runs: Vec<_> = runs.into_iter().map(RunReader::new).collect();
        for (number, run) in runs.iter_mut().enumerate() {
            if let Some(seq) = run.next_seq(&file).map_err(failed)? {
                merge.offer(number, seq);
            }
        }
        while let Some(number) = merge.next_run() {
            let Some(run) = runs.get_mut(number) else {
                continue;
            };
            take(run.next_line(&file).map_err(failed)?)?;
            if let Some(seq) = run.next_seq(&file).map_err(failed)? {
                merge.offer(number, seq);
            }
        }
        Ok(())
    }

    fn lay_aside(&mut self) -> Result<(), Failure> {
        if self.batch.is_empty() {
            return Ok(());
        }
        if self.runs.len() >= self.runs_max {
            let text = format!(
                "more lines are to be put in order than {} times the memory for it",
                self.runs_max
            );
            return Err(Failure::definite(text).with_hint(
                "raise --sort-mib: twice the memory puts four times the lines in order",
            ));
        }
        let failed = |error| trouble("write", &self.folder, error);
        let file = match self.file.take() {
            Some(file) => file,
            None => tempfile::tempfile_in(&self.folder).map_err(failed)?,
        };
        let begin = self.runs.last().map_or(0, |run| run.end);
        let mut end = begin;
        let mut writer = BufWriter::with_capacity(4 * BLOCK_BYTES, &file);
        let put = |bytes: &[u8]| {
            end += bytes.len() as u64;
            writer.write_all(bytes)
        };
        write_blocks(self.batch.sorted(), put).map_err(failed)?;
        writer.flush().map_err(failed)?;
        drop(writer);
        self.file = Some(file);
        self.runs.push(begin..end);
        self.batch.clear();
        Ok(())
    }
}

fn trouble(what: &str, folder: &std::path::Path, error: io::Error) -> Failure {
    let folder = folder.display();
    Failure::definite(format!("{what} lines that are put in order, in folder \"{folder}\""))
        .because(error)
        .with_hint("give that folder room (a fifth to a third of the lines' bytes) and the process the right to write there, or name another with --sort-folder")
}

/// A run from where it has been read.
struct RunReader {
    left: Range<u64>,
    head: Option<BlockHead>,
    block: Block,
}

impl RunReader {
    fn new(left: Range<u64>) -> Self {
        Self {
            left,
            head: None,
            block: Block::default(),
        }
    }

    /// Of the next line, whose block may still lie in the file; `None`: the run has ended.
    fn next_seq(&mut self, file: &File) -> io::Result<Option<Seq>> {
        if let Some(seq) = self.block.next_seq() {
            return Ok(Some(seq));
        }
        // A long line's memory is not kept for its run.
        self.block = Block::default();
        if self.left.is_empty() {
            return Ok(None);
        }
        let mut bytes = [0; BlockHead::BYTES];
        self.read(file, &mut bytes)?;
        let head = BlockHead::of(&bytes);
        self.head = Some(head);
        Ok(Some(head.first))
    }

    fn next_line(&mut self, file: &File) -> io::Result<&[u8]> {
        if let Some(head) = self.head.take() {
            if u64::from(head.packed) > self.left.end - self.left.start {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            let mut packed = vec![0; head.packed as usize];
            self.read(file, &mut packed)?;
            self.block = Block::unpack(&head, &packed).map_err(io::Error::other)?;
        }
        self.block.next_line().map_err(io::Error::other)
    }

    fn read(&mut self, file: &File, bytes: &mut [u8]) -> io::Result<()> {
        file.read_exact_at(bytes, self.left.start)?;
        self.left.start += bytes.len() as u64;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::{fs::OpenOptions, path::Path};

    use super::*;

    fn seq(offset: u64) -> Seq {
        Seq::parse(&format!("00000001.00000001.{offset:016x}.00000000")).expect("a seq")
    }

    /// Of so many lines of 100 bytes in an order that is not theirs.
    fn pushed(sorting: &mut Sorting, lines: u64) -> Result<(), Failure> {
        (0..lines).try_for_each(|n| {
            let n = n * 7919 % lines;
            sorting.push(seq(n), format!("{n:0100}").as_bytes())
        })
    }

    fn ordered(sorting: Sorting) -> Vec<u64> {
        let mut numbers = Vec::new();
        let taken = sorting.finish(&mut |line| {
            let text = std::str::from_utf8(line).expect("digits");
            numbers.push(text.parse().expect("a number"));
            Ok(())
        });
        taken.expect("in order");
        numbers
    }

    #[test]
    fn many_times_the_memory_comes_back_in_order_and_no_file_is_seen() {
        let folder = tempfile::tempdir().unwrap();
        let mut sorting = Sorting::within(1 << 20, folder.path().to_owned());
        pushed(&mut sorting, 50_000).unwrap();
        assert!(sorting.runs.len() > 5, "{}", sorting.runs.len());
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
        let laid_aside = sorting.runs.last().map_or(0, |run| run.end);
        assert!(laid_aside < 50_000 * 100 / 2, "packed: {laid_aside}");
        assert!(ordered(sorting).into_iter().eq(0..50_000));
    }

    #[test]
    fn what_fits_into_memory_needs_no_folder() {
        let mut sorting = Sorting::within(1 << 20, PathBuf::from("nowhere"));
        pushed(&mut sorting, 1_000).unwrap();
        assert!(ordered(sorting).into_iter().eq(0..1_000));
    }

    #[test]
    fn a_disk_that_is_full_and_a_folder_that_is_not_there_say_what_to_do() {
        let mut full = Sorting::within(1 << 16, PathBuf::from("full"));
        let disk = OpenOptions::new().write(true).open("/dev/full").unwrap();
        full.file = Some(disk);
        let nowhere = Sorting::within(1 << 16, Path::new("nowhere").to_owned());
        for (mut sorting, words) in [(full, "No space left"), (nowhere, "No such file")] {
            let failure = pushed(&mut sorting, 10_000).unwrap_err();
            assert!(failure.to_string().contains(words), "{failure}");
            assert!(failure.hint.unwrap().contains("--sort-folder"));
        }
    }

    #[test]
    fn more_runs_than_memory_can_merge_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        let mut sorting = Sorting::within(2 * BLOCK_BYTES, folder.path().to_owned());
        let failure = pushed(&mut sorting, 10_000).unwrap_err();
        let hint = failure.hint.unwrap_or_default();
        assert!(hint.contains("--sort-mib"), "{hint}");
    }

    #[test]
    fn what_changed_on_the_disk_is_noticed() {
        let folder = tempfile::tempdir().unwrap();
        let mut sorting = Sorting::within(1 << 18, folder.path().to_owned());
        pushed(&mut sorting, 4_000).unwrap();
        let file = sorting.file.as_ref().expect("runs");
        file.set_len(sorting.runs[0].end - 1).unwrap();
        let failure = sorting.finish(&mut |_| Ok(())).unwrap_err();
        assert!(failure.to_string().starts_with("read lines"), "{failure}");
    }
}
