//! Binlog files as a source: their order, their gaps, their damage.

use std::io::Write;

use headwater_actors::ports::source::bytes_between;
use headwater_binlog::event::EventHeader;

use super::*;

const XID: u8 = 16;
const STOP: u8 = 3;

/// A log of a server before 5.6.1: no checksums, so an event is its header and body.
struct Log(tempfile::TempDir);

impl Log {
    fn new() -> Self {
        Self(tempfile::tempdir().expect("a folder"))
    }

    fn write(&self, name: &str, events: &[Vec<u8>]) -> PathBuf {
        let path = self.0.path().join(name);
        let mut file = File::create(&path).expect("a file");
        file.write_all(&MAGIC).expect("written");
        for event in events {
            file.write_all(event).expect("written");
        }
        path
    }
}

fn event(kind: u8, body: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0, 0, 0, 0, kind, 1, 0, 0, 0];
    bytes.extend((HEADER_BYTES as u32 + body.len() as u32).to_le_bytes());
    bytes.extend([0; 6]);
    bytes.extend(body);
    bytes
}

fn format() -> Vec<u8> {
    let mut body = vec![4, 0];
    let mut version = [0; 50];
    version[..5].copy_from_slice(b"5.5.9");
    body.extend(version);
    body.extend([0; 4]);
    body.push(HEADER_BYTES as u8);
    body.extend([13; 27]);
    event(15, &body)
}

async fn kinds(source: &FileSource, from: Resume) -> Result<Vec<(u8, Vec<u8>)>, Failure> {
    let mut stream = source.open(from).await?;
    let mut kinds = Vec::new();
    loop {
        let mut chunk = BytesMut::new();
        if stream.read(&mut chunk, 1).await? == Read::Ended {
            return Ok(kinds);
        }
        let mut rest = chunk.freeze();
        while !rest.is_empty() {
            let header = EventHeader::parse(&rest).expect("a header");
            let bytes = rest.split_to(header.bytes as usize);
            kinds.push((header.kind.code(), bytes[HEADER_BYTES..].to_vec()));
        }
    }
}

#[tokio::test]
async fn files_come_in_order_each_announced_by_its_name_and_then_the_source_ends() {
    let log = Log::new();
    let first = log.write("b.000009", &[format(), event(XID, b"11111111")]);
    let second = log.write("b.000010", &[format(), event(STOP, b"")]);
    let source = FileSource::new(vec![first, second], 1 << 20).expect("a log");
    let seen = kinds(&source, source.first().expect("a point"))
        .await
        .expect("events");
    let codes: Vec<_> = seen.iter().map(|(kind, _)| *kind).collect();
    assert_eq!(codes, [4, 15, XID, 4, 15, STOP]);
    assert!(seen[0].1.starts_with(b"\x04\0\0\0\0\0\0\0b.000009"));
    assert_eq!(seen[3].1, b"\x04\0\0\0\0\0\0\0b.000010");
}

#[tokio::test]
async fn a_mark_inside_skips_what_is_before_and_still_tells_the_format() {
    let log = Log::new();
    let head = 4 + format().len() as u64;
    let events = [format(), event(XID, b"11111111"), event(XID, b"22222222")];
    let first = log.write("b.000001", &[format()]);
    let second = log.write("b.000002", &events);
    let source = FileSource::new(vec![first, second], 1 << 20).expect("a log");
    let mut from = source.first().expect("a point");
    from.mark.position = format!("b.000002:{}", head + events[1].len() as u64)
        .parse()
        .expect("a position");
    let now = source.head().await.expect("a head");
    let ahead = bytes_between(&now.files, &from.mark.position, &now.position);
    assert_eq!(ahead, events[2].len() as u64);
    let seen = kinds(&source, from).await.expect("events");
    let codes: Vec<_> = seen.iter().map(|(kind, _)| *kind).collect();
    assert_eq!(codes, [4, 15, XID]);
    assert_eq!(seen[2].1, b"22222222");
}

#[tokio::test]
async fn a_file_cut_short_is_definite_with_file_and_offset_after_what_was_whole() {
    let log = Log::new();
    let mut cut = event(XID, b"11111111");
    cut.truncate(22);
    let offset = 4 + format().len();
    let path = log.write("b.000001", &[format(), cut]);
    let source = FileSource::new(vec![path], 1 << 20).expect("a log");
    let mut stream = source
        .open(source.first().expect("a point"))
        .await
        .expect("a stream");
    let mut chunk = BytesMut::new();
    let read = stream.read(&mut chunk, 1 << 20).await;
    assert_eq!(read, Ok(Read::Events));
    let failure = stream
        .read(&mut chunk, 1 << 20)
        .await
        .expect_err("cut short");
    assert!(failure.is_definite());
    for part in ["b.000001", &format!("offset {offset}"), "left"] {
        assert!(failure.to_string().contains(part), "{failure}");
    }
}

#[tokio::test]
async fn what_is_no_binlog_or_not_there_is_definite() {
    let log = Log::new();
    let path = log.0.path().join("b.000001");
    std::fs::write(&path, b"hello world").expect("written");
    for path in [path, log.0.path().join("b.000009")] {
        let source = FileSource::new(vec![path], 1 << 20).expect("a name");
        let outcome = source.open(source.first().expect("a point")).await;
        assert!(outcome.is_err_and(|failure| failure.is_definite()));
    }
}

#[test]
fn files_with_a_gap_or_of_two_logs_are_refused() {
    for names in [
        &["b.000001", "b.000003"][..],
        &["a.000001", "b.000002"],
        &["b.000001", "b.000001"],
        &["log"],
        &[],
    ] {
        let paths = names.iter().map(PathBuf::from).collect();
        assert!(
            FileSource::new(paths, 1).is_err_and(|failure| failure.is_definite()),
            "{names:?}"
        );
    }
}
