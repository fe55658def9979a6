//! The built `headwater` under a test's hand: started with a config, its lines read, signalled, measured.
//!
//! A [`Launch`] can be started again and again in the same folder (where the relative paths of its config
//! point), so a restart finds the checkpoint that the last run left.

mod lines;
mod settings;

use std::{
    os::fd::OwnedFd,
    path::{Path, PathBuf},
    process::{Command, ExitStatus, Stdio},
    sync::Arc,
    thread::JoinHandle,
    time::{Duration, Instant},
};

use anyhow::{Context, bail};

use crate::{
    aws,
    http::{Http, Reply},
    ports::Port,
    process::{Process, Signal},
    wait::Deadline,
};

use lines::Lines;
pub use lines::{Line, Stream};

/// How to start the program: binary, folder, arguments, settings, environment.
#[derive(Debug, Clone)]
pub struct Launch {
    binary: PathBuf,
    folder: PathBuf,
    arguments: Vec<String>,
    environment: Vec<(String, Option<String>)>,
    telemetry: Arc<Port>,
    is_shown: bool,
    /// Instead of being read.
    stdout: Option<Arc<OwnedFd>>,
    stderr: Option<Arc<OwnedFd>>,
}

impl Launch {
    /// `headwater <arguments>` in `folder`, with dummy AWS credentials and a telemetry port of its own.
    ///
    /// # Errors
    /// When no port is free.
    pub fn new(
        binary: impl AsRef<Path>,
        folder: &Path,
        arguments: &[&str],
    ) -> anyhow::Result<Self> {
        let telemetry = Port::claim()?;
        let launch = Self {
            binary: binary.as_ref().to_owned(),
            folder: folder.to_owned(),
            arguments: arguments
                .iter()
                .map(|argument| (*argument).to_owned())
                .collect(),
            environment: Vec::new(),
            telemetry: Arc::new(telemetry),
            is_shown: false,
            stdout: None,
            stderr: None,
        };
        let listen = format!("127.0.0.1:{}", launch.telemetry_port());
        let none = folder.join("no-aws-settings").display().to_string();
        let launch = launch
            .env("AWS_CONFIG_FILE", &none)
            .env("AWS_SHARED_CREDENTIALS_FILE", &none);
        let launch = aws::ENVIRONMENT
            .iter()
            .fold(launch, |launch, (name, value)| launch.env(name, value));
        Ok(launch.setting("telemetry.listen", &listen))
    }

    /// `headwater run -c headwater.toml`, with `config` written to that file of `folder`.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn run(binary: impl AsRef<Path>, folder: &Path, config: &str) -> anyhow::Result<Self> {
        settings::write(folder, config)?;
        Self::new(binary, folder, &["run", "-c", "headwater.toml"])
    }

    /// Another command with the same settings.
    #[must_use]
    pub fn with_arguments(mut self, arguments: &[&str]) -> Self {
        self.arguments = arguments
            .iter()
            .map(|argument| (*argument).to_owned())
            .collect();
        self
    }

    #[must_use]
    pub fn arg(mut self, argument: &str) -> Self {
        self.arguments.push(argument.to_owned());
        self
    }

    /// A setting by environment, e.g. `source.url`; stands above the config file.
    #[must_use]
    pub fn setting(self, key: &str, value: &str) -> Self {
        let name = format!("HEADWATER__{}", key.replace('.', "__").to_uppercase());
        self.env(&name, value)
    }

    #[must_use]
    pub fn env(mut self, name: &str, value: &str) -> Self {
        self.environment
            .push((name.to_owned(), Some(value.to_owned())));
        self
    }

    /// Takes a variable away, e.g. credentials.
    #[must_use]
    pub fn without_env(mut self, name: &str) -> Self {
        self.environment.push((name.to_owned(), None));
        self
    }

    /// Its last lines are printed when it is done with: a test that fails shows them.
    #[must_use]
    pub fn shown(mut self) -> Self {
        self.is_shown = true;
        self
    }

    /// Its standard output goes there; nobody keeps its lines.
    #[must_use]
    pub fn stdout_into(mut self, to: impl Into<OwnedFd>) -> Self {
        self.stdout = Some(Arc::new(to.into()));
        self
    }

    /// Its standard error goes there; nobody keeps its lines.
    #[must_use]
    pub fn stderr_into(mut self, to: impl Into<OwnedFd>) -> Self {
        self.stderr = Some(Arc::new(to.into()));
        self
    }

    pub fn telemetry_port(&self) -> u16 {
        self.telemetry.number()
    }

    /// # Errors
    /// When the binary cannot be started.
    pub fn start(&self) -> anyhow::Result<Program> {
        let mut command = Command::new(&self.binary);
        command
            .args(&self.arguments)
            .current_dir(&self.folder)
            .stdout(stdio(self.stdout.as_deref())?)
            .stderr(stdio(self.stderr.as_deref())?);
        for (name, value) in &self.environment {
            match value {
                Some(value) => command.env(name, value),
                None => command.env_remove(name),
            };
        }
        let started = Instant::now();
        let mut process = Process::spawn("headwater", &mut command)?;
        let (lines, mut readers) = (Lines::default(), Vec::new());
        if let Some(stdout) = process.child_mut().stdout.take() {
            readers.push(lines.read(Stream::Stdout, stdout)?);
        }
        if let Some(stderr) = process.child_mut().stderr.take() {
            readers.push(lines.read(Stream::Stderr, stderr)?);
        }
        let telemetry = Arc::clone(&self.telemetry);
        Ok(Program {
            process,
            lines,
            readers,
            telemetry,
            http: Http::default(),
            started,
            is_shown: self.is_shown,
        })
    }

    /// Starts it and waits for its end.
    ///
    /// # Errors
    /// When it cannot be started or still runs at the deadline.
    pub async fn finish(&self, within: Duration) -> anyhow::Result<Finished> {
        self.start()?.wait_exit(within).await
    }
}

