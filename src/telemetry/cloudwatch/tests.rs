//! Each line against the limits of the format, and what becomes of counters, histograms and tables.

use std::time::Duration;

use ::metrics::{counter, gauge, histogram, with_local_recorder};

use super::*;
use crate::telemetry::recorder::{MetricsPage, build};

const NOW_MS: u64 = 1_764_460_800_000;

/// The format's own limits, and that every reference of a directive is in the line.
fn valid(line: &str) -> Value {
    let value: Value = serde_json::from_str(line).expect("JSON");
    assert!(!line.contains('\n') && line.len() < 1 << 20);
    let head = &value["_aws"];
    assert_eq!(head["Timestamp"].as_u64(), Some(NOW_MS));
    for directive in head["CloudWatchMetrics"].as_array().expect("directives") {
        let namespace = directive["Namespace"].as_str().expect("text");
        assert!((1..=256).contains(&namespace.len()));
        for set in directive["Dimensions"].as_array().expect("sets") {
            let set = set.as_array().expect("names");
            assert!(set.len() <= 30);
            for name in set {
                let of = value[name.as_str().expect("text")].as_str();
                let of = of.expect("a dimension is text in the line");
                assert!((1..=1024).contains(&of.len()), "{of}");
                assert!(of.bytes().all(|byte| (b' '..=b'~').contains(&byte)), "{of}");
                assert!(!of.starts_with(':') && !of.trim().is_empty(), "{of}");
            }
        }
        let metrics = directive["Metrics"].as_array().expect("metrics");
        assert!((1..=100).contains(&metrics.len()));
        for metric in metrics {
            let name = metric["Name"].as_str().expect("text");
            assert!((1..=1024).contains(&name.len()));
            let units = ["Seconds", "Bytes", "Count", "None"];
            assert!(units.contains(&metric["Unit"].as_str().expect("text")));
            match &value[name] {
                Value::Number(_) => (),
                Value::Object(of) => {
                    let values = of["Values"].as_array().expect("values");
                    let counts = of["Counts"].as_array().expect("counts");
                    assert!((1..=100).contains(&values.len()));
                    assert_eq!(values.len(), counts.len());
                }
                other => panic!("{name}: {other}"),
            }
        }
    }
    value
}

fn counted(count: impl FnOnce(&MetricsPage)) {
    let (recorder, page) = build("shop", Duration::from_secs(600)).expect("a recorder");
    with_local_recorder(&recorder, || count(&page));
}

fn lines(embedded: &mut Embedded, page: &MetricsPage) -> Vec<Value> {
    page.upkeep();
    let lines = embedded.lines(&page.render(None), NOW_MS);
    lines.iter().map(|line| valid(line)).collect()
}

/// The line with exactly these dimensions.
fn of<'a>(lines: &'a [Value], dimensions: &[(&str, &str)]) -> &'a Value {
    let wanted = |line: &&Value| {
        let names = &line["_aws"]["CloudWatchMetrics"][0]["Dimensions"][0];
        names
            .as_array()
            .is_some_and(|names| names.len() == 1 + dimensions.len())
            && dimensions.iter().all(|(name, value)| line[*name] == *value)
    };
    lines
        .iter()
        .find(wanted)
        .expect("a line of these dimensions")
}

#[test]
fn counters_are_what_came_since_and_gauges_what_is() {
    counted(|page| {
        let mut embedded = Embedded::new("Headwater", "shop", 0);
        counter!(DEAD_LETTERS_TOTAL).increment(3);
        gauge!(SOURCE_LAG_SECONDS).set(1.5);
        counter!(SINK_RECORDS_TOTAL, "outcome" => "throttled").increment(7);
        let first = lines(&mut embedded, page);
        assert_eq!(of(&first, &[])[DEAD_LETTERS_TOTAL.name], 3.0);
        assert_eq!(of(&first, &[])["pipeline"], "shop");
        assert_eq!(
            of(&first, &[("outcome", "throttled")])[SINK_RECORDS_TOTAL.name],
            7.0
        );
        counter!(DEAD_LETTERS_TOTAL).increment(1);
        let second = lines(&mut embedded, page);
        assert_eq!(of(&second, &[])[DEAD_LETTERS_TOTAL.name], 1.0);
        assert_eq!(of(&second, &[])[SOURCE_LAG_SECONDS.name], 1.5);
        assert_eq!(
            of(&second, &[("outcome", "throttled")])[SINK_RECORDS_TOTAL.name],
            0.0
        );
    });
}

