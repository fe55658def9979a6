//! A real Kinesis API on one's own port: kinesalite, in memory or with data that survives a kill.

use std::{path::PathBuf, process::Command, time::Duration};

use anyhow::{Context, ensure};
use serde_json::json;
use tempfile::TempDir;

use crate::{
    aws::{JsonService, is_code, text},
    cache,
    ports::Port,
    process::{Process, Signal, log_into},
    wait::Deadline,
};

pub use crate::consumer::{Consumer, Record};

#[derive(Debug)]
pub struct Kinesis {
    process: Option<Process>,
    service: JsonService,
    keeps_data: bool,
    port: Port,
    folder: TempDir,
}

const START_WITHIN: Duration = Duration::from_secs(30);
/// Far longer than kinesalite takes.
const DELETED_WITHIN: Duration = Duration::from_secs(3);

impl Kinesis {
    /// A server that forgets everything when it ends.
    ///
    /// # Errors
    /// When kinesalite is not installed or does not start; the message ends with its log.
    pub async fn start() -> anyhow::Result<Self> {
        Self::launch(false).await
    }

    /// A server whose streams and records survive [`kill`](Self::kill).
    ///
    /// # Errors
    /// As [`Kinesis::start`].
    pub async fn durable() -> anyhow::Result<Self> {
        Self::launch(true).await
    }

    async fn launch(keeps_data: bool) -> anyhow::Result<Self> {
        let folder = tempfile::Builder::new()
            .prefix("headwater-kinesis-")
            .tempdir()
            .context("create a folder")?;
        let port = Port::claim()?;
        let service = JsonService::kinesis(&format!("http://127.0.0.1:{}", port.number()));
        let mut server = Self {
            process: None,
            service,
            keeps_data,
            port,
            folder,
        };
        server.start_again().await?;
        Ok(server)
    }

    /// Starts it again, after [`kill`](Self::kill), on the same port (and data if it keeps them).
    ///
    /// # Errors
    /// When it runs already or does not start.
    pub async fn start_again(&mut self) -> anyhow::Result<()> {
        ensure!(self.process.is_none(), "the server runs already");
        let mut command = Command::new(cache::installed("kinesis")?.join("bin/kinesalite"));
        command.args(["--port", &self.port.number().to_string()]);
        command.args([
            "--createStreamMs",
            "10",
            "--deleteStreamMs",
            "10",
            "--updateStreamMs",
            "10",
        ]);
        command.args(["--shardLimit", "10000"]);
        if self.keeps_data {
            command.arg("--path").arg(self.folder.path().join("data"));
        }
        log_into(&mut command, &self.log())?;
        let mut process = Process::spawn("kinesalite", &mut command)?;
        let answers = async || Ok(self.service.call("ListStreams", &json!({})).await.is_ok());
        process
            .until_ready(START_WITHIN, &self.log(), answers)
            .await?;
        self.process = Some(process);
        Ok(())
    }

    /// For `sink.kinesis.endpoint_url`.
    pub fn endpoint(&self) -> String {
        format!("http://127.0.0.1:{}", self.port.number())
    }

    pub fn log(&self) -> PathBuf {
        self.folder.path().join("kinesalite.log")
    }

    /// For operations that have no method here.
    pub fn service(&self) -> &JsonService {
        &self.service
    }

    /// Creates a stream and waits until it is ACTIVE.
    ///
    /// # Errors
    /// When the server refuses.
    pub async fn create_stream(&self, name: &str, shards: u32) -> anyhow::Result<()> {
        self.service
            .call(
                "CreateStream",
                &json!({"StreamName": name, "ShardCount": shards}),
            )
            .await?;
        self.wait_active(name).await
    }

    /// Waits until a stream is ACTIVE, e.g. after a split.
    ///
    /// # Errors
    /// When it does not exist or stays in another state.
    pub async fn wait_active(&self, name: &str) -> anyhow::Result<()> {
        let deadline = Deadline::after(
            Duration::from_secs(30),
            format!("stream `{name}` to be active"),
        );
        loop {
            let summary = self
                .service
                .call("DescribeStreamSummary", &json!({"StreamName": name}))
                .await?;
            if summary.pointer("/StreamDescriptionSummary/StreamStatus") == Some(&json!("ACTIVE")) {
                return Ok(());
            }
            deadline.pause().await?;
        }
    }

    /// Deletes a stream and waits until it is gone.
    ///
    /// # Errors
    /// When the server refuses.
    pub async fn delete_stream(&self, name: &str) -> anyhow::Result<()> {
        let deadline = Deadline::after(
            Duration::from_secs(30),
            format!("stream `{name}` to be gone"),
        );
        let input = json!({"StreamName": name});
        self.service.call("DeleteStream", &input).await?;
        let mut again = Deadline::after(DELETED_WITHIN, "the deletion");
        loop {
            match self.service.call("DescribeStreamSummary", &input).await {
                // A put that was under way has written the stream's description anew.
                Ok(_) if again.is_over() => {
                    self.service.call("DeleteStream", &input).await?;
                    again = Deadline::after(DELETED_WITHIN, "the deletion");
                }
                Ok(_) => deadline.pause().await?,
                Err(error) if is_code(&error, "ResourceNotFoundException") => return Ok(()),
                Err(error) => return Err(error),
            }
        }
    }

    /// Puts one record; answers its sequence number.
    ///
    /// # Errors
    /// When the server refuses.
    pub async fn put(
        &self,
        stream: &str,
        partition_key: &str,
        data: &[u8],
    ) -> anyhow::Result<String> {
        let data = base64_simd::STANDARD.encode_to_string(data);
        let input = json!({"StreamName": stream, "PartitionKey": partition_key, "Data": data});
        let output = self.service.call("PutRecord", &input).await?;
        text(&output, "SequenceNumber")
    }

    /// A consumer of one of its streams, from the beginning.
    ///
    /// # Errors
    /// When the stream does not exist.
    pub async fn consumer(&self, stream: &str) -> anyhow::Result<Consumer> {
        Consumer::open(&self.endpoint(), stream).await
    }

    /// SIGKILL.
    ///
    /// # Errors
    /// When it is not running.
    pub fn kill(&mut self) -> anyhow::Result<()> {
        self.process
            .take()
            .context("the server is not running")?
            .kill()
    }

    /// Freezes it: connections stay open and nothing answers.
    ///
    /// # Errors
    /// When it is not running.
    pub fn pause(&mut self) -> anyhow::Result<()> {
        self.process
            .as_mut()
            .context("the server is not running")?
            .signal(Signal::Stop)
    }

    /// Ends a [`pause`](Self::pause).
    ///
    /// # Errors
    /// When it is not running.
    pub fn resume(&mut self) -> anyhow::Result<()> {
        self.process
            .as_mut()
            .context("the server is not running")?
            .signal(Signal::Continue)
    }
}
