//! Events over scripted packets: every way to cut them into packets and reads, and what a broken server sends.

use std::time::Duration;

use proptest::prelude::*;
use tokio::io::AsyncWriteExt;

use super::*;

const LIMITS: Limits = Limits {
    event_bytes_max: 64 << 20,
    payload_bytes_held: 1 << 20,
};
const WRITE_ROWS: u8 = 30;
const TRANSACTION_PAYLOAD: u8 = 40;

fn event(kind: u8, length: usize) -> Vec<u8> {
    let mut bytes = vec![0; length];
    bytes[4] = kind;
    bytes[9..13].copy_from_slice(&(length as u32).to_le_bytes());
    for (index, byte) in bytes.iter_mut().enumerate().skip(HEADER_BYTES) {
        *byte = (index % 251) as u8;
    }
    bytes
}

/// Packets as a server cuts them, from sequence number 1 on.
struct Server {
    bytes: Vec<u8>,
    sequence: u8,
}

impl Server {
    fn new() -> Self {
        Self {
            bytes: Vec::new(),
            sequence: 1,
        }
    }

    fn packet(&mut self, body: &[u8]) {
        self.bytes.extend(&(body.len() as u32).to_le_bytes()[..3]);
        self.bytes.push(self.sequence);
        self.bytes.extend(body);
        self.sequence = self.sequence.wrapping_add(1);
    }

    fn event(&mut self, event: &[u8]) {
        let body = [&[0], event].concat();
        for part in body.chunks(PACKET_BYTES_MAX) {
            self.packet(part);
        }
        if body.len() % PACKET_BYTES_MAX == 0 {
            self.packet(&[]);
        }
    }

    /// Reads what was scripted, written in pieces of so many bytes; then the connection ends.
    async fn events(self, limits: Limits, piece_bytes: usize) -> Events {
        let (ours, mut theirs) = tokio::io::duplex(1 << 20);
        tokio::spawn(async move {
            for piece in self.bytes.chunks(piece_bytes) {
                // The reader may have left after an error.
                if theirs.write_all(piece).await.is_err() {
                    return;
                }
                tokio::task::yield_now().await;
            }
        });
        let mut packets = Packets::over(Box::new(ours), Duration::from_secs(20));
        packets.command(&[0x12]).await.expect("sent");
        Events::of(packets, limits)
    }
}

/// All events until the end or an error, joined; and how many calls gave a part.
async fn read_all(events: &mut Events) -> (Vec<u8>, usize, Error) {
    let (mut all, mut parts) = (Vec::new(), 0);
    loop {
        let mut chunk = BytesMut::new();
        match events.next(&mut chunk).await {
            Ok(Taken::Event) => (),
            Ok(Taken::Part) => {
                parts += 1;
                assert!(chunk.len() <= PART_BYTES);
            }
            Ok(Taken::End) => return (all, parts, Error::Closed),
            Err(error) => return (all, parts, error),
        }
        all.extend_from_slice(&chunk);
        let before = chunk.len();
        match events.ready(&mut chunk) {
            Ok(Ready::Event | Ready::Later) => all.extend_from_slice(&chunk[before..]),
            Ok(Ready::End) => return (all, parts, Error::Closed),
            Err(error) => return (all, parts, error),
        }
    }
}

#[tokio::test]
async fn events_above_16_mib_are_joined_over_packets_also_where_the_last_packet_is_empty() {
    let exact = PACKET_BYTES_MAX - 1;
    for length in [
        exact - 1,
        exact,
        exact + 1,
        exact + PACKET_BYTES_MAX,
        exact + PACKET_BYTES_MAX + 1,
    ] {
        let (large, small) = (event(WRITE_ROWS, length), event(WRITE_ROWS, 40));
        let mut server = Server::new();
        server.event(&large);
        server.event(&small);
        let mut events = server.events(LIMITS, 1 << 20).await;
        let (seen, _, error) = read_all(&mut events).await;
        assert!(matches!(error, Error::Closed), "{length}: {error}");
        assert_eq!(seen.len(), length + 40);
        assert!(seen == [large, small].concat(), "{length}");
    }
}

