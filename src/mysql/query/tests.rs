//! Answers of servers that keep to the protocol, and of some that do not.

use std::time::Duration;

use proptest::prelude::*;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};

use super::*;

fn packet(sequence: u8, body: &[u8]) -> Vec<u8> {
    let mut packet = (body.len() as u32).to_le_bytes()[..3].to_vec();
    packet.push(sequence);
    packet.extend(body);
    packet
}

fn packets(bodies: &[&[u8]]) -> Vec<u8> {
    let bodies = bodies.iter().zip(1..);
    bodies
        .flat_map(|(body, sequence)| packet(sequence, body))
        .collect()
}

fn text(value: &str) -> Vec<u8> {
    [&[value.len() as u8], value.as_bytes()].concat()
}

fn definition(name: &str) -> Vec<u8> {
    [
        text("def"),
        text("d"),
        text("t"),
        text("t"),
        text(name),
        text(name),
    ]
    .concat()
}

const END: &[u8] = &[0xfe, 0, 0, 2, 0];

/// What a statement gives on which the server says `said`, and how it said it: the statement.
async fn asked(sql: &str, said: Vec<u8>) -> (Result<Answer, Error>, Vec<u8>) {
    let (ours, mut theirs) = tokio::io::duplex(1 << 20);
    let server = tokio::spawn(async move {
        theirs.write_all(&said).await.expect("written");
        theirs.shutdown().await.expect("shut");
        let mut heard = Vec::new();
        theirs.read_to_end(&mut heard).await.expect("heard");
        heard
    });
    let mut packets = Packets::over(Box::new(ours), Duration::from_secs(20));
    let answer = query(&mut packets, sql).await;
    drop(packets);
    (answer, server.await.expect("no panic"))
}

#[tokio::test]
async fn rows_come_with_their_columns_and_null_is_not_an_empty_text() {
    let row = [text("ann"), vec![0xfb], text("")].concat();
    let definitions = ["a", "b", "c"].map(definition);
    let [a, b, c] = &definitions;
    let said = packets(&[&[3], a, b, c, END, &row, END]);
    let (answer, heard) = asked("SELECT 1", said).await;
    let answer = answer.expect("an answer");
    assert_eq!(answer.columns, ["a", "b", "c"]);
    let values: Vec<_> = answer.rows[0].values().collect();
    assert_eq!(values, [Some(&b"ann"[..]), None, Some(b"")]);
    assert_eq!(heard, packet(0, b"\x03SELECT 1"));
}

#[tokio::test]
async fn a_statement_without_rows_says_how_many_it_changed() {
    let (answer, _) = asked("UPDATE", packets(&[&[0, 0xfc, 1, 1, 0, 2, 0, 0, 0]])).await;
    let answer = answer.expect("an answer");
    assert_eq!((answer.changed, answer.rows.len()), (257, 0));
}

#[tokio::test]
async fn an_error_in_the_middle_of_rows_is_the_answer() {
    let a = definition("a");
    let said = packets(&[&[1], &a, END, &text("x"), b"\xff\x25\x05#70100interrupted"]);
    let (answer, _) = asked("SELECT", said).await;
    assert!(matches!(answer, Err(Error::Server(said)) if said.number == 1317));
}

#[tokio::test]
async fn an_answer_that_is_none_is_refused() {
    let a = definition("a");
    for said in [
        // A file of ours.
        packets(&[b"\xfb/etc/passwd"]),
        // More columns than there can be, before memory is taken for them.
        packets(&[&[0xfe, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f]]),
        packets(&[&[0xfc, 1, 0x10]]),
        // A definition without a name.
        packets(&[&[1], &text("def"), END]),
        // A name longer than any.
        packets(&[
            &[1],
            &[&text("").repeat(4)[..], &[0xfc, 0, 0x10], &[b'x'; 0x1000]].concat(),
            END,
        ]),
        // Rows of another length.
        packets(&[&[1], &a, END, &text("x").repeat(2), END]),
        packets(&[&[1], &a, END, &[5, b'x'], END]),
        packets(&[&[1], &a, &text("no end"), END]),
    ] {
        let (answer, _) = asked("SELECT", said).await;
        assert!(matches!(answer, Err(Error::Unexpected(_))), "{answer:?}");
    }
}

/// Rows without end.
async fn flood(mut wire: DuplexStream) {
    let rows: Vec<u8> = (0..=255)
        .flat_map(|sequence| packet(sequence, &text(&"x".repeat(200))))
        .collect();
    let head = [
        packets(&[&[1], &definition("a"), END]),
        packet(4, &text("x")),
    ]
    .concat();
    if wire.write_all(&head).await.is_err() {
        return;
    }
    // The next row's number is 5.
    let from = 5 * (rows.len() / 256);
    let rows = [&rows[from..], &rows[..from]].concat();
    while wire.write_all(&rows).await.is_ok() {}
}

#[tokio::test]
async fn an_answer_that_never_ends_is_given_up_at_the_limit() {
    let (ours, theirs) = tokio::io::duplex(1 << 20);
    let server = tokio::spawn(flood(theirs));
    let mut packets = Packets::over(Box::new(ours), Duration::from_secs(60));
    let answer = query(&mut packets, "SELECT").await;
    assert!(
        matches!(answer, Err(Error::AnswerTooLarge(_))),
        "{answer:?}"
    );
    drop(packets);
    server.await.expect("no panic");
}

#[tokio::test]
async fn a_statement_longer_than_a_packet_goes_over_several() {
    let sql = "x".repeat(super::super::packets::PACKET_BYTES_MAX);
    let (ours, mut theirs) = tokio::io::duplex(1 << 20);
    let server = tokio::spawn(async move {
        let mut lengths = Vec::new();
        for _ in 0..2 {
            let mut head = [0; 4];
            theirs.read_exact(&mut head).await.expect("a head");
            let length = u32::from_le_bytes([head[0], head[1], head[2], 0]);
            let mut body = vec![0; length as usize];
            theirs.read_exact(&mut body).await.expect("a body");
            lengths.push((length, head[3]));
        }
        let ok = packet(2, &[0, 0, 0, 2, 0, 0, 0]);
        theirs.write_all(&ok).await.expect("written");
        lengths
    });
    let mut packets = Packets::over(Box::new(ours), Duration::from_secs(60));
    query(&mut packets, &sql).await.expect("an answer");
    assert_eq!(server.await.expect("no panic"), [(0xff_ffff, 0), (1, 1)]);
}

#[test]
fn a_literal_has_nothing_that_a_server_could_read_in_another_way() {
    assert_eq!(text_literal("a'\\"), "_utf8mb4 x'61275c'");
    assert_eq!(bytes_literal(&[]), "x''");
}

proptest! {
    #[test]
    fn any_bytes_are_a_row_or_none(bytes: Vec<u8>, columns in 0usize..5) {
        if let Some(row) = Row::of(bytes, columns) {
            prop_assert_eq!(row.values().count(), columns);
            prop_assert_eq!(row.bytes(columns), None);
        }
    }
}
