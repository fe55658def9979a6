//! The dead-letter file: one line of JSON per change that could not be delivered, synced before it counts.
//!
//! A letter holds what a replay needs (`body`); `headwater replay-dead-letters` reads it. The file only grows;
//! whoever has dealt with it removes it while the program is stopped. `PATH.lock` keeps a second writer out as
//! long as something is still to be written; it stays there, empty.

mod body;
mod older;
mod statement;
mod table;

use std::path::Path;

pub use body::Error;
use headwater_actors::{
    failure::Failure,
    ports::{
        BoxFuture,
        dead_letters::{DeadLetter, DeadLetters},
    },
};

use super::{append::AppendFile, group::Group};
use crate::durable::{self, Lock};

pub struct DeadLetterFile {
    group: Group<DeadLetter>,
}

impl DeadLetterFile {
    /// Opens or creates the file; what cannot be opened, or another process writes to, is definite.
    pub fn open(path: &Path) -> Result<Self, Failure> {
        let shown = path.display();
        let lock = durable::lock(path).map_err(|error| {
            Failure::definite(format!("lock file \"{shown}.lock\""))
                .because(error)
                .with_hint("the folder must exist and be writable for the process")
        })?;
        let Lock::Taken(lock) = lock else {
            return Err(Failure::definite(format!(
                "dead-letter file \"{shown}\" is written by another process"
            ))
            .with_hint("each pipeline needs its own errors.dead_letter_path"));
        };
        let mut file = AppendFile::open(path)?;
        let group = Group::start("dead-letters", move |letters: &[DeadLetter]| {
            // Held as long as the thread lives.
            let _held = &lock;
            let mut lines = Vec::new();
            for letter in letters {
                body::write(letter, &mut lines)
                    .map_err(|error| Failure::definite("encode a dead letter").because(error))?;
            }
            file.write(&lines)?;
            file.sync()
        })?;
        Ok(Self { group })
    }
}

/// That it could be opened, also while another process has it.
pub fn ensure_writable(path: &Path) -> Result<(), Failure> {
    AppendFile::ensure(path)
}

impl DeadLetters for DeadLetterFile {
    fn bury(&self, letter: DeadLetter) -> BoxFuture<'static, Result<(), Failure>> {
        self.group.submit(letter)
    }
}

/// The letter that a line of the file holds.
pub fn read(line: &[u8]) -> Result<DeadLetter, Error> {
    body::read(line)
}

#[cfg(test)]
mod tests;
