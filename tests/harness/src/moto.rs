//! moto: Firehose in front of S3, secrets and parameters; state machines with the services that they call. A DirectPut
//! call shows at once as one object, its records concatenated.

use std::{path::PathBuf, process::Command, time::Duration};

use anyhow::{Context, ensure};
use bytes::Bytes;
use hyper::Method;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::{
    aws::{JsonService, authorization, is_code},
    cache,
    http::Http,
    objects::Objects,
    ports::Port,
    process::{Process, Signal, log_into},
};

const START_WITHIN: Duration = Duration::from_secs(60);

#[derive(Debug)]
pub struct Moto {
    process: Process,
    http: Http,
    port: Port,
    folder: TempDir,
}

impl Moto {
    /// # Errors
    /// When moto is not installed or does not start; the message ends with its log.
    pub async fn start() -> anyhow::Result<Self> {
        let folder = tempfile::Builder::new()
            .prefix("headwater-moto-")
            .tempdir()
            .context("create a folder")?;
        let log = folder.path().join("moto.log");
        let port = Port::claim()?;
        let mut command = Command::new(cache::installed("moto")?.join("bin/moto_server"));
        command.args(["-H", "127.0.0.1", "-p", &port.number().to_string()]);
        // Where its state machines find the services.
        command.env("MOTO_PORT", port.number().to_string());
        command.current_dir(folder.path());
        log_into(&mut command, &log)?;
        let mut process = Process::spawn("moto_server", &mut command)?;
        let http = Http::default();
        let page = format!("http://127.0.0.1:{}/moto-api/", port.number());
        let answers = async || Ok(http.get(&page).await.is_ok());
        process.until_ready(START_WITHIN, &log, answers).await?;
        Ok(Self {
            process,
            http,
            port,
            folder,
        })
    }

    /// For `sink.firehose.endpoint_url`, and for any other service of moto's.
    pub fn endpoint(&self) -> String {
        format!("http://127.0.0.1:{}", self.port.number())
    }

    pub fn log(&self) -> PathBuf {
        self.folder.path().join("moto.log")
    }

