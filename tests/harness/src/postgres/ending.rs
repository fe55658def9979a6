//! Killing all of a PostgreSQL: its processes lead groups of their own, and what they leave in the kernel (56 bytes
//! of shared memory, by which a start notices an old server) outlives them.

use std::{path::Path, process::Command};

use anyhow::{Context, ensure};

use crate::process::Process;

/// What the server says of itself while it runs: its id, its folder, times, the port, and in the last line whether it
/// takes connections. A killed one leaves it behind.
fn status(datadir: &Path, id: u32) -> Option<Vec<String>> {
    let text = std::fs::read_to_string(datadir.join("postmaster.pid")).ok()?;
    let lines: Vec<_> = text.lines().map(|line| line.trim().to_owned()).collect();
    (lines.first() == Some(&id.to_string())).then_some(lines)
}

pub(super) fn is_ready(datadir: &Path, id: u32) -> bool {
    status(datadir, id).is_some_and(|lines| lines.get(7).is_some_and(|line| line == "ready"))
}

pub(super) fn kill(process: &mut Process, datadir: &Path) -> anyhow::Result<()> {
    let id = process.id();
    let children = children_of(id)?;
    process.kill()?;
    for child in &children {
        // One that saw its parent end may be gone already.
        Command::new("sh")
            .args(["-c", "kill -s KILL \"$1\" 2>/dev/null || true", "kill"])
            .arg(child.to_string())
            .status()
            .context("run `kill`")?;
    }
    while children.iter().any(|child| parent_of(*child).is_some()) {
        std::thread::yield_now();
    }
    let segment = status(datadir, id)
        .and_then(|lines| Some(lines.get(6)?.split_whitespace().nth(1)?.to_owned()));
    if let Some(segment) = segment {
        let removed = Command::new("ipcrm").args(["-m", &segment]).output();
        let removed = removed.context("run `ipcrm`")?;
        ensure!(
            removed.status.success(),
            "the shared memory of a killed PostgreSQL stays: {}",
            String::from_utf8_lossy(&removed.stderr)
        );
    }
    Ok(())
}

fn children_of(id: u32) -> anyhow::Result<Vec<u32>> {
    let processes = std::fs::read_dir("/proc").context("list the processes")?;
    let ids = processes.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
    Ok(ids.filter(|child| parent_of(*child) == Some(id)).collect())
}

/// `None` of one that has ended, whether or not somebody has asked for its exit.
fn parent_of(id: u32) -> Option<u32> {
    let stat = std::fs::read_to_string(format!("/proc/{id}/stat")).ok()?;
    let (_, behind_name) = stat.rsplit_once(") ")?;
    let mut fields = behind_name.split(' ');
    let state = fields.next()?;
    let parent = fields.next()?.parse().ok()?;
    (state != "Z" && state != "X").then_some(parent)
}
