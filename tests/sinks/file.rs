//! The file sink: whole lines, rotation, what is there after a crash.

use std::path::Path;

use headwater::{plan::FilePlan, sinks::file::FileSink};

use super::*;

fn open(path: &Path, rotate_bytes: u64) -> FileSink {
    FileSink::open(&FilePlan {
        path: path.to_owned(),
        rotate_bytes,
    })
    .expect("a writable folder")
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
        let sink = open(&path, 16);
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
