//! Headers, framing and checksums, of events as servers write them and broken ones.

use std::collections::HashSet;

use proptest::prelude::*;

use super::*;
use crate::fixture::{Log, format_description, rotate_body};

fn learned(log: &mut Log) -> Framing {
    let mut framing = Framing::default();
    let bytes = log.format_description();
    let event = framing.event(&bytes).expect("a format description");
    framing.learn(&event).expect("its fields");
    framing
}

#[test]
fn every_code_has_one_kind_and_gives_itself_back() {
    for code in 0..=255 {
        assert_eq!(EventKind::from_code(code).code(), code);
    }
    assert_eq!(EventKind::from_code(42), EventKind::GtidTagged);
    assert_eq!(EventKind::from_code(42).to_string(), "GTID_TAGGED");
    assert_eq!(EventKind::from_code(99), EventKind::Unknown(99));
    assert!(EventKind::from_code(166).has_compressed_rows());
}

#[test]
fn format_description_teaches_checksum_and_lengths() {
    let framing = learned(&mut Log::new());
    assert_eq!(framing.checksum(), Checksum::Crc32);
    assert_eq!(framing.server_version(), "8.4.0");
    assert_eq!(framing.post_header_bytes(EventKind::Query), Some(13));
    assert_eq!(framing.table_id_bytes(EventKind::TableMap), 6);
    let framing = learned(&mut Log::without_checksums());
    assert_eq!(framing.checksum(), Checksum::None);
    assert_eq!(framing.post_header_bytes(EventKind::Query), Some(13));
}

/// Nothing has been said of checksums when a server opens its stream with a ROTATE.
#[test]
fn no_bit_of_the_opening_rotate_flips_unseen() {
    let whole = Log::new().artificial(4, 0, &rotate_body("binlog.000001", 4));
    Framing::default().event(&whole).expect("a ROTATE");
    let mut told = HashSet::new();
    for bit in 0..whole.len() * 8 {
        let mut bytes = whole.to_vec();
        bytes[bit / 8] ^= 1 << (bit % 8);
        let error = Framing::default().event(&bytes).expect_err("a damaged one");
        if let Error::Checksum { .. } = error {
            assert!(told.insert(error.to_string()), "other damage, same words");
        }
    }
    assert!(told.len() > whole.len() * 6);
    let plain = Log::without_checksums().artificial(4, 0, &rotate_body("binlog.000001", 4));
    let event = Framing::default();
    let event = event.event(&plain).expect("one of an old server");
    assert_eq!(event.body, rotate_body("binlog.000001", 4));
}

#[test]
fn servers_before_checksums_have_none_in_their_format_description() {
    let mut log = Log::without_checksums();
    let mut body = format_description("5.5.9-log", 0);
    body.truncate(57 + 27);
    let next = (4 + 19 + body.len()) as u32;
    let bytes = log.inner(15, &body);
    let mut bytes = bytes.to_vec();
    bytes[13..17].copy_from_slice(&next.to_le_bytes());
    let mut framing = Framing::default();
    let event = framing.event(&bytes).expect("an event");
    assert_eq!(event.body.len(), body.len());
    framing.learn(&event).expect("its fields");
    assert_eq!(framing.checksum(), Checksum::None);
    log.has_checksums = false;
    let xid = log.xid();
    assert_eq!(
        framing.event(&xid).expect("an event").body,
        7u64.to_le_bytes()
    );
}

#[test]
fn the_in_use_flag_does_not_break_the_checksum() {
    let mut bytes = Log::new().format_description().to_vec();
    bytes[17] |= 1;
    assert!(Framing::default().event(&bytes).is_ok());
    bytes[17] |= 2;
    assert!(matches!(
        Framing::default().event(&bytes),
        Err(Error::Checksum { .. })
    ));
}

#[test]
fn the_first_rotate_reads_with_and_without_a_checksum() {
    let body = rotate_body("binlog.000007", 4);
    for log in [Log::new(), Log::without_checksums()] {
        let bytes = log.artificial(4, 0, &body);
        assert_eq!(
            Framing::default().event(&bytes).expect("an event").body,
            body
        );
    }
}

#[test]
fn an_event_shorter_or_longer_than_its_header_says_is_refused() {
    let mut log = Log::new();
    let framing = learned(&mut log);
    let xid = log.xid();
    assert!(framing.event(&xid[..xid.len() - 1]).is_err());
    assert!(framing.event(&[&xid[..], &[0]].concat()).is_err());
    assert!(framing.event(&[]).is_err());
}

proptest! {
    #[test]
    fn every_flipped_bit_is_found(bit in 0usize..(19 + 8 + 4) * 8) {
        let mut log = Log::new();
        let framing = learned(&mut log);
        let mut bytes = log.xid().to_vec();
        bytes[bit / 8] ^= 1 << (bit % 8);
        prop_assert!(framing.event(&bytes).is_err());
    }

    #[test]
    fn no_bytes_panic(mut bytes: Vec<u8>, kind in 0u8..50, has_true_length: bool) {
        if has_true_length && bytes.len() >= 19 {
            let length = bytes.len() as u32;
            bytes[9..13].copy_from_slice(&length.to_le_bytes());
            bytes[4] = kind;
        }
        let mut framing = Framing::default();
        if let Ok(event) = framing.clone().event(&bytes) {
            drop(framing.learn(&event));
        }
    }
}
