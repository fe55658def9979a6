//! Metrics as lines of CloudWatch's embedded metric format: whoever carries the log to CloudWatch Logs (the `awslogs`
//! driver of ECS, Firehose, the agent) makes metrics of them, without a call or an agent of ours.
//!
//! Made from the page that Prometheus reads, once an interval: counting costs nothing more. Counters are sent as what
//! came since the line before, histograms as the upper bounds of their buckets with how often each was met. Every
//! metric with its own dimensions costs, so those below are sent, of tables the busiest alone, and labels other than
//! `outcome` are added up. Not here: who writes the lines, and when.
//! Source: <https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html>

use std::collections::{BTreeMap, HashMap};

use ::metrics::Unit;
use headwater_actors::metrics::{
    self, ACTOR_RESTARTS_TOTAL, CHANGES_TOTAL, CHECKPOINT_AGE_SECONDS, COMMIT_TO_DURABLE_SECONDS,
    DEAD_LETTERS_TOTAL, Kind, LEASE_HELD, LEASE_TAKEOVERS_TOTAL, Metric,
    PROCESS_RESIDENT_MEMORY_BYTES, SINK_ORDER_VIOLATIONS_TOTAL, SINK_RECORDS_TOTAL,
    SINK_REQUEST_SECONDS, SINK_THROTTLED_TOTAL, SOURCE_LAG_BYTES, SOURCE_LAG_SECONDS,
    SOURCE_PURGE_SECONDS, SOURCE_RECONNECTS_TOTAL, TABLES_PARKED, UP,
};
use serde_json::{Map, Value, json};

use super::exposition::{Sample, samples};

/// What is sent: what alarms and a dashboard need.
pub const SENT: [Metric; 18] = [
    UP,
    SOURCE_LAG_SECONDS,
    SOURCE_LAG_BYTES,
    SOURCE_PURGE_SECONDS,
    SOURCE_RECONNECTS_TOTAL,
    CHANGES_TOTAL,
    COMMIT_TO_DURABLE_SECONDS,
    SINK_RECORDS_TOTAL,
    SINK_REQUEST_SECONDS,
    SINK_THROTTLED_TOTAL,
    SINK_ORDER_VIOLATIONS_TOTAL,
    CHECKPOINT_AGE_SECONDS,
    DEAD_LETTERS_TOTAL,
    TABLES_PARKED,
    ACTOR_RESTARTS_TOTAL,
    LEASE_HELD,
    LEASE_TAKEOVERS_TOTAL,
    PROCESS_RESIDENT_MEMORY_BYTES,
];

/// The label that stays a dimension: its values mean different things.
const DIMENSION: &str = "outcome";
const PIPELINE: &str = "pipeline";
const TABLE: &str = "table";
/// Of one line.
const METRICS_MAX: usize = 100;
/// Of a dimension's value.
const VALUE_CHARS_MAX: usize = 1024;

/// What has been sent of each counter and bucket, to send the difference.
pub struct Embedded {
    namespace: String,
    pipeline: String,
    /// Tables that get a line of their own.
    tables_max: usize,
    sent: HashMap<String, f64>,
}

