//! Binlog files as a source, instead of a server.
//!
//! The files are of one log and follow each other without a gap: a missing one would be changes skipped in
//! silence. Each is announced as a server announces it, by an artificial ROTATE with its name, so readers
//! need not know the difference. Every event's length and checksum is verified; what is wrong is said with
//! file and offset. Reading blocks, so it happens on threads for that. Not here: following a file that grows.

use std::{
    fs::File,
    io::{BufReader, Seek, SeekFrom},
    path::{Path, PathBuf},
};

use bytes::{BufMut, Bytes, BytesMut};
use headwater_actors::{
    failure::Failure,
    ports::{
        BoxFuture,
        source::{self, EventStream, Head, Read, Source},
    },
    progress::Resume,
};
use headwater_binlog::{
    columns::{Answer, Question},
    event::{CHECKSUM_BYTES, Checksum, EventKind, FLAG_ARTIFICIAL, Framing, HEADER_BYTES, MAGIC},
    file::{BinlogFile, FileError},
    gtid::GtidSet,
    position::{FileName, Position},
    xa::Prepared,
};

const BUFFER_BYTES: usize = 256 * 1024;

/// Files of one log, in order.
#[derive(Debug, Clone)]
pub struct FileSource {
    files: Vec<LogFile>,
    event_bytes_max: usize,
    /// Where they have no names; else that is refused.
    numbers_columns: bool,
}

#[derive(Debug, Clone)]
struct LogFile {
    name: FileName,
    path: PathBuf,
}

impl FileSource {
    /// # Errors
    /// Definite when there is no file, a name is not `BASE.NUMBER`, or the numbers do not follow each other.
    pub fn new(paths: Vec<PathBuf>, event_bytes_max: usize) -> Result<Self, Failure> {
        let files = paths
            .into_iter()
            .map(|path| {
                let name = path
                    .file_name()
                    .map(|name| name.to_string_lossy().into_owned());
                let name = FileName::parse(&name.unwrap_or_default()).map_err(|error| {
                    Failure::definite(path.display().to_string())
                        .because(error)
                        .with_hint("keep the names that the server gave to its binlog files")
                })?;
                Ok(LogFile { name, path })
            })
            .collect::<Result<Vec<_>, Failure>>()?;
        if files.is_empty() {
            return Err(Failure::definite("no binlog files to replay"));
        }
        for pair in files.windows(2) {
            let [before, after] = pair else { continue };
            let follows = before.name.base() == after.name.base()
                && before.name.number.checked_add(1) == Some(after.name.number);
            if !follows {
                return Err(Failure::definite(format!(
                    "binlog file \"{}\" does not follow \"{}\"",
                    after.name, before.name
                ))
                .with_hint("give the files of one log in order, without a gap"));
            }
        }
        Ok(Self {
            files,
            event_bytes_max,
            numbers_columns: false,
        })
    }

    /// Columns that the files do not name are numbered.
    #[must_use]
    pub fn numbering_columns(self) -> Self {
        Self {
            numbers_columns: true,
            ..self
        }
    }

    /// The head of the first file.
    ///
    /// # Errors
    /// Never for a source that [`FileSource::new`] made.
    pub fn first(&self) -> Result<Resume, Failure> {
        let file = self
            .files
            .first()
            .ok_or_else(|| Failure::definite("no binlog files to replay"))?;
        let head = Position::new(file.name.clone(), MAGIC.len() as u64);
        Ok(Resume::at(head, GtidSet::default()))
    }

    fn index_of(&self, name: &FileName) -> Result<usize, Failure> {
        let found = self.files.iter().position(|file| file.name == *name);
        found.ok_or_else(|| {
            Failure::definite(format!("binlog file \"{name}\" is not among those given"))
                .with_hint("give all files from the checkpoint's on, or clear the checkpoint")
        })
    }

    fn open_at(&self, from: &Position) -> Result<Reader, Failure> {
        let index = self.index_of(&from.file)?;
        let mut reader = Reader {
            source: self.clone(),
            next: index,
            current: None,
            framing: Framing::default(),
            announced: BytesMut::new(),
            held_back: None,
        };
        reader.enter(from.offset)?;
        Ok(reader)
    }

