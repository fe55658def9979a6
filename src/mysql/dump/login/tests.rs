//! Logins that no server at hand asks for: old servers, other plugins, servers that misbehave.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};

use super::*;
use crate::mysql::options::{Host, StartPlan, TlsPlan, UnnamedColumns};

const NONCE: &[u8; 20] = b"12345678901234567890";

fn plan() -> SourcePlan {
    SourcePlan {
        hosts: vec![Host {
            name: "db".into(),
            port: 3306,
        }],
        user: "ann".into(),
        password: Secret::new("let-it-flow"),
        tls: TlsPlan {
            mode: TlsMode::Preferred,
            ca_file: None,
            allow_public_key_retrieval: false,
        },
        start: StartPlan::Now,
        server_id: 0,
        event_bytes_max: 1 << 20,
        connect_timeout: Duration::from_secs(20),
        heartbeat: Duration::from_secs(1),
        read_timeout: Duration::from_secs(5),
        catch_up: Duration::ZERO,
        name_case: None,
        unnamed_columns: UnnamedColumns::Refuse,
        xa: Default::default(),
    }
}

fn greeting(version: &str, flags: CapabilityFlags, plugin: &str) -> Vec<u8> {
    let [low, high] = [flags.bits() as u16, (flags.bits() >> 16) as u16].map(u16::to_le_bytes);
    let mut packet = vec![10];
    packet.extend(version.as_bytes());
    packet.extend([0, 7, 0, 0, 0]);
    packet.extend(&NONCE[..8]);
    packet.push(0);
    packet.extend(low);
    packet.extend([8, 2, 0]);
    packet.extend(high);
    packet.push(21);
    packet.extend([0; 10]);
    packet.extend(&NONCE[8..]);
    packet.push(0);
    packet.extend(plugin.as_bytes());
    packet
}

fn flags() -> CapabilityFlags {
    CapabilityFlags::CLIENT_PROTOCOL_41
        | CapabilityFlags::CLIENT_SECURE_CONNECTION
        | CapabilityFlags::CLIENT_PLUGIN_AUTH
}

/// Answers each packet of the client in turn; gives what the client said.
async fn serve(mut wire: DuplexStream, answers: Vec<Vec<u8>>) -> Vec<Vec<u8>> {
    let (mut said, mut sequence) = (Vec::new(), 0);
    for (index, answer) in answers.iter().enumerate() {
        if index > 0 {
            let mut head = [0; 4];
            if wire.read_exact(&mut head).await.is_err() {
                break;
            }
            assert_eq!(head[3], sequence, "the client's sequence number");
            let mut body = vec![0; usize::from(head[0]) | usize::from(head[1]) << 8];
            wire.read_exact(&mut body).await.expect("a body");
            said.push(body);
            sequence += 1;
        }
        let mut packet = (answer.len() as u32).to_le_bytes()[..3].to_vec();
        packet.push(sequence);
        packet.extend(answer);
        wire.write_all(&packet).await.expect("written");
        sequence += 1;
    }
    said
}

async fn log_in(answers: Vec<Vec<u8>>) -> (Result<ServerVersion, Error>, Vec<Vec<u8>>) {
    log_in_by(&plan(), answers).await
}

async fn log_in_by(
    plan: &SourcePlan,
    answers: Vec<Vec<u8>>,
) -> (Result<ServerVersion, Error>, Vec<Vec<u8>>) {
    let (ours, theirs) = tokio::io::duplex(1 << 16);
    let server = tokio::spawn(serve(theirs, answers));
    let outcome = login(Box::new(ours), plan, "db").await;
    let outcome = outcome.map(|(_, version)| version);
    (outcome, server.await.expect("no panic"))
}

const OK: &[u8] = &[0, 0, 0, 2, 0, 0, 0];

fn native(nonce: &[u8]) -> Vec<u8> {
    scramble_native(nonce, b"let-it-flow")
        .expect("a password")
        .to_vec()
}

