//! One life of the program: started under some weather, struck by incidents, ended by a kill or a drain.

use std::{
    os::unix::process::ExitStatusExt,
    time::{Duration, Instant},
};

use anyhow::{Context, bail, ensure};
use tokio::time::sleep;

use super::{Chaos, End, Member, copies::is_copying, pair::is_overtaken, weather::Weather};
use crate::{
    faults::FaultProxy,
    process::Signal,
    program::{Finished, Program},
    wait::Deadline,
    wire::Cut,
};

/// So long an incident of MySQL may take; a drain has its grace time.
pub(super) const WITHIN: Duration = Duration::from_secs(90);
/// A life inside the giant transaction first reads what the lives before it have delivered of it, and then gets
/// so far that its kill can lie anywhere in it.
const IN_GIANT_MS_MAX: u64 = 20_000;
const IN_GIANT_CALLS_MAX: u64 = 200;
const SIGTERM: i32 = 15;

#[derive(Debug, Clone, Copy)]
pub(super) enum Incident {
    KillsConnections,
    FlushesLogs,
    CutsConnections,
    StallsConnections,
    Freezes,
    TakesApiDown,
    Changes,
    RestartsMySql,
    KillsMySql,
}

impl Incident {
    /// What takes seconds comes seldom.
    pub(super) fn draw(random: &mut fastrand::Rng) -> Option<Self> {
        Some(match random.u32(..100) {
            0..8 => Self::KillsConnections,
            8..16 => Self::FlushesLogs,
            16..24 => Self::CutsConnections,
            24..26 => Self::StallsConnections,
            26..34 => Self::Freezes,
            34..42 => Self::TakesApiDown,
            42..50 => Self::Changes,
            50 => Self::RestartsMySql,
            51 => Self::KillsMySql,
            _ => return None,
        })
    }

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::KillsConnections => "KILL of the dump",
            Self::FlushesLogs => "FLUSH BINARY LOGS",
            Self::CutsConnections => "connections to MySQL cut",
            Self::StallsConnections => "connections to MySQL half open",
            Self::Freezes => "SIGSTOP",
            Self::TakesApiDown => "API down",
            Self::Changes => "weather changed",
            Self::RestartsMySql => "MySQL restarted",
            Self::KillsMySql => "MySQL killed",
        }
    }
}

impl Chaos {
    /// From start to end; `last_end` is that of the life before.
    pub(super) async fn live(&mut self, last_end: Option<End>) -> anyhow::Result<End> {
        let weather = Weather::draw(&mut self.random);
        self.report.happened(weather.name());
        self.set_weather(weather, []);
        let mut member = self.member().await?;
        self.linger(&member.proxy).await;
        self.copy_anew(&member.program).await?;
        let mut scene = weather.name().to_owned();
        if let Some(incident) = Incident::draw(&mut self.random) {
            self.report.happened(incident.name());
            scene = format!("{scene}, {}", incident.name());
            self.strike(incident, &mut [&mut member]).await?;
            self.linger(&member.proxy).await;
        }
        let Member { mut program, proxy } = member;
        self.ensure_alive(&mut program).await?;
        self.report.saw_memory(&program);
        let end = self.end(program, &scene).await?;
        let sent = self.sent(end == End::Drained, None).await?;
        drop(proxy);
        self.report.sent(last_end, sent);
        self.left_giant(end).await?;
        Ok(end)
    }

    /// Until some calls have come, or not; then a moment more.
    pub(super) async fn linger(&mut self, proxy: &FaultProxy) {
        let (calls_max, wait_ms_max) = match self.giant {
            Some(_) => (IN_GIANT_CALLS_MAX, IN_GIANT_MS_MAX),
            None => (25, 3_000),
        };
        let count = proxy.stats().calls + self.random.u64(..calls_max);
        let wait = match self.random.u32(..5) {
            0 => self.random.u64(..300),
            _ => self.random.u64(300..wait_ms_max),
        };
        let wait = Duration::from_millis(wait);
        // Whichever comes first: a kill must also hit a life that moves nothing.
        drop(tokio::time::timeout(wait, proxy.calls_reached(count)).await);
        sleep(Duration::from_millis(self.random.u64(..60))).await;
    }

    /// A program that ends by itself has halted.
    pub(super) async fn ensure_alive(&self, program: &mut Program) -> anyhow::Result<()> {
        if let Some(status) = program.exited()? {
            bail!("headwater ended with {status}: {}", program.tail());
        }
        Ok(())
    }

