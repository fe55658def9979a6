//! Bytes made wrong: an entry of the corpus with a few seeded changes, now and then arbitrary bytes.

use fastrand::Rng;

const BYTES_MAX: usize = 1 << 16;

/// Numbers at which lengths, counts and offsets break.
const EDGES: [u64; 14] = [
    0,
    1,
    2,
    0x7f,
    0x80,
    0xfa,
    0xfb,
    0xff,
    0x7fff,
    0xffff,
    0xff_ffff,
    0x7fff_ffff,
    0xffff_ffff,
    u64::MAX,
];

/// The input of one execution, told by its rng alone.
pub fn input(rng: &mut Rng, corpus: &[Vec<u8>]) -> Vec<u8> {
    let mut bytes = match rng.choice(corpus) {
        Some(entry) if rng.u8(..32) > 0 => entry.clone(),
        _ => {
            let length = rng.usize(..256);
            return (0..length).map(|_| rng.u8(..)).collect();
        }
    };
    for _ in 0..=rng.u8(..6) {
        change(rng, &mut bytes, corpus);
    }
    bytes.truncate(BYTES_MAX);
    bytes
}

fn change(rng: &mut Rng, bytes: &mut Vec<u8>, corpus: &[Vec<u8>]) {
    if bytes.is_empty() {
        bytes.push(rng.u8(..));
        return;
    }
    let at = rng.usize(..bytes.len());
    let end = (at + 1 + rng.usize(..16)).min(bytes.len());
    match rng.u8(..10) {
        0 | 1 => bytes[at] ^= 1 << rng.u8(..8),
        2 => bytes[at] = rng.u8(..),
        3 | 4 => {
            let number = EDGES[rng.usize(..EDGES.len())].to_le_bytes();
            let width = [1, 2, 3, 4, 8][rng.usize(..5)];
            for (to, from) in bytes.iter_mut().skip(at).zip(number.iter().take(width)) {
                *to = *from;
            }
        }
        5 => {
            bytes.drain(at..end);
        }
        6 => {
            let copied = bytes[at..end].to_vec();
            bytes.splice(at..at, copied);
        }
        7 => {
            let random: Vec<u8> = (0..rng.usize(1..8)).map(|_| rng.u8(..)).collect();
            bytes.splice(at..at, random);
        }
        8 => bytes.truncate(at),
        _ => {
            let Some(other) = rng.choice(corpus).filter(|other| !other.is_empty()) else {
                return;
            };
            let from = rng.usize(..other.len());
            bytes.truncate(at);
            bytes.extend_from_slice(&other[from..]);
        }
    }
}
