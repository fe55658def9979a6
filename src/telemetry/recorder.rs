//! Collects what is counted and renders it as Prometheus text (version 0.0.4).
//!
//! Two collectors share the names: what is counted by lane or table goes to one that forgets a series nobody
//! updates, so that a retired lane and a dropped table leave the page; all else goes to one that keeps it. (The
//! exporter forgets by kind only, and `headwater_build_info` is set once.) Names of tables come from outside: labels
//! are made printable and cut here. Histograms have fixed buckets, so they can be summed over pipelines.
//! [`MetricsPage::upkeep`] must run now and then, or a histogram that nobody scrapes would keep every sample, and
//! a series would never be forgotten.

use std::{
    borrow::Cow,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use headwater_actors::{
    metrics::{
        ALL, BUILD_INFO, Kind, Metric, PROCESS_RESIDENT_MEMORY_BYTES, STATE, UP, describe_all, find,
    },
    printable::printable,
    status::State,
};
use metrics::{
    Counter, Gauge, Histogram, Key, KeyName, Label, Metadata, Recorder, SharedString, Unit, gauge,
};
use metrics_exporter_prometheus::{
    Matcher, PrometheusBuilder, PrometheusHandle, PrometheusRecorder,
};
use metrics_util::MetricKindMask;

use super::Error;

/// How often [`MetricsPage::upkeep`] is due.
pub const UPKEEP_INTERVAL: Duration = Duration::from_secs(5);

/// A lane or table without an update for this long leaves the page.
pub const IDLE_TIMEOUT: Duration = Duration::from_secs(600);
/// A name of a table, which is two of up to 64 characters, is never cut, so no two become one.
const LABEL_CHARS_MAX: usize = 200;

/// On every series: one scrape configuration finds many pipelines, and several processes of one.
const PIPELINE_LABEL: &str = "pipeline";

const STATES: [State; 8] = [
    State::Standby,
    State::Starting,
    State::Streaming,
    State::BackingOff,
    State::Paused,
    State::Draining,
    State::Stopped,
    State::Halted,
];

/// The state as metrics, `/readyz` and `/status` write it.
pub fn state_name(state: State) -> &'static str {
    match state {
        State::Standby => "standby",
        State::Starting => "starting",
        State::Streaming => "streaming",
        State::BackingOff => "backing_off",
        State::Paused => "paused",
        State::Draining => "draining",
        State::Stopped => "stopped",
        State::Halted => "halted",
    }
}

/// Renders what was counted so far.
#[derive(Debug, Clone)]
pub struct MetricsPage {
    lasting: PrometheusHandle,
    vanishing: PrometheusHandle,
    forgot: Arc<Mutex<Instant>>,
    forgets_every: Duration,
}

impl MetricsPage {
    /// The page: `state` is the pipeline's, `None` when the supervisor does not answer.
    pub fn render(&self, state: Option<State>) -> String {
        observe_process(state);
        let mut text = self.lasting.render();
        text.push_str(&self.vanishing.render());
        text
    }

    /// Folds the samples of histograms into their buckets.
    pub fn upkeep(&self) {
        self.lasting.run_upkeep();
        self.vanishing.run_upkeep();
        // The exporter forgets while it renders.
        if self.is_forgetting_due() {
            drop(self.vanishing.render());
        }
    }

    fn is_forgetting_due(&self) -> bool {
        let mut last = self.forgot.lock().unwrap_or_else(PoisonError::into_inner);
        let is_due = last.elapsed() >= self.forgets_every;
        if is_due {
            *last = Instant::now();
        }
        is_due
    }
}

/// Makes everything that is counted in this process appear on the page, as of this pipeline.
pub fn install(pipeline: &str) -> Result<MetricsPage, Error> {
    let (recorder, page) = build(pipeline, IDLE_TIMEOUT)?;
    metrics::set_global_recorder(recorder).map_err(|_| Error::RecorderInstalled)?;
    describe_all();
    gauge!(BUILD_INFO, "version" => env!("CARGO_PKG_VERSION")).set(1.0);
    Ok(page)
}