    fn end(&self) -> Result<Head, Failure> {
        let files = self.files.iter().map(|LogFile { name, path }| {
            let metadata = std::fs::metadata(path).map_err(|error| cannot_open(path, error))?;
            Ok(source::LogFile {
                name: name.clone(),
                bytes: metadata.len(),
            })
        });
        let files: Vec<_> = files.collect::<Result<_, Failure>>()?;
        let last = files
            .last()
            .ok_or_else(|| Failure::definite("no binlog files to replay"))?;
        Ok(Head {
            position: Position::new(last.name.clone(), last.bytes),
            files,
        })
    }
}

impl Source for FileSource {
    fn open(&self, from: Resume) -> BoxFuture<'static, Result<Box<dyn EventStream>, Failure>> {
        let source = self.clone();
        Box::pin(async move {
            let reader = blocking(move || source.open_at(&from.mark.position)).await??;
            Ok(Box::new(FileStream {
                reader: Some(reader),
            }) as Box<dyn EventStream>)
        })
    }

    fn open_beside(
        &self,
        begin: Position,
    ) -> BoxFuture<'static, Result<Box<dyn EventStream>, Failure>> {
        self.open(Resume::at(begin, GtidSet::default()))
    }

    fn open_prepared(
        &self,
        prepared: Prepared,
    ) -> BoxFuture<'static, Result<Box<dyn EventStream>, Failure>> {
        let source = self.clone();
        Box::pin(async move {
            let position = prepared.position.ok_or_else(|| {
                let xid = &prepared.xid;
                Failure::definite(format!(
                    "XA transaction {xid} was prepared on another server"
                ))
            })?;
            let hint = format!(
                "give all files from \"{}\" on: an XA transaction was prepared there that is committed later",
                position.file
            );
            let opened = blocking(move || source.open_at(&position)).await?;
            let reader = opened.map_err(|failure| failure.with_hint(hint))?;
            Ok(Box::new(FileStream {
                reader: Some(reader),
            }) as Box<dyn EventStream>)
        })
    }

    /// A file may have been copied while the server wrote it.
    fn may_be_cut(&self) -> bool {
        true
    }

    fn head(&self) -> BoxFuture<'static, Result<Head, Failure>> {
        let source = self.clone();
        Box::pin(async move { blocking(move || source.end()).await? })
    }

    fn columns(&self, question: Question) -> BoxFuture<'static, Result<Answer, Failure>> {
        let answer = match self.numbers_columns {
            true => Ok(Answer::Positional),
            false => Err(Failure::definite(format!(
                "table `{}` is logged without column names at {}, and files can tell no more",
                question.table, question.at
            ))
            .with_hint(
                "set source.unnamed_columns = \"positional\" to have its columns as @1, @2, …; a server writes names with binlog_row_metadata = FULL",
            )),
        };
        Box::pin(std::future::ready(answer))
    }
}

struct FileStream {
    /// Away while a thread reads.
    reader: Option<Reader>,
}

impl EventStream for FileStream {
    fn read<'a>(
        &'a mut self,
        chunk: &'a mut BytesMut,
        bytes_soft_max: usize,
    ) -> BoxFuture<'a, Result<Read, Failure>> {
        Box::pin(async move {
            let mut reader = self
                .reader
                .take()
                .ok_or_else(|| Failure::transient("the files were left in the middle of a read"))?;
            let mut filled = std::mem::take(chunk);
            let (reader, filled, outcome) = blocking(move || {
                let outcome = reader.fill(&mut filled, bytes_soft_max);
                (reader, filled, outcome)
            })
            .await?;
            self.reader = Some(reader);
            *chunk = filled;
            outcome
        })
    }
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, Failure> {
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(|error| Failure::transient("read binlog files").because(error))
}

/// One file open at a time.
struct Reader {
    source: FileSource,
    /// Index of the file to open next.
    next: usize,
    current: Option<(PathBuf, BinlogFile<BufReader<File>>)>,
    /// Of the file before: how its reader expects the next ROTATE.
    framing: Framing,
    /// ROTATE and, in the middle of a file, its FORMAT_DESCRIPTION: to be handed out first.
    announced: BytesMut,
    held_back: Option<Failure>,
}

