//! Headwater shown in half a minute: `scripts/demo` builds it and calls this.
//!
//! A real MySQL with a shop that never rests, a real Kinesis API, and the built binary between them. It is
//! drained and started again, then killed and started again; at the end every row change of the binary log
//! is looked for in the stream. Ends with code 1 when one is missing, invented or out of order, or when
//! the restart after the drain repeated anything. The truth is the binary log, read by another library.
//! `--warehouse` is another play, up to tables.

mod shop;
mod show;
mod stream;
mod warehouse;

use std::{path::PathBuf, time::Duration};

use anyhow::{Context, ensure};
use headwater_harness::{
    cache,
    facts::Facts,
    kinesis::Kinesis,
    mysql::{MySql, PASSWORD, USER},
    program::{Launch, Program},
    wait::Deadline,
};
use tokio::{
    process::Command,
    signal::unix::{SignalKind, signal},
};

use show::{say, step};
use stream::Reader;

const WITHIN: Duration = Duration::from_secs(30);

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let mut arguments = std::env::args().skip(1);
    let binary = PathBuf::from(arguments.next().context("say which binary to show")?);
    let (mut keep, mut to_warehouse) = (false, false);
    for argument in arguments {
        match argument.as_str() {
            "--keep" => keep = true,
            "--warehouse" => to_warehouse = true,
            other => anyhow::bail!("there is no `{other}`: say --keep, --warehouse or nothing"),
        }
    }
    if to_warehouse {
        return warehouse::play(&binary, keep).await;
    }
    let demo = Demo::start(binary).await?;
    demo.play(keep).await
}

struct Demo {
    binary: PathBuf,
    server: MySql,
    kinesis: Kinesis,
    folder: tempfile::TempDir,
    launch: Launch,
}

impl Demo {
    async fn start(binary: PathBuf) -> anyhow::Result<Self> {
        let (server, kinesis) = tokio::join!(MySql::start(), Kinesis::start());
        let (server, kinesis) = (server?, kinesis?);
        kinesis.create_stream("shop", 2).await?;
        shop::create(&server).await?;
        let folder = tempfile::tempdir().context("create a folder")?;
        let config = format!(
            "[source]\nurl = \"{}\"\ntables = [\"shop.*\"]\n\n[sink]\ntype = \"kinesis\"\n\
             [sink.kinesis]\nstream = \"shop\"\nregion = \"us-east-1\"\nendpoint_url = \"{}\"\n",
            server.url(USER, PASSWORD),
            kinesis.endpoint()
        );
        let launch = Launch::run(&binary, folder.path(), &config)?;
        let demo = Self {
            binary,
            server,
            kinesis,
            folder,
            launch,
        };
        demo.print_addresses()?;
        Ok(demo)
    }

    fn print_addresses(&self) -> anyhow::Result<()> {
        step("the parts");
        say(&format!(
            "MySQL {:<16} {}",
            MySql::version()?,
            self.server.url(USER, PASSWORD)
        ));
        say(&format!(
            "{:<22} {}, stream shop, 2 shards",
            cache::version("kinesis")?,
            self.kinesis.endpoint()
        ));
        say(&format!(
            "{:<22} http://127.0.0.1:{}/metrics, /status",
            "Headwater",
            self.launch.telemetry_port()
        ));
        Ok(())
    }

