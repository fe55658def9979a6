//! Collects what is counted and renders it as Prometheus text (version 0.0.4).
//!
//! Two collectors share the names: gauges of a lane or a table go to one that forgets a series nobody
//! updates, so that a retired lane leaves the page; all else goes to one that keeps it. (The exporter
//! forgets by kind only, and `headwater_build_info` is set once.) Histograms have fixed buckets, so they
//! can be summed over pipelines. [`MetricsPage::upkeep`] must run now and then, or a histogram that
//! nobody scrapes would keep every sample.

use std::time::Duration;

use headwater_actors::{
    metrics::{
        ALL, BUILD_INFO, Kind, Metric, PROCESS_RESIDENT_MEMORY_BYTES, STATE, UP, describe_all, find,
    },
    status::State,
};
use metrics::{
    Counter, Gauge, Histogram, Key, KeyName, Metadata, Recorder, SharedString, Unit, gauge,
};
use metrics_exporter_prometheus::{
    Matcher, PrometheusBuilder, PrometheusHandle, PrometheusRecorder,
};
use metrics_util::MetricKindMask;

use super::Error;

/// A lane without an update for this long leaves the page.
pub const IDLE_TIMEOUT: Duration = Duration::from_secs(600);

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
    }
}

/// Makes everything that is counted in this process appear on the page.
pub fn install() -> Result<MetricsPage, Error> {
    let (recorder, page) = build(IDLE_TIMEOUT)?;
    metrics::set_global_recorder(recorder).map_err(|_| Error::RecorderInstalled)?;
    describe_all();
    gauge!(BUILD_INFO, "version" => env!("CARGO_PKG_VERSION")).set(1.0);
    Ok(page)
}

/// A recorder that is not installed, and its page.
pub fn build(idle_timeout: Duration) -> Result<(SplitRecorder, MetricsPage), Error> {
    let mut lasting = PrometheusBuilder::new();
    for metric in ALL {
        if let Kind::Histogram { bounds } = metric.kind {
            let name = metric.name;
            lasting = lasting
                .set_buckets_for_metric(Matcher::Full(name.to_owned()), bounds)
                .map_err(|_| Error::Buckets { name })?;
        }
    }
    let vanishing =
        PrometheusBuilder::new().idle_timeout(MetricKindMask::GAUGE, Some(idle_timeout));
    let recorder = SplitRecorder {
        lasting: lasting.build_recorder(),
        vanishing: vanishing.build_recorder(),
    };
    let page = MetricsPage {
        lasting: recorder.lasting.handle(),
        vanishing: recorder.vanishing.handle(),
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
        self.of(key.name()).register_counter(key, metadata)
    }

    fn register_gauge(&self, key: &Key, metadata: &Metadata<'_>) -> Gauge {
        self.of(key.name()).register_gauge(key, metadata)
    }

    fn register_histogram(&self, key: &Key, metadata: &Metadata<'_>) -> Histogram {
        self.of(key.name()).register_histogram(key, metadata)
    }
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
        let (recorder, page) = build(idle_timeout).unwrap();
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
            "headwater_sink_records_total{outcome=\"delivered\"} 3",
            "headwater_changes_total{table=\"shop.orders\",kind=\"insert\"} 5",
            "headwater_sink_request_seconds_bucket{le=\"0.0025\"} 0",
            "headwater_sink_request_seconds_bucket{le=\"0.005\"} 1",
            "headwater_sink_request_seconds_count 1",
            "headwater_up 1",
            "headwater_state{state=\"streaming\"} 1",
            "headwater_state{state=\"halted\"} 0",
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
        assert!(page.contains("headwater_up 0"), "{page}");
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
                first.contains("headwater_lane_backlog_bytes{lane=\"shop.orders\"} 7"),
                "{first}"
            );
            // The clock of the recorder must move by a tick between two renders.
            (0..1000)
                .map(|_| page.render(None))
                .find(|text| !text.contains("shop.orders"))
                .unwrap_or_default()
        });
        assert!(page.contains("headwater_generation 1"), "{page}");
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
            page.contains("headwater_lane_backlog_bytes{lane=\"shop.orders\"} 9"),
            "{page}"
        );
    }

    #[test]
    fn resident_memory_is_measured_where_the_system_tells_it() {
        let page = page_after(IDLE_TIMEOUT, |page| page.render(None));
        let is_linux = cfg!(target_os = "linux");
        assert_eq!(
            page.contains("\nprocess_resident_memory_bytes "),
            is_linux,
            "{page}"
        );
    }
}