fn stdio(to: Option<&OwnedFd>) -> anyhow::Result<Stdio> {
    Ok(match to {
        Some(to) => to.try_clone().context("share an output")?.into(),
        None => Stdio::piped(),
    })
}

/// What the program left when it ended.
#[derive(Debug)]
pub struct Finished {
    pub status: ExitStatus,
    pub stdout: Vec<String>,
    pub stderr: Vec<String>,
    /// From its start.
    pub took: Duration,
}

impl Finished {
    /// The exit code; `None` when a signal ended it.
    pub fn code(&self) -> Option<i32> {
        self.status.code()
    }

    /// Both streams as one text, for a search or a message.
    pub fn text(&self) -> String {
        [self.stdout.join("\n"), self.stderr.join("\n")].join("\n")
    }
}

/// The running program; killed when dropped.
#[derive(Debug)]
pub struct Program {
    process: Process,
    lines: Lines,
    readers: Vec<JoinHandle<()>>,
    telemetry: Arc<Port>,
    http: Http,
    started: Instant,
    is_shown: bool,
}

impl Drop for Program {
    fn drop(&mut self) {
        if self.is_shown {
            println!("headwater's output ended with:{}", self.lines.tail());
        }
    }
}

impl Program {
    pub fn id(&self) -> u32 {
        self.process.id()
    }

    pub fn started(&self) -> Instant {
        self.started
    }

    /// The lines of one stream so far.
    pub fn lines(&self, stream: Stream) -> Vec<String> {
        self.lines.of(stream)
    }

    /// The first line, of either stream, that contains `pattern`.
    ///
    /// # Errors
    /// When the program ends, or the deadline comes, without it; the message has its last lines.
    pub async fn wait_for_line(&mut self, pattern: &str, within: Duration) -> anyhow::Result<Line> {
        let deadline = Deadline::after(within, format!("the line `{pattern}` of headwater"));
        loop {
            let has_ended = self.process.exited()?.is_some()
                && self.readers.iter().all(JoinHandle::is_finished);
            if let Some(line) = self.lines.find(pattern) {
                return Ok(line);
            }
            if has_ended {
                bail!(
                    "headwater ended without the line `{pattern}`:{}",
                    self.lines.tail()
                );
            }
            deadline
                .pause()
                .await
                .with_context(|| format!("its output ends with:{}", self.lines.tail()))?;
        }
    }

    /// Waits until `/readyz` answers 200; answers the time since the start.
    ///
    /// # Errors
    /// When the program ends or the deadline comes first.
    pub async fn wait_ready(&mut self, within: Duration) -> anyhow::Result<Duration> {
        let deadline = Deadline::after(within, "headwater to be ready");
        loop {
            if self
                .page("/readyz")
                .await
                .is_ok_and(|reply| reply.status == 200)
            {
                return Ok(self.started.elapsed());
            }
            if let Some(status) = self.process.exited()? {
                bail!(
                    "headwater ended with {status} before it was ready:{}",
                    self.lines.tail()
                );
            }
            deadline
                .pause()
                .await
                .with_context(|| format!("its output ends with:{}", self.lines.tail()))?;
        }
    }

    /// # Errors
    /// When it has ended already.
    pub fn signal(&mut self, signal: Signal) -> anyhow::Result<()> {
        self.process.signal(signal)
    }

    /// The exit status if it has ended.
    ///
    /// # Errors
    /// When the system cannot tell.
    pub fn exited(&mut self) -> anyhow::Result<Option<ExitStatus>> {
        self.process.exited()
    }

    /// Its last lines, for an error message.
    pub fn tail(&self) -> String {
        self.lines.tail().to_string()
    }

