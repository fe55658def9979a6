//! When a connection to MySQL becomes a dump, told from what the client sends.
//!
//! Packets are walked by their lengths; of each only the head and the first byte are looked at. A request
//! for TLS hides everything after it, which then counts as a dump. Of another protocol nothing is found, or
//! nonsense, which harms nobody.
//! Source: <https://dev.mysql.com/doc/dev/mysql-server/latest/page_protocol_basic_packets.html>

use std::sync::{
    Mutex, PoisonError,
    atomic::{AtomicBool, Ordering},
};

const COM_BINLOG_DUMP: u8 = 0x12;
const COM_BINLOG_DUMP_GTID: u8 = 0x1e;
/// The packet that asks for TLS is a login packet that ends before the account's name.
const TLS_REQUEST_BYTES: usize = 32;
const HEAD_BYTES: usize = 4;

#[derive(Debug, Default)]
pub struct Commands {
    walk: Mutex<Walk>,
    is_dump: AtomicBool,
}

#[derive(Debug, Default)]
struct Walk {
    /// Of the packet in hand: its head and first byte, as far as they have come.
    begin: Vec<u8>,
    /// Bytes of the packet in hand that do not matter.
    skipped: usize,
}

impl Commands {
    /// Takes what the client sent; whether a dump has begun in it.
    pub fn read(&self, bytes: &[u8]) -> bool {
        if self.is_dump() {
            return false;
        }
        let mut walk = self.walk.lock().unwrap_or_else(PoisonError::into_inner);
        let found = walk.take(bytes);
        self.is_dump.store(found, Ordering::Relaxed);
        found
    }

    pub fn is_dump(&self) -> bool {
        self.is_dump.load(Ordering::Relaxed)
    }
}

impl Walk {
    fn take(&mut self, mut bytes: &[u8]) -> bool {
        loop {
            let skipped = self.skipped.min(bytes.len());
            self.skipped -= skipped;
            let (_, rest) = bytes.split_at(skipped);
            let wanted = (HEAD_BYTES + 1 - self.begin.len()).min(rest.len());
            let (begin, rest) = rest.split_at(wanted);
            self.begin.extend_from_slice(begin);
            bytes = rest;
            let &[low, middle, high, sequence, first] = self.begin.as_slice() else {
                return false;
            };
            let length = u32::from_le_bytes([low, middle, high, 0]) as usize;
            let asks_for_dump =
                sequence == 0 && [COM_BINLOG_DUMP, COM_BINLOG_DUMP_GTID].contains(&first);
            if asks_for_dump || (sequence == 1 && length == TLS_REQUEST_BYTES) {
                return true;
            }
            self.begin.clear();
            self.skipped = length.saturating_sub(1);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packet(sequence: u8, payload: &[u8]) -> Vec<u8> {
        let mut packet = vec![payload.len() as u8, 0, 0, sequence];
        packet.extend(payload);
        packet
    }

    #[test]
    fn a_dump_is_found_however_the_packets_are_cut() {
        let login = packet(1, &[0x12; 60]);
        let query = packet(0, b"\x03SELECT 1");
        let dump = packet(0, b"\x12....");
        let all = [login, query, dump].concat();
        for piece_bytes in 1..all.len() {
            let commands = Commands::default();
            let found: Vec<bool> = all
                .chunks(piece_bytes)
                .map(|piece| commands.read(piece))
                .collect();
            assert_eq!(found.iter().filter(|found| **found).count(), 1);
            assert!(commands.is_dump());
        }
        let commands = Commands::default();
        assert!(!commands.read(&all[..all.len() - 5]));
    }

    #[test]
    fn what_follows_a_request_for_tls_counts_as_a_dump() {
        let commands = Commands::default();
        assert!(commands.read(&packet(1, &[0; TLS_REQUEST_BYTES])));
        assert!(!commands.read(b"\x16\x03\x01"));
        assert!(commands.is_dump());
    }
}
