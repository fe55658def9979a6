//! The golden generator, shortly: kept seeds, then one that nobody has tried.
//! `scripts/golden` runs it for longer.

#![allow(clippy::unwrap_used)] // a test ends there

use headwater_harness::generator::{self, Options, Size};

/// Rounds that once found a fault, or hold what seldom comes: cascades, exchanged partitions, a table made of
/// a query. A seed that finds something joins them.
const KEPT: [u64; 2] = [6, 9];

#[tokio::test]
async fn a_second_server_rebuilt_from_the_lines_alone_equals_the_first() {
    let is_small = |seed: &u64| Size::of(*seed).rows_per_table <= 60;
    let fresh = std::iter::repeat_with(|| fastrand::u64(..1 << 48)).find(is_small);
    let fresh = fresh.unwrap();
    println!("seed {fresh}");
    let options = Options {
        binary: env!("CARGO_BIN_EXE_headwater").into(),
        seeds: KEPT.into_iter().chain([fresh]).collect(),
        tables: 0,
        rows: 0,
    };
    let report = generator::run(&options).await.unwrap();
    assert!(report.failures.is_empty(), "{:#?}", report.failures);
    assert!(report.lines > 500 && report.values > 4_000, "{report:?}");
}
