//! One run of the binary, watched from outside.

use std::{
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::Duration,
};

use anyhow::{Context, ensure};
use headwater_harness::{
    mysql::{MySql, PASSWORD, USER},
    program::Launch,
};
use tempfile::TempDir;

const WITHIN: Duration = Duration::from_secs(600);

/// A folder with a config; each has a checkpoint of its own.
pub struct Setup {
    pub launch: Launch,
    folder: TempDir,
}

impl Setup {
    /// `headwater run` that begins at `from` and writes to `sink`, settings of a `[sink]` section.
    pub fn new(binary: &Path, server: &MySql, from: &str, sink: &str) -> anyhow::Result<Self> {
        let folder = tempfile::tempdir().context("create a folder")?;
        let config = format!(
            "[source]\nurl = \"{}\"\nstart = \"{from}\"\n{sink}\n",
            server.url(USER, PASSWORD)
        );
        // As in the image.
        let launch = Launch::run(binary, folder.path(), &config)?.env("MALLOC_ARENA_MAX", "1");
        Ok(Self { launch, folder })
    }

    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Takes the checkpoint away, so that the next run begins at `from` again.
    pub fn rewind(&self) -> anyhow::Result<()> {
        let checkpoint = self.folder.path().join("headwater.checkpoint");
        if checkpoint.exists() {
            std::fs::remove_file(&checkpoint).context("remove the checkpoint")?;
        }
        Ok(())
    }

    /// A run to the head that the server has now.
    pub async fn finish(&self) -> anyhow::Result<Measured> {
        let cpu_before = children_cpu_secs()?;
        let launch = self.launch.clone().arg("--until").arg("now");
        let program = launch.start()?;
        let peak = Peak::watch(program.id());
        let finished = program.wait_exit(WITHIN).await?;
        ensure!(
            finished.code() == Some(0),
            "headwater ended with {}:\n{}",
            finished.status,
            finished.text()
        );
        Ok(Measured {
            secs: finished.took.as_secs_f64(),
            cpu_secs: children_cpu_secs()? - cpu_before,
            peak_mib: peak.stop().await?,
        })
    }
}

/// For thousands of tables: in one file, and more of them open than by default.
pub async fn server_of_many_tables() -> anyhow::Result<MySql> {
    MySql::with(&[
        "--innodb-file-per-table=0",
        "--table-open-cache=4000",
        "--open-files-limit=16384",
    ])
    .await
}

/// To `endpoint` as a `[sink]` section.
pub fn kinesis(endpoint: &str, stream: &str) -> String {
    format!(
        "[sink]\ntype = \"kinesis\"\n[sink.kinesis]\nstream = \"{stream}\"\nregion = \"us-east-1\"\nendpoint_url = \"{endpoint}\""
    )
}

#[derive(Debug, Clone, Copy)]
pub struct Measured {
    pub secs: f64,
    pub cpu_secs: f64,
    pub peak_mib: f64,
}

/// The most resident memory of a process, asked for until it ends.
pub struct Peak {
    stopped: Arc<AtomicBool>,
    task: tokio::task::JoinHandle<u64>,
}

impl Peak {
    pub fn watch(id: u32) -> Self {
        let stopped = Arc::new(AtomicBool::new(false));
        let seen = Arc::clone(&stopped);
        let task = tokio::spawn(async move {
            let mut peak = 0;
            while let Some(kib) = peak_kib(id) {
                peak = peak.max(kib);
                if seen.load(Relaxed) {
                    break;
                }
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
            peak
        });
        Self { stopped, task }
    }

    /// In MiB.
    pub async fn stop(self) -> anyhow::Result<f64> {
        self.stopped.store(true, Relaxed);
        let kib = self.task.await.context("watch the memory")?;
        Ok(kib as f64 / 1024.0)
    }
}

/// proc(5): the high water mark of resident memory; none once it has ended.
fn peak_kib(id: u32) -> Option<u64> {
    let text = std::fs::read_to_string(format!("/proc/{id}/status")).ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.split_whitespace().next()?.parse().ok()
}

/// Processor time of all children that have ended and been waited for.
fn children_cpu_secs() -> anyhow::Result<f64> {
    let text = std::fs::read_to_string("/proc/self/stat").context("read /proc/self/stat")?;
    // proc(5): cutime and cstime are fields 16 and 17, in ticks of 10 ms, counted behind the name.
    let fields = text.rsplit(") ").next().unwrap_or_default().split(' ');
    let ticks: u64 = fields
        .skip(13)
        .take(2)
        .filter_map(|field| field.parse::<u64>().ok())
        .sum();
    Ok(ticks as f64 / 100.0)
}
