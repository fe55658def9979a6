//! What is printed at the end: one line a figure, beside its target.

use std::thread::available_parallelism;

#[derive(Debug, Default)]
pub struct Table(Vec<[String; 3]>);

impl Table {
    /// One figure; it is shown at once too, because a whole run takes minutes.
    pub fn add(&mut self, what: &str, measured: String, target: &str) {
        eprintln!("{what}: {measured}");
        self.0.push([what.to_owned(), measured, target.to_owned()]);
    }

    pub fn print(&self, mysql: &str) -> String {
        let cores = available_parallelism().map_or(1, usize::from);
        let mut text = format!(
            "\n{cores} cores, shared with MySQL {mysql}, the sink's endpoint and this bench; Linux {}\n\n| | measured | target |\n|---|---|---|\n",
            kernel()
        );
        for [what, measured, target] in &self.0 {
            text.push_str(&format!("| {what} | {measured} | {target} |\n"));
        }
        text
    }
}

fn kernel() -> String {
    std::fs::read_to_string("/proc/sys/kernel/osrelease")
        .map(|text| text.trim().to_owned())
        .unwrap_or_default()
}

/// `1234567` as `1,234,567`.
pub fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}
