//! No constant is left out of the list, and names say kind and unit.

use std::collections::BTreeSet;

use super::*;

/// `(constant, name)` of each `pub const X: Metric` of this file.
fn constants() -> Vec<(&'static str, &'static str)> {
    let mut lines = include_str!("../metrics.rs").lines();
    let mut constants = Vec::new();
    while let Some(line) = lines.next() {
        if let Some(rest) = line.strip_prefix("pub const ")
            && let Some((constant, _)) = rest.split_once(": Metric = ")
        {
            let name = lines.next().unwrap_or_default().trim();
            let name = name
                .strip_prefix("name: \"")
                .expect("the name stands first");
            constants.push((constant, name.trim_end_matches("\",")));
        }
    }
    constants
}

#[test]
fn every_constant_is_in_the_table_once() {
    let named: Vec<_> = constants().iter().map(|(_, name)| *name).collect();
    let listed: Vec<_> = ALL.iter().map(|metric| metric.name).collect();
    assert_eq!(named, listed);
    assert_eq!(listed.iter().collect::<BTreeSet<_>>().len(), listed.len());
}

#[test]
fn a_constant_is_called_as_its_metric() {
    for (constant, name) in constants() {
        let short = name.strip_prefix("headwater_").unwrap_or(name);
        assert_eq!(constant.to_lowercase(), short);
    }
}

/// The rules of Prometheus' own linter (`promtool check metrics`).
/// <https://prometheus.io/docs/practices/naming/>
#[test]
fn names_labels_and_helps_are_as_prometheus_lints_them() {
    let bad_words = [
        "s",
        "ms",
        "us",
        "ns",
        "sec",
        "b",
        "kb",
        "mb",
        "gb",
        "h",
        "d",
        "milliseconds",
        "microseconds",
        "nanoseconds",
        "minutes",
        "hours",
        "days",
        "kilobytes",
        "megabytes",
        "gigabytes",
        "bits",
        "percent",
        "gauge",
        "counter",
        "histogram",
        "summary",
    ];
    let is_snake = |name: &str| {
        name.bytes()
            .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_')
    };
    for metric in ALL {
        let name = metric.name;
        assert!(!metric.help.is_empty(), "`{name}` has no help");
        assert!(is_snake(name), "`{name}`");
        for word in name.split('_') {
            assert!(!bad_words.contains(&word), "`{word}` in `{name}`");
        }
        if metric.kind != Kind::Counter {
            for suffix in ["_total", "_count", "_sum", "_bucket"] {
                assert!(!name.ends_with(suffix), "`{name}` is no counter");
            }
        }
        for label in metric.labels {
            assert!(is_snake(label), "label `{label}` of `{name}`");
            assert!(
                !["le", "quantile", "pipeline"].contains(label),
                "`{label}` of `{name}`"
            );
        }
    }
}

#[test]
fn the_buckets_of_a_histogram_rise() {
    for metric in ALL {
        if let Kind::Histogram { bounds } = metric.kind {
            assert!(!bounds.is_empty(), "`{}`", metric.name);
            assert!(
                bounds.is_sorted_by(|one, next| one < next),
                "`{}`",
                metric.name
            );
        }
    }
}

#[test]
fn a_name_ends_as_its_kind_and_unit_say() {
    for metric in ALL {
        let name = metric.name;
        let base = name.strip_suffix("_total").unwrap_or(name);
        if metric.kind == Kind::Counter {
            assert_ne!(base, name, "counter `{name}` must end in _total");
        }
        match metric.unit {
            Some(Unit::Seconds) => assert!(base.ends_with("_seconds"), "`{name}`"),
            Some(Unit::Bytes) => assert!(base.contains("_bytes"), "`{name}`"),
            _ => assert!(
                !base.contains("_bytes") && !base.contains("_seconds"),
                "`{name}`"
            ),
        }
    }
}

#[test]
fn what_is_counted_by_lane_or_table_vanishes() {
    let vanishing: Vec<_> = ALL
        .iter()
        .filter(|metric| metric.is_dropped_when_idle())
        .map(|metric| metric.name)
        .collect();
    assert_eq!(
        vanishing,
        [
            CHANGES_TOTAL.name,
            SNAPSHOT_ROWS_TOTAL.name,
            LANE_BACKLOG_BYTES.name,
            PARKED_TABLE_KEPT.name,
            PARKED_TABLE_LOG_BYTES.name,
            PARKED_TABLE_EXPIRY_SECONDS.name
        ]
    );
}