/// A recorder that is not installed, and its page.
pub fn build(
    pipeline: &str,
    idle_timeout: Duration,
) -> Result<(SplitRecorder, MetricsPage), Error> {
    let builder = || PrometheusBuilder::new().add_global_label(PIPELINE_LABEL, pipeline);
    let mut lasting = builder();
    for metric in ALL {
        if let Kind::Histogram { bounds } = metric.kind {
            let name = metric.name;
            lasting = lasting
                .set_buckets_for_metric(Matcher::Full(name.to_owned()), bounds)
                .map_err(|_| Error::Buckets { name })?;
        }
    }
    let vanishing = builder().idle_timeout(
        MetricKindMask::GAUGE | MetricKindMask::COUNTER,
        Some(idle_timeout),
    );
    let recorder = SplitRecorder {
        lasting: lasting.build_recorder(),
        vanishing: vanishing.build_recorder(),
    };
    let page = MetricsPage {
        lasting: recorder.lasting.handle(),
        vanishing: recorder.vanishing.handle(),
        forgot: Arc::new(Mutex::new(Instant::now())),
        forgets_every: idle_timeout / 2,
    };
    Ok((recorder, page))
}

/// Sends each metric, by its name, to the collector that keeps it or to the one that forgets it.
pub struct SplitRecorder {
    lasting: PrometheusRecorder,
    vanishing: PrometheusRecorder,
}

impl SplitRecorder {
    fn of(&self, name: &str) -> &PrometheusRecorder {
        if find(name).is_some_and(Metric::is_dropped_when_idle) {
            &self.vanishing
        } else {
            &self.lasting
        }
    }
}

impl Recorder for SplitRecorder {
    fn describe_counter(&self, key: KeyName, unit: Option<Unit>, description: SharedString) {
        self.of(key.as_str())
            .describe_counter(key, unit, description);
    }

    fn describe_gauge(&self, key: KeyName, unit: Option<Unit>, description: SharedString) {
        self.of(key.as_str()).describe_gauge(key, unit, description);
    }

    fn describe_histogram(&self, key: KeyName, unit: Option<Unit>, description: SharedString) {
        self.of(key.as_str())
            .describe_histogram(key, unit, description);
    }

    fn register_counter(&self, key: &Key, metadata: &Metadata<'_>) -> Counter {
        self.of(key.name())
            .register_counter(&printable_key(key), metadata)
    }

    fn register_gauge(&self, key: &Key, metadata: &Metadata<'_>) -> Gauge {
        self.of(key.name())
            .register_gauge(&printable_key(key), metadata)
    }

    fn register_histogram(&self, key: &Key, metadata: &Metadata<'_>) -> Histogram {
        self.of(key.name())
            .register_histogram(&printable_key(key), metadata)
    }
}

fn printable_key(key: &Key) -> Cow<'_, Key> {
    let is_fine =
        |label: &Label| matches!(printable(label.value(), LABEL_CHARS_MAX), Cow::Borrowed(_));
    if key.labels().all(is_fine) {
        return Cow::Borrowed(key);
    }
    let labels = key.labels().map(|label| {
        let value = printable(label.value(), LABEL_CHARS_MAX).into_owned();
        Label::new(label.key().to_owned(), value)
    });
    Cow::Owned(Key::from_parts(
        key.name().to_owned(),
        labels.collect::<Vec<_>>(),
    ))
}

/// What nobody counts as it happens.
fn observe_process(state: Option<State>) {
    gauge!(UP).set(f64::from(u8::from(state == Some(State::Streaming))));
    for known in STATES {
        let is_it = state == Some(known);
        gauge!(STATE, "state" => state_name(known)).set(f64::from(u8::from(is_it)));
    }
    if let Some(kibibytes) = resident_kibibytes() {
        gauge!(PROCESS_RESIDENT_MEMORY_BYTES).set(kibibytes * 1024.0);
    }
}