    /// SIGKILL; returns when it is gone.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn kill9(&mut self) -> anyhow::Result<()> {
        self.process.kill()
    }

    /// # Errors
    /// When it still runs at the deadline; the message has its last lines.
    pub async fn wait_exit(mut self, within: Duration) -> anyhow::Result<Finished> {
        let status = self.process.wait_exit(within).await;
        let status =
            status.with_context(|| format!("its output ends with:{}", self.lines.tail()))?;
        let took = self.started.elapsed();
        for reader in self.readers.drain(..) {
            if reader.join().is_err() {
                bail!("a reader of headwater's output panicked");
            }
        }
        let (stdout, stderr) = (self.lines.of(Stream::Stdout), self.lines.of(Stream::Stderr));
        Ok(Finished {
            status,
            stdout,
            stderr,
            took,
        })
    }

    /// SIGTERM and [`wait_exit`](Self::wait_exit).
    ///
    /// # Errors
    /// As these two.
    pub async fn drain(mut self, within: Duration) -> anyhow::Result<Finished> {
        self.signal(Signal::Term)?;
        self.wait_exit(within).await
    }

    /// A page of its telemetry, e.g. `/metrics`, `/livez`, `/readyz`, `/status`.
    ///
    /// # Errors
    /// When it does not answer.
    pub async fn page(&self, path: &str) -> anyhow::Result<Reply> {
        self.http
            .get(&format!(
                "http://127.0.0.1:{}{path}",
                self.telemetry.number()
            ))
            .await
    }

    /// `/status` as JSON.
    ///
    /// # Errors
    /// When it does not answer, or not with JSON.
    pub async fn status(&self) -> anyhow::Result<serde_json::Value> {
        serde_json::from_slice(&self.page("/status").await?.body).context("read /status")
    }

    /// The sum of a metric's series whose labels contain all of `labels`, e.g. `kind="insert"`;
    /// `None` when there is none.
    ///
    /// # Errors
    /// When the metrics page does not answer.
    pub async fn metric(&self, name: &str, labels: &[&str]) -> anyhow::Result<Option<f64>> {
        let page = self.page("/metrics").await?.text();
        let values = page
            .lines()
            .filter(|line| !line.starts_with('#'))
            .filter_map(|line| {
                let (series, value) = line.rsplit_once(' ')?;
                let found = series.split('{').next() == Some(name)
                    && labels.iter().all(|label| series.contains(label));
                found.then(|| value.parse::<f64>().ok())?
            });
        Ok(values.fold(None, |sum, value| Some(sum.unwrap_or(0.0) + value)))
    }

    /// Resident memory now.
    ///
    /// # Errors
    /// When the program has ended.
    pub fn rss_kib(&self) -> anyhow::Result<u64> {
        self.status_field("VmRSS:")
    }

    /// The most resident memory it ever had.
    ///
    /// # Errors
    /// When the program has ended.
    pub fn peak_rss_kib(&self) -> anyhow::Result<u64> {
        self.status_field("VmHWM:")
    }

    /// Processor time so far, of all its threads.
    ///
    /// # Errors
    /// When the program has ended.
    pub fn cpu_secs(&self) -> anyhow::Result<f64> {
        let path = format!("/proc/{}/stat", self.id());
        let text = std::fs::read_to_string(&path).with_context(|| format!("read {path}"))?;
        // proc(5): utime and stime are fields 14 and 15, in ticks of 10 ms, counted behind the name.
        let fields = text
            .rsplit(") ")
            .next()
            .unwrap_or_default()
            .split(' ')
            .skip(11)
            .take(2);
        let ticks: u64 = fields.filter_map(|field| field.parse::<u64>().ok()).sum();
        Ok(ticks as f64 / 100.0)
    }

    fn status_field(&self, name: &str) -> anyhow::Result<u64> {
        let path = format!("/proc/{}/status", self.id());
        let text = std::fs::read_to_string(&path).with_context(|| format!("read {path}"))?;
        let field = text.lines().find_map(|line| {
            line.strip_prefix(name)?
                .split_whitespace()
                .next()?
                .parse()
                .ok()
        });
        field.with_context(|| format!("{path} has no {name}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WITHIN: Duration = Duration::from_secs(20);

    fn shell(folder: &Path, script: &str) -> anyhow::Result<Launch> {
        Launch::new("sh", folder, &["-c", script])
    }

    #[tokio::test]
    async fn lines_signals_and_the_exit_code_are_seen() -> anyhow::Result<()> {
        let folder = tempfile::tempdir()?;
        let script = "trap 'echo drained >&2; exit 3' TERM; echo \"$HEADWATER__SOURCE__URL\"; while :; do sleep 0.01; done";
        let launch = shell(folder.path(), script)?.setting("source.url", "mysql://here");
        let mut program = launch.start()?;
        assert_eq!(
            program.wait_for_line("mysql://", WITHIN).await?.stream,
            Stream::Stdout
        );
        assert!(program.rss_kib()? > 0 && program.peak_rss_kib()? >= program.rss_kib()?);
        assert!(program.cpu_secs()? >= 0.0);
        let finished = program.drain(WITHIN).await?;
        assert_eq!(finished.code(), Some(3));
        assert_eq!(
            (finished.stdout, finished.stderr),
            (vec!["mysql://here".into()], vec!["drained".into()])
        );
        Ok(())
    }

    #[tokio::test]
    async fn an_end_without_the_line_is_told_at_once_with_the_output() -> anyhow::Result<()> {
        let folder = tempfile::tempdir()?;
        let mut program = shell(folder.path(), "echo no such stream; exit 1")?.start()?;
        let error = program
            .wait_for_line("ready", WITHIN)
            .await
            .unwrap_err()
            .to_string();
        assert!(error.contains("no such stream"), "{error}");
        Ok(())
    }
}
