//! Files as a server leaves them: whole, still in use, cut off, not a binlog at all.

use proptest::prelude::*;

use super::*;
use crate::fixture::Log;

fn log() -> Log {
    let mut log = Log::new();
    log.format_description();
    for number in 1..4 {
        log.gtid(number);
        log.begin();
        log.xid();
    }
    log
}

fn read(bytes: &[u8]) -> (Vec<FileEvent>, Option<FileError>) {
    let mut events = Vec::new();
    let mut file = match BinlogFile::open(bytes, 1 << 20) {
        Ok(file) => file,
        Err(error) => return (events, Some(error)),
    };
    loop {
        match file.next_event() {
            Ok(Some(event)) => events.push(event),
            Ok(None) => return (events, None),
            Err(error) => return (events, Some(error)),
        }
    }
}

#[test]
fn events_come_whole_with_their_offsets() {
    let log = log();
    let (events, error) = read(&log.bytes);
    assert!(error.is_none(), "{error:?}");
    assert_eq!(events.len(), 10);
    let mut offset = 4;
    for event in &events {
        assert_eq!(event.offset, offset);
        offset += event.bytes.len() as u64;
    }
    assert_eq!(offset, log.bytes.len() as u64);
}

#[test]
fn a_file_may_end_only_between_two_events() {
    let log = log();
    let (events, _) = read(&log.bytes);
    let ends: Vec<u64> = events
        .iter()
        .map(|event| event.offset)
        .chain([log.offset])
        .collect();
    for length in 4..log.bytes.len() {
        let (_, error) = read(&log.bytes[..length]);
        match error {
            None => assert!(ends.contains(&(length as u64)), "{length}"),
            Some(error) => {
                assert!(
                    matches!(error.cause, FileCause::Truncated { .. }),
                    "{length}: {error:?}"
                );
                assert!(ends.contains(&error.offset));
            }
        }
    }
}

#[test]
fn what_does_not_begin_as_a_binlog_is_refused() {
    for bytes in [&b""[..], b"\xfebi", b"\xfd\x62\x69\x6erest", b"hello"] {
        assert!(matches!(
            read(bytes).1,
            Some(FileError {
                offset: 0,
                cause: FileCause::Magic(_)
            })
        ));
    }
}

#[test]
fn an_event_above_the_limit_is_refused_before_it_is_read() {
    let log = log();
    let mut file = BinlogFile::open(&log.bytes[..], 50).expect("a file");
    assert!(matches!(
        file.next_event(),
        Err(FileError {
            offset: 4,
            cause: FileCause::Event(Error::TooLarge { .. })
        })
    ));
    assert!(matches!(file.next_event(), Ok(None)));
}

#[test]
fn reading_resumes_at_a_boundary_with_the_framing_of_the_head() {
    let log = log();
    let mut file = BinlogFile::open(&log.bytes[..], 1 << 20).expect("a file");
    file.next_event().expect("an event");
    let offset = file.offset();
    let rest = &log.bytes[offset as usize..];
    let resumed = BinlogFile::resume(rest, file.framing().clone(), offset, 1 << 20);
    let events: Vec<_> = resumed.map(|event| event.expect("an event")).collect();
    assert_eq!(events, read(&log.bytes).0[1..]);
}

#[test]
fn an_encrypted_file_of_mariadb_ends_with_the_reason_where_it_becomes_unreadable() {
    let mut log = log();
    let offset = log.offset;
    log.event(164, &[1; 17]);
    log.bytes.extend([0x5a; 300]);
    let (events, error) = read(&log.bytes);
    assert_eq!(events.len(), 10);
    let error = error.expect("a refusal");
    assert_eq!(error.offset, offset);
    assert!(matches!(error.cause, FileCause::Event(Error::Encrypted)));
}

proptest! {
    #[test]
    fn a_flipped_bit_is_an_error_at_its_event(bit in 0usize..3000) {
        let mut log = log();
        let (events, _) = read(&log.bytes);
        let bit = 32 + bit % ((log.bytes.len() - 4) * 8);
        log.bytes[bit / 8] ^= 1 << (bit % 8);
        let (read, error) = read(&log.bytes);
        let hit = events.iter().rposition(|event| event.offset <= (bit / 8) as u64).expect("an event");
        // The flag "in use" of the first event is outside its checksum.
        if bit == (4 + 17) * 8 {
            prop_assert!(error.is_none());
        } else if let Some(error) = error {
            prop_assert_eq!(error.offset, events[hit].offset);
            prop_assert_eq!(&read[..], &events[..hit]);
        } else {
            prop_assert!(false, "bit {} was not found", bit);
        }
    }

    #[test]
    fn no_bytes_panic(bytes: Vec<u8>) {
        drop(read(&[&MAGIC[..], &bytes].concat()));
    }
}
