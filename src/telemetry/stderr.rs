//! Standard error on a thread of its own: who says a line never waits and never fails.
//!
//! Lines wait in a queue that is bounded in bytes. A line that finds no room, or that the system does not take (a
//! full disk, a reader that is gone), is lost and counted; when lines come out again, one of them says how many
//! were lost. Only the thread waits for a reader that does not read. Not here: what a line looks like.

use std::{
    collections::VecDeque,
    fs::File,
    io::{self, ErrorKind, Write},
    os::fd::AsFd,
    sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError},
    time::Duration,
};

use headwater_actors::metrics::LOG_LINES_LOST_TOTAL;

/// Bytes of lines that wait, the one being written too.
const WAITING_BYTES_MAX: usize = 1 << 20;
/// The other end is a terminal or pipe that somebody has made non-blocking, and it is full.
const FULL_PAUSE: Duration = Duration::from_millis(20);

static STDERR: OnceLock<Lines> = OnceLock::new();

/// The way to the thread. Cheap to clone.
#[derive(Clone, Default)]
pub struct Lines(Arc<Shared>);

#[derive(Default)]
struct Shared {
    queue: Mutex<Queue>,
    changed: Condvar,
}

/// What waits to be written.
#[derive(Debug)]
struct Queue {
    lines: VecDeque<Arc<[u8]>>,
    bytes: usize,
    bytes_max: usize,
    /// Lines that nobody has been told of yet.
    lost: u64,
}

impl Default for Queue {
    fn default() -> Self {
        Self {
            lines: VecDeque::new(),
            bytes: 0,
            bytes_max: WAITING_BYTES_MAX,
            lost: 0,
        }
    }
}

impl Queue {
    /// Whether it has room for the line.
    fn offer(&mut self, line: &[u8]) -> bool {
        let has_room = self.bytes + line.len() <= self.bytes_max;
        if has_room {
            self.bytes += line.len();
            self.lines.push_back(line.into());
        } else {
            self.lost += 1;
        }
        has_room
    }

    /// The oldest line has been written, or cannot be. How many were lost, once nothing waits any more.
    fn settle(&mut self, is_written: bool) -> u64 {
        let settled = self.lines.pop_front();
        self.bytes -= settled.map_or(0, |line| line.len());
        if !is_written {
            self.lost += 1;
            return 0;
        }
        match self.lines.is_empty() {
            true => std::mem::take(&mut self.lost),
            false => 0,
        }
    }
}

/// The process's own; the first call starts the thread.
pub fn lines() -> io::Result<&'static Lines> {
    if let Some(lines) = STDERR.get() {
        return Ok(lines);
    }
    // Its own descriptor: the lock of `io::stderr` is not held while a reader is waited for.
    let stderr = File::from(io::stderr().as_fd().try_clone_to_owned()?);
    let lines = Lines::default();
    lines.write_into(stderr)?;
    Ok(STDERR.get_or_init(|| lines))
}

/// Waits until all is written, for at most so long.
pub fn flush(within: Duration) {
    if let Some(lines) = STDERR.get() {
        lines.flush(within);
    }
}

impl Lines {
    /// A whole line, with its end.
    pub fn say(&self, line: &[u8]) {
        let has_room = self.queue().offer(line);
        if has_room {
            self.0.changed.notify_all();
        } else {
            metrics::counter!(LOG_LINES_LOST_TOTAL).increment(1);
        }
    }

    fn flush(&self, within: Duration) {
        let waits = |queue: &mut Queue| !queue.lines.is_empty();
        let waited = self
            .0
            .changed
            .wait_timeout_while(self.queue(), within, waits);
        drop(waited.unwrap_or_else(PoisonError::into_inner));
    }

    fn write_into(&self, to: impl Write + Send + 'static) -> io::Result<()> {
        let lines = self.clone();
        std::thread::Builder::new()
            .name("log".to_owned())
            .spawn(move || lines.write_all(to))
            .map(drop)
    }

    fn write_all(&self, mut to: impl Write) {
        let mut is_inside_a_line = false;
        loop {
            let line = self.oldest();
            let written = write(&mut to, &line, &mut is_inside_a_line);
            if written.is_err() {
                metrics::counter!(LOG_LINES_LOST_TOTAL).increment(1);
            }
            let lost = self.queue().settle(written.is_ok());
            self.0.changed.notify_all();
            if lost > 0 {
                tracing::warn!(lines = lost, "log lines before this one are lost");
            }
        }
    }

