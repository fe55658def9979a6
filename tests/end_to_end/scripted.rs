//! A service over HTTP that answers what a test says, also what no honest one does.

use std::sync::Arc;

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
};

pub enum Answer {
    Whole(Vec<u8>),
    /// This, and then bytes as long as somebody reads.
    Endless(Vec<u8>),
}

impl Answer {
    /// With a length, and the connection closed behind it.
    pub fn of(status: &str, body: &str) -> Self {
        let length = body.len();
        Self::Whole(
            format!(
                "HTTP/1.1 {status}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}"
            )
            .into_bytes(),
        )
    }
}

/// Its endpoint. `answer` gets the request's first line and headers; one request a connection.
pub async fn scripted(
    answer: impl Fn(&str) -> Answer + Send + Sync + 'static,
) -> anyhow::Result<String> {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
    let endpoint = format!("http://{}", listener.local_addr()?);
    let answer = Arc::new(answer);
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let answer = Arc::clone(&answer);
            tokio::spawn(async move {
                let mut request = vec![0; 16 << 10];
                let bytes = stream.read(&mut request).await?;
                if bytes == 0 {
                    return Ok(());
                }
                match answer(&String::from_utf8_lossy(&request[..bytes])) {
                    Answer::Whole(bytes) => stream.write_all(&bytes).await,
                    Answer::Endless(bytes) => {
                        stream.write_all(&bytes).await?;
                        let more = [b'x'; 1 << 16];
                        while stream.write_all(&more).await.is_ok() {}
                        Ok(())
                    }
                }
            });
        }
    });
    Ok(endpoint)
}
