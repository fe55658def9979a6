//! Random faults, shortly: kept seeds, one for each way of ordering. `scripts/chaos` goes on for longer.

#![allow(clippy::unwrap_used)] // a test ends there

use headwater_harness::chaos::{self, Length, Options, Store};

async fn nothing_is_found(seed: u64) {
    let options = Options {
        length: Length::Lives(8),
        keys: 300,
        ..Options::new(env!("CARGO_BIN_EXE_headwater").into(), seed)
    };
    let report = chaos::run(&options).await.unwrap();
    println!("{report}");
    assert!(report.is_clean(), "{report}");
    assert!(report.kills > 0 && report.drains > 0, "{report}");
}

#[tokio::test]
async fn nothing_is_lost_reordered_or_wrong_under_random_faults() {
    nothing_is_found(2).await;
}

#[tokio::test]
async fn nothing_is_lost_reordered_or_wrong_under_random_faults_with_lanes_by_primary_key() {
    nothing_is_found(5).await;
}

#[tokio::test]
async fn nothing_is_lost_reordered_or_wrong_while_two_processes_take_over_from_each_other() {
    let options = Options {
        length: Length::Lives(3),
        changes_per_sec: 1_000,
        keys: 300,
        standby: Some(Store::MySql),
        ..Options::new(env!("CARGO_BIN_EXE_headwater").into(), 3)
    };
    let report = chaos::run(&options).await.unwrap();
    println!("{report}");
    assert!(report.is_clean(), "{report}");
    let takeovers = [
        &report.takeovers_after_kill,
        &report.takeovers_after_drain,
        &report.takeovers_after_stop,
    ];
    let count: usize = takeovers.iter().map(|takeovers| takeovers.len()).sum();
    assert!(count > 0, "{report}");
}

#[tokio::test]
async fn another_log_halts_and_goes_on_where_it_is_told_between_random_faults() {
    let options = Options {
        length: Length::Lives(9),
        changes_per_sec: 1_000,
        keys: 300,
        histories: true,
        lower_case: true,
        ..Options::new(env!("CARGO_BIN_EXE_headwater").into(), 4)
    };
    let report = chaos::run(&options).await.unwrap();
    println!("{report}");
    assert!(report.is_clean(), "{report}");
    let text = report.to_string();
    assert!(text.contains("log reset"), "{report}");
}

#[tokio::test]
async fn tables_are_copied_whole_between_random_faults() {
    let options = Options {
        length: Length::Lives(8),
        changes_per_sec: 500,
        keys: 300,
        copied_tables: 6,
        ..Options::new(env!("CARGO_BIN_EXE_headwater").into(), 8)
    };
    let report = chaos::run(&options).await.unwrap();
    println!("{report}");
    assert!(report.is_clean(), "{report}");
    let copied = report.copied;
    assert!(5 < copied.complete && 0 < copied.rows_compared, "{report}");
}

#[tokio::test]
async fn what_random_faults_leave_of_the_stream_merges_to_the_tables_of_mysql() {
    let options = Options {
        length: Length::Lives(6),
        changes_per_sec: 800,
        keys: 300,
        to_warehouse: true,
        ..Options::new(env!("CARGO_BIN_EXE_headwater").into(), 7)
    };
    let report = chaos::run(&options).await.unwrap();
    println!("{report}");
    assert!(report.is_clean(), "{report}");
    let merged = report.merged;
    assert_eq!(merged.tables, 5, "{report}");
    assert!(0 < merged.ignored, "some lines came twice: {report}");
}
