//! A child process that cannot outlive us.
//!
//! It leads its own process group, and the group is killed when the value is dropped. A guard (a shell
//! that reads a pipe which only we hold open) kills the group too when this process ends in a way that
//! runs no destructors. The guard goes first on every ordered end, so it never meets a reused id.

use std::{
    fmt,
    os::unix::process::CommandExt,
    path::Path,
    process::{Child, Command, ExitStatus, Stdio},
    time::Duration,
};

use anyhow::{Context, ensure};

use crate::wait::Deadline;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Signal {
    Term,
    Int,
    Hup,
    Kill,
    Stop,
    Continue,
}

impl fmt::Display for Signal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Term => "TERM",
            Self::Int => "INT",
            Self::Hup => "HUP",
            Self::Kill => "KILL",
            Self::Stop => "STOP",
            Self::Continue => "CONT",
        })
    }
}

/// A running child; killed with its whole group when dropped.
#[derive(Debug)]
pub struct Process {
    name: String,
    child: Child,
    guard: Option<Child>,
}

impl Process {
    /// Starts `command`, whose output the caller has already directed, without standard input.
    ///
    /// # Errors
    /// When it or its guard cannot be started.
    pub fn spawn(name: &str, command: &mut Command) -> anyhow::Result<Self> {
        let child = command
            .stdin(Stdio::null())
            .process_group(0)
            .spawn()
            .with_context(|| format!("start `{name}`"))?;
        let mut process = Self {
            name: name.to_owned(),
            child,
            guard: None,
        };
        let guard = Command::new("sh")
            .args([
                "-c",
                "read -r _; kill -s KILL -- \"-$1\"",
                "guard",
                &process.id().to_string(),
            ])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .process_group(0)
            .spawn()
            .with_context(|| format!("start the guard of `{name}`"))?;
        process.guard = Some(guard);
        Ok(process)
    }

    pub fn id(&self) -> u32 {
        self.child.id()
    }

    pub fn child_mut(&mut self) -> &mut Child {
        &mut self.child
    }

    /// The exit status if it has ended.
    ///
    /// # Errors
    /// When the system cannot tell.
    pub fn exited(&mut self) -> anyhow::Result<Option<ExitStatus>> {
        self.child
            .try_wait()
            .with_context(|| format!("ask whether `{}` has ended", self.name))
    }

    /// Waits until a server that was just started answers.
    ///
    /// # Errors
    /// When it ends, or does not answer in time: with the end of its log. What `is_ready` says.
    pub async fn until_ready(
        &mut self,
        within: Duration,
        log: &Path,
        mut is_ready: impl AsyncFnMut() -> anyhow::Result<bool>,
    ) -> anyhow::Result<()> {
        let deadline = Deadline::after(within, format!("`{}` to answer", self.name));
        loop {
            if let Some(status) = self.exited()? {
                anyhow::bail!(
                    "`{}` ended with {status} while it started:{}",
                    self.name,
                    tail(log)
                );
            }
            if is_ready().await? {
                return Ok(());
            }
            deadline
                .pause()
                .await
                .with_context(|| format!("its log ends with:{}", tail(log)))?;
        }
    }

    /// Sends a signal to the process (not to its group).
    ///
    /// # Errors
    /// When it has ended already or may not be signalled.
    pub fn signal(&mut self, signal: Signal) -> anyhow::Result<()> {
        ensure!(
            self.exited()?.is_none(),
            "`{}` has ended already and takes no signal {signal}",
            self.name
        );
        let status = kill(signal, &self.id().to_string())?;
        ensure!(
            status.success(),
            "`{}` took no signal {signal}: kill gave {status}",
            self.name
        );
        Ok(())
    }

    /// Waits for its end.
    ///
    /// # Errors
    /// When it still runs at the deadline.
    pub async fn wait_exit(&mut self, within: Duration) -> anyhow::Result<ExitStatus> {
        let deadline = Deadline::after(within, format!("`{}` to end", self.name));
        loop {
            if let Some(status) = self.exited()? {
                return Ok(status);
            }
            deadline.pause().await?;
        }
    }

    /// SIGKILL for it and its group; returns when it is gone.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn kill(&mut self) -> anyhow::Result<()> {
        if let Some(mut guard) = self.guard.take() {
            guard
                .kill()
                .with_context(|| format!("end the guard of `{}`", self.name))?;
            guard
                .wait()
                .with_context(|| format!("end the guard of `{}`", self.name))?;
        }
        if self.exited()?.is_none() {
            kill(Signal::Kill, &format!("-{}", self.id()))?;
            self.child
                .kill()
                .with_context(|| format!("kill `{}`", self.name))?;
        }
        self.child
            .wait()
            .with_context(|| format!("wait for the end of `{}`", self.name))?;
        Ok(())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if let Err(error) = self.kill() {
            eprintln!("harness: {error:#}");
        }
    }
}

fn kill(signal: Signal, target: &str) -> anyhow::Result<ExitStatus> {
    Command::new("sh")
        .args([
            "-c",
            "kill -s \"$1\" -- \"$2\"",
            "kill",
            &signal.to_string(),
            target,
        ])
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .context("run `kill`")
}

/// The last lines of a log, for an error message.
pub fn tail(log: &Path) -> String {
    match std::fs::read(log) {
        Ok(bytes) => {
            let text = String::from_utf8_lossy(&bytes);
            let lines: Vec<&str> = text.lines().collect();
            lines
                .iter()
                .skip(lines.len().saturating_sub(25))
                .map(|line| format!("\n  | {line}"))
                .collect()
        }
        Err(error) => format!("\n  (its log {} cannot be read: {error})", log.display()),
    }
}

/// Appends output to `log`: standard output and standard error.
///
/// # Errors
/// When the file cannot be opened.
pub fn log_into(command: &mut Command, log: &Path) -> anyhow::Result<()> {
    let context = || format!("open the log {}", log.display());
    let file = std::fs::OpenOptions::new()
        .create(true)
        .append(true)
        .open(log)
        .with_context(context)?;
    command
        .stdout(file.try_clone().with_context(context)?)
        .stderr(file);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_dropped_process_takes_its_children_with_it() {
        let folder = tempfile::tempdir().unwrap();
        let marker = folder.path().join("child");
        let script = "sleep 1000 & echo $! >\"$1.new\"; mv \"$1.new\" \"$1\"; wait";
        let process = Process::spawn(
            "parent",
            Command::new("sh")
                .args(["-c", script, "parent"])
                .arg(&marker),
        )
        .unwrap();
        let deadline = Deadline::after(Duration::from_secs(10), "the child to start");
        while !marker.exists() {
            deadline.pause().await.unwrap();
        }
        let child = std::fs::read_to_string(&marker).unwrap();
        drop(process);
        let status = format!("/proc/{}/stat", child.trim());
        let deadline = Deadline::after(Duration::from_secs(10), "the child to end");
        while std::fs::read_to_string(&status).is_ok_and(|stat| !stat.contains(") Z ")) {
            deadline.pause().await.unwrap();
        }
    }
}
