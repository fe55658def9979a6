//! The events of a dump, changed on their way as by a relay that is broken or lies: left out, or others put in.
//!
//! Not under TLS, and not where an event is larger than a packet.
//! Source: <https://dev.mysql.com/doc/dev/mysql-server/latest/page_protocol_replication.html>

use std::sync::{Arc, Mutex, PoisonError};

/// What is sent in place of one event.
type Rewrite = Box<dyn FnMut(&[u8]) -> Vec<Vec<u8>> + Send>;

#[derive(Clone)]
pub struct Rewriting(Arc<Mutex<Rewrite>>);

/// One dump.
pub struct Rewriter {
    rewriting: Rewriting,
    waiting: Vec<u8>,
    sequence: Option<u8>,
}

const HEAD_BYTES: usize = 4;
/// In front of an event; other packets end the dump.
const IS_EVENT: u8 = 0;

impl Rewriting {
    pub fn new(rewrite: impl FnMut(&[u8]) -> Vec<Vec<u8>> + Send + 'static) -> Self {
        Self(Arc::new(Mutex::new(Box::new(rewrite))))
    }

    fn of(&self, event: &[u8]) -> Vec<Vec<u8>> {
        let mut rewrite = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        rewrite(event)
    }
}

impl std::fmt::Debug for Rewriting {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Rewriting")
    }
}

impl Rewriter {
    pub fn new(rewriting: Rewriting) -> Self {
        Self {
            rewriting,
            waiting: Vec::new(),
            sequence: None,
        }
    }

    /// Takes what the server sent; gives what the client is to have of it.
    pub fn take(&mut self, bytes: &[u8]) -> Vec<u8> {
        self.waiting.extend_from_slice(bytes);
        let mut sent = Vec::new();
        while let Some((sequence, payload)) = self.packet() {
            self.sequence.get_or_insert(sequence);
            match payload.split_first() {
                Some((&IS_EVENT, event)) => {
                    for event in self.rewriting.of(event) {
                        self.put(&[&[IS_EVENT], event.as_slice()].concat(), &mut sent);
                    }
                }
                _ => self.put(&payload, &mut sent),
            }
        }
        sent
    }

    /// The next whole one.
    fn packet(&mut self) -> Option<(u8, Vec<u8>)> {
        let &[low, middle, high, sequence] = self.waiting.first_chunk()?;
        let length = u32::from_le_bytes([low, middle, high, 0]) as usize;
        let payload = self.waiting.get(HEAD_BYTES..HEAD_BYTES + length)?.to_vec();
        self.waiting.drain(..HEAD_BYTES + length);
        Some((sequence, payload))
    }

    fn put(&mut self, payload: &[u8], sent: &mut Vec<u8>) {
        let sequence = self.sequence.get_or_insert(0);
        let [low, middle, high, _] = (payload.len() as u32).to_le_bytes();
        sent.extend([low, middle, high, *sequence]);
        sent.extend_from_slice(payload);
        *sequence = sequence.wrapping_add(1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_left_out_and_put_in_and_packets_count_on() {
        let packet = |sequence: u8, payload: &[u8]| {
            let head = [payload.len() as u8, 0, 0, sequence];
            [&head[..], payload].concat()
        };
        let rewriting = Rewriting::new(|event| match event {
            b"out" => Vec::new(),
            b"two" => vec![b"one".to_vec(), b"two".to_vec()],
            other => vec![other.to_vec()],
        });
        let mut rewriter = Rewriter::new(rewriting);
        let came = [
            packet(1, b"\0first"),
            packet(2, b"\0out"),
            packet(3, b"\0two"),
            packet(4, b"\xffdone"),
        ]
        .concat();
        let mut sent = Vec::new();
        for piece in came.chunks(7) {
            sent.extend(rewriter.take(piece));
        }
        let wanted = [
            packet(1, b"\0first"),
            packet(2, b"\0one"),
            packet(3, b"\0two"),
            packet(4, b"\xffdone"),
        ]
        .concat();
        assert_eq!(sent, wanted);
    }
}
