//! Answers of servers that keep to the protocol, and of some that do not.

use std::time::Duration;

use proptest::prelude::*;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::*;
use crate::mysql::packets::{BUFFER_BYTES, PACKET_BYTES_MAX};

const END: &[u8] = &[0xfe, 0, 0, 2, 0];
const OK_AS_END: &[u8] = &[0xfe, 0, 0, 2, 0, 0, 0, 3, b'i', b'n', b'f'];
const PREPARED: &[u8] = &[0, 7, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0];
const ROW_BYTES_MAX: usize = 40 << 20;

fn packet(sequence: u8, body: &[u8]) -> Vec<u8> {
    let mut packet = (body.len() as u32).to_le_bytes()[..3].to_vec();
    packet.push(sequence);
    packet.extend(body);
    packet
}

/// One exchange. A body that fills a packet goes on in the next one.
fn exchange(bodies: &[&[u8]]) -> Vec<u8> {
    let mut sequence = 0_u8;
    let mut bytes = Vec::new();
    for body in bodies {
        let mut rest = *body;
        loop {
            let (part, behind) = rest.split_at(rest.len().min(PACKET_BYTES_MAX));
            sequence = sequence.wrapping_add(1);
            bytes.extend(packet(sequence, part));
            rest = behind;
            if part.len() < PACKET_BYTES_MAX {
                break;
            }
        }
    }
    bytes
}

fn column(type_byte: u8, flags: u16) -> Vec<u8> {
    let mut definition = Vec::new();
    for name in ["def", "d", "t", "t", "c", "c"] {
        definition.push(name.len() as u8);
        definition.extend(name.as_bytes());
    }
    definition.extend([12, 63, 0, 20, 0, 0, 0, type_byte]);
    definition.extend(flags.to_le_bytes());
    definition.extend([0, 0, 0]);
    definition
}

/// The answers to preparing, and to running with these packets behind the definitions.
fn answers(rows: &[&[u8]]) -> Vec<u8> {
    let column = column(8, 32);
    let prepared = exchange(&[PREPARED, &column, END]);
    let head: [&[u8]; 3] = [&[1], &column, END];
    let run = exchange(&[&head[..], rows].concat());
    [prepared, run].concat()
}

struct Asked {
    rows: Vec<Vec<u8>>,
    end: Result<RowsEnd, Error>,
    heard: Vec<u8>,
}

async fn asked(said: Vec<u8>, enough: usize) -> Asked {
    let (ours, mut theirs) = tokio::io::duplex(1 << 20);
    let server = tokio::spawn(async move {
        let (mut input, mut output) = tokio::io::split(&mut theirs);
        let mut heard = Vec::new();
        let say = async {
            // Whoever has had enough does not listen to the end.
            if output.write_all(&said).await.is_ok() {
                output.shutdown().await.expect("shut");
            }
        };
        let hear = async {
            input.read_to_end(&mut heard).await.expect("heard");
        };
        tokio::join!(say, hear);
        heard
    });
    let mut packets = Packets::over(Box::new(ours), Duration::from_secs(20));
    let mut rows = Vec::new();
    let end = async {
        let statement = prepare(&mut packets, "SELECT 1").await?;
        let end = execute(&mut packets, &statement, ROW_BYTES_MAX, |row| {
            rows.push(row.to_vec());
            Ok::<_, Error>(match rows.len() < enough {
                true => Wanted::More,
                false => Wanted::Enough,
            })
        })
        .await;
        close(&mut packets, statement).await?;
        end
    }
    .await;
    drop(packets);
    Asked {
        rows,
        end,
        heard: server.await.expect("no panic"),
    }
}

fn row(fill: u8, bytes: usize) -> Vec<u8> {
    let mut row = vec![fill; bytes];
    row[0] = 0;
    row
}

#[tokio::test]
async fn rows_come_as_they_are_whatever_their_size_and_the_statement_is_closed() {
    let rows: Vec<Vec<u8>> = [
        10,
        BUFFER_BYTES - HEAD_BYTES,
        BUFFER_BYTES - HEAD_BYTES + 1,
        2,
        PACKET_BYTES_MAX,
        PACKET_BYTES_MAX + 5,
        100,
    ]
    .iter()
    .zip(1..)
    .map(|(bytes, fill)| row(fill, *bytes))
    .collect();
    for end in [END, OK_AS_END] {
        let mut sent: Vec<&[u8]> = rows.iter().map(Vec::as_slice).collect();
        sent.push(end);
        let asked = asked(answers(&sent), usize::MAX).await;
        assert_eq!(asked.end.expect("rows"), RowsEnd::All);
        assert!(asked.rows == rows, "the rows differ");
        let said = [
            packet(0, b"\x16SELECT 1"),
            packet(0, &[0x17, 7, 0, 0, 0, 0, 1, 0, 0, 0]),
            packet(0, &[0x19, 7, 0, 0, 0]),
        ];
        assert_eq!(asked.heard, said.concat());
    }
}

