//! A file that was read before is the same file, or it is refused.

use super::*;
use crate::fingerprint::LogFingerprint;

fn fingerprint(created_secs: u32) -> LogFingerprint {
    LogFingerprint {
        file: file(),
        created_secs,
        server_id: 1,
        version: "8.4.0".into(),
    }
}

fn settings(log: Option<LogFingerprint>) -> Settings {
    Settings {
        log,
        ..Settings::default()
    }
}

/// What the items say of files, and where.
fn logs(items: &[Item]) -> Vec<(u64, Option<LogFingerprint>)> {
    let log = |item: &Item| match item {
        Item::Moved(place) => (place.offset, place.log.as_deref().cloned()),
        item => panic!("{item:?}"),
    };
    items.iter().map(log).collect()
}

#[test]
fn a_file_says_once_what_it_is_at_its_head_and_in_its_middle() {
    let mut log = Log::new();
    let head = log.format_description();
    let end = log.offset;
    let told = Some(fingerprint(1_700_000_000));
    for (from, at) in [(4, end), (1000, 1000)] {
        let from = Position::new(file(), from);
        let mut new = Assembler::with_settings(from.clone(), settings(None));
        assert_eq!(logs(&push(&mut new, [head.clone()])), [(at, told.clone())]);
        let mut known = Assembler::with_settings(from, settings(told.clone()));
        let again = logs(&push(&mut known, [head.clone()]));
        assert!(again.iter().all(|(_, log)| log.is_none()), "{again:?}");
    }
}

#[test]
fn another_file_of_the_same_name_is_refused_at_its_head_and_in_its_middle() {
    let mut log = Log::new();
    let head = log.format_description();
    for from in [4, 1000] {
        for before in [
            fingerprint(1_699_999_999),
            LogFingerprint {
                server_id: 2,
                ..fingerprint(1_700_000_000)
            },
            LogFingerprint {
                version: "8.0.36".into(),
                ..fingerprint(1_700_000_000)
            },
        ] {
            let from = Position::new(file(), from);
            let mut assembler = Assembler::with_settings(from, settings(Some(before.clone())));
            let error = refused(&mut assembler, head.clone());
            let found = fingerprint(1_700_000_000);
            assert_eq!(error.cause, Error::OtherLog(Box::new([before, found])));
        }
    }
}

#[test]
fn a_file_of_another_name_is_no_other_log() {
    let mut log = Log::new();
    let before = LogFingerprint {
        file: FileName::parse("binlog.000007").expect("a file name"),
        ..fingerprint(1)
    };
    let from = Position::new(file(), 4);
    let mut assembler = Assembler::with_settings(from, settings(Some(before)));
    let items = push(&mut assembler, [log.format_description()]);
    assert_eq!(
        logs(&items),
        [(log.offset, Some(fingerprint(1_700_000_000)))]
    );
}

#[test]
fn the_sentence_has_both_times() {
    let error = Error::OtherLog(Box::new([fingerprint(0), fingerprint(86_400)]));
    assert_eq!(
        error.to_string(),
        "the server's log was reset, or the server was restored from a backup: binlog.000001 created \
         1970-01-02 00:00:00 UTC by server_id 1, version 8.4.0; the file read before was binlog.000001 \
         created 1970-01-01 00:00:00 UTC by server_id 1, version 8.4.0"
    );
}