    async fn play(self, keep: bool) -> anyhow::Result<()> {
        let (file, offset) = self.server.position().await?;
        let mut program = self.launch.start()?;
        self.ready(&mut program).await?;
        let mut reader = Reader::new(self.kinesis.consumer("shop").await?);
        let writer = shop::Writer::start(&self.server).await?;
        let mut peak_kib = 0;

        step("a shop at work, and lines as a consumer reads them");
        reader.follow(Duration::from_secs(4), true).await?;
        shop::add_column(&self.server).await?;
        reader.follow(Duration::from_secs(2), true).await?;

        step("SIGTERM");
        peak_kib = peak_kib.max(program.peak_rss_kib()?);
        let began = tokio::time::Instant::now();
        let finished = program.drain(WITHIN).await?;
        let took = began.elapsed();
        ensure!(
            finished.code() == Some(0),
            "it did not drain: {}",
            finished.text()
        );
        reader.catch_up().await?;
        let before = reader.judge()?.verdict();
        say(&format!(
            "drained in {} ms, exit code 0, {} rows in the stream",
            took.as_millis(),
            before.changes()
        ));
        let position = self.position().await?;
        say(&format!("stored position: {position}"));

        step("start again, while the shop went on");
        reader.mark_restart();
        let mut program = self.launch.start()?;
        self.ready(&mut program).await?;
        reader.follow(Duration::from_secs(3), false).await?;
        let after = reader.judge()?.verdict();
        let (last, first) = reader.seam()?;
        let repeated = after.duplicates - before.duplicates;
        say(&format!(
            "last transaction before: {last}; first one after: {first}; lines repeated: {repeated}"
        ));
        ensure!(
            repeated == 0 && first == position,
            "the restart did not go on exactly at {position}"
        );

        step("kill -9, and start again");
        peak_kib = peak_kib.max(program.peak_rss_kib()?);
        program.kill9()?;
        drop(program);
        reader.catch_up().await?;
        reader.mark_restart();
        tokio::time::sleep(Duration::from_millis(500)).await;
        let mut program = self.launch.start()?;
        self.ready(&mut program).await?;
        reader.follow(Duration::from_secs(3), false).await?;
        let (last, first) = reader.seam()?;
        say(&format!(
            "last transaction before: {last}; first one after: {first}"
        ));

        let written = writer.stop().await?;
        let facts = Facts::of(&self.server).await?.since(&file, offset);
        reader.read_rows(facts.changes.len() as u64, WITHIN).await?;
        peak_kib = peak_kib.max(program.peak_rss_kib()?);
        let verdict = reader.judge()?.against(&facts);

        step("the result");
        show::table(&show::Result {
            written: facts.changes.len() as u64,
            transactions: written,
            verdict: &verdict,
            ages_ms: reader.ages_ms()?,
            peak_kib,
        });
        for example in &verdict.examples {
            say(example);
        }
        verdict.ensure_clean()?;
        if keep {
            self.keep(program).await?;
        } else {
            let finished = program.drain(WITHIN).await?;
            ensure!(
                finished.code() == Some(0),
                "it did not drain: {}",
                finished.text()
            );
        }
        Ok(())
    }

    /// Until it streams; says how long that took.
    async fn ready(&self, program: &mut Program) -> anyhow::Result<()> {
        let deadline = Deadline::after(WITHIN, "headwater to stream");
        loop {
            if let Ok(page) = program.page("/readyz").await
                && page.status == 200
            {
                let took = program.started().elapsed().as_millis();
                say(&format!("headwater streams {took} ms after its start"));
                return Ok(());
            }
            deadline.pause().await.with_context(|| {
                let lines = program.lines(headwater_harness::program::Stream::Stderr);
                lines.join("\n")
            })?;
        }
    }

    /// What `headwater position show` says is stored.
    async fn position(&self) -> anyhow::Result<String> {
        let output = Command::new(&self.binary)
            .args(["position", "show", "-c", "headwater.toml", "--json"])
            .current_dir(self.folder.path())
            .output()
            .await
            .context("run `headwater position show`")?;
        ensure!(
            output.status.success(),
            "headwater position show: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        let shown: serde_json::Value =
            serde_json::from_slice(&output.stdout).context("read `headwater position show`")?;
        let position = shown.get("position").and_then(serde_json::Value::as_str);
        Ok(position.context("no `position` is shown")?.to_owned())
    }

    async fn keep(self, program: Program) -> anyhow::Result<()> {
        let writer = shop::Writer::start(&self.server).await?;
        self.print_addresses()?;
        say(&format!(
            "{:<22} {}",
            "config and checkpoint",
            self.folder.path().display()
        ));
        step("it all runs on until Ctrl-C");
        let mut terminate = signal(SignalKind::terminate()).context("wait for SIGTERM")?;
        tokio::select! {
            interrupted = tokio::signal::ctrl_c() => interrupted.context("wait for Ctrl-C")?,
            _ = terminate.recv() => (),
        }
        writer.stop().await?;
        program.drain(WITHIN).await?;
        Ok(())
    }
}