#[tokio::test]
async fn an_old_server_that_knows_no_plugins_gets_the_native_hash_and_no_plugin_name() {
    let mut old = flags();
    old.remove(CapabilityFlags::CLIENT_PLUGIN_AUTH);
    let hello = greeting("5.5.3-log", old, "");
    let (outcome, said) = log_in(vec![hello, OK.to_vec()]).await;
    assert_eq!(outcome.expect("logged in").number, (5, 5, 3));
    let answer = &said[0];
    assert!(answer.ends_with(&[&[20], native(NONCE).as_slice()].concat()));
    let sent = CapabilityFlags::from_bits_truncate(u32::from_le_bytes([
        answer[0], answer[1], answer[2], answer[3],
    ]));
    assert!(!sent.contains(CapabilityFlags::CLIENT_PLUGIN_AUTH));
}

#[tokio::test]
async fn a_switch_to_the_native_password_answers_with_the_new_nonce() {
    let hello = greeting("5.5.5-10.11.6-MariaDB", flags(), "caching_sha2_password\0");
    let other = b"abcdefghijklmnopqrst";
    let request = [b"\xfemysql_native_password\0", &other[..], b"\0"].concat();
    let (outcome, said) = log_in(vec![hello, request, OK.to_vec()]).await;
    assert!(outcome.expect("logged in").is_mariadb);
    assert_eq!(said[1], native(other));
}

#[tokio::test]
async fn plugins_that_would_give_the_password_away_are_refused() {
    for (request, expected) in [
        (&b"\xfemysql_clear_password\0"[..], "clear text"),
        (&b"\xfeclient_ed25519\0nonce"[..], "client_ed25519"),
        (&b"\xfe"[..], "mysql_old_password"),
    ] {
        let hello = greeting("8.0.36", flags(), "caching_sha2_password\0");
        let (outcome, said) = log_in(vec![hello, request.to_vec()]).await;
        let error = outcome.expect_err("refused");
        assert!(error.to_string().contains(expected), "{error}");
        assert_eq!(said.len(), 1);
    }
}

#[tokio::test]
async fn without_tls_a_peer_that_asks_for_the_password_is_not_even_asked_for_its_key() {
    let hello = greeting("8.0.36", flags(), "caching_sha2_password\0");
    let answers = vec![
        hello,
        vec![1, 4],
        b"\x01-----BEGIN PUBLIC KEY-----".to_vec(),
    ];
    let (outcome, said) = log_in(answers).await;
    assert!(matches!(outcome, Err(Error::PasswordAsked)));
    assert_eq!(said.len(), 1, "the answer to the greeting alone");
}

#[tokio::test]
async fn a_server_that_offers_a_key_that_is_none_does_not_get_the_password() {
    for key in [
        &b"\x01no key"[..],
        b"\x01",
        b"\x02-----BEGIN PUBLIC KEY-----",
    ] {
        let hello = greeting("8.0.36", flags(), "caching_sha2_password\0");
        let answers = vec![hello, vec![1, 4], key.to_vec()];
        let mut plan = plan();
        plan.tls.allow_public_key_retrieval = true;
        let (outcome, said) = log_in_by(&plan, answers).await;
        assert!(matches!(outcome, Err(Error::Unexpected(_))));
        assert_eq!(said.last(), Some(&vec![2]));
    }
}

#[tokio::test]
async fn full_hosts_and_endless_switches_end_the_login() {
    let refusal = b"\xff\x10\x04Too many connections".to_vec();
    let (outcome, _) = log_in(vec![refusal]).await;
    assert!(matches!(outcome, Err(Error::Server(said)) if said.number == 1040));
    let hello = greeting("8.0.36", flags(), "caching_sha2_password\0");
    let switch = [b"\xfemysql_native_password\0", &NONCE[..], b"\0"].concat();
    let (outcome, _) = log_in(vec![hello, switch.clone(), switch]).await;
    assert!(matches!(outcome, Err(Error::Unexpected(_))));
}