    /// SIGKILL; everything is forgotten.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn kill(&mut self) -> anyhow::Result<()> {
        self.process.kill()
    }

    /// Stops and continues it, as if it could not be reached.
    ///
    /// # Errors
    /// When it has ended.
    pub fn signal(&mut self, signal: Signal) -> anyhow::Result<()> {
        self.process.signal(signal)
    }

    pub fn firehose(&self) -> JsonService {
        JsonService::firehose(&self.endpoint())
    }

    pub fn dynamodb(&self) -> JsonService {
        JsonService::dynamodb(&self.endpoint())
    }

    /// A bucket of its S3.
    pub fn bucket(&self, name: &str) -> Objects {
        Objects::s3(&self.endpoint(), name)
    }

    /// # Errors
    /// When moto refuses.
    pub async fn create_bucket(&self, bucket: &str) -> anyhow::Result<()> {
        self.bucket(bucket).create().await
    }

    /// # Errors
    /// When moto refuses.
    pub async fn put_object(&self, bucket: &str, key: &str, body: Bytes) -> anyhow::Result<()> {
        self.bucket(bucket).put(key, body).await
    }

    /// Keeps a text under a name, in place of the one before.
    ///
    /// # Errors
    /// When moto refuses.
    pub async fn put_secret(&self, name: &str, text: &str) -> anyhow::Result<()> {
        let service = JsonService::secrets_manager(&self.endpoint());
        let input = json!({"Name": name, "SecretString": text});
        match service.call("CreateSecret", &input).await {
            Err(error) if is_code(&error, "ResourceExistsException") => {
                let input = json!({"SecretId": name, "SecretString": text});
                service.call("PutSecretValue", &input).await.map(drop)
            }
            created => created.map(drop),
        }
    }

    /// The same as an encrypted parameter of SSM.
    ///
    /// # Errors
    /// When moto refuses.
    pub async fn put_parameter(&self, name: &str, text: &str) -> anyhow::Result<()> {
        let input = json!({"Name": name, "Value": text, "Type": "SecureString", "Overwrite": true});
        let service = JsonService::ssm(&self.endpoint());
        service.call("PutParameter", &input).await.map(drop)
    }

    /// A DirectPut delivery stream into `bucket`.
    ///
    /// # Errors
    /// When moto refuses.
    pub async fn create_delivery_stream(&self, name: &str, bucket: &str) -> anyhow::Result<()> {
        let destination = json!({
            "RoleARN": "arn:aws:iam::123456789012:role/firehose",
            "BucketARN": format!("arn:aws:s3:::{bucket}"),
            // AWS has a default; moto leaves it out of its description, which the SDK then refuses.
            "CompressionFormat": "UNCOMPRESSED",
        });
        let input = json!({
            "DeliveryStreamName": name,
            "DeliveryStreamType": "DirectPut",
            "ExtendedS3DestinationConfiguration": destination,
        });
        self.firehose()
            .call("CreateDeliveryStream", &input)
            .await
            .map(drop)
    }

    /// The keys of a bucket's objects in the order in which they were made. (S3 cannot tell this: names and
    /// times have whole seconds. moto's own page of its objects can.)
    ///
    /// # Errors
    /// When moto does not answer.
    pub async fn list_objects(&self, bucket: &str) -> anyhow::Result<Vec<String>> {
        let reply = self
            .http
            .get(&format!("{}/moto-api/data.json", self.endpoint()))
            .await?;
        let models: Value = serde_json::from_slice(&reply.body).context("read moto's data page")?;
        let objects = models
            .pointer("/s3/FakeKey")
            .and_then(Value::as_array)
            .context("moto shows no S3 objects")?;
        let of_bucket = objects
            .iter()
            .filter(|object| object.get("bucket_name") == Some(&json!(bucket)));
        Ok(of_bucket
            .filter_map(|object| object.get("name")?.as_str().map(str::to_owned))
            .collect())
    }

    /// # Errors
    /// When there is no such object.
    pub async fn read_object(&self, bucket: &str, key: &str) -> anyhow::Result<Bytes> {
        self.bucket(bucket).get(key).await
    }

    /// A bucket's objects with their keys, in the order in which they were made.
    ///
    /// # Errors
    /// When moto does not answer.
    pub async fn read_objects(&self, bucket: &str) -> anyhow::Result<Vec<(String, Bytes)>> {
        let mut objects = Vec::new();
        for key in self.list_objects(bucket).await? {
            let body = self.read_object(bucket, &key).await?;
            objects.push((key, body));
        }
        Ok(objects)
    }

    /// State machines are carried out from now on; else moto only says that they were.
    ///
    /// # Errors
    /// When moto refuses.
    pub async fn run_state_machines(&self) -> anyhow::Result<()> {
        let body = json!({"stepfunctions": {"execute_state_machine": true}}).to_string();
        let url = format!("{}/moto-api/config", self.endpoint());
        let headers = [("content-type", "application/json")];
        let reply = self.http.send(Method::POST, &url, &headers, body.into());
        let reply = reply.await?;
        ensure!(reply.status == 201, "{} {}", reply.status, reply.text());
        Ok(())
    }

    /// A call of the older protocol: parameters of a form, and XML back, of which nothing is read.
    ///
    /// # Errors
    /// When moto refuses.
    pub async fn query(&self, service: &str, parameters: &[(&str, &str)]) -> anyhow::Result<()> {
        let encoded = |text: &str| text.bytes().map(|byte| format!("%{byte:02X}")).collect();
        let pairs = parameters.iter().map(|(name, value)| {
            let value: String = encoded(value);
            format!("{name}={value}")
        });
        let body = pairs.collect::<Vec<_>>().join("&");
        let authorization = authorization(service);
        let headers = [
            ("content-type", "application/x-www-form-urlencoded"),
            ("authorization", authorization.as_str()),
            ("x-amz-date", "20260101T000000Z"),
        ];
        let url = self.endpoint();
        let reply = self.http.send(Method::POST, &url, &headers, body.into());
        let reply = reply.await?;
        ensure!(reply.status == 200, "{} {}", reply.status, reply.text());
        Ok(())
    }
}
