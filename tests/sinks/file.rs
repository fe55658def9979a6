//! The file sink: whole lines, rotation, what is there after a crash.

use std::{path::Path, time::Instant};

use headwater::sinks::file::{FilePlan, FileSink};

use super::*;

const WAIT_MAX: Duration = Duration::from_secs(20);

fn try_open(path: &Path, rotate_bytes: u64) -> Result<FileSink, Failure> {
    FileSink::open(&FilePlan {
        path: path.to_owned(),
        rotate_bytes,
    })
}

fn open(path: &Path, rotate_bytes: u64) -> FileSink {
    try_open(path, rotate_bytes).expect("a writable folder")
}

/// After a sink was dropped: its thread lets go of the file when all is written.
fn open_when_free(path: &Path, rotate_bytes: u64) -> FileSink {
    let begun = Instant::now();
    loop {
        match try_open(path, rotate_bytes) {
            Ok(sink) => return sink,
            Err(failure) => assert!(begun.elapsed() < WAIT_MAX, "{failure}"),
        }
        std::thread::yield_now();
    }
}

fn read(path: &Path) -> String {
    std::fs::read_to_string(path).expect("a file of text")
}

#[tokio::test]
async fn a_record_is_in_the_file_when_it_is_acknowledged() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("out");
    let sink = open(&path, u64::MAX);
    let lane = lane("orders");
    let mut expected = String::new();
    for line in ["one\ntwo\n", "three"] {
        let delivered = sink.deliver(record(&lane, line)).await;
        delivered.expect("written");
        expected += line.trim_end();
        expected += "\n";
        assert_eq!(read(&path), expected);
    }
}

#[tokio::test]
async fn files_rotate_by_size_between_records_and_numbers_go_on_after_a_restart() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("out");
    let lane = lane("orders");
    for start in [0, 5] {
        let sink = open_when_free(&path, 16);
        for number in start..start + 5 {
            let delivered = sink
                .deliver(record(&lane, format!("line {number}\n")))
                .await;
            delivered.expect("written");
        }
    }
    let mut text = String::new();
    for number in 1..=4 {
        let closed = read(&folder.path().join(format!("out.{number:06}")));
        assert!(closed.len() <= 16);
        text += &closed;
    }
    text += &read(&path);
    let expected: String = (0..10).map(|number| format!("line {number}\n")).collect();
    assert_eq!(text, expected);
}

#[tokio::test]
async fn a_torn_last_line_of_a_crash_is_cut_off() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("out");
    std::fs::write(&path, "one\ntwo\nthr").expect("a writable folder");
    let sink = open(&path, u64::MAX);
    let delivered = sink.deliver(record(&lane("orders"), "three\n")).await;
    delivered.expect("written");
    assert_eq!(read(&path), "one\ntwo\nthree\n");
}

#[tokio::test]
async fn lanes_keep_their_order_in_a_shared_file() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("out");
    deliver_lanes(Arc::new(open(&path, u64::MAX)), 8, 20).await;
    let text = read(&path);
    for number in 0..8 {
        let prefix = format!("t{number} ");
        let of_lane = text.lines().filter_map(|line| line.strip_prefix(&prefix));
        let expected = (0..20).map(|number| number.to_string());
        assert!(of_lane.eq(expected), "lane t{number}");
    }
}

#[tokio::test]
async fn a_second_writer_is_refused_until_the_first_is_gone_and_touches_nothing() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("out");
    let first = open(&path, 8);
    let lane = lane("orders");
    for line in ["one\n", "two\n", "three\n"] {
        let delivered = first.deliver(record(&lane, line)).await;
        delivered.expect("written");
        // What looks like the rest of a crash may be a line in the making.
        let before = read(&path) + "ha";
        std::fs::write(&path, &before).expect("writable");
        let failure = try_open(&path, 8).err().expect("the first one writes");
        assert!(failure.is_definite(), "{failure}");
        assert!(failure.to_string().contains("another process"), "{failure}");
        assert!(
            failure
                .hint
                .is_some_and(|hint| hint.contains("sink.file.path"))
        );
        assert_eq!(read(&path), before);
        std::fs::write(&path, before.trim_end_matches("ha")).expect("writable");
    }
    drop(first);
    open_when_free(&path, 8);
}
