//! Two processes of one pipeline over a lease: one streams, the other stands by and takes over.
//!
//! A life is the time in which one process holds the lease. It ends by SIGKILL (the other one takes over within
//! the lease), by a drain (at once), or by SIGSTOP past the lease: once it goes on, it must end by itself and send
//! nothing more. What struck is then started again as the one that stands by. A lease may also be lost to what
//! else happens, such as a MySQL that restarts: that is allowed, and counted.

use std::time::Instant;

use anyhow::{Context, bail, ensure};

use super::{
    Chaos, End, Member, Store,
    life::{Incident, WITHIN},
    weather::Weather,
};
use crate::{
    faults::FaultProxy,
    process::Signal,
    program::{Finished, Program},
    wait::Deadline,
};

pub const LEASE_SECS: u64 = 4;

pub(super) struct Pair {
    holder: Member,
    standby: Member,
}

impl Pair {
    /// Waits until the second one stands by; `false`: it took over, and the first one ended.
    async fn settles(&mut self) -> anyhow::Result<bool> {
        let deadline = Deadline::after(WITHIN, "one process to stream and one to stand by");
        loop {
            if self.holder.program.exited()?.is_some() {
                return Ok(false);
            }
            let standby = &mut self.standby.program;
            if let Some(status) = standby.exited()? {
                bail!(
                    "the one that stood by ended with {status}: {}",
                    standby.tail()
                );
            }
            let page = standby.page("/readyz").await;
            if page.is_ok_and(|page| page.text().contains("standby")) {
                return Ok(true);
            }
            deadline.pause().await?;
        }
    }
}

impl Chaos {
    /// Of the checkpoint's settings.
    pub(super) fn store(&self) -> String {
        let moto = self.moto.as_ref().map(|moto| {
            let url = moto.endpoint();
            format!("[checkpoint.dynamodb]\nendpoint_url = \"{url}\"\n")
        });
        match self.options.standby {
            None => String::new(),
            Some(store) => format!(
                "type = \"{}\"\nlease_secs = {LEASE_SECS}\n{}",
                store.name(),
                moto.unwrap_or_default()
            ),
        }
    }

    /// The store's table, by the program itself.
    pub(super) async fn create_store(&self) -> anyhow::Result<()> {
        match self.options.standby {
            None => return Ok(()),
            Some(Store::MySql) => {
                let grant = "GRANT CREATE, INSERT, UPDATE ON headwater.* TO 'headwater'@'%'";
                self.mysql.exec(grant).await?;
            }
            Some(Store::DynamoDb) => (),
        }
        let finished = self
            .launch(&["check", "--create", "-c", "headwater.toml"])?
            .setting("sink.kinesis.endpoint_url", &self.kinesis.endpoint())
            .finish(WITHIN)
            .await?;
        ensure!(finished.code() == Some(0), "{}", finished.text());
        Ok(())
    }

    pub(super) async fn start_pair(&mut self) -> anyhow::Result<Pair> {
        let mut holder = self.member().await?;
        holder.program.wait_ready(WITHIN).await?;
        let standby = self.member().await?;
        Ok(Pair { holder, standby })
    }

    /// From one takeover to the next; `last_end` is that of the life before.
    pub(super) async fn reign(
        &mut self,
        mut pair: Pair,
        last_end: Option<End>,
    ) -> anyhow::Result<(Pair, End)> {
        let weather = Weather::draw(&mut self.random);
        self.report.happened(weather.name());
        self.set_weather(weather, [&pair.holder, &pair.standby]);
        self.linger(&pair.holder.proxy).await;
        let mut scene = weather.name().to_owned();
        if let Some(incident) = Incident::draw(&mut self.random) {
            self.report.happened(incident.name());
            scene = format!("{scene}, {}", incident.name());
            // One that has just ended takes no signal.
            if pair.holder.program.exited()?.is_none() {
                let mut members = [&mut pair.holder, &mut pair.standby];
                self.strike(incident, &mut members).await?;
            }
            self.linger(&pair.holder.proxy).await;
        }
        let wanted = match pair.settles().await? {
            true => self.draw_end(&[End::Killed, End::Drained, End::Stopped]),
            false => End::Overtaken,
        };
        let Pair {
            holder: Member { mut program, proxy },
            standby: mut next,
        } = pair;
        self.report.saw_memory(&program);
        let asked = Instant::now();
        let (end, stopped) = match wanted {
            End::Killed => {
                program.kill9()?;
                self.report.kills += 1;
                (End::Killed, None)
            }
            End::Stopped => {
                program.signal(Signal::Stop)?;
                (End::Stopped, Some(program))
            }
            End::Overtaken => {
                ensure_overtaken(&program.wait_exit(WITHIN).await?)?;
                (End::Overtaken, None)
            }
            End::Drained | End::GraceOver => {
                let finished = program.drain(WITHIN).await?;
                let end = self.how_drained(&finished, &scene)?;
                if end != End::Overtaken {
                    self.report.drained(end == End::Drained, asked.elapsed());
                }
                (end, None)
            }
        };
        let ended = match end {
            End::Drained => Instant::now(),
            _ => asked,
        };
        let ready = next.program.wait_ready(WITHIN).await;
        ready.with_context(|| format!("take over: {scene}, {end:?}"))?;
        self.report.taken_over(end, ended.elapsed());
        if let Some(stopped) = stopped {
            self.linger(&next.proxy).await;
            self.wake(stopped, &proxy).await?;
        }
        let sent = self.sent(end == End::Drained, Some(&next.proxy)).await?;
        self.report.sent(last_end, sent);
        let pair = Pair {
            holder: next,
            standby: self.member().await?,
        };
        Ok((pair, end))
    }

    /// Another one holds the lease: it must see that by itself, before it sends anything.
    async fn wake(&mut self, mut stopped: Program, proxy: &FaultProxy) -> anyhow::Result<()> {
        let calls = proxy.stats().calls;
        stopped.signal(Signal::Continue)?;
        let finished = stopped.wait_exit(WITHIN).await?;
        ensure_overtaken(&finished)?;
        let more = proxy.stats().calls - calls;
        if more > 0 {
            let text = finished.text();
            self.report.finding(format!(
                "stopped past its lease, it made {more} calls when it went on: {text}"
            ));
        }
        Ok(())
    }

    /// Fair weather; the one that stands by ends, the other one stays.
    pub(super) async fn last_of(&mut self, mut pair: Pair) -> anyhow::Result<Member> {
        self.set_weather(Weather::Fair, [&pair.holder, &pair.standby]);
        if !pair.settles().await? {
            ensure_overtaken(&pair.holder.program.wait_exit(WITHIN).await?)?;
            self.report.leases_lost += 1;
            return Ok(pair.standby);
        }
        let finished = pair.standby.program.drain(WITHIN).await?;
        ensure!(
            finished.code() == Some(0),
            "one that stood by ended with {:?}: {}",
            finished.code(),
            finished.text()
        );
        Ok(pair.holder)
    }
}

/// The source may tell it first, by ending the connection that it reads from.
pub(super) fn is_overtaken(finished: &Finished) -> bool {
    let text = finished.text();
    finished.code() == Some(1) && (text.contains("took over") || text.contains("taken over"))
}

fn ensure_overtaken(finished: &Finished) -> anyhow::Result<()> {
    ensure!(
        is_overtaken(finished),
        "it ended with {:?}, and not because another took over: {}",
        finished.code(),
        finished.text()
    );
    Ok(())
}
