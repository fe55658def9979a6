//! Objects by key: in a bucket of any server that speaks S3's API, or as files below a folder.

use std::path::{Path, PathBuf};

use anyhow::{Context, ensure};
use bytes::Bytes;
use hyper::Method;

use crate::{
    aws::authorization,
    http::{Http, Reply},
};

#[derive(Debug, Clone)]
pub enum Objects {
    Folder(PathBuf),
    S3 {
        http: Box<Http>,
        endpoint: String,
        bucket: String,
    },
}

impl Objects {
    pub fn folder(folder: &Path) -> Self {
        Self::Folder(folder.to_owned())
    }

    /// A bucket, which may not exist yet.
    pub fn s3(endpoint: &str, bucket: &str) -> Self {
        Self::S3 {
            http: Box::default(),
            endpoint: endpoint.to_owned(),
            bucket: bucket.to_owned(),
        }
    }

    /// Makes the folder, or the bucket.
    ///
    /// # Errors
    /// When that is refused.
    pub async fn create(&self) -> anyhow::Result<()> {
        match self {
            Self::Folder(folder) => std::fs::create_dir_all(folder)
                .with_context(|| format!("create {}", folder.display())),
            Self::S3 { .. } => self.call(Method::PUT, "", Bytes::new()).await.map(drop),
        }
    }

    /// `s3://bucket/key`, or the path of the file.
    pub fn url(&self, key: &str) -> String {
        match self {
            Self::Folder(folder) => folder.join(key).display().to_string(),
            Self::S3 { bucket, .. } => format!("s3://{bucket}/{key}"),
        }
    }

    /// The key of an object of this place.
    pub fn key<'a>(&self, url: &'a str) -> Option<&'a str> {
        url.strip_prefix(&self.url(""))
    }

    /// A whole object, in place of the one before.
    ///
    /// # Errors
    /// When it is not taken.
    pub async fn put(&self, key: &str, body: Bytes) -> anyhow::Result<()> {
        let Self::Folder(folder) = self else {
            let path = format!("/{key}");
            return self.call(Method::PUT, &path, body).await.map(drop);
        };
        let file = folder.join(key);
        let parent = file.parent().context("a key names no folder")?;
        std::fs::create_dir_all(parent)
            .and_then(|()| std::fs::write(&file, &body))
            .with_context(|| format!("write {}", file.display()))
    }

    /// # Errors
    /// When there is no such object.
    pub async fn get(&self, key: &str) -> anyhow::Result<Bytes> {
        let Self::Folder(folder) = self else {
            let path = format!("/{key}");
            return Ok(self.call(Method::GET, &path, Bytes::new()).await?.body);
        };
        let file = folder.join(key);
        let read = std::fs::read(&file).with_context(|| format!("read {}", file.display()))?;
        Ok(read.into())
    }

    /// The keys that begin so, sorted. They must need no escape in XML.
    ///
    /// # Errors
    /// When the place cannot be read.
    pub async fn list(&self, prefix: &str) -> anyhow::Result<Vec<String>> {
        let mut keys = Vec::new();
        if let Self::Folder(folder) = self {
            walk(folder, folder, &mut keys)?;
            keys.retain(|key| key.starts_with(prefix));
            keys.sort_unstable();
            return Ok(keys);
        }
        loop {
            let after = keys.last().map_or("", String::as_str);
            let path = format!("?list-type=2&prefix={prefix}&start-after={after}");
            let page = self.call(Method::GET, &path, Bytes::new()).await?.text();
            let found = page.split("<Key>").skip(1);
            let found = found.filter_map(|rest| Some(rest.split_once("</Key>")?.0.to_owned()));
            let before = keys.len();
            keys.extend(found);
            if keys.len() == before {
                return Ok(keys);
            }
        }
    }

    async fn call(&self, method: Method, path: &str, body: Bytes) -> anyhow::Result<Reply> {
        let Self::S3 {
            http,
            endpoint,
            bucket,
        } = self
        else {
            anyhow::bail!("a folder takes no calls");
        };
        let authorization = authorization("s3");
        let headers = [
            ("authorization", authorization.as_str()),
            ("x-amz-date", "20260101T000000Z"),
        ];
        let url = format!("{endpoint}/{bucket}{path}");
        let reply = http.send(method, &url, &headers, body).await?;
        ensure!(
            reply.status == 200,
            "S3 answered /{bucket}{path} with {}: {}",
            reply.status,
            reply.text()
        );
        Ok(reply)
    }
}

fn walk(root: &Path, folder: &Path, keys: &mut Vec<String>) -> anyhow::Result<()> {
    for entry in std::fs::read_dir(folder).with_context(|| format!("read {}", folder.display()))? {
        let path = entry.context("list a folder")?.path();
        if path.is_dir() {
            walk(root, &path, keys)?;
        } else {
            let key = path.strip_prefix(root).context("a file is in its folder")?;
            keys.push(key.display().to_string());
        }
    }
    Ok(())
}
