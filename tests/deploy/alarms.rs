//! Alarms name metrics that are sent to CloudWatch, by the dimensions and statistics that fit them.

use std::collections::{BTreeMap, BTreeSet};

use headwater_actors::metrics::{self, Kind};
use serde_json::{Map, Value};

use crate::{
    default_of, read,
    template::{Template, objects},
};

fn alarms() -> BTreeMap<String, Value> {
    let given = [
        ("Name", "shop"),
        (
            "AlarmTopicArn",
            "arn:aws:sns:us-east-1:123456789012:headwater",
        ),
    ];
    let template = Template::with("alarms.yaml", &given);
    let body = crate::yaml::file("deploy/cloudformation/alarms.yaml");
    let resources = body["Resources"].as_object().unwrap().iter();
    resources
        .filter(|(_, resource)| resource["Type"] == "AWS::CloudWatch::Alarm")
        .map(|(name, _)| (name.clone(), template.properties(name)))
        .collect()
}

/// The names that docs/metrics.md lists as sent, which a test of the program keeps true.
fn sent() -> BTreeSet<String> {
    let page = read("docs/metrics.md");
    let (_, list) = page.split_once("Sent are: ").unwrap();
    let (list, _) = list.split_once(". ").unwrap();
    list.split(", ")
        .map(|name| name.trim_matches('`').to_owned())
        .collect()
}

/// A metric as an alarm names it, with what is beside it.
struct Use<'a> {
    name: &'a str,
    metric: &'a Map<String, Value>,
    statistic: &'a str,
    period: u64,
}

fn uses(alarm: &Value) -> Vec<Use<'_>> {
    let plain = alarm.get("MetricName").map(|_| (alarm, "Statistic", alarm));
    let stats = objects(alarm)
        .into_iter()
        .filter_map(|object| object.get("MetricStat"));
    let stats = stats.map(|stat| (stat, "Stat", &stat["Metric"]));
    plain
        .into_iter()
        .chain(stats)
        .map(|(stat, key, metric)| Use {
            name: metric["MetricName"].as_str().unwrap(),
            metric: metric.as_object().unwrap(),
            statistic: stat[key].as_str().unwrap(),
            period: stat["Period"].as_u64().unwrap(),
        })
        .collect()
}

#[test]
fn every_alarm_is_on_a_metric_that_is_sent() {
    let (sent, namespace) = (sent(), default_of("telemetry", "cloudwatch_namespace"));
    let interval = default_of("telemetry", "cloudwatch_interval_secs")
        .as_integer()
        .unwrap();
    for (alarm, body) in alarms() {
        let uses = uses(&body);
        assert!(!uses.is_empty(), "{alarm}");
        for used in uses {
            let metric =
                metrics::find(used.name).unwrap_or_else(|| panic!("{alarm}: {}", used.name));
            assert!(
                sent.contains(used.name),
                "{alarm}: {} is not sent",
                used.name
            );
            assert_eq!(
                used.metric["Namespace"].as_str(),
                namespace.as_str(),
                "{alarm}"
            );
            let statistics: &[_] = match metric.kind {
                Kind::Counter => &["Sum"],
                Kind::Gauge => &["Maximum", "Minimum"],
                Kind::Histogram { .. } => &["p50", "p99"],
            };
            assert!(
                statistics.contains(&used.statistic),
                "{alarm}: {}",
                used.statistic
            );
            assert!(interval <= i64::try_from(used.period).unwrap(), "{alarm}");
            let dimensions = used.metric["Dimensions"].as_array().unwrap();
            let names: Vec<_> = dimensions
                .iter()
                .map(|one| one["Name"].as_str().unwrap())
                .collect();
            // Other labels are added up.
            let expected: &[_] = match metric.labels.contains(&"outcome") {
                true => &["pipeline", "outcome"],
                false => &["pipeline"],
            };
            assert_eq!(names, expected, "{alarm}: {}", used.name);
            assert_eq!(dimensions[0]["Value"], "shop", "{alarm}");
        }
    }
}

#[test]
fn what_must_be_told_has_an_alarm() {
    let alarms = alarms();
    let on: BTreeSet<_> = alarms
        .values()
        .flat_map(uses)
        .map(|used| used.name)
        .collect();
    for name in [
        "headwater_up",
        "headwater_source_lag_seconds",
        "headwater_source_purge_seconds",
        "headwater_dead_letters_total",
        "headwater_tables_parked",
        "headwater_sink_records_total",
        "headwater_actor_restarts_total",
        "headwater_lease_takeovers_total",
    ] {
        assert!(on.contains(name), "no alarm on {name}");
    }
    // A process that is gone says nothing.
    assert_eq!(alarms["NotStreaming"]["TreatMissingData"], "breaching");
    for (name, alarm) in &alarms {
        assert!(
            alarm["AlarmActions"][0]
                .as_str()
                .unwrap()
                .starts_with("arn:aws:sns:"),
            "{name}"
        );
        assert!(
            alarm["AlarmDescription"].as_str().unwrap().len() > 40,
            "{name}"
        );
    }
}
