//! Which life sent a line last: that tells whose fault a repetition is.
//!
//! A line that a drained life sent must never come again: the checkpoint stands behind it. A line that a killed
//! life sent may; so may one of the same life whose reply was lost. (Not whether the life before was drained
//! decides: one that is drained in the middle of a replay leaves the rest of it to the next.)

use std::{
    collections::{HashMap, VecDeque},
    hash::{DefaultHasher, Hash, Hasher},
};

use headwater_verify::{Line, Parsed, Prefix};

/// Lines that are remembered.
const WINDOW: usize = 500_000;

#[derive(Debug, Default)]
pub struct Senders {
    pub lines: u64,
    last: HashMap<u64, u32>,
    arrivals: VecDeque<u64>,
    /// By life: it ended drained.
    drained: Vec<bool>,
    sent: Sent,
}

/// What one life sent.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Sent {
    pub lines: u64,
    /// Last sent by a life that was killed, or whose grace time was over.
    pub again: u64,
    /// Last sent by itself.
    pub within: u64,
    /// Last sent by a life that was drained.
    pub after_drain: u64,
}

impl Senders {
    pub fn take(&mut self, lane: &str, line: &[u8]) {
        let Ok(Parsed::Change(line)) = Line::parse(line, None, &Prefix::default()) else {
            return;
        };
        let mut hasher = DefaultHasher::new();
        (lane, &line.id).hash(&mut hasher);
        let id = hasher.finish();
        let life = u32::try_from(self.drained.len()).unwrap_or(u32::MAX);
        self.lines += 1;
        self.sent.lines += 1;
        match self.last.insert(id, life) {
            None => self.arrivals.push_back(id),
            Some(sender) => match self.drained.get(sender as usize) {
                None => self.sent.within += 1,
                Some(false) => self.sent.again += 1,
                Some(true) => self.sent.after_drain += 1,
            },
        }
        while self.arrivals.len() > WINDOW {
            if let Some(oldest) = self.arrivals.pop_front() {
                self.last.remove(&oldest);
            }
        }
    }

    /// All that the life sent has been read; answers what that was.
    pub fn end_life(&mut self, is_drained: bool) -> Sent {
        self.drained.push(is_drained);
        std::mem::take(&mut self.sent)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_repetition_is_charged_to_how_its_last_sender_ended() {
        let mut senders = Senders::default();
        let mut life = |lines: &[u32], is_drained| {
            for n in lines {
                let line = format!(
                    r#"{{"type":"insert","id":"u:1/{n}","seq":"00000001.00000001.0000000000000004.{n:08x}"}}"#
                );
                senders.take("lane", line.as_bytes());
            }
            senders.end_life(is_drained)
        };
        assert_eq!(life(&[1, 2, 3, 4, 4], false).within, 1);
        // In the middle of the replay: the rest is the next life's, and nobody's fault.
        let drained = life(&[2, 3], true);
        assert_eq!((drained.again, drained.after_drain), (2, 0));
        let next = life(&[4, 5], true);
        assert_eq!((next.again, next.after_drain), (1, 0));
        assert_eq!(life(&[5, 6], true).after_drain, 1);
    }
}
