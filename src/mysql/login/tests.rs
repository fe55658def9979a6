//! Logins that no server at hand asks for: old servers, other plugins, servers that misbehave.

use std::time::Duration;

use headwater_actors::failure::{Code, Failure};
use mysql_common::scramble::scramble_native;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};

use super::*;
use crate::{
    mysql::{
        failure::failure,
        options::{Host, StartPlan, TlsPlan, UnnamedColumns},
    },
    password::Password,
};

const NONCE: &[u8; 20] = b"12345678901234567890";

fn plan() -> SourcePlan {
    SourcePlan {
        hosts: vec![Host {
            name: "db".into(),
            port: 3306,
        }],
        user: "ann".into(),
        password: Password::known("source.url", Secret::new("let-it-flow")),
        aws: Default::default(),
        tls: TlsPlan {
            mode: TlsMode::Preferred,
            ca_file: None,
            client: None,
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
    let keys = Keys::with(plan, Secret::new("let-it-flow")).expect("keys");
    let outcome = login(Box::new(ours), plan, keys, "db").await;
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
    let switch = [b"\xfesha256_password\0", &NONCE[..], b"\0"].concat();
    for asked in [vec![1, 4], switch] {
        let hello = greeting("8.0.36", flags(), "caching_sha2_password\0");
        let key = b"\x01-----BEGIN PUBLIC KEY-----".to_vec();
        let (outcome, said) = log_in(vec![hello, asked, key]).await;
        assert!(matches!(outcome, Err(Error::PasswordAsked)));
        assert_eq!(said.len(), 1, "the answer to the greeting alone");
    }
}

#[tokio::test]
async fn a_server_whose_default_is_sha256_password_first_gets_a_hash() {
    let hello = greeting("8.0.36", flags(), "sha256_password\0");
    let (outcome, said) = log_in(vec![hello, OK.to_vec()]).await;
    outcome.expect("logged in");
    let native = [&[20], native(NONCE).as_slice(), b"mysql_native_password\0"].concat();
    assert!(said[0].ends_with(&native));
}

#[tokio::test]
async fn a_server_that_offers_a_key_that_is_none_does_not_get_the_password() {
    let switch = [b"\xfesha256_password\0", &NONCE[..], b"\0"].concat();
    for (asked, request) in [(vec![1, 4], 2), (switch, 1)] {
        for key in [
            &b"\x01no key"[..],
            b"\x01",
            b"\x02-----BEGIN PUBLIC KEY-----",
        ] {
            let hello = greeting("8.0.36", flags(), "caching_sha2_password\0");
            let answers = vec![hello, asked.clone(), key.to_vec()];
            let mut plan = plan();
            plan.tls.allow_public_key_retrieval = true;
            let (outcome, said) = log_in_by(&plan, answers).await;
            assert!(matches!(outcome, Err(Error::Unexpected(_))));
            assert_eq!(said.last(), Some(&vec![request]));
        }
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

/// What a user reads of a login that ends so.
async fn told(mode: TlsMode, answers: Vec<Vec<u8>>) -> Failure {
    let mut plan = plan();
    plan.tls.mode = mode;
    let (outcome, _) = log_in_by(&plan, answers).await;
    failure("connect", "ann", outcome.expect_err("refused"))
}

#[tokio::test]
async fn a_refused_password_is_told_with_what_the_connection_lacked() {
    let hello = greeting("8.0.36", flags(), "caching_sha2_password\0");
    let denied = b"\xff\x15\x04#28000Access denied for user 'ann'@'db'".to_vec();
    let failure = told(TlsMode::Disabled, vec![hello, denied]).await;
    assert!(failure.is_definite() && failure.is_mysql(1045), "{failure}");
    let hint = failure.hint.expect("a hint");
    assert!(
        hint.contains("from source.url") && hint.contains("REQUIRE SSL"),
        "{hint}"
    );
}

/// Reads the request for TLS and the client's first words, and says `answer`.
async fn serve_tls(mut wire: DuplexStream, answer: Vec<u8>) {
    let flags = flags() | CapabilityFlags::CLIENT_SSL;
    let hello = greeting("5.6.51", flags, "mysql_native_password\0");
    let mut packet = vec![hello.len() as u8, 0, 0, 0];
    packet.extend(hello);
    wire.write_all(&packet).await.expect("written");
    let mut request = [0; 4 + 32];
    wire.read_exact(&mut request).await.expect("a request");
    let mut head = [0; 5];
    wire.read_exact(&mut head).await.expect("a record");
    let mut record = vec![0; usize::from(u16::from_be_bytes([head[3], head[4]]))];
    wire.read_exact(&mut record).await.expect("a hello");
    wire.write_all(&answer).await.expect("written");
    wire.shutdown().await.expect("shut");
    // Until the client has gone.
    while wire.read(&mut record).await.is_ok_and(|bytes| bytes > 0) {}
}

async fn tls_told(answer: Vec<u8>) -> Failure {
    let (ours, theirs) = tokio::io::duplex(1 << 16);
    let server = tokio::spawn(serve_tls(theirs, answer));
    let plan = plan();
    let keys = Keys::with(&plan, Secret::new("let-it-flow")).expect("keys");
    let outcome = login(Box::new(ours), &plan, keys, "db").await;
    let told = failure("connect", "ann", outcome.map(drop).expect_err("refused"));
    server.await.expect("no panic");
    told
}

/// A fatal alert in a record of TLS 1.0.
fn alert(description: u8) -> Vec<u8> {
    vec![0x15, 3, 1, 0, 2, 2, description]
}

#[tokio::test]
async fn a_server_with_nothing_but_old_tls_is_definite_and_told_as_such() {
    // TLS 1.1 with RSA for the exchange of keys, as MySQL 5.6 with yaSSL answers.
    let mut hello = vec![2, 0, 0, 38, 3, 2];
    hello.extend([7; 32]);
    hello.extend([0, 0, 0x2f, 0]);
    let mut record = vec![0x16, 3, 2, 0, hello.len() as u8];
    record.extend(hello);
    const PROTOCOL_VERSION: u8 = 70;
    const HANDSHAKE_FAILURE: u8 = 40;
    for answer in [alert(PROTOCOL_VERSION), alert(HANDSHAKE_FAILURE), record] {
        let failure = tls_told(answer).await;
        assert!(failure.is_definite(), "{failure}");
        let hint = failure.hint.expect("a hint");
        for word in ["TLS 1.2", "1.3", "upgrade", "\"disabled\""] {
            assert!(hint.contains(word), "{hint}");
        }
    }
}

#[tokio::test]
async fn a_server_that_only_breaks_off_may_be_tried_again_and_says_what_it_may_be() {
    let failure = tls_told(Vec::new()).await;
    assert!(!failure.is_definite(), "{failure}");
    assert!(failure.hint.is_some_and(|hint| hint.contains("TLS 1.2")));
}

#[tokio::test]
async fn a_client_certificate_that_is_not_taken_is_told_as_ours() {
    const UNKNOWN_CA: u8 = 48;
    let failure = tls_told(alert(UNKNOWN_CA)).await;
    assert!(failure.is_definite() && failure.code == Some(Code::Certificate));
    assert!(
        failure
            .hint
            .is_some_and(|hint| hint.contains("source.tls.cert_file"))
    );
}