#[tokio::test]
async fn a_large_payload_comes_in_parts_beyond_every_limit_and_what_follows_is_whole() {
    let limits = Limits {
        event_bytes_max: 2 << 20,
        payload_bytes_held: 1 << 20,
    };
    let large = event(TRANSACTION_PAYLOAD, (20 << 20) + 7);
    let held = event(TRANSACTION_PAYLOAD, 1 << 20);
    let mut server = Server::new();
    server.event(&large);
    server.event(&held);
    let mut events = server.events(limits, 1 << 20).await;
    let (seen, parts, error) = read_all(&mut events).await;
    assert!(matches!(error, Error::Closed), "{error}");
    assert!(seen == [large, held].concat());
    assert_eq!(parts, 81);
}

#[tokio::test]
async fn an_event_above_the_limit_is_refused_before_it_is_read() {
    for length in [100, 300 << 10, 17 << 20] {
        let limits = Limits {
            event_bytes_max: length - 1,
            ..LIMITS
        };
        let mut server = Server::new();
        server.event(&event(WRITE_ROWS, length));
        server.bytes.truncate(64 << 10);
        let mut events = server.events(limits, 1 << 20).await;
        let mut chunk = BytesMut::new();
        let error = events.next(&mut chunk).await.expect_err("too large");
        assert!(matches!(error, Error::EventTooLarge { bytes, .. } if bytes == length));
        assert!(chunk.capacity() < length.max(1000), "{}", chunk.capacity());
    }
}

#[tokio::test]
async fn an_event_that_is_shorter_or_longer_than_its_packets_is_torn() {
    for length in [60, 400 << 10, 20 << 20] {
        for wrong in [length - 1, length + 1] {
            let mut bytes = event(WRITE_ROWS, length);
            bytes[9..13].copy_from_slice(&(wrong as u32).to_le_bytes());
            let mut server = Server::new();
            server.event(&bytes);
            let mut events = server.events(LIMITS, 1 << 20).await;
            let (_, _, error) = read_all(&mut events).await;
            assert!(
                matches!(error, Error::Torn { .. }),
                "{length} {wrong}: {error}"
            );
        }
    }
}

#[tokio::test]
async fn errors_ends_and_slips_are_told_apart() {
    let mut server = Server::new();
    server.packet(b"\xff\xd4\x04#HY000could not find next log");
    let (_, _, error) = read_all(&mut server.events(LIMITS, 7).await).await;
    assert!(
        matches!(error, Error::Server(ref said) if said.number == 1236),
        "{error}"
    );

    let mut server = Server::new();
    server.event(&event(WRITE_ROWS, 30));
    server.packet(b"\xfe\0\0\x02\0");
    let mut events = server.events(LIMITS, 7).await;
    let mut chunk = BytesMut::new();
    assert!(matches!(events.next(&mut chunk).await, Ok(Taken::Event)));
    assert!(matches!(events.next(&mut chunk).await, Ok(Taken::End)));

    let mut server = Server::new();
    server.sequence = 3;
    server.event(&event(WRITE_ROWS, 30));
    let (_, _, error) = read_all(&mut server.events(LIMITS, 7).await).await;
    let expected = "packet 3 instead of 1";
    assert_eq!(error.to_string(), expected);

    for body in [&b"\x07what"[..], b"", b"\0short"] {
        let mut server = Server::new();
        server.packet(body);
        let (_, _, error) = read_all(&mut server.events(LIMITS, 7).await).await;
        assert!(matches!(error, Error::Unexpected(_)), "{error}");
    }
}

