//! A plan for a test's server, and a reader that checks every event it gets.

use std::{
    path::PathBuf,
    time::{Duration, Instant},
};

use bytes::{Bytes, BytesMut};
use headwater::{
    mysql::{
        Host, Identity, MySqlSource, SourcePlan, Start, StartPlan, TlsMode, TlsPlan,
        UnnamedColumns, resolve_start,
    },
    password::Password,
    secret::Secret,
};
use headwater_actors::{
    failure::Failure,
    ports::source::{EventStream, Read, Source},
    progress::Resume,
};
use headwater_binlog::event::{EventHeader, EventKind, FLAG_IN_USE, Framing};
use headwater_harness::mysql::{MySql, PASSWORD, USER};

/// Longer than any wait of a healthy test.
pub const WAIT_MAX: Duration = Duration::from_secs(20);

pub fn plan(server: &MySql) -> SourcePlan {
    SourcePlan {
        hosts: vec![host(server)],
        user: USER.into(),
        password: Password::known("source.url", Secret::new(PASSWORD)),
        aws: Default::default(),
        tls: tls(TlsMode::Preferred, None),
        start: StartPlan::Now,
        server_id: 0,
        event_bytes_max: 128 << 20,
        connect_timeout: Duration::from_secs(10),
        heartbeat: Duration::from_millis(100),
        read_timeout: Duration::from_secs(1),
        catch_up: Duration::ZERO,
        name_case: None,
        unnamed_columns: UnnamedColumns::Refuse,
        xa: Default::default(),
    }
}

pub fn host(server: &MySql) -> Host {
    Host {
        name: "127.0.0.1".into(),
        port: server.port(),
    }
}

pub fn tls(mode: TlsMode, ca_file: Option<PathBuf>) -> TlsPlan {
    TlsPlan {
        mode,
        ca_file,
        client: None,
        allow_public_key_retrieval: false,
    }
}

pub fn identity(start: &Start) -> Identity {
    Identity {
        name: "test".into(),
        server_id: 4_000_000_001,
        server_uuid: start.home.server_uuid,
    }
}

/// The definite failure that an outcome must be.
pub fn definite<T>(outcome: Result<T, Failure>) -> Failure {
    let failure = outcome.err().expect("a failure");
    assert!(failure.is_definite(), "transient: {failure}");
    assert!(failure.hint.is_some(), "no hint: {failure}");
    assert!(!failure.to_string().contains(PASSWORD), "{failure}");
    failure
}

pub fn transient<T>(outcome: Result<T, Failure>) -> Failure {
    let failure = outcome.err().expect("a failure");
    assert!(!failure.is_definite(), "definite: {failure}");
    failure
}

/// One event with its bytes, framing verified.
#[derive(Debug, Clone)]
pub struct Seen {
    pub header: EventHeader,
    pub bytes: Bytes,
}

pub struct Reading {
    stream: Box<dyn EventStream>,
    framing: Framing,
    /// The parts of a large compressed transaction that have come.
    parts: BytesMut,
    pub seen: Vec<Seen>,
    /// The most that one read brought.
    pub chunk_bytes_max: usize,
}

impl Reading {
    /// From `plan.start` on.
    pub async fn start(plan: &SourcePlan) -> (Self, Start) {
        let start = resolve_start(plan, "source.start").await.expect("a start");
        let source = MySqlSource::new(plan.clone(), identity(&start));
        let reading = Self::open(&source, start.resume.clone())
            .await
            .expect("a stream");
        (reading, start)
    }

    pub async fn open(source: &dyn Source, from: Resume) -> Result<Self, Failure> {
        Ok(Self {
            stream: source.open(from).await?,
            framing: Framing::default(),
            parts: BytesMut::new(),
            seen: Vec::new(),
            chunk_bytes_max: 0,
        })
    }

    /// One `read`, every event of it verified.
    pub async fn read(&mut self) -> Result<Read, Failure> {
        let mut chunk = BytesMut::new();
        let read = self.stream.read(&mut chunk, 256 * 1024);
        let outcome = tokio::time::timeout(WAIT_MAX, read)
            .await
            .expect("in time")?;
        self.chunk_bytes_max = self.chunk_bytes_max.max(chunk.len());
        if outcome == Read::Part {
            self.parts.extend_from_slice(&chunk);
            let header = EventHeader::parse(&self.parts).expect("a header");
            assert_eq!(header.kind, EventKind::TransactionPayload);
            if self.parts.len() < header.bytes as usize {
                return Ok(outcome);
            }
            chunk = self.parts.split();
        }
        assert!(self.parts.is_empty(), "another event between parts");
        let mut rest = chunk.freeze();
        while !rest.is_empty() {
            let header = EventHeader::parse(&rest).expect("a header");
            let bytes = rest.split_to(header.bytes as usize);
            let event = self
                .framing
                .event(&bytes)
                .expect("length and checksum are right");
            if header.kind == EventKind::FormatDescription {
                self.framing.learn(&event).expect("a known format");
            }
            self.seen.push(Seen { header, bytes });
        }
        Ok(outcome)
    }

    /// Reads until an event of this kind has come, at least `count` of them.
    pub async fn until(&mut self, kind: EventKind, count: usize) {
        let begun = Instant::now();
        while self.count(kind) < count {
            assert!(
                begun.elapsed() < WAIT_MAX,
                "{kind:?}: {} of {count}",
                self.count(kind)
            );
            self.read().await.expect("more events");
        }
    }

    pub fn count(&self, kind: EventKind) -> usize {
        self.seen
            .iter()
            .filter(|seen| seen.header.kind == kind)
            .count()
    }

    /// What stands in the log, without what the dump thread made up.
    pub fn in_file(&self) -> Vec<u8> {
        let in_file = self.seen.iter().filter(|seen| seen.header.is_in_file());
        in_file.flat_map(|seen| seen.bytes.to_vec()).collect()
    }
}

/// A binlog file from `offset` on; the in-use flag, which the server clears when it closes it, cleared.
pub fn file_from(server: &MySql, index: usize, offset: u64) -> Vec<u8> {
    let path = &server.binlog_files().expect("files")[index];
    let mut bytes = std::fs::read(path).expect("a readable file");
    bytes[4 + 17] &= !(FLAG_IN_USE as u8);
    bytes.split_off(offset as usize)
}