/// Dimensions beside the pipeline.
type Dimensions = Vec<(&'static str, String)>;

/// One metric of a line.
#[derive(Debug)]
enum Figure {
    Number(f64),
    /// By upper bound.
    Buckets(Vec<(f64, f64)>),
}

#[derive(Debug, Default)]
struct Figures(BTreeMap<Dimensions, BTreeMap<&'static str, Figure>>);

impl Figures {
    fn add(&mut self, dimensions: Dimensions, name: &'static str, number: f64) {
        let of = self.0.entry(dimensions).or_default();
        match of.entry(name).or_insert(Figure::Number(0.0)) {
            Figure::Number(sum) => *sum += number,
            Figure::Buckets(_) => (),
        }
    }

    fn meet(&mut self, dimensions: Dimensions, name: &'static str, bound: f64, times: f64) {
        let of = self.0.entry(dimensions).or_default();
        match of.entry(name).or_insert(Figure::Buckets(Vec::new())) {
            Figure::Buckets(buckets) => buckets.push((bound, times)),
            Figure::Number(_) => (),
        }
    }
}

impl Embedded {
    pub fn new(namespace: &str, pipeline: &str, tables_max: usize) -> Self {
        Self {
            namespace: namespace.to_owned(),
            pipeline: value_of(pipeline),
            tables_max,
            sent: HashMap::new(),
        }
    }

    /// The lines for a page as it is at `now_ms` of the Unix epoch.
    pub fn lines(&mut self, page: &str, now_ms: u64) -> Vec<String> {
        let figures = self.figures(page);
        let mut lines = Vec::new();
        for (dimensions, of) in figures.0 {
            let of: Vec<_> = of.into_iter().collect();
            for part in of.chunks(METRICS_MAX) {
                lines.push(self.line(&dimensions, part, now_ms));
            }
        }
        lines
    }

    fn figures(&mut self, page: &str) -> Figures {
        let mut figures = Figures::default();
        let mut tables: HashMap<String, f64> = HashMap::new();
        // Cumulative in the page: of each histogram what its lower buckets hold.
        let mut below: HashMap<(&str, Dimensions), f64> = HashMap::new();
        for sample in samples(page).filter(|sample| sample.value.is_finite()) {
            let Some(metric) = sent(sample.name) else {
                continue;
            };
            let dimensions = dimensions(&sample);
            match metric.kind {
                Kind::Gauge => figures.add(dimensions, metric.name, sample.value),
                Kind::Counter => {
                    let more = self.more(&sample);
                    if let Some(table) = sample.label(TABLE) {
                        *tables.entry(table.to_owned()).or_default() += more;
                    }
                    figures.add(dimensions, metric.name, more);
                }
                Kind::Histogram { bounds } => {
                    let Some(bound) = sample.label("le").map(|bound| bound.parse::<f64>()) else {
                        continue;
                    };
                    let more = self.more(&sample);
                    let under = below.insert((metric.name, dimensions.clone()), more);
                    let times = more - under.unwrap_or(0.0);
                    let last = bounds.last().copied().unwrap_or_default();
                    let bound = bound.ok().filter(|bound| bound.is_finite());
                    if times > 0.0 {
                        figures.meet(dimensions, metric.name, bound.unwrap_or(last), times);
                    }
                }
            }
        }
        let mut busiest: Vec<_> = tables.into_iter().filter(|(_, more)| *more > 0.0).collect();
        busiest.sort_by(|one, other| other.1.total_cmp(&one.1).then(one.0.cmp(&other.0)));
        for (table, more) in busiest.into_iter().take(self.tables_max) {
            figures.add(vec![(TABLE, value_of(&table))], CHANGES_TOTAL.name, more);
        }
        figures
    }

    /// What came since the last page.
    fn more(&mut self, sample: &Sample<'_>) -> f64 {
        let mut series = sample.name.to_owned();
        for (label, value) in &sample.labels {
            series.push('\0');
            series.push_str(label);
            series.push('\0');
            series.push_str(value);
        }
        let before = self.sent.insert(series, sample.value);
        (sample.value - before.unwrap_or(0.0)).max(0.0)
    }

    fn line(&self, dimensions: &Dimensions, of: &[(&'static str, Figure)], now_ms: u64) -> String {
        let mut line = Map::new();
        let names = std::iter::once(PIPELINE).chain(dimensions.iter().map(|(name, _)| *name));
        let names: Vec<_> = names.collect();
        let metrics: Vec<_> = of.iter().map(|(name, _)| definition(name)).collect();
        let directive = json!({
            "Namespace": self.namespace,
            "Dimensions": [names],
            "Metrics": metrics,
        });
        let head = json!({"Timestamp": now_ms, "CloudWatchMetrics": [directive]});
        line.insert("_aws".to_owned(), head);
        line.insert(PIPELINE.to_owned(), self.pipeline.as_str().into());
        for (name, value) in dimensions {
            line.insert((*name).to_owned(), value.as_str().into());
        }
        for (name, figure) in of {
            let value = match figure {
                Figure::Number(number) => json!(number),
                Figure::Buckets(buckets) => {
                    let (values, counts): (Vec<f64>, Vec<f64>) = buckets.iter().copied().unzip();
                    json!({"Values": values, "Counts": counts})
                }
            };
            line.insert((*name).to_owned(), value);
        }
        Value::Object(line).to_string()
    }
}

/// The metric that a line of the page is of.
fn sent(name: &str) -> Option<Metric> {
    let own = name.strip_suffix("_bucket").unwrap_or(name);
    let found = SENT.into_iter().find(|metric| metric.name == own);
    found.filter(|metric| (own != name) == matches!(metric.kind, Kind::Histogram { .. }))
}

fn definition(name: &str) -> Value {
    let unit = match metrics::find(name).and_then(|metric| metric.unit) {
        Some(Unit::Seconds) => "Seconds",
        Some(Unit::Bytes) => "Bytes",
        Some(Unit::Count) => "Count",
        _ => "None",
    };
    json!({"Name": name, "Unit": unit})
}

fn dimensions(sample: &Sample<'_>) -> Dimensions {
    let outcome = sample.label(DIMENSION);
    outcome
        .map(|outcome| (DIMENSION, value_of(outcome)))
        .into_iter()
        .collect()
}

/// A dimension's value is printable ASCII, does not begin with a colon and is never empty.
fn value_of(text: &str) -> String {
    let mut value = String::new();
    for character in text.chars().take(VALUE_CHARS_MAX) {
        match character {
            ' '..='~' => value.push(character),
            other => value.extend(other.escape_default()),
        }
    }
    value.truncate(VALUE_CHARS_MAX);
    match value.trim() {
        "" => "-".to_owned(),
        trimmed => match trimmed.strip_prefix(':') {
            Some(rest) => format!("-{rest}"),
            None => trimmed.to_owned(),
        },
    }
}

#[cfg(test)]
mod tests;
