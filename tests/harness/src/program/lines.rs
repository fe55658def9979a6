//! The output of a program, read as it comes, by one thread for each stream.

use std::{
    io::{BufRead, BufReader, Read},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    thread::JoinHandle,
    time::Instant,
};

use anyhow::Context;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stream {
    Stdout,
    Stderr,
}

#[derive(Debug, Clone)]
pub struct Line {
    pub stream: Stream,
    pub text: String,
    pub at: Instant,
}

#[derive(Debug, Clone, Default)]
pub(super) struct Lines {
    lines: Arc<Mutex<Vec<Line>>>,
}

impl Lines {
    pub(super) fn read(
        &self,
        stream: Stream,
        from: impl Read + Send + 'static,
    ) -> anyhow::Result<JoinHandle<()>> {
        let lines = self.clone();
        let read = move || {
            for line in BufReader::new(from).split(b'\n') {
                let (text, is_over) = match line {
                    Ok(line) => (String::from_utf8_lossy(&line).into_owned(), false),
                    Err(error) => (format!("(its output cannot be read: {error})"), true),
                };
                lines.all().push(Line {
                    stream,
                    text,
                    at: Instant::now(),
                });
                if is_over {
                    return;
                }
            }
        };
        std::thread::Builder::new()
            .spawn(read)
            .context("start a reader")
    }

    fn all(&self) -> MutexGuard<'_, Vec<Line>> {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn find(&self, pattern: &str) -> Option<Line> {
        self.all()
            .iter()
            .find(|line| line.text.contains(pattern))
            .cloned()
    }

    pub(super) fn of(&self, stream: Stream) -> Vec<String> {
        self.all()
            .iter()
            .filter(|line| line.stream == stream)
            .map(|line| line.text.clone())
            .collect()
    }

    pub(super) fn tail(&self) -> String {
        let lines = self.all();
        lines
            .iter()
            .skip(lines.len().saturating_sub(25))
            .map(|line| format!("\n  | {}", line.text))
            .collect()
    }
}