/// Linux only; elsewhere the metric is absent.
fn resident_kibibytes() -> Option<f64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))?;
    line.trim().strip_suffix("kB")?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use headwater_actors::metrics::{
        CHANGES_TOTAL, GENERATION, LANE_BACKLOG_BYTES, SINK_RECORDS_TOTAL, SINK_REQUEST_SECONDS,
    };
    use metrics::{counter, histogram, with_local_recorder};

    use super::*;

    fn page_after(idle_timeout: Duration, count: impl FnOnce(&MetricsPage) -> String) -> String {
        let (recorder, page) = build("shop", idle_timeout).unwrap();
        with_local_recorder(&recorder, || {
            describe_all();
            count(&page)
        })
    }

    #[test]
    fn a_count_appears_with_help_type_and_labels() {
        let page = page_after(IDLE_TIMEOUT, |page| {
            counter!(SINK_RECORDS_TOTAL, "outcome" => "delivered").increment(3);
            counter!(CHANGES_TOTAL, "table" => "shop.orders", "kind" => "insert").increment(5);
            histogram!(SINK_REQUEST_SECONDS).record(0.004);
            page.upkeep();
            page.render(Some(State::Streaming))
        });
        for line in [
            "# TYPE headwater_sink_records_total counter",
            "headwater_sink_records_total{pipeline=\"shop\",outcome=\"delivered\"} 3",
            "headwater_changes_total{pipeline=\"shop\",table=\"shop.orders\",kind=\"insert\"} 5",
            "headwater_sink_request_seconds_bucket{pipeline=\"shop\",le=\"0.0025\"} 0",
            "headwater_sink_request_seconds_bucket{pipeline=\"shop\",le=\"0.005\"} 1",
            "headwater_sink_request_seconds_count{pipeline=\"shop\"} 1",
            "headwater_up{pipeline=\"shop\"} 1",
            "headwater_state{pipeline=\"shop\",state=\"streaming\"} 1",
            "headwater_state{pipeline=\"shop\",state=\"halted\"} 0",
        ] {
            assert!(
                page.lines().any(|found| found == line),
                "`{line}` is not in:\n{page}"
            );
        }
        assert!(
            page.contains("# HELP headwater_sink_records_total "),
            "{page}"
        );
    }

    #[test]
    fn without_an_answer_the_pipeline_is_not_up() {
        let page = page_after(IDLE_TIMEOUT, |page| page.render(None));
        assert!(page.contains("headwater_up{pipeline=\"shop\"} 0"), "{page}");
        let states: Vec<_> = page
            .lines()
            .filter(|line| line.starts_with("headwater_state{"))
            .collect();
        assert_eq!(states.len(), STATES.len());
        assert!(
            states.iter().all(|line| line.ends_with("} 0")),
            "{states:?}"
        );
    }

    #[test]
    fn a_retired_lane_leaves_the_page_and_a_fact_set_once_stays() {
        let page = page_after(Duration::ZERO, |page| {
            gauge!(GENERATION).set(1.0);
            gauge!(LANE_BACKLOG_BYTES, "lane" => "shop.orders").set(7.0);
            let first = page.render(None);
            assert!(
                first.contains(
                    "headwater_lane_backlog_bytes{pipeline=\"shop\",lane=\"shop.orders\"} 7"
                ),
                "{first}"
            );
            // The clock of the recorder must move by a tick between two renders.
            (0..1000)
                .map(|_| page.render(None))
                .find(|text| !text.contains("shop.orders"))
                .unwrap_or_default()
        });
        assert!(
            page.contains("headwater_generation{pipeline=\"shop\"} 1"),
            "{page}"
        );
    }

    #[test]
    fn a_lane_that_wakes_up_is_shown_again() {
        let page = page_after(Duration::ZERO, |page| {
            gauge!(LANE_BACKLOG_BYTES, "lane" => "shop.orders").set(7.0);
            page.render(None);
            page.render(None);
            gauge!(LANE_BACKLOG_BYTES, "lane" => "shop.orders").set(9.0);
            page.render(None)
        });
        assert!(
            page.contains("headwater_lane_backlog_bytes{pipeline=\"shop\",lane=\"shop.orders\"} 9"),
            "{page}"
        );
    }

    #[test]
    fn a_dropped_table_leaves_the_page_also_where_nobody_scrapes() {
        let page = page_after(Duration::ZERO, |page| {
            counter!(CHANGES_TOTAL, "table" => "shop.dropped", "kind" => "insert").increment(5);
            page.upkeep();
            // The clock of the recorder must move by a tick between two looks.
            (0..1000).for_each(|_| page.upkeep());
            page.render(None)
        });
        assert!(!page.contains("shop.dropped"), "{page}");
    }

    #[test]
    fn a_table_cannot_write_the_page_with_its_name() {
        let page = page_after(IDLE_TIMEOUT, |page| {
            let hostile = "shop.a\u{1b}[2J\u{202e}\n\"} 7";
            counter!(CHANGES_TOTAL, "table" => hostile, "kind" => "insert").increment(5);
            gauge!(LANE_BACKLOG_BYTES, "lane" => "x".repeat(10_000)).set(9.0);
            page.render(None)
        });
        let line = r#"headwater_changes_total{pipeline="shop",table="shop.a\\u{1b}[2J\\u{202e}\\n\"} 7",kind="insert"} 5"#;
        assert!(page.lines().any(|found| found == line), "{page}");
        let longest = page.lines().map(str::len).max().unwrap_or_default();
        assert!(
            page.contains(&"x".repeat(200)) && longest < 420,
            "{longest}"
        );
    }

    #[test]
    fn resident_memory_is_measured_where_the_system_tells_it() {
        let page = page_after(IDLE_TIMEOUT, |page| page.render(None));
        let is_linux = cfg!(target_os = "linux");
        assert_eq!(
            page.contains("\nprocess_resident_memory_bytes{"),
            is_linux,
            "{page}"
        );
    }
}
