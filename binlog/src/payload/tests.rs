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
    while let Some(event) = payload.next_event()? {
        events.push(event);
    }
    Ok(events)
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
    fn no_bytes_panic(bytes: Vec<u8>, compression in prop::sample::select(vec![0u8, 255]), announced: u64) {
        drop(read(bytes.clone(), 1 << 20));
        drop(read(payload_body(compression, &bytes, announced), 1 << 20));
        drop(read(payload_body(0, &compressed(&bytes), announced), 1 << 20));
    }
}
