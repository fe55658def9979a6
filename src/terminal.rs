//! What commands say on standard output.
//!
//! Names, reasons and errors come from outside: each line is made printable and cut in one place, here. A reader
//! that has seen enough (`| head`) is no failure; every other output that cannot be written is.

use std::io::{self, ErrorKind, Write};

use headwater_actors::printable::{is_printable, printable};

/// A GTID set of a large fleet fits; what a server answers need not.
const LINE_CHARS_MAX: usize = 64 << 10;

/// One line, whatever `text` holds.
pub fn line(text: &str) -> io::Result<()> {
    put(
        &mut io::stdout().lock(),
        &format!("{}\n", printable(text, LINE_CHARS_MAX)),
    )
}

/// Lines of our own making.
pub fn page(text: &str) -> io::Result<()> {
    put(&mut io::stdout().lock(), &lines(text))
}

fn lines(text: &str) -> String {
    let is_fine = |character: char| character == '\n' || is_printable(character);
    if text.chars().all(is_fine) {
        return text.to_owned();
    }
    let lines = text.split('\n').map(|line| printable(line, usize::MAX));
    lines.collect::<Vec<_>>().join("\n")
}

fn put(to: &mut impl Write, text: &str) -> io::Result<()> {
    match to.write_all(text.as_bytes()).and_then(|()| to.flush()) {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
        written => written,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reader_that_has_seen_enough_is_no_failure_and_a_full_disk_is() {
        let (reader, mut writer) = io::pipe().unwrap();
        drop(reader);
        assert!(put(&mut writer, "position").is_ok());
        let mut full = std::fs::OpenOptions::new()
            .write(true)
            .open("/dev/full")
            .unwrap();
        let error = put(&mut full, "position").unwrap_err();
        assert_eq!(error.kind(), ErrorKind::StorageFull);
    }

    #[test]
    fn our_own_lines_end_and_nothing_else_acts() {
        assert_eq!(lines("one\ntwo\u{1b}[1m\n"), "one\ntwo\\u{1b}[1m\n");
        assert_eq!(lines("größe\n"), "größe\n");
    }
}