#[tokio::test]
async fn what_has_come_is_given_without_waiting_and_half_an_event_is_not() {
    let (ours, mut theirs) = tokio::io::duplex(1 << 20);
    let mut packets = Packets::over(Box::new(ours), Duration::from_secs(20));
    packets.command(&[0x12]).await.expect("sent");
    let mut events = Events::of(packets, LIMITS);
    let mut server = Server::new();
    for _ in 0..3 {
        server.event(&event(WRITE_ROWS, 100));
    }
    let half = server.bytes.len() - 50;
    theirs
        .write_all(&server.bytes[..half])
        .await
        .expect("written");
    let mut chunk = BytesMut::new();
    assert_eq!(events.next(&mut chunk).await.ok(), Some(Taken::Event));
    assert_eq!(events.ready(&mut chunk).ok(), Some(Ready::Event));
    assert_eq!(events.ready(&mut chunk).ok(), Some(Ready::Later));
    assert_eq!(chunk.len(), 200);
    theirs
        .write_all(&server.bytes[half..])
        .await
        .expect("written");
    assert_eq!(events.ready(&mut chunk).ok(), Some(Ready::Event));
    assert_eq!(chunk.len(), 300);
}

#[tokio::test(start_paused = true)]
async fn silence_ends_a_wait_but_not_what_comes_slowly() {
    let (ours, mut theirs) = tokio::io::duplex(1 << 20);
    let mut packets = Packets::over(Box::new(ours), Duration::from_secs(10));
    packets.command(&[0x12]).await.expect("sent");
    let mut events = Events::of(packets, LIMITS);
    let mut server = Server::new();
    server.event(&event(WRITE_ROWS, 400 << 10));
    let writer = tokio::spawn(async move {
        for piece in server.bytes.chunks(100 << 10) {
            tokio::time::sleep(Duration::from_secs(9)).await;
            theirs.write_all(piece).await.expect("written");
        }
        theirs
    });
    let mut chunk = BytesMut::new();
    assert_eq!(events.next(&mut chunk).await.ok(), Some(Taken::Event));
    let _open = writer.await.expect("written");
    let error = events.next(&mut chunk).await.expect_err("nothing comes");
    assert!(matches!(error, Error::Silent(_)), "{error}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn any_cut_of_any_events_gives_their_bytes(
        lengths in prop::collection::vec(prop_oneof![4 => 19usize..3000, 1 => 100_000usize..400_000], 1..12),
        kinds in prop::collection::vec(prop::sample::select(vec![WRITE_ROWS, TRANSACTION_PAYLOAD]), 12),
        piece_bytes in prop_oneof![500usize..5000, 60_000usize..300_000],
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        runtime.block_on(async {
            let limits = Limits { payload_bytes_held: 200_000, ..LIMITS };
            let sent: Vec<_> = lengths.iter().zip(&kinds).map(|(length, kind)| event(*kind, *length)).collect();
            let mut server = Server::new();
            for event in &sent {
                server.event(event);
            }
            let (seen, _, error) = read_all(&mut server.events(limits, piece_bytes).await).await;
            assert!(matches!(error, Error::Closed), "{error}");
            assert!(seen == sent.concat());
        });
    }

    #[test]
    fn no_bytes_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        runtime.block_on(async {
            let server = Server { bytes, sequence: 1 };
            read_all(&mut server.events(LIMITS, 50).await).await;
        });
    }
}

#[tokio::test]
async fn a_damaged_length_is_noticed_before_all_of_it_has_come() {
    // Low, middle and high byte of the packet's length, then of the event's.
    for (index, bit) in [(0, 7), (1, 6), (2, 0), (HEAD_BYTES + 1 + 10, 5)] {
        let mut server = Server::new();
        server.event(&event(WRITE_ROWS, 80));
        server.event(&event(WRITE_ROWS, 80));
        server.bytes[index] ^= 1 << bit;
        let mut events = server.events(LIMITS, 1 << 20).await;
        let (all, _, error) = read_all(&mut events).await;
        assert!(matches!(error, Error::Torn { .. }), "{index}: {error}");
        assert!(all.is_empty(), "{index}");
    }
}
