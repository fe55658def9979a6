//! Writes the metrics into the log at an interval, and once more at the end, so that no count is left behind.
//!
//! A thread of its own: neither actors nor probes wait for it. Not here: what the lines say (`cloudwatch`), how
//! they get out (`stderr`).

use std::{
    sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel},
    thread::JoinHandle,
    time::{Duration, Instant},
};

use super::{
    CloudWatchPlan, Error,
    cloudwatch::Embedded,
    http::SupervisorSlot,
    recorder::{MetricsPage, UPKEEP_INTERVAL},
};
use crate::clock::now_us;

/// Writes until it is stopped or dropped.
pub struct Writer {
    stop: Sender<()>,
    thread: JoinHandle<()>,
}

impl Writer {
    /// `say` gets each line, without its end.
    pub fn start(
        plan: &CloudWatchPlan,
        pipeline: &str,
        page: MetricsPage,
        supervisor: SupervisorSlot,
        say: impl Fn(&str) + Send + 'static,
    ) -> Result<Self, Error> {
        let embedded = Embedded::new(&plan.namespace, pipeline, plan.tables_max);
        let interval = plan.interval;
        let (stop, told) = channel();
        let source = Source {
            embedded,
            page,
            supervisor,
        };
        let thread = std::thread::Builder::new()
            .name("cloudwatch".to_owned())
            .spawn(move || write(source, interval, &told, say))
            .map_err(Error::Thread)?;
        Ok(Self { stop, thread })
    }

    /// Writes what has come since the last lines.
    pub async fn stop(self) {
        let Self { stop, thread } = self;
        drop(stop);
        let joined = tokio::task::spawn_blocking(move || thread.join()).await;
        if !matches!(joined, Ok(Ok(()))) {
            tracing::warn!("the last metrics for CloudWatch were not written");
        }
    }
}

struct Source {
    embedded: Embedded,
    page: MetricsPage,
    supervisor: SupervisorSlot,
}

impl Source {
    fn lines(&mut self) -> Vec<String> {
        let page = self.page.render(self.supervisor.state());
        self.embedded.lines(&page, now_us() / 1000)
    }
}

fn write(mut source: Source, interval: Duration, told: &Receiver<()>, say: impl Fn(&str)) {
    let mut due = Instant::now() + interval;
    loop {
        let pause = due.saturating_duration_since(Instant::now());
        let is_over = match told.recv_timeout(pause.min(UPKEEP_INTERVAL)) {
            Err(RecvTimeoutError::Timeout) => false,
            Ok(()) | Err(RecvTimeoutError::Disconnected) => true,
        };
        source.page.upkeep();
        if is_over || due <= Instant::now() {
            source.lines().iter().for_each(|line| say(line));
            due += interval;
        }
        if is_over {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use headwater_actors::metrics::DEAD_LETTERS_TOTAL;
    use metrics::{counter, with_local_recorder};

    use super::*;
    use crate::telemetry::recorder::build;

    #[tokio::test]
    async fn what_was_counted_before_the_end_is_written_at_the_end() {
        let (recorder, page) = build("shop", Duration::from_secs(600)).expect("a recorder");
        with_local_recorder(&recorder, || counter!(DEAD_LETTERS_TOTAL).increment(2));
        let plan = CloudWatchPlan {
            namespace: "Headwater".to_owned(),
            interval: Duration::from_secs(3600),
            tables_max: 0,
        };
        let (said, lines) = channel();
        let say = move |line: &str| said.send(line.to_owned()).expect("the test reads");
        let slot = SupervisorSlot::default();
        let writer = Writer::start(&plan, "shop", page, slot, say).expect("a thread");
        writer.stop().await;
        let lines: Vec<String> = lines.iter().collect();
        assert_eq!(lines.len(), 1, "{lines:?}");
        assert!(
            lines[0].contains("\"headwater_dead_letters_total\":2.0"),
            "{lines:?}"
        );
    }
}