#[tokio::test]
async fn what_is_behind_the_last_wanted_row_is_dropped_and_a_long_rest_is_left() {
    let small = row(1, 100);
    let few = [small.as_slice(), &small, &small, END];
    let took = asked(answers(&few), 1).await;
    assert_eq!(
        (took.rows.len(), took.end.expect("rows")),
        (1, RowsEnd::Dropped)
    );
    let exactly = asked(answers(&few), 3).await;
    assert_eq!(
        (exactly.rows.len(), exactly.end.expect("rows")),
        (3, RowsEnd::All)
    );
    let large = row(1, 1 << 20);
    let many = vec![large.as_slice(); 8];
    let left = asked(answers(&many), 1).await;
    assert_eq!(
        (left.rows.len(), left.end.expect("rows")),
        (1, RowsEnd::Left)
    );
}

#[tokio::test]
async fn an_error_in_the_middle_of_the_rows_is_the_servers_word() {
    let row = row(1, 20);
    let killed = b"\xff\x25\x05#70100Query execution was interrupted";
    let asked = asked(answers(&[&row, &row, killed]), usize::MAX).await;
    assert_eq!(asked.rows.len(), 2);
    match asked.end {
        Err(Error::Server(error)) => assert_eq!(error.number, 1317),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_row_above_the_limit_and_what_is_no_row_are_errors() {
    let large = row(1, ROW_BYTES_MAX + 1);
    let end = asked(answers(&[&large, END]), usize::MAX).await.end;
    assert!(
        matches!(end, Err(Error::RowTooLarge(ROW_BYTES_MAX))),
        "{end:?}"
    );
    for odd in [&[1, 2, 3][..], &[], &[0xfb]] {
        let end = asked(answers(&[odd, END]), usize::MAX).await.end;
        assert!(matches!(end, Err(Error::Unexpected(_))), "{odd:?}: {end:?}");
    }
}

#[tokio::test]
async fn answers_that_are_no_answers_are_refused_before_memory_is_taken() {
    let column = column(8, 0);
    let bodies: [&[&[u8]]; 6] = [
        &[&[1, 7, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0]],
        // With a parameter that is not told, without columns, cut short.
        &[&[0, 7, 0, 0, 0, 1, 0, 1, 0, 0, 0, 0], END],
        &[&[0, 7, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]],
        &[&[0, 7, 0, 0, 0]],
        &[PREPARED, &column[..20], END],
        &[PREPARED, &column, &column],
    ];
    for body in bodies {
        let end = asked(exchange(body), usize::MAX).await.end;
        assert!(
            matches!(end, Err(Error::Unexpected(_))),
            "{body:?}: {end:?}"
        );
    }
    let prepared = exchange(&[PREPARED, &column, END]);
    // Other columns than were prepared.
    let run = exchange(&[&[2], &column, &column, END, END]);
    let end = asked([prepared, run].concat(), usize::MAX).await.end;
    assert!(matches!(end, Err(Error::Unexpected(_))), "{end:?}");
}

#[test]
fn a_definition_says_type_and_sign() {
    let read = |flags| definition(&column(3, flags));
    let expected = |is_unsigned| {
        Some(ColumnDefinition {
            type_byte: 3,
            is_unsigned,
        })
    };
    assert_eq!(read(32), expected(true));
    assert_eq!(read(1), expected(false));
}

proptest! {
    #[test]
    fn any_bytes_are_a_definition_or_none(bytes: Vec<u8>) {
        definition(&bytes);
    }

    #[test]
    fn any_answer_ends(bodies in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..40), 0..8)) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let bodies: Vec<&[u8]> = bodies.iter().map(Vec::as_slice).collect();
        let column = column(8, 0);
        let begins: [&[&[u8]]; 2] = [&[], &[PREPARED, &column, END]];
        for begin in begins {
            let said = [exchange(begin), exchange(&bodies)].concat();
            let outcome = runtime.as_ref().expect("a runtime").block_on(asked(said, 2));
            prop_assert!(outcome.rows.len() <= 2);
        }
    }
}
