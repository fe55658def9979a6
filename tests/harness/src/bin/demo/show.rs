//! What the demo prints.

use headwater_harness::{check::Verdict, figures::percentile};

/// Longer lines are cut for the eye.
const SHOWN_CHARS: usize = 230;

pub fn step(title: &str) {
    println!("\n== {title}");
}

pub fn say(text: &str) {
    println!("  {text}");
}

/// A native line without what only machines read (time, id, position).
pub fn line(line: &[u8]) -> String {
    let text = String::from_utf8_lossy(line);
    let from = text.find(",\"ts_us\"");
    let to = ["\"key\":", "\"statement\":", "\"data\":"]
        .iter()
        .find_map(|name| text.find(name));
    let text = match (from, to) {
        (Some(from), Some(to)) if from < to => {
            let (head, rest) = (text.get(..from), text.get(to..));
            format!(
                "{} … {}",
                head.unwrap_or_default(),
                rest.unwrap_or_default()
            )
        }
        _ => text.into_owned(),
    };
    match text.char_indices().nth(SHOWN_CHARS) {
        Some((end, _)) => format!("{} …", text.get(..end).unwrap_or_default()),
        None => text,
    }
}

pub struct Result<'a> {
    pub written: u64,
    pub transactions: u64,
    pub verdict: &'a Verdict,
    /// From commit to the consumer, sorted, of lines read while all went well.
    pub ages_ms: Vec<f64>,
    pub peak_kib: u64,
}

pub fn table(result: &Result<'_>) {
    let age = |percent| percentile(&result.ages_ms, percent).unwrap_or(f64::NAN);
    let verdict = result.verdict;
    let rows = [
        (
            "rows written",
            format!("{} in {} transactions", result.written, result.transactions),
        ),
        ("rows read", verdict.changes().to_string()),
        ("missing", verdict.missing.to_string()),
        (
            "duplicates",
            format!("{} (all after kill -9)", verdict.duplicates),
        ),
        ("order violations", verdict.order_violations.to_string()),
        ("DDL events", verdict.others.to_string()),
        (
            "lag, commit to consumer",
            format!("median {:.0} ms, p99 {:.0} ms", age(50), age(99)),
        ),
        (
            "memory, at most",
            format!("{:.0} MiB", result.peak_kib as f64 / 1024.0),
        ),
    ];
    for (what, figure) in rows {
        say(&format!("{what:<24} {figure}"));
    }
    if cfg!(debug_assertions) {
        say("built without optimisation, which is quicker; scripts/bench measures the other build");
    }
}