#[test]
fn a_histogram_is_the_bounds_that_were_met_and_how_often() {
    counted(|page| {
        let mut embedded = Embedded::new("Headwater", "shop", 0);
        for seconds in [0.0009, 0.004, 0.0041, 1e9] {
            histogram!(COMMIT_TO_DURABLE_SECONDS).record(seconds);
        }
        let first = lines(&mut embedded, page);
        let wanted = json!({"Values": [0.001, 0.005, 7200.0], "Counts": [1.0, 2.0, 1.0]});
        assert_eq!(of(&first, &[])[COMMIT_TO_DURABLE_SECONDS.name], wanted);
        histogram!(COMMIT_TO_DURABLE_SECONDS).record(0.004);
        let second = lines(&mut embedded, page);
        let wanted = json!({"Values": [0.005], "Counts": [1.0]});
        assert_eq!(of(&second, &[])[COMMIT_TO_DURABLE_SECONDS.name], wanted);
        let third = lines(&mut embedded, page);
        assert!(
            of(&third, &[])
                .get(COMMIT_TO_DURABLE_SECONDS.name)
                .is_none()
        );
    });
}

#[test]
fn the_busiest_tables_have_a_line_of_their_own_and_all_of_them_one_sum() {
    counted(|page| {
        let mut embedded = Embedded::new("Headwater", "shop", 2);
        for (table, changes) in [("s.a", 1), ("s.b", 5), ("s.\u{e9}\u{202e}", 9)] {
            counter!(CHANGES_TOTAL, "table" => table, "kind" => "insert").increment(changes);
            counter!(CHANGES_TOTAL, "table" => table, "kind" => "delete").increment(1);
        }
        let lines = lines(&mut embedded, page);
        assert_eq!(of(&lines, &[])[CHANGES_TOTAL.name], 18.0);
        assert_eq!(of(&lines, &[("table", "s.b")])[CHANGES_TOTAL.name], 6.0);
        let escaped = [("table", "s.\\u{e9}\\u{202e}")];
        assert_eq!(of(&lines, &escaped)[CHANGES_TOTAL.name], 10.0);
        assert!(lines.iter().all(|line| line["table"] != "s.a"));
    });
}

#[test]
fn everything_that_is_sent_is_counted_somewhere_and_fits_into_one_line() {
    for metric in SENT {
        assert!(metrics::find(metric.name).is_some(), "{}", metric.name);
        let has_lane = metric.labels.contains(&"lane");
        assert!(!has_lane, "{}: a lane is no dimension", metric.name);
        let page = include_str!("../../../docs/metrics.md");
        let (_, section) = page.split_once("## In CloudWatch").expect("a section");
        let (section, _) = section.split_once("\n## ").expect("another one");
        assert!(
            section.contains(&format!("`{}`", metric.name)),
            "{}",
            metric.name
        );
        if let Kind::Histogram { bounds } = metric.kind {
            assert!(bounds.len() < 100, "{}", metric.name);
        }
    }
    assert!(SENT.len() <= METRICS_MAX);
}

#[test]
fn a_name_that_is_no_dimension_is_made_one() {
    for (name, value) in [
        ("", "-"),
        ("  ", "-"),
        (":a", "-a"),
        ("caf\u{e9}", "caf\\u{e9}"),
    ] {
        assert_eq!(value_of(name), value);
    }
    assert!(value_of(&"\u{e9}".repeat(2000)).len() <= VALUE_CHARS_MAX);
}