    /// Waits for it.
    fn oldest(&self) -> Arc<[u8]> {
        let mut queue = self.queue();
        loop {
            if let Some(line) = queue.lines.front() {
                return Arc::clone(line);
            }
            let waited = self.0.changed.wait(queue);
            queue = waited.unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.0.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The whole line, behind the end of one of which only a part could be written.
fn write(to: &mut impl Write, line: &[u8], is_inside_a_line: &mut bool) -> io::Result<()> {
    if *is_inside_a_line {
        write_some(to, b"\n")?;
        *is_inside_a_line = false;
    }
    let mut rest = line;
    while !rest.is_empty() {
        let written = write_some(to, rest)?;
        rest = rest.get(written..).unwrap_or_default();
        *is_inside_a_line = !rest.is_empty();
    }
    Ok(())
}

fn write_some(to: &mut impl Write, bytes: &[u8]) -> io::Result<usize> {
    loop {
        match to.write(bytes) {
            Ok(0) => return Err(ErrorKind::WriteZero.into()),
            Ok(written) => return Ok(written),
            Err(error) if error.kind() == ErrorKind::Interrupted => (),
            Err(error) if error.kind() == ErrorKind::WouldBlock => std::thread::sleep(FULL_PAUSE),
            Err(error) => return Err(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read, pipe};

    use super::*;

    const LONG: Duration = Duration::from_secs(60);

    #[test]
    fn what_finds_no_room_is_lost_and_the_rest_waits_in_order() {
        let mut queue = Queue {
            bytes_max: 8,
            ..Queue::default()
        };
        assert!(queue.offer(b"one\n") && queue.offer(b"two\n"));
        assert!(!queue.offer(b"x\n") && !queue.offer(b"y\n"));
        assert_eq!(queue.settle(true), 0, "another one waits");
        assert!(queue.offer(b"z\n"));
        assert_eq!(queue.settle(false), 0, "nobody reads that any were lost");
        assert_eq!(queue.settle(true), 3);
        assert_eq!((queue.bytes, queue.lost), (0, 0));
    }

    #[test]
    fn lines_come_out_whole_and_in_order() {
        let (mut reader, writer) = pipe().unwrap();
        let lines = Lines::default();
        lines.write_into(writer).unwrap();
        let expected: Vec<String> = (0..1000).map(|number| format!("line {number}\n")).collect();
        for line in &expected {
            lines.say(line.as_bytes());
        }
        let mut bytes = vec![0; expected.concat().len()];
        reader.read_exact(&mut bytes).unwrap();
        assert_eq!(String::from_utf8(bytes).unwrap(), expected.concat());
        lines.flush(LONG);
        assert!(lines.queue().lines.is_empty());
    }

    #[test]
    fn a_reader_that_does_not_read_holds_up_nobody() {
        let (_reader, writer) = pipe().unwrap();
        let lines = Lines::default();
        lines.write_into(writer).unwrap();
        let line = [b'x'; 1000];
        for _ in 0..5000 {
            lines.say(&line);
        }
        let queue = lines.queue();
        assert!(
            queue.bytes <= WAITING_BYTES_MAX && queue.lost > 0,
            "{}",
            queue.bytes
        );
        drop(queue);
        lines.flush(Duration::ZERO);
    }

    /// A disk with room for some bytes, then none, then some again.
    struct Disk {
        rooms: VecDeque<usize>,
        written: Arc<Mutex<Vec<u8>>>,
    }

    impl Write for Disk {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            match self.rooms.pop_front() {
                Some(0) => Err(ErrorKind::StorageFull.into()),
                Some(room) => {
                    let taken = bytes.get(..room).unwrap_or(bytes);
                    self.written.lock().unwrap().extend_from_slice(taken);
                    Ok(taken.len())
                }
                None => Err(ErrorKind::Interrupted.into()),
            }
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_line_that_was_written_in_part_spoils_no_other() {
        let written = Arc::default();
        let mut disk = Disk {
            rooms: VecDeque::from([2, 0, 0, 1, 99]),
            written: Arc::clone(&written),
        };
        let mut is_inside = false;
        let mut say = |line: &[u8]| write(&mut disk, line, &mut is_inside).is_ok();
        let said = [say(b"first\n"), say(b"second\n"), say(b"third\n")];
        assert_eq!(said, [false, false, true]);
        assert_eq!(*written.lock().unwrap(), b"fi\nthird\n");
    }
}