    async fn end(&mut self, mut program: Program, scene: &str) -> anyhow::Result<End> {
        let ends = [End::Killed, End::Killed, End::Killed, End::Drained];
        let is_within_copy = is_copying(&program).await == Some(true);
        if self.draw_end(&ends) == End::Killed {
            program.kill9()?;
            self.report.kills += 1;
            self.report.copied.kills += u64::from(is_within_copy);
            return Ok(End::Killed);
        }
        self.report.copied.drains += u64::from(is_within_copy);
        let asked = Instant::now();
        let finished = program.drain(WITHIN).await?;
        let end = self.how_drained(&finished, scene)?;
        match end {
            End::Killed => self.report.kills += 1,
            end => self.report.drained(end == End::Drained, asked.elapsed()),
        }
        Ok(end)
    }

    /// Each as often as it stands there.
    pub(super) fn draw_end(&mut self, ends: &[End]) -> End {
        if self.ends.is_empty() {
            self.ends = ends.to_vec();
            self.random.shuffle(&mut self.ends);
        }
        self.ends.pop().unwrap_or(End::Killed)
    }

    pub(super) fn how_drained(&mut self, finished: &Finished, scene: &str) -> anyhow::Result<End> {
        Ok(match finished.code() {
            Some(0) => End::Drained,
            Some(3) => {
                let last = finished.stderr.iter().rev().take(3).rev();
                let last: Vec<&str> = last.map(String::as_str).collect();
                self.report
                    .note(format!("grace time over: {scene}: {}", last.join(" / ")));
                End::GraceOver
            }
            // So soon after its start that it did not listen yet.
            None if finished.status.signal() == Some(SIGTERM) => End::Killed,
            _ if self.options.standby.is_some() && is_overtaken(finished) => End::Overtaken,
            code => bail!("a drain ended with {code:?}: {}", finished.text()),
        })
    }

    /// All of them, or the first where it is about a process.
    pub(super) async fn strike(
        &mut self,
        incident: Incident,
        members: &mut [&mut Member],
    ) -> anyhow::Result<()> {
        let moment = Duration::from_millis(self.random.u64(100..1_500));
        match incident {
            Incident::KillsConnections => self.kill_dumps().await?,
            Incident::FlushesLogs => {
                for _ in 0..self.random.u32(1..8) {
                    self.mysql.exec("FLUSH BINARY LOGS").await?;
                }
            }
            Incident::CutsConnections => self.wire.cut(match self.random.bool() {
                true => Cut::Reset,
                false => Cut::Close,
            }),
            Incident::StallsConnections => self.wire.stall(),
            Incident::Freezes => {
                let program = &mut members.first_mut().context("freeze nobody")?.program;
                program.signal(Signal::Stop)?;
                sleep(moment).await;
                program.signal(Signal::Continue)?;
            }
            Incident::TakesApiDown => {
                for is_down in [true, false] {
                    for member in &*members {
                        member.proxy.program(|faults| faults.is_down = is_down);
                    }
                    if is_down {
                        sleep(moment).await;
                    }
                }
            }
            Incident::Changes => {
                let weather = Weather::draw(&mut self.random);
                for member in &*members {
                    member.proxy.program(|faults| *faults = weather.api());
                }
            }
            Incident::RestartsMySql => {
                self.mysql.stop().await?;
                self.mysql.start_again().await?;
            }
            Incident::KillsMySql => {
                self.mysql.kill()?;
                self.mysql.start_again().await?;
            }
        }
        Ok(())
    }

    async fn kill_dumps(&self) -> anyhow::Result<()> {
        const NO_SUCH_THREAD: &str = "Unknown thread id";
        let sql = "SELECT id FROM information_schema.processlist WHERE command LIKE 'Binlog Dump%'";
        let rows = self.mysql.query_rows(sql).await?;
        for id in rows.iter().flatten().flatten() {
            let killed = self.mysql.exec(&format!("KILL {id}")).await;
            if let Err(error) = killed {
                let is_gone = format!("{error:#}").contains(NO_SUCH_THREAD);
                ensure!(is_gone, "{error:#}");
            }
        }
        Ok(())
    }
}

/// Waits until the writers have got somewhere, for runs so short that nothing else would happen.
pub(super) async fn reached(what: &str, mut is_so: impl FnMut() -> bool) -> anyhow::Result<()> {
    let deadline = Deadline::after(WITHIN, what);
    while !is_so() {
        deadline.pause().await.context("the writers stand still")?;
    }
    Ok(())
}