impl Reader {
    fn fill(&mut self, chunk: &mut BytesMut, bytes_soft_max: usize) -> Result<Read, Failure> {
        if let Some(failure) = self.held_back.take() {
            return Err(failure);
        }
        let before = chunk.len();
        while chunk.len() < bytes_soft_max.max(before + 1) {
            match self.next_event() {
                Ok(Some(bytes)) => chunk.put(bytes),
                Ok(None) if chunk.len() == before => return Ok(Read::Ended),
                Ok(None) => break,
                Err(failure) if chunk.len() == before => return Err(failure),
                Err(failure) => {
                    self.held_back = Some(failure);
                    break;
                }
            }
        }
        Ok(Read::Events)
    }

    fn next_event(&mut self) -> Result<Option<Bytes>, Failure> {
        loop {
            if !self.announced.is_empty() {
                return Ok(Some(self.announced.split().freeze()));
            }
            if let Some((path, file)) = &mut self.current {
                match file.next_event() {
                    Ok(Some(event)) => return Ok(Some(event.bytes)),
                    Ok(None) => self.framing = file.framing().clone(),
                    Err(error) => return Err(wrong(path, error)),
                }
                self.current = None;
            }
            if self.next >= self.source.files.len() {
                return Ok(None);
            }
            self.enter(MAGIC.len() as u64)?;
        }
    }

    /// Opens the next file at `offset`, and announces it.
    fn enter(&mut self, offset: u64) -> Result<(), Failure> {
        let Some(LogFile { name, path }) = self.source.files.get(self.next).cloned() else {
            return Ok(());
        };
        self.next += 1;
        let max = self.source.event_bytes_max;
        let opened = File::open(&path).map_err(|error| cannot_open(&path, error))?;
        let mut file = BinlogFile::open(BufReader::with_capacity(BUFFER_BYTES, opened), max)
            .map_err(|error| wrong(&path, error))?;
        rotate(&name, offset, self.framing.checksum(), &mut self.announced);
        if offset > MAGIC.len() as u64 {
            let head = file.next_event().map_err(|error| wrong(&path, error))?;
            let framing = file.framing().clone();
            self.announced
                .extend(head.map(|event| event.bytes).unwrap_or_default());
            file = seek(&path, offset, framing, max)?;
        }
        self.current = Some((path, file));
        Ok(())
    }
}

fn seek(
    path: &Path,
    offset: u64,
    framing: Framing,
    event_bytes_max: usize,
) -> Result<BinlogFile<BufReader<File>>, Failure> {
    let mut file = File::open(path).map_err(|error| cannot_open(path, error))?;
    let bytes = file
        .metadata()
        .map_err(|error| cannot_open(path, error))?
        .len();
    if offset > bytes {
        return Err(Failure::definite(format!(
            "the checkpoint is at offset {offset} of {}, which ends at {bytes}",
            path.display()
        ))
        .with_hint("copy the file from the server again"));
    }
    file.seek(SeekFrom::Start(offset))
        .map_err(|error| cannot_open(path, error))?;
    let reader = BufReader::with_capacity(BUFFER_BYTES, file);
    Ok(BinlogFile::resume(reader, framing, offset, event_bytes_max))
}

/// As a server opens a dump: artificial, in no file, framed like the events of the file before it.
fn rotate(name: &FileName, offset: u64, framed: Checksum, target: &mut BytesMut) {
    let begin = target.len();
    let checksum_bytes = match framed {
        Checksum::None => 0,
        Checksum::Undecided | Checksum::Crc32 => CHECKSUM_BYTES,
    };
    let length = HEADER_BYTES + 8 + name.name.len() + checksum_bytes;
    target.put_u32_le(0);
    target.put_u8(EventKind::Rotate.code());
    target.put_u32_le(0);
    // A file's name is a few hundred bytes at most.
    target.put_u32_le(u32::try_from(length).unwrap_or(u32::MAX));
    target.put_u32_le(0);
    target.put_u16_le(FLAG_ARTIFICIAL);
    target.put_u64_le(offset);
    target.put_slice(name.name.as_bytes());
    if checksum_bytes > 0 {
        let checksum = crc32fast::hash(target.get(begin..).unwrap_or_default());
        target.put_u32_le(checksum);
    }
}

fn cannot_open(path: &Path, error: std::io::Error) -> Failure {
    Failure::definite(format!("open binlog file {}", path.display())).because(error)
}

fn wrong(path: &Path, error: FileError) -> Failure {
    Failure::definite(path.display().to_string())
        .because(error)
        .with_hint("copy the file from the server again")
}

#[cfg(test)]
mod tests;
