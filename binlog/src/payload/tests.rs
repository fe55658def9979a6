//! Compressed transactions, unpacked in a window.

use proptest::prelude::*;

use super::*;
use crate::fixture::{Log, payload_body};

fn events(count: usize) -> Vec<Bytes> {
    let log = Log::new();
    (0..count)
        .map(|index| log.inner(2, &vec![index as u8; index * 40]))
        .collect()
}

fn read(body: Vec<u8>, event_bytes_max: usize) -> Result<Vec<Bytes>, Error> {
    let mut payload = Payload::parse(Bytes::from(body), event_bytes_max)?;
    let mut events = Vec::new();
    while let Inner::Event(event) = payload.next_event()? {
        events.push(event);
    }
    assert!(!payload.awaits());
    Ok(events)
}

/// The same in parts of these sizes over and over, and how many events came before the last part.
fn read_in_parts(body: &[u8], sizes: &[usize]) -> Result<(Vec<Bytes>, usize), Error> {
    let mut rest = Bytes::copy_from_slice(body);
    let mut sizes = sizes.iter().cycle();
    // All fields are in the first part.
    let first = rest.split_to(24);
    let mut payload = Payload::begin(first, body.len() as u64, 1 << 20)?;
    let (mut events, mut early) = (Vec::new(), 0);
    loop {
        match payload.next_event()? {
            Inner::Event(event) => events.push(event),
            Inner::Awaits => {
                assert!(payload.awaits());
                early = events.len();
                assert!(!rest.is_empty(), "it waits for more than there is");
                let size = sizes.next().copied().unwrap_or(1);
                payload.push(&rest.split_to(size.min(rest.len())))?;
            }
            Inner::End => {
                assert!(rest.is_empty());
                return Ok((events, early));
            }
        }
    }
}

fn compressed(plain: &[u8]) -> Vec<u8> {
    zstd::encode_all(plain, 3).expect("compression")
}

#[test]
fn inner_events_come_one_by_one_compressed_or_not() {
    let events = events(50);
    let plain = events.concat();
    assert_eq!(
        read(
            payload_body(0, &compressed(&plain), plain.len() as u64),
            1 << 20
        ),
        Ok(events.clone())
    );
    assert_eq!(
        read(payload_body(255, &plain, plain.len() as u64), 1 << 20),
        Ok(events)
    );
}

#[test]
fn the_last_inner_event_waits_for_the_last_byte_of_the_payload() {
    let events = events(50);
    let plain = events.concat();
    for (compression, bytes) in [(0, compressed(&plain)), (255, plain.clone())] {
        let body = payload_body(compression, &bytes, plain.len() as u64);
        let (read, early) = read_in_parts(&body, &[body.len() - 25, 1]).expect("events");
        assert_eq!(read, events);
        assert!(early < 50, "{early}");
    }
}

#[test]
fn more_bytes_than_a_payload_has_are_an_error() {
    let plain = events(5).concat();
    let body = payload_body(0, &compressed(&plain), plain.len() as u64);
    let (first, rest) = body.split_at(30);
    let mut payload = Payload::begin(Bytes::copy_from_slice(first), body.len() as u64, 1 << 20)
        .expect("the fields");
    let more = Bytes::from([rest, b"x"].concat());
    assert!(payload.push(&more).is_err());
}

#[test]
fn a_damaged_payload_is_an_error_and_never_empty() {
    let plain = events(50).concat();
    let good = compressed(&plain);
    for cut in 0..good.len() {
        let result = read(payload_body(0, &good[..cut], plain.len() as u64), 1 << 20);
        assert!(result.is_err(), "{cut} of {} bytes", good.len());
    }
    let mut damaged = good.clone();
    damaged[0] ^= 0xff;
    assert!(read(payload_body(0, &damaged, plain.len() as u64), 1 << 20).is_err());
}

#[test]
fn the_announced_size_must_be_the_real_one() {
    let plain = events(5).concat();
    for announced in [0, plain.len() as u64 - 1, plain.len() as u64 + 1] {
        assert!(
            read(payload_body(0, &compressed(&plain), announced), 1 << 20).is_err(),
            "{announced}"
        );
        assert!(
            read(payload_body(255, &plain, announced), 1 << 20).is_err(),
            "{announced}"
        );
    }
}

#[test]
fn an_inner_event_above_the_limit_is_refused() {
    let plain = events(50).concat();
    let result = read(
        payload_body(0, &compressed(&plain), plain.len() as u64),
        500,
    );
    assert!(
        matches!(result, Err(Error::TooLarge { bytes_max: 500, .. })),
        "{result:?}"
    );
}

#[test]
fn an_unknown_compression_is_refused() {
    assert!(matches!(
        read(payload_body(7, b"xx", 2), 100),
        Err(Error::Unsupported(_))
    ));
}

proptest! {
    #[test]
    fn any_cut_into_parts_gives_the_same_events(
        sizes in prop::collection::vec(8usize..300, 1..6),
        compression in prop::sample::select(vec![0u8, 255]),
    ) {
        let events = events(40);
        let plain = events.concat();
        let bytes = if compression == 0 { compressed(&plain) } else { plain.clone() };
        let body = payload_body(compression, &bytes, plain.len() as u64);
        let (read, _) = read_in_parts(&body, &sizes).expect("events");
        prop_assert_eq!(read, events);
    }

    #[test]
    fn no_bytes_panic(bytes: Vec<u8>, compression in prop::sample::select(vec![0u8, 255]), announced: u64) {
        drop(read(bytes.clone(), 1 << 20));
        drop(read(payload_body(compression, &bytes, announced), 1 << 20));
        drop(read(payload_body(0, &compressed(&bytes), announced), 1 << 20));
    }
}
